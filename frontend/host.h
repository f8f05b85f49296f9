/*
 * The services that a plugin may call: the table of <qfront/plugin.h>, and
 * the state behind its opaque handles.
 */
#ifndef QF_FRONTEND_HOST_H
#define QF_FRONTEND_HOST_H

#include <qfront/plugin.h>
#include "frontend/context.h"
#include "frontend/judgement.h"
#include "frontend/settings.h"
#include "frontend/share.h"
#include "lib/base/spool.h"
#include "lib/mail/edit.h"
#include "lib/mail/envelope.h"
#include "lib/mail/message.h"
#include "lib/mail/mime.h"

enum {
	/* Different treatments that the recipients of one message may get. */
	QF_GROUPS_MAX = 16
};

/* A message on its way through the stages of one worker. */
struct qf_txn {
	struct qf_message message;
	struct qf_envelope envelope;
	struct qf_context context;
	struct qf_share share;
	bool envelope_edited, share_edited;
	/* The message in one piece, for plugins that ask; made when it is
	 * first wanted, thrown away when an edit is applied. */
	struct qf_spool whole;
	struct qf_map whole_map;
	struct qf_mime mime; /* index of that; n is 0 until it is wanted */
	/* Told what a stage waited for; may be NULL. */
	void (*waited)(void *arg, const char *what, int64_t us);
	void *arg;
};

/* 0 or as qf_message_open(). The descriptor is borrowed, the rest copied. */
int qf_txn_open(struct qf_txn *t, int message,
    const struct qf_envelope *envelope, const struct qf_context *context,
    const struct qf_share *share, struct qf_err *e);
void qf_txn_close(struct qf_txn *t);

/* Removes fields that claim to be results of the server `id`, for a stage that
 * looks at results or adds some. NULL: nobody knows our id. */
void qf_txn_strip_results(struct qf_txn *t, const char *id);

/* The recipients that a stage gave a verdict of their own. */
struct qf_fates {
	struct qf_judgement *judgement; /* the different ones */
	size_t njudgements;
	uint32_t *of; /* per recipient: number of its judgement + 1, or 0 */
	size_t nrcpt; /* of those in `of` */
};

void qf_fates_free(struct qf_fates *f);

/* One call of a plugin's message(). */
struct qf_msg {
	struct qf_txn *txn;
	const struct qf_stage *stage;
	uint64_t effects; /* that the plugin declared */
	int64_t deadline; /* of the stage, or of the chain */
	struct qf_edits edits;
	struct qf_share share; /* staged */
	struct qf_fates fates;
	struct qf_judgement judgement;
	bool judged;
	const char *offence; /* what it did that plugins must not, or NULL */
};

const struct qf_host *qf_host_table(void);

/* Applies what a call that ended well has staged: edits, shares, and the
 * recipients with a fate leave the envelope (one that is redirected is
 * replaced). Empties m but for its fates. */
void qf_msg_commit(struct qf_msg *m);
/* Forgets what is staged but for the fates; and those too. */
void qf_msg_drop_staged(struct qf_msg *m);
void qf_msg_rollback(struct qf_msg *m);
/* Takes edits of the envelope out of what is staged: were there any? */
bool qf_msg_keep_envelope(struct qf_msg *m);

#endif
