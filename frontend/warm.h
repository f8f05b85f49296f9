/*
 * A worker that has many jobs, one after the other: what it keeps of plugins
 * between them, and its life.
 *
 * The stages of chains that stand in files are opened once, before the workers
 * of a generation are forked, so that they share what is only read. A message
 * whose environment overrides settings, or brings a chain of its own, gets
 * stages of its own; only the plugin itself stays loaded.
 */
#ifndef QF_FRONTEND_WARM_H
#define QF_FRONTEND_WARM_H

#include "frontend/live.h"
#include "frontend/policy.h"

struct qf_warm_stage {
	const struct qf_stage *stage;
	struct qf_live live;
};

struct qf_warm {
	struct qf_policy policy;
	enum qf_live_kind kind;
	struct qf_problems problems;
	struct qf_warm_stage **kept;
	size_t n;
	struct qf_strv pinned; /* plugins that stay loaded for other reasons */
};

/* clang-format off */
#define QF_WARM_INIT {.policy = QF_POLICY_INIT}
/* clang-format on */

/* Reads the configuration and opens the stages of this kind: 0, or the code of
 * the first problem, which is in `problems`. */
int qf_warm_open(struct qf_warm *warm, enum qf_live_kind kind);
void qf_warm_close(struct qf_warm *warm);

/* The stage, open, when it is kept and fits this message; or NULL. */
struct qf_live *qf_warm_find(
    const struct qf_warm *warm, const struct qf_stage *stage);
/* Keeps the stage's plugin loaded. */
void qf_warm_pin(struct qf_warm *warm, const struct qf_stage *stage);

/* Serves jobs from sock until its end, or until `jobs` are done or one went
 * wrong: the exit code. `places` are variables that hold for all jobs. */
int qf_warm_serve(struct qf_warm *warm, int sock, unsigned long jobs,
    const struct qf_strv *places);

#endif
