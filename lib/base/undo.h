/*
 * What must not stay when TERM ends this process, or want of memory: temporary
 * files, programs that it runs. The last that was pushed is undone first; then
 * happens what TERM did before. For processes of one thread.
 */
#ifndef QF_BASE_UNDO_H
#define QF_BASE_UNDO_H

struct qf_undo {
	/* Called in the handler of the signal (signal-safety(7)). */
	void (*undo)(void *arg);
	void *arg;
	struct qf_undo *next;
};

/* The struct is the caller's, until it is popped, in reverse order. */
void qf_undo_push(struct qf_undo *u);
void qf_undo_pop(struct qf_undo *u);
/* Undoes all, as TERM does, in a process that ends now: also from the handler
 * of another signal. */
void qf_undo_all(void);

#endif
