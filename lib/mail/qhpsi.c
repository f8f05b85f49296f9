#include "lib/mail/qhpsi.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/program.h"

enum {
	ARGS_MAX = 64,
	CODE_MAX = 255
};

static bool is_file_word(const char *word)
{
	return strncmp(word, "%s", 2) == 0;
}

/* NULL also for what is empty: tcprules(1) can not unset what was set. */
static const char *get(const struct qf_qhpsi_source *s, const char *name)
{
	const char *v = s->get(s->arg, name);

	return v != NULL && v[0] != '\0' ? v : NULL;
}

static int find_words(struct qf_qhpsi *q, const char *text, struct qf_err *e)
{
	struct qf_err why;

	if (strncmp(text, "plugin:", 7) == 0)
		return qf_fail(e, QF_ECONF,
		    "\"%s\" lists plugins, which this version does not have: "
		    "name a scanner program",
		    text);
	if (qf_program_words(&q->words, text, &why) < 0)
		return qf_fail(e, QF_ECONF, "%s", why.text);
	return qf_program_find(&q->path, q->words.v[0], e);
}

/* The words so far are those of QHPSI; the file name has its place then. */
static void add_file_word(struct qf_qhpsi *q, struct qf_strv *args)
{
	struct qf_strv words = {0};
	bool has = false;

	for (size_t i = 1; i < q->words.n; i++)
		has |= is_file_word(q->words.v[i]);
	for (size_t i = 0; i < args->n; i++)
		has |= is_file_word(args->v[i]);
	for (size_t i = 0; i < q->words.n; i++) {
		qf_strv_add(&words, q->words.v[i]);
		if (i == 0 && !has)
			qf_strv_add(&words, "%s");
	}
	for (size_t i = 0; i < args->n; i++)
		qf_strv_add(&words, args->v[i]);
	qf_strv_free(&q->words);
	q->words = words;
}

int qf_qhpsi_set_program(struct qf_qhpsi *q, const char *text, struct qf_err *e)
{
	struct qf_strv none = {0};
	int rc = find_words(q, text, e);

	if (rc == 0)
		add_file_word(q, &none);
	return rc;
}

int qf_qhpsi_take_program(
    struct qf_qhpsi *q, const struct qf_qhpsi_source *s, struct qf_err *e)
{
	const char *text = get(s, "QHPSI");
	struct qf_strv args = {0};
	int rc = 0;

	if (text == NULL)
		return 0;
	rc = find_words(q, text, e);
	for (int i = 1; rc == 0 && i <= ARGS_MAX; i++) {
		char name[24];

		snprintf(name, sizeof name, "QHPSIARG%d", i);
		text = get(s, name);
		if (text == NULL)
			break;
		qf_strv_add(&args, text);
	}
	if (rc == 0)
		add_file_word(q, &args);
	else
		qf_err_context(e, "QHPSI");
	qf_strv_free(&args);
	return rc;
}

static int take_number(const struct qf_qhpsi_source *s, const char *name,
    unsigned long long max, unsigned long long *out, struct qf_err *e)
{
	const char *text = get(s, name);

	if (text == NULL || qf_span_u64(qf_span(text), max, out))
		return 0;
	return qf_fail(e, QF_ECONF, "%s=%s: write a number, %llu at most", name,
	    text, max);
}

int qf_qhpsi_take_codes(
    struct qf_qhpsi *q, const struct qf_qhpsi_source *s, struct qf_err *e)
{
	unsigned long long infected = (unsigned long long)q->infected;
	unsigned long long clean = (unsigned long long)q->clean;

	if (take_number(s, "QHPSIRC", CODE_MAX, &infected, e) < 0 ||
	    take_number(s, "QHPSIRN", CODE_MAX, &clean, e) < 0)
		return QF_ECONF;
	q->infected = (int)infected;
	q->clean = (int)clean;
	if (q->infected == q->clean)
		return qf_fail(e, QF_ECONF,
		    "the scanner's exit code %d says both infected (QHPSIRC) "
		    "and clean (QHPSIRN)",
		    q->clean);
	return 0;
}

/* The right name counts where both are set. */
static int take_size(const struct qf_qhpsi_source *s, const char *name,
    const char *misspelt, uint64_t *out, struct qf_err *e)
{
	unsigned long long n = *out;
	char text[120];

	if (get(s, name) == NULL && get(s, misspelt) != NULL) {
		snprintf(text, sizeof text,
		    "%s is a slip of the manual page: the name is %s", misspelt,
		    name);
		s->warn(s->arg, text);
		name = misspelt;
	}
	if (take_number(s, name, UINT64_MAX, &n, e) < 0)
		return QF_ECONF;
	*out = n;
	return 0;
}

int qf_qhpsi_take_sizes(
    struct qf_qhpsi *q, const struct qf_qhpsi_source *s, struct qf_err *e)
{
	if (take_size(s, "QHPSIMINSIZE", "QHPSIMISIZE", &q->min, e) < 0 ||
	    take_size(s, "QHPSIMAXSIZE", "QHPPIMAXSIZE", &q->max, e) < 0)
		return QF_ECONF;
	return 0;
}

void qf_qhpsi_free(struct qf_qhpsi *q)
{
	qf_strv_free(&q->words);
	qf_buf_free(&q->path);
}

bool qf_qhpsi_applies(const struct qf_qhpsi *q, uint64_t size)
{
	return size >= q->min && (q->max == 0 || size <= q->max);
}

static int run_scanner(const struct qf_qhpsi *q, const struct qf_strv *argv,
    const struct qf_run *as, int *status, struct qf_err *e)
{
	struct qf_run run = *as;
	struct qf_run_out out;

	run.child.path = q->path.s;
	run.child.argv = argv->v;
	run.child.fds = NULL;
	run.child.nfds = 0;
	if (as->nout > 0) {
		out = as->out[0];
		out.to = 1;
		out.also = 2;
		run.out = &out;
		run.nout = 1;
	}
	return qf_run(&run, status, e);
}

int qf_qhpsi_scan(const struct qf_qhpsi *q, const char *file,
    const struct qf_run *run, int *code, struct qf_err *e)
{
	struct qf_strv argv = {0};
	int status = 0, rc;

	for (size_t i = 0; i < q->words.n; i++)
		qf_strv_add(&argv, i > 0 && is_file_word(q->words.v[i])
				       ? file
				       : q->words.v[i]);
	rc = run_scanner(q, &argv, run, &status, e);
	qf_strv_free(&argv);
	if (rc < 0)
		return rc;
	if (WIFSIGNALED(status))
		return qf_fail(e, QF_ECRASH, "it was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	*code = WEXITSTATUS(status);
	if (*code == q->infected)
		return QF_QHPSI_INFECTED;
	return *code == q->clean ? QF_QHPSI_CLEAN : QF_QHPSI_ODD;
}
