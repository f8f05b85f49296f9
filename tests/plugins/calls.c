/*
 * A plugin that uses the calls of version 1.1: one thing per value of its
 * setting `do`. What they give it adds to the end of the header as `X-Call:
 * ...`. The other settings are what the calls are told.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

struct state {
	char act[32], method[64], result[64], reason[256], prop[256];
	char key[64], value[256];
};

__attribute__((format(printf, 3, 4))) static int32_t say(
    const struct qf_host *h, struct qf_msg *m, const char *fmt, ...)
{
	char text[2000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return h->header_insert(
	    m, (uint32_t)h->header_count(m), "X-Call", text);
}

/* mime */

static int32_t say_part(const struct qf_host *h, struct qf_msg *m, uint32_t i)
{
	struct qf_part p = {.size = sizeof p};
	struct qf_span s = {NULL, 0};
	int32_t rc = h->part_get(m, i, &p);

	if (rc < 0)
		return rc;
	rc = h->part_decoded(m, i, &s);
	return say(h, m,
	    "part %u of %u at %u flags %u %.*s name=%.*s id=%.*s enc=%.*s "
	    "cs=%.*s header %zu body %zu decoded %d %zu",
	    i, p.parent, p.depth, p.flags, (int)p.type.n, p.type.p,
	    (int)p.name.n, p.name.p, (int)p.id.n, p.id.p, (int)p.encoding.n,
	    p.encoding.p, (int)p.charset.n, p.charset.p, p.header.n, p.body.n,
	    rc, s.n);
}

static int32_t do_parts(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	int32_t n = h->part_count(m), rc = n < 0 ? n : 0;

	(void)s;
	for (uint32_t i = 0; rc == 0 && i < (uint32_t)n; i++)
		rc = say_part(h, m, i);
	return rc;
}

/* What the calls refuse. */
static int32_t do_bad_parts(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_part none = {.size = 8}, part = {.size = sizeof part};
	struct qf_span span;

	(void)s;
	return say(h, m, "bad part %d %d %d", h->part_get(m, 0, &none),
	    h->part_get(m, 1000000, &part), h->part_decoded(m, 1000000, &span));
}

static int32_t do_body(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	static const char body[] = "--b\n\nnew\n--b\n\nparts\n--b--\n";

	(void)s;
	return h->body_replace(m, (struct qf_span){body, sizeof body - 1});
}

/* authres */

static int32_t add(const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_authprop p = {"policy", "", ""};
	struct qf_authres r = {.size = sizeof r,
	    .method = s->method,
	    .result = s->result,
	    .reason = s->reason[0] != '\0' ? s->reason : NULL,
	    .props = &p};
	char *dot = strchr(s->prop, '.'), *equals = strchr(s->prop, '=');

	if (dot != NULL && equals != NULL) {
		*dot = *equals = '\0';
		p = (struct qf_authprop){s->prop, dot + 1, equals + 1};
		r.nprops = 1;
	}
	return h->authres_add(m, &r);
}

static int32_t do_result(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	return add(h, m, s);
}

static int32_t do_bad_result(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_authres r = {.size = 4, .method = "x", .result = "pass"};
	int32_t small = h->authres_add(m, &r);

	snprintf(s->method, sizeof s->method, "no method");
	return say(h, m, "bad result %d %d", small, add(h, m, s));
}

static int32_t do_results(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_authres r = {.size = sizeof r};
	struct qf_iter it = {{0}};
	int32_t rc;

	(void)s;
	while ((rc = h->authres_next(m, &it, &r)) == 1) {
		say(h, m, "result %s=%s reason=%s props %u %s%s%s", r.method,
		    r.result, r.reason != NULL ? r.reason : "", r.nprops,
		    r.nprops > 0 ? r.props[0].type : "",
		    r.nprops > 0 ? r.props[0].property : "",
		    r.nprops > 0 ? r.props[0].value : "");
		r.size = sizeof r;
	}
	return rc;
}

/* Those that stand in the header. */
static int32_t do_fields(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	int32_t at = -1, n = 0;

	(void)s;
	while ((at = h->header_find(
		    m, "Authentication-Results", (uint32_t)at + 1)) >= 0)
		n++;
	return say(h, m, "fields %d", n);
}

static int32_t do_fail(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	return add(h, m, s) < 0 ? QF_EINVAL : QF_ENET;
}

static int32_t do_crash(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	add(h, m, s);
	raise(SIGKILL);
	return 0;
}

/* share, route, run */

static int32_t do_leave(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	int32_t rc = h->score_add(m, strtol(s->value, NULL, 10), "calls");

	if (rc == 0)
		rc = h->note_set(
		    m, s->key, (struct qf_span){s->value, strlen(s->value)});
	if (rc == 0)
		rc = say(h, m, "score %lld bad note %d", (long long)h->score(m),
		    h->note_set(m, "Bad Key", (struct qf_span){"x", 1}));
	return rc;
}

static int32_t do_find(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_span note = {"none", 4};
	int32_t rc = h->note_get(m, s->key, &note);

	return say(h, m, "score %lld note %d %.*s", (long long)h->score(m), rc,
	    (int)note.n, note.p);
}

static int32_t do_route(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	return h->route_set(m, s->value);
}

static int32_t do_run(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_iter it = {{0}};
	struct qf_span v;
	int n = 0;

	while (h->env_next(m, &it, &v) == 1)
		n += v.n > strlen(s->key) &&
		     memcmp(v.p, s->key, strlen(s->key)) == 0;
	h->waited(m, "dns example.org", 1500);
	return say(h, m, "time %d variables %d taken %d", h->time_left(m) > 0,
	    n, h->env_take(m, s->key));
}

static int32_t do_rcpt(
    const struct qf_host *h, struct qf_msg *m, struct state *s)
{
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = QF_QUARANTINE,
	    .category = QF_CAT_SPAM,
	    .text = "held by calls"};

	(void)s;
	return h->rcpt_verdict(m, 0, &v);
}

static const struct {
	const char *name;
	int32_t (*run)(
	    const struct qf_host *h, struct qf_msg *m, struct state *s);
} acts[] = {
    {"parts", do_parts},
    {"bad-parts", do_bad_parts},
    {"body", do_body},
    {"result", do_result},
    {"bad-result", do_bad_result},
    {"results", do_results},
    {"fields", do_fields},
    {"fail", do_fail},
    {"crash", do_crash},
    {"leave", do_leave},
    {"find", do_find},
    {"route", do_route},
    {"run", do_run},
    {"rcpt", do_rcpt},
};

static void setting(const struct qf_host *h, const struct qf_conf *c,
    const char *key, char *out, size_t size)
{
	struct qf_span s;

	if (h->conf_get(c, key, &s) == 0)
		snprintf(out, size, "%.*s", (int)s.n, s.p);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *s = calloc(1, sizeof *s);

	setting(h, c, "do", s->act, sizeof s->act);
	setting(h, c, "method", s->method, sizeof s->method);
	setting(h, c, "result", s->result, sizeof s->result);
	setting(h, c, "reason", s->reason, sizeof s->reason);
	setting(h, c, "prop", s->prop, sizeof s->prop);
	setting(h, c, "key", s->key, sizeof s->key);
	setting(h, c, "value", s->value, sizeof s->value);
	*state = s;
	return 0;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	struct state *s = state;

	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		if (strcmp(acts[i].name, s->act) == 0)
			return acts[i].run(h, m, s);
	}
	return QF_EINVAL;
}

static void fini(const struct qf_host *h, void *state)
{
	(void)h;
	free(state);
}

static const struct qf_setting settings[] = {
    {"do", "what to do", 0, 0},
    {"method", "of a result", 0, 0},
    {"result", "of a result", 0, 0},
    {"reason", "of a result", 0, 0},
    {"prop", "of a result: type.property=value", 0, 0},
    {"key", "of a note, or a variable", 0, 0},
    {"value", "of a note, a score or a route", 0, 0},
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_EDIT | QF_GROUP_CONFIG | QF_GROUP_RCPT | QF_GROUP_SHARE |    \
	    QF_GROUP_MIME | QF_GROUP_ROUTE | QF_GROUP_RUN | QF_TEST_GROUPS)
#define EFFECTS (QF_EFFECT_HEADER | QF_EFFECT_BODY | QF_EFFECT_ROUTE)
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, QF_TEST_FLAGS);

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = QF_TEST_NAME,
    .version = "1",
    .summary = "uses the calls of version 1.1",
    .needs = NEEDS,
    .effects = EFFECTS,
    .flags = QF_TEST_FLAGS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
};
