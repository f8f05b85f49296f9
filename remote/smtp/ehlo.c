#include "remote/smtp/ehlo.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/buf.h"

/* Keywords that say all there is to say. */
static const struct {
	const char *keyword;
	size_t offset;
} flags[] = {
    {"PIPELINING", offsetof(struct qf_smtp_ehlo, pipelining)},
    {"8BITMIME", offsetof(struct qf_smtp_ehlo, eightbitmime)},
    {"SMTPUTF8", offsetof(struct qf_smtp_ehlo, smtputf8)},
    {"STARTTLS", offsetof(struct qf_smtp_ehlo, starttls)},
    {"SIZE", offsetof(struct qf_smtp_ehlo, size)},
    {"DSN", offsetof(struct qf_smtp_ehlo, dsn)},
    {"CHUNKING", offsetof(struct qf_smtp_ehlo, chunking)},
};

static struct qf_span next_word(struct qf_span *rest)
{
	struct qf_span word, all;

	*rest = all = qf_span_trim(*rest);
	if (!qf_span_cut(rest, ' ', &word)) {
		word = all;
		*rest = qf_span_n(all.p + all.n, 0);
	}
	return word;
}

static void add_mechanism(struct qf_smtp_ehlo *caps, struct qf_span word)
{
	char name[21]; /* RFC 4422 section 3.1: at most 20 */

	if (word.n == 0 || word.n >= sizeof name ||
	    caps->auth.n >= QF_EHLO_AUTH_MAX)
		return;
	for (size_t i = 0; i < word.n; i++) {
		char c = word.p[i];

		name[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	name[word.n] = '\0';
	for (size_t i = 0; i < caps->auth.n; i++) {
		if (strcmp(caps->auth.v[i], name) == 0)
			return;
	}
	qf_strv_add(&caps->auth, name);
}

static void take_size(struct qf_smtp_ehlo *caps, struct qf_span value)
{
	unsigned long long n;

	if (!qf_span_u64(value, ULLONG_MAX, &n) || n == 0)
		return;
	if (caps->size_max == 0 || n < caps->size_max)
		caps->size_max = n;
}

static void take_line(struct qf_smtp_ehlo *caps, struct qf_span line)
{
	struct qf_span keyword = next_word(&line);

	/* Old servers write AUTH=LOGIN. */
	if (keyword.n >= 5 && qf_span_iis(qf_span_n(keyword.p, 5), "AUTH=")) {
		add_mechanism(caps, qf_span_n(keyword.p + 5, keyword.n - 5));
		keyword.n = 4;
	}
	if (qf_span_iis(keyword, "AUTH")) {
		while (line.n > 0)
			add_mechanism(caps, next_word(&line));
		return;
	}
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (qf_span_iis(keyword, flags[i].keyword))
			*(bool *)((char *)caps + flags[i].offset) = true;
	}
	if (qf_span_iis(keyword, "SIZE"))
		take_size(caps, next_word(&line));
}

void qf_smtp_ehlo_parse(
    struct qf_smtp_ehlo *caps, const struct qf_smtp_reply *r)
{
	struct qf_span line;
	size_t at = 0;

	qf_smtp_ehlo_free(caps);
	/* The first line is the server's name. */
	if (!qf_smtp_reply_next(r, &at, &line))
		return;
	while (qf_smtp_reply_next(r, &at, &line))
		take_line(caps, line);
}

void qf_smtp_ehlo_free(struct qf_smtp_ehlo *caps)
{
	qf_strv_free(&caps->auth);
	*caps = (struct qf_smtp_ehlo){0};
}
