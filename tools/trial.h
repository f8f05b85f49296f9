/*
 * A dry run: one message through the chain as qfront would send it, and what
 * came of it. Nothing is queued, and nobody is answered.
 */
#ifndef QF_TOOLS_TRIAL_H
#define QF_TOOLS_TRIAL_H

#include "frontend/setup.h"
#include "lib/base/spool.h"

/* What a stage waited for. */
struct qf_wait {
	size_t step; /* number of the step that it belongs to */
	char *what;
	int64_t us;
};

/* A stage and what it did, for one group of recipients. */
struct qf_step {
	const struct qf_stage *stage;
	struct qf_trace trace;
	struct qf_judgement judgement;
};

struct qf_trial {
	struct qf_setup setup;
	struct qf_envelope envelope;
	struct qf_spool message;
	struct qf_step *step;
	size_t nsteps;
	struct qf_wait *wait;
	size_t nwaits;
	struct qf_groups groups;
	struct qf_plan plan;
	int code; /* trouble that is not about the mail, or 0 */
};

/* clang-format off */
#define QF_TRIAL_INIT                                                          \
	{.setup = QF_SETUP_INIT, .envelope = QF_ENVELOPE_INIT,                 \
	    .message = QF_SPOOL_INIT}
/* clang-format on */

/* Reads the configuration: 0, or a code with the problems printed to standard
 * error. `as` is the name of a personality, or NULL. */
int qf_trial_setup(struct qf_trial *t, const char *as);
/* Runs the message in t->message for t->envelope. */
void qf_trial_run(struct qf_trial *t);
void qf_trial_free(struct qf_trial *t);

/* The exit code of the answer, before any dialect; 0: it would be queued. */
int qf_trial_answer(const struct qf_trial *t);
/* What a delivery changes of the message, as `diff -u` writes it, made
 * harmless for a terminal; nothing when it changes nothing. */
int qf_trial_diff(const struct qf_trial *t, const struct qf_delivery *d,
    struct qf_buf *out, struct qf_err *e);

/* Writes the result: for people, and as one JSON object. */
void qf_trial_print(const struct qf_trial *t, bool diff);
void qf_trial_print_json(const struct qf_trial *t, bool diff);

#endif
