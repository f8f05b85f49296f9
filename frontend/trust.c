#include "frontend/trust.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/paths.h"

extern char **environ;

enum {
	NAMES_MAX = 600, /* bytes of names that are told */
	VALUE_MAX = 64   /* of a variable that changes nothing */
};

static const char file_name[] = "trusted-users";

/* One user by name or number: 0, or QF_ECONF. */
static int find_user(struct qf_span name, const char *path, unsigned line,
    uid_t *out, struct qf_err *e)
{
	char *copy = qf_strndup(name.p, name.n);
	unsigned long long number;
	const struct passwd *pw;
	int rc = 0;

	errno = 0;
	if (qf_span_u64(name, (uid_t)-1 - 1, &number))
		*out = (uid_t)number;
	else if ((pw = getpwnam(copy)) != NULL)
		*out = pw->pw_uid;
	else
		rc = qf_fail(e, QF_ECONF,
		    "%s/%s:%u: there is no user \"%s\"%s%s; give one name or "
		    "uid a line",
		    path, file_name, line, copy, errno != 0 ? ": " : "",
		    errno != 0 ? strerror(errno) : "");
	free(copy);
	return rc;
}

int qf_trust_load(
    struct qf_trust *t, const struct qf_ctl *ctl, struct qf_err *e)
{
	struct qf_lines lines = QF_LINES_INIT;
	int rc = qf_ctl_lines(ctl, file_name, &lines, e);

	*t = (struct qf_trust){0};
	if (rc <= 0)
		return rc;
	rc = 0;
	t->v = qf_alloc((lines.n + 1) * sizeof *t->v);
	for (size_t i = 0; i < lines.n && rc == 0; i++) {
		rc = find_user(
		    lines.v[i].s, ctl->path, lines.v[i].number, &t->v[i], e);
		t->n++;
	}
	qf_lines_free(&lines);
	if (rc < 0)
		qf_trust_free(t);
	return rc;
}

void qf_trust_free(struct qf_trust *t)
{
	free(t->v);
	*t = (struct qf_trust){0};
}

bool qf_trust_holds(const struct qf_trust *t, uid_t uid)
{
	if (uid == 0)
		return true;
	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i] == uid)
			return true;
	}
	return false;
}

/* Names, `*` for any end. */

/* Nobody's to choose. */
static const char *const places[] = {"CONTROLDIR", "QUEUEDIR", "PLUGINDIR",
    "PROTOCOLDIR", "QFRONT_SOCKET", "QFRONT_METRICS", "TMPDIR", "PATH", "LD_*",
    NULL};

/* Anybody's: how texts look, and the count that ends a loop of programs. */
static const char *const harmless[] = {
    "LANG", "LC_*", "TZ", "QFRONT_DEPTH", NULL};

static bool is_in(const char *const *list, struct qf_span name)
{
	for (; *list != NULL; list++) {
		size_t n = strlen(*list);

		if ((*list)[n - 1] == '*' && name.n >= n - 1 &&
		    memcmp(name.p, *list, n - 1) == 0)
			return true;
		if (qf_span_is(name, *list))
			return true;
	}
	return false;
}

/* No path to a file of somebody's own. */
static bool is_modest(const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_+-,.@/";

	return value[0] != '/' && strstr(value, "..") == NULL &&
	       strlen(value) <= VALUE_MAX &&
	       value[strspn(value, plain)] == '\0';
}

static bool may_stay(const char *entry, bool believed)
{
	const char *equals = strchr(entry, '=');
	struct qf_span name;

	if (equals == NULL)
		return false;
	name = qf_span_n(entry, (size_t)(equals - entry));
	if (believed)
		return !is_in(places, name);
	return is_in(harmless, name) && is_modest(equals + 1);
}

size_t qf_trust_filter(char **envp, bool believed, struct qf_buf *dropped)
{
	char **to = envp;
	size_t n = 0;

	for (; *envp != NULL; envp++) {
		size_t len = strcspn(*envp, "=");

		if (may_stay(*envp, believed)) {
			*to++ = *envp;
			continue;
		}
		/* Everybody has one: no news of somebody who is believed. */
		if (believed && qf_span_is(qf_span_n(*envp, len), "PATH"))
			continue;
		n++;
		if (dropped->len + len + 1 > NAMES_MAX)
			continue;
		qf_buf_addc(dropped, ' ');
		qf_buf_addspan(dropped, qf_span_n(*envp, len));
	}
	*to = NULL;
	return n;
}

int qf_trust_meet(struct qf_caller *c, struct qf_err *e)
{
	struct qf_ctl ctl;
	struct qf_trust t;

	if (qf_env_trusted())
		return 0;
	if (qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e) < 0)
		return e->rc;
	if (qf_trust_load(&t, &ctl, e) < 0) {
		qf_ctl_close(&ctl);
		return e->rc;
	}
	c->met = true;
	c->uid = getuid();
	c->believed = qf_trust_holds(&t, c->uid);
	c->ndropped = qf_trust_filter(environ, c->believed, &c->dropped);
	qf_trust_free(&t);
	qf_ctl_close(&ctl);
	qf_env_vouch();
	if (chdir("/") < 0)
		return qf_fail_sys(e, QF_EHOME, "/");
	return 0;
}

bool qf_trust_may_choose(const struct qf_caller *c)
{
	return !c->met || c->believed;
}

void qf_trust_log(const struct qf_caller *c)
{
	struct qf_span names = qf_span_trim(qf_buf_span(&c->dropped));

	if (c->ndropped > 0 || c->arguments > 0)
		qf_log(QF_LOG_INFO, "dropped what the caller may not say",
		    QF_KU("uid", c->uid),
		    QF_KS("believed", c->believed ? "yes" : "no"),
		    QF_KU("arguments", c->arguments),
		    QF_KU("variables", c->ndropped), QF_KN("names", names));
}

void qf_caller_free(struct qf_caller *c)
{
	qf_buf_free(&c->dropped);
}
