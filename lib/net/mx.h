/*
 * Where mail for a host goes: its mail exchangers with their addresses, in the
 * order in which they are to be tried (RFC 5321 section 5.1, RFC 7505, and
 * where these leave it open, qmail-remote(8)).
 */
#ifndef QF_NET_MX_H
#define QF_NET_MX_H

#include "lib/net/dns.h"
#include "lib/net/idn.h"

/* Why there is nobody to try; in brackets what qmail says. */
enum qf_mx_fault {
	QF_MX_OK,
	QF_MX_BAD_NAME,   /* it can not be the name of a host (#5.1.2) */
	QF_MX_NO_HOST,    /* no such host, or it has no address (#5.1.2) */
	QF_MX_TEMPORARY,  /* the DNS can not tell now (#4.1.2) */
	QF_MX_NO_ADDRESS, /* there are exchangers, but without one (#5.4.4) */
	QF_MX_LOOP,       /* the best exchanger is this host (#5.4.6) */
	QF_MX_NULL        /* it takes no mail, and says so: RFC 7505 */
};

enum {
	QF_MX_HOSTS = 100, /* exchangers that are looked at, the best ones */
	QF_MX_ADDRS = 16   /* addresses of one of them, of each family */
};

struct qf_mx_spec {
	/* Name (UTF-8 or ASCII), or address with or without brackets. */
	const char *host;
	/* A host that the configuration names: its addresses are looked up,
	 * no MX, and it may be this host. */
	bool relay;
	/* This host's addresses (qf_ips_add_own()). Exchangers that are no
	 * better than this host are left out. NULL: none are. */
	const struct qf_ips *own;
	/* Its name: one of that name is this host as long as its addresses are
	 * not known. NULL: none. */
	const char *own_name;
	/* What the order among equals depends on; 0: chance. */
	uint64_t seed;
	int64_t deadline;
};

struct qf_mx_host {
	const char *name; /* as the MX record has it; an address as text */
	unsigned preference;
	bool literal; /* an address: no name to check */
	/* In the order to be tried: families take turns. */
	struct qf_ip *addr;
	size_t n;
	/* Proven by DNSSEC: that this is the exchanger; its addresses. */
	bool mx_secure, addr_secure;
	/* The name behind its aliases; where there are none, `name`. */
	const char *canonical;
	bool alias;
};

struct qf_mx_list {
	struct qf_mx_host *v;
	size_t n;
	const char *domain; /* the host asked for, in ASCII; NULL: an address */
	/* Exchangers that would come into question, but the DNS can not tell
	 * their addresses now: if none of the others takes the mail, it is too
	 * early to give up. */
	size_t later;
	struct qf_arena mem;
};

/* Start with zeros. QF_MX_OK with at least one host that has at least one
 * address, or why there is none, with what is known of it in e. Free the list
 * in each case. */
enum qf_mx_fault qf_mx_find(struct qf_mx_list *list, struct qf_dns *dns,
    const struct qf_mx_spec *spec, struct qf_err *e);
void qf_mx_free(struct qf_mx_list *list);

#endif
