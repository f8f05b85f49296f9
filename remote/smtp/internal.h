/*
 * What the parts of the SMTP engine share: session.c has the session's life,
 * its buffers and timers; hear.c what becomes of bytes and replies; open.c the
 * dialogue up to the first message; carry.c the one that carries a message;
 * result.c what became of it.
 */
#ifndef QF_REMOTE_SMTP_INTERNAL_H
#define QF_REMOTE_SMTP_INTERNAL_H

#include "remote/smtp/session.h"
#include "remote/smtp/data.h"
#include "remote/smtp/reply.h"

enum {
	QF_SMTP_WINDOW = 64 /* commands that wait for a reply at most */
};

enum qf_smtp_phase {
	QF_SMTP_OPENING,   /* up to the first message */
	QF_SMTP_SHAKING,   /* in the TLS handshake */
	QF_SMTP_READY,     /* for a message */
	QF_SMTP_ENVELOPE,  /* commands of a message are written or wait */
	QF_SMTP_STREAMING, /* the message is written */
	QF_SMTP_SETTLING,  /* replies that change nothing are waited for, or
			    * the one to the end of the message */
	QF_SMTP_LEAVING,   /* QUIT is written; nothing is heard any more */
	QF_SMTP_OVER
};

/* A command that waits for its reply. */
struct qf_smtp_command {
	enum qf_smtp_step step;
	size_t rcpt;  /* which, of RCPT and of END in LMTP */
	uint64_t end; /* total_sent when it has left */
};

struct qf_smtp {
	const struct qf_smtp_setup *setup;
	const struct qf_smtp_mail *mail; /* NULL: none */
	enum qf_smtp_phase phase;
	int64_t deadline, limit; /* of the step, of it all */
	struct qf_smtp_result result;

	struct qf_smtp_ehlo offers;
	bool secure;      /* under TLS */
	bool tls_refused; /* ... and the session goes on without */
	bool auth_done;
	bool ehlo_failed; /* refused, though perhaps it is known: HELO went out
			   */
	const char *mechanism; /* of AUTH */
	struct qf_buf auth;    /* why it was cancelled; empty: it was not */
	size_t mails;          /* that this session was given */
	bool dirty;            /* an envelope was begun: RSET before the next */
	bool heard;            /* a reply to a command of the message came */

	struct qf_smtp_reply reply;
	bool reply_is_early; /* it began before its command was sent */

	struct qf_buf out;
	size_t out_at;        /* bytes of out that are sent */
	uint64_t total_sent;  /* of the session */
	uint64_t block_start; /* total_sent when the block's time began */
	int64_t block_since;  /* that time */

	/* Command i is at i % WINDOW; those in [replies, commands) wait. */
	struct qf_smtp_command command[QF_SMTP_WINDOW];
	uint64_t commands, replies;
	const struct qf_smtp_command *answered; /* right now, or NULL */

	/* Of the message: */
	bool mail_written, data_written;
	size_t rcpt_written, rcpt_answered;
	size_t rcpt_taken; /* by the server, whatever the result says */
	struct qf_smtp_data data;
	char *chunk;
};

/* session.c */

/* The command whose reply is next, or NULL. */
struct qf_smtp_command *qf_smtp_next_command(struct qf_smtp *s);
/* What was appended to out is a command, which waits for a reply. */
struct qf_smtp_command *qf_smtp_command_written(
    struct qf_smtp *s, enum qf_smtp_step step);
/* May another command be written before a reply comes? */
bool qf_smtp_has_room(const struct qf_smtp *s);
/* Room for what is written behind bytes that still wait. */
void qf_smtp_drop_sent(struct qf_smtp *s);
void qf_smtp_restart_timer(struct qf_smtp *s, int64_t now);
/* The connection is of no more use. */
void qf_smtp_give_up(struct qf_smtp *s, enum qf_smtp_outcome outcome, int code,
    const char *what);
/* The session can not carry mail, but is ended politely: why, or NULL for
 * what the reply says. */
void qf_smtp_conclude(struct qf_smtp *s, enum qf_smtp_outcome outcome,
    enum qf_smtp_step step, const char *what);
/* Is what there is to lose only that the server hears no QUIT? */
bool qf_smtp_is_leaving(const struct qf_smtp *s);
/* Have all bytes of the command? */
bool qf_smtp_has_left(const struct qf_smtp *s, const struct qf_smtp_command *c);
/* What follows from where the session stands, whatever has led there. */
void qf_smtp_move_on(struct qf_smtp *s);

/* hear.c */

/* A reply out of place: `why: what it says`. */
void qf_smtp_confused(struct qf_smtp *s, const char *why);

/* Is the reply a refusal for good? */
bool qf_smtp_is_final(const struct qf_smtp *s);

/* open.c */
void qf_smtp_open_answered(struct qf_smtp *s, enum qf_smtp_step step);
void qf_smtp_write_hello(struct qf_smtp *s, enum qf_smtp_step step);

/* carry.c */

/* Begins with s->mail, in the phase READY. */
void qf_smtp_carry(struct qf_smtp *s);
void qf_smtp_carry_answered(struct qf_smtp *s, const struct qf_smtp_command *c);
/* Appends a piece of the message, with its end where that is reached. */
void qf_smtp_add_piece(struct qf_smtp *s);

/* result.c */

/* The step that is going on. */
enum qf_smtp_step qf_smtp_step_now(struct qf_smtp *s);
/* The result, which stands from then on; the text says `step: what`. */
void qf_smtp_settle(struct qf_smtp *s, enum qf_smtp_outcome outcome,
    enum qf_smtp_step step, int code, const char *what);
/* The same, of what the reply says. */
void qf_smtp_settle_reply(
    struct qf_smtp *s, enum qf_smtp_outcome outcome, enum qf_smtp_step step);
/* The reply, or what came instead of one, goes into the result. */
void qf_smtp_keep_reply(struct qf_smtp *s);
/* Notes the reply for one recipient. */
void qf_smtp_said(struct qf_smtp *s, size_t rcpt);
/* The result of a message none, or with `together` not all, of whose
 * recipients were accepted. */
void qf_smtp_settle_rcpts(struct qf_smtp *s);
/* clang-format off */
#define QF_SMTP_RESULT_INIT {.text = QF_BUF_INIT, .reply = QF_BUF_INIT}
/* clang-format on */

void qf_smtp_result_reset(struct qf_smtp_result *r, size_t nrcpt);
void qf_smtp_result_free(struct qf_smtp_result *r);

#endif
