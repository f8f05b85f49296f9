#include "plugins/common/filter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "plugins/common/rewrite.h"

void filter_init(struct filter *f, const struct qf_host *h, struct qf_msg *m,
    const struct limits *limits)
{
	struct qf_iter it = {0};
	struct qf_span var;

	*f = (struct filter){.h = h,
	    .m = m,
	    .limits = limits,
	    .envelope_fd = -1,
	    .output.spool = QF_SPOOL_INIT,
	    .envelope.spool = QF_SPOOL_INIT};
	lines_init(&f->log, h, m);
	f->output.most = limits_output(limits, h->size_of(m));
	while (h->env_next(m, &it, &var) == 1)
		qf_strv_add_span(&f->env, var);
	filter_setenv(f, "ERROR_FD", "2");
}

void filter_free(struct filter *f)
{
	qf_strv_free(&f->env);
	qf_spool_close(&f->output.spool);
	qf_spool_close(&f->envelope.spool);
	lines_free(&f->log);
}

void filter_setenv(struct filter *f, const char *name, const char *value)
{
	struct qf_buf var = QF_BUF_INIT;
	size_t n = 0;

	qf_buf_addf(&var, "%s=", name);
	for (size_t i = 0; i < f->env.n; i++) {
		if (strncmp(f->env.v[i], var.s, var.len) == 0)
			free(f->env.v[i]);
		else
			f->env.v[n++] = f->env.v[i];
	}
	f->env.n = n;
	if (f->env.v != NULL)
		f->env.v[n] = NULL;
	if (value != NULL) {
		qf_buf_adds(&var, value);
		qf_strv_add(&f->env, var.s);
	}
	qf_buf_free(&var);
}

/* output */

static int take_bytes(void *arg, struct qf_span bytes, struct qf_err *e)
{
	struct filter_sink *s = arg;

	if (bytes.n > s->most - s->spool.size)
		return qf_fail(e, QF_ETOOLONG,
		    "it wrote more than %llu bytes (max-output)",
		    (unsigned long long)s->most);
	return qf_spool_write(&s->spool, bytes.p, bytes.n, e);
}

/* running */

static int run(struct filter *f, int message, int *status, struct qf_err *e)
{
	struct qf_child_limit limits[LIMITS_MAX];
	struct qf_child_fd fds[FILTER_FDS + 1];
	struct qf_run_out out[3] = {{.to = 1,
					.take = take_bytes,
					.arg = &f->output,
					.to_eof = f->to_eof},
	    {.to = 2, .take = lines_take, .arg = &f->log},
	    {.to = f->envelope_fd,
		.take = take_bytes,
		.arg = &f->envelope,
		.to_eof = f->to_eof}};
	struct qf_run r = {.child = {.path = f->path,
			       .argv = f->argv,
			       .envp = f->env.v,
			       .fds = fds,
			       .nfds = f->nfds + 1,
			       .limits = limits},
	    .out = out,
	    .nout = f->envelope_fd < 0 ? 2 : 3,
	    .deadline = qf_deadline_in(limits_time(f->h, f->m))};

	fds[0] = (struct qf_child_fd){0, message};
	memcpy(fds + 1, f->fds, f->nfds * sizeof *fds);
	r.child.nlimits = limits_of_child(f->limits, limits);
	return qf_run(&r, status, e);
}

static int finish(struct filter *f, int status, struct qf_err *e)
{
	int rc = 0;

	if (WIFSIGNALED(status))
		return qf_fail(e, QF_ECRASH, "it was killed by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	f->code = WEXITSTATUS(status);
	rc = qf_spool_finish(&f->output.spool, e);
	if (rc == 0 && f->envelope_fd >= 0)
		rc = qf_spool_finish(&f->envelope.spool, e);
	return rc;
}

int filter_run(struct filter *f, struct qf_err *e)
{
	int64_t start = qf_clock_mono_us();
	struct qf_buf what = QF_BUF_INIT;
	int32_t shared = f->h->fd(f->m);
	int message = -1, status = 0, rc;

	if (shared < 0)
		return qf_fail(e, shared, "no descriptor for the message");
	/* Its own: the filter may move where it stands. */
	message = qf_reopen(shared);
	if (message < 0)
		return qf_fail_sys(e, QF_EREAD, "message");
	rc = qf_spool_open(&f->output.spool, e);
	if (rc == 0 && f->envelope_fd >= 0)
		rc = qf_spool_open(&f->envelope.spool, e);
	if (rc == 0) {
		f->log.name = f->name;
		f->log.complainer = f->argv[0];
		rc = run(f, message, &status, e);
		lines_end(&f->log);
		qf_buf_addf(&what, "exec %s", f->name);
		f->h->waited(f->m, what.s, qf_clock_mono_us() - start);
		qf_buf_free(&what);
	}
	qf_close(&message);
	return rc < 0 ? rc : finish(f, status, e);
}

int filter_apply(struct filter *f, struct qf_err *e)
{
	return rewrite_message(f->h, f->m, f->output.spool.fd, e);
}

/* verdicts */

int32_t filter_broken(struct filter *f, const struct qf_err *e, int code)
{
	struct qf_buf text = QF_BUF_INIT;
	struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = QF_BROKEN,
	    .category = e->rc == QF_ETIME ? QF_CAT_TIMEOUT : QF_CAT_NONE,
	    .code = (uint32_t)code,
	};
	int32_t rc;

	qf_buf_addf(&text, "%s: %s", f->name, e->text);
	v.text = text.s;
	rc = f->h->verdict(f->m, &v);
	qf_buf_free(&text);
	return rc;
}

/* The text of a filter that ended with 88: D or Z, then what the sender is
 * told. Without that it says no more than "not now". */
static int32_t own_text(struct filter *f)
{
	const char *text = f->log.last.s;
	bool said = (text[0] == 'D' || text[0] == 'Z') && f->log.last.len > 2;
	struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = said && text[0] == 'D' ? QF_REJECT : QF_DEFER,
	    .text = said ? text + 1 : NULL,
	};

	return f->h->verdict(f->m, &v);
}

int32_t filter_refusal(struct filter *f)
{
	static const struct {
		int code;
		uint32_t class_;
	} codes[] = {
	    {31, QF_REJECT}, {100, QF_REJECT}, {71, QF_DEFER}, {111, QF_DEFER}};
	struct qf_verdict v = {.size = sizeof v};

	lines_say(&f->log, QF_LOG_INFO, "exit code %d", f->code);
	if (f->code == 88)
		return own_text(f);
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		if (codes[i].code == f->code) {
			v.class_ = codes[i].class_;
			return f->h->verdict(f->m, &v);
		}
	}
	return QF_ENOENT;
}

int32_t filter_verdict(struct filter *f)
{
	static const struct qf_verdict drop = {
	    .size = sizeof drop, .class_ = QF_DISCARD};
	int32_t rc = filter_refusal(f);

	if (f->code == 2 || f->code == 99)
		return f->h->verdict(f->m, &drop);
	return rc;
}
