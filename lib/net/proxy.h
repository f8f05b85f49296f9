/*
 * Connecting through a SOCKS5 proxy (RFC 1928), with a user name and password
 * if it asks for them (RFC 1929). The proxy looks the host's name up.
 */
#ifndef QF_NET_PROXY_H
#define QF_NET_PROXY_H

#include "lib/net/dial.h"

enum {
	QF_PROXY_TEXT = 256 /* most that the protocol takes, and a NUL */
};

struct qf_proxy {
	char host[QF_PROXY_TEXT]; /* name or address */
	unsigned port;
	char user[QF_PROXY_TEXT]; /* empty: none */
	char pass[QF_PROXY_TEXT];
};

/* HOST[:PORT], [ADDRESS][:PORT], socks5://[USER@]HOST[:PORT]; port 1080 where
 * none is given. A password is refused: whoever lists processes would see it.
 * 0 or QF_EINVAL. */
int qf_proxy_parse(struct qf_proxy *p, const char *text, struct qf_err *e);

/* The first line of a file that others can not read: 0 or QF_ECONF. */
int qf_proxy_read_pass(struct qf_proxy *p, const char *path, struct qf_err *e);

/* Asks, over a connection to the proxy, for one to the host: a name or an
 * address, with or without brackets. 0, and what follows comes from there; or
 * QF_ENET, QF_ETIME with *fault. Not a byte more than the proxy's words is
 * read. */
int qf_proxy_ask(struct qf_stream *st, enum qf_dial_fault *fault,
    const struct qf_proxy *p, const char *host, unsigned port, int64_t deadline,
    struct qf_err *e);

/* Both: as qf_dial(), for spec->host; spec->source is for the connection to
 * the proxy. The peer is named HOST:PORT via PROXY. */
int qf_proxy_dial(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    const struct qf_proxy *p, struct qf_err *e);

#endif
