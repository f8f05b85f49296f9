/*
 * The socket below a TLS session. What TLS writes is always taken, and what
 * the socket does not take at once is held: so a record that was made is never
 * made again, and callers may change their mind about what they write next.
 * TLS makes at most one record at a time, which bounds it.
 */
#ifndef QF_NET_TLS_WIRE_H
#define QF_NET_TLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/bio.h>

#include "lib/base/buf.h"

enum {
	QF_TLS_WIRE_IN = 16384 + 512, /* a whole record */
	QF_TLS_WIRE_FIRST = 64
};

struct qf_tls_wire {
	int fd;        /* borrowed, not blocking */
	int read_sys;  /* errno that ended it, or 0 */
	int write_sys; /* ... from then on, what is written is lost */
	bool is_dry;   /* the socket had nothing more */
	bool is_at_end;
	/* What came first, for those who wonder what this peer speaks. */
	unsigned char first[QF_TLS_WIRE_FIRST];
	size_t nfirst;
	struct qf_buf out;
	size_t sent;  /* of out */
	size_t at, n; /* of in, those that are not read yet */
	unsigned char in[QF_TLS_WIRE_IN];
};

/* Bytes for SSL_set_bio(); its data is the wire. Free with BIO_meth_free(). */
BIO_METHOD *qf_tls_wire_method(void);

void qf_tls_wire_init(struct qf_tls_wire *w, int fd);
void qf_tls_wire_free(struct qf_tls_wire *w);

/* Takes in what the socket has, if there is room and nothing is left. */
void qf_tls_wire_fill(struct qf_tls_wire *w);
/* Sends what is held: true when nothing is left, or all is lost. */
bool qf_tls_wire_flush(struct qf_tls_wire *w);

#endif
