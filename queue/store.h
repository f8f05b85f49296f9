/*
 * The queue behind a table of operations. Programs see this header; the
 * engine behind it is qmail's directory layout (store_dir.c). A log that makes
 * many messages safe with one sync is to be another one, behind the same table.
 * tests/unit/store_contract.h holds every engine against what is said here.
 *
 * Promises of every engine:
 *   - nothing is seen by next() before publish();
 *   - what publish() accepted survives a loss of power;
 *   - release() and finish() are atomic: a message is there with its state,
 *     or gone, and never queued without its bytes;
 *   - every path that fails removes what it made;
 *   - several stores may be open on a queue, in one process or in many: each
 *     sees what the others did.
 *
 * A message and what is known of it is named by its id, a word of letters and
 * digits, which stays the same from publish() to finish() and stands in every
 * log line. No other message has it meanwhile.
 *
 * A message whose envelope has the attribute HOLD is held, and so is one that
 * hold() took: a sender does not see it, ours or another one, until release()
 * makes it a queued message.
 */
#ifndef QF_QUEUE_STORE_H
#define QF_QUEUE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"
#include "lib/mail/envelope.h"

enum {
	QF_ID_SIZE = 24,     /* with the NUL */
	QF_REASON_MAX = 1000 /* bytes of a reason that note() keeps */
};

struct qf_store;  /* an open queue */
struct qf_intake; /* a message on its way in */

/* What a message waits for before it counts as queued: with anything but the
 * first, a loss of power may take mail that was accepted. */
enum qf_store_sync {
	QF_SYNC_FULL, /* its bytes, and the names that lead to them */
	QF_SYNC_FILE, /* its bytes */
	QF_SYNC_NONE  /* nothing */
};

struct qf_store_settings {
	enum qf_store_sync sync;
	/* What must be left on the file system when a message comes in, for
	 * those who bring out what is there: QF_EWRITE. 0: nothing. */
	uint64_t free_bytes, free_inodes;
};

/* How a queue is opened. */
enum qf_store_use {
	QF_STORE_INTAKE, /* to add messages */
	QF_STORE_SEND,   /* to deliver: holds lock/sendmutex, reads trigger */
	QF_STORE_LOOK    /* to list */
};

/* A queued message, as far as it is known; free with qf_item_free(). */
struct qf_item {
	char id[QF_ID_SIZE];
	int64_t born; /* wall clock: when it was queued, held or released */
	/* Wall clock: next attempt, as defer() said; a mark() or note() after
	 * it may make it the time of that. 0: none was made yet, or none is
	 * needed. */
	int64_t due;
	uint64_t size; /* bytes of the message */
	struct qf_buf sender;
	struct qf_strv rcpt; /* all recipients, in order */
	bool *done;          /* per recipient: delivered or failed for good */
	struct qf_buf notes; /* why recipients failed, see note() */
	bool fresh;          /* no state was written yet: only in todo */
	bool held; /* also when it has state: it was held after attempts */
	struct qf_attrs attrs; /* as its envelope had them */
	/* The engine's: where the mark of a recipient is, and the claim. */
	uint64_t *place;
	size_t nlocal;
	int claim;
};

/* clang-format off */
#define QF_ITEM_INIT \
	{.sender = QF_BUF_INIT, .notes = QF_BUF_INIT, .claim = -1}
/* clang-format on */

void qf_item_free(struct qf_item *item);

/* Place in a walk over the queue; zeroed memory starts one over the messages
 * that are queued, with `held` set over those that are held. A walk that is
 * left before its end needs walk_end(). */
struct qf_walk {
	bool held;
	void *dir;
	int phase, split;
};

/*
 * Every call returns 0 unless it says otherwise, or a negative code with e
 * filled. Codes of the intake side become the exit codes of qmail-queue(8):
 * QF_EHOME (61), QF_EQUEUE (62), QF_EPID (63), QF_EMESS (64), QF_EINTD (65),
 * QF_ETODO (66), QF_EWRITE (53: write or sync failed, disk full). SIGPIPE
 * must be ignored.
 */
struct qf_store_ops {
	const char *name;

	/* QF_EPERM when another sender holds the queue. The settings belong to
	 * the caller, who may change them between two messages; NULL: zeros. */
	int (*open)(struct qf_store **out, const char *dir,
	    enum qf_store_use use, const struct qf_store_settings *settings,
	    struct qf_err *e);
	void (*close)(struct qf_store **st); /* *st may be NULL */

	/* A message comes in by a store that is open for it: begin, write...,
	 * prepare, publish; or abort, at any time. The store adds nothing to
	 * the bytes. */
	int (*begin)(
	    struct qf_store *st, struct qf_intake **out, struct qf_err *e);
	int (*write)(
	    struct qf_intake *in, const void *p, size_t n, struct qf_err *e);
	/* Writes all else that publish() needs. uid and pid are those that
	 * the Received line names. */
	int (*prepare)(struct qf_intake *in, const struct qf_envelope *env,
	    long uid, long pid, struct qf_err *e);
	/* Makes n prepared messages of one store visible, all of them durable
	 * when it returns 0: sets their ids, wakes the sender, frees them. On
	 * failure nothing of them is left, and they are freed as well; the
	 * sender may have seen some. A crash in between may leave some:
	 * whoever gets no answer and tries again makes duplicates. */
	int (*publish)(struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE],
	    struct qf_err *e);
	void (*abort)(struct qf_intake **in); /* *in may be NULL */

	/* Ids of the messages in the engine's order: 1 and an id, 0 at the
	 * end and after it. Each is named once; but one that comes during the
	 * walk, also by release() or hold(), may be missed, one that leaves
	 * may be named or not, and one that is deferred or noted may be named
	 * twice. */
	int (*next)(struct qf_store *st, struct qf_walk *walk,
	    char id[QF_ID_SIZE], struct qf_err *e);
	/* Frees what a walk holds and sets it back to its start. */
	void (*walk_end)(struct qf_store *st, struct qf_walk *walk);
	/* Everything known of a message, into an item that was started with
	 * QF_ITEM_INIT; what it had is freed, its claim as well. It is empty
	 * after a failure. QF_ENOENT when the message is gone, or was never
	 * published, QF_EFORMAT when its record is damaged: e says what and
	 * where. */
	int (*load)(struct qf_store *st, const char *id, struct qf_item *out,
	    struct qf_err *e);
	/* A descriptor on its bytes, read-only, at offset 0, which is not
	 * shared; the caller closes it. QF_ENOENT, QF_EREAD. */
	int (*message)(struct qf_store *st, const char *id, struct qf_err *e);

	/* Recipient i is delivered: kept in item until defer() or note(), and
	 * on disk at once for an item that is not fresh. QF_EINVAL without
	 * such a recipient; one that is done already stays so. */
	int (*mark)(struct qf_store *st, struct qf_item *item, size_t i,
	    struct qf_err *e);
	/* Recipient i failed for good, for this reason: marks it and adds to
	 * the notes, on disk before it returns, with all marks of the item.
	 * The reason becomes one line of at most QF_REASON_MAX bytes without
	 * controls, see qf_note_add(). QF_EINVAL without such a recipient, or
	 * when it is done already. */
	int (*note)(struct qf_store *st, struct qf_item *item, size_t i,
	    const char *reason, struct qf_err *e);
	/* Not finished: writes the state of the recipients and the time of
	 * the next attempt; on disk when it returns 0. */
	int (*defer)(struct qf_store *st, struct qf_item *item, int64_t due,
	    struct qf_err *e);
	/* Keeps the message with its failed recipients as failed/ID: sender
	 * line, recipients one a line, an empty line, the message; an empty
	 * recipient as `<>`, a line end in an address as `_`. On disk when it
	 * returns 0. Repeating it replaces what is kept. The message stays
	 * what it is, and what is kept stays after finish(). QF_ENOENT when
	 * the message is gone. */
	int (*fail)(struct qf_store *st, const struct qf_item *item,
	    const struct qf_strv *rcpt, struct qf_err *e);
	/* Removes the message and all that is known of it, also when
	 * recipients are left: nobody is told. A held one is claimed for it:
	 * errors as for claim(). A queued one may be gone already. */
	int (*finish)(
	    struct qf_store *st, struct qf_item *item, struct qf_err *e);

	/* Until the item is freed nobody else changes this message, be it
	 * queued or held. The item is loaded again: its id, and whether it is
	 * held, are enough. An item that has its claim keeps it. Whoever
	 * changes a message claims it, the sender before it delivers. QF_EPERM
	 * when somebody else has it, QF_ENOENT when it is no longer queued, or
	 * held. QF_EQUEUE when another program's sender, which knows no claims,
	 * has the queue; while a store that is not open for sending has claimed
	 * a queued message, no such sender can start. The item is as it was
	 * after a failure. */
	int (*claim)(
	    struct qf_store *st, struct qf_item *item, struct qf_err *e);
	/* A queued message becomes a held one, held since now, for this
	 * reason (QF_EFORMAT: no good as a text); what is known of its
	 * recipients stays. It is claimed for it, and stays so. QF_EINVAL when
	 * the item is of a held one. */
	int (*hold)(struct qf_store *st, struct qf_item *item,
	    const char *reason, struct qf_err *e);
	/* A held message becomes a queued one, born now and to be tried now;
	 * wakes the sender. It is claimed for it, and the claim ends with it.
	 * QF_ENOENT when the item is of a queued one. */
	int (*release)(
	    struct qf_store *st, struct qf_item *item, struct qf_err *e);
	/* Makes wait_fd() of the sender readable, if there is one. */
	void (*wake)(struct qf_store *st);

	/* Readable when something new came in to be sent, since the store was
	 * opened or last reset; -1 for one that is not open for sending. */
	int (*wait_fd)(struct qf_store *st);
	/* Call it before a walk, once wait_fd() was readable: what comes in
	 * after it makes wait_fd() readable again. From time to time it also
	 * removes what dead writers left. */
	int (*wait_reset)(struct qf_store *st, struct qf_err *e);
};

/* The directory engine: qmail's layout. */
extern const struct qf_store_ops qf_store_dir;

/* Prepares and publishes one message; frees *in in any case. */
int qf_store_commit(const struct qf_store_ops *ops, struct qf_intake **in,
    const struct qf_envelope *env, long uid, long pid, char id[QF_ID_SIZE],
    struct qf_err *e);

/*
 * One failed recipient from qf_item.notes, in the order they were noted:
 * true, or false at the end. Zeroed memory starts the walk. A control byte of
 * an address stands there as `_`; a reason that another program wrote may
 * have several lines.
 */
struct qf_note {
	size_t at;
	struct qf_span rcpt, reason;
};

bool qf_note_next(const struct qf_buf *notes, struct qf_note *note);
/* Appends one as the engines keep it. */
void qf_note_add(struct qf_buf *notes, const char *rcpt, const char *reason);

#endif
