/*
 * Error values: a code, the errno behind it, and a text for a person.
 *
 * A function that can fail returns 0 (or a documented positive number) or a
 * negative QF_E code and takes a struct qf_err as its last argument, which it
 * fills where the facts are known: what, where, what to do. Callers add
 * context in front and never replace the text. Only mains print it. A qf_err
 * needs no memory of its own, so it can report running out of anything.
 */
#ifndef QF_BASE_ERR_H
#define QF_BASE_ERR_H

#include <qfront/err.h>

struct qf_err {
	int rc;         /* QF_E..., or 0 */
	int sys;        /* errno behind it, or 0 */
	char text[500]; /* one line, no full stop, no newline */
};

/* Fills e (may be NULL) and returns rc. */
int qf_fail(struct qf_err *e, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same; appends ": " and the text of errno, and keeps errno in e->sys. */
int qf_fail_sys(struct qf_err *e, int rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context and ": " in front of the text; returns e->rc. Does nothing and
 * returns 0 when e is NULL. */
int qf_err_context(struct qf_err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
