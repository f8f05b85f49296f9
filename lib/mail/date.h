/*
 * Dates in the two forms that mail needs, always UTC.
 */
#ifndef QF_MAIL_DATE_H
#define QF_MAIL_DATE_H

#include <stdint.h>

enum {
	QF_DATE_SIZE = 48
};

/* `22 Nov 2026 09:05:07 -0000`: qmail's, in Received lines. */
void qf_date_qmail(char out[QF_DATE_SIZE], int64_t wall);
/* `Sun, 22 Nov 2026 09:05:07 +0000` (RFC 5322 section 3.3). */
void qf_date_rfc5322(char out[QF_DATE_SIZE], int64_t wall);

#endif
