/*
 * What a worker hands to the dispatcher when a plugin has taken it over: a
 * share, and verdicts for recipients. It is refused, or it is sound.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "frontend/fates.h"
#include "frontend/outcome.h"
#include "frontend/results.h"
#include "lib/base/io.h"
#include "lib/mail/addr.h"
#include "lib/mail/authres.h"
#include "tests/fuzz/fuzz.h"

/* Whatever results it holds are written as one field, or there is none. */
static void check_results(const struct qf_share *s)
{
	static const char message[] = "Subject: x\n\nbody\n";
	int fd = memfd_create("fuzz", MFD_CLOEXEC), out = -1;
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e;
	int rc;

	FUZZ_CHECK(
	    fd >= 0 && qf_write_all(fd, message, sizeof message - 1) == 0);
	rc = qf_results_write(s, "mx.example.org", fd, &out, &e);
	FUZZ_CHECK(rc == 0 || rc == 1 || rc == QF_EPROTO);
	FUZZ_CHECK((rc == 1) == (out >= 0));
	if (rc == 1) {
		FUZZ_CHECK(lseek(out, 0, SEEK_SET) == 0 &&
			   qf_read_all(out, &b, NULL) == 0);
		FUZZ_CHECK(strlen(b.s) == b.len);
		FUZZ_CHECK(qf_authres_is_ours(
		    qf_span_n(b.s, b.len - (sizeof message - 1)),
		    "mx.example.org"));
		close(out);
	}
	qf_buf_free(&b);
	close(fd);
}

static void check_share(struct qf_span in)
{
	struct qf_share s = {0}, again = {0};
	struct qf_buf b = QF_BUF_INIT, c = QF_BUF_INIT;
	struct qf_err e;

	if (qf_share_parse(&s, in, &e) < 0) {
		FUZZ_CHECK(e.rc == QF_EPROTO && s.n == 0);
		qf_share_free(&s);
		return;
	}
	FUZZ_CHECK(s.bytes <= QF_SHARE_MAX && s.n <= QF_SHARE_RECORDS);
	for (size_t i = 0; i < s.n; i++)
		FUZZ_CHECK(s.v[i].key != NULL &&
			   s.v[i].value.p[s.v[i].value.n] == '\0');
	qf_share_format(&s, &b);
	FUZZ_CHECK(qf_share_parse(&again, qf_buf_span(&b), &e) == 0);
	qf_share_format(&again, &c);
	FUZZ_CHECK(qf_span_eq(qf_buf_span(&b), qf_buf_span(&c)));
	FUZZ_CHECK(qf_results_are_same(&s, &again));
	check_results(&s);
	qf_buf_free(&b);
	qf_buf_free(&c);
	qf_share_free(&s);
	qf_share_free(&again);
}

static void check_fate(
    const struct qf_judgement *j, const struct qf_envelope *rcpts)
{
	FUZZ_CHECK(rcpts->nrcpt > 0);
	FUZZ_CHECK(!qf_class_goes_on(j->class_));
	FUZZ_CHECK(memchr(j->text, '\0', sizeof j->text) != NULL);
	FUZZ_CHECK(memchr(j->status, '\0', sizeof j->status) != NULL);
	for (size_t i = 0; i < rcpts->nrcpt; i++)
		FUZZ_CHECK(strlen(qf_envelope_rcpt(rcpts, i)) <= QF_ADDR_MAX);
}

static void check_fates(struct qf_span in)
{
	struct qf_err e;
	int rc;

	do {
		struct qf_envelope rcpts = QF_ENVELOPE_INIT;
		struct qf_judgement j;
		size_t left = in.n;

		rc = qf_fates_next(&in, &j, &rcpts, &e);
		FUZZ_CHECK(rc == 0 || rc == 1 || rc == QF_EPROTO);
		FUZZ_CHECK((rc == 0) == (left == 0));
		if (rc == 1) {
			FUZZ_CHECK(in.n < left);
			check_fate(&j, &rcpts);
		}
		qf_envelope_free(&rcpts);
	} while (rc == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span in = qf_span_n((const char *)data, size);

	check_share(in);
	check_fates(in);
	return 0;
}
