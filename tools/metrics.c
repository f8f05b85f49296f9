/*
 * qfrontctl metrics: the numbers of frontend/metrics.h as OpenMetrics text (the
 * specification of that name, version 1.0).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/command.h"
#include "tools/numbers.h"

static void say_family(const char *name, const char *type, const char *help)
{
	size_t n = strlen(name);

	printf("# TYPE qfront_%s %s\n", name, type);
	if (n > 8 && strcmp(name + n - 8, "_seconds") == 0)
		printf("# UNIT qfront_%s seconds\n", name);
	else if (n > 6 && strcmp(name + n - 6, "_bytes") == 0)
		printf("# UNIT qfront_%s bytes\n", name);
	printf("# HELP qfront_%s %s\n", name, help);
}

/* A label's value: whatever its bytes are, the line stays one. */
static void say_value(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else
			putchar(c < ' ' || c > 126 ? '?' : c);
	}
	putchar('"');
}

static void say_seconds(uint64_t us)
{
	printf("%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

static void say_histogram(const char *name, const char *label,
    const char *value, const struct qf_histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < QF_METRICS_BUCKETS; i++) {
		int64_t most = qf_numbers_most(i);

		n += h->bucket[i];
		printf("qfront_%s_bucket{%s=", name, label);
		say_value(value);
		fputs(",le=\"", stdout);
		if (most < 0)
			fputs("+Inf", stdout);
		else
			say_seconds((uint64_t)most);
		printf("\"} %" PRIu64 "\n", n);
	}
	printf("qfront_%s_sum{%s=", name, label);
	say_value(value);
	fputs("} ", stdout);
	say_seconds(h->sum);
	printf("\nqfront_%s_count{%s=", name, label);
	say_value(value);
	printf("} %" PRIu64 "\n", n);
}

static void say_messages(const struct qf_metrics *m)
{
	say_family("messages", "counter",
	    "Messages by how they were served and the code of their answer.");
	for (int way = 0; way < QF_WAYS; way++) {
		for (int code = 0; code < QF_METRICS_CODES; code++) {
			if (m->outcome[way][code] != 0)
				printf("qfront_messages_total{way=\"%s\","
				       "code=\"%d\"} %" PRIu64 "\n",
				    qf_numbers_way((enum qf_way)way), code,
				    m->outcome[way][code]);
		}
	}
	say_family("message_duration_seconds", "histogram",
	    "Time from a message's arrival to its answer.");
	for (int way = 0; way < QF_WAYS; way++)
		say_histogram("message_duration_seconds", "way",
		    qf_numbers_way((enum qf_way)way), &m->time[way]);
}

static void say_stages(const struct qf_metrics *m)
{
	say_family("stage_verdicts", "counter",
	    "Runs of stages by their verdict, or that they were skipped.");
	for (size_t i = 0; i < QF_METRICS_STAGES; i++) {
		for (size_t v = 0; v < QF_METRICS_VERDICTS; v++) {
			if (m->stage[i].verdict[v] == 0)
				continue;
			fputs("qfront_stage_verdicts_total{stage=", stdout);
			say_value(qf_numbers_stage(m, i));
			printf(",verdict=\"%s\"} %" PRIu64 "\n",
			    qf_numbers_verdict(v), m->stage[i].verdict[v]);
		}
	}
	say_family(
	    "stage_duration_seconds", "histogram", "Time that stages took.");
	for (size_t i = 0; i < QF_METRICS_STAGES; i++) {
		if (qf_numbers_is_used(m, i))
			say_histogram("stage_duration_seconds", "stage",
			    qf_numbers_stage(m, i), &m->stage[i].time);
	}
}

static void say_all(const struct qf_metrics *m, pid_t daemon)
{
	say_messages(m);
	say_stages(m);
	for (int i = 0; i < QF_COUNTS; i++) {
		say_family(qf_numbers_counts[i].name, "counter",
		    qf_numbers_counts[i].help);
		printf("qfront_%s_total %" PRIu64 "\n",
		    qf_numbers_counts[i].name, m->count[i]);
	}
	say_family("daemon_up", "gauge", "1 while a daemon runs.");
	printf("qfront_daemon_up %d\n", daemon != 0);
	for (int i = 0; i < QF_GAUGES && daemon != 0; i++) {
		say_family(qf_numbers_gauges[i].name, "gauge",
		    qf_numbers_gauges[i].help);
		printf("qfront_%s %" PRId64 "\n", qf_numbers_gauges[i].name,
		    m->gauge[i]);
	}
	puts("# EOF");
}

static int run(int argc, char **argv)
{
	return qf_numbers_run(argc, argv, say_all);
}

const struct qf_command qf_command_metrics = {
    "metrics", "[--json]", "print what was counted, as OpenMetrics text", run};
