/*
 * What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1).
 */
#ifndef QF_REMOTE_SMTP_EHLO_H
#define QF_REMOTE_SMTP_EHLO_H

#include <stdbool.h>

#include "lib/base/strv.h"
#include "remote/smtp/reply.h"

enum {
	QF_EHLO_AUTH_MAX = 32 /* mechanisms that are kept */
};

struct qf_smtp_ehlo {
	bool pipelining, eightbitmime, smtputf8, starttls, size, dsn;
	bool chunking;
	/* Largest message, with SIZE; 0: no limit named. Of several SIZE
	 * lines the smallest limit counts; one that is no number is none. */
	unsigned long long size_max;
	struct qf_strv auth; /* mechanisms, upper case, each once */
};

/* Fills caps, which qf_smtp_ehlo_free() empties; what it does not know, or
 * is malformed, is passed over. */
void qf_smtp_ehlo_parse(
    struct qf_smtp_ehlo *caps, const struct qf_smtp_reply *r);
void qf_smtp_ehlo_free(struct qf_smtp_ehlo *caps);

#endif
