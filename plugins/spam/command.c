/*
 * engine=command: the contract of SPAMFILTER. A program without a shell reads
 * the message and writes it again, with fields that say what it found; its exit
 * code is the result. The defaults are those of bogofilter.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/program.h"
#include "plugins/spam/engine.h"

/* What the exit codes mean: the setting, the variable, the default. */
static const struct {
	const char *key, *variable;
	unsigned char fallback;
} meanings[RESULTS] = {
    [RESULT_SPAM] = {"spam-code", "SPAMEXITCODE", 0},
    [RESULT_HAM] = {"ham-code", "HAMEXITCODE", 1},
    [RESULT_UNSURE] = {"unsure-code", "UNSUREEXITCODE", 2},
};

/* settings */

/* Numbers with commas. */
static bool parse_codes(struct qf_span s, struct codes *out)
{
	bool more = true;

	while (more) {
		unsigned long long n;
		struct qf_span one;

		more = qf_span_cut(&s, ',', &one);
		if (!qf_span_u64(qf_span_trim(more ? one : s), 255, &n))
			return false;
		out->is[n] = true;
	}
	return out->given = true;
}

static int32_t read_codes(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	int32_t result = 0;

	for (size_t i = 0; i < RESULTS; i++) {
		struct qf_span s;
		int32_t rc = h->conf_get(c, meanings[i].key, &s);

		if (rc == QF_ENOENT ||
		    (rc == 0 && parse_codes(s, &st->codes[i])))
			continue;
		if (rc < 0)
			return rc;
		h->conf_error(c, meanings[i].key, NULL, 0,
		    "no exit codes: write numbers from 0 to 255, with commas");
		result = QF_ECONF;
	}
	return result;
}

static bool means(const struct codes *codes, size_t i, int code)
{
	return codes[i].given ? codes[i].is[code]
			      : code == meanings[i].fallback;
}

/* One code with two meanings would make spam of ham. */
static int32_t check_codes(
    const struct qf_host *h, const struct qf_conf *c, const struct stage *st)
{
	for (int code = 0; code < 256; code++) {
		int n = 0;

		for (size_t i = 0; i < RESULTS; i++)
			n += means(st->codes, i, code);
		if (n < 2)
			continue;
		h->conf_error(c, NULL, NULL, 0,
		    "an exit code has two meanings: set spam-code, ham-code "
		    "and unsure-code to different ones (without them they are "
		    "0, 1 and 2)");
		return QF_ECONF;
	}
	return 0;
}

static int32_t read_output(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "output", &s);

	if (rc == QF_ENOENT || (rc == 0 && qf_span_is(s, "message")))
		return 0;
	st->keep = rc == 0 && qf_span_is(s, "none");
	if (rc < 0 || st->keep)
		return rc;
	h->conf_error(c, "output", NULL, 0,
	    "unknown: use message (what it writes replaces the message) or "
	    "none");
	return QF_ECONF;
}

static int32_t find_program(struct qf_strv *argv, struct qf_buf *path,
    const char *command, struct qf_err *e)
{
	int rc = qf_program_words(argv, command, e);

	return rc < 0 ? rc : qf_program_find(path, argv->v[0], e);
}

static int32_t read_command(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	struct qf_buf path = QF_BUF_INIT;
	struct qf_strv argv = {0};
	struct qf_span s;
	struct qf_err e;
	int32_t rc = h->conf_get(c, "command", &s);

	if (rc == QF_ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	qf_buf_addspan(&st->command, s);
	rc = find_program(&argv, &path, st->command.s, &e);
	if (rc < 0)
		h->conf_error(c, "command", NULL, 0, e.text);
	qf_strv_free(&argv);
	qf_buf_free(&path);
	return rc < 0 ? QF_ECONF : 0;
}

static int32_t open_stage(
    const struct qf_host *h, const struct qf_conf *c, struct stage *st)
{
	int32_t command = read_command(h, c, st);
	int32_t output = read_output(h, c, st);
	int32_t codes = read_codes(h, c, st);

	if (codes == 0 && st->command.len > 0)
		codes = check_codes(h, c, st);
	return command < 0 ? command : output < 0 ? output : codes;
}

/* messages */

/* Without a setting the variable counts: 0, or QF_ECONF. */
static int read_variables(
    struct filter *f, struct codes codes[RESULTS], struct qf_err *e)
{
	for (size_t i = 0; i < RESULTS; i++) {
		const char *name = meanings[i].variable;
		struct qf_span s;

		if (codes[i].given || f->h->env(f->m, name, &s) < 0 ||
		    s.n == 0 || parse_codes(s, &codes[i]))
			continue;
		return qf_fail(e, QF_ECONF,
		    "%s is no exit code: use numbers from 0 to 255", name);
	}
	return 0;
}

static int32_t judge(
    struct filter *f, const struct codes *codes, const struct stage *st)
{
	struct qf_err e;
	int32_t rc;

	for (int i = 0; i < RESULTS; i++) {
		if (means(codes, (size_t)i, f->code))
			return spam_act(f->h, f->m, st, (enum result)i,
			    st->keep ? NULL : f);
	}
	rc = filter_refusal(f);
	if (rc != QF_ENOENT)
		return rc;
	qf_fail(&e, QF_EPROTO, "exit code %d means nothing here", f->code);
	return filter_broken(f, &e, SPAM_TROUBLE);
}

static int32_t run(const struct qf_host *h, struct qf_msg *m,
    const struct stage *st, const char *command)
{
	struct codes codes[RESULTS];
	struct qf_buf path = QF_BUF_INIT;
	struct qf_strv argv = {0};
	struct filter f;
	struct qf_err e;
	int32_t rc;

	filter_init(&f, h, m, &st->limits);
	f.name = command;
	f.to_eof = true;
	filter_setenv(&f, "FILTERARGS", NULL);
	filter_setenv(&f, "SPAMFILTER", NULL);
	memcpy(codes, st->codes, sizeof codes);
	rc = read_variables(&f, codes, &e);
	if (rc == 0)
		rc = find_program(&argv, &path, command, &e);
	if (rc == 0) {
		f.name = argv.v[0];
		f.path = path.s;
		f.argv = argv.v;
		rc = filter_run(&f, &e);
	}
	rc =
	    rc < 0 ? filter_broken(&f, &e, SPAM_TROUBLE) : judge(&f, codes, st);
	filter_free(&f);
	qf_strv_free(&argv);
	qf_buf_free(&path);
	return rc;
}

static bool is_set(const struct qf_host *h, struct qf_msg *m, const char *name)
{
	struct qf_span s;

	return h->env(m, name, &s) == 0;
}

static int32_t message(
    const struct qf_host *h, struct qf_msg *m, const struct stage *st)
{
	struct qf_buf command = QF_BUF_INIT;
	struct qf_span var;
	int32_t rc = QF_PASS;

	if (st->command.len > 0) {
		qf_buf_addspan(&command, qf_buf_span(&st->command));
	} else if (h->env(m, "SPAMFILTER", &var) == 0) {
		h->env_take(m, "SPAMFILTER");
		qf_buf_addspan(&command, qf_span_trim(var));
	}
	if ((is_set(h, m, "RELAYCLIENT") || is_set(h, m, "AUTHINFO")) &&
	    is_set(h, m, "RELAYCLIENT_NOSPAMFILTER"))
		qf_buf_reset(&command);
	if (command.len > 0)
		rc = run(h, m, st, command.s);
	qf_buf_free(&command);
	return rc;
}

const struct engine engine_command = {"command", open_stage, message};
