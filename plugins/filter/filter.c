/*
 * filter: runs programs that were written as filters for other qmails, as they
 * are. The engines keep what each was promised: descriptors, variables, exit
 * codes.
 *
 * A filter's answer counts only when it is whole: one that crashes, is late or
 * writes something that can not be sent on leaves the message as it was, and
 * the chain line's onerror decides.
 */
#include <stdlib.h>

#include "lib/base/alloc.h"
#include "plugins/filter/engine.h"

static const struct engine *const engines[] = {&engine_shell, &engine_qfilter};

static int32_t read_engine(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "engine", &s);

	st->engine = engines[0];
	if (rc == QF_ENOENT)
		return 0;
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
		if (rc == 0 && qf_span_is(s, engines[i]->name)) {
			st->engine = engines[i];
			return 0;
		}
	}
	if (rc < 0)
		return rc;
	h->conf_error(
	    c, "engine", NULL, 0, "unknown engine: use shell or qfilter");
	return QF_ECONF;
}

static int32_t read_settings(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span command;
	int32_t engine = read_engine(h, c, st);
	int32_t limits = limits_read(h, c, &st->limits);
	int32_t rc = h->conf_get(c, "command", &command);

	if (rc == 0)
		qf_buf_addspan(&st->command, qf_span_trim(command));
	if (rc == 0 && st->command.len == 0) {
		h->conf_error(c, "command", NULL, 0,
		    "is empty: name a program, or remove the setting");
		return QF_ECONF;
	}
	rc = 0;
	if (engine == 0 && st->engine->open != NULL)
		rc = st->engine->open(h, c, st);
	return engine < 0 ? engine : limits < 0 ? limits : rc;
}

static void fini(const struct qf_host *h, void *state)
{
	struct stage *st = state;

	(void)h;
	qf_buf_free(&st->command);
	qf_buf_free(&st->path);
	qf_strv_free(&st->argv);
	free(st);
}

static struct stage *new_stage(void)
{
	struct stage *st = qf_alloc(sizeof *st);

	st->command = (struct qf_buf)QF_BUF_INIT;
	st->path = (struct qf_buf)QF_BUF_INIT;
	return st;
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct stage *st = new_stage();
	int32_t rc = read_settings(h, c, st);

	if (rc < 0)
		fini(h, st);
	else
		*state = st;
	return rc;
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	struct stage *st = new_stage();
	int32_t rc = read_settings(h, c, st);

	fini(h, st);
	return rc;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct stage *st = state;

	return st->engine->message(h, m, st);
}

static const struct qf_setting settings[] = {
    {.key = "engine", .help = "shell (the default) or qfilter"},
    {.key = "command", .help = "what to run; shell: FILTERARGS without it"},
    LIMITS_SETTINGS,
    LIMITS_SETTING_OUTPUT,
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |              \
	    QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |              \
	    QF_GROUP_CONFIG | QF_GROUP_LOG | QF_GROUP_RUN)
#define EFFECTS (QF_EFFECT_HEADER | QF_EFFECT_BODY | QF_EFFECT_DROP)
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, 0);

#define KINDS(kind)                                                            \
	kind("engine", "qfilter", EFFECTS | QF_EFFECT_RCPT | QF_EFFECT_SENDER, \
	    0)
QF_PLUGIN_KINDS(kinds, KINDS);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .abi_minor_needed = 1,
    .name = "filter",
    .version = "1.0",
    .summary = "runs filter programs: FILTERARGS, qmail-qfilter",
    .needs = NEEDS,
    .effects = EFFECTS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
    .kinds = kinds,
};
