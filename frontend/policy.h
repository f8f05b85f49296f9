/*
 * All that the configuration says to a process that serves many messages, read
 * once: the dispatcher of the daemon and its workers read the same, each for
 * itself.
 */
#ifndef QF_FRONTEND_POLICY_H
#define QF_FRONTEND_POLICY_H

#include "frontend/builtin.h"
#include "frontend/config.h"
#include "frontend/split.h"
#include "frontend/trust.h"

/* A chain that a file holds. */
struct qf_named_chain {
	char *name; /* of chain-NAME; NULL for `chain` */
	struct qf_chain chain;
};

struct qf_policy {
	struct qf_ctl ctl;
	struct qf_frontend_config config;
	struct qf_split split;
	struct qf_trust trust;
	struct qf_named_chain *named; /* stays where it is */
	size_t n;
	uint64_t digest; /* the same for who has read the same */
};

/* clang-format off */
#define QF_POLICY_INIT {.ctl = QF_CTL_NONE}
/* clang-format on */

/* Reads and checks all of it, for the daemon: 0, or the code of the first
 * problem. Free it in any case. */
int qf_policy_load(struct qf_policy *policy, struct qf_problems *p);
void qf_policy_free(struct qf_policy *policy);

/*
 * The chain of a message, as qf_builtin_chain() chooses it by the environment:
 * one of the policy, or one that is made in *own, which the caller frees in any
 * case. Checked; 0, or the code of the first problem.
 */
int qf_policy_chain(const struct qf_policy *policy,
    const struct qf_personality *as, char *const *argv, struct qf_chain *own,
    const struct qf_chain **out, struct qf_problems *p);

#endif
