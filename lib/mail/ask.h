/*
 * What is asked of qfrontd over its socket, and what it answers: the protocol
 * between the thin client (or any other submitter of ours) and the daemon.
 *
 * A connection (SOCK_SEQPACKET) carries one message: one request, one answer.
 * Only where the daemon keeps a part of it until the client has queued the
 * rest follow a report of the client and a second answer.
 *
 * A record is a header, whose size it says itself, and sections behind it in
 * the order of their lengths in the header. Integers are those of this host:
 * the socket does not leave it. Growth: fields are only appended to a header;
 * what a sender did not know is zero for the receiver, what a receiver does not
 * know it skips by `size`. Only a change that breaks this makes a new version;
 * the daemon serves the previous one too, and answers what it does not know
 * with QF_ANSWER_COLD. tests/integration/daemon.bats has version 1
 * frozen.
 *
 * Descriptors of a request: the message first; then the envelope, when its
 * section is empty and QF_ASK_ENVELOPE_FD is set; then words and environment
 * together, with QF_ASK_WORDS_FD. The daemon believes a memfd that is sealed
 * (write, shrink, grow) and copies anything else.
 */
#ifndef QF_MAIL_ASK_H
#define QF_MAIL_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qfront/span.h>
#include "lib/base/err.h"

enum {
	QF_ASK_VERSION = 1,
	/* Bytes of a whole record. What does not fit goes by descriptor. */
	QF_ASK_MAX = 65536,
	QF_ASK_FDS_MAX = 3,
	/* Messages that one answer may name, and its descriptors. */
	QF_ANSWER_GROUPS_MAX = 18,
	QF_ANSWER_FDS_MAX = 2 * QF_ANSWER_GROUPS_MAX
};

enum qf_ask_kind {
	QF_ASK_FILTER = 1, /* filter and queue this message */
	QF_ASK_REPORT      /* what the client's own queue program said: code */
};

enum qf_ask_flags {
	QF_ASK_ENVELOPE_FD = 1,
	QF_ASK_WORDS_FD = 2
};

#define QF_ASK_MAGIC    "QFrq"
#define QF_ANSWER_MAGIC "QFan"

struct qf_ask {
	char magic[4];
	uint16_t version, size; /* of this header */
	uint32_t kind, flags;
	int32_t code; /* of a report */
	/* Bytes of the sections, or of the descriptors in their stead. */
	uint32_t envelope;    /* as it came on descriptor 1 */
	uint32_t words;       /* the name that the client was called by and its
			       * arguments, each with its zero byte */
	uint32_t environment; /* NAME=value, each with its zero byte */
};

enum qf_answer_kind {
	QF_ANSWER_DONE = 1, /* exit 0: the message is safe (or was discarded) */
	QF_ANSWER_REFUSED,  /* code, status and text, for the dialect */
	QF_ANSWER_QUEUE,    /* run the queue program for these messages */
	QF_ANSWER_COLD      /* not served: run the chain without the daemon */
};

struct qf_answer {
	char magic[4];
	uint16_t version, size;
	uint32_t kind;
	int32_t code;     /* of qfront-exitcodes(7), before the dialect */
	uint32_t dialect; /* enum qf_dialect of the configuration */
	uint32_t class_, category;
	char status[12];
	char text[256]; /* NUL-terminated */
	/* QF_ANSWER_QUEUE. Descriptors, message by message: its bytes, unless
	 * the bit of its number in as_sent is set (then they are the client's
	 * own), and its envelope. */
	uint32_t groups, as_sent;
	/* The daemon keeps so many more, and queues them when the client has
	 * reported 0; the second answer is the last. */
	uint32_t held;
	/* Bytes of the sections: the words of the queue program; names of
	 * variables to unset; NAME=value to set. Each with its zero byte. */
	uint32_t words, unset, set;
};

/* A request as it was received, its sections in place. */
struct qf_asked {
	struct qf_ask head;
	struct qf_span envelope, words, environment; /* empty: by descriptor */
};

struct qf_answered {
	struct qf_answer head;
	struct qf_span words, unset, set;
};

/* Reads a record of n bytes: 0; QF_ENOSYS for a version that is not ours;
 * QF_EPROTO when it is none of the protocol or its lengths do not add up.
 * The spans point into the record. Texts are NUL-terminated, and so is the
 * last string of each section, or it is QF_EPROTO. */
int qf_ask_parse(
    struct qf_asked *out, const void *record, size_t n, struct qf_err *e);
int qf_answer_parse(
    struct qf_answered *out, const void *record, size_t n, struct qf_err *e);

/* Cuts the next string off a section: false at its end. */
bool qf_ask_next(struct qf_span *section, const char **out);

#endif
