#include "send/remotes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/mail/attrs.h"

static const char file[] = "remotes";
static const char default_protocol[] = "smtp";

/* Printable and without space: it appears in logs, notes and a path. */
static bool is_word(const char *s)
{
	if (s[0] == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s <= ' ' || *s >= 127)
			return false;
	}
	return true;
}

/* What is wrong with these words, or NULL. */
static const char *check_words(const struct qf_strv *words)
{
	if (!is_word(words->v[0]))
		return "the host is empty or holds a space or a character "
		       "that is not printable";
	if (words->n > 1 && (!is_word(words->v[1]) || words->v[1][0] == '.' ||
				strchr(words->v[1], '/') != NULL))
		return "the second word is the name of a protocol module, such "
		       "as smtp: a plain file name, without a slash";
	for (size_t i = 2; i < words->n; i++) {
		if (words->v[i][0] == '\0' || strcmp(words->v[i], "--") == 0)
			return "an option is empty; remove it";
	}
	return NULL;
}

static void add(
    struct qf_remotes *r, const struct qf_strv *words, unsigned line)
{
	struct qf_remote *new;

	r->v = qf_realloc_array(r->v, r->n + 1, sizeof *r->v);
	new = &r->v[r->n++];
	*new = (struct qf_remote){.line = line};
	new->host = qf_strdup(words->v[0]);
	new->protocol =
	    qf_strdup(words->n > 1 ? words->v[1] : default_protocol);
	for (size_t i = 2; i < words->n; i++) {
		const char *option = words->v[i];

		if (strncmp(option, "--", 2) == 0)
			option += 2;
		qf_strv_add(&new->options, option);
	}
}

static int parse_line(struct qf_remotes *r, const struct qf_ctl *c,
    const struct qf_line *line, struct qf_err *e)
{
	struct qf_strv words = {0};
	const char *wrong;
	int rc = qf_strv_split(&words, line->s, e);

	if (rc < 0) {
		qf_err_context(e, "%s/%s:%u", c->path, file, line->number);
		e->rc = rc = QF_ECONF;
	} else if ((wrong = check_words(&words)) != NULL) {
		rc = qf_fail(e, QF_ECONF, "%s/%s:%u: %s", c->path, file,
		    line->number, wrong);
	} else {
		add(r, &words, line->number);
	}
	qf_strv_free(&words);
	return rc;
}

int qf_remotes_load(
    const struct qf_ctl *c, struct qf_remotes *out, struct qf_err *e)
{
	struct qf_lines lines = QF_LINES_INIT;
	int rc;

	qf_remotes_free(out);
	rc = qf_ctl_lines(c, file, &lines, e);
	for (size_t i = 0; i < lines.n && rc >= 0; i++)
		rc = parse_line(out, c, &lines.v[i], e);
	if (rc >= 0)
		rc = out->n > 0;
	else
		qf_remotes_free(out);
	if (rc > 0)
		out->exposed = qf_ctl_is_exposed(c, file);
	qf_lines_free(&lines);
	return rc;
}

int qf_remote_of_route(
    struct qf_remote *out, const char *route, struct qf_err *e)
{
	struct qf_buf port = QF_BUF_INIT;
	struct qf_route to;
	int rc = qf_route_parse(&to, qf_span(route), e);

	*out = (struct qf_remote){0};
	if (rc < 0)
		return rc;
	qf_buf_addf(&port, "port=%u", to.port);
	out->host = qf_strdup(to.host);
	out->protocol = qf_strdup(default_protocol);
	qf_strv_add(&out->options, port.s);
	qf_buf_free(&port);
	return 0;
}

void qf_remote_free(struct qf_remote *r)
{
	free(r->host);
	free(r->protocol);
	qf_strv_free(&r->options);
	*r = (struct qf_remote){0};
}

void qf_remotes_free(struct qf_remotes *r)
{
	for (size_t i = 0; i < r->n; i++)
		qf_remote_free(&r->v[i]);
	free(r->v);
	*r = (struct qf_remotes){0};
}
