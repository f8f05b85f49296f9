/*
 * The bytes of questions and answers (RFC 1035, EDNS by RFC 6891). Nothing
 * here waits or asks anybody.
 */
#ifndef QF_NET_DNS_WIRE_H
#define QF_NET_DNS_WIRE_H

#include "lib/base/err.h"
#include "lib/net/dns_answer.h"

enum {
	QF_DNS_WIRE_NAME = 255, /* bytes of a name */
	QF_DNS_QUESTION = 12 + QF_DNS_WIRE_NAME + 4 + 11,
	QF_DNS_UDP = 1232 /* what we take by UDP: unfragmented everywhere */
};

/* Flags for qf_dns_pack(). */
enum {
	QF_DNS_EDNS = 1,
	QF_DNS_DO = 2, /* send signatures; needs QF_DNS_EDNS */
	QF_DNS_AD = 4  /* say whether it is proven */
};

/* The name's bytes, at most QF_DNS_WIRE_NAME: their number, or QF_EFORMAT when
 * it can not be a name. The root is ".". */
int qf_dns_pack_name(unsigned char *out, const char *name);

/* A question to a resolver: its bytes in out, which has room for
 * QF_DNS_QUESTION of them, and their number, or QF_EFORMAT. */
int qf_dns_pack(unsigned char *out, const char *name, enum qf_dns_type type,
    unsigned id, int flags);

/* What an engine must know of an answer before it is read. */
enum qf_dns_kind {
	QF_DNS_FOREIGN,  /* no answer to this question: wait for another */
	QF_DNS_CUT,      /* not all of it: ask by TCP */
	QF_DNS_ANSWERED, /* read it */
	QF_DNS_NO_EDNS,  /* the server does not understand EDNS */
	QF_DNS_UNABLE    /* SERVFAIL, REFUSED...: ask another server */
};

enum qf_dns_kind qf_dns_look(struct qf_span packet, const char *name,
    enum qf_dns_type type, unsigned id);

/* Does the header say that the answer is proven (AD)? */
bool qf_dns_says_proven(struct qf_span packet);

/*
 * Reads an answer: 0 and status, records, canonical name, ttl; or QF_EFORMAT
 * and a temporary answer. `secure` and `bogus` are the caller's to set. The
 * name is kept until the answer is forgotten.
 */
int qf_dns_unpack(struct qf_dns_answer *a, struct qf_span packet,
    const char *name, enum qf_dns_type type);

/* NOERROR, SERVFAIL...; also those of EDNS. */
const char *qf_dns_rcode_name(unsigned rcode);

#endif
