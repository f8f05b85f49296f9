/*
 * What the parts of lib/net/tls*.c share.
 *
 *	tls_ctx.c     settings to a context       tls_load.c   what it loads
 *	tls_file.c    files, read whole           tls_text.c   for people
 *	tls.c         the handshake               tls_fault.c  why it failed
 *	tls_verify.c  the certificate             tls_dane.c   TLSA records
 *	tls_io.c      the session below a stream  tls_wire.c   its socket
 *	tls_cache.c   sessions to go on with
 */
#ifndef QF_NET_TLS_INTERNAL_H
#define QF_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "lib/net/tls.h"
#include "lib/net/tls_wire.h"

enum {
	QF_TLS_PIN_SIZE = 32 /* SHA-256 */
};

/* A session that the next connection to the same peer can go on with. */
struct qf_tls_saved {
	SSL_SESSION *session; /* NULL: free */
	struct qf_buf key;    /* who it is with, and how it was verified */
	struct qf_tls_info info;
	int64_t verified_at;
};

struct qf_tls {
	SSL_CTX *ctx;
	BIO_METHOD *wire;
	enum qf_tls_version min;
	bool insecure;
	bool has_trust;
	struct qf_err no_trust; /* what to say where it is missed */
	bool is_pinned, is_key_pinned;
	unsigned char pin[QF_TLS_PIN_SIZE];
	struct qf_tls_saved saved[QF_TLS_RESUME_PEERS];
	unsigned next_saved; /* the one to be replaced */
};

/* What stands below a stream. */
struct qf_tls_session {
	SSL *ssl;
	struct qf_tls *tls;
	enum qf_tls_mode mode;
	enum qf_tls_version min;
	char host[256]; /* that the certificate must be for, or empty */
	struct qf_tls_wire wire;
	struct qf_tls_info info;
	struct qf_err why; /* a certificate is not believed */
	/* For the cache. */
	struct qf_buf key;
	struct qf_tls_info earlier;
	int64_t verified_at, earlier_at;
	bool is_up;        /* the handshake is over */
	bool is_at_end;    /* nothing more to read */
	bool is_truncated; /* ... and the peer did not say so */
	bool is_broken;    /* of no use but to be freed */
};

extern const struct qf_stream_ops qf_tls_ops;

/* A file in memory: 0 or QF_ECONF. what: "certificate". */
int qf_tls_file_read(struct qf_buf *b, const char *what, const char *path,
    bool is_secret, struct qf_err *e);
/* Frees it and leaves no trace of its bytes. */
void qf_tls_file_wipe(struct qf_buf *b);

/* What a file may hold, one or more of it. take() does not keep the object
 * and returns false, with OpenSSL's reason in its queue, for one that will not
 * do. */
struct qf_tls_kind {
	const char *what; /* "certificate" */
	void *(*read)(BIO *b, bool der);
	bool (*take)(void *to, void *object, size_t index);
	void (*free)(void *object);
};
int qf_tls_file_each(const struct qf_tls_kind *kind, const char *path, bool der,
    void *to, struct qf_err *e);
/* QF_ECONF for bytes that do not hold what they should. */
int qf_tls_file_bad(const char *what, const char *path, const struct qf_buf *b,
    bool der, struct qf_err *e);

/* From files into the context: 0 or QF_ECONF. */
int qf_tls_load_trust(
    struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e);
int qf_tls_load_own(
    struct qf_tls *t, const struct qf_tls_conf *c, struct qf_err *e);

/* For SSL_CTX_set_cert_verify_callback(). */
int qf_tls_verify(X509_STORE_CTX *c, void *arg);
/* For SSL_CTX_set_verify(): lists of revoked certificates may be missing above
 * the server's own. */
int qf_tls_verify_problem(int ok, X509_STORE_CTX *c);
int qf_tls_pin_parse(struct qf_tls *t, const char *text, struct qf_err *e);

/* How many of the peer's records can be used; they decide then. -1: none is
 * taken at all. */
int qf_tls_dane_use(struct qf_tls_session *s, const struct qf_tls_peer *p);

/* Sessions come by this callback, in reads after the handshake as well. */
int qf_tls_cache_put(SSL *ssl, SSL_SESSION *session);
/* Looks for one, and gives it to s->ssl. */
void qf_tls_cache_use(struct qf_tls_session *s, const struct qf_tls_peer *p);
void qf_tls_cache_free(struct qf_tls *t);
/* Once the peer has gone on with an earlier session, what was known of it
 * holds again. */
void qf_tls_cache_adopt(struct qf_tls_session *s);

/* Why the handshake failed: fills info.fault and e, returns the code. */
int qf_tls_fault(struct qf_tls_session *s, struct qf_err *e);
/* ... or did not come to an end in time. */
int qf_tls_fault_late(struct qf_tls_session *s, struct qf_err *e);
/* ... or can not begin, as the peer has sent something already. */
int qf_tls_fault_early(struct qf_tls_session *s, struct qf_err *e);

/* Cut where they do not fit, and printable. */
void qf_tls_text_name(char *buf, size_t size, const X509_NAME *name);
void qf_tls_text_time(char *buf, size_t size, const ASN1_TIME *t);
/* The names of hosts that a certificate is for. */
void qf_tls_text_hosts(char *buf, size_t size, X509 *cert);
/* Bytes as they came, others than printable ones replaced. */
void qf_tls_text_bytes(char *buf, size_t size, const void *p, size_t n);
void qf_tls_text_hex(char *buf, size_t size, const unsigned char *p, size_t n);
/* The last reason in OpenSSL's queue, which is empty afterwards. */
const char *qf_tls_text_reason(void);

/* The host or address of a name, without brackets and a dot at the end, empty
 * for what is neither: true for an address. */
bool qf_tls_text_host(char *buf, size_t size, const char *name);

#endif
