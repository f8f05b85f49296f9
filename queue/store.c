#include "queue/store.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/io.h"

int qf_store_commit(const struct qf_store_ops *ops, struct qf_intake **in,
    const struct qf_envelope *env, long uid, long pid, char id[QF_ID_SIZE],
    struct qf_err *e)
{
	char ids[1][QF_ID_SIZE];
	int rc = ops->prepare(*in, env, uid, pid, e);

	if (rc == 0)
		rc = ops->publish(in, 1, ids, e);
	else
		ops->abort(in);
	if (rc == 0)
		memcpy(id, ids[0], QF_ID_SIZE);
	return rc;
}

void qf_item_free(struct qf_item *item)
{
	qf_buf_free(&item->sender);
	qf_strv_free(&item->rcpt);
	qf_buf_free(&item->notes);
	free(item->done);
	free(item->place);
	qf_attrs_free(&item->attrs);
	qf_close(&item->claim);
	*item = (struct qf_item)QF_ITEM_INIT;
}

/* Notes are paragraphs as qmail-send(8) keeps them in bounce/ID:
 * `<recipient>:`, LF, the reason, LF, and an empty line. */
bool qf_note_next(const struct qf_buf *notes, struct qf_note *note)
{
	const char *p = notes->s + note->at;
	const char *end = notes->s + notes->len;
	const char *colon, *reason, *stop;

	if (p == end || *p != '<')
		return false;
	colon = memchr(p, '\n', (size_t)(end - p));
	if (colon == NULL || colon - p < 3 || colon[-1] != ':' ||
	    colon[-2] != '>')
		return false;
	reason = colon + 1;
	/* From the LF before it, so that an empty reason is found, too. */
	stop = memmem(colon, (size_t)(end - colon), "\n\n", 2);
	if (stop == NULL)
		return false;
	stop++;
	if (memchr(p, '\0', (size_t)(stop - p)) != NULL)
		return false;
	note->rcpt = qf_span_n(p + 1, (size_t)(colon - p) - 3);
	note->reason = qf_span_trim(qf_span_n(reason, (size_t)(stop - reason)));
	for (stop++; stop < end && *stop == '\n'; stop++)
		;
	note->at = (size_t)(stop - notes->s);
	return true;
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 127;
}

void qf_note_add(struct qf_buf *notes, const char *rcpt, const char *reason)
{
	struct qf_span r = qf_span_trim(qf_span(reason));

	if (r.n > QF_REASON_MAX)
		r.n = QF_REASON_MAX;
	if (r.n == 0)
		r = qf_span("no reason was given");
	qf_buf_addc(notes, '<');
	for (; *rcpt != '\0'; rcpt++)
		qf_buf_addc(notes, is_control(*rcpt) ? '_' : *rcpt);
	qf_buf_adds(notes, ">:\n");
	for (size_t i = 0; i < r.n; i++)
		qf_buf_addc(notes, is_control(r.p[i]) ? ' ' : r.p[i]);
	qf_buf_adds(notes, "\n\n");
}
