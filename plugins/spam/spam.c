/*
 * spam: has somebody judge each message, and does with spam what the settings
 * say, or the variables of indimail's qmail-spamfilter.
 *
 * Trouble with the judge is no judgement: the stage is broken then, and mail
 * waits with code 76 unless the chain line says otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/ctl.h"
#include "lib/mail/addr.h"
#include "plugins/spam/engine.h"

static const struct engine *const engines[] = {&engine_command};

static const struct {
	const char *name;
	enum action action;
} actions[] = {
    {"reject", ACTION_REJECT},
    {"tag", ACTION_TAG},
    {"redirect", ACTION_REDIRECT},
    {"discard", ACTION_DISCARD},
    {"quarantine", ACTION_QUARANTINE},
};

/* settings */

static int32_t read_engine(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "engine", &s);

	if (rc < 0 && rc != QF_ENOENT)
		return rc;
	for (size_t i = 0; rc == 0 && i < sizeof engines / sizeof *engines;
	     i++) {
		if (qf_span_is(s, engines[i]->name)) {
			st->engine = engines[i];
			return 0;
		}
	}
	if (rc == 0 && (qf_span_is(s, "spamd") || qf_span_is(s, "rspamd")))
		h->conf_error(c, "engine", NULL, 0,
		    "spamd and rspamd are not available in this version: use "
		    "command, with spamc or rspamc as the command");
	else
		h->conf_error(
		    c, "engine", NULL, 0, "say who judges: engine=command");
	return QF_ECONF;
}

static int32_t read_action(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "action", &s);

	if (rc == QF_ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (qf_span_is(s, actions[i].name)) {
			st->action = actions[i].action;
			return 0;
		}
	}
	h->conf_error(c, "action", NULL, 0,
	    "unknown action: use reject, tag, redirect, discard or "
	    "quarantine");
	return QF_ECONF;
}

static bool is_address(struct qf_span s)
{
	return s.n > 0 && s.n <= QF_ADDR_MAX &&
	       memchr(s.p, '\n', s.n) == NULL && memchr(s.p, '\r', s.n) == NULL;
}

/* The control file globalspamredirect, which indimail has as well. */
static int32_t read_global(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	static const struct qf_span name = {"globalspamredirect", 18};
	struct qf_ctl ctl = QF_CTL_NONE;
	const char *path;
	struct qf_err e;
	int32_t rc = h->conf_path(c, name, &path);
	char *folder;

	if (rc < 0)
		return rc;
	folder = qf_strndup(path, strlen(path) - name.n - 1);
	rc = qf_ctl_open(&ctl, folder, &e);
	if (rc == 0)
		rc = qf_ctl_value(&ctl, name.p, &st->global, &e);
	if (rc == 1 && !is_address(qf_buf_span(&st->global)))
		rc = qf_fail(&e, QF_ECONF, "%s: no address", path);
	if (rc < 0)
		h->conf_error(c, NULL, NULL, 0, e.text);
	qf_ctl_close(&ctl);
	free(folder);
	return rc < 0 ? QF_ECONF : 0;
}

static int32_t read_redirect(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "redirect-to", &s);

	if (rc == 0 && !is_address(s)) {
		h->conf_error(c, "redirect-to", NULL, 0,
		    "no address: write one, or remove the setting");
		return QF_ECONF;
	}
	if (rc == 0)
		qf_buf_addspan(&st->redirect, s);
	else if (rc != QF_ENOENT)
		return rc;
	rc = read_global(h, c, st);
	if (rc == 0 && st->action == ACTION_REDIRECT && st->redirect.len == 0 &&
	    st->global.len == 0) {
		h->conf_error(c, "action", NULL, 0,
		    "redirect needs an address: set redirect-to, or the "
		    "control file globalspamredirect");
		return QF_ECONF;
	}
	return rc;
}

static int32_t read_settings(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	int32_t rc[5] = {read_engine(h, c, st), read_action(h, c, st),
	    read_redirect(h, c, st), limits_read(h, c, &st->limits), 0};

	if (rc[0] == 0)
		rc[4] = st->engine->open(h, c, st);
	for (size_t i = 0; i < sizeof rc / sizeof *rc; i++) {
		if (rc[i] < 0)
			return rc[i];
	}
	return 0;
}

/* what becomes of it */

/* The variables, in place of settings: REJECTSPAM 1 refuses, more drops. An
 * address comes before dropping. */
static enum action from_environment(
    const struct qf_host *h, struct qf_msg *m, const struct qf_buf *to)
{
	struct qf_span s;

	if (h->env(m, "REJECTSPAM", &s) < 0 || s.n == 0 || s.p[0] <= '0')
		return to->len > 0 ? ACTION_REDIRECT : ACTION_TAG;
	if (s.p[0] == '1')
		return ACTION_REJECT;
	return to->len > 0 ? ACTION_REDIRECT : ACTION_DISCARD;
}

static void choose_address(const struct qf_host *h, struct qf_msg *m,
    const struct stage *st, struct qf_buf *to)
{
	struct qf_span s;

	if (st->redirect.len > 0)
		s = qf_buf_span(&st->redirect);
	else if (h->env(m, "SPAMREDIRECT", &s) < 0 || !is_address(s))
		s = qf_buf_span(&st->global);
	qf_buf_addspan(to, s);
}

/* Puts what the filter wrote in the message's place: PASS, or a verdict. */
static int32_t take_message(struct filter *f)
{
	struct qf_err e;

	if (f == NULL)
		return QF_PASS;
	if (f->output.spool.size == 0)
		qf_fail(&e, QF_EFORMAT,
		    "it wrote no message; set output=none for one that only "
		    "judges");
	else if (filter_apply(f, &e) == 0)
		return QF_PASS;
	return filter_broken(f, &e, SPAM_TROUBLE);
}

static int32_t act_on_spam(const struct qf_host *h, struct qf_msg *m,
    enum action action, const struct qf_buf *to, struct filter *f)
{
	static const uint32_t class_of[] = {[ACTION_REJECT] = QF_REJECT,
	    [ACTION_TAG] = QF_PASS,
	    [ACTION_REDIRECT] = QF_REDIRECT,
	    [ACTION_DISCARD] = QF_DISCARD,
	    [ACTION_QUARANTINE] = QF_QUARANTINE};
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = class_of[action],
	    .category = QF_CAT_SPAM,
	    .target = to->s};
	int32_t rc;

	if (action == ACTION_TAG || action == ACTION_REDIRECT) {
		rc = take_message(f);
		if (rc != QF_PASS)
			return rc;
	}
	/* Nobody is told that spam could not be delivered to its new
	 * address. */
	if (action == ACTION_REDIRECT)
		h->sender_set(m, "");
	return h->verdict(m, &v);
}

int32_t spam_act(const struct qf_host *h, struct qf_msg *m,
    const struct stage *st, enum result result, struct filter *f)
{
	static const char *const names[] = {[RESULT_SPAM] = "spam",
	    [RESULT_HAM] = "ham",
	    [RESULT_UNSURE] = "unsure"};
	enum action action = st->action;
	struct qf_buf to = QF_BUF_INIT;
	int32_t rc;

	if (QF_HOST_HAS(h, note_set))
		h->note_set(m, "spam.result", qf_span(names[result]));
	if (result != RESULT_SPAM)
		return take_message(f);
	choose_address(h, m, st, &to);
	if (action == ACTION_ENVIRONMENT)
		action = from_environment(h, m, &to);
	if (action == ACTION_REJECT && to.len > 0)
		h->log(m, NULL, QF_LOG_WARN,
		    "spam is refused: no copy of it is redirected");
	rc = act_on_spam(h, m, action, &to, f);
	qf_buf_free(&to);
	return rc;
}

/* the plugin */

static void fini(const struct qf_host *h, void *state)
{
	struct stage *st = state;

	(void)h;
	qf_buf_free(&st->command);
	qf_buf_free(&st->redirect);
	qf_buf_free(&st->global);
	free(st);
}

static struct stage *new_stage(void)
{
	struct stage *st = qf_alloc(sizeof *st);

	st->command = (struct qf_buf)QF_BUF_INIT;
	st->redirect = (struct qf_buf)QF_BUF_INIT;
	st->global = (struct qf_buf)QF_BUF_INIT;
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
    {.key = "engine", .help = "command: a program judges; no default"},
    {.key = "action",
	.help = "what happens to spam: reject, tag, redirect, discard or "
		"quarantine; without it as REJECTSPAM says"},
    {.key = "redirect-to",
	.help = "address for spam; without it SPAMREDIRECT, then the control "
		"file globalspamredirect"},
    {.key = "command", .help = "the program; SPAMFILTER without it"},
    {.key = "spam-code", .help = "exit codes of spam; SPAMEXITCODE, 0"},
    {.key = "ham-code", .help = "exit codes of ham; HAMEXITCODE, 1"},
    {.key = "unsure-code",
	.help = "exit codes of what may be either; UNSUREEXITCODE, 2"},
    {.key = "output",
	.help = "message (the default): what the program writes; or none"},
    LIMITS_SETTINGS,
    LIMITS_SETTING_OUTPUT,
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_EDIT |                  \
	    QF_GROUP_CONTEXT | QF_GROUP_VERDICT | QF_GROUP_CONFIG |            \
	    QF_GROUP_LOG | QF_GROUP_RUN)
#define WANTS QF_GROUP_SHARE
#define EFFECTS                                                                \
	(QF_EFFECT_HEADER | QF_EFFECT_BODY | QF_EFFECT_RCPT |                  \
	    QF_EFFECT_SENDER | QF_EFFECT_DROP)
QF_PLUGIN_NOTE(NEEDS, WANTS, EFFECTS, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .abi_minor_needed = 1,
    .name = "spam",
    .version = "1.0",
    .summary = "refuses, marks or diverts spam that a program finds",
    .needs = NEEDS,
    .wants = WANTS,
    .effects = EFFECTS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
