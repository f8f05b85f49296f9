/*
 * The chain file: which plugins a message passes, in which order, and what
 * each line says about its stage (qfront-chain(5)).
 *
 *	PLUGIN[@INSTANCE] [if=COND[,COND]]... [max=SIZE] [timeout=SECONDS]
 *	    [onerror=defer|reject|pass|quarantine] [rcpt=ADDRESS[,ADDRESS]]...
 *	    [max-action=tag|quarantine|defer|reject] [always] [shadow]
 *	    [KEY=VALUE]...
 *
 * A chain is data; running it is the worker's business.
 */
#ifndef QF_FRONTEND_CHAIN_H
#define QF_FRONTEND_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/condition.h"
#include "frontend/problem.h"
#include "lib/base/alloc.h"
#include "lib/base/ctl.h"

/* What happens to a message when a stage breaks. */
enum qf_onerror {
	QF_ONERROR_DEFER,
	QF_ONERROR_REJECT,
	QF_ONERROR_PASS,
	QF_ONERROR_QUARANTINE
};

/* The most that a stage may do to a message, from little to much. */
enum qf_cap {
	QF_CAP_NONE,
	QF_CAP_TAG,        /* edits of the message, score, notes */
	QF_CAP_QUARANTINE, /* and hold or redirect it */
	QF_CAP_DEFER,      /* and refuse it for now */
	QF_CAP_REJECT      /* and refuse it for good: all but dropping it */
};

struct qf_stage_setting {
	const char *key, *value;
};

struct qf_stage {
	const char *name;     /* PLUGIN or PLUGIN@INSTANCE */
	const char *plugin;   /* [a-z][a-z0-9-]* */
	const char *instance; /* or NULL */
	unsigned line;
	struct qf_condition *conditions;
	struct qf_condition *rcpts; /* rcpt=: alternatives, or NULL */
	bool per_rcpt; /* recipients may differ in whether it runs for them */
	uint64_t max;  /* bytes; larger messages skip it; 0: no limit */
	int64_t timeout_ms; /* 0: what the chain has left */
	enum qf_onerror onerror;
	bool onerror_chosen; /* it stands on the line */
	enum qf_cap cap;
	bool always; /* runs after an ACCEPT and for bounces too */
	bool shadow; /* runs and logs, never acts */
	struct qf_stage_setting *setting; /* KEY=VALUE, in order */
	size_t nsettings;
	bool yields; /* these settings to those of its file */
	/* What its plugin declares for a stage with these settings, once it is
	 * known (frontend/check.h). */
	bool noted;
	uint64_t effects, flags;
	uint64_t groups; /* that it needs or wants */
};

struct qf_chain {
	char *file;    /* path, for texts */
	bool is_there; /* there is such a file */
	bool warm;     /* the daemon runs it */
	uint64_t digest; /* of the file: the same for the same lines */
	struct qf_stage *stage;
	size_t n, cap;
	struct qf_arena arena; /* holds all that the stages point to */
};

/*
 * Reads CONTROLDIR/chain, or chain-NAME; without that file an unnamed chain is
 * empty and a named one is a problem. Returns 0, or a code when there were
 * problems: what could be read is there all the same.
 */
int qf_chain_load(struct qf_chain *c, const struct qf_ctl *ctl,
    const char *name, struct qf_problems *p);
/* An empty chain that no file holds; `name` stands for the path in texts. */
void qf_chain_start(struct qf_chain *c, const char *name);
/* Adds a stage with these settings: key, value, and so on, NULL. Whoever asked
 * for it did so for this message: it runs for bounces too. */
void qf_chain_add_stage(struct qf_chain *c, const char *name, ...)
    __attribute__((sentinel));
void qf_chain_free(struct qf_chain *c);

/* Why a stage does not run for a message. */
enum qf_skip {
	QF_SKIP_NONE, /* it ran, or was broken before */
	QF_SKIP_ACCEPTED,
	QF_SKIP_BOUNCE,
	QF_SKIP_IF,
	QF_SKIP_MAX
};

/* Is it to run for such a message and recipient? `accepted`: an earlier stage
 * said ACCEPT. */
enum qf_skip qf_stage_skip(
    const struct qf_stage *s, const struct qf_subject *subject, bool accepted);
const char *qf_skip_name(uint32_t skip);
/* Does it wait for others, so that it needs no core? Known from its note; else
 * it counts as one that computes. */
bool qf_stage_waits(const struct qf_stage *s);

#endif
