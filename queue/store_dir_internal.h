/*
 * Shared by the files of the directory engine (store_dir*.c) and its test,
 * and by nothing else.
 *
 * All names are relative to QUEUEDIR and reached through one descriptor, so
 * the queue may be moved while it is open. doc/queue-states.md says which
 * files a message has at each moment of its life; the order of the calls in
 * these files is what makes that table true.
 */
#ifndef QF_QUEUE_STORE_DIR_INTERNAL_H
#define QF_QUEUE_STORE_DIR_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "queue/store.h"

enum {
	QF_SD_PATH = 64,
	QF_SD_FILE_MODE = 0644,
	QF_SD_ASIDE = 8,
	/* Age in seconds from which a nameless file's writer is surely dead:
	 * qmail-queue(8) and ours end after 24 hours (DEATH). */
	QF_SD_OSSIFIED = 129600
};

/* What follows the name of a file that will replace another one. */
#define QF_SD_NEW ".new"

struct qf_store {
	char *dir; /* for texts */
	const struct qf_store_settings *set;
	int root; /* QUEUEDIR, O_PATH */
	int mutex, trigger;
	int guard;          /* on lock/sendmutex, of who changes messages */
	int64_t next_sweep; /* deadline */
	bool named;         /* unnamed files do not work here: qmail's steps */
	bool give;          /* files are given to the owner of mess/ */
	uid_t uid;
	gid_t gid;
	struct qf_intake *intakes; /* all messages on their way in */
};

/* Where the files of a message are. */
enum qf_sd_place {
	QF_SD_MESS,
	QF_SD_INTD,
	QF_SD_TODO,
	QF_SD_INFO,
	QF_SD_LOCAL,
	QF_SD_REMOTE,
	QF_SD_BOUNCE,
	QF_SD_ATTR,
	QF_SD_FAILED,
	QF_SD_HOLD, /* the envelope of a held message */
	QF_SD_HELD, /* and its bytes */
	QF_SD_NPLACES
};

/* A message on its way in. */
struct qf_intake {
	struct qf_store *st;
	struct qf_intake *next; /* in st->intakes */
	int message, envelope, attrs;
	char pid[QF_SD_PATH]; /* the message's name in pid/, or empty */
	char id[QF_ID_SIZE];
	ino_t inode;
	int aside[QF_SD_ASIDE]; /* files whose numbers were taken */
	int naside;
	uint64_t size, started;
	bool held, in_intd;
	bool dress; /* files are made with another mode or owner */
	bool in_mess, in_attr, in_todo; /* names to remove on failure */
};

/* store_dir.c */

/* An id is a decimal number as qmail writes it. */
bool qf_sd_is_id(const char *s);
void qf_sd_path(char out[QF_SD_PATH], enum qf_sd_place place, const char *id);
/* The name of a file in failed/: an id, or ID.N of an earlier message that had
 * it. */
bool qf_sd_is_failed_id(const char *s);
bool qf_sd_is_split(enum qf_sd_place place);
/* The folder of all of a place, split or not. */
const char *qf_sd_top(enum qf_sd_place place);
/* The folder that holds it. */
void qf_sd_folder(char out[QF_SD_PATH], enum qf_sd_place place, const char *id);
bool qf_sd_exists(
    const struct qf_store *st, enum qf_sd_place place, const char *id);
/* For root: what it writes, the queue's owner must be able to remove. */
int qf_sd_find_owner(struct qf_store *st, struct qf_err *e);
/* Gives a file its mode, and when we are root its owner: 0, or -1 and errno. */
int qf_sd_dress(const struct qf_store *st, int fd, mode_t mode);
/* The folder's names to disk; rc is the code of a failure to open it. */
int qf_sd_sync_folder(
    const struct qf_store *st, const char *folder, int rc, struct qf_err *e);
/* Makes the folder that holds it, where an older queue lacks it. QF_EWRITE. */
int qf_sd_make_folder(const struct qf_store *st, enum qf_sd_place place,
    const char *id, struct qf_err *e);
/* Removes a file of a message if it is there. QF_EWRITE. */
int qf_sd_remove(const struct qf_store *st, enum qf_sd_place place,
    const char *id, struct qf_err *e);
/* For tests: as if the file system had no unnamed files. */
void qf_sd_force_named(bool on);
bool qf_sd_named_forced(void);

/* Is its repair not finished (queue/fix.h)? QF_EQUEUE: files may have lost
 * their names for a while. */
int qf_sd_check_fixing(const struct qf_store *st, struct qf_err *e);
#define QF_SD_FIXING "lock/fixing"

/* store_dir_sweep.c: removes what writers left that died long ago. */
void qf_sd_sweep(const struct qf_store *st);

/* store_dir_intake.c */
int qf_sd_check_intake(const struct qf_store *st, struct qf_err *e);
int qf_sd_begin(struct qf_store *st, struct qf_intake **out, struct qf_err *e);
int qf_sd_write(
    struct qf_intake *in, const void *p, size_t n, struct qf_err *e);
int qf_sd_prepare(struct qf_intake *in, const struct qf_envelope *env, long uid,
    long pid, struct qf_err *e);
void qf_sd_abort(struct qf_intake **in);
/* Where its envelope and its bytes belong. */
enum qf_sd_place qf_sd_envelope_place(const struct qf_intake *in);
enum qf_sd_place qf_sd_message_place(const struct qf_intake *in);
/* A full disk is QF_EWRITE at every step; else the step says what is wrong. */
int qf_sd_fail_step(
    const struct qf_intake *in, int rc, const char *what, struct qf_err *e);

/* store_dir_file.c */

/* A file without a name, or -1 and errno: EOPNOTSUPP where there is none. */
int qf_sd_open_unnamed(const struct qf_store *st, const char *folder);
/* A file for the message, and its id. */
int qf_sd_take_file(struct qf_intake *in, struct qf_err *e);
/* Another one, with the same bytes. */
int qf_sd_change_file(struct qf_intake *in, struct qf_err *e);
/* Closes what was taken, and removes a first name. */
void qf_sd_drop_file(struct qf_intake *in);
/* The second name of a file: from its descriptor, or from a first name; 0, or
 * -1 and errno. */
int qf_sd_give_name(
    const struct qf_store *st, int fd, const char *first, const char *second);
/* Did that fail, with this errno, because there is no /proc? Then files have
 * names from here on. */
bool qf_sd_lacks_proc(struct qf_intake *in);

/* store_dir_publish.c */
int qf_sd_publish(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e);
/* One byte for a sender that waits. */
void qf_sd_pull_trigger(const struct qf_store *st);

/* store_dir_mutex.c: who may change what is queued (lock/sendmutex). */

/* For a sender. QF_EPERM when there is one, QF_EQUEUE. */
int qf_sd_open_mutex(struct qf_store *st, struct qf_err *e);
/* For all others: 0 when no sender runs, and none that does not know claims
 * will start until the store is closed, or when one runs that does. Else
 * QF_EQUEUE. */
int qf_sd_guard(struct qf_store *st, struct qf_err *e);

/* store_dir_attr.c */

/* Writes attr/N/ID, not yet synced, and leaves it open: a descriptor, or -1
 * and errno. message is the file that it belongs to. */
int qf_sd_write_attrs(const struct qf_store *st, const char *id, int message,
    const struct qf_attrs *attrs);
/* Replaces it, on disk when it returns 0. QF_EWRITE. */
int qf_sd_replace_attrs(const struct qf_store *st, const char *id, int message,
    const struct qf_attrs *attrs, struct qf_err *e);
/* What is written of this message. QF_EFORMAT, QF_EREAD. */
int qf_sd_load_attrs(const struct qf_store *st, struct qf_item *item,
    const struct stat *message, struct qf_err *e);

/* store_dir_claim.c */
int qf_sd_claim(struct qf_store *st, struct qf_item *item, struct qf_err *e);
/* Locks a file of a message: QF_EPERM, QF_EQUEUE, or QF_ENOENT when path does
 * not lead to it any more. */
int qf_sd_lock(const struct qf_store *st, const char *id, int fd,
    const char *path, struct qf_err *e);

/* store_dir_suspend.c */
int qf_sd_hold(struct qf_store *st, struct qf_item *item, const char *reason,
    struct qf_err *e);

/* store_dir_hold.c */
int qf_sd_release(struct qf_store *st, struct qf_item *item, struct qf_err *e);
int qf_sd_finish_held(
    struct qf_store *st, struct qf_item *item, struct qf_err *e);

/* store_dir_load.c */
int qf_sd_load(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e);
int qf_sd_message(struct qf_store *st, const char *id, struct qf_err *e);

/* store_dir_state.c */
/* The time of the next attempt, for a message that has state. */
int qf_sd_set_due(
    const struct qf_store *st, const char *id, int64_t due, struct qf_err *e);
int qf_sd_mark(
    struct qf_store *st, struct qf_item *item, size_t i, struct qf_err *e);
int qf_sd_note(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e);
int qf_sd_defer(
    struct qf_store *st, struct qf_item *item, int64_t due, struct qf_err *e);
int qf_sd_fail(struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, struct qf_err *e);
int qf_sd_finish(struct qf_store *st, struct qf_item *item, struct qf_err *e);

#endif
