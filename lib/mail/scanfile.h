/*
 * The message as a file with a name, for scanners that open it themselves: in a
 * folder that only we can enter. It goes with us, also when TERM or
 * qf_undo_all() ends us.
 */
#ifndef QF_MAIL_SCANFILE_H
#define QF_MAIL_SCANFILE_H

#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/undo.h"

struct qf_scanfile {
	char folder[1024], path[1040];
	int fd; /* while it is written */
	struct qf_undo undo;
};

/* Makes an empty one in TMPDIR, /var/tmp or /tmp: 0, or QF_EWRITE with nothing
 * left, as below. */
int qf_scanfile_open(struct qf_scanfile *f, struct qf_err *e);
int qf_scanfile_write(
    struct qf_scanfile *f, const void *p, size_t n, struct qf_err *e);
/* No more is written. */
int qf_scanfile_finish(struct qf_scanfile *f, struct qf_err *e);
/* All three, with what fd gives from its start. QF_EREAD as well. */
int qf_scanfile_make(struct qf_scanfile *f, int fd, struct qf_err *e);
/* Does nothing to one that is not there any more, or never was (zeros). */
void qf_scanfile_remove(struct qf_scanfile *f);

#endif
