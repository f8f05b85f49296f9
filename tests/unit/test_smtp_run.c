#include "remote/smtp/run.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

enum {
	BIG = 1 << 20 /* more than sockets hold */
};

static struct qf_smtp_timeouts patient = {
    QF_NEVER, QF_NEVER, QF_NEVER, QF_NEVER, QF_NEVER, QF_NEVER};
static struct qf_smtp_timeouts impatient = {.total = QF_NEVER};

static long give(void *ctx, char *p, size_t n, struct qf_err *e)
{
	size_t *left = ctx;

	(void)e;
	if (n > *left)
		n = *left;
	memset(p, 'x', n);
	*left -= n;
	return (long)n;
}

/* Reads up to what the client ends with, whose first byte comes again only
 * where it could begin anew. */
static void wait_for(int fd, const char *mark)
{
	size_t have = 0;
	char c;

	while (mark[have] != '\0') {
		if (read(fd, &c, 1) != 1)
			_exit(1);
		if (c == mark[have])
			have++;
		else
			have = c == mark[0];
	}
}

static void say(int fd, const char *text)
{
	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
}

static void up_to_data(int fd)
{
	say(fd, "220 a\r\n");
	for (int i = 0; i < 3; i++) {
		wait_for(fd, "\r\n");
		say(fd, "250 b\r\n");
	}
	wait_for(fd, "\r\n");
	say(fd, "354 c\r\n");
}

static void accepts(int fd)
{
	up_to_data(fd);
	wait_for(fd, "\r\n.\r\n");
	say(fd, "250 taken\r\n");
	wait_for(fd, "QUIT\r\n");
}

static void refuses_in_the_middle(int fd)
{
	up_to_data(fd);
	say(fd, "552 too big\r\n");
	shutdown(fd, SHUT_RDWR);
}

static void closes_in_the_middle(int fd)
{
	up_to_data(fd);
	shutdown(fd, SHUT_RDWR);
}

static void closes_at_once(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

/* Runs a session of `size` bytes against a server in a child. */
static void run(void (*server)(int), size_t size,
    const struct qf_smtp_timeouts *t, enum qf_smtp_outcome outcome,
    const char *text)
{
	struct qf_strv rcpt = {0};
	struct qf_smtp_setup setup = {
	    .helo = "me", .once = true, .timeouts = t};
	struct qf_smtp_mail mail = {.sender = "s@x",
	    .rcpt = &rcpt,
	    .source = give,
	    .source_ctx = &size,
	    .together = true};
	struct qf_stream st;
	struct qf_smtp *s;
	int fds[2];
	pid_t pid = -1;

	qf_strv_add(&rcpt, "r@y");
	assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
	if (server != NULL)
		pid = fork();
	if (pid == 0) {
		close(fds[0]);
		server(fds[1]);
		_exit(0);
	}
	if (server != NULL)
		qf_close(&fds[1]);
	assert_int_equal(0, qf_stream_open(&st, fds[0], NULL));
	s = qf_smtp_new(&setup, qf_clock_mono());
	qf_smtp_send(s, &mail, qf_clock_mono());
	qf_smtp_run(s, &st, NULL, NULL);
	assert_int_equal(QF_SMTP_WANTS_NOTHING, qf_smtp_wants(s));
	assert_int_equal(outcome, qf_smtp_result(s)->outcome);
	assert_int_equal(false, qf_smtp_result(s)->maybe_taken);
	if (text != NULL)
		assert_string_equal(text, qf_smtp_result(s)->text.s);
	qf_smtp_free(&s);
	qf_stream_close(&st);
	qf_close(&fds[1]);
	if (pid > 0)
		assert_int_equal(pid, waitpid(pid, NULL, 0));
	qf_strv_free(&rcpt);
}

static void sends_a_large_message(void **state)
{
	(void)state;
	run(accepts, BIG, &patient, QF_SMTP_SENT, "end of message: 250 taken");
}

static void hears_a_refusal_while_it_sends(void **state)
{
	(void)state;
	run(refuses_in_the_middle, BIG, &patient, QF_SMTP_REFUSED,
	    "message: 552 too big");
}

static void survives_a_closed_connection(void **state)
{
	(void)state;
	run(closes_at_once, 1, &patient, QF_SMTP_CLOSED,
	    "greeting: the server closed the connection");
}

/* Reading and writing see the end in either order, with other words. */
static void survives_a_close_while_it_sends(void **state)
{
	(void)state;
	run(closes_in_the_middle, BIG, &patient, QF_SMTP_UNSENT, NULL);
}

static void ends_a_silent_session(void **state)
{
	(void)state;
	run(NULL, 1, &impatient, QF_SMTP_TIMED_OUT,
	    "greeting: timed out: no reply");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sends_a_large_message),
	    cmocka_unit_test(hears_a_refusal_while_it_sends),
	    cmocka_unit_test(survives_a_closed_connection),
	    cmocka_unit_test(survives_a_close_while_it_sends),
	    cmocka_unit_test(ends_a_silent_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
