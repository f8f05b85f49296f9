/*
 * Addresses of envelopes in the form that goes between the brackets of an
 * SMTP command.
 */
#ifndef QF_REMOTE_ADDRESS_H
#define QF_REMOTE_ADDRESS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/*
 * Appends it, quoted where that is needed and was not done, its domain in
 * ASCII where the local part is (RFC 5890); *utf8 is set when it can go out
 * under SMTPUTF8 only (RFC 6531). QF_EFORMAT, and e names it as
 * the `what` address, when it has no safe form: nothing that holds controls,
 * brackets or a space outside of quotes reaches a server.
 */
int qf_address_add(struct qf_buf *out, struct qf_span addr, const char *what,
    bool *utf8, struct qf_err *e);

#endif
