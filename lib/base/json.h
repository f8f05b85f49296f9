/*
 * Writing JSON (RFC 8259), for those who read our output by program.
 *
 * Whatever the bytes of a string are, the output is valid: each byte that is
 * no UTF-8 becomes U+FFFD, controls are escaped. Begin and end must match;
 * inside of an object every value has a name, elsewhere it is NULL.
 *
 *	struct qf_json j = {.out = &buf};
 *
 *	qf_json_object(&j, NULL);
 *	qf_json_string(&j, "id", qf_span("4711"));
 *	qf_json_array(&j, "recipients");
 *	...
 *	qf_json_end(&j);
 *	qf_json_end(&j);
 *
 * writes one value without white space, and a line end after the last
 * qf_json_end(). The caller may take the bytes out of the buffer at any time.
 */
#ifndef QF_BASE_JSON_H
#define QF_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"

enum {
	QF_JSON_DEPTH = 16 /* most that objects and arrays may nest */
};

/* Zeroed but for out. */
struct qf_json {
	struct qf_buf *out;
	unsigned depth;
	char close[QF_JSON_DEPTH]; /* } or ] */
	bool more[QF_JSON_DEPTH];  /* not the first one in it */
};

void qf_json_object(struct qf_json *j, const char *name);
void qf_json_array(struct qf_json *j, const char *name);
void qf_json_end(struct qf_json *j);

void qf_json_string(struct qf_json *j, const char *name, struct qf_span value);
/* NULL becomes null. */
void qf_json_text(struct qf_json *j, const char *name, const char *value);
void qf_json_number(struct qf_json *j, const char *name, int64_t value);
void qf_json_bool(struct qf_json *j, const char *name, bool value);

#endif
