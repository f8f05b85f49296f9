/*
 * Secrets of a login: read from files, so that they stand on no command line
 * and in no table that others may see, and removed from memory after use.
 */
#ifndef QF_REMOTE_AUTH_SECRET_H
#define QF_REMOTE_AUTH_SECRET_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

enum {
	QF_SECRET_MAX = 8192,          /* bytes of a secret */
	QF_SECRET_WAIT_MS = 10 * 1000, /* for the writer of a pipe */
	QF_SECRET_HIDE_MIN = 4         /* shorter ones are no secrets */
};

struct qf_secret {
	struct qf_buf bytes;
	bool exposed; /* everybody can read the file: worth a warning */
};

/* clang-format off */
#define QF_SECRET_INIT {.bytes = QF_BUF_INIT_MAX(QF_SECRET_MAX)}
/* clang-format on */

/*
 * The first line of a file or a pipe (option names it in errors), without its
 * end. QF_ECONF when the file is missing, empty, too long, holds a zero byte,
 * or when others than its owner can write it; QF_EREAD; QF_ETIME when nobody
 * writes into the pipe. Nothing is in it then.
 */
int qf_secret_read(struct qf_secret *s, const char *option, const char *path,
    struct qf_err *e);

/*
 * Of two options, NAME=value and NAME-file=path, the one that is given: *value
 * stays, or points into s. QF_EINVAL when both are, or as above.
 */
int qf_secret_take(const char **value, const char *name, const char *path,
    struct qf_secret *s, struct qf_err *e);
void qf_secret_free(struct qf_secret *s);

/* Logs that everybody can read this file, which holds a secret. */
void qf_secret_warn(const char *path);

/* Overwrites all memory of b, and frees it. */
void qf_secret_wipe(struct qf_buf *b);
void qf_secret_wipe_words(struct qf_strv *v);
/* Puts *** into the place of each occurrence of the secret. */
void qf_secret_hide(struct qf_buf *text, struct qf_span secret);

#endif
