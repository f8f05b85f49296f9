/*
 * The services that a plugin may call: the table of <qfront/plugin.h>, and
 * the state behind its opaque handles.
 */
#ifndef QF_FRONTEND_HOST_H
#define QF_FRONTEND_HOST_H

#include <qfront/plugin.h>
#include "frontend/context.h"
#include "frontend/settings.h"
#include "lib/base/spool.h"
#include "lib/mail/edit.h"
#include "lib/mail/envelope.h"
#include "lib/mail/message.h"

/* A message on its way through the stages of one worker. */
struct qf_txn {
	struct qf_message message;
	struct qf_envelope envelope;
	struct qf_context context;
	bool envelope_edited;
	/* The message in one piece, for plugins that ask; made when it is
	 * first wanted, thrown away when an edit is applied. */
	struct qf_spool whole;
	struct qf_map whole_map;
};

/* 0 or as qf_message_open(). The descriptor is borrowed, the rest copied. */
int qf_txn_open(struct qf_txn *t, int message,
    const struct qf_envelope *envelope, const struct qf_context *context,
    struct qf_err *e);
void qf_txn_close(struct qf_txn *t);

enum {
	QF_TEXT_SIZE = 256,
	QF_STATUS_SIZE = 12
};

/* A verdict, with copies of what the plugin gave. */
struct qf_judgement {
	uint32_t class_, category, code;
	char status[QF_STATUS_SIZE];
	char text[QF_TEXT_SIZE];
};

/* One call of a plugin's message(). */
struct qf_msg {
	struct qf_txn *txn;
	const struct qf_stage *stage;
	uint64_t effects; /* that the plugin declared */
	struct qf_edits edits;
	struct qf_judgement judgement;
	bool judged;
	const char *offence; /* what it did that plugins must not, or NULL */
};

const struct qf_host *qf_host_table(void);

/* Applies the edits of a call that ended well, or forgets them. */
void qf_msg_commit(struct qf_msg *m);
void qf_msg_rollback(struct qf_msg *m);

#endif
