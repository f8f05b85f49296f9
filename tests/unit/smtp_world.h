/*
 * An SMTP session in a test: the engine, a message, and what was sent.
 */
#ifndef QF_TESTS_SMTP_WORLD_H
#define QF_TESTS_SMTP_WORLD_H

#include "remote/smtp/session.h"
#include "tests/unit/unit.h"

/* A message in memory as the source. */
struct world_text {
	struct qf_span rest;
	size_t step;    /* bytes a call gives at most */
	size_t fail_at; /* fails when this many bytes are left; 0: never */
};

/* A session with all that belongs to it. */
struct world {
	struct qf_smtp *s;
	struct qf_smtp_setup setup;
	struct qf_smtp_mail mail;
	struct qf_strv rcpt;
	struct world_text text;
	struct qf_buf wire; /* what the engine sent */
	int64_t now;
};

/* A message to these words, for all or none, in a session for it alone; the
 * engine is made and has it. Tests may change settings and make another. */
void world_start(struct world *w, const char *rcpts, const char *message);
/* The settings of world_start(), and no engine yet. */
void world_prepare(struct world *w, const char *rcpts, const char *message);
void world_open(struct world *w); /* makes the engine, gives it the mail */
void world_end(struct world *w);
/* Another message for the same session, to the same recipients. */
void world_next(struct world *w, const char *message);

bool world_is_done(const struct world *w);
/* Sends all there is, or at most `most` bytes, into wire. */
void world_send(struct world *w);
void world_send_some(struct world *w, size_t most);
void world_hear(struct world *w, const char *bytes);

/* What the client says, and what it hears then. NULL, NULL ends a list. */
struct world_turn {
	const char *sent, *heard;
};

/* Plays turns: all that is sent since the turn before must be `sent`. */
void world_play(struct world *w, const struct world_turn *turns);

#endif
