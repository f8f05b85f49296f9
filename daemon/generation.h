/*
 * What one reading of the configuration made: the policy, and the workers that
 * have loaded it. A message belongs to one generation from start to end.
 */
#ifndef QF_DAEMON_GENERATION_H
#define QF_DAEMON_GENERATION_H

#include "daemon/pool.h"
#include "frontend/policy.h"

struct qf_generation {
	uint32_t number;
	struct qf_policy policy;
	struct qf_pool filter, sign;
	unsigned messages;          /* that belong to it */
	char text[512];             /* why it failed */
	bool torn;                  /* since it was read while it changed */
	struct qf_generation *next; /* older ones, which drain */
};

/* Reads the configuration and takes over the zygotes. Never fails by itself:
 * what is wrong is in `text`, and qf_generation_state() says it. `changed` is
 * called whenever that may have changed. */
struct qf_generation *qf_generation_open(uint32_t number, struct qf_loop *loop,
    struct qf_cores *cores, const int zygotes[2], void (*changed)(void *arg),
    void *arg);
void qf_generation_free(struct qf_generation *g);

/* 1: it can serve; 0: not yet; QF_ECONF: it never will, or no longer. */
int qf_generation_state(struct qf_generation *g);
/* For workers that hold keys, or the others. */
struct qf_pool *qf_generation_pool(struct qf_generation *g, bool secret);

#endif
