/*
 * example: a small plugin to start your own from. It adds a header field,
 * refuses mail by its subject, refuses a recipient, and gives points:
 *
 *	example text=hello refuse=lottery closed=old@test.example
 *	    suspect=winner
 *
 * doc/plugin-guide.md makes it step by step.
 *
 * Build: cc -shared -fPIC $(pkg-config --cflags qfront) -o example.so example.c
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

/* What one stage remembers between messages: its settings, or NULL. */
struct state {
	char *text;    /* value of the field to add */
	char *refuse;  /* subjects with these bytes are refused */
	char *closed;  /* this recipient is refused */
	char *suspect; /* subjects with these bytes get points */
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
	*out = calloc(1, s.n + 1);
	if (*out == NULL)
		return QF_ENOMEM;
	memcpy(*out, s.p, s.n);
	return 0;
}

/* Frees the state when the stage ends. */
static void fini(const struct qf_host *h, void *state)
{
	struct state *st = state;

	(void)h; /* not needed here */
	free(st->text);
	free(st->refuse);
	free(st->closed);
	free(st->suspect);
	free(st);
}

/* Called once for each stage, before the first message. */
static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *st = calloc(1, sizeof *st);
	int32_t rc;

	if (st == NULL)
		return QF_ENOMEM;
	rc = read_setting(h, c, "text", &st->text);
	if (rc == 0)
		rc = read_setting(h, c, "refuse", &st->refuse);
	if (rc == 0)
		rc = read_setting(h, c, "closed", &st->closed);
	if (rc == 0)
		rc = read_setting(h, c, "suspect", &st->suspect);
	if (rc == 0)
		*state = st;
	else
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

static bool contains(struct qf_span s, const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= s.n; i++) {
		if (memcmp(s.p + i, text, n) == 0)
			return true;
	}
	return false;
}

/* The value of the first Subject field; empty when there is none. */
static struct qf_span subject_of(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_field f = {.size = sizeof f}; /* every struct says its size */
	int32_t i = h->header_find(m, "Subject", 0);

	if (i >= 0)
		h->header_get(m, (uint32_t)i, &f);
	return f.value;
}

/* Refuses one recipient; the others get the message all the same. */
static int32_t refuse_rcpt(
    const struct qf_host *h, struct qf_msg *m, const char *closed)
{
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = QF_REJECT,
	    .category = QF_CAT_POLICY,
	    .text = "this mailbox is closed"};
	int32_t n = h->rcpt_count(m), rc = 0;

	for (int32_t i = 0; i < n && rc == 0; i++) {
		struct qf_span s;

		rc = h->rcpt_get(m, (uint32_t)i, &s);
		if (rc == 0 && s.n == strlen(closed) &&
		    memcmp(s.p, closed, s.n) == 0)
			rc = h->rcpt_verdict(m, (uint32_t)i, &v);
	}
	return rc;
}

/* Tells later stages; where the host can not, mail passes all the same. */
static void leave_points(
    const struct qf_host *h, struct qf_msg *m, struct qf_span subject)
{
	if (QF_HOST_HAS(h, score_add))
		h->score_add(m, 2500, "suspect subject"); /* 2.5 points */
	if (QF_HOST_HAS(h, note_set))
		h->note_set(m, "example.subject", subject);
}

/* Called once for each message: looks, stages edits, returns a class. */
static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct state *st = state;
	struct qf_span subject = subject_of(h, m);
	int32_t rc = 0;

	if (st->refuse != NULL && contains(subject, st->refuse)) {
		struct qf_verdict v = {.size = sizeof v,
		    .class_ = QF_REJECT,
		    .category = QF_CAT_POLICY,
		    .text = "this subject is not welcome here"};

		return h->verdict(m, &v);
	}
	if (st->suspect != NULL && contains(subject, st->suspect))
		leave_points(h, m, subject);
	if (st->closed != NULL)
		rc = refuse_rcpt(h, m, st->closed);
	if (rc == 0 && st->text != NULL)
		rc = h->header_insert(m, 0, "X-Qfront-Example", st->text);
	/* 0 is QF_PASS; an error makes the host do what `onerror` says. */
	return rc;
}

static const struct qf_setting settings[] = {
    {.key = "text", .help = "value of the X-Qfront-Example field to add"},
    {.key = "refuse", .help = "refuse mail whose Subject holds this"},
    {.key = "closed", .help = "refuse this recipient"},
    {.key = "suspect", .help = "2.5 points when the Subject holds this"},
    {0}, /* ends the list */
};

/* What the host must know before it loads us: host calls, edits. */
#define NEEDS                                                                  \
	(QF_GROUP_HEADER | QF_GROUP_ENVELOPE | QF_GROUP_EDIT |                 \
	    QF_GROUP_VERDICT | QF_GROUP_CONFIG | QF_GROUP_RCPT)
#define WANTS   QF_GROUP_SHARE
#define EFFECTS QF_EFFECT_HEADER
QF_PLUGIN_NOTE(NEEDS, WANTS, EFFECTS, 0);

/* The one symbol that a plugin exports. */
const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "example",
    .version = "1.0",
    .summary = "adds a header field and refuses mail",
    .needs = NEEDS,
    .wants = WANTS,
    .effects = EFFECTS, /* edits of anything else are refused */
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
