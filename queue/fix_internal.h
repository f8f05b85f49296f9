/*
 * Shared by the files of the repair of a queue (fix*.c), and by nothing else.
 *
 * A message whose number is not the inode number of its message file gets new
 * names. Since its new number may be another one's old number, all files first
 * get names that no sender knows, with the new number and `.fix` behind it:
 *
 *	1  OLD          becomes  OLD.fix.NEW   the message files
 *	2  OLD          becomes  NEW.fix       all else that has the number
 *	3  OLD.fix.NEW  becomes  NEW.fix       the message files
 *	4  NEW.fix      becomes  NEW           all else
 *	5  NEW.fix      becomes  NEW           the message files
 *
 * Each step is done for all messages and is on disk before the next begins, so
 * what is there says how far a repair came that was cut off. The message file
 * of a queued one is out of the way first and back last: no other sender takes
 * it for litter. Ours does not start while lock/fixing is there, which is made
 * before step 1 and removed after step 5.
 */
#ifndef QF_QUEUE_FIX_INTERNAL_H
#define QF_QUEUE_FIX_INTERNAL_H

#include "queue/fix.h"
#include "queue/store_dir_internal.h"

enum {
	QF_FX_PATH = 600 /* a folder and a name of any file */
};

struct qf_fx {
	const struct qf_fix_options *options;
	struct qf_fixed *out;
	struct qf_store st; /* as the engine's other files know it */
	bool interrupted;   /* a repair was */
	bool litter;        /* there is something for the sweep */
};

/* What a file's name says. */
enum qf_fx_kind {
	QF_FX_FINAL,  /* ID */
	QF_FX_TEMP,   /* ID.fix, the new number */
	QF_FX_STAGED, /* ID.fix.NEW */
	QF_FX_LITTER, /* it was to replace another one */
	QF_FX_NONSENSE
};

struct qf_fx_file {
	enum qf_sd_place place;
	enum qf_fx_kind kind;
	char path[QF_FX_PATH]; /* below the queue */
	char id[QF_ID_SIZE];
	char to[QF_ID_SIZE]; /* of a staged one */
	unsigned split;      /* the folder that it is in */
	struct stat sb;
};

/* fix.c */

/* text: what is wrong. */
void qf_fx_report(struct qf_fx *fx, const char *path, enum qf_fix_outcome how,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The outcome of what was done for a finding: rc is 0, or -1 and errno. */
void qf_fx_report_done(
    struct qf_fx *fx, const char *path, int rc, const char *text);
/* Moves a file to lost/, where nothing is written over: 0, or -1 and errno. */
int qf_fx_lose(struct qf_fx *fx, const char *path);

/* fix_walk.c */

typedef int (*qf_fx_visit)(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e);
/* Each file in the folders of a place; those of hold are QF_SD_HOLD and
 * QF_SD_HELD. Ends when visit() fails. QF_EREAD. */
int qf_fx_walk(struct qf_fx *fx, enum qf_sd_place place, qf_fx_visit visit,
    void *user, struct qf_err *e);
/* The name of a file of that kind. */
void qf_fx_path(char out[QF_FX_PATH], enum qf_sd_place place,
    enum qf_fx_kind kind, const char *id, const char *to);
/* 0, or -1 and errno, EEXIST when that name is taken. */
int qf_fx_rename(struct qf_fx *fx, const char *from, const char *to);

/* fix_names.c: layout, folders, owners, names. */
int qf_fx_layout(struct qf_fx *fx, struct qf_err *e);
int qf_fx_names(struct qf_fx *fx, struct qf_err *e);
/* fix_state.c: what belongs to no message. */
int qf_fx_state(struct qf_fx *fx, struct qf_err *e);
/* fix_ids.c: numbers that are not those of the message files. */
int qf_fx_ids(struct qf_fx *fx, struct qf_err *e);

#endif
