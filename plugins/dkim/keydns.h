/*
 * Key records from the DNS (RFC 6376 section 3.6.2), within a time. The C
 * library's resolver asks; it counts in whole seconds.
 */
#ifndef QFP_DKIM_KEYDNS_H
#define QFP_DKIM_KEYDNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netinet/in.h>

struct keydns {
	bool own; /* ask `server`, not those of resolv.conf */
	struct sockaddr_in server;
};

/* ADDRESS or ADDRESS:PORT, IPv4. */
bool keydns_server(struct keydns *k, const char *text);

/* The text of the TXT record of the name, its strings joined, in out: 0;
 * QF_ENOENT when there is none; QF_EFORMAT when there are several or the
 * answer is no good; QF_ETOOLONG; QF_ENET when it may be there, but nobody
 * said so in `ms` milliseconds; QF_ENOMEM. */
int32_t keydns_find(const struct keydns *k, const char *name, int64_t ms,
    char *out, size_t size);

#endif
