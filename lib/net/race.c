#include "lib/net/race.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	LANES = 2 /* families */
};

/* The attempt of one family that is on its way. */
struct lane {
	int family;
	int fd;    /* -1: none */
	size_t at; /* which one it is */
	int64_t until;
};

struct running {
	struct qf_race *race;
	struct lane lane[LANES];
	size_t left;   /* not started yet */
	int64_t other; /* when another family may begin beside the first */
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

static void connect_failed(struct qf_race_try *t, int sys)
{
	t->fault = QF_DIAL_FAILED;
	for (size_t i = 0; i < sizeof connect_faults / sizeof *connect_faults;
	     i++) {
		if (connect_faults[i].sys == sys)
			t->fault = connect_faults[i].fault;
	}
	errno = sys;
	qf_fail_sys(&t->why, t->fault == QF_DIAL_TIMEOUT ? QF_ETIME : QF_ENET,
	    "connect");
}

/* The source for the family, bound; false when it can not be used. */
static bool bind_source(
    const struct qf_race_source *source, struct qf_race_try *t, int fd)
{
	const struct sockaddr_storage *from =
	    t->to.ss_family == AF_INET ? &source->v4 : &source->v6;

	t->fault = QF_DIAL_BIND;
	if (from->ss_family == 0) {
		qf_fail(&t->why, QF_ENET, "source %.255s: %s", source->text,
		    source->why != NULL ? source->why
					: "no address of this family");
		return false;
	}
	if (bind(fd, (const struct sockaddr *)from, t->len) < 0) {
		qf_fail_sys(&t->why, QF_ENET, "source %.255s", source->text);
		return false;
	}
	return true;
}

/* Begins to connect: the socket, or -1 when that has failed at once. */
static int begin(const struct qf_race *race, struct qf_race_try *t)
{
	int one = 1, sys;
	int fd = socket(t->to.ss_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

	if (fd < 0) {
		t->fault = QF_DIAL_SOCKET;
		qf_fail_sys(&t->why, QF_ENET, "socket");
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (race->source != NULL && !bind_source(race->source, t, fd)) {
		close(fd);
		return -1;
	}
	t->fault = QF_DIAL_OK;
	if (connect(fd, (const struct sockaddr *)&t->to, t->len) == 0 ||
	    errno == EINPROGRESS || errno == EINTR)
		return fd;
	sys = errno;
	close(fd);
	connect_failed(t, sys);
	return -1;
}

static size_t lane_of(const struct qf_race_try *t)
{
	return t->to.ss_family == AF_INET ? 0 : 1;
}

static bool is_busy(const struct running *r)
{
	return r->lane[0].fd >= 0 || r->lane[1].fd >= 0;
}

/* The first that was not started and whose family has none on its way; n when
 * there is none. */
static size_t find_next(const struct running *r)
{
	size_t i = 0;

	while (i < r->race->n && (r->race->v[i].begun ||
				     r->lane[lane_of(&r->race->v[i])].fd >= 0))
		i++;
	return i;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The first one always may: it then fails with the right words. */
static bool may_start(const struct running *r)
{
	if (r->left < r->race->n && qf_deadline_poll(r->race->deadline) == 0)
		return false;
	return !is_busy(r) || qf_deadline_poll(r->other) == 0;
}

/* Starts what may start now. */
static void start(struct running *r)
{
	struct qf_race *race = r->race;
	size_t i;

	while (r->left > 0 && may_start(r) && (i = find_next(r)) < race->n) {
		struct lane *lane = &r->lane[lane_of(&race->v[i])];

		race->v[i].begun = true;
		r->left--;
		lane->at = i;
		lane->until =
		    earlier(qf_deadline_in(race->each_ms), race->deadline);
		lane->fd = begin(race, &race->v[i]);
		race->v[i].tried = lane->fd < 0;
		/* One that has failed makes nobody wait. */
		r->other = lane->fd < 0 ? 0 : qf_deadline_in(race->moment_ms);
	}
}

/* An attempt that has failed: the next one does not wait. */
static void drop(struct running *r, struct lane *lane, int sys)
{
	struct qf_race_try *t = &r->race->v[lane->at];

	qf_close(&lane->fd);
	t->tried = true;
	connect_failed(t, sys);
	r->other = 0;
}

/* Looks after one: true when it is connected. */
static bool look(struct running *r, struct lane *lane, short events)
{
	socklen_t len = sizeof(int);
	int sys = 0;

	if (events == 0) {
		if (qf_deadline_poll(lane->until) == 0)
			drop(r, lane, ETIMEDOUT);
		return false;
	}
	if (getsockopt(lane->fd, SOL_SOCKET, SO_ERROR, &sys, &len) < 0)
		sys = errno;
	if (sys != 0)
		drop(r, lane, sys);
	return sys == 0;
}

/* Waits for the first thing to happen: the lane that is connected, or NULL. */
static struct lane *wait_any(struct running *r)
{
	struct pollfd p[LANES];
	int64_t until = QF_NEVER;

	for (int i = 0; i < LANES; i++) {
		p[i] = (struct pollfd){.fd = r->lane[i].fd, .events = POLLOUT};
		if (r->lane[i].fd >= 0)
			until = earlier(until, r->lane[i].until);
	}
	if (find_next(r) < r->race->n)
		until = earlier(until, r->other);
	if (poll(p, LANES, qf_deadline_poll(until)) < 0)
		return NULL;
	for (int i = 0; i < LANES; i++) {
		if (r->lane[i].fd >= 0 && look(r, &r->lane[i], p[i].revents))
			return &r->lane[i];
	}
	return NULL;
}

int qf_race_run(struct qf_race *race, size_t *winner)
{
	struct running r = {.race = race, .left = race->n};
	struct lane *won = NULL;
	int fd = -1;

	for (int i = 0; i < LANES; i++)
		r.lane[i].fd = -1;
	if (race->moment_ms == 0)
		race->moment_ms = QF_RACE_MOMENT;
	start(&r);
	while (is_busy(&r) && won == NULL) {
		won = wait_any(&r);
		if (won == NULL)
			start(&r);
	}
	if (won != NULL) {
		race->v[won->at].tried = true;
		*winner = won->at;
		fd = won->fd;
		won->fd = -1;
	}
	for (int i = 0; i < LANES; i++)
		qf_close(&r.lane[i].fd);
	return fd;
}

static void take_source(
    struct qf_race_source *source, const struct addrinfo *ai)
{
	for (; ai != NULL; ai = ai->ai_next) {
		struct sockaddr_storage *to =
		    ai->ai_family == AF_INET ? &source->v4 : &source->v6;

		if ((ai->ai_family == AF_INET || ai->ai_family == AF_INET6) &&
		    to->ss_family == 0)
			memcpy(to, ai->ai_addr, ai->ai_addrlen);
	}
}

void qf_race_find_source(struct qf_race_source *source, const char *text)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
	struct qf_span rest = qf_span(text), one;
	bool more = true;
	int rc;

	*source = (struct qf_race_source){.text = text};
	while (more) {
		char name[256];

		more = qf_span_cut(&rest, ',', &one);
		one = qf_span_trim(more ? one : rest);
		if (one.n >= 2 && one.p[0] == '[' && one.p[one.n - 1] == ']')
			one = qf_span_n(one.p + 1, one.n - 2);
		if (one.n == 0 || one.n >= sizeof name)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)one.n, one.p);
		rc = getaddrinfo(name, NULL, &hints, &found);
		if (rc != 0)
			source->why = gai_strerror(rc);
		if (rc != 0)
			continue;
		take_source(source, found);
		freeaddrinfo(found);
	}
}
