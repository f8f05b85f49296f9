/*
 * One run of a protocol module (nullmailer-send(8)).
 *
 * The module gets on descriptor 0 `host=HOST`, its options, one a line, and an
 * empty line; on 3 a private file at offset 0 with the sender, the recipients,
 * one a line, an empty line and the message; HELOHOST in its environment. What
 * it prints on 1 is its answer, 2 is our log. Exit code 0: delivered; 32 to 63:
 * failed for good; all else: not now, so that a shell that can not run its
 * command (126, 127) returns no mail. 17, which nullmailer's modules do not
 * use, says that only some of several recipients must wait.
 *
 * Whatever a module does, this returns in time: it may not read, never stop
 * writing, leave children, ignore TERM or crash.
 */
#ifndef QF_SEND_DELIVER_H
#define QF_SEND_DELIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "send/remotes.h"
#include "send/wake.h"

enum {
	QF_ANSWER_SIZE = 1000,    /* of one answer, with the NUL */
	QF_ANSWER_READ = 8 << 10, /* bytes of the module's output kept */
	QF_STOP_GRACE_MS = 60000, /* for a running module after TERM */
	QF_KILL_GRACE_MS = 5000,  /* from TERM to KILL for a module */
};

struct qf_delivery {
	const char *protocols; /* the folder of the modules */
	const struct qf_remote *remote;
	const char *helohost;
	const char *sender;
	const char *const *rcpt;
	size_t nrcpt;
	int message;          /* read from its start */
	int64_t limit;        /* milliseconds for the run, or QF_NEVER */
	struct qf_wake *wake; /* signals; may be NULL */
};

enum qf_result {
	QF_DELIVERED,
	QF_NOT_NOW,
	QF_SOME_NOT_NOW,
	QF_FAILED
};

struct qf_answer {
	enum qf_result result;
	bool given;                /* by the module; else the text is ours */
	char text[QF_ANSWER_SIZE]; /* one line without controls, not empty */
};

/* Trouble of our own side (no memory file, no such module) is QF_NOT_NOW. */
void qf_deliver(const struct qf_delivery *d, struct qf_answer *answer);

/* Why no module can be given this address, or NULL when it can. */
const char *qf_deliver_refuses(const char *addr, bool is_rcpt);

/* What an exit status of wait(2) means. */
enum qf_result qf_deliver_result(int status);

#endif
