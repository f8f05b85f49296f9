#include "tools/numbers.h"

#include <stdio.h>
#include <string.h>

#include "frontend/outcome.h"
#include "tools/command.h"

const struct qf_number qf_numbers_counts[QF_COUNTS] = {
    [QF_COUNT_BYTES] = {"message_bytes", "Bytes of messages that came in."},
    [QF_COUNT_HUNG_UP] = {"clients_gone",
	"Clients that left before they had an answer."},
    [QF_COUNT_FULL] = {"requests_put_off",
	"Messages put off because requestsmax were waiting."},
    [QF_COUNT_USER_FULL] = {"requests_put_off_user",
	"Messages put off because requestsuser of one user were waiting."},
    [QF_COUNT_STORE_LOST] = {"store_workers_lost",
	"Processes of the queue that ended with a message."},
    [QF_COUNT_FORKED] = {"workers_started", "Workers that were started."},
    [QF_COUNT_RETIRED] = {"workers_retired",
	"Workers that ended after their share of messages."},
    [QF_COUNT_DIED] = {"workers_died", "Workers that crashed or were killed."},
    [QF_COUNT_LATE] = {"workers_late",
	"Workers that were killed because a stage took too long."},
    [QF_COUNT_LOADED] = {"generations_loaded",
	"Configurations that came to serve."},
    [QF_COUNT_NOT_LOADED] = {"generations_failed",
	"Configurations that did not load."},
};

const struct qf_number qf_numbers_gauges[QF_GAUGES] = {
    [QF_GAUGE_STARTED] = {"start_time_seconds",
	"When the daemon began, in seconds since 1970."},
    [QF_GAUGE_LOADED] = {"load_time_seconds",
	"When the serving configuration was loaded, in seconds since 1970."},
    [QF_GAUGE_GENERATION] = {"generation",
	"Number of the configuration that serves."},
    [QF_GAUGE_REQUESTS] = {"requests", "Messages without an answer as yet."},
    [QF_GAUGE_FILTER] = {"filter_workers", "Workers that hold no keys."},
    [QF_GAUGE_SIGN] = {"sign_workers", "Workers that hold keys."},
    [QF_GAUGE_STORE] = {"store_workers", "Processes that write the queue."},
};

const char *qf_numbers_way(enum qf_way way)
{
	return way == QF_WAY_WARM ? "warm" : "cold";
}

const char *qf_numbers_verdict(size_t verdict)
{
	return verdict == QF_METRICS_SKIPPED ? "skipped"
					     : qf_class_name((uint32_t)verdict);
}

int64_t qf_numbers_most(size_t bucket)
{
	return bucket < QF_METRICS_BUCKETS - 1 ? (int64_t)100 << bucket : -1;
}

uint64_t qf_numbers_total(const struct qf_histogram *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < QF_METRICS_BUCKETS; i++)
		n += h->bucket[i];
	return n;
}

const char *qf_numbers_stage(const struct qf_metrics *m, size_t i)
{
	return i == QF_METRICS_STAGES - 1 ? "(others)" : m->stage[i].name;
}

bool qf_numbers_is_used(const struct qf_metrics *m, size_t i)
{
	for (size_t v = 0; v < QF_METRICS_VERDICTS; v++) {
		if (m->stage[i].verdict[v] != 0)
			return true;
	}
	return false;
}

int qf_numbers_run(
    int argc, char **argv, void (*print)(const struct qf_metrics *, pid_t))
{
	static struct qf_metrics m;
	struct qf_err e;
	pid_t daemon;

	if (argc == 2 && strcmp(argv[1], "--json") == 0)
		print = qf_numbers_print_json;
	else if (argc != 1)
		return QF_USAGE;
	if (qf_metrics_read(&m, &daemon, &e) < 0) {
		fprintf(stderr,
		    "qfrontctl: no numbers: %s; see qfront-metrics(5)\n",
		    e.text);
		return QF_TROUBLE;
	}
	print(&m, daemon);
	return QF_DONE;
}
