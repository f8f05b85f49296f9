#include "lib/mail/addr.h"

#include <string.h>

#include "lib/base/utf8.h"

/* The length of what stands before the last `@`, or -1 without one. */
static long last_at(struct qf_span addr)
{
	const char *at = addr.n > 0 ? memrchr(addr.p, '@', addr.n) : NULL;

	return at != NULL ? (long)(at - addr.p) : -1;
}

struct qf_span qf_addr_domain(struct qf_span addr)
{
	long at = last_at(addr);
	size_t skip = at < 0 ? addr.n : (size_t)at + 1;

	return qf_span_n(addr.n > 0 ? addr.p + skip : "", addr.n - skip);
}

struct qf_span qf_addr_local(struct qf_span addr)
{
	long at = last_at(addr);

	return at < 0 ? addr : qf_span_n(addr.p, (size_t)at);
}

bool qf_addr_is_wire_safe(struct qf_span addr, bool utf8)
{
	bool quoted = false, escaped = false;

	for (size_t i = 0; i < addr.n; i++) {
		unsigned char c = (unsigned char)addr.p[i];

		if (c < ' ' || c == 127 || c == '<' || c == '>' ||
		    (c == ' ' && !quoted) || (c > 127 && !utf8))
			return false;
		if (escaped)
			escaped = false;
		else if (c == '\\' && quoted)
			escaped = true;
		else if (c == '"')
			quoted = !quoted;
	}
	return !quoted;
}

bool qf_addr_is_ascii(struct qf_span addr)
{
	for (size_t i = 0; i < addr.n; i++) {
		if ((unsigned char)addr.p[i] > 127)
			return false;
	}
	return true;
}

/* atext of RFC 5321 section 4.1.2, and with RFC 6531 8-bit bytes. */
static bool is_atext(char c, bool utf8)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	if ((unsigned char)c > 127)
		return utf8;
	return c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

/* Dot-string of RFC 5321 section 4.1.2: atoms with single dots between. */
static bool is_dot_string(struct qf_span s)
{
	bool after_atom = false, utf8 = qf_utf8_is_valid(s);

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? !after_atom : !is_atext(s.p[i], utf8))
			return false;
		after_atom = s.p[i] != '.';
	}
	return after_atom;
}

void qf_addr_quote(struct qf_buf *out, struct qf_span addr)
{
	long at = last_at(addr);
	struct qf_span local = qf_addr_local(addr);

	if (at < 0 || is_dot_string(local)) {
		qf_buf_addspan(out, addr);
		return;
	}
	qf_buf_addc(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (strchr("\"\\\r\n", local.p[i]) != NULL &&
		    local.p[i] != '\0')
			qf_buf_addc(out, '\\');
		qf_buf_addc(out, local.p[i]);
	}
	qf_buf_addc(out, '"');
	qf_buf_add(out, addr.p + at, addr.n - (size_t)at);
}
