/*
 * Numbers of what becomes of mail, in memory that all front ends of a host
 * share: the file of qfront-metrics(5), mapped by the daemon's dispatcher and
 * by each run without a daemon. Counting never fails and never waits; where the
 * file is missing, of another version or not ours to write, nothing is counted.
 *
 * Who may write the file may also spoil it: it belongs to root or to the users
 * of the roles, and to those whom an administrator adds.
 */
#ifndef QF_FRONTEND_METRICS_H
#define QF_FRONTEND_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/trace.h"
#include "lib/base/err.h"

enum {
	QF_METRICS_VERSION = 1,
	QF_METRICS_STAGES =
	    128, /* the last one is for all that found no place */
	QF_METRICS_NAME = 64,
	QF_METRICS_BUCKETS = 22, /* 100 us, each twice the last; no limit */
	QF_METRICS_VERDICTS = QF_BROKEN + 2,
	QF_METRICS_SKIPPED = QF_BROKEN + 1,
	QF_METRICS_CODES = 256
};

/* How a message was served. */
enum qf_way {
	QF_WAY_COLD, /* qfrontd --once */
	QF_WAY_WARM, /* the daemon */
	QF_WAYS
};

enum qf_count {
	QF_COUNT_BYTES,      /* of messages */
	QF_COUNT_HUNG_UP,    /* clients that left before their answer */
	QF_COUNT_FULL,       /* put off: requestsmax */
	QF_COUNT_USER_FULL,  /* put off: requestsuser */
	QF_COUNT_STORE_LOST, /* store workers gone with a message */
	QF_COUNT_FORKED,     /* workers: begun, */
	QF_COUNT_RETIRED,    /* ended after their share of work, */
	QF_COUNT_DIED,       /* ended by themselves, */
	QF_COUNT_LATE,       /* ended for being late */
	QF_COUNT_LOADED,     /* generations that came to serve, */
	QF_COUNT_NOT_LOADED, /* and that did not */
	QF_COUNTS
};

/* Of the daemon that runs, or ran last. */
enum qf_gauge {
	QF_GAUGE_STARTED,    /* seconds since 1970 */
	QF_GAUGE_LOADED,     /* the same: the serving generation */
	QF_GAUGE_GENERATION, /* its number */
	QF_GAUGE_REQUESTS,   /* messages that have no answer yet */
	QF_GAUGE_FILTER,     /* workers without keys, */
	QF_GAUGE_SIGN,       /* with keys, */
	QF_GAUGE_STORE,      /* and of the queue */
	QF_GAUGES
};

/* Microseconds; each bucket counts its own. */
struct qf_histogram {
	uint64_t bucket[QF_METRICS_BUCKETS];
	uint64_t sum;
};

struct qf_metrics_stage {
	uint32_t taken; /* 0: free; 1: its name is being written; 2 */
	uint32_t reserved;
	char name[QF_METRICS_NAME];
	uint64_t verdict[QF_METRICS_VERDICTS];
	struct qf_histogram time;
};

struct qf_metrics {
	char magic[4];
	uint32_t version;
	uint64_t size;
	uint64_t outcome[QF_WAYS][QF_METRICS_CODES];
	struct qf_histogram time[QF_WAYS];
	uint64_t count[QF_COUNTS];
	int64_t gauge[QF_GAUGES];
	char reload_error[512]; /* "" when the last one went well */
	struct qf_metrics_stage stage[QF_METRICS_STAGES];
};

/* Opens the file for counting: 0, or why nothing is counted. One that is empty
 * is made ready. QF_ENOENT when there is no file, or no place for one. */
int qf_metrics_open(struct qf_err *e);
/* The daemon's master: makes the file where there is none, for the user of the
 * dispatcher, and holds a lock on it as long as this process lives, by which
 * others know that a daemon runs. */
int qf_metrics_own(uid_t uid, gid_t gid, struct qf_err *e);
/* Counts no more: before anything runs that must not write there. */
void qf_metrics_close(void);

/* A copy of what is there: 0, QF_ENOENT, or QF_EPROTO for what is none of ours.
 * *daemon is the process number of the one that runs, or 0. */
int qf_metrics_read(struct qf_metrics *out, pid_t *daemon, struct qf_err *e);

void qf_count_add(enum qf_count which, int64_t n);
void qf_gauge_set(enum qf_gauge which, int64_t value);
void qf_gauge_add(enum qf_gauge which, int64_t n);
/* The answer to a message (a code of qfront-exitcodes(7)), its time in
 * microseconds, and its bytes. */
void qf_count_message(enum qf_way way, int code, int64_t us, int64_t bytes);
/* A code that had been counted, and became another. */
void qf_count_instead(enum qf_way way, int code, int other);
void qf_count_stage(const struct qf_stage *s, const struct qf_trace *t);
void qf_metrics_reload_error(const char *text);

#endif
