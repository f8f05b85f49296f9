#include "remote/address.h"

#include "lib/base/utf8.h"
#include "lib/mail/addr.h"
#include "lib/net/idn.h"

/* A local part that is quoted already stays as it is. */
static bool is_quoted(struct qf_span addr)
{
	struct qf_span local = qf_addr_local(addr);

	return local.n >= 2 && local.p[0] == '"' && local.p[local.n - 1] == '"';
}

/* The domain in ASCII, where only that is in the way of a server without
 * SMTPUTF8; what has no such form stays. */
static void make_ascii(struct qf_buf *out, size_t start)
{
	struct qf_span wire = qf_span_n(out->s + start, out->len - start);
	struct qf_span domain = qf_addr_domain(wire);
	char ascii[QF_HOST_NAME];
	struct qf_err e;

	if (qf_addr_is_ascii(domain) ||
	    !qf_addr_is_ascii(qf_addr_local(wire)) ||
	    qf_idn_host(ascii, domain, &e) < 0)
		return;
	out->len -= domain.n;
	qf_buf_adds(out, ascii);
}

int qf_address_add(struct qf_buf *out, struct qf_span addr, const char *what,
    bool *utf8, struct qf_err *e)
{
	size_t start = out->len;
	struct qf_span wire;

	if (addr.n > QF_ADDR_MAX)
		return qf_fail(e, QF_EFORMAT,
		    "%s address is longer than %d bytes: %.80s", what,
		    QF_ADDR_MAX, addr.p);
	if (is_quoted(addr))
		qf_buf_addspan(out, addr);
	else
		qf_addr_quote(out, addr);
	make_ascii(out, start);
	wire = qf_span_n(out->s + start, out->len - start);
	if (!qf_addr_is_wire_safe(wire, qf_utf8_is_valid(wire)))
		return qf_fail(e, QF_EFORMAT,
		    "%s address can not be sent by SMTP: %.400s", what, addr.p);
	*utf8 = *utf8 || !qf_addr_is_ascii(wire);
	return 0;
}
