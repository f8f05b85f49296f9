/*
 * DKIMSIGNOPTIONS of indimail, written like the options of a program:
 *
 *	-c r|s|t|u  canonicalisation: relaxed, simple, relaxed header and
 *	            simple body, simple header and relaxed body
 *	-i ID|-     the identity i=, or none
 *	-x SECS|-   when the signature expires, or never
 *	-z 1|2|3|4  rsa-sha1, rsa-sha256, both, ed25519-sha256
 *	-b X, -h, -l, -q, -t
 */
#ifndef QFP_DKIM_SIGNOPTIONS_H
#define QFP_DKIM_SIGNOPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	IDENTITY_SIZE = 1024
};

struct signoptions {
	bool simple_header, simple_body;
	uint64_t lifetime;            /* seconds; 0: for ever */
	char identity[IDENTITY_SIZE]; /* "": none */
	/* What was asked for and is not done. */
	bool body_length, copied_headers, sha1;
	bool ed25519; /* asked for: the key must be one */
};

/* Changes *o by the text; false when it can not be understood. */
bool signoptions_parse(struct signoptions *o, const char *text);

/* A number of seconds, up to a hundred years. */
bool signoptions_seconds(uint64_t *out, const char *text);

#endif
