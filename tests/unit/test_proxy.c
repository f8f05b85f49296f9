#include "lib/net/proxy.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

/* A proxy that has said all it will ever say, and a client that asks it. */
struct talk {
	struct qf_stream st;
	int peer;
	enum qf_dial_fault fault;
	struct qf_err e;
	int rc;
	struct qf_buf said; /* by the client */
};

static void ask(struct talk *t, const struct qf_proxy *p, const char *host,
    const void *answers, size_t n)
{
	int fd[2];

	memset(t, 0, sizeof *t);
	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	t->peer = fd[1];
	assert_int_equal(0, qf_stream_open(&t->st, fd[0], NULL));
	assert_int_equal(0, qf_write_all(t->peer, answers, n));
	assert_int_equal(0, shutdown(t->peer, SHUT_WR));
	t->rc = qf_proxy_ask(
	    &t->st, &t->fault, p, host, 25, qf_deadline_in(30000), &t->e);
	assert_int_equal(t->rc == 0, t->fault == QF_DIAL_OK);
}

static void end(struct talk *t)
{
	qf_stream_close(&t->st);
	close(t->peer);
	qf_buf_free(&t->said);
}

/* What the client has said, to its end. */
static void assert_said(struct talk *t, const void *want, size_t n)
{
	t->said = (struct qf_buf)QF_BUF_INIT;
	qf_stream_close(&t->st);
	assert_int_equal(0, qf_read_all(t->peer, &t->said, NULL));
	assert_int_equal(n, t->said.len);
	assert_memory_equal(want, t->said.s, n);
	end(t);
}

static const struct qf_proxy plain = {.host = "p", .port = 1080};
static const struct qf_proxy user = {
    .host = "p", .port = 1080, .user = "me", .pass = "key"};

#define BYTES(s) s, sizeof(s) - 1

static void requests(void **state)
{
	static const struct {
		const char *host, *bytes;
		size_t n;
	} cases[] = {
	    {"mx.example", BYTES("\5\1\0\5\1\0\3\12mx.example\0\31")},
	    {"192.0.2.1", BYTES("\5\1\0\5\1\0\1\300\0\2\1\0\31")},
	    {"[192.0.2.1]", BYTES("\5\1\0\5\1\0\1\300\0\2\1\0\31")},
	    {"[IPv6:2001:db8::1]",
		BYTES("\5\1\0\5\1\0\4\x20\1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
		      "\0\31")},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct talk t;

		ask(&t, &plain, cases[i].host,
		    BYTES("\5\0\5\0\0\1\1\2\3\4\0\1"));
		assert_int_equal(0, t.rc);
		assert_said(&t, cases[i].bytes, cases[i].n);
	}
}

static void log_ins(void **state)
{
	struct talk t;

	(void)state;
	ask(&t, &user, "mx.example", BYTES("\5\2\1\0\5\0\0\1\1\2\3\4\0\1"));
	assert_int_equal(0, t.rc);
	assert_said(&t, BYTES("\5\2\0\2\1\2me\3key"
			      "\5\1\0\3\12mx.example\0\31"));
	/* it has a user, and nobody asks */
	ask(&t, &user, "mx.example", BYTES("\5\0\5\0\0\1\1\2\3\4\0\1"));
	assert_int_equal(0, t.rc);
	assert_said(&t, BYTES("\5\2\0\2\5\1\0\3\12mx.example\0\31"));
}

/* What the host says first is still to be read. */
static void reads_no_further(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
	    {BYTES("\5\0\5\0\0\1\1\2\3\4\0\1"
		   "220 hi")},
	    {BYTES("\5\0\5\0\0\3\4name\0\1"
		   "220 hi")},
	    {BYTES("\5\0\5\0\0\3\0\0\1"
		   "220 hi")},
	    {BYTES("\5\0\5\0\0\4\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\0\1"
		   "220 hi")},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct talk t;
		char rest[7] = "";

		ask(&t, &plain, "mx.example", cases[i].bytes, cases[i].n);
		assert_int_equal(0, t.rc);
		assert_int_equal(6, qf_stream_read(&t.st, rest, 6,
					qf_deadline_in(30000), NULL));
		assert_string_equal("220 hi", rest);
		end(&t);
	}
}

static void failures(void **state)
{
	static const struct {
		const struct qf_proxy *p;
		const char *bytes;
		size_t n;
		enum qf_dial_fault fault;
		const char *why;
	} cases[] = {
	    {&plain, BYTES(""), QF_DIAL_FAILED, "it closed the connection"},
	    {&plain, BYTES("\5"), QF_DIAL_FAILED, "it closed the connection"},
	    {&plain, BYTES("\4\0"), QF_DIAL_FAILED, "it does not speak SOCKS5"},
	    {&plain, BYTES("HTTP/1.1 400"), QF_DIAL_FAILED,
		"it does not speak SOCKS5"},
	    {&plain, BYTES("\5\2"), QF_DIAL_FAILED,
		"it wants a user and a password"},
	    {&plain, BYTES("\5\377"), QF_DIAL_FAILED,
		"it wants a user and a password"},
	    {&user, BYTES("\5\377"), QF_DIAL_FAILED,
		"it wants another kind of login"},
	    {&user, BYTES("\5\1"), QF_DIAL_FAILED,
		"it wants another kind of login"},
	    {&user, BYTES("\5\2\1\1"), QF_DIAL_FAILED,
		"it does not accept user and password"},
	    {&user, BYTES("\5\2\5\0"), QF_DIAL_FAILED,
		"it does not speak SOCKS5"},
	    {&plain, BYTES("\5\0\5\1"), QF_DIAL_FAILED, "general failure"},
	    {&plain, BYTES("\5\0\5\2\0\1"), QF_DIAL_FAILED,
		"its rules do not allow this connection"},
	    {&plain, BYTES("\5\0\5\3"), QF_DIAL_UNREACHABLE,
		"network unreachable"},
	    {&plain, BYTES("\5\0\5\4"), QF_DIAL_UNREACHABLE,
		"host unreachable, or no such host"},
	    {&plain, BYTES("\5\0\5\5"), QF_DIAL_REFUSED, "connection refused"},
	    {&plain, BYTES("\5\0\5\6"), QF_DIAL_TIMEOUT, "TTL expired"},
	    {&plain, BYTES("\5\0\5\7"), QF_DIAL_FAILED,
		"it can not make connections"},
	    {&plain, BYTES("\5\0\5\10"), QF_DIAL_FAILED,
		"it does not know this kind of address"},
	    {&plain, BYTES("\5\0\5\11"), QF_DIAL_FAILED, "unknown failure"},
	    {&plain, BYTES("\5\0\4\0"), QF_DIAL_FAILED,
		"it does not speak SOCKS5"},
	    {&plain, BYTES("\5\0\5\0\0\2"), QF_DIAL_FAILED,
		"its answer is damaged"},
	    {&plain, BYTES("\5\0\5\0\0\1\1\2\3\4\0"), QF_DIAL_FAILED,
		"it closed the connection"},
	    {&plain, BYTES("\5\0\5\0\0\3\377abc"), QF_DIAL_FAILED,
		"it closed the connection"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct talk t;
		char want[100];

		ask(&t, cases[i].p, "mx.example", cases[i].bytes, cases[i].n);
		assert_int_equal(cases[i].fault, t.fault);
		snprintf(want, sizeof want, "proxy: %s", cases[i].why);
		assert_string_equal(want, t.e.text);
		assert_int_equal(
		    t.fault == QF_DIAL_TIMEOUT ? QF_ETIME : QF_ENET, t.rc);
		end(&t);
	}
}

static void names_that_do_not_fit(void **state)
{
	char name[300];
	struct talk t;

	(void)state;
	memset(name, 'x', sizeof name);
	name[256] = '\0';
	ask(&t, &plain, name, BYTES(""));
	assert_int_equal(QF_DIAL_NO_HOST, t.fault);
	end(&t);
	ask(&t, &plain, "", BYTES(""));
	assert_int_equal(QF_DIAL_NO_HOST, t.fault);
	end(&t);
}

static void silence(void **state)
{
	struct qf_stream st;
	enum qf_dial_fault fault;
	struct qf_err e;
	int fd[2];

	(void)state;
	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd));
	assert_int_equal(0, qf_stream_open(&st, fd[0], NULL));
	assert_int_equal(QF_ETIME,
	    qf_proxy_ask(&st, &fault, &plain, "mx.example", 25, 0, &e));
	assert_int_equal(QF_DIAL_TIMEOUT, fault);
	assert_string_equal("proxy: timed out", e.text);
	qf_stream_close(&st);
	close(fd[1]);
}

static void settings(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
		const char *user;
	} cases[] = {
	    {"proxy.example", "proxy.example", 1080, ""},
	    {"proxy.example:9050", "proxy.example", 9050, ""},
	    {"127.0.0.1:9050", "127.0.0.1", 9050, ""},
	    {"[::1]", "::1", 1080, ""},
	    {"[::1]:9050", "::1", 9050, ""},
	    {"socks5://proxy.example", "proxy.example", 1080, ""},
	    {"SOCKS5://me@proxy.example:1/", "proxy.example", 1, "me"},
	    {"me@[::1]:9050", "::1", 9050, "me"},
	    {"", NULL, 0, NULL},
	    {":9050", NULL, 0, NULL},
	    {"p:", NULL, 0, NULL},
	    {"p:0", NULL, 0, NULL},
	    {"p:65536", NULL, 0, NULL},
	    {"p:1x", NULL, 0, NULL},
	    {"::1", NULL, 0, NULL},
	    {"[::1", NULL, 0, NULL},
	    {"[]:1", NULL, 0, NULL},
	    {"[::1]1", NULL, 0, NULL},
	    {"@p", NULL, 0, NULL},
	    {"me:key@p", NULL, 0, NULL},
	    {"http://p:80", NULL, 0, NULL},
	    {"socks4://p", NULL, 0, NULL},
	    {"socks5://", NULL, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_proxy p;
		struct qf_err e;
		int rc = qf_proxy_parse(&p, cases[i].text, &e);

		assert_int_equal(cases[i].host != NULL, rc == 0);
		if (rc < 0) {
			assert_null(strstr(e.text, "key"));
			continue;
		}
		assert_string_equal(cases[i].host, p.host);
		assert_int_equal(cases[i].port, p.port);
		assert_string_equal(cases[i].user, p.user);
	}
}

static int read_pass(const char *bytes, size_t n, mode_t mode, char **pass)
{
	static struct qf_proxy p;
	char *dir = unit_dir(), path[100];
	int fd, rc;

	snprintf(path, sizeof path, "%s/pass", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(0, qf_write_all(fd, bytes, n));
	assert_int_equal(0, fchmod(fd, mode));
	close(fd);
	memset(&p, 0, sizeof p);
	rc = qf_proxy_read_pass(&p, path, NULL);
	*pass = p.pass;
	unit_remove_dir(dir);
	return rc;
}

static void passwords(void **state)
{
	char long_one[300], *pass;

	(void)state;
	memset(long_one, 'x', sizeof long_one);
	assert_int_equal(0, read_pass(BYTES("key\nmore\n"), 0600, &pass));
	assert_string_equal("key", pass);
	assert_int_equal(0, read_pass(BYTES("two words "), 0640, &pass));
	assert_string_equal("two words ", pass);
	assert_int_equal(0, read_pass(long_one, 255, 0600, &pass));
	assert_int_equal(QF_ECONF, read_pass(long_one, 256, 0600, &pass));
	assert_int_equal(QF_ECONF, read_pass(BYTES(""), 0600, &pass));
	assert_int_equal(QF_ECONF, read_pass(BYTES("\nkey"), 0600, &pass));
	assert_int_equal(QF_ECONF, read_pass(BYTES("k\0ey"), 0600, &pass));
	assert_int_equal(QF_ECONF, read_pass(BYTES("key"), 0604, &pass));
	assert_int_equal(
	    QF_ECONF, qf_proxy_read_pass(&(struct qf_proxy){0}, "/", NULL));
	assert_int_equal(QF_ECONF,
	    qf_proxy_read_pass(&(struct qf_proxy){0}, "/nonexistent", NULL));
}

/* From the connection on: a listener whose first caller finds its answers in
 * the socket, as a child has put them there. */
static void dialling(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof in;
	struct qf_dial_spec spec = {.host = "mx.example",
	    .port = 25,
	    .each_ms = 30000,
	    .deadline = QF_NEVER};
	struct qf_proxy p = {.host = "127.0.0.1"};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), status;
	struct qf_stream st;
	struct qf_dial_peer peer;
	enum qf_dial_fault fault;
	struct qf_err e;
	char want[100];
	pid_t child;

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(0, bind(listener, (struct sockaddr *)&in, len));
	assert_int_equal(0, listen(listener, 4));
	assert_int_equal(
	    0, getsockname(listener, (struct sockaddr *)&in, &len));
	p.port = ntohs(in.sin_port);
	child = fork();
	if (child == 0) {
		static const char *const answers[] = {
		    "\5\0\5\0\0\1\1\2\3\4\0\1", "\5\0\5\5\0\1\1\2\3\4\0\1"};
		char c;

		for (int i = 0; i < 2; i++) {
			int fd = accept(listener, NULL, NULL);

			(void)qf_write_all(fd, answers[i], 12);
			while (read(fd, &c, 1) > 0)
				;
			close(fd);
		}
		_exit(0);
	}
	assert_int_equal(0, qf_proxy_dial(&st, &peer, &fault, &spec, &p, &e));
	snprintf(want, sizeof want, "mx.example:25 via 127.0.0.1:%u", p.port);
	assert_string_equal(want, peer.text);
	qf_stream_close(&st);
	assert_int_equal(
	    QF_ENET, qf_proxy_dial(&st, &peer, &fault, &spec, &p, &e));
	assert_int_equal(QF_DIAL_REFUSED, fault);
	assert_int_equal(-1, st.fd);
	snprintf(want, sizeof want,
	    "mx.example:25 via [127.0.0.1]:%u: proxy: connection refused",
	    p.port);
	assert_string_equal(want, e.text);
	assert_int_equal(child, waitpid(child, &status, 0));
	close(listener);
	assert_int_equal(
	    QF_ENET, qf_proxy_dial(&st, &peer, &fault, &spec, &p, &e));
	assert_int_equal(QF_DIAL_REFUSED, fault);
	assert_non_null(strstr(e.text, "proxy: [127.0.0.1]:"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests),
	    cmocka_unit_test(log_ins),
	    cmocka_unit_test(reads_no_further),
	    cmocka_unit_test(failures),
	    cmocka_unit_test(names_that_do_not_fit),
	    cmocka_unit_test(silence),
	    cmocka_unit_test(settings),
	    cmocka_unit_test(passwords),
	    cmocka_unit_test(dialling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
