#include "lib/net/dial.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/buf.h"

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
    const char *host, unsigned port, struct qf_err *e)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC,
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
    const struct qf_race_try *t)
{
	const struct sockaddr *sa = (const struct sockaddr *)&t->to;

	if (!qf_ip_from_sockaddr(&peer->ip, sa) ||
	    getnameinfo(sa, t->len, peer->addr, sizeof peer->addr, NULL, 0,
		NI_NUMERICHOST) != 0)
		snprintf(peer->addr, sizeof peer->addr, "unknown address");
	/* An address given as such is not repeated. */
	if (strcmp(spec->host, peer->addr) == 0 || spec->host[0] == '[')
		snprintf(peer->text, sizeof peer->text, "[%s]:%u", peer->addr,
		    spec->port);
	else
		snprintf(peer->text, sizeof peer->text, "%.255s[%s]:%u",
		    spec->host, peer->addr, spec->port);
}

/* Each attempt that failed, and the last one's reason. */
static int explain(const struct qf_race *race, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    struct qf_err *e)
{
	struct qf_buf tried = QF_BUF_INIT;
	int rc = QF_ENET;

	*fault = QF_DIAL_TIMEOUT;
	for (size_t i = 0; i < race->n; i++) {
		const struct qf_race_try *t = &race->v[i];

		if (!t->tried)
			continue;
		describe(peer, spec, t);
		qf_buf_addf(&tried, "%s%s: %s", tried.len > 0 ? "; " : "",
		    peer->text, t->why.text);
		*fault = t->fault;
		rc = t->why.rc;
	}
	qf_fail(e, rc, "%s", tried.s);
	qf_buf_free(&tried);
	return rc;
}

static void tell(const struct qf_race *race, qf_dial_note *note, void *arg)
{
	for (size_t i = 0; i < race->n; i++) {
		const struct qf_race_try *t = &race->v[i];
		struct qf_ip ip;

		if (t->tried &&
		    qf_ip_from_sockaddr(&ip, (const struct sockaddr *)&t->to))
			note(arg, &ip, t->fault);
	}
}

static int run(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    struct qf_race *race, struct qf_err *e)
{
	struct qf_race_source source;
	size_t winner;

	race->each_ms = spec->each_ms;
	race->deadline = spec->deadline;
	race->moment_ms = spec->moment_ms;
	if (spec->source != NULL) {
		qf_race_find_source(&source, spec->source);
		race->source = &source;
	}
	st->fd = qf_race_run(race, &winner);
	race->source = NULL;
	if (st->fd < 0)
		return explain(race, peer, fault, spec, e);
	describe(peer, spec, &race->v[winner]);
	*fault = QF_DIAL_OK;
	return 0;
}

int qf_dial(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    struct qf_err *e)
{
	struct qf_race_try tries[QF_DIAL_ATTEMPTS] = {0};
	struct qf_race race = {.v = tries};
	struct addrinfo *list = NULL;
	int rc;

	*st = (struct qf_stream)QF_STREAM_NONE;
	rc = resolve(&list, fault, spec->host, spec->port, e);
	if (rc < 0)
		return rc;
	for (struct addrinfo *ai = list;
	     ai != NULL && race.n < QF_DIAL_ATTEMPTS; ai = ai->ai_next) {
		struct qf_race_try *t = &tries[race.n++];

		memcpy(&t->to, ai->ai_addr, ai->ai_addrlen);
		t->len = ai->ai_addrlen;
	}
	freeaddrinfo(list);
	return run(st, peer, fault, spec, &race, e);
}

int qf_dial_addrs(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    const struct qf_ip *addr, size_t n, qf_dial_note *note, void *arg,
    struct qf_err *e)
{
	struct qf_race_try tries[QF_DIAL_ATTEMPTS] = {0};
	struct qf_race race = {.v = tries};
	int rc;

	*st = (struct qf_stream)QF_STREAM_NONE;
	for (; race.n < n && race.n < QF_DIAL_ATTEMPTS; race.n++) {
		struct qf_race_try *t = &tries[race.n];

		t->len = qf_ip_sockaddr(&t->to, &addr[race.n], spec->port);
	}
	rc = run(st, peer, fault, spec, &race, e);
	if (note != NULL)
		tell(&race, note, arg);
	return rc;
}
