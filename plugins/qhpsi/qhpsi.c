/*
 * qhpsi: a virus scanner for each message, by settings or by the variables of
 * qmail-queue(8).
 *
 * Only a scanner that ran and said "clean" lets a message by: one that could
 * not be run, crashed or was late breaks the stage with 77, one that ended with
 * a code without a meaning with 55.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/mail/qhpsi.h"
#include "lib/mail/scanfile.h"
#include "plugins/common/limits.h"
#include "plugins/common/lines.h"

/* Exit codes that say what went wrong (qfront-exitcodes(7)). */
enum {
	NO_SENSE = 55, /* an exit code or a setting without a meaning */
	NO_FILE = 68,
	NO_SCANNER = 77
};

struct stage {
	struct qf_qhpsi scanner; /* without words: the variables count */
	/* The class for infected messages; QF_BROKEN: as REJECTVIRUS says. */
	uint32_t action;
	struct limits limits;
};

/* settings */

static int32_t mistake(const struct qf_host *h, const struct qf_conf *c,
    const char *key, const char *text)
{
	h->conf_error(c, key, NULL, 0, text);
	return QF_ECONF;
}

static int32_t read_code(
    const struct qf_host *h, const struct qf_conf *c, const char *key, int *out)
{
	unsigned long long n;
	struct qf_span s;
	int32_t rc = h->conf_get(c, key, &s);

	if (rc != 0)
		return rc == QF_ENOENT ? 0 : rc;
	if (!qf_span_u64(s, 255, &n))
		return mistake(
		    h, c, key, "no exit code: write a number from 0 to 255");
	*out = (int)n;
	return 0;
}

static int32_t read_size(const struct qf_host *h, const struct qf_conf *c,
    const char *key, uint64_t *out)
{
	unsigned long long n;
	struct qf_span s;
	int32_t rc = h->conf_get(c, key, &s);

	if (rc != 0)
		return rc == QF_ENOENT ? 0 : rc;
	if (!qf_span_size(s, &n))
		return mistake(
		    h, c, key, "no size: write bytes, or with K, M or G");
	*out = n;
	return 0;
}

static int32_t read_action(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	static const struct {
		const char *name;
		uint32_t class_;
	} actions[] = {{"reject", QF_REJECT}, {"discard", QF_DISCARD},
	    {"quarantine", QF_QUARANTINE}};
	struct qf_span s;
	int32_t rc = h->conf_get(c, "action", &s);

	if (rc != 0)
		return rc == QF_ENOENT ? 0 : rc;
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (qf_span_is(s, actions[i].name)) {
			st->action = actions[i].class_;
			return 0;
		}
	}
	return mistake(h, c, "action",
	    "unknown action: use reject, discard or quarantine");
}

static int32_t read_command(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span s;
	struct qf_err e;
	char *text;
	int32_t rc = h->conf_get(c, "command", &s);

	if (rc != 0)
		return rc == QF_ENOENT ? 0 : rc;
	text = qf_strndup(s.p, s.n);
	rc = qf_qhpsi_set_program(&st->scanner, text, &e);
	free(text);
	return rc < 0 ? mistake(h, c, "command", e.text) : 0;
}

/* What only goes with a command of the stage's own. */
static int32_t check_scanner(
    const struct qf_host *h, const struct qf_conf *c, const struct stage *st)
{
	static const char *const keys[] = {
	    "infected-code", "clean-code", "min-size", "max-size"};
	struct qf_span s;

	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		if (st->scanner.words.n == 0 &&
		    h->conf_get(c, keys[i], &s) == 0)
			return mistake(h, c, keys[i],
			    "goes with a command; without one the variables "
			    "of QHPSI count");
	}
	if (st->scanner.infected == st->scanner.clean)
		return mistake(h, c, "infected-code",
		    "is the clean-code as well: they must differ");
	return 0;
}

static int32_t read_settings(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_qhpsi *q = &st->scanner;
	const int32_t rc[] = {
	    read_command(h, c, st),
	    read_code(h, c, "infected-code", &q->infected),
	    read_code(h, c, "clean-code", &q->clean),
	    read_size(h, c, "min-size", &q->min),
	    read_size(h, c, "max-size", &q->max),
	    read_action(h, c, st),
	    limits_read(h, c, &st->limits),
	};

	for (size_t i = 0; i < sizeof rc / sizeof *rc; i++) {
		if (rc[i] < 0)
			return rc[i];
	}
	return check_scanner(h, c, st);
}

/* one message */

struct scan {
	const struct qf_host *h;
	struct qf_msg *m;
	const struct stage *st;
	struct qf_qhpsi own; /* of the variables */
	const struct qf_qhpsi *scanner;
	struct lines log;
	struct qf_strv env;
	char *value; /* of the variable that was asked for last */
};

static const char *get_variable(void *arg, const char *name)
{
	struct scan *s = arg;
	struct qf_span v;

	free(s->value);
	s->value = NULL;
	if (s->h->env(s->m, name, &v) == 0)
		s->value = qf_strndup(v.p, v.n);
	return s->value;
}

static void warn(void *arg, const char *text)
{
	struct scan *s = arg;

	s->h->log(s->m, NULL, QF_LOG_WARN, text);
}

static int read_variables(struct scan *s, struct qf_err *e)
{
	struct qf_qhpsi_source source = {get_variable, warn, s};
	int rc = qf_qhpsi_take_program(&s->own, &source, e);

	if (rc == 0 && s->own.words.n > 0)
		rc = qf_qhpsi_take_codes(&s->own, &source, e);
	if (rc == 0 && s->own.words.n > 0)
		rc = qf_qhpsi_take_sizes(&s->own, &source, e);
	return rc;
}

static int32_t broken(struct scan *s, const struct qf_err *e, int code)
{
	struct qf_buf text = QF_BUF_INIT;
	struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = QF_BROKEN,
	    .category = e->rc == QF_ETIME ? QF_CAT_TIMEOUT : QF_CAT_NONE,
	    .code = (uint32_t)code,
	};
	int32_t rc;

	qf_buf_addf(&text, "%s%s%s", s->log.name,
	    s->log.name[0] != '\0' ? ": " : "", e->text);
	v.text = text.s;
	rc = s->h->verdict(s->m, &v);
	qf_buf_free(&text);
	return rc;
}

/* 0 lets infected mail by, which must be somebody's wish; 2 drops it. */
static uint32_t class_for_infected(struct scan *s)
{
	const char *v;

	if (s->st->action != QF_BROKEN)
		return s->st->action;
	v = get_variable(s, "REJECTVIRUS");
	if (v != NULL && v[0] == '0') {
		s->h->log(s->m, NULL, QF_LOG_WARN,
		    "infected, and let by: REJECTVIRUS is 0");
		return QF_PASS;
	}
	return v != NULL && v[0] == '2' ? QF_DISCARD : QF_REJECT;
}

static int32_t infected(struct scan *s)
{
	struct qf_verdict v = {.size = sizeof v, .category = QF_CAT_VIRUS};

	lines_say(&s->log, QF_LOG_INFO, "infected");
	v.class_ = class_for_infected(s);
	return s->h->verdict(s->m, &v);
}

static int32_t judge(struct scan *s, int rc, int code, struct qf_err *e)
{
	if (rc < 0)
		return broken(s, e, NO_SCANNER);
	if (rc == QF_QHPSI_CLEAN)
		return QF_PASS;
	if (rc == QF_QHPSI_INFECTED)
		return infected(s);
	qf_fail(e, QF_EPROTO,
	    "exit code %d is neither that of an infection (%d) nor %d", code,
	    s->scanner->infected, s->scanner->clean);
	return broken(s, e, NO_SENSE);
}

static int run_scanner(
    struct scan *s, const char *file, int *code, struct qf_err *e)
{
	struct qf_child_limit limits[LIMITS_MAX];
	char *nothing[] = {NULL};
	struct qf_run_out out = {.take = lines_take, .arg = &s->log};
	struct qf_run run = {.out = &out,
	    .nout = 1,
	    .deadline = qf_deadline_in(limits_time(s->h, s->m))};
	int64_t start = qf_clock_mono_us();
	struct qf_buf what = QF_BUF_INIT;
	int rc;

	run.child.limits = limits;
	run.child.nlimits = limits_of_child(&s->st->limits, limits);
	run.child.envp = s->env.n > 0 ? s->env.v : nothing;
	rc = qf_qhpsi_scan(s->scanner, file, &run, code, e);
	lines_end(&s->log);
	qf_buf_addf(&what, "exec %s", s->log.name);
	s->h->waited(s->m, what.s, qf_clock_mono_us() - start);
	qf_buf_free(&what);
	return rc;
}

static int32_t scan(struct scan *s)
{
	int32_t shared = s->h->fd(s->m);
	struct qf_scanfile file;
	struct qf_err e;
	int code = 0, rc;

	if (shared < 0)
		return shared;
	s->log.name = s->scanner->words.v[0];
	rc = qf_scanfile_make(&file, shared, &e);
	if (rc < 0)
		return broken(s, &e, NO_FILE);
	rc = run_scanner(s, file.path, &code, &e);
	qf_scanfile_remove(&file);
	return judge(s, rc, code, &e);
}

static int32_t choose_and_scan(struct scan *s)
{
	struct qf_err e;
	int rc = 0;

	if (s->st->scanner.words.n > 0) {
		s->scanner = &s->st->scanner;
	} else {
		s->scanner = &s->own;
		rc = read_variables(s, &e);
	}
	if (rc < 0)
		return broken(s, &e, rc == QF_EEXEC ? NO_SCANNER : NO_SENSE);
	if (s->scanner->words.n == 0)
		return QF_PASS;
	if (qf_qhpsi_applies(s->scanner, s->h->size_of(s->m)))
		return scan(s);
	s->h->log(s->m, NULL, QF_LOG_INFO,
	    "not scanned: the size is not one that is");
	return QF_PASS;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	struct scan s = {.h = h, .m = m, .st = state, .own = QF_QHPSI_INIT};
	struct qf_iter it = {0};
	struct qf_span var;
	int32_t rc;

	if (s.st->scanner.words.n == 0)
		h->env_take(m, "QHPSI");
	lines_init(&s.log, h, m);
	while (h->env_next(m, &it, &var) == 1)
		qf_strv_add_span(&s.env, var);
	rc = choose_and_scan(&s);
	qf_qhpsi_free(&s.own);
	qf_strv_free(&s.env);
	lines_free(&s.log);
	free(s.value);
	return rc;
}

/* the plugin */

static void fini(const struct qf_host *h, void *state)
{
	struct stage *st = state;

	(void)h;
	qf_qhpsi_free(&st->scanner);
	free(st);
}

static struct stage *new_stage(void)
{
	struct stage *st = qf_alloc(sizeof *st);

	st->scanner = (struct qf_qhpsi)QF_QHPSI_INIT;
	st->action = QF_BROKEN;
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

static const struct qf_setting settings[] = {
    {.key = "command", .help = "the scanner; the variable QHPSI without it"},
    {.key = "infected-code",
	.help = "exit code of the command for an infection; 1"},
    {.key = "clean-code", .help = "exit code of the command for none; 0"},
    {.key = "min-size", .help = "the command sees no smaller messages; 0: all"},
    {.key = "max-size", .help = "nor larger ones; 0: all"},
    {.key = "action",
	.help = "reject, discard or quarantine; without it REJECTVIRUS, "
		"then reject"},
    LIMITS_SETTINGS,
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_CONTEXT | QF_GROUP_VERDICT |              \
	    QF_GROUP_CONFIG | QF_GROUP_LOG | QF_GROUP_RUN)
#define EFFECTS QF_EFFECT_DROP
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .abi_minor_needed = 1,
    .name = "qhpsi",
    .version = "1.0",
    .summary = "runs a virus scanner on messages",
    .needs = NEEDS,
    .effects = EFFECTS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
