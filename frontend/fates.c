#include "frontend/fates.h"

#include <string.h>

#include "frontend/outcome.h"

static bool stays(const struct qf_fates *f, size_t i, size_t judgement)
{
	return f->of[i] == judgement + 1;
}

void qf_fates_format(
    const struct qf_fates *f, const struct qf_envelope *env, struct qf_buf *out)
{
	for (size_t k = 0; k < f->njudgements; k++) {
		struct qf_envelope rcpts = QF_ENVELOPE_INIT;

		if (f->judgement[k].class_ == QF_REDIRECT)
			continue;
		for (size_t i = 0; i < f->nrcpt; i++) {
			if (stays(f, i, k))
				qf_envelope_add_rcpt(
				    &rcpts, qf_span(qf_envelope_rcpt(env, i)));
		}
		if (rcpts.nrcpt > 0) {
			uint64_t n = 0;
			struct qf_buf bytes = QF_BUF_INIT;

			qf_envelope_format(&rcpts, &bytes);
			n = bytes.len;
			qf_buf_add(out, &f->judgement[k], sizeof *f->judgement);
			qf_buf_add(out, &n, sizeof n);
			qf_buf_addspan(out, qf_buf_span(&bytes));
			qf_buf_free(&bytes);
		}
		qf_envelope_free(&rcpts);
	}
}

static bool take(struct qf_span *s, void *p, size_t n)
{
	if (s->n < n)
		return false;
	memcpy(p, s->p, n);
	*s = qf_span_n(s->p + n, s->n - n);
	return true;
}

int qf_fates_next(struct qf_span *bytes, struct qf_judgement *j,
    struct qf_envelope *rcpts, struct qf_err *e)
{
	struct qf_span addresses;
	uint64_t n;

	if (bytes->n == 0)
		return 0;
	if (!take(bytes, j, sizeof *j) || !take(bytes, &n, sizeof n) ||
	    n > bytes->n)
		return qf_fail(e, QF_EPROTO, "verdicts end early");
	addresses = qf_span_n(bytes->p, n);
	*bytes = qf_span_n(bytes->p + n, bytes->n - n);
	qf_judgement_close(j);
	if (!qf_judgement_is_for_rcpt(j) ||
	    qf_envelope_parse(rcpts, addresses, e) < 0 || rcpts->nrcpt == 0)
		return qf_fail(e, QF_EPROTO, "verdicts are damaged");
	return 1;
}
