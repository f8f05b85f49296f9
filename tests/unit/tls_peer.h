/*
 * A server of TLS in a thread of the test, at the other end of a socket pair,
 * and what the tests of the client share beside it.
 */
#ifndef QF_TESTS_UNIT_TLS_PEER_H
#define QF_TESTS_UNIT_TLS_PEER_H

#include <pthread.h>

#include <openssl/ssl.h>

#include "lib/net/tls.h"
#include "tests/unit/tls_pki.h"
#include "tests/unit/unit.h"

struct tls_peer {
	SSL_CTX *ctx;
	/* What it does after the handshake; NULL: sends back what comes. */
	void (*talk)(struct tls_peer *p);
	/* Instead of the handshake; NULL: none. */
	void (*instead)(struct tls_peer *p);
	int fd;
	SSL *ssl;
	pthread_t thread;
	bool is_running;
	/* What it saw, to be looked at after tls_peer_join(). */
	bool has_shaken; /* its handshake is complete */
	bool has_bye;    /* the client's close_notify came */
	char client[64]; /* common name of the client's certificate */
	char sni[128];
	char early[16]; /* bytes in clear, where `instead` reads some */
	size_t received;
};

/* With this certificate (NULL: none) and another one sent along, or NULL. */
void tls_peer_new(
    struct tls_peer *p, const struct pki_id *id, const struct pki_id *along);
void tls_peer_free(struct tls_peer *p);

/* A stream to it, and its thread. */
void tls_peer_dial(struct tls_peer *p, struct qf_stream *st);
/* After the stream was closed. */
void tls_peer_join(struct tls_peer *p);

/* Handshake of the thread; what talk() and instead() may use. */
void tls_peer_accept(struct tls_peer *p);
void tls_peer_echo(struct tls_peer *p);

/* In its thread, where a test can not fail. */
void tls_peer_must(bool ok);

/* What the last meeting came to. */
struct meeting {
	struct qf_stream st;
	struct qf_tls_info info;
	struct qf_err e;
};
extern struct meeting met;

/* Connects with this context; then the stream is open, or the peer joined. */
int tls_meet(
    struct tls_peer *p, struct qf_tls *t, const struct qf_tls_peer *to);
/* Sends a word, which must come back. */
void tls_ping(void);
void tls_part(struct tls_peer *p);
/* A context for one meeting, with a word in it if it succeeds. */
int tls_try(struct tls_peer *p, const struct qf_tls_conf *c,
    const struct qf_tls_peer *to);

/* That the last meeting failed in this way, and said so. */
void tls_assert_failed(
    int rc, int want_rc, enum qf_tls_fault fault, const char *text);

#endif
