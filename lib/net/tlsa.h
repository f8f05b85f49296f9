/*
 * A TLSA record (RFC 6698): what a domain says of the certificates of its
 * servers.
 */
#ifndef QF_NET_TLSA_H
#define QF_NET_TLSA_H

#include <stddef.h>
#include <stdint.h>

/* As the DNS has it; which values can be used is decided by who uses it. */
struct qf_tlsa {
	uint8_t usage, selector, matching;
	const uint8_t *data; /* borrowed */
	size_t n;
};

#endif
