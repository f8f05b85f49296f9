/*
 * Why a handshake failed, in words for who must do something about it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>

#include "lib/net/tls_internal.h"

enum {
	/* Of the first record: where a ServerHello has its version. */
	RECORD_ALERT = 21,
	RECORD_HANDSHAKE = 22,
	HELLO_AT = 5,
	HELLO_SERVER = 2,
	HELLO_VERSION = 9,
	ALERT_PROTOCOL_VERSION = 70
};

static const char *const min_names[] = {
    [QF_TLS_MIN_DEFAULT] = "1.2",
    [QF_TLS_1_0] = "1.0",
    [QF_TLS_1_1] = "1.1",
    [QF_TLS_1_2] = "1.2",
    [QF_TLS_1_3] = "1.3",
};

static const struct {
	int reason;
	enum qf_tls_fault fault;
	const char *text;
} reasons[] = {
    {SSL_R_DH_KEY_TOO_SMALL, QF_TLS_WEAK,
	"the peer's key exchange is too weak"},
    {SSL_R_EE_KEY_TOO_SMALL, QF_TLS_WEAK, "the peer's key is too weak"},
    {SSL_R_CA_KEY_TOO_SMALL, QF_TLS_WEAK, "an authority's key is too weak"},
    {SSL_R_CA_MD_TOO_WEAK, QF_TLS_WEAK,
	"the signature of a certificate is too weak"},
    {SSL_R_WRONG_SIGNATURE_TYPE, QF_TLS_WEAK,
	"the peer signs with an algorithm that is too weak"},
    {SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, QF_TLS_WEAK,
	"the peer's TLS is too old, it lacks secure renegotiation"},
    {SSL_R_EXCESSIVE_MESSAGE_SIZE, QF_TLS_FAILED,
	"the peer's certificates are larger than any should be"},
};

static bool is_plain(const struct qf_tls_wire *w)
{
	if (w->nfirst == 0)
		return false;
	if (w->first[0] != RECORD_ALERT && w->first[0] != RECORD_HANDSHAKE)
		return true;
	return w->nfirst > 1 && w->first[1] != 3;
}

static int say_plain(struct qf_tls_session *s, struct qf_err *e)
{
	const unsigned char *first = s->wire.first;
	size_t n = 0;
	char text[QF_TLS_WIRE_FIRST + 1];

	while (n < s->wire.nfirst && first[n] != '\r' && first[n] != '\n')
		n++;
	qf_tls_text_bytes(text, sizeof text, first, n);
	s->info.fault = QF_TLS_NOT_TLS;
	return qf_fail(e, QF_EPROTO,
	    "TLS: the peer does not speak TLS here: it sent \"%s\"", text);
}

int qf_tls_fault_early(struct qf_tls_session *s, struct qf_err *e)
{
	if (s->wire.nfirst > 0)
		return say_plain(s, e);
	s->info.fault = QF_TLS_CLOSED;
	if (s->wire.is_at_end)
		return qf_fail(e, QF_ENET,
		    "TLS: the peer closed the connection before the handshake");
	errno = s->wire.read_sys;
	return qf_fail_sys(e, QF_ENET, "TLS: before the handshake");
}

int qf_tls_fault_late(struct qf_tls_session *s, struct qf_err *e)
{
	if (is_plain(&s->wire))
		return say_plain(s, e);
	s->info.fault = QF_TLS_TIMEOUT;
	return qf_fail(e, QF_ETIME, "TLS: the handshake timed out: %s",
	    s->wire.nfirst == 0 ? "the peer did not answer"
				: "the peer began it and then was silent or "
				  "too slow");
}

/* TLSv1.0 only, as its first message says; empty if that is not one. */
static void peer_version(char *buf, size_t size, const struct qf_tls_wire *w)
{
	const unsigned char *hello = w->first;

	buf[0] = '\0';
	if (w->nfirst <= HELLO_VERSION + 1 || hello[0] != RECORD_HANDSHAKE ||
	    hello[HELLO_AT] != HELLO_SERVER || hello[HELLO_VERSION] != 3)
		return;
	if (hello[HELLO_VERSION + 1] == 0)
		snprintf(buf, size, "SSL 3.0");
	else
		snprintf(buf, size, "TLS 1.%d", hello[HELLO_VERSION + 1] - 1);
}

static int say_version(struct qf_tls_session *s, struct qf_err *e)
{
	const char *min = min_names[s->min];
	char version[16];

	s->info.fault = QF_TLS_VERSION;
	peer_version(version, sizeof version, &s->wire);
	if (version[0] == '\0')
		return qf_fail(e, QF_EPROTO,
		    "TLS: no version in common: the peer refused TLS %s and "
		    "later (tls-min)",
		    min);
	return qf_fail(e, QF_EPROTO,
	    "TLS: no version in common: the peer has only %s, and at least "
	    "TLS %s is wanted (tls-min)",
	    version, min);
}

static int say_alert(struct qf_tls_session *s, int alert, struct qf_err *e)
{
	if (alert == ALERT_PROTOCOL_VERSION)
		return say_version(s, e);
	s->info.fault = QF_TLS_REFUSED;
	return qf_fail(e, QF_EPROTO,
	    "TLS: the peer refused the handshake: %s (alert %d)%s",
	    SSL_alert_desc_string_long(alert), alert,
	    alert == SSL_AD_HANDSHAKE_FAILURE
		? "; no cipher in common, or it wants a client certificate"
		: "");
}

/* Without a reason of TLS itself. */
static int say_closed(struct qf_tls_session *s, struct qf_err *e)
{
	int sys = s->wire.read_sys != 0 ? s->wire.read_sys : s->wire.write_sys;

	s->info.fault = QF_TLS_CLOSED;
	if (s->wire.is_at_end || sys == 0)
		return qf_fail(e, QF_ENET,
		    "TLS: the peer closed the connection in the handshake");
	errno = sys;
	return qf_fail_sys(
	    e, QF_ENET, "TLS: the connection broke in the handshake");
}

static int say_reason(struct qf_tls_session *s, int reason, struct qf_err *e)
{
	s->info.fault = QF_TLS_FAILED;
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		if (reasons[i].reason != reason)
			continue;
		s->info.fault = reasons[i].fault;
		return qf_fail(e, QF_EPROTO, "TLS: %s", reasons[i].text);
	}
	return qf_fail(e, QF_EPROTO, "TLS: the handshake failed: %s",
	    qf_tls_text_reason());
}

int qf_tls_fault(struct qf_tls_session *s, struct qf_err *e)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_REASON(code);

	if (is_plain(&s->wire))
		return say_plain(s, e);
	if (s->info.fault == QF_TLS_UNTRUSTED || s->info.fault == QF_TLS_WEAK)
		return qf_fail(e, QF_EPERM, "TLS: %s", s->why.text);
	if (code == 0)
		return say_closed(s, e);
	if (ERR_GET_LIB(code) != ERR_LIB_SSL)
		return say_reason(s, 0, e);
	if (reason >= SSL_AD_REASON_OFFSET)
		return say_alert(s, reason - SSL_AD_REASON_OFFSET, e);
	if (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	    reason == SSL_R_VERSION_TOO_LOW)
		return say_version(s, e);
	return say_reason(s, reason, e);
}
