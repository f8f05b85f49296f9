/*
 * The Authentication-Results field (RFC 8601): writing ours, and seeing those
 * that only claim to be.
 */
#ifndef QF_MAIL_AUTHRES_H
#define QF_MAIL_AUTHRES_H

#include <stdbool.h>
#include <stddef.h>

#include <qfront/plugin.h>
#include "lib/base/buf.h"

#define QF_AUTHRES_FIELD "Authentication-Results"

enum {
	QF_AUTHRES_WORD_MAX = 900, /* so that no line exceeds 998 bytes */
	QF_AUTHRES_PROPS_MAX = 64  /* of one result */
};

/* May it be the id of a server: not empty, valid UTF-8 without controls, not
 * too long? */
bool qf_authres_is_id(const char *id);

/*
 * 0, or QF_EINVAL for a result that can not be written: method, result, type
 * and property must be keywords (letters, digits, `-`), a method may have a
 * version (`dkim/1`); reason and values are valid UTF-8 without controls.
 */
int qf_authres_check(const struct qf_authres *r);

/*
 * Appends the value of one field that holds the n results, `none` without any:
 * folded with LF and tab, each result on a line of its own and no line longer
 * than 78 columns where words allow it. QF_EINVAL as above, with *out as it
 * was.
 */
int qf_authres_format(
    const char *id, const struct qf_authres *r, size_t n, struct qf_buf *out);

/* A result as bytes, to keep and to pass on: appends them; one that
 * qf_authres_check() takes. */
void qf_authres_pack(const struct qf_authres *r, struct qf_buf *out);

struct qf_authres_record {
	struct qf_authres result;
	struct qf_authprop props[QF_AUTHRES_PROPS_MAX];
};

/* The result that was packed; its strings are in the bytes. QF_EFORMAT when
 * they are not of a result that can be written. */
int qf_authres_unpack(struct qf_authres_record *out, struct qf_span bytes);

/*
 * Does a field of the header, given with its name and line ends, claim to come
 * from the server `id`? Ids are compared without case. One that can not be
 * read but has ours in it counts as ours. So does a field with such a field
 * behind a lone CR, which the next server will see as a line end.
 */
bool qf_authres_is_ours(struct qf_span field, const char *id);

#endif
