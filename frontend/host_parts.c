/*
 * What a plugin learns beyond bytes and fields: the MIME parts of the message,
 * and the results of authentication that stages leave for each other.
 */
#include <string.h>

#include "frontend/host_calls.h"
#include "frontend/results.h"
#include "lib/base/log.h"
#include "lib/mail/authres.h"

/* mime */

/* The index, of the message as the stage found it. */
static int index_parts(struct qf_msg *m)
{
	struct qf_mime *mime = &m->txn->mime;
	struct qf_span all;
	int rc;

	if (mime->n > 0)
		return 0;
	rc = qf_host_flat(m, &all);
	if (rc == 0)
		qf_mime_index(mime, all);
	return rc;
}

int32_t qf_host_part_count(struct qf_msg *m)
{
	int rc = index_parts(m);

	return rc < 0 ? rc : (int32_t)m->txn->mime.n;
}

int32_t qf_host_part_get(struct qf_msg *m, uint32_t index, struct qf_part *out)
{
	uint32_t room = out->size < sizeof *out ? out->size : sizeof *out;
	int rc;

	if (room < QF_SIZE_THROUGH(qf_part, body))
		return QF_EINVAL;
	rc = index_parts(m);
	if (rc < 0)
		return rc;
	if (index >= m->txn->mime.n)
		return QF_EINVAL;
	memcpy(out, &m->txn->mime.part[index], room);
	out->size = room;
	return 0;
}

int32_t qf_host_part_decoded(
    struct qf_msg *m, uint32_t index, struct qf_span *out)
{
	int rc = index_parts(m);

	return rc < 0 ? rc : qf_mime_decoded(&m->txn->mime, index, out);
}

/* authres */

void qf_txn_strip_results(struct qf_txn *t, const char *id)
{
	size_t n;

	if (id == NULL)
		return;
	n = qf_results_strip(&t->message, &t->share, id);
	t->share_edited = true;
	if (n == 0)
		return;
	qf_txn_forget_whole(t);
	qf_log(QF_LOG_INFO, "forged results removed", QF_KU("fields", n),
	    QF_KS("id", id));
}

int32_t qf_host_authres_add(struct qf_msg *m, const struct qf_authres *r)
{
	struct qf_authres full = {0};
	struct qf_buf packed = QF_BUF_INIT;
	int32_t rc;

	if (r->size < QF_SIZE_THROUGH(qf_authres, props))
		return QF_EINVAL;
	memcpy(&full, r, r->size < sizeof full ? r->size : sizeof full);
	if (qf_authres_check(&full) < 0)
		return QF_EINVAL;
	qf_authres_pack(&full, &packed);
	rc = qf_msg_stage_share(m, QF_SHARE_AUTHRES, "", qf_buf_span(&packed));
	qf_buf_free(&packed);
	return rc;
}

/* The list of properties is in the memory of the call. */
static void give_result(struct qf_msg *m,
    const struct qf_authres_record *record, struct qf_authres *out)
{
	uint32_t room = out->size < sizeof *out ? out->size : sizeof *out;
	struct qf_authres r = record->result;
	struct qf_authprop *props =
	    qf_arena_alloc(&m->share.arena, r.nprops * sizeof *props);

	if (r.nprops > 0)
		memcpy(props, r.props, r.nprops * sizeof *props);
	r.props = props;
	r.size = room;
	memcpy(out, &r, room);
}

int32_t qf_host_authres_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_authres *out)
{
	const struct qf_share_record *found;
	struct qf_authres_record record;
	size_t at = (size_t)it->w[0];

	if (out->size < QF_SIZE_THROUGH(qf_authres, props))
		return QF_EINVAL;
	found = qf_share_next(&m->txn->share, QF_SHARE_AUTHRES, &at);
	it->w[0] = at;
	if (found == NULL)
		return 0;
	if (qf_authres_unpack(&record, found->value) < 0)
		return QF_EPROTO;
	give_result(m, &record, out);
	return 1;
}
