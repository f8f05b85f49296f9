#include "queue/received.h"

#include "lib/mail/date.h"

static const char *const phrases[] = {
    [QF_ORIGIN_ALIAS] = "by alias",
    [QF_ORIGIN_NETWORK] = "from network",
    [QF_ORIGIN_BOUNCE] = "for bounce",
};

void qf_received_format(
    struct qf_buf *out, enum qf_origin origin, uid_t uid, long pid, int64_t now)
{
	char date[QF_DATE_SIZE];

	qf_date_qmail(date, now);
	qf_buf_addf(out, "Received: (qmail %ld invoked ", pid);
	if (origin == QF_ORIGIN_USER)
		qf_buf_addf(out, "by uid %lu", (unsigned long)uid);
	else
		qf_buf_adds(out, phrases[origin]);
	qf_buf_addf(out, "); %s\n", date);
}
