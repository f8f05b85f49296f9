#include "frontend/host.h"

#include "frontend/host_calls.h"

int qf_txn_open(struct qf_txn *t, int message,
    const struct qf_envelope *envelope, const struct qf_context *context,
    const struct qf_share *share, struct qf_err *e)
{
	*t = (struct qf_txn){.envelope = QF_ENVELOPE_INIT,
	    .context = *context,
	    .whole = QF_SPOOL_INIT};
	if (qf_message_open(&t->message, message, e) < 0)
		return e->rc;
	qf_envelope_copy(&t->envelope, envelope);
	qf_share_merge(&t->share, share);
	return 0;
}

void qf_txn_forget_whole(struct qf_txn *t)
{
	if (t->whole.fd >= 0)
		qf_map_free(&t->whole_map);
	qf_spool_close(&t->whole);
	qf_mime_free(&t->mime);
}

void qf_txn_close(struct qf_txn *t)
{
	qf_txn_forget_whole(t);
	qf_message_close(&t->message);
	qf_envelope_free(&t->envelope);
	qf_share_free(&t->share);
}

static const struct qf_host table = {
    .size = sizeof table,
    .abi_major = QF_ABI_MAJOR,
    .abi_minor = QF_ABI_MINOR,
    .groups = QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |
	      QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |
	      QF_GROUP_CONFIG | QF_GROUP_LOG | QF_GROUP_RCPT | QF_GROUP_SHARE |
	      QF_GROUP_AUTHRES | QF_GROUP_MIME | QF_GROUP_ROUTE | QF_GROUP_RUN,
    .size_of = qf_host_size_of,
    .span_next = qf_host_span_next,
    .crlf_next = qf_host_crlf_next,
    .flat = qf_host_flat,
    .fd = qf_host_fd,
    .header_count = qf_host_header_count,
    .header_get = qf_host_header_get,
    .header_find = qf_host_header_find,
    .sender = qf_host_sender,
    .rcpt_count = qf_host_rcpt_count,
    .rcpt_get = qf_host_rcpt_get,
    .context = qf_host_context,
    .env = qf_host_env,
    .header_insert = qf_host_header_insert,
    .header_replace = qf_host_header_replace,
    .header_delete = qf_host_header_delete,
    .body_replace = qf_host_body_replace,
    .body_append = qf_host_body_append,
    .rcpt_add = qf_host_rcpt_add,
    .rcpt_drop = qf_host_rcpt_drop,
    .sender_set = qf_host_sender_set,
    .verdict = qf_host_verdict,
    .conf_get = qf_host_conf_get,
    .conf_list_next = qf_host_conf_list_next,
    .conf_path = qf_host_conf_path,
    .conf_error = qf_host_conf_error,
    .log = qf_host_log,
    .rcpt_verdict = qf_host_rcpt_verdict,
    .score_add = qf_host_score_add,
    .score = qf_host_score,
    .note_set = qf_host_note_set,
    .note_get = qf_host_note_get,
    .authres_add = qf_host_authres_add,
    .authres_next = qf_host_authres_next,
    .part_count = qf_host_part_count,
    .part_get = qf_host_part_get,
    .part_decoded = qf_host_part_decoded,
    .route_set = qf_host_route_set,
    .time_left = qf_host_time_left,
    .waited = qf_host_waited,
    .env_next = qf_host_env_next,
    .env_take = qf_host_env_take,
};

const struct qf_host *qf_host_table(void)
{
	return &table;
}
