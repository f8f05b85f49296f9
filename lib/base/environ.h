/*
 * The environment of somebody else: of the caller whose message a long-running
 * process works on. While it is entered it is the environment of the process,
 * for qf_env(), getenv() and the programs that are started.
 */
#ifndef QF_BASE_ENVIRON_H
#define QF_BASE_ENVIRON_H

#include <stddef.h>

#include <qfront/span.h>
#include "lib/base/alloc.h"

struct qf_environ {
	char **v; /* NULL-terminated, once something was added */
	size_t n, cap;
	struct qf_arena strings;
};

/* Adds NAME=value, each with its zero byte; what has no name is left out. */
void qf_environ_add(struct qf_environ *env, struct qf_span block);
/* Sets one that may be there already. */
void qf_environ_set(
    struct qf_environ *env, const char *name, const char *value);
/* After entries were taken out of v. */
void qf_environ_recount(struct qf_environ *env);
void qf_environ_free(struct qf_environ *env); /* not while it is entered */

/* From now on it is the environment; NULL: that of the process again. */
void qf_environ_enter(struct qf_environ *env);
/* Sets a variable of the environment that is entered. setenv(3) must not be
 * called meanwhile: it would free what it does not own. */
void qf_environ_put(const char *name, const char *value);

#endif
