/*
 * What travels with a message beside its bytes and its envelope: a short list
 * of `KEY=value`, in the order in which it was made.
 *
 *	HOLD       the message is held, and this is why
 *	STAGE      the stage of the chain that wants it held
 *	CATEGORY   what for: spam, virus, ...
 *	ROUTE      HOST or HOST:PORT that gets it by SMTP, whatever `remotes`
 *says
 *
 * are of the front end. NOTIFY, RET, ENVID, ORCPT, BODY and SMTPUTF8 are what
 * a submitter asks for (RFC 3461, 6152, 6531); they are kept and not looked
 * at. There are no other keys. A value is any text without controls.
 */
#ifndef QF_MAIL_ATTRS_H
#define QF_MAIL_ATTRS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

enum {
	QF_ATTRS_MAX = 1024,        /* most entries of a list */
	QF_ATTRS_BYTES = 64 << 10,  /* of a list, keys and values */
	QF_ROUTE_HOST_SIZE = 256,   /* with the NUL */
	QF_ROUTE_DEFAULT_PORT = 25, /* SMTP */
};

/* Zeroed memory is an empty list. */
struct qf_attrs {
	struct qf_strv list; /* each as KEY=value */
	size_t bytes;
};

struct qf_route {
	char host[QF_ROUTE_HOST_SIZE]; /* without the brackets of [::1] */
	unsigned port;
};

void qf_attrs_free(struct qf_attrs *a); /* leaves it empty */
/* Replaces what `to` holds. */
void qf_attrs_copy(struct qf_attrs *to, const struct qf_attrs *from);

/* Is this `KEY=...` with a key that we know? */
bool qf_attrs_is_known(struct qf_span record);
/* Appends `KEY=value`. QF_EFORMAT when the key is unknown, the value no good
 * or the list full: for submitters earlier than for the front end. */
int qf_attrs_add(struct qf_attrs *a, struct qf_span record, struct qf_err *e);
/* The value becomes the only one of its key; errors as above. */
int qf_attrs_set(struct qf_attrs *a, const char *key, struct qf_span value,
    struct qf_err *e);
/* The first value of a key, or NULL; borrowed until the list changes. */
const char *qf_attrs_get(const struct qf_attrs *a, const char *key);
/* All of that key. */
void qf_attrs_remove(struct qf_attrs *a, const char *key);
/* All that only the front end may say: for what an outside caller sent. */
void qf_attrs_remove_ours(struct qf_attrs *a);

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT; QF_EFORMAT. */
int qf_route_parse(struct qf_route *out, struct qf_span text, struct qf_err *e);

#endif
