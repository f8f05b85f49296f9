/*
 * What was counted, for programs: one JSON object.
 */
#include <stdio.h>

#include "lib/base/json.h"
#include "tools/numbers.h"

static void add_histogram(struct qf_json *j, const struct qf_histogram *h)
{
	qf_json_object(j, "time");
	qf_json_number(j, "count", (int64_t)qf_numbers_total(h));
	qf_json_number(j, "sum_us", (int64_t)h->sum);
	qf_json_array(j, "buckets");
	for (size_t i = 0; i < QF_METRICS_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		qf_json_object(j, NULL);
		qf_json_number(j, "most_us", qf_numbers_most(i));
		qf_json_number(j, "count", (int64_t)h->bucket[i]);
		qf_json_end(j);
	}
	qf_json_end(j);
	qf_json_end(j);
}

static void add_messages(struct qf_json *j, const struct qf_metrics *m)
{
	qf_json_object(j, "messages");
	for (int way = 0; way < QF_WAYS; way++) {
		qf_json_object(j, qf_numbers_way((enum qf_way)way));
		qf_json_object(j, "codes");
		for (int code = 0; code < QF_METRICS_CODES; code++) {
			char name[16];

			snprintf(name, sizeof name, "%d", code);
			if (m->outcome[way][code] != 0)
				qf_json_number(
				    j, name, (int64_t)m->outcome[way][code]);
		}
		qf_json_end(j);
		add_histogram(j, &m->time[way]);
		qf_json_end(j);
	}
	qf_json_end(j);
}

static void add_stages(struct qf_json *j, const struct qf_metrics *m)
{
	qf_json_array(j, "stages");
	for (size_t i = 0; i < QF_METRICS_STAGES; i++) {
		if (!qf_numbers_is_used(m, i))
			continue;
		qf_json_object(j, NULL);
		qf_json_text(j, "stage", qf_numbers_stage(m, i));
		qf_json_object(j, "verdicts");
		for (size_t v = 0; v < QF_METRICS_VERDICTS; v++) {
			if (m->stage[i].verdict[v] != 0)
				qf_json_number(j, qf_numbers_verdict(v),
				    (int64_t)m->stage[i].verdict[v]);
		}
		qf_json_end(j);
		add_histogram(j, &m->stage[i].time);
		qf_json_end(j);
	}
	qf_json_end(j);
}

void qf_numbers_print_json(const struct qf_metrics *m, pid_t daemon)
{
	struct qf_buf out = QF_BUF_INIT;
	struct qf_json j = {.out = &out};

	qf_json_object(&j, NULL);
	qf_json_bool(&j, "daemon_up", daemon != 0);
	if (daemon != 0)
		qf_json_number(&j, "daemon_pid", daemon);
	qf_json_text(&j, "reload_error",
	    m->reload_error[0] != '\0' ? m->reload_error : NULL);
	for (int i = 0; i < QF_GAUGES && daemon != 0; i++)
		qf_json_number(&j, qf_numbers_gauges[i].name, m->gauge[i]);
	for (int i = 0; i < QF_COUNTS; i++)
		qf_json_number(
		    &j, qf_numbers_counts[i].name, (int64_t)m->count[i]);
	add_messages(&j, m);
	add_stages(&j, m);
	qf_json_end(&j);
	fwrite(out.s, 1, out.len, stdout);
	qf_buf_free(&out);
}
