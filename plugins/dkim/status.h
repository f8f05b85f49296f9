/*
 * What verifying came to, in indimail's letters: DKIMVERIFY names those that
 * refuse a message.
 */
#ifndef QFP_DKIM_STATUS_H
#define QFP_DKIM_STATUS_H

struct status {
	char letter;
	const char *result; /* RFC 8601 section 2.7.1 */
	const char *text;   /* of the DKIM-Status field and of refusals */
	const char *code;   /* status without its class: RFC 7372 */
};

enum {
	STATUS_GOOD = 'A',    /* the author's domain signed */
	STATUS_PARTIAL = 'C', /* only others' signatures are good */
	STATUS_EXTRA = 'E',   /* good, for the part of the body in l= */
	STATUS_THIRD_PARTY = 'F' /* good, but the author's did not sign */,
	STATUS_FAIL = 'G', /* nothing can be verified */
	STATUS_SYNTAX = 'H',
	STATUS_BAD = 'I',
	STATUS_BAD_TESTING = 'J',
	STATUS_EXPIRED = 'K',
	STATUS_SELECTOR = 'L',
	STATUS_REVOKED = 'N',
	STATUS_LONG_NAME = 'O',
	STATUS_DNS_TEMP = 'P',
	STATUS_DNS_PERM = 'Q',
	STATUS_BAD_KEY = 'R',
	STATUS_NONE = 'S',
	STATUS_BODY = 'U',
	STATUS_ALGORITHM = 'V',
	STATUS_VERSION = 'W',
	STATUS_UNSIGNED = 'X',
	STATUS_IDENTITY = 'Y'
};

/* The entry of a letter that is one of the above. */
const struct status *status_of(char letter);

/* Of two results of signatures, is a the better one? A good signature beats
 * all; then one that may be good later. */
int status_rank(char letter);

#endif
