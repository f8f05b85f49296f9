/*
 * What can be wrong with a chain although each of its lines can be read: an
 * order that would break signatures, stages that need what is not there. Mail
 * meets the same rules as `qfrontctl check`: a chain that breaks one defers.
 *
 * The rules go by what is known of the stages. Before a message that is what
 * the notes of the plugins say, read without loading one; a worker that loads
 * a plugin without a note checks its stage then.
 */
#ifndef QF_FRONTEND_CHECK_H
#define QF_FRONTEND_CHECK_H

#include <stdint.h>

#include "frontend/chain.h"
#include "frontend/problem.h"
#include "lib/base/ctl.h"

/* Reads the notes of all plugins into the stages (qf_stage.noted). What can
 * not be read stays unknown: the worker that comes to it finds out why. */
void qf_check_read_notes(const struct qf_ctl *ctl, struct qf_chain *chain);

/* Checks what is known of the stages; timeout_ms is the whole chain's, 0 when
 * it is not known. 0, or QF_ECONF when there were problems. */
int qf_check_chain(
    const struct qf_chain *chain, int64_t timeout_ms, struct qf_problems *p);

/* Checks one stage whose plugin declares these effects and flags against the
 * stages before it. 0, or QF_ECONF when there were problems. */
int qf_check_stage(const struct qf_chain *chain, const struct qf_stage *stage,
    uint64_t effects, uint64_t flags, struct qf_problems *p);

/*
 * Checks one chain without touching mail: the file, each stage's plugin and
 * settings, what the plugin says of them, and the chain as a whole. Reports
 * every problem and sets the number of stages. `daemon`: one is set up, so that
 * what runs only there has a place. For `qfrontctl check`.
 */
void qf_check_file(const struct qf_ctl *ctl, const char *name, bool daemon,
    int64_t timeout_ms, size_t *stages, struct qf_problems *p);

#endif
