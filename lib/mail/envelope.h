/*
 * The envelope as qmail-queue(8) reads it from descriptor 1:
 *
 *	F sender \0 ( T recipient \0 )* \0
 *
 * A `Q` where a record may start also ends the list (SPAMCONTROL and indimail
 * clients send it).
 *
 * Between our own programs attributes may follow, `KEY=value` and a zero byte
 * each (lib/mail/attrs.h). All else that follows is ignored, as qmail-queue
 * does: some clients fill up with zero bytes. No other queue program gets
 * attributes: to it a message that is held would be one to deliver.
 */
#ifndef QF_MAIL_ENVELOPE_H
#define QF_MAIL_ENVELOPE_H

#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/spool.h"
#include "lib/mail/attrs.h"

/* Most bytes of addresses that an envelope may hold: room for a million
 * recipients of full length. */
enum {
	QF_ENVELOPE_MAX = 1 << 30
};

struct qf_envelope {
	struct qf_buf bytes; /* all addresses, each with its zero byte */
	size_t sender;       /* offset in bytes */
	size_t *rcpt;        /* offsets in bytes */
	size_t nrcpt, cap;
	struct qf_attrs attrs;
};

/* clang-format off */
#define QF_ENVELOPE_INIT {.bytes = QF_BUF_INIT}
/* clang-format on */

void qf_envelope_free(struct qf_envelope *env);
/* Replaces what `to` holds. */
void qf_envelope_copy(struct qf_envelope *to, const struct qf_envelope *from);

/*
 * Replaces what env holds with what is read: an envelope to its end, and fd
 * to end-of-file. Errors, with the exit code that each becomes: QF_EREAD (54)
 * when it ends early or can not be read, QF_EFORMAT (91) when a record has
 * another letter or an attribute is no good, QF_ETOOLONG (11) when an address
 * exceeds QF_ADDR_MAX, QF_ENOMEM (51) above QF_ENVELOPE_MAX. After an error env
 * is empty and fd may not be at its end.
 */
int qf_envelope_read(struct qf_envelope *env, int fd, struct qf_err *e);
int qf_envelope_parse(
    struct qf_envelope *env, struct qf_span bytes, struct qf_err *e);
/* Appends the bytes that qf_envelope_parse() reads: without the attributes, for
 * any queue program; with them, for one of ours. */
void qf_envelope_format(const struct qf_envelope *env, struct qf_buf *out);
void qf_envelope_format_attrs(
    const struct qf_envelope *env, struct qf_buf *out);

/* The same bytes in a spool, opened here and finished: 0, or QF_EWRITE with the
 * spool closed. */
int qf_envelope_spool(
    const struct qf_envelope *env, struct qf_spool *out, struct qf_err *e);
int qf_envelope_spool_attrs(
    const struct qf_envelope *env, struct qf_spool *out, struct qf_err *e);

/* Borrowed, NUL-terminated, until the envelope changes. */
const char *qf_envelope_sender(const struct qf_envelope *env);
const char *qf_envelope_rcpt(const struct qf_envelope *env, size_t i);

/* QF_EINVAL when the address holds a zero byte, QF_ETOOLONG. */
int qf_envelope_set_sender(struct qf_envelope *env, struct qf_span addr);
int qf_envelope_add_rcpt(struct qf_envelope *env, struct qf_span addr);
/* Puts one recipient in the place of all. */
void qf_envelope_redirect(struct qf_envelope *env, const char *addr);
/* The later ones move up. */
void qf_envelope_drop_rcpt(struct qf_envelope *env, size_t i);

#endif
