/*
 * What there is to know of a message before it is sent: how long it is on the
 * wire, whether it has 8-bit bytes, and whether its last line ends.
 */
#ifndef QF_REMOTE_SURVEY_H
#define QF_REMOTE_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "remote/body.h"

struct qf_survey {
	/* With CR LF for each line end and one at the end; without doubled
	 * dots and the final one (RFC 1870 section 5). */
	uint64_t wire;
	bool eightbit;
	bool ends; /* with a line end; true of an empty message as well */
};

/* Looks at all of it; the body stays where it is. QF_EREAD. */
int qf_survey(
    struct qf_survey *v, const struct qf_body *body, struct qf_err *e);

#endif
