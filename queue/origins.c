#include "queue/origins.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/passwd.h"
#include "lib/base/strv.h"

static const char file_name[] = "users";

/* In the order in which qmail-queue compares. */
static const struct {
	const char *name, *account;
} origins[] = {
    [QF_ORIGIN_ALIAS] = {"alias", "alias"},
    [QF_ORIGIN_NETWORK] = {"network", "qmaild"},
    [QF_ORIGIN_BOUNCE] = {"bounce", "qmails"},
};

enum {
	ORIGINS = sizeof origins / sizeof origins[0]
};

static void add(struct qf_origins *o, enum qf_origin is, const char *user)
{
	unsigned long long uid = 0;
	bool number = qf_span_u64(qf_span(user), UINT_MAX, &uid);

	o->v = qf_realloc_array(o->v, o->n + 1, sizeof *o->v);
	o->v[o->n++] = (struct qf_origin_user){.is = is,
	    .account = number ? NULL : qf_strdup(user),
	    .uid = (uid_t)uid};
}

static bool has(const struct qf_origins *o, enum qf_origin is)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->v[i].is == is)
			return true;
	}
	return false;
}

/* A number that is none, such as -1 or one too many digits, is no name. */
static bool is_user(const char *word)
{
	unsigned long long n;

	return word[strspn(word, "+-0123456789")] != '\0' ||
	       qf_span_u64(qf_span(word), UINT_MAX, &n);
}

/* ORIGIN USER... */
static int take_words(struct qf_origins *o, const struct qf_strv *words,
    const struct qf_ctl *c, unsigned line, struct qf_err *e)
{
	for (int i = 0; words->n > 1 && i < ORIGINS; i++) {
		if (strcmp(words->v[0], origins[i].name) != 0)
			continue;
		for (size_t k = 1; k < words->n; k++) {
			if (!is_user(words->v[k]))
				return qf_fail(e, QF_ECONF,
				    "%s/%s:%u: \"%s\" is neither a user's name "
				    "nor a number",
				    c->path, file_name, line, words->v[k]);
			add(o, (enum qf_origin)i, words->v[k]);
		}
		return 0;
	}
	return qf_fail(e, QF_ECONF,
	    "%s/%s:%u: write `alias USER ...`, `network USER ...` or `bounce "
	    "USER ...`",
	    c->path, file_name, line);
}

static int take_line(struct qf_origins *o, const struct qf_line *line,
    const struct qf_ctl *c, struct qf_err *e)
{
	struct qf_strv words = {0};
	struct qf_err why;
	int rc = qf_strv_split(&words, line->s, &why);

	if (rc < 0)
		rc = qf_fail(e, QF_ECONF, "%s/%s:%u: %s", c->path, file_name,
		    line->number, why.text);
	else
		rc = take_words(o, &words, c, line->number, e);
	qf_strv_free(&words);
	return rc;
}

/* One that a name stands for must have it, if we are to be sure of it. */
static int check_line(
    const struct qf_line *line, const struct qf_ctl *c, struct qf_err *e)
{
	struct qf_origins o = {0};
	int rc = take_line(&o, line, c, e);

	for (size_t i = 0; i < o.n && rc == 0; i++) {
		if (o.v[i].account != NULL && !qf_passwd_has(o.v[i].account))
			rc = qf_fail(e, QF_ECONF,
			    "%s/%s:%u: there is no user \"%s\"; make one, or "
			    "take the name out",
			    c->path, file_name, line->number, o.v[i].account);
	}
	qf_origins_free(&o);
	return rc;
}

int qf_origins_load(
    struct qf_origins *o, const struct qf_ctl *c, struct qf_err *e)
{
	struct qf_lines lines = QF_LINES_INIT;
	int rc = c != NULL ? qf_ctl_lines(c, file_name, &lines, e) : 0;

	*o = (struct qf_origins){0};
	for (size_t i = 0; i < lines.n && rc >= 0; i++)
		rc = take_line(o, &lines.v[i], c, e);
	qf_lines_free(&lines);
	for (int i = 0; i < ORIGINS && rc >= 0; i++) {
		if (!has(o, (enum qf_origin)i))
			add(o, (enum qf_origin)i, origins[i].account);
	}
	if (rc < 0)
		qf_origins_free(o);
	return rc < 0 ? rc : 0;
}

int qf_origins_check(const struct qf_ctl *c, struct qf_err *e)
{
	struct qf_lines lines = QF_LINES_INIT;
	int rc = qf_ctl_lines(c, file_name, &lines, e);

	for (size_t i = 0; i < lines.n && rc >= 0; i++)
		rc = check_line(&lines.v[i], c, e);
	qf_lines_free(&lines);
	return rc < 0 ? rc : 0;
}

void qf_origins_free(struct qf_origins *o)
{
	for (size_t i = 0; i < o->n; i++)
		free(o->v[i].account);
	free(o->v);
	*o = (struct qf_origins){0};
}

enum qf_origin qf_origins_find(const struct qf_origins *o, uid_t uid)
{
	enum qf_origin found = QF_ORIGIN_USER;
	struct qf_buf name = QF_BUF_INIT;
	bool names = false;

	for (size_t i = 0; i < o->n; i++) {
		names |= o->v[i].account != NULL;
		if (o->v[i].account == NULL && o->v[i].uid == uid &&
		    o->v[i].is < found)
			found = o->v[i].is;
	}
	names = names && found == QF_ORIGIN_USER && qf_passwd_name(uid, &name);
	for (size_t i = 0; i < o->n && names; i++) {
		if (o->v[i].account != NULL &&
		    strcmp(o->v[i].account, name.s) == 0 && o->v[i].is < found)
			found = o->v[i].is;
	}
	qf_buf_free(&name);
	return found;
}
