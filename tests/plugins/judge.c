/*
 * A plugin that judges each recipient by what its address says:
 * VERDICT[-CATEGORY]@..., such as reject-spam@x or redirect@x. The setting
 * `whole` is the verdict for the others, `mark` is put on top of the message,
 * `route` and `note` are left for later, `want` is a note that must be there.
 */
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

struct state {
	char whole[32], mark[32], route[64], note[64], want[64];
};

static const struct word {
	const char *name;
	uint32_t number;
} classes[] = {{"pass", QF_PASS}, {"accept", QF_ACCEPT}, {"reject", QF_REJECT},
    {"defer", QF_DEFER}, {"discard", QF_DISCARD}, {"hold", QF_QUARANTINE},
    {"redirect", QF_REDIRECT}, {"broken", QF_BROKEN}, {NULL, 0}},
  categories[] = {{"spam", QF_CAT_SPAM}, {"virus", QF_CAT_VIRUS},
      {"policy", QF_CAT_POLICY}, {"size", QF_CAT_SIZE}, {NULL, 0}};

static const struct word *find(
    const struct word *words, const char *text, size_t n)
{
	for (; words->name != NULL; words++) {
		if (strlen(words->name) == n &&
		    memcmp(words->name, text, n) == 0)
			return words;
	}
	return NULL;
}

/* The verdict that a text names: 1, or 0 when it names none. */
static int read_verdict(struct qf_span text, struct qf_verdict *v)
{
	const char *at = memchr(text.p, '@', text.n);
	size_t n = at != NULL ? (size_t)(at - text.p) : text.n;
	const char *dash = memchr(text.p, '-', n);
	size_t head = dash != NULL ? (size_t)(dash - text.p) : n;
	const struct word *class_ = find(classes, text.p, head);
	const struct word *category =
	    dash != NULL ? find(categories, dash + 1, n - head - 1) : NULL;

	*v = (struct qf_verdict){.size = sizeof *v,
	    .text = "judged by the address",
	    .target = "target@test.example"};
	if (class_ == NULL)
		return 0;
	v->class_ = class_->number;
	v->category = category != NULL ? category->number : QF_CAT_NONE;
	return 1;
}

static void setting(const struct qf_host *h, const struct qf_conf *c,
    const char *key, char *to, size_t room)
{
	struct qf_span s;

	if (h->conf_get(c, key, &s) == 0 && s.n < room)
		memcpy(to, s.p, s.n);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *st = calloc(1, sizeof *st);

	if (st == NULL)
		return QF_ENOMEM;
	setting(h, c, "whole", st->whole, sizeof st->whole);
	setting(h, c, "mark", st->mark, sizeof st->mark);
	setting(h, c, "route", st->route, sizeof st->route);
	setting(h, c, "note", st->note, sizeof st->note);
	setting(h, c, "want", st->want, sizeof st->want);
	*state = st;
	return 0;
}

static int32_t share(
    const struct qf_host *h, struct qf_msg *m, const struct state *st)
{
	struct qf_span got, note = {st->note, strlen(st->note)};
	int32_t rc = 0;

	if (st->want[0] != '\0' && (h->note_get(m, "judge.note", &got) < 0 ||
				       got.n != strlen(st->want) ||
				       memcmp(got.p, st->want, got.n) != 0))
		return QF_ENOENT;
	if (note.n > 0 && (rc = h->note_set(m, "judge.note", note)) < 0)
		return rc;
	if (note.n > 0)
		rc = h->score_add(m, 1500, "a note");
	if (rc == 0 && st->route[0] != '\0')
		rc = h->route_set(m, st->route);
	if (rc == 0 && st->mark[0] != '\0')
		rc = h->header_insert(m, 0, "X-Judge", st->mark);
	return rc;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct state *st = state;
	int32_t n = h->rcpt_count(m);
	struct qf_verdict v;
	int32_t rc = share(h, m, st);

	for (int32_t i = 0; rc == 0 && i < n; i++) {
		struct qf_span rcpt;

		rc = h->rcpt_get(m, (uint32_t)i, &rcpt);
		if (rc == 0 && read_verdict(rcpt, &v))
			rc = h->rcpt_verdict(m, (uint32_t)i, &v);
	}
	if (rc != 0)
		return rc;
	if (!read_verdict((struct qf_span){st->whole, strlen(st->whole)}, &v))
		return QF_PASS;
	return h->verdict(m, &v);
}

static void fini(const struct qf_host *h, void *state)
{
	(void)h;
	free(state);
}

static const struct qf_setting settings[] = {
    {.key = "whole", .help = "the verdict for all others"},
    {.key = "mark", .help = "a field to add"},
    {.key = "route", .help = "a route to set"},
    {.key = "note", .help = "a note to leave"},
    {.key = "want", .help = "a note that must be there"},
    {0},
};

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .abi_minor_needed = 1,
    .name = "judge",
    .version = "1.0",
    .summary = "judges recipients by their addresses",
    .needs = QF_GROUP_RCPT | QF_GROUP_SHARE | QF_GROUP_ROUTE,
    .effects =
	QF_EFFECT_HEADER | QF_EFFECT_RCPT | QF_EFFECT_DROP | QF_EFFECT_ROUTE,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
};
