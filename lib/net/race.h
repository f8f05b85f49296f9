/*
 * Connecting to one of several socket addresses: the first that answers wins.
 *
 * One attempt of each family is on its way at a time; the other family's begins
 * when one has failed, or has not answered for a moment (RFC 8305), so that a
 * family that leads nowhere costs that moment and not a time-out.
 */
#ifndef QF_NET_RACE_H
#define QF_NET_RACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/err.h"

/* Why there is no connection; when several addresses failed in different
 * ways, the last one's. */
enum qf_dial_fault {
	QF_DIAL_OK,
	QF_DIAL_NO_HOST,    /* no such name, or a bad literal */
	QF_DIAL_NO_ADDRESS, /* the name has no address */
	QF_DIAL_RESOLVER,   /* the resolver can not tell now */
	QF_DIAL_SOCKET,     /* no socket can be made */
	QF_DIAL_BIND,       /* the source address can not be used */
	QF_DIAL_REFUSED,
	QF_DIAL_TIMEOUT,
	QF_DIAL_UNREACHABLE, /* host or network */
	QF_DIAL_FAILED       /* anything else */
};

enum {
	QF_RACE_MOMENT = 250 /* milliseconds */
};

/* An address to connect to, and afterwards what came of it. */
struct qf_race_try {
	struct sockaddr_storage to;
	socklen_t len;
	enum qf_dial_fault fault;
	/* Was it tried to its end? What was not is neither good nor bad. */
	bool tried;
	bool begun;
	struct qf_err why; /* what fault means; empty with QF_DIAL_OK */
};

struct qf_race_source {
	struct sockaddr_storage v4, v6; /* family 0: none is set */
	/* Is a source wanted? Then a family without one can not be used, and
	 * `text` says so. */
	const char *text;
	const char *why; /* ... and this, where a name leads nowhere */
};

struct qf_race {
	struct qf_race_try *v; /* in the order to be tried */
	size_t n;
	const struct qf_race_source *source; /* or NULL */
	int64_t each_ms;                     /* for one address */
	int64_t deadline;                    /* for all */
	int64_t moment_ms;                   /* 0: QF_RACE_MOMENT */
};

/* The socket (non-blocking, TCP_NODELAY, close-on-exec), and in *winner which
 * address it is connected to; or -1, when all that could be tried has
 * failed. */
int qf_race_run(struct qf_race *race, size_t *winner);

/* Finds addresses to connect from: `text` names some, separated by commas,
 * each an address or a name; of each family the first one counts. Names that
 * lead nowhere are left out. */
void qf_race_find_source(struct qf_race_source *source, const char *text);

#endif
