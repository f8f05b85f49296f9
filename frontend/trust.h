/*
 * Who is believed: what a caller may say of a message, and choose for it.
 *
 * The environment says where a message comes from, whether its client may
 * relay, which filters run and what comes after them. Where a program of ours
 * has rights that its caller does not have, that would be the caller's way
 * around all filters. So root and the users whom the control file
 * `trusted-users` lists are believed, and of anybody else only what changes
 * nothing is left. Nobody who calls such a program chooses where it finds its
 * configuration, its plugins or other programs.
 */
#ifndef QF_FRONTEND_TRUST_H
#define QF_FRONTEND_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base/buf.h"
#include "lib/base/ctl.h"
#include "lib/base/err.h"

/* The uids of trusted-users; zeroed memory holds none. */
struct qf_trust {
	uid_t *v;
	size_t n;
};

/* Reads the control file. QF_ECONF when it can not be read, or names a user
 * who does not exist. */
int qf_trust_load(
    struct qf_trust *t, const struct qf_ctl *ctl, struct qf_err *e);
void qf_trust_free(struct qf_trust *t);

/* Is this one believed? Root always is. */
bool qf_trust_holds(const struct qf_trust *t, uid_t uid);

/*
 * Takes out of an environment (NULL-terminated, of a request or our own
 * `environ`) what a caller may not say, and appends the names of that to
 * `dropped`, a space before each; at most some hundred bytes of them. Returns
 * how many were dropped, without the PATH of somebody who is believed.
 */
size_t qf_trust_filter(char **envp, bool believed, struct qf_buf *dropped);

/* Who called this process. */
struct qf_caller {
	bool met; /* this program is set-id: the rest holds */
	bool believed;
	uid_t uid;
	size_t arguments; /* of a stranger, not obeyed */
	size_t ndropped;
	struct qf_buf dropped;
};

/* clang-format off */
#define QF_CALLER_INIT {.dropped = QF_BUF_INIT}
/* clang-format on */

/* In a set-id program, before anything asks for the environment: filters it by
 * the real uid, vouches for it (lib/base/paths.h), and leaves the folder of the
 * caller. Does nothing in other programs: there a caller harms only itself.
 * QF_ECONF as qf_trust_load(). */
int qf_trust_meet(struct qf_caller *c, struct qf_err *e);
/* May the caller choose? True in programs that are not set-id. */
bool qf_trust_may_choose(const struct qf_caller *c);
/* Logs what was dropped, in one line, if anything was. */
void qf_trust_log(const struct qf_caller *c);
void qf_caller_free(struct qf_caller *c);

#endif
