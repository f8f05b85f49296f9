/*
 * The chain file: every line names a stage, or there is a problem; no mistake
 * makes a message pass without one. Conditions hold or not, and each term is
 * the opposite of its negation.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "frontend/chain.h"
#include "lib/base/io.h"
#include "tests/fuzz/fuzz.h"

static char dir[] = "/tmp/qfront-fuzz-XXXXXX";
static struct qf_ctl ctl = QF_CTL_NONE;

static void remove_dir(void)
{
	unlinkat(ctl.fd, "chain", 0);
	qf_ctl_close(&ctl);
	rmdir(dir);
}

static void make_dir(void)
{
	static const char *const variables[] = {
	    "TCPREMOTEIP", "RELAYCLIENT", "AUTHINFO", "TCP6REMOTEIP", "PROTO"};
	struct qf_err e;

	for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
		unsetenv(variables[i]);
	FUZZ_CHECK(mkdtemp(dir) != NULL && qf_ctl_open(&ctl, dir, &e) == 0);
	atexit(remove_dir);
}

/* A new file each time: one that is cut to nothing and written again, some file
 * systems put on disk at once. */
static void write_chain(struct qf_span in)
{
	int fd;

	unlinkat(ctl.fd, "chain", 0);
	fd = openat(
	    ctl.fd, "chain", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	FUZZ_CHECK(fd >= 0 && qf_write_all(fd, in.p, in.n) == 0);
	close(fd);
}

/* Lines that are neither empty nor a comment. */
static size_t count_lines(struct qf_span in)
{
	struct qf_span line;
	size_t n = 0;

	while (in.n > 0) {
		if (!qf_span_cut(&in, '\n', &line)) {
			line = in;
			in.n = 0;
		}
		line = qf_span_trim(line);
		n += line.n > 0 && line.p[0] != '#';
	}
	return n;
}

static bool is_name(const char *s)
{
	return s[0] >= 'a' && s[0] <= 'z' &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static void check_stage(const struct qf_stage *s, const struct qf_subject *to)
{
	FUZZ_CHECK(is_name(s->plugin));
	FUZZ_CHECK(s->instance == NULL || is_name(s->instance));
	FUZZ_CHECK(strncmp(s->name, s->plugin, strlen(s->plugin)) == 0);
	FUZZ_CHECK(s->timeout_ms >= 0 && s->timeout_ms <= 86400000);
	FUZZ_CHECK(s->onerror <= QF_ONERROR_PASS);
	for (size_t i = 0; i < s->nsettings; i++)
		FUZZ_CHECK(is_name(s->setting[i].key));
	if (s->conditions == NULL)
		FUZZ_CHECK(qf_condition_holds(s->conditions, to));
	else
		qf_condition_holds(s->conditions, to);
}

static void check_chain(struct qf_span in, const struct qf_subject *to)
{
	struct qf_problems p = {0};
	struct qf_chain c;
	int rc;

	write_chain(in);
	rc = qf_chain_load(&c, &ctl, NULL, &p);
	FUZZ_CHECK((rc == 0) == (p.count == 0));
	FUZZ_CHECK(rc == 0 || (rc == QF_ECONF && p.first.text[0] != '\0'));
	FUZZ_CHECK(c.n == count_lines(in) || rc < 0);
	for (size_t i = 0; i < c.n; i++) {
		FUZZ_CHECK(
		    c.stage[i].name != NULL && c.stage[i].plugin != NULL);
		if (i > 0)
			FUZZ_CHECK(c.stage[i].line > c.stage[i - 1].line);
		if (rc == 0)
			check_stage(&c.stage[i], to);
	}
	qf_chain_free(&c);
}

/* One term, as it is and negated. */
static void check_term(struct qf_span term, const struct qf_subject *to)
{
	struct qf_condition *plain = NULL, *negated = NULL;
	struct qf_arena arena = {0};
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e;
	int rc = qf_condition_add(&plain, &arena, term, &e);

	FUZZ_CHECK(rc == 0 || rc == QF_ECONF);
	if (term.n > 0 && term.p[0] != '!' &&
	    memchr(term.p, ',', term.n) == NULL) {
		qf_buf_addc(&b, '!');
		qf_buf_addspan(&b, term);
		FUZZ_CHECK(qf_condition_add(
			       &negated, &arena, qf_buf_span(&b), &e) == rc);
		if (rc == 0)
			FUZZ_CHECK(qf_condition_holds(plain, to) !=
				   qf_condition_holds(negated, to));
	}
	qf_buf_free(&b);
	qf_arena_free(&arena);
}

/* The words behind each `if=`. */
static void check_terms(struct qf_span in, const struct qf_subject *to)
{
	const char *at;

	for (int n = 0; n < 100; n++) {
		struct qf_span term;

		at = memmem(in.p, in.n, "if=", 3);
		if (at == NULL)
			return;
		in.n -= (size_t)(at + 3 - in.p);
		in.p = at + 3;
		term = qf_span_n(in.p, 0);
		while (term.n < in.n &&
		       memchr(" \t\n\0", term.p[term.n], 4) == NULL)
			term.n++;
		check_term(term, to);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span in = qf_span_n((const char *)data, size);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_context context;
	struct qf_subject subject = {.context = &context,
	    .envelope = &env,
	    .rcpt = "b@y.example",
	    .size = 5000};

	if (ctl.fd < 0)
		make_dir();
	qf_envelope_set_sender(&env, qf_span("a@x.example"));
	qf_envelope_add_rcpt(&env, qf_span("b@y.example"));
	qf_context_init(&context, &env);
	check_chain(in, &subject);
	if (in.n > 0)
		check_terms(in, &subject);
	qf_envelope_free(&env);
	return 0;
}
