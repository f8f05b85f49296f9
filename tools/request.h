/*
 * A message that somebody asks about: where it is, its envelope, and what its
 * caller would set.
 */
#ifndef QF_TOOLS_REQUEST_H
#define QF_TOOLS_REQUEST_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/mail/envelope.h"

struct qf_request {
	const char *message; /* path, `-`, or NULL */
	const char *sender;  /* or NULL */
	const char *as;      /* a personality, or NULL */
	const char *size;    /* of --size=, or NULL */
	char **rcpt;         /* NULL-terminated */
	bool json, diff;
};

#define QF_REQUEST_OPTIONS                                                     \
	"[-f SENDER] [-e NAME=VALUE]... [--chain=NAME] [--as=NAME]"

/* Reads a command line, options and words in any order; sets the variables of
 * -e and --chain=. The first word is the message when `with_message`. False
 * for a mistake. Free r->rcpt in any case. */
bool qf_request_parse(
    struct qf_request *r, bool with_message, int argc, char **argv);
/* The envelope; `me` names the postmaster, who stands for those that are not
 * given. */
int qf_request_envelope(const struct qf_request *r, const char *me,
    struct qf_envelope *env, struct qf_err *e);

#endif
