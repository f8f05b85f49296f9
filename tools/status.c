/*
 * qfrontctl status: what was counted, for people.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "lib/mail/qqcode.h"
#include "tools/command.h"
#include "tools/numbers.h"

static void say_time(const char *what, int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;
	char text[64];

	if (localtime_r(&t, &tm) != NULL &&
	    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm) > 0)
		printf("%-18s %s\n", what, text);
}

static void say_configuration(const struct qf_metrics *m)
{
	if (m->gauge[QF_GAUGE_GENERATION] == 0) {
		printf("  configuration    NONE SERVES: %s\n",
		    m->reload_error[0] != '\0' ? m->reload_error : "loading");
		return;
	}
	printf("  configuration    generation %" PRId64 "\n",
	    m->gauge[QF_GAUGE_GENERATION]);
	say_time("    loaded", m->gauge[QF_GAUGE_LOADED]);
	if (m->reload_error[0] != '\0')
		printf("    NOT RELOADED   the one before goes on: %s\n",
		    m->reload_error);
}

static void say_daemon(const struct qf_metrics *m, pid_t daemon)
{
	if (daemon == 0) {
		puts("daemon             not running");
		return;
	}
	printf("daemon             running, process %ld\n", (long)daemon);
	say_time("  since", m->gauge[QF_GAUGE_STARTED]);
	say_configuration(m);
	printf("  messages waiting %" PRId64 "\n"
	       "  workers          %" PRId64 " filter, %" PRId64
	       " sign, %" PRId64 " store\n",
	    m->gauge[QF_GAUGE_REQUESTS], m->gauge[QF_GAUGE_FILTER],
	    m->gauge[QF_GAUGE_SIGN], m->gauge[QF_GAUGE_STORE]);
}

static void say_average(const struct qf_histogram *h)
{
	uint64_t n = qf_numbers_total(h);

	if (n > 0)
		printf("  %" PRIu64 ".%03" PRIu64 " ms on average",
		    h->sum / n / 1000, h->sum / n % 1000);
	putchar('\n');
}

static void say_outcomes(const struct qf_metrics *m)
{
	for (int way = 0; way < QF_WAYS; way++) {
		uint64_t n = qf_numbers_total(&m->time[way]);

		printf("%s               %" PRIu64 " messages",
		    qf_numbers_way((enum qf_way)way), n);
		say_average(&m->time[way]);
		for (int code = 0; code < QF_METRICS_CODES; code++) {
			if (m->outcome[way][code] != 0)
				printf("  %3d %10" PRIu64 "  %s\n", code,
				    m->outcome[way][code],
				    code == 0 ? "accepted"
					      : qf_qqcode_find(code)->text);
		}
	}
}

static void say_troubles(const struct qf_metrics *m)
{
	static const enum qf_count troubles[] = {QF_COUNT_HUNG_UP,
	    QF_COUNT_FULL, QF_COUNT_USER_FULL, QF_COUNT_STORE_LOST,
	    QF_COUNT_DIED, QF_COUNT_LATE, QF_COUNT_NOT_LOADED};

	for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
		if (m->count[troubles[i]] != 0)
			printf("  %14" PRIu64 "  %s\n", m->count[troubles[i]],
			    qf_numbers_counts[troubles[i]].help);
	}
}

static void say_stage_lines(const struct qf_metrics *m)
{
	for (size_t i = 0; i < QF_METRICS_STAGES; i++) {
		if (!qf_numbers_is_used(m, i))
			continue;
		printf("stage %-12s", qf_numbers_stage(m, i));
		for (size_t v = 0; v < QF_METRICS_VERDICTS; v++) {
			if (m->stage[i].verdict[v] != 0)
				printf(" %s %" PRIu64, qf_numbers_verdict(v),
				    m->stage[i].verdict[v]);
		}
		say_average(&m->stage[i].time);
	}
}

static void print_status(const struct qf_metrics *m, pid_t daemon)
{
	say_daemon(m, daemon);
	say_outcomes(m);
	say_troubles(m);
	say_stage_lines(m);
}

static int run(int argc, char **argv)
{
	return qf_numbers_run(argc, argv, print_status);
}

const struct qf_command qf_command_status = {"status", "[--json]",
    "say whether the daemon runs, and what became of mail", run};
