/*
 * drop/: messages of users who can not write the queue, kept until the daemon
 * takes them up (qfront-drop(8)).
 *
 * One file a message, named by its id:
 *
 *	qfront-drop 1 message=BYTES envelope=BYTES \n
 *	the message
 *	the envelope, with attributes (lib/mail/envelope.h)
 *
 * The numbers have twenty digits each and add up to the length of the file, so
 * none that was cut or written on passes for a message. The file belongs to
 * who submitted it: his uid is nowhere in the content. An id shows up when all
 * of its file is on disk, never before.
 */
#ifndef QF_QUEUE_DROP_H
#define QF_QUEUE_DROP_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/spool.h"
#include "lib/mail/envelope.h"

enum {
	QF_DROP_ID_SIZE = 17, /* with the NUL */
	/* Bytes of an envelope: what the daemon takes in one piece. */
	QF_DROP_ENVELOPE_MAX = QF_SPOOL_MEMORY
};

/* Reads a message and its envelope to their ends and keeps them in the folder:
 * 0, and they survive a loss of power. Codes are those of a queue program:
 * QF_EQUEUE for the folder, QF_EWRITE, QF_EREAD, and what qf_envelope_read()
 * says. Nothing is left after an error. */
int qf_drop_write(const char *folder, int message, int envelope,
    char id[QF_DROP_ID_SIZE], struct qf_err *e);

/* Is there a folder for them in the queue of this host? */
bool qf_drop_is_there(void);
bool qf_drop_is_id(const char *name);

struct qf_dropped {
	uid_t uid; /* of who submitted it */
	struct qf_spool message;
	struct qf_envelope envelope;
};

/* clang-format off */
#define QF_DROPPED_INIT \
	{.message = QF_SPOOL_INIT, .envelope = QF_ENVELOPE_INIT}
/* clang-format on */

/* Copies what the file holds, so that nobody can change it any more. QF_EFORMAT
 * when it is no sound file of this kind, QF_ENOENT when it is gone; anything
 * else may be better next time. Free it in any case. */
int qf_drop_read(
    int folder, const char *name, struct qf_dropped *out, struct qf_err *e);
void qf_dropped_free(struct qf_dropped *d);

/* Both are on disk when they return 0; QF_EWRITE. */
int qf_drop_remove(int folder, const char *id, struct qf_err *e);
/* It becomes ID.WHY, which is no id. */
int qf_drop_set_aside(
    int folder, const char *id, const char *why, struct qf_err *e);
/* Removes the file if a writer left it that must be dead by now. */
void qf_drop_sweep(int folder, const char *name);

#endif
