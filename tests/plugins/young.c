/*
 * A plugin of today that can do without whatever came after version 1.0: it
 * asks for each later call, uses those that are there, and says which in a
 * header field.
 */
#include <stdio.h>

#include <qfront/plugin.h>

struct list {
	char text[300];
	size_t n;
};

static void add(struct list *l, const char *name)
{
	int n = snprintf(l->text + l->n, sizeof l->text - l->n, "%s%s",
	    l->n > 0 ? " " : "", name);

	if (n > 0 && (size_t)n < sizeof l->text - l->n)
		l->n += (size_t)n;
}

/* Runs a call when the host has it. */
#define TRY(l, h, f, ...)                                                      \
	do {                                                                   \
		if (QF_HOST_HAS(h, f)) {                                       \
			(void)(h)->f(__VA_ARGS__);                             \
			add(l, #f);                                            \
		}                                                              \
	} while (0)

static void try_all(const struct qf_host *h, struct qf_msg *m, struct list *l)
{
	struct qf_verdict v = {.size = sizeof v, .class_ = QF_PASS};
	struct qf_authres ar = {
	    .size = sizeof ar, .method = "x-young", .result = "none"};
	struct qf_part part = {.size = sizeof part};
	struct qf_iter results = {{0}}, variables = {{0}};
	struct qf_span s = {"value", 5};

	TRY(l, h, rcpt_verdict, m, 0, &v);
	TRY(l, h, score_add, m, 1, "young");
	TRY(l, h, score, m);
	TRY(l, h, note_set, m, "young.note", s);
	TRY(l, h, note_get, m, "young.note", &s);
	TRY(l, h, authres_add, m, &ar);
	TRY(l, h, authres_next, m, &results, &ar);
	TRY(l, h, part_count, m);
	TRY(l, h, part_get, m, 0, &part);
	TRY(l, h, part_decoded, m, 0, &s);
	TRY(l, h, route_set, m, NULL);
	TRY(l, h, time_left, m);
	TRY(l, h, waited, m, "nothing", 1);
	TRY(l, h, env_next, m, &variables, &s);
	TRY(l, h, env_take, m, "QF_TEST_YOUNG");
	if (l->n == 0)
		add(l, "nothing");
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	struct qf_verdict v = {.size = sizeof v, .class_ = QF_PASS};
	struct list l = {{0}, 0};
	int32_t rc;

	(void)state;
	try_all(h, m, &l);
	rc = h->header_insert(m, 0, "X-Young", l.text);
	return rc < 0 ? rc : h->verdict(m, &v);
}

#define NEEDS (QF_GROUP_EDIT | QF_GROUP_VERDICT)
#define WANTS                                                                  \
	(QF_GROUP_RCPT | QF_GROUP_SHARE | QF_GROUP_AUTHRES | QF_GROUP_MIME |   \
	    QF_GROUP_ROUTE | QF_GROUP_RUN)
#define EFFECTS (QF_EFFECT_HEADER | QF_EFFECT_ROUTE)
QF_PLUGIN_NOTE(NEEDS, WANTS, EFFECTS, 0);

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "young",
    .version = "1.1",
    .summary = "uses what the host has",
    .needs = NEEDS,
    .wants = WANTS,
    .effects = EFFECTS,
    .message = message,
};
