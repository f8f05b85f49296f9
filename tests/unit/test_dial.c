#include "lib/net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

/* A listener on an ephemeral port of 127.0.0.1 or ::1; -1 without IPv6. */
static int listener(int family, int backlog, unsigned *port)
{
	struct sockaddr_storage ss = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	socklen_t len = family == AF_INET ? sizeof *in : sizeof *in6;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		in6->sin6_addr = in6addr_loopback;
	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0) {
		qf_close(&fd);
		return -1;
	}
	assert_int_equal(0, listen(fd, backlog));
	assert_int_equal(0, getsockname(fd, (struct sockaddr *)&ss, &len));
	*port = ntohs(family == AF_INET ? in->sin_port : in6->sin6_port);
	return fd;
}

struct dialled {
	struct qf_stream st;
	struct qf_dial_peer peer;
	enum qf_dial_fault fault;
	struct qf_err e;
	int rc;
};

static void dial_spec(struct dialled *d, const struct qf_dial_spec *spec)
{
	memset(d, 0, sizeof *d);
	d->rc = qf_dial(&d->st, &d->peer, &d->fault, spec, &d->e);
	assert_int_equal(d->rc == 0, d->st.fd >= 0);
	assert_int_equal(d->rc == 0, d->fault == QF_DIAL_OK);
}

static void dial(
    struct dialled *d, const char *host, unsigned port, const char *source)
{
	struct qf_dial_spec spec = {.host = host,
	    .port = port,
	    .source = source,
	    .each_ms = 30000,
	    .deadline = QF_NEVER};

	dial_spec(d, &spec);
}

static void forms_of_a_host(void **state)
{
	static const struct {
		const char *host, *peer;
		int family;
	} cases[] = {
	    {"127.0.0.1", "[127.0.0.1]", AF_INET},
	    {"[127.0.0.1]", "[127.0.0.1]", AF_INET},
	    {"::1", "[::1]", AF_INET6},
	    {"[::1]", "[::1]", AF_INET6},
	    {"[IPv6:::1]", "[::1]", AF_INET6},
	    {"localhost", "localhost[127.0.0.1]", AF_INET},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct dialled d;
		char want[64];
		unsigned port;
		socklen_t len = sizeof(int);
		int one = 0, fd = listener(cases[i].family, 1, &port);

		if (fd < 0)
			continue;
		dial(&d, cases[i].host, port, NULL);
		assert_int_equal(0, d.rc);
		snprintf(want, sizeof want, "%s:%u", cases[i].peer, port);
		assert_string_equal(want, d.peer.text);
		assert_int_equal(0,
		    getsockopt(d.st.fd, IPPROTO_TCP, TCP_NODELAY, &one, &len));
		assert_true(one);
		assert_true(fcntl(d.st.fd, F_GETFD) & FD_CLOEXEC);
		assert_true(fcntl(d.st.fd, F_GETFL) & O_NONBLOCK);
		qf_stream_close(&d.st);
		close(fd);
	}
}

static void refused(void **state)
{
	struct dialled d;
	char want[80];
	unsigned port;

	(void)state;
	close(listener(AF_INET, 1, &port));
	dial(&d, "127.0.0.1", port, NULL);
	assert_int_equal(QF_DIAL_REFUSED, d.fault);
	snprintf(want, sizeof want,
	    "[127.0.0.1]:%u: connect: Connection refused", port);
	assert_string_equal(want, d.e.text);
}

/* A listener whose queue is full does not answer. */
static void timed_out(void **state)
{
	struct qf_dial_spec spec = {
	    .host = "127.0.0.1", .each_ms = 30000, .deadline = QF_NEVER};
	struct dialled first, d;
	int fd = listener(AF_INET, 0, &spec.port);

	(void)state;
	dial_spec(&first, &spec);
	assert_int_equal(0, first.rc);
	spec.each_ms = 0;
	dial_spec(&d, &spec);
	assert_int_equal(QF_DIAL_TIMEOUT, d.fault);
	assert_int_equal(QF_ETIME, d.rc);
	assert_non_null(strstr(d.e.text, "connect: Connection timed out"));
	spec.each_ms = 30000;
	spec.deadline = 0;
	dial_spec(&d, &spec);
	assert_int_equal(QF_DIAL_TIMEOUT, d.fault);
	qf_stream_close(&first.st);
	close(fd);
}

static void no_such_host(void **state)
{
	static const char *const hosts[] = {
	    "", "[]", "[localhost]", "[256.1.1.1]", "[IPv6:127.0.0.1.1]"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(hosts); i++) {
		struct dialled d;

		dial(&d, hosts[i], 25, NULL);
		assert_int_equal(QF_DIAL_NO_HOST, d.fault);
		assert_non_null(strstr(d.e.text, ": no such host"));
	}
}

static void source_addresses(void **state)
{
	struct sockaddr_in from;
	socklen_t len = sizeof from;
	struct dialled d;
	unsigned port;
	int fd = listener(AF_INET, 4, &port), got;

	(void)state;
	dial(&d, "127.0.0.1", port, "127.0.0.2");
	assert_int_equal(0, d.rc);
	got = accept(fd, (struct sockaddr *)&from, &len);
	assert_true(got >= 0);
	assert_string_equal("127.0.0.2", inet_ntoa(from.sin_addr));
	close(got);
	qf_stream_close(&d.st);

	dial(&d, "127.0.0.1", port, "192.0.2.1");
	assert_int_equal(QF_DIAL_BIND, d.fault);
	assert_non_null(strstr(d.e.text, "source 192.0.2.1: Cannot assign"));
	dial(&d, "127.0.0.1", port, "::1");
	assert_int_equal(QF_DIAL_BIND, d.fault);
	assert_non_null(strstr(d.e.text, "source ::1: no address of this"));
	close(fd);
}

static void no_socket(void **state)
{
	struct rlimit was, none;
	struct dialled d;

	(void)state;
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &was));
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &none));
	dial(&d, "[127.0.0.1]", 25, NULL);
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &was));
	assert_int_equal(QF_DIAL_SOCKET, d.fault);
	assert_non_null(strstr(d.e.text, "socket: Too many open files"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forms_of_a_host),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(timed_out),
	    cmocka_unit_test(no_such_host),
	    cmocka_unit_test(source_addresses),
	    cmocka_unit_test(no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
