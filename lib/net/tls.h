/*
 * TLS on connections that we made. A context (struct qf_tls) holds what was
 * read from files, and sessions to go on with; it serves one connection after
 * the other, or several at a time, of one thread, and outlives them.
 *
 * What always holds: nothing is believed that was not asked for by `insecure`
 * or QF_TLS_VERIFY_NONE; a failed handshake closes the stream, so that nothing
 * is ever sent in clear by mistake; no renegotiation, no compression; what a
 * peer sends is bounded (a chain of certificates by QF_TLS_CHAIN_MAX).
 */
#ifndef QF_NET_TLS_H
#define QF_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/net/stream.h"
#include "lib/net/tlsa.h"

enum {
	QF_TLS_CHAIN_MAX = 128 * 1024,  /* bytes of a peer's certificates */
	QF_TLS_RESUME_MS = 3600 * 1000, /* then all is verified anew */
	QF_TLS_RESUME_PEERS = 32,       /* sessions that are kept */
	QF_TLS_FILE_MAX = 16 * 1024 * 1024
};

/* With less than 1.2, what went with it in its time is allowed as well: SHA-1,
 * short keys of the key exchange. Certificates must be of today where they are
 * verified. Who would go on in clear if TLS fails had better begin with 1.0. */
enum qf_tls_version {
	QF_TLS_MIN_DEFAULT, /* 1.2 */
	QF_TLS_1_0,
	QF_TLS_1_1,
	QF_TLS_1_2,
	QF_TLS_1_3
};

struct qf_tls_conf {
	/* Files are PEM, or DER with `der`. Each authority of cafile or capath
	 * (a directory as `openssl rehash` makes it, always PEM) is trusted, be
	 * it a root or not. Without both: trust_dir, or else trust_file. */
	const char *cafile, *capath;
	/* Checked for the server's certificate, whose issuer must have a list
	 * here, and for those between where their issuers have. One that
	 * expired is an error. */
	const char *crlfile;
	/* What we show a server that asks; further certificates in it are sent
	 * along. The key is in keyfile, else in certfile. */
	const char *certfile, *keyfile;
	bool der;
	bool insecure;  /* QF_TLS_VERIFY checks nothing */
	bool anonymous; /* servers without any certificate; TLS 1.2 at most;
			 * only with insecure */
	/* A missing default trust is an error of QF_TLS_VERIFY only, not of
	 * qf_tls_new(): for opportunistic TLS and DANE. */
	bool trust_optional;
	enum qf_tls_version min;
	/* "[sha256:]HEX" of the certificate or "spki:HEX" of its public key
	 * (SHA-256, with or without colons). Replaces every other check. */
	const char *fingerprint;
	/* NULL: Debian's, /etc/ssl/certs and its ca-certificates.crt. */
	const char *trust_dir, *trust_file;
};

struct qf_tls;

/* "1.0" to "1.3": 0 or QF_EINVAL. */
int qf_tls_version_parse(
    const char *text, enum qf_tls_version *v, struct qf_err *e);

/* Reads all files: 0, or QF_EINVAL for settings that do not go together,
 * QF_ECONF for files; e says which, what is wrong and what to do. A key that
 * everybody can read is a warning in the log. */
int qf_tls_new(
    struct qf_tls **t, const struct qf_tls_conf *c, struct qf_err *e);
void qf_tls_free(struct qf_tls **t);

enum qf_tls_mode {
	QF_TLS_VERIFY_NONE, /* opportunistic: info says what it would be */
	QF_TLS_VERIFY,      /* chain and name */
	QF_TLS_DANE         /* by the TLSA records alone (RFC 7672) */
};

struct qf_tls_peer {
	enum qf_tls_mode mode;
	/* Must be in the certificate: a host name (IDNs as A-labels), or an
	 * address with or without brackets. NULL: not checked. */
	const char *name;
	/* NULL: with DANE dane_base, else name. Addresses are never sent. */
	const char *sni;
	unsigned port; /* tells peers apart, see resumption */
	/* From a validated answer. Usages 0 and 1, and records that can not be
	 * used, are left out; where nothing is left the session is encrypted
	 * and not authenticated, and info->dane_unusable is true. Certificates
	 * that match by usage 2 must have the name dane_base or `name`; with
	 * usage 3 neither name nor dates count. */
	const struct qf_tlsa *tlsa;
	size_t ntlsa;
	const char *dane_base; /* TLSA base domain; needed with DANE */
};

enum qf_tls_fault {
	QF_TLS_OK,
	QF_TLS_USAGE,     /* arguments; default trust missing */
	QF_TLS_TIMEOUT,   /* the peer is silent, or late */
	QF_TLS_CLOSED,    /* the connection ended or broke in the handshake */
	QF_TLS_NOT_TLS,   /* something else came, such as plain text */
	QF_TLS_VERSION,   /* no version in common */
	QF_TLS_REFUSED,   /* the peer's alert */
	QF_TLS_UNTRUSTED, /* certificate, name, TLSA records, fingerprint */
	QF_TLS_WEAK,      /* keys or algorithms too weak */
	QF_TLS_FAILED     /* anything else */
};

enum qf_tls_verified {
	QF_TLS_BY_NONE,
	QF_TLS_SELF_SIGNED, /* not verified, and this is why */
	QF_TLS_BY_CERTIFICATE,
	QF_TLS_BY_DANE,
	QF_TLS_BY_FINGERPRINT
};

/* All texts are printable ASCII. */
struct qf_tls_info {
	enum qf_tls_fault fault;
	enum qf_tls_verified verified;
	bool resumed;
	bool dane_unusable;
	int bits; /* of the cipher */
	char version[16], cipher[64];
	char subject[256], issuer[256]; /* empty: no certificate */
	/* Why a certificate is not verified that need not be, or empty. */
	char problem[500];
};

/*
 * Makes the stream, which nobody reads or writes meanwhile, one of TLS. 0; or
 * QF_ETIME, QF_ENET, QF_EPROTO (handshake), QF_EPERM (not to be trusted),
 * QF_EINVAL (arguments), QF_ECONF (default trust is missing), and the stream
 * is closed. info->fault is one step finer. Bytes that the peer sent before
 * the handshake end it.
 *
 * Sessions are kept and tried again for the same peer: mode, name, SNI, port
 * and TLSA records are equal. Closing the stream sends close_notify and does
 * not wait.
 */
int qf_tls_connect(struct qf_stream *st, struct qf_tls *t,
    const struct qf_tls_peer *p, int64_t deadline, struct qf_tls_info *info,
    struct qf_err *e);

/* After qf_stream_read() has returned 0: true when the peer, or somebody
 * between, ended the connection without a word of TLS. Matters where the end
 * of the connection is the end of the data. */
bool qf_tls_is_truncated(const struct qf_stream *st);

/* Appends `TLSv1.3 TLS_AES_256_GCM_SHA384 verified=certificate resumed=no`. */
void qf_tls_describe(const struct qf_tls_info *info, struct qf_buf *out);

#endif
