/*
 * What there is to know of a message before it is sent: how long it is on the
 * wire, whether it has 8-bit bytes, and whether its last line ends.
 *
 * A long message is not read for that, as it would cost a quarter of what it
 * costs to send it: its length is as good as that of the file, which RFC 1870
 * section 5 allows, and it is sent as 8-bit text, which 7-bit text is as well.
 */
#ifndef QF_REMOTE_SURVEY_H
#define QF_REMOTE_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "remote/body.h"

enum {
	QF_SURVEY_MOST = 65536 /* bytes of a message that is looked through */
};

struct qf_survey {
	/* With CR LF for each line end and one at the end; without doubled
	 * dots and the final one. Of a long message with its line ends as
	 * they are: never more than it will be. */
	uint64_t wire;
	bool eightbit; /* it may have 8-bit bytes */
	bool ends;     /* with a line end; true of an empty message as well */
};

/* The body stays where it is. QF_EREAD. */
int qf_survey(
    struct qf_survey *v, const struct qf_body *body, struct qf_err *e);

#endif
