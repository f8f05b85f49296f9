/*
 * size: refuses messages that are too large or have too many recipients.
 *
 * A stage without a limit does nothing, which is never what was meant: it is
 * a mistake in the configuration, as is a limit of 0.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <qfront/plugin.h>

struct limits {
	uint64_t bytes; /* 0: none */
	uint64_t rcpts; /* 0: none */
};

/* The power of 1024 that a suffix stands for, or -1. */
static int suffix_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return -1;
	}
}

/* Digits, then perhaps a suffix; false when it is not that, 0 or too large. */
static bool parse_number(struct qf_span s, bool suffixed, uint64_t *out)
{
	uint64_t n = 0;
	int shift = 0;

	if (s.n > 0 && suffixed && suffix_shift(s.p[s.n - 1]) > 0)
		shift = suffix_shift(s.p[--s.n]);
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)s.p[i] - '0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (n == 0 || n > UINT64_MAX >> shift)
		return false;
	*out = n << shift;
	return true;
}

/* One limit from the settings: 1 when it is there, 0 when not, QF_ECONF. */
static int32_t read_limit(const struct qf_host *h, const struct qf_conf *c,
    const char *key, bool suffixed, uint64_t *out)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, key, &s);

	if (rc == QF_ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (parse_number(s, suffixed, out))
		return 1;
	h->conf_error(c, key, NULL, 0,
	    suffixed ? "not a size: write a number of bytes above 0, such as "
		       "52428800 or 50M (suffixes K, M, G)"
		     : "not a number: write a number above 0, such as 100");
	return QF_ECONF;
}

static int32_t read_limits(
    const struct qf_host *h, const struct qf_conf *c, struct limits *out)
{
	int32_t bytes = read_limit(h, c, "max-message", true, &out->bytes);
	int32_t rcpts = read_limit(h, c, "max-recipients", false, &out->rcpts);

	if (bytes < 0 || rcpts < 0)
		return bytes < 0 ? bytes : rcpts;
	if (bytes == 0 && rcpts == 0) {
		h->conf_error(c, NULL, NULL, 0,
		    "no limit is set, so this stage does nothing: set "
		    "max-message or max-recipients, or remove the stage");
		return QF_ECONF;
	}
	return 0;
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct limits *l = calloc(1, sizeof *l);
	int32_t rc;

	if (l == NULL)
		return QF_ENOMEM;
	rc = read_limits(h, c, l);
	if (rc < 0) {
		free(l);
		return rc;
	}
	*state = l;
	return 0;
}

static int32_t refuse(const struct qf_host *h, struct qf_msg *m,
    const char *status, const char *text)
{
	struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = QF_REJECT,
	    .category = QF_CAT_SIZE,
	    .status = status,
	    .text = text,
	};

	return h->verdict(m, &v);
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct limits *l = state;
	uint64_t bytes = h->size_of(m);
	int32_t rcpts = h->rcpt_count(m);
	char text[160];

	if (rcpts < 0)
		return rcpts;
	if (l->bytes != 0 && bytes > l->bytes) {
		snprintf(text, sizeof text,
		    "message of %" PRIu64 " bytes is larger than the limit of "
		    "%" PRIu64 " bytes",
		    bytes, l->bytes);
		return refuse(h, m, "5.3.4", text);
	}
	if (l->rcpts != 0 && (uint64_t)rcpts > l->rcpts) {
		snprintf(text, sizeof text,
		    "message has %" PRId32 " recipients, the limit is "
		    "%" PRIu64,
		    rcpts, l->rcpts);
		return refuse(h, m, "5.5.3", text);
	}
	return QF_PASS;
}

static void fini(const struct qf_host *h, void *state)
{
	(void)h;
	free(state);
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	struct limits l = {0};

	return read_limits(h, c, &l);
}

static const struct qf_setting settings[] = {
    {.key = "max-message",
	.help = "largest message in bytes, or with K, M, G; no default"},
    {.key = "max-recipients",
	.help = "most recipients of one message; no default"},
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_ENVELOPE | QF_GROUP_VERDICT |             \
	    QF_GROUP_CONFIG)
QF_PLUGIN_NOTE(NEEDS, 0, 0, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "size",
    .version = "1.0",
    .summary = "refuses large messages and long lists of recipients",
    .needs = NEEDS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
