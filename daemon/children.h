/*
 * The processes that the master starts (daemon/roles.h): which there are, and
 * when those that ended are started again.
 */
#ifndef QF_DAEMON_CHILDREN_H
#define QF_DAEMON_CHILDREN_H

#include <stdint.h>

#include "frontend/users.h"
#include "lib/base/child.h"

enum {
	QF_STORES_MAX = 64,
	QF_ZYGOTES_MAX = 64
};

/* One that is to be there. */
struct qf_slot {
	enum qf_role role;
	struct qf_child child;
	int64_t born, again; /* when to start it; QF_NEVER while it runs */
	int64_t pause;
};

/* One that may end. */
struct qf_zygote_child {
	enum qf_role role;
	uint32_t generation;
	struct qf_child child;
	int64_t until; /* it is killed then; QF_NEVER: it may go on */
};

struct qf_children {
	const struct qf_users *users;
	int listener; /* the dispatcher's */
	struct qf_slot dispatcher, pickup, store[QF_STORES_MAX];
	size_t nstores;
	struct qf_zygote_child zygote[QF_ZYGOTES_MAX];
	/* That this process had before it was ours, such as a program that
	 * reads our log: none of our business. */
	pid_t *inherited;
	size_t ninherited;
};

/* None yet. */
void qf_children_init(struct qf_children *c);
void qf_children_free(struct qf_children *c);

/* Starts it, and gives our end of its socket; -1 when it has to wait. */
int qf_slot_start(struct qf_children *c, struct qf_slot *s);
/* The same, or a code: QF_EFORK when too many are still there. */
int qf_zygote_start(struct qf_children *c, enum qf_role role,
    uint32_t generation, struct qf_err *e);

/* Takes the status of those that have ended, and kills what they left behind.
 * Slots are put off. True when the dispatcher was among them. */
bool qf_children_reap(struct qf_children *c);

bool qf_children_any(const struct qf_children *c);
void qf_children_kill(const struct qf_children *c);
/* Those of one generation are killed then, if they still run; 0: of all. */
void qf_zygotes_end_by(
    struct qf_children *c, uint32_t generation, int64_t deadline);
/* The next of these deadlines. */
int64_t qf_zygotes_deadline(const struct qf_children *c);
/* Kills those whose deadline has passed. */
void qf_zygotes_kill_late(struct qf_children *c);

/* How long to wait before what just ended is started again, after so many
 * milliseconds the last time. */
int64_t qf_longer_pause(int64_t ms);
/* Did what began then not fail at once? */
bool qf_was_steady(int64_t since);

#endif
