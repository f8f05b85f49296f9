#include "frontend/results.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"
#include "lib/base/spool.h"
#include "lib/mail/authres.h"
#include "lib/mail/edit.h"

size_t qf_results_strip(
    struct qf_message *m, struct qf_share *share, const char *id)
{
	struct qf_envelope none = QF_ENVELOPE_INIT;
	struct qf_edits edits = {0};
	size_t n;

	if (qf_share_find(share, QF_SHARE_STRIPPED, "") != NULL)
		return 0;
	/* With a share that is full it is done again, for nothing. */
	qf_share_put(share, QF_SHARE_STRIPPED, "", (struct qf_span){0});
	for (size_t i = 0; i < m->nfields; i++) {
		if (qf_authres_is_ours(m->field[i].raw, id))
			qf_edit_header_delete(&edits, m, (uint32_t)i);
	}
	n = edits.n;
	if (n > 0)
		qf_edits_apply(&edits, m, &none);
	qf_envelope_free(&none);
	return n;
}

static size_t count(const struct qf_share *share)
{
	size_t at = 0, n = 0;

	while (qf_share_next(share, QF_SHARE_AUTHRES, &at) != NULL)
		n++;
	return n;
}

/* The field, with its line end. What the share holds, a worker has sent: it is
 * looked at once more. */
static int build_field(const struct qf_share *share, size_t n, const char *id,
    struct qf_buf *out, struct qf_err *e)
{
	struct qf_authres_record *record = qf_alloc(n * sizeof *record);
	struct qf_authres *all = qf_alloc(n * sizeof *all);
	size_t at = 0;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = qf_authres_unpack(&record[i],
		    qf_share_next(share, QF_SHARE_AUTHRES, &at)->value);
		all[i] = record[i].result;
	}
	qf_buf_adds(out, QF_AUTHRES_FIELD ":");
	if (rc == 0)
		rc = qf_authres_format(id, all, n, out);
	qf_buf_addc(out, '\n');
	free(all);
	free(record);
	if (rc < 0)
		return qf_fail(e, QF_EPROTO,
		    "results of authentication can not be written");
	return 0;
}

/* Where the field goes: not before lines that would continue it. */
static size_t find_top(struct qf_span message)
{
	size_t at = 0;

	while (
	    at < message.n && (message.p[at] == ' ' || message.p[at] == '\t')) {
		const char *lf = memchr(message.p + at, '\n', message.n - at);

		at = lf != NULL ? (size_t)(lf - message.p) + 1 : message.n;
	}
	return at;
}

static int copy_message(struct qf_span message, const struct qf_buf *field,
    struct qf_spool *to, struct qf_err *e)
{
	size_t top = find_top(message);
	int rc = qf_spool_write(to, message.p, top, e);

	if (rc == 0 && top > 0 && message.p[top - 1] != '\n')
		rc = qf_spool_write(to, "\n", 1, e);
	if (rc == 0)
		rc = qf_spool_write(to, field->s, field->len, e);
	if (rc == 0)
		rc = qf_spool_write(to, message.p + top, message.n - top, e);
	return rc == 0 ? qf_spool_finish(to, e) : rc;
}

int qf_results_write(const struct qf_share *share, const char *id, int message,
    int *out, struct qf_err *e)
{
	size_t n = count(share);
	struct qf_spool spool = QF_SPOOL_INIT;
	struct qf_buf field = QF_BUF_INIT;
	struct qf_map map;
	int rc;

	if (n == 0)
		return 0;
	rc = qf_map_fd(&map, message, e);
	if (rc < 0)
		return rc;
	rc = build_field(share, n, id, &field, e);
	if (rc == 0)
		rc = qf_spool_open(&spool, e);
	if (rc == 0)
		rc = copy_message(qf_span_n(map.p, map.n), &field, &spool, e);
	if (rc < 0)
		qf_spool_close(&spool);
	*out = spool.fd;
	qf_buf_free(&field);
	qf_map_free(&map);
	return rc < 0 ? rc : 1;
}

bool qf_results_are_same(const struct qf_share *a, const struct qf_share *b)
{
	const struct qf_share_record *x, *y;
	size_t i = 0, k = 0;

	do {
		x = qf_share_next(a, QF_SHARE_AUTHRES, &i);
		y = qf_share_next(b, QF_SHARE_AUTHRES, &k);
		if (x == NULL || y == NULL)
			return x == y;
	} while (qf_span_eq(x->value, y->value));
	return false;
}
