#include "lib/net/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

/* What one attempt knows. */
struct attempt {
	const struct qf_dial_spec *spec;
	const struct addrinfo *to;
	struct qf_dial_peer *peer;
	enum qf_dial_fault fault;
	struct qf_err why;
};

static const struct {
	int sys;
	enum qf_dial_fault fault;
} connect_faults[] = {
    {ECONNREFUSED, QF_DIAL_REFUSED},
    {ETIMEDOUT, QF_DIAL_TIMEOUT},
    {ENETUNREACH, QF_DIAL_UNREACHABLE},
    {EHOSTUNREACH, QF_DIAL_UNREACHABLE},
};

static const struct {
	int eai;
	enum qf_dial_fault fault;
	const char *why;
} resolve_faults[] = {
    {EAI_NONAME, QF_DIAL_NO_HOST, "no such host"},
    {EAI_NODATA, QF_DIAL_NO_ADDRESS, "the name has no address"},
    {EAI_ADDRFAMILY, QF_DIAL_NO_ADDRESS, "the name has no address"},
};

static int resolve_fault(
    int eai, enum qf_dial_fault *fault, const char *host, struct qf_err *e)
{
	for (size_t i = 0; i < sizeof resolve_faults / sizeof *resolve_faults;
	     i++) {
		if (resolve_faults[i].eai != eai)
			continue;
		*fault = resolve_faults[i].fault;
		return qf_fail(
		    e, QF_ENET, "%.255s: %s", host, resolve_faults[i].why);
	}
	*fault = QF_DIAL_RESOLVER;
	if (eai == EAI_SYSTEM)
		return qf_fail_sys(e, QF_ENET, "%.255s: resolver", host);
	return qf_fail(
	    e, QF_ENET, "%.255s: resolver: %s", host, gai_strerror(eai));
}

/* The host without brackets in buf; true when it must be an address. */
static bool unbracket(char *buf, size_t size, const char *host)
{
	struct qf_span s = qf_span(host);
	bool literal = s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';

	if (literal) {
		s = qf_span_n(s.p + 1, s.n - 2);
		if (s.n > 5 && strncasecmp(s.p, "IPv6:", 5) == 0)
			s = qf_span_n(s.p + 5, s.n - 5);
	}
	snprintf(buf, size, "%.*s", s.n < size ? (int)s.n : 0, s.p);
	return literal;
}

static int resolve(struct addrinfo **out, enum qf_dial_fault *fault,
    const char *host, int family, unsigned port, struct qf_err *e)
{
	struct addrinfo hints = {.ai_family = family,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_NUMERICSERV};
	char name[1024], service[16];
	int eai;

	if (unbracket(name, sizeof name, host))
		hints.ai_flags |= AI_NUMERICHOST;
	snprintf(service, sizeof service, "%u", port);
	/* The resolver takes an empty name for the local host. */
	eai = name[0] == '\0' ? EAI_NONAME
			      : getaddrinfo(name, service, &hints, out);
	return eai == 0 ? 0 : resolve_fault(eai, fault, host, e);
}

static void describe(struct qf_dial_peer *peer, const struct qf_dial_spec *spec,
    const struct addrinfo *ai)
{
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, peer->addr,
		sizeof peer->addr, NULL, 0, NI_NUMERICHOST) != 0)
		snprintf(peer->addr, sizeof peer->addr, "unknown address");
	/* An address given as such is not repeated. */
	if (strcmp(spec->host, peer->addr) == 0 || spec->host[0] == '[')
		snprintf(peer->text, sizeof peer->text, "[%s]:%u", peer->addr,
		    spec->port);
	else
		snprintf(peer->text, sizeof peer->text, "%.255s[%s]:%u",
		    spec->host, peer->addr, spec->port);
}

static int bind_source(struct attempt *a, int fd)
{
	const char *source = a->spec->source;
	struct addrinfo *from = NULL;
	enum qf_dial_fault ignored;
	int rc = 0;

	a->fault = QF_DIAL_BIND;
	if (resolve(&from, &ignored, source, a->to->ai_family, 0, NULL) < 0)
		return qf_fail(&a->why, QF_ENET,
		    "source %.255s: no address of this family", source);
	if (bind(fd, from->ai_addr, from->ai_addrlen) < 0)
		rc = qf_fail_sys(&a->why, QF_ENET, "source %.255s", source);
	freeaddrinfo(from);
	return rc;
}

static int connect_failed(struct attempt *a, int sys)
{
	a->fault = QF_DIAL_FAILED;
	for (size_t i = 0; i < sizeof connect_faults / sizeof *connect_faults;
	     i++) {
		if (connect_faults[i].sys == sys)
			a->fault = connect_faults[i].fault;
	}
	errno = sys;
	return qf_fail_sys(&a->why,
	    a->fault == QF_DIAL_TIMEOUT ? QF_ETIME : QF_ENET, "connect");
}

static int wait_connected(struct attempt *a, struct qf_stream *st)
{
	int64_t deadline = qf_deadline_in(a->spec->each_ms);
	socklen_t len = sizeof(int);
	int sys = 0;

	if (deadline > a->spec->deadline)
		deadline = a->spec->deadline;
	if (qf_stream_wait(st, QF_STREAM_WRITE, deadline, NULL) == QF_ETIME)
		return connect_failed(a, ETIMEDOUT);
	if (getsockopt(st->fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
		sys = errno;
	return sys != 0 ? connect_failed(a, sys) : 0;
}

static int try_address(struct attempt *a, struct qf_stream *st)
{
	int one = 1, fd, rc = 0;

	describe(a->peer, a->spec, a->to);
	fd = socket(a->to->ai_family,
	    a->to->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    a->to->ai_protocol);
	if (fd < 0) {
		a->fault = QF_DIAL_SOCKET;
		return qf_fail_sys(&a->why, QF_ENET, "socket");
	}
	st->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (a->spec->source != NULL)
		rc = bind_source(a, fd);
	if (rc == 0 && connect(fd, a->to->ai_addr, a->to->ai_addrlen) < 0)
		rc = errno == EINPROGRESS || errno == EINTR
			 ? wait_connected(a, st)
			 : connect_failed(a, errno);
	if (rc < 0)
		qf_stream_close(st);
	return rc;
}

int qf_dial(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    struct qf_err *e)
{
	struct attempt a = {.spec = spec, .peer = peer};
	struct qf_buf tried = QF_BUF_INIT;
	struct addrinfo *list = NULL;
	int rc, attempts = 0;

	*st = (struct qf_stream)QF_STREAM_NONE;
	rc = resolve(&list, fault, spec->host, AF_UNSPEC, spec->port, e);
	if (rc < 0)
		return rc;
	for (a.to = list; a.to != NULL; a.to = a.to->ai_next) {
		rc = try_address(&a, st);
		if (rc == 0)
			break;
		qf_buf_addf(&tried, "%s%s: %s", tried.len > 0 ? "; " : "",
		    peer->text, a.why.text);
		if (++attempts == QF_DIAL_ATTEMPTS ||
		    qf_deadline_poll(spec->deadline) == 0)
			break;
	}
	*fault = rc == 0 ? QF_DIAL_OK : a.fault;
	if (rc < 0)
		qf_fail(e, rc, "%s", tried.s);
	freeaddrinfo(list);
	qf_buf_free(&tried);
	return rc;
}
