/*
 * A plugin of the first version: built with the header as it was published
 * then, it uses every call that the header has, and must find all of them to
 * do what they did. What a call does wrong is logged, and the stage breaks.
 *
 *	old edit=yes | verdict=CLASS
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/abi/plugin-1.0.h"

struct state {
	const struct qf_conf *conf;
	bool edit;
	int32_t class_;
};

/* Logs what does not hold and leaves the function. */
#define WANT(h, m, condition)                                                  \
	do {                                                                   \
		if (!(condition)) {                                            \
			(h)->log(                                              \
			    m, NULL, QF_LOG_ERROR, "not so: " #condition);     \
			return QF_BROKEN;                                      \
		}                                                              \
	} while (0)

static bool is(struct qf_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

/* The bytes by four ways. */
static int32_t read_bytes(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_iter runs = {{0}}, crlf = {{0}};
	uint64_t plain = 0, lines = 0, wire = 0;
	struct qf_span s;
	char first;
	int32_t fd;

	while (h->span_next(m, &runs, &s) == 1)
		plain += s.n;
	WANT(h, m, plain == h->size_of(m));
	WANT(h, m, h->flat(m, &s) == 0 && s.n == plain);
	for (size_t i = 0; i < s.n; i++)
		lines += s.p[i] == '\n';
	first = s.p[0];
	while (h->crlf_next(m, &crlf, &s) == 1)
		wire += s.n;
	WANT(h, m, wire == plain + lines);
	fd = h->fd(m);
	WANT(h, m, fd >= 0);
	WANT(h, m, read(fd, &first, 1) == 1 && first == 'F');
	return QF_PASS;
}

static int32_t read_fields(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_field f = {.size = sizeof f};
	struct qf_span s;
	int32_t at = h->header_find(m, "subject", 0);

	WANT(h, m, h->header_count(m) == 5);
	WANT(h, m, at == 2);
	WANT(h, m, h->header_get(m, (uint32_t)at, &f) == 0);
	WANT(h, m, f.size == sizeof f && f.flags == 0);
	WANT(h, m, is(f.name, "Subject") && is(f.value, " old"));
	WANT(h, m, is(f.raw, "Subject: old\n"));
	WANT(h, m, h->header_get(m, 4, &f) == 0);
	WANT(h, m, (f.flags & QF_FIELD_MALFORMED) != 0);
	WANT(h, m, h->header_get(m, 5, &f) == QF_EINVAL);
	WANT(h, m, h->header_find(m, "Subject", 3) == QF_ENOENT);
	WANT(h, m, h->sender(m, &s) == 0 && is(s, "sender@test.example"));
	WANT(h, m, h->rcpt_count(m) == 2);
	WANT(h, m, h->rcpt_get(m, 1, &s) == 0 && is(s, "b@test.example"));
	WANT(h, m, h->context(m, "path", &s) == 0 && is(s, "inject"));
	WANT(h, m, h->context(m, "nosuchkey", &s) == QF_ENOENT);
	WANT(h, m, h->env(m, "QF_TEST_OLD", &s) == 0 && is(s, "old"));
	return QF_PASS;
}

static int32_t read_settings(
    const struct qf_host *h, struct qf_msg *m, const struct state *st)
{
	struct qf_iter it = {{0}};
	struct qf_span s;
	const char *path;
	uint32_t line;

	WANT(h, m, h->conf_get(st->conf, "nosuchkey", &s) == QF_ENOENT);
	WANT(h, m,
	    h->conf_list_next(st->conf, "list", &it, &s, &line) == 1 &&
		is(s, "one") && line == 2);
	WANT(h, m, h->conf_list_next(st->conf, "list", &it, &s, &line) == 0);
	WANT(h, m, h->conf_path(st->conf, s, &path) == 0);
	WANT(h, m, path[0] == '/' && strstr(path, "/one") != NULL);
	return QF_PASS;
}

static int32_t edit(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_span more = {"and more\n", 9}, whole = {"another\n", 8};

	WANT(h, m, h->header_insert(m, 0, "X-Old", "top") == 0);
	WANT(h, m, h->header_replace(m, 2, " new") == 0);
	WANT(h, m, h->header_delete(m, 3) == 0);
	WANT(h, m, h->header_insert(m, 0, "X Old", "bad") < 0);
	WANT(h, m, h->body_replace(m, whole) == 0);
	WANT(h, m, h->body_append(m, more) == 0);
	WANT(h, m, h->rcpt_add(m, "c@test.example") == 0);
	WANT(h, m, h->rcpt_drop(m, 0) == 0);
	WANT(h, m, h->sender_set(m, "new@test.example") == 0);
	return QF_PASS;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct state *st = state;
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = (uint32_t)st->class_,
	    .category = QF_CAT_SPAM,
	    .text = "an old text"};
	int32_t rc;

	if ((rc = read_bytes(h, m)) != QF_PASS ||
	    (rc = read_fields(h, m)) != QF_PASS ||
	    (rc = read_settings(h, m, st)) != QF_PASS)
		return rc;
	if (st->edit && (rc = edit(h, m)) != QF_PASS)
		return rc;
	h->log(m, NULL, QF_LOG_INFO, "all is as it was");
	return h->verdict(m, &v);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *st = calloc(1, sizeof *st);
	struct qf_span s;

	if (st == NULL)
		return QF_ENOMEM;
	st->conf = c;
	st->edit = h->conf_get(c, "edit", &s) == 0;
	if (h->conf_get(c, "verdict", &s) == 0)
		st->class_ = s.p[0] - '0';
	if (st->class_ > QF_REDIRECT) {
		h->conf_error(c, "verdict", NULL, 0, "is no class");
		free(st);
		return QF_ECONF;
	}
	*state = st;
	return 0;
}

static void fini(const struct qf_host *h, void *state)
{
	h->log(NULL, ((struct state *)state)->conf, QF_LOG_INFO, "the end");
	free(state);
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	void *state;
	int32_t rc = init(h, c, &state);

	if (rc == 0)
		free(state);
	return rc;
}

static const struct qf_setting settings[] = {
    {.key = "edit", .help = "edits everything"},
    {.key = "verdict",
	.help = "the number of a class",
	.flags = QF_SETTING_ENV},
    {0},
};

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "old",
    .version = "1.0",
    .summary = "uses all of version 1.0",
    .needs = QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |
	     QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |
	     QF_GROUP_CONFIG | QF_GROUP_LOG,
    .effects = QF_EFFECT_HEADER | QF_EFFECT_BODY | QF_EFFECT_RCPT |
	       QF_EFFECT_SENDER | QF_EFFECT_DROP,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
