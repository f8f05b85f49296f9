/*
 * example: a small plugin to start your own from. It adds a header field and
 * refuses mail by its subject:
 *
 *	example text=hello refuse=lottery
 *
 * Build: cc -D_GNU_SOURCE -shared -fPIC -o example.so example.c
 */
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

/* What one stage remembers between messages: its settings. */
struct state {
	char *text;   /* value of the field to add, or NULL */
	char *refuse; /* subjects with these bytes are refused, or NULL */
};

/* Copies a setting to *out; it stays NULL when the setting is not there. */
static int32_t read_setting(const struct qf_host *h, const struct qf_conf *c,
    const char *key, char **out)
{
	struct qf_span s; /* borrowed bytes, not NUL-terminated */
	int32_t rc = h->conf_get(c, key, &s);

	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	if (s.n == 0) {
		h->conf_error(c, key, NULL, 0, "is empty: write a text");
		return QF_ECONF;
	}
	*out = strndup(s.p, s.n);
	return *out == NULL ? QF_ENOMEM : 0;
}

/* Frees the state when the stage ends. */
static void fini(const struct qf_host *h, void *state)
{
	struct state *st = state;

	(void)h; /* not needed here */
	free(st->text);
	free(st->refuse);
	free(st);
}

/* Called once for each stage, before the first message. */
static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *st = calloc(1, sizeof *st);
	int32_t rc = st != NULL ? 0 : QF_ENOMEM;

	if (rc == 0)
		rc = read_setting(h, c, "text", &st->text);
	if (rc == 0)
		rc = read_setting(h, c, "refuse", &st->refuse);
	if (rc == 0)
		*state = st;
	else if (st != NULL)
		fini(h, st);
	return rc;
}

/* Called by `qfrontctl check`; here init() already finds every mistake. */
static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	void *state;
	int32_t rc = init(h, c, &state);

	if (rc == 0)
		fini(h, state);
	return rc;
}

/* Called once for each message: looks, stages edits, returns a class. */
static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct state *st = state;
	struct qf_field f = {.size = sizeof f};
	int32_t i = st->refuse != NULL ? h->header_find(m, "Subject", 0) : -1;

	if (i >= 0 && h->header_get(m, (uint32_t)i, &f) == 0 &&
	    memmem(f.value.p, f.value.n, st->refuse, strlen(st->refuse))) {
		struct qf_verdict v = {.size = sizeof v,
		    .class_ = QF_REJECT,
		    .category = QF_CAT_POLICY,
		    .text = "this subject is not welcome here"};

		return h->verdict(m, &v);
	}
	if (st->text == NULL)
		return QF_PASS;
	/* 0 is QF_PASS; an error makes the host do what `onerror` says. */
	return h->header_insert(m, 0, "X-Qfront-Example", st->text);
}

static const struct qf_setting settings[] = {
    {.key = "text", .help = "value of the X-Qfront-Example field to add"},
    {.key = "refuse", .help = "refuse mail whose Subject holds this"},
    {0}, /* ends the list */
};

/* What the host must know before it loads us: host calls, edits. */
#define NEEDS                                                                  \
	(QF_GROUP_HEADER | QF_GROUP_EDIT | QF_GROUP_VERDICT | QF_GROUP_CONFIG)
#define EFFECTS QF_EFFECT_HEADER
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, 0);

/* The one symbol that a plugin exports. */
const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "example",
    .version = "1.0",
    .summary = "adds a header field and refuses by subject",
    .needs = NEEDS,
    .effects = EFFECTS, /* edits of anything else are refused */
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
