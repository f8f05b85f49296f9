/*
 * QHPSI, the High Performance Scanner Interface of qmail-queue(8): a virus
 * scanner for every message, chosen by variables.
 *
 *	QHPSI		the scanner: a path, or a name to be found in PATH
 *	QHPSIARG1...	its arguments after the file name; a gap ends them
 *	QHPSIRC		its exit code for an infection; 1
 *	QHPSIRN		its exit code for none; 0 (indimail)
 *	QHPSIMINSIZE	smaller messages are not scanned; 0: all are
 *	QHPSIMAXSIZE	larger ones are not scanned; 0: all are
 *
 * The file name comes directly after the program, or in place of each word that
 * starts with %s (indimail).
 */
#ifndef QF_MAIL_QHPSI_H
#define QF_MAIL_QHPSI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/run.h"
#include "lib/base/strv.h"

struct qf_qhpsi {
	struct qf_strv words; /* with %s for the file name */
	struct qf_buf path;   /* of the program */
	int infected, clean;  /* exit codes */
	uint64_t min, max;    /* 0: no limit */
};

/* clang-format off */
#define QF_QHPSI_INIT {.path = QF_BUF_INIT, .infected = 1, .clean = 0}
/* clang-format on */

/* Where the variables come from. */
struct qf_qhpsi_source {
	/* The value, or NULL; valid until the next call. */
	const char *(*get)(void *arg, const char *name);
	/* Says something that is wrong and does no harm. */
	void (*warn)(void *arg, const char *text);
	void *arg;
};

/*
 * Each takes what it names from the variables, and leaves alone what they do
 * not set: 0 or QF_ECONF. A variable that is empty is not set. The names
 * QHPSIMISIZE and QHPPIMAXSIZE, as the manual page spells them, are
 * understood, with a warning.
 */
int qf_qhpsi_take_program(
    struct qf_qhpsi *q, const struct qf_qhpsi_source *s, struct qf_err *e);
int qf_qhpsi_take_codes(
    struct qf_qhpsi *q, const struct qf_qhpsi_source *s, struct qf_err *e);
int qf_qhpsi_take_sizes(
    struct qf_qhpsi *q, const struct qf_qhpsi_source *s, struct qf_err *e);
/* The program and its words, in the form of QHPSI: 0 or QF_ECONF, also for
 * lists of plugins, which this version does not have; QF_EEXEC when there is
 * no such program. qf_qhpsi_take_program() returns the same. */
int qf_qhpsi_set_program(
    struct qf_qhpsi *q, const char *text, struct qf_err *e);
void qf_qhpsi_free(struct qf_qhpsi *q);

/* Is a message of this size to be scanned? */
bool qf_qhpsi_applies(const struct qf_qhpsi *q, uint64_t size);

enum {
	QF_QHPSI_CLEAN,
	QF_QHPSI_INFECTED,
	QF_QHPSI_ODD /* it ended with another code */
};

/* Scans a file, named as the scanner shall see it. How the scanner runs is in
 * *run: environment, limits, deadline, and `out` with at most one entry, which
 * receives what it prints on descriptors 1 and 2. One of QF_QHPSI_..., with
 * the exit code in *code; QF_ECRASH when a signal ended it, or as qf_run(). */
int qf_qhpsi_scan(const struct qf_qhpsi *q, const char *file,
    const struct qf_run *run, int *code, struct qf_err *e);

#endif
