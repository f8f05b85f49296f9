/*
 * Control files, as qmail has them: one file per setting in CONTROLDIR; the
 * first line for a value, one entry a line for a list, `#` comments.
 *
 * A file that others than root or the owner of CONTROLDIR can write is
 * refused, and a file in such a folder: who can change a control file chooses
 * what happens to mail. So is a link that leads nowhere. Every
 * error names the file and, where there is one, the line (FILE:LINE).
 */
#ifndef QF_BASE_CTL_H
#define QF_BASE_CTL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"

struct qf_ctl {
	int fd;
	char *path; /* absolute or as given; for texts */
	uid_t owner;
};

/* clang-format off */
#define QF_CTL_NONE {.fd = -1}
/* clang-format on */

/* Opens CONTROLDIR: QF_ECONF when it is missing or anybody can write it. */
int qf_ctl_open(struct qf_ctl *c, const char *path, struct qf_err *e);
void qf_ctl_close(struct qf_ctl *c);

/* Can nobody write it who is neither root nor `owner`? 0, or QF_ECONF with a
 * text that starts with the path. */
int qf_ctl_check_modes(
    const struct stat *st, uid_t owner, const char *path, struct qf_err *e);

/* Appends a whole file: 1, 0 when there is none, QF_ECONF. The name is
 * relative to CONTROLDIR, or absolute. */
int qf_ctl_file(const struct qf_ctl *c, const char *name, struct qf_buf *out,
    struct qf_err *e);

/* Appends the first line, trimmed: 1, 0 when there is no file or the line is
 * empty, QF_ECONF. */
int qf_ctl_value(const struct qf_ctl *c, const char *name, struct qf_buf *out,
    struct qf_err *e);

/* The entries of a list: trimmed lines, without empty ones and those that
 * start with `#`. */
struct qf_line {
	struct qf_span s;
	unsigned number; /* in the file, from 1 */
};

struct qf_lines {
	struct qf_line *v;
	size_t n;
	struct qf_buf bytes; /* what the spans point into */
};

/* clang-format off */
#define QF_LINES_INIT {.bytes = QF_BUF_INIT}
/* clang-format on */

/* Is there such a file, and can everybody read it? */
bool qf_ctl_is_exposed(const struct qf_ctl *c, const char *name);

/* 1, 0 when there is no file, QF_ECONF. */
int qf_ctl_lines(const struct qf_ctl *c, const char *name, struct qf_lines *out,
    struct qf_err *e);
void qf_lines_free(struct qf_lines *l);

/*
 * The single-value settings of a program as a table: it gives the defaults,
 * the reading, the limits, and the list that `qfrontctl check` and the manual
 * are held against. A NULL name ends it.
 */
struct qf_ctl_item {
	const char *name;
	enum {
		QF_CTL_STRING,
		QF_CTL_NUMBER
	} type;
	size_t offset;        /* of a char * (may become NULL) or long long */
	const char *fallback; /* text of the default, or NULL */
	long long min, max;   /* of a number */
	const char *help;     /* one line, with the unit */
};

/* Fills cfg; what an earlier load left there is freed. QF_ECONF leaves cfg as
 * it was. */
int qf_ctl_load(const struct qf_ctl *c, const struct qf_ctl_item *table,
    void *cfg, struct qf_err *e);
void qf_ctl_unload(const struct qf_ctl_item *table, void *cfg);
/* What cfg holds, for qf_digest(). */
uint64_t qf_ctl_digest(
    uint64_t h, const struct qf_ctl_item *table, const void *cfg);

#endif
