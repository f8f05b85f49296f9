/*
 * Dialects: what a caller makes of an answer, and where it reads a text.
 *
 * Every caller takes 11 to 40 for permanent and nearly all else for temporary,
 * but they differ in what a number means, in the code that announces a text
 * (88 or 82), and in the descriptor where they read it. A caller that does not
 * know such a code takes it for temporary, so it is given only to those who do,
 * and only when the whole text was written. The control file `dialect` names
 * the caller; qfront(8) has the list.
 */
#ifndef QF_FRONTEND_DIALECT_H
#define QF_FRONTEND_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

#include "frontend/host.h"
#include "lib/mail/dialects.h"

/* Does the caller take what is written to descriptor 2 for the text of a
 * refusal? Then no log belongs there. */
bool qf_dialect_reads_stderr(enum qf_dialect d);

enum {
	QF_REPLY_MAX = 250 /* bytes that every caller reads */
};

struct qf_reply {
	int code;
	char letter; /* 'K', 'D', 'Z': as qf_qqcode_find() has it */
	/* What goes to the caller's descriptor: the letter, the stage's text
	 * in one line of printable ASCII, and its status as in `(#5.7.1)`.
	 * Empty when the number says it all. */
	char text[QF_REPLY_MAX + 1];
};

/*
 * What a caller would get that keeps open what it reads: for `auto`, one that
 * reads nothing. `code` is a code of qfront-exitcodes(7); the text is that of
 * the judgement, which may be NULL.
 */
void qf_dialect_preview(enum qf_dialect d, const struct qf_judgement *j,
    int code, struct qf_reply *out);

/*
 * Answers: writes the text where this caller reads it, and returns the exit
 * code. Whatever stands in the way (no descriptor, nobody who reads it, no
 * room) makes it the number. Descriptors of ours, which are close-on-exec, are
 * never taken for the caller's. SIGPIPE must be ignored.
 */
int qf_dialect_answer(
    enum qf_dialect d, const struct qf_judgement *j, int code);

/* A queue program that is started beside others speaks to us instead of to the
 * caller, in whatever dialect. Its texts go to these descriptors. Returns how
 * many. */
enum {
	QF_TEXT_FDS = 4
};
size_t qf_dialect_text_fds(enum qf_dialect d, int fds[QF_TEXT_FDS]);
/* What it said with an exit code, and with a text in a file of ours: 31 or 71
 * and a judgement with the text. The exit code when there is none. */
int qf_dialect_hear(int exit_code, int file, struct qf_judgement *j);

#endif
