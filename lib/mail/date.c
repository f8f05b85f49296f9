#include "lib/mail/date.h"

#include <stdio.h>

/* Names are those of RFC 5322, never those of a locale. */
static const char *const month_name[] = {"Jan", "Feb", "Mar", "Apr", "May",
    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const day_name[] = {
    "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};

enum {
	DAY = 86400,
	DAYS_400_YEARS = 146097
};

struct parts {
	long long year;
	int month, day; /* month from 0 */
	int weekday;    /* from 0: Thursday, as 1970-01-01 was */
	int hour, minute, second;
};

/* The proleptic Gregorian calendar. Years are counted from March, so that the
 * leap day is the last of its year. */
static struct parts split(int64_t wall)
{
	struct parts p;
	int64_t days = wall / DAY - (wall % DAY < 0);
	int second = (int)((wall % DAY + DAY) % DAY);
	int64_t era;
	int of_era, year, of_year, month;

	p.hour = second / 3600;
	p.minute = second / 60 % 60;
	p.second = second % 60;
	p.weekday = (int)((days % 7 + 7) % 7);
	days += 719468; /* from 0000-03-01 */
	era = days / DAYS_400_YEARS - (days % DAYS_400_YEARS < 0);
	of_era = (int)(days - era * DAYS_400_YEARS);
	year =
	    (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153; /* from March */
	p.day = of_year - (153 * month + 2) / 5 + 1;
	p.month = (month + 2) % 12;
	p.year = era * 400 + year + (month >= 10);
	return p;
}

static void print(char out[QF_DATE_SIZE], const struct parts *p,
    const char *weekday, const char *zone)
{
	snprintf(out, QF_DATE_SIZE, "%s%d %s %lld %02d:%02d:%02d %s", weekday,
	    p->day, month_name[p->month], p->year, p->hour, p->minute,
	    p->second, zone);
}

void qf_date_qmail(char out[QF_DATE_SIZE], int64_t wall)
{
	struct parts p = split(wall);

	print(out, &p, "", "-0000");
}

void qf_date_rfc5322(char out[QF_DATE_SIZE], int64_t wall)
{
	struct parts p = split(wall);
	char weekday[8];

	snprintf(weekday, sizeof weekday, "%s, ", day_name[p.weekday]);
	print(out, &p, weekday, "+0000");
}
