/*
 * Programs as variables, control files and command lines name them.
 */
#ifndef QF_BASE_PROGRAM_H
#define QF_BASE_PROGRAM_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

/* Appends the words of such a text: the whole of it when that is the path of
 * an executable file, else words with quotes (strv.h). QF_EFORMAT when they
 * can not be had or there are none. */
int qf_program_words(struct qf_strv *argv, const char *text, struct qf_err *e);

/* Appends the path of the program that the first word names: as it stands when
 * it has a slash; else the one of that name in QF_DIR_COMPAT, else in a folder
 * of PATH. QF_EEXEC when it is in none. */
int qf_program_find(struct qf_buf *path, const char *name, struct qf_err *e);

#endif
