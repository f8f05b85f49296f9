/*
 * The message as a file with a name, for scanners that open it themselves: in a
 * folder that only we can enter. It goes with us, also when TERM ends us.
 */
#ifndef QFP_QHPSI_FILE_H
#define QFP_QHPSI_FILE_H

#include "lib/base/err.h"
#include "lib/base/undo.h"

struct scan_file {
	char folder[1024], path[1040];
	struct qf_undo undo;
};

/* Copies what fd gives from its start: 0, QF_EWRITE or QF_EREAD, with nothing
 * left. */
int scan_file_make(struct scan_file *f, int fd, struct qf_err *e);
void scan_file_remove(struct scan_file *f);

#endif
