#include "lib/net/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/base/clock.h"
#include "tests/unit/unit.h"

/* A listener on an address and a port, 0: an ephemeral one; -1 when that is
 * taken, or there is no such family. */
static int listener_at(const char *text, int backlog, unsigned *port)
{
	struct sockaddr_storage ss;
	struct qf_ip ip;
	socklen_t len;
	int fd;

	assert_true(qf_ip_parse(&ip, qf_span(text)));
	len = qf_ip_sockaddr(&ss, &ip, *port);
	fd = socket(ip.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0) {
		qf_close(&fd);
		return -1;
	}
	assert_int_equal(0, listen(fd, backlog));
	assert_int_equal(0, getsockname(fd, (struct sockaddr *)&ss, &len));
	*port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

/* On an ephemeral port of 127.0.0.1 or ::1; -1 without IPv6. */
static int listener(int family, int backlog, unsigned *port)
{
	*port = 0;
	return listener_at(
	    family == AF_INET ? "127.0.0.1" : "::1", backlog, port);
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

/* Several addresses */

enum {
	HOSTS = 2
};

/* Listeners on one port of two addresses, of which some do not answer: their
 * queue is full. */
struct pair {
	const char *text[HOSTS];
	struct qf_ip ip[HOSTS];
	int fd[HOSTS], filler[HOSTS];
	unsigned port;
	/* what was noted */
	struct qf_buf notes;
};

static void fill_queue(struct pair *p, int i)
{
	struct sockaddr_storage ss;
	socklen_t len = qf_ip_sockaddr(&ss, &p->ip[i], p->port);

	p->filler[i] = socket(p->ip[i].family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, connect(p->filler[i], (struct sockaddr *)&ss, len));
}

/* `how`, a letter for each: a, it answers; d, it is deaf; r, it refuses. False
 * without IPv6. */
static bool open_pair(
    struct pair *p, const char *first, const char *second, const char *how)
{
	*p = (struct pair){.text = {first, second},
	    .fd = {-1, -1},
	    .filler = {-1, -1},
	    .notes = QF_BUF_INIT};
	for (int i = 0; i < HOSTS; i++)
		assert_true(qf_ip_parse(&p->ip[i], qf_span(p->text[i])));
	for (int tries = 0; p->fd[0] < 0 || p->fd[1] < 0; tries++) {
		if (tries == 20)
			return false;
		qf_close(&p->fd[0]);
		qf_close(&p->fd[1]);
		p->port = 0;
		for (int i = 0; i < HOSTS; i++)
			p->fd[i] = listener_at(
			    p->text[i], how[i] == 'd' ? 0 : 4, &p->port);
	}
	for (int i = 0; i < HOSTS; i++) {
		if (how[i] == 'd')
			fill_queue(p, i);
		if (how[i] == 'r')
			qf_close(&p->fd[i]);
	}
	return true;
}

static void close_pair(struct pair *p)
{
	for (int i = 0; i < HOSTS; i++) {
		qf_close(&p->fd[i]);
		qf_close(&p->filler[i]);
	}
	qf_buf_free(&p->notes);
}

static void note(void *arg, const struct qf_ip *ip, enum qf_dial_fault fault)
{
	struct pair *p = arg;
	char text[QF_IP_TEXT];

	qf_ip_text(text, ip);
	qf_buf_addf(&p->notes, "%s %d;", text, (int)fault);
}

static void dial_pair(struct dialled *d, struct pair *p, int64_t each_ms,
    int64_t moment_ms, const char *source)
{
	struct qf_dial_spec spec = {.host = "mx.example",
	    .port = p->port,
	    .source = source,
	    .each_ms = each_ms,
	    .deadline = QF_NEVER,
	    .moment_ms = moment_ms};

	memset(d, 0, sizeof *d);
	d->rc = qf_dial_addrs(
	    &d->st, &d->peer, &d->fault, &spec, p->ip, HOSTS, note, p, &d->e);
	assert_int_equal(d->rc == 0, d->st.fd >= 0);
}

enum {
	LONG_MS = 60000, /* only a failure takes that long */
	SHORT_MS = 20
};

static void two_families(void **state)
{
	static const struct {
		const char *how;
		int64_t each_ms, moment_ms;
		const char *winner, *notes; /* notes: fault by number */
	} cases[] = {
	    {"aa", LONG_MS, LONG_MS, "::1", "::1 0;"},
	    /* the first is silent: nothing is known of it */
	    {"da", LONG_MS, 1, "127.0.0.1", "127.0.0.1 0;"},
	    /* the first fails: nobody waits for the moment */
	    {"ra", LONG_MS, LONG_MS, "127.0.0.1", "::1 6;127.0.0.1 0;"},
	    {"ad", LONG_MS, 1, "::1", "::1 0;"},
	    /* and when both do */
	    {"dd", SHORT_MS, 1, NULL, "::1 7;127.0.0.1 7;"},
	    {"dr", SHORT_MS, 1, NULL, "::1 7;127.0.0.1 6;"},
	    {"rd", SHORT_MS, 1, NULL, "::1 6;127.0.0.1 7;"},
	    {"rr", LONG_MS, LONG_MS, NULL, "::1 6;127.0.0.1 6;"},
	};
	int fds = unit_open_fds();

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct dialled d;
		struct pair p;

		if (!open_pair(&p, "::1", "127.0.0.1", cases[i].how))
			skip();
		dial_pair(&d, &p, cases[i].each_ms, cases[i].moment_ms, NULL);
		assert_string_equal(cases[i].notes, p.notes.s);
		assert_int_equal(cases[i].winner != NULL, d.rc == 0);
		if (d.rc == 0)
			assert_string_equal(cases[i].winner, d.peer.addr);
		else
			assert_non_null(strstr(d.e.text, "; mx.example[127"));
		qf_stream_close(&d.st);
		close_pair(&p);
	}
	assert_int_equal(fds, unit_open_fds());
}

/* Within a family they take turns. */
static void one_family(void **state)
{
	static const struct {
		const char *how;
		const char *winner, *notes;
	} cases[] = {
	    {"aa", "127.0.0.1", "127.0.0.1 0;"},
	    {"da", "127.0.0.2", "127.0.0.1 7;127.0.0.2 0;"},
	    {"ra", "127.0.0.2", "127.0.0.1 6;127.0.0.2 0;"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct dialled d;
		struct pair p;
		char want[60];

		assert_true(
		    open_pair(&p, "127.0.0.1", "127.0.0.2", cases[i].how));
		dial_pair(&d, &p, i == 1 ? SHORT_MS : LONG_MS, 1, NULL);
		assert_string_equal(cases[i].notes, p.notes.s);
		assert_int_equal(0, d.rc);
		snprintf(want, sizeof want, "mx.example[%s]:%u",
		    cases[i].winner, p.port);
		assert_string_equal(want, d.peer.text);
		qf_stream_close(&d.st);
		close_pair(&p);
	}
}

/* Who has called. */
static void assert_caller(int listener, const char *want)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	int fd = accept(listener, (struct sockaddr *)&from, &len);
	char text[QF_IP_TEXT];
	struct qf_ip ip;

	assert_true(fd >= 0);
	assert_true(qf_ip_from_sockaddr(&ip, (struct sockaddr *)&from));
	qf_ip_text(text, &ip);
	assert_string_equal(want, text);
	close(fd);
}

static void source_per_family(void **state)
{
	static const char *const sources[] = {
	    "::1,127.0.0.2", "127.0.0.2, 127.0.0.3,[::1]", ", ,127.0.0.2,::1"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(sources); i++) {
		struct dialled d;
		struct pair p;

		if (!open_pair(&p, "::1", "127.0.0.1", "aa"))
			skip();
		dial_pair(&d, &p, LONG_MS, LONG_MS, sources[i]);
		assert_int_equal(0, d.rc);
		assert_caller(p.fd[0], "::1");
		qf_stream_close(&d.st);
		qf_close(&p.fd[0]);
		dial_pair(&d, &p, LONG_MS, LONG_MS, sources[i]);
		assert_int_equal(0, d.rc);
		assert_caller(p.fd[1], "127.0.0.2");
		qf_stream_close(&d.st);
		close_pair(&p);
	}
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
	    cmocka_unit_test(two_families),
	    cmocka_unit_test(one_family),
	    cmocka_unit_test(source_per_family),
	    cmocka_unit_test(timed_out),
	    cmocka_unit_test(no_such_host),
	    cmocka_unit_test(source_addresses),
	    cmocka_unit_test(no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
