/*
 * Taking messages into the queue, several that belong together or one: all of
 * them, or none. For the programs that stand at its door.
 */
#ifndef QF_QUEUE_ACCEPT_H
#define QF_QUEUE_ACCEPT_H

#include "queue/origins.h"
#include "queue/scan.h"
#include "queue/store.h"

struct qf_accept_group {
	int message, envelope; /* descriptors */
	struct qf_envelope env;
	char id[QF_ID_SIZE];
	struct qf_intake *in;
	uint64_t size;
	bool dropped; /* accepted, and not queued: the scanner's verdict */
};

struct qf_accept {
	struct qf_accept_group *group;
	size_t n;
	uid_t uid; /* who hands it over, and his process */
	long pid;
	enum qf_origin origin;
	const struct qf_scan *scan; /* or NULL */
	bool shared; /* the offsets are somebody else's: they stay */
	/* Asked before what is written becomes visible; may be NULL. False:
	 * nobody wants it any more, and nothing is queued. */
	bool (*wanted)(void *arg);
	void *arg;
	int code; /* of a failure that has another exit code than its error */
};

/* Room for n groups. */
void qf_accept_init(struct qf_accept *a, size_t n);
void qf_accept_free(struct qf_accept *a);

/* 0, and all are queued, with their ids; QF_ENOENT when they were not wanted;
 * or what went wrong, as the store says it. */
int qf_accept_all(struct qf_store *st, struct qf_accept *a, struct qf_err *e);
/* A line for each. */
void qf_accept_log(const struct qf_accept *a);

#endif
