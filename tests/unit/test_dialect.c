#include "frontend/dialect.h"

#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/socket.h>

#include "lib/mail/qqcode.h"

static int set_up(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	/* What the harness left open. */
	for (int fd = 3; fd < 10; fd++)
		close(fd);
	return unsetenv("ERROR_FD");
}

static struct qf_judgement judge(
    uint32_t class_, const char *text, const char *status)
{
	struct qf_judgement j = {.class_ = class_};

	snprintf(j.text, sizeof j.text, "%s", text);
	snprintf(j.status, sizeof j.status, "%s", status);
	return j;
}

static void test_names(void **state)
{
	enum qf_dialect d;

	(void)state;
	for (int i = 0; i < QF_DIALECTS; i++) {
		assert_true(
		    qf_dialect_find(qf_dialect_name((enum qf_dialect)i), &d));
		assert_int_equal(i, d);
	}
	assert_false(qf_dialect_find("exim", &d));
	assert_false(qf_dialect_find("", &d));
	assert_false(qf_dialect_find("Auto", &d));
}

/* What no caller but these would understand is never sent. */
static void test_numbers_stay_in_their_class(void **state)
{
	(void)state;
	for (int d = 0; d < QF_DIALECTS; d++) {
		for (int code = 0; code < 256; code++) {
			char letter = qf_qqcode_find(code)->letter;
			struct qf_reply r;

			qf_dialect_preview((enum qf_dialect)d, NULL, code, &r);
			assert_int_equal(letter, r.letter);
			assert_string_equal("", r.text);
			if (code == 0 || code == 115)
				assert_int_equal(code, r.code);
			else if (letter == 'D')
				assert_in_range(r.code, 11, 40);
			else
				assert_not_in_range(r.code, 11, 40);
		}
	}
}

static const struct number_case {
	enum qf_dialect dialect;
	int ours, theirs;
} number_cases[] = {
    {QF_DIALECT_AUTO, 32, 32},
    {QF_DIALECT_AUTO, 35, 35},
    {QF_DIALECT_AUTO, 57, 57},
    {QF_DIALECT_INDIMAIL, 32, 32},
    {QF_DIALECT_INDIMAIL, 33, 33},
    {QF_DIALECT_INDIMAIL, 76, 76},
    {QF_DIALECT_SQMAIL, 32, 33},
    {QF_DIALECT_SQMAIL, 33, 32},
    {QF_DIALECT_SQMAIL, 34, 34},
    {QF_DIALECT_SQMAIL, 35, 31},
    {QF_DIALECT_SQMAIL, 76, 71},
    {QF_DIALECT_SAGREDO, 32, 31},
    {QF_DIALECT_SAGREDO, 33, 31},
    {QF_DIALECT_SAGREDO, 34, 31},
    {QF_DIALECT_SAGREDO, 35, 32},
    {QF_DIALECT_SAGREDO, 58, 55},
    {QF_DIALECT_NETQMAIL, 11, 11},
    {QF_DIALECT_NETQMAIL, 31, 31},
    {QF_DIALECT_NETQMAIL, 32, 31},
    {QF_DIALECT_NETQMAIL, 40, 31},
    {QF_DIALECT_NETQMAIL, 52, 52},
    {QF_DIALECT_NETQMAIL, 57, 55},
    {QF_DIALECT_NETQMAIL, 82, 71},
    {QF_DIALECT_NETQMAIL, 88, 71},
    {QF_DIALECT_NETQMAIL, 255, 71},
    {QF_DIALECT_NOTQMAIL, 33, 31},
    {QF_DIALECT_LDAP, 33, 31},
};

static void test_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(number_cases); i++) {
		const struct number_case *c = &number_cases[i];
		struct qf_reply r;

		qf_dialect_preview(c->dialect, NULL, c->ours, &r);
		assert_int_equal(c->theirs, r.code);
	}
}

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X200 X50 X50 X50 X50

static const struct text_case {
	const char *text, *status;
	int code;
	const char *sent; /* "": the number alone */
} text_cases[] = {
    {"no", "", 31, "Dno (#5.3.0)"},
    {"no", "", 32, "Dno (#5.7.1)"},
    {"later", "", 71, "Zlater (#4.3.0)"},
    {"no", "5.1.23", 32, "Dno (#5.1.23)"},
    /* a status of another class, or none at all */
    {"no", "4.7.1", 32, "Dno (#5.7.1)"},
    {"later", "5.7.1", 71, "Zlater (#4.3.0)"},
    {"no", "5.7", 31, "Dno (#5.3.0)"},
    {"no", "5.7.", 31, "Dno (#5.3.0)"},
    {"no", "5..1", 31, "Dno (#5.3.0)"},
    {"no", "5.7.1234", 31, "Dno (#5.3.0)"},
    {"no", "5.7.1.1", 31, "Dno (#5.3.0)"},
    {"no", "5.7.1)\r\n2", 31, "Dno (#5.3.0)"},
    /* one that stands in the text */
    {"no (#5.7.9)", "", 31, "Dno (#5.7.9)"},
    {"no (#5.7.9)", "5.1.1", 31, "Dno (#5.1.1)"},
    {"no (#4.7.9) ", "", 31, "Dno (#5.3.0)"},
    {"no (really)", "", 31, "Dno (really) (#5.3.0)"},
    {"(#5.7.1)", "", 31, ""},
    {"()", "", 31, "D() (#5.3.0)"},
    {")", "", 31, "D) (#5.3.0)"},
    /* one line of printable ASCII */
    {"no\r\n250 ok", "", 31, "Dno 250 ok (#5.3.0)"},
    {"\n\n no \t\n way \n", "", 31, "Dno way (#5.3.0)"},
    {"\033[31mred\177", "", 31, "D[31mred (#5.3.0)"},
    {"gr\303\274n \342\202\254 5\377\377", "", 31, "Dgr?n ? 5?? (#5.3.0)"},
    {"\200\201x", "", 31, "D?x (#5.3.0)"},
    {"100%s", "", 31, "D100%s (#5.3.0)"},
    /* nothing to say */
    {"", "", 31, ""},
    {" \r\n\t", "5.7.1", 31, ""},
    {"fine", "", 0, ""},
    /* the longest */
    {X200 "012345678901234567890123456789012345678901234567890", "", 31,
	"D" X200 "0123456789012345678901234567890123456789 (#5.3.0)"},
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(text_cases); i++) {
		const struct text_case *c = &text_cases[i];
		struct qf_judgement j = judge(QF_REJECT, c->text, c->status);
		struct qf_reply r;

		qf_dialect_preview(QF_DIALECT_NOTQMAIL, &j, c->code, &r);
		assert_string_equal(c->sent, r.text);
		assert_true(strlen(r.text) <= QF_REPLY_MAX);
		assert_int_equal(*c->sent != '\0' ? 82 : c->code, r.code);
		qf_dialect_preview(QF_DIALECT_NETQMAIL, &j, c->code, &r);
		assert_string_equal("", r.text);
	}
}

/* A judgement of a worker that forged it. */
static void test_text_without_end(void **state)
{
	struct qf_judgement j;
	struct qf_reply r;

	(void)state;
	memset(&j, 'x', sizeof j);
	qf_dialect_preview(QF_DIALECT_INDIMAIL, &j, 31, &r);
	assert_int_equal(88, r.code);
	assert_int_equal(QF_REPLY_MAX, strlen(r.text));
}

/* A descriptor as the caller left it: `fd` is the write end of a pipe whose
 * read end is `reader`. */
struct channel {
	int fd, reader, saved;
};

static struct channel open_channel(int fd)
{
	struct channel c = {.fd = fd, .saved = fcntl(fd, F_DUPFD_CLOEXEC, 20)};
	int p[2];

	assert_int_equal(0, pipe(p));
	c.reader = fcntl(p[0], F_DUPFD_CLOEXEC, 20);
	if (p[0] != fd)
		close(p[0]);
	assert_int_equal(fd, dup2(p[1], fd));
	if (p[1] != fd)
		close(p[1]);
	return c;
}

static void close_channel(struct channel *c)
{
	close(c->fd);
	if (c->saved >= 0) {
		assert_int_equal(c->fd, dup2(c->saved, c->fd));
		close(c->saved);
	}
	if (c->reader >= 0)
		close(c->reader);
}

/* Closes the channel; what was written must be `text`. */
static void expect_text(struct channel *c, const char *text)
{
	struct qf_buf b = QF_BUF_INIT;

	close(c->fd);
	assert_int_equal(0, qf_read_all(c->reader, &b, NULL));
	assert_string_equal(text, b.s != NULL ? b.s : "");
	qf_buf_free(&b);
	c->fd = c->saved >= 0 ? c->fd : -1;
	close_channel(c);
}

static int answer(enum qf_dialect d)
{
	struct qf_judgement j = judge(QF_REJECT, "no", "5.7.1");

	return qf_dialect_answer(d, &j, 33);
}

static void test_channels(void **state)
{
	static const struct {
		enum qf_dialect dialect;
		const char *error_fd;
		int fd, code;
	} cases[] = {
	    {QF_DIALECT_INDIMAIL, NULL, 2, 88},
	    {QF_DIALECT_INDIMAIL, "2", 2, 88},
	    {QF_DIALECT_INDIMAIL, "9", 9, 88},
	    {QF_DIALECT_NOTQMAIL, NULL, 6, 82},
	    {QF_DIALECT_NOTQMAIL, "9", 6, 82},
	    {QF_DIALECT_LDAP, NULL, 4, 82},
	    {QF_DIALECT_LDAP, "9", 4, 82},
	    {QF_DIALECT_SAGREDO, NULL, 4, 82},
	    {QF_DIALECT_SAGREDO, "9", 9, 82},
	    {QF_DIALECT_AUTO, "2", 2, 88},
	    {QF_DIALECT_AUTO, "9", 9, 88},
	    {QF_DIALECT_AUTO, NULL, 6, 82},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct channel c = open_channel(cases[i].fd);

		if (cases[i].error_fd != NULL)
			setenv("ERROR_FD", cases[i].error_fd, 1);
		assert_int_equal(cases[i].code, answer(cases[i].dialect));
		expect_text(&c, "Dno (#5.7.1)");
		unsetenv("ERROR_FD");
	}
}

static void test_no_channel(void **state)
{
	static const struct {
		enum qf_dialect dialect;
		const char *error_fd;
		int fd, code;
	} cases[] = {
	    {QF_DIALECT_NETQMAIL, NULL, 6, 31},
	    {QF_DIALECT_NETQMAIL, "6", 6, 31},
	    {QF_DIALECT_SQMAIL, NULL, 6, 32},
	    {QF_DIALECT_INDIMAIL, "-1", 2, 33},
	    {QF_DIALECT_AUTO, "-1", 6, 33},
	    {QF_DIALECT_AUTO, "9", 6, 33},
	    {QF_DIALECT_AUTO, "six", 6, 33},
	    {QF_DIALECT_AUTO, "", 6, 33},
	    {QF_DIALECT_AUTO, "0", 6, 33},
	    {QF_DIALECT_AUTO, "1", 6, 33},
	    {QF_DIALECT_AUTO, "99999999999999999999", 6, 33},
	    {QF_DIALECT_AUTO, "6 ", 6, 33},
	    {QF_DIALECT_AUTO, NULL, 4, 33},
	    {QF_DIALECT_AUTO, NULL, 2, 33},
	    {QF_DIALECT_LDAP, NULL, 6, 31},
	    {QF_DIALECT_NOTQMAIL, NULL, 4, 31},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct unit_capture log = unit_capture_begin(STDERR_FILENO);
		struct channel c = open_channel(cases[i].fd);
		struct qf_buf logged = QF_BUF_INIT;

		if (cases[i].error_fd != NULL)
			setenv("ERROR_FD", cases[i].error_fd, 1);
		assert_int_equal(cases[i].code, answer(cases[i].dialect));
		expect_text(&c, "");
		unsetenv("ERROR_FD");
		unit_capture_end(&log, &logged);
		qf_buf_free(&logged);
	}
}

/* Nobody would ever read it there. */
static void test_dead_channels(void **state)
{
	struct unit_capture log = unit_capture_begin(STDERR_FILENO);
	struct qf_buf logged = QF_BUF_INIT;
	struct channel c = open_channel(6);
	char junk[4096] = {0};
	int sock[2], null;

	(void)state;
	/* its reader is gone */
	qf_close(&c.reader);
	assert_int_equal(31, answer(QF_DIALECT_NOTQMAIL));
	assert_int_equal(33, answer(QF_DIALECT_AUTO));
	close_channel(&c);
	/* full */
	c = open_channel(6);
	assert_int_equal(0, fcntl(6, F_SETFL, O_WRONLY | O_NONBLOCK));
	while (write(6, junk, sizeof junk) > 0)
		;
	assert_int_equal(0, fcntl(6, F_SETFL, O_WRONLY));
	assert_int_equal(31, answer(QF_DIALECT_NOTQMAIL));
	close_channel(&c);
	/* ours: close-on-exec */
	c = open_channel(6);
	assert_int_equal(0, fcntl(6, F_SETFD, FD_CLOEXEC));
	assert_int_equal(31, answer(QF_DIALECT_NOTQMAIL));
	assert_int_equal(33, answer(QF_DIALECT_AUTO));
	expect_text(&c, "");
	/* the read end of a pipe */
	c = open_channel(6);
	assert_int_equal(6, dup2(c.reader, 6));
	assert_int_equal(31, answer(QF_DIALECT_NOTQMAIL));
	close_channel(&c);
	/* what stands in for a closed descriptor */
	c = open_channel(6);
	null = open("/dev/null", O_RDWR);
	assert_int_equal(6, dup2(null, 6));
	assert_int_equal(31, answer(QF_DIALECT_NOTQMAIL));
	close(null);
	close_channel(&c);
	/* a socket: for those who say so, but not unasked */
	c = open_channel(6);
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	assert_int_equal(6, dup2(sock[0], 6));
	assert_int_equal(33, answer(QF_DIALECT_AUTO));
	assert_int_equal(82, answer(QF_DIALECT_NOTQMAIL));
	assert_int_equal(12, recv(sock[1], junk, sizeof junk, MSG_DONTWAIT));
	close(sock[1]);
	assert_int_equal(31, answer(QF_DIALECT_NOTQMAIL));
	close(sock[0]);
	close_channel(&c);
	unit_capture_end(&log, &logged);
	qf_buf_free(&logged);
}

static void test_without_text(void **state)
{
	struct channel c = open_channel(6);
	struct qf_judgement j = judge(QF_REJECT, "", "5.7.1");

	(void)state;
	assert_int_equal(31, qf_dialect_answer(QF_DIALECT_NOTQMAIL, NULL, 33));
	assert_int_equal(31, qf_dialect_answer(QF_DIALECT_NOTQMAIL, &j, 33));
	assert_int_equal(0, qf_dialect_answer(QF_DIALECT_NOTQMAIL, &j, 0));
	expect_text(&c, "");
}

static void test_who_reads_the_log(void **state)
{
	(void)state;
	assert_true(qf_dialect_reads_stderr(QF_DIALECT_INDIMAIL));
	assert_false(qf_dialect_reads_stderr(QF_DIALECT_AUTO));
	assert_false(qf_dialect_reads_stderr(QF_DIALECT_SAGREDO));
	assert_false(qf_dialect_reads_stderr(QF_DIALECT_NETQMAIL));
	setenv("ERROR_FD", "2", 1);
	assert_true(qf_dialect_reads_stderr(QF_DIALECT_AUTO));
	assert_true(qf_dialect_reads_stderr(QF_DIALECT_SAGREDO));
	setenv("ERROR_FD", "-1", 1);
	assert_false(qf_dialect_reads_stderr(QF_DIALECT_INDIMAIL));
	unsetenv("ERROR_FD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_numbers_stay_in_their_class),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_text_without_end),
	    cmocka_unit_test(test_channels),
	    cmocka_unit_test(test_no_channel),
	    cmocka_unit_test(test_dead_channels),
	    cmocka_unit_test(test_without_text),
	    cmocka_unit_test(test_who_reads_the_log),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
