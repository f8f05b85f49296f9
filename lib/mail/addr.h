/*
 * Envelope addresses: what is safe to store, log and send.
 */
#ifndef QF_MAIL_ADDR_H
#define QF_MAIL_ADDR_H

#include <stdbool.h>

#include "lib/base/buf.h"

/* The longest address that an envelope may hold, in bytes without its letter
 * and zero byte: what qmail-queue of notqmail takes (1002). */
enum {
	QF_ADDR_MAX = 1002
};

/* What follows the last `@`; empty when there is none. */
struct qf_span qf_addr_domain(struct qf_span addr);
/* What stands before the last `@`; all of it when there is none. */
struct qf_span qf_addr_local(struct qf_span addr);

/* May it appear in an SMTP command as it stands, that is, in the form that
 * qf_addr_quote() makes? No CR, LF, NUL, other controls, `<` or `>` anywhere,
 * no space outside of quotes, no quote left open; 8-bit only when utf8 is
 * set. The empty address (the null sender) may. */
bool qf_addr_is_wire_safe(struct qf_span addr, bool utf8);
bool qf_addr_is_ascii(struct qf_span addr);

/* Appends it as RFC 5321 section 4.1.2 writes it between the brackets. The
 * envelope holds addresses without quotes; a local part that is no Dot-string
 * (8-bit, empty, specials) is quoted here, with a backslash before `"`, `\`,
 * CR and LF. An address without `@` is left as it is. */
void qf_addr_quote(struct qf_buf *out, struct qf_span addr);

#endif
