/*
 * The folders that workers have of their own, below TMPDIR: libraries and
 * filters write copies of mail there, so none may stay.
 *
 * A zygote has one folder, which it locks as long as it lives, and in that one
 * for each worker. Who comes later removes what nobody locks: a zygote that was
 * killed could not.
 */
#ifndef QF_DAEMON_FOLDERS_H
#define QF_DAEMON_FOLDERS_H

#include <stdint.h>

#include "lib/base/err.h"

struct qf_folders {
	char *base; /* NULL until the first one is wanted */
	int lock;
};

/* clang-format off */
#define QF_FOLDERS_NONE {.base = NULL, .lock = -1}
/* clang-format on */

/* Removes what zygotes of this user left that are no more. */
void qf_folders_sweep(void);

/* Makes one: its path, which the caller frees, or NULL (QF_EWRITE). */
char *qf_folders_make(struct qf_folders *f, uint32_t id, struct qf_err *e);
void qf_folders_remove(const char *path);
/* Removes all that is left. */
void qf_folders_close(struct qf_folders *f);

#endif
