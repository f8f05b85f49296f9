#include "queue/received.h"

#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/mail/date.h"

static const struct {
	const char *account, *phrase;
} phrases[] = {
    {"alias", "by alias"},
    {"qmaild", "from network"},
    {"qmails", "for bounce"},
};

static void add_origin(struct qf_buf *out, uid_t uid, const char *account)
{
	for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
		if (account == NULL || strcmp(account, phrases[i].account) != 0)
			continue;
		qf_buf_adds(out, phrases[i].phrase);
		return;
	}
	qf_buf_addf(out, "by uid %lu", (unsigned long)uid);
}

void qf_received_format(
    struct qf_buf *out, uid_t uid, const char *account, long pid, int64_t now)
{
	char date[QF_DATE_SIZE];

	qf_date_qmail(date, now);
	qf_buf_addf(out, "Received: (qmail %ld invoked ", pid);
	add_origin(out, uid, account);
	qf_buf_addf(out, "); %s\n", date);
}

/* One question to the user database, not one for each account of qmail. */
void qf_received_now(struct qf_buf *out, uid_t uid, long pid)
{
	const struct passwd *pw = getpwuid(uid);

	qf_received_format(
	    out, uid, pw != NULL ? pw->pw_name : NULL, pid, qf_clock_wall());
}
