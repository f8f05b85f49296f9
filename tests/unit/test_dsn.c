#include "lib/mail/dsn.h"

#include "tests/unit/unit.h"

#define NOW 1795338307 /* Sun, 22 Nov 2026 09:05:07 +0000 */

static const struct qf_dsn_rcpt one[] = {
    {"bob@x.example", "5.1.1", "550 5.1.1 no such user", "mx.x.example"}};

static void format_n(struct qf_buf *out, const char *header, size_t n,
    const char *sender, const struct qf_dsn_rcpt *rcpt, size_t nrcpt)
{
	struct qf_err e;
	struct qf_dsn d = {
	    .me = "relay.example",
	    .sender = sender,
	    .id = "4711",
	    .arrived = NOW - 7 * 86400,
	    .now = NOW,
	    .rcpt = rcpt,
	    .nrcpt = nrcpt,
	    .original = unit_file(header, n),
	};

	assert_int_equal(0, qf_dsn_format(&d, out, &e));
	close(d.original);
}

static void format(struct qf_buf *out, const char *header)
{
	format_n(out, header, strlen(header), "alice@y.example", one, 1);
}

/* How often text occurs at the start of a line. */
static int lines_with(const struct qf_buf *b, const char *text)
{
	struct qf_span rest = qf_buf_span(b), line;
	size_t n = strlen(text);
	int found = 0;

	while (qf_span_cut(&rest, '\n', &line)) {
		if (line.n >= n && memcmp(line.p, text, n) == 0)
			found++;
	}
	return found;
}

static size_t longest_line(const struct qf_buf *b)
{
	struct qf_span rest = qf_buf_span(b), line;
	size_t max = 0;

	while (qf_span_cut(&rest, '\n', &line))
		max = line.n > max ? line.n : max;
	return max;
}

static void golden(void **state)
{
	static const struct qf_dsn_rcpt rcpt[] = {
	    {"bob@x.example", "5.1.1",
		"550-5.1.1 The mail account that you tried to reach does not "
		"exist/550 5.1.1 Please look for typing errors",
		"mx.x.example"},
	    {"carol@x.example", "5.4.7", "451 4.3.0 try again later",
		"mx.x.example"},
	    {"dan", "5.0.0", NULL, NULL},
	};
	static const char message[] = "Received: (qmail 1 invoked by uid 0);\n"
				      "\t22 Nov 2026 09:05:07 -0000\n"
				      "From: alice@y.example\n"
				      "Message-ID: <m1@y.example>\n"
				      "Subject: hello\n"
				      "\n"
				      "not in the notification\n";
	struct qf_buf out = QF_BUF_INIT, want = QF_BUF_INIT;
	char path[4096];
	FILE *f;

	(void)state;
	format_n(&out, message, strlen(message), "alice@y.example", rcpt, 3);
	snprintf(path, sizeof path, "%s/tests/golden/dsn.eml",
	    getenv("QF_SRCDIR") != NULL ? getenv("QF_SRCDIR") : ".");
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(0, qf_read_all(fileno(f), &want, NULL));
	fclose(f);
	assert_string_equal(want.s, out.s);
	qf_buf_free(&out);
	qf_buf_free(&want);
}

static void reply_status(void **state)
{
	static const struct {
		const char *reply, *status;
	} t[] = {
	    {"550 5.1.1 no such user", "5.1.1"},
	    {"550-5.1.1 no/550 5.1.1 such", "5.1.1"},
	    {"554 5.7.123", "5.7.123"},
	    {"554 5.7.1/554 more", "5.7.1"},
	    {"::1 port 25: RCPT TO:<a@b>: 550 5.1.1 no", "5.1.1"},
	    {"mx: 127.0.0.1:25: 550 5.1.1 no", "5.1.1"},
	    /* the first reply counts */
	    {"554 upstream said: 550 5.1.1 no", NULL},
	    {"mx: 554 upstream said: 550 5.1.1 no", NULL},
	    {"mx: 450 upstream said: 550 5.1.1 no", NULL},
	    {"mx:550 5.1.1 no", NULL},
	    {"mx: 5.1.1 no", NULL},
	    /* of another class, or not right after the code */
	    {"550 4.2.2 full", NULL},
	    {"550 2.0.0 ok", NULL},
	    {"450 5.1.1 odd", NULL},
	    {"550 blocked: 192.168.1.2", NULL},
	    {"550 no 5.1.1 here", NULL},
	    {"550  5.1.1 two spaces", NULL},
	    /* not a status */
	    {"550 5.1", NULL},
	    {"550 5.1.", NULL},
	    {"550 5..1", NULL},
	    {"550 5.1.1.2 an address", NULL},
	    {"550 5.1234.1", NULL},
	    {"550 5.1.1234", NULL},
	    {"550 5.1.1x", NULL},
	    {"5505.1.1", NULL},
	    {"5500 5.1.1", NULL},
	    {"550", NULL},
	    {"5", NULL},
	    {"", NULL},
	};
	char out[QF_DSN_STATUS_SIZE];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		const char *want = t[i].status != NULL ? t[i].status : "5.0.0";

		assert_int_equal(
		    t[i].status != NULL, qf_dsn_reply_status(t[i].reply, out));
		assert_string_equal(want, out);
	}
}

static void diagnostics(void **state)
{
	static const struct {
		const char *diagnostic, *field;
	} t[] = {
	    {"550 no", "Diagnostic-Code: smtp; 550 no\n"},
	    {"550", "Diagnostic-Code: smtp; 550\n"},
	    {"mx:25: RCPT TO:<a@b>: 550-no", "Diagnostic-Code: smtp; 550-no\n"},
	    {"connection refused",
		"Diagnostic-Code: x-qfront; connection refused\n"},
	    {"5500 no", "Diagnostic-Code: x-qfront; 5500 no\n"},
	    {"150 no", "Diagnostic-Code: x-qfront; 150 no\n"},
	    {": ", "Diagnostic-Code: x-qfront; :\n"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_dsn_rcpt r = {"a@b", "5.0.0", t[i].diagnostic, NULL};
		struct qf_buf out = QF_BUF_INIT;

		format_n(&out, "A: b\n\n", 6, "a@y.example", &r, 1);
		if (strstr(out.s, t[i].field) == NULL)
			assert_string_equal(t[i].field, out.s);
		qf_buf_free(&out);
	}
}

static void nothing_is_injected(void **state)
{
	static const struct qf_dsn_rcpt rcpt[] = {
	    {"a\nX-Evil: 1\r\n\r\n--qfront@x", "5.1.1\nX-Evil: 2",
		"550 5.1.1 no\r\nX-Evil: 3\n\n--qfront.1795338307.0\n",
		"mx\nX-Evil: 4"}};
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	format_n(
	    &out, "A: b\n\nX-Evil: 5\n", 16, "s\r\nX-Evil: 6\n\n@x", rcpt, 1);
	assert_int_equal(0, lines_with(&out, "X-Evil"));
	assert_int_equal(0, lines_with(&out, " X-Evil: 3"));
	assert_int_equal(0, lines_with(&out, "\r"));
	assert_null(memchr(out.s, '\r', out.len));
	/* The status was not one. */
	assert_int_equal(1, lines_with(&out, "Status: 5.0.0"));
	/* Three parts and an end, whatever the diagnostic says. */
	assert_int_equal(4, lines_with(&out, "--qfront.1795338307.1"));
	qf_buf_free(&out);
}

static void boundary_is_free(void **state)
{
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	format(&out, "A: b\n--qfront.1795338307.0--\nB: qfront.1795338307.1\n");
	assert_int_equal(4, lines_with(&out, "--qfront.1795338307.2"));
	assert_int_equal(1, lines_with(&out, "--qfront.1795338307.0--"));
	qf_buf_free(&out);
}

static void original_headers(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *part; /* what follows its type */
	} t[] = {
	    {"A: b\n\nbody\n", 11, "\n\nA: b\n\n--"},
	    {"A: b\r\nC: d\r\n\r\nbody\r\n", 20, "\n\nA: b\nC: d\n\n--"},
	    {"A: b\n", 5, "\n\nA: b\n\n--"},
	    {"A: b", 4, "\n\nA: b\n\n--"},
	    {"\nbody\n", 6, "\n\n\n--"},
	    {"", 0, "\n\n\n--"},
	    {"A: \0\x01\tb\n\n", 9, "\n\nA: ??\tb\n\n--"},
	    {"A: a\rB: b\n\n", 11, "\n\nA: a?B: b\n\n--"},
	    {"A: \xe9\n\n", 6,
		"\nContent-Transfer-Encoding: 8bit\n\nA: \xe9\n\n--"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_buf out = QF_BUF_INIT;
		const char *at;

		format_n(&out, t[i].bytes, t[i].n, "a@y.example", one, 1);
		at = strstr(out.s, "text/rfc822-headers");
		assert_non_null(at);
		at += strlen("text/rfc822-headers");
		if (strncmp(t[i].part, at, strlen(t[i].part)) != 0)
			assert_string_equal(t[i].part, at);
		assert_null(strstr(out.s, "body"));
		qf_buf_free(&out);
	}
}

static void large_header_is_cut(void **state)
{
	struct qf_buf in = QF_BUF_INIT, out = QF_BUF_INIT;
	int lines;

	(void)state;
	while (in.len < 3 * QF_DSN_HEADER_MAX)
		qf_buf_adds(&in, "X-Line: of twenty-four b\n");
	qf_buf_adds(&in, "\nbody\n");
	format(&out, in.s);
	lines = lines_with(&out, "X-Line: of twenty-four b");
	assert_in_range(
	    lines, QF_DSN_HEADER_MAX / 25 - 1, QF_DSN_HEADER_MAX / 25 + 1);
	assert_int_equal(lines, lines_with(&out, "X-Line"));
	assert_non_null(strstr(out.s, "first 64 KiB"));
	qf_buf_free(&out);

	/* One line without an end. */
	qf_buf_reset(&in);
	while (in.len < 2 * QF_DSN_HEADER_MAX)
		qf_buf_adds(&in, "xxxxxxxxxxxxxxxx");
	format(&out, in.s);
	assert_true(longest_line(&out) <= 998);
	assert_true(out.len < QF_DSN_HEADER_MAX + 4096);
	assert_non_null(strstr(out.s, "first 64 KiB"));
	qf_buf_free(&out);
	qf_buf_free(&in);
}

static void long_texts_fit(void **state)
{
	static char addr[5000], words[5000], word[5000];
	const struct qf_dsn_rcpt rcpt[] = {
	    {addr, "5.0.0", words, "mx"}, {"b", "5.0.0", word, word}};
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	memset(addr, 'a', sizeof addr - 1);
	memset(word, 'w', sizeof word - 1);
	for (size_t i = 0; i < sizeof words - 1; i++)
		words[i] = i % 5 == 4 ? ' ' : 'x';
	format_n(&out, "A: b\n\n", 6, addr, rcpt, 2);
	assert_true(longest_line(&out) <= 998);
	assert_int_equal(2, lines_with(&out, "<"));
	assert_non_null(strstr(out.s, "aaa...>:\n"));
	assert_non_null(strstr(out.s, "xxxx ...\n"));
	assert_non_null(strstr(out.s, "www...\n"));
	qf_buf_free(&out);
}

static void addresses_beyond_ascii(void **state)
{
	static const struct qf_dsn_rcpt rcpt[] = {
	    {"j\xc3\xb6rg+x@x.example", "5.1.1", "550 5.1.1 \xc3\xa9", "mx"},
	    {"bad\xff@x.example", "5.1.1", NULL, NULL}};
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	format_n(&out, "A: b\n\n", 6, "a@y.example", rcpt, 2);
	assert_non_null(strstr(
	    out.s, "Final-Recipient: utf-8; j\\x{F6}rg\\x{2B}x@x.example\n"));
	assert_non_null(
	    strstr(out.s, "Final-Recipient: utf-8; bad?@x.example\n"));
	assert_non_null(strstr(out.s, "Diagnostic-Code: smtp; 550 5.1.1 ??\n"));
	assert_non_null(strstr(out.s, "<j\xc3\xb6rg+x@x.example>:\n"));
	assert_non_null(strstr(out.s, "text/plain; charset=utf-8\n"
				      "Content-Transfer-Encoding: 8bit\n"));
	qf_buf_free(&out);
}

static void message_ids(void **state)
{
	static const struct {
		const char *header, *id;
	} t[] = {
	    {"Message-ID: <a@b>\n\n", "<a@b>"},
	    {"X: y\nmessage-id:<a@b>  \n\n", "<a@b>"},
	    {"Message-ID:\n <a@b>\n\n", "<a@b>"},
	    {"Message-ID:\nX: <a@b>\n\n", NULL},
	    {"Message-ID: <a@b> <c@d>\n\n", NULL},
	    {"Message-ID: <a@\x01>\n\n", "<a@?>"},
	    {"Message-ID: a@b\n\n", NULL},
	    {"Message-ID: <>\n\n", NULL},
	    {"X: y\n\nMessage-ID: <a@b>\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_buf out = QF_BUF_INIT;
		char want[64] = "";

		format(&out, t[i].header);
		if (t[i].id != NULL)
			snprintf(want, sizeof want,
			    "In-Reply-To: %s\nReferences: %s\n", t[i].id,
			    t[i].id);
		assert_int_equal(
		    t[i].id != NULL, lines_with(&out, "In-Reply-To"));
		assert_non_null(strstr(out.s, want));
		qf_buf_free(&out);
	}
}

/* Of a header that somebody refused only a little is left. */
static void brief(void **state)
{
	struct qf_buf out = QF_BUF_INIT, big = QF_BUF_INIT;
	struct qf_dsn d = {
	    .me = "relay.example",
	    .sender = "alice@y.example",
	    .id = "4711",
	    .now = NOW,
	    .rcpt = one,
	    .nrcpt = 1,
	    .brief = true,
	};
	struct qf_err e;
	char *quoted;

	(void)state;
	qf_buf_adds(&big,
	    "Received: from spammer.example\n\tby relay.example\n"
	    "SUBJECT: one\n  two\nX-Subject: no\nTo : <b@x.example>,\n");
	for (int i = 0; i < 100; i++)
		qf_buf_addf(&big, "\t<user%04d@x.example>,\n", i);
	qf_buf_adds(&big,
	    " <last@x.example>\nno field\nSubject: again\n"
	    "From: <a@x.example>\nDate: now\nMessage-ID: <1@x.example>\n"
	    "Cc: ");
	for (int i = 0; i < 1000; i++)
		qf_buf_addc(&big, 'c');
	qf_buf_adds(&big, "\n\nFrom: body\n");
	d.original = unit_file(big.s, big.len);
	assert_int_equal(0, qf_dsn_format(&d, &out, &e));
	close(d.original);
	assert_non_null(strstr(out.s, "What identifies it\nfollows.\n"));
	assert_non_null(strstr(out.s, "\nIn-Reply-To: <1@x.example>\n"));
	assert_non_null(strstr(out.s, "550 5.1.1 no such user"));
	quoted = strstr(out.s, "text/rfc822-headers\n\n");
	assert_non_null(quoted);
	quoted += strlen("text/rfc822-headers\n\n");
	assert_true(strncmp(quoted,
			"SUBJECT: one\n  two\nTo : <b@x.example>,\n"
			"\t<user0000@x.example>,\n",
			60) == 0);
	assert_null(strstr(quoted, "user0099"));
	assert_null(strstr(quoted, "last@"));
	assert_null(strstr(quoted, "no field"));
	assert_null(strstr(quoted, "again"));
	assert_null(strstr(quoted, "ccc"));
	assert_non_null(strstr(quoted, "\nFrom: <a@x.example>\nDate: now\n"
				       "Message-ID: <1@x.example>\n\n--"));
	qf_buf_free(&out);
	qf_buf_free(&big);
}

static void unreadable_original(void **state)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_err e = {0};
	struct qf_dsn d = {.me = "m", .sender = "s", .id = "1", .original = -1};

	(void)state;
	assert_int_equal(QF_EREAD, qf_dsn_format(&d, &out, &e));
	assert_int_equal(QF_EREAD, e.rc);
	assert_int_equal(0, out.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(golden),
	    cmocka_unit_test(reply_status),
	    cmocka_unit_test(diagnostics),
	    cmocka_unit_test(nothing_is_injected),
	    cmocka_unit_test(boundary_is_free),
	    cmocka_unit_test(original_headers),
	    cmocka_unit_test(large_header_is_cut),
	    cmocka_unit_test(long_texts_fit),
	    cmocka_unit_test(addresses_beyond_ascii),
	    cmocka_unit_test(message_ids),
	    cmocka_unit_test(brief),
	    cmocka_unit_test(unreadable_original),
	};

	return cmocka_run_group_tests_name("dsn", tests, NULL, NULL);
}
