#include "lib/mail/date.h"

#include "tests/unit/unit.h"

#include <locale.h>
#include <time.h>

static const struct date_case {
	int64_t wall;
	const char *qmail, *rfc5322;
} date_cases[] = {
    {0, "1 Jan 1970 00:00:00 -0000", "Thu, 1 Jan 1970 00:00:00 +0000"},
    {1795338307, "22 Nov 2026 09:05:07 -0000",
	"Sun, 22 Nov 2026 09:05:07 +0000"},
    {951782400, "29 Feb 2000 00:00:00 -0000",
	"Tue, 29 Feb 2000 00:00:00 +0000"},
    {4107542399, "28 Feb 2100 23:59:59 -0000",
	"Sun, 28 Feb 2100 23:59:59 +0000"},
    {4107542400, "1 Mar 2100 00:00:00 -0000", "Mon, 1 Mar 2100 00:00:00 +0000"},
    {2147483648, "19 Jan 2038 03:14:08 -0000",
	"Tue, 19 Jan 2038 03:14:08 +0000"},
    {-1, "31 Dec 1969 23:59:59 -0000", "Wed, 31 Dec 1969 23:59:59 +0000"},
    {INT64_MAX, "4 Dec 292277026596 15:30:07 -0000",
	"Sun, 4 Dec 292277026596 15:30:07 +0000"},
    {INT64_MIN, "27 Jan -292277022657 08:29:52 -0000",
	"Sun, 27 Jan -292277022657 08:29:52 +0000"},
};

static void test_dates(void **state)
{
	char got[QF_DATE_SIZE];

	(void)state;
	/* neither locale nor time zone count */
	setenv("TZ", "Pacific/Auckland", 1);
	setlocale(LC_ALL, "de_DE.UTF-8");
	for (size_t i = 0; i < UNIT_COUNT(date_cases); i++) {
		qf_date_qmail(got, date_cases[i].wall);
		assert_string_equal(date_cases[i].qmail, got);
		qf_date_rfc5322(got, date_cases[i].wall);
		assert_string_equal(date_cases[i].rfc5322, got);
	}
	setlocale(LC_ALL, "C");
}

/* Against the C library, each day of several centuries. */
static void test_calendar(void **state)
{
	(void)state;
	for (int64_t day = -800 * 365; day < 800 * 365; day++) {
		time_t wall = (time_t)(day * 86400 + 45296);
		char got[QF_DATE_SIZE], want[QF_DATE_SIZE];
		struct tm tm;

		gmtime_r(&wall, &tm);
		strftime(
		    want, sizeof want, "%a, %-d %b %Y %H:%M:%S +0000", &tm);
		qf_date_rfc5322(got, wall);
		assert_string_equal(want, got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dates),
	    cmocka_unit_test(test_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
