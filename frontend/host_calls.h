/*
 * The calls of the host table, by the files that hold them; host.c puts them
 * into the table. <qfront/plugin.h> says what each does.
 */
#ifndef QF_FRONTEND_HOST_CALLS_H
#define QF_FRONTEND_HOST_CALLS_H

#include "frontend/host.h"

/* Throws the message in one piece away, when an edit made it wrong. */
void qf_txn_forget_whole(struct qf_txn *t);

/* Stages it, if it will fit when it is committed: 0 or QF_ENOMEM. */
int32_t qf_msg_stage_share(struct qf_msg *m, enum qf_share_kind kind,
    const char *key, struct qf_span value);

/* The size of a struct when `last` was its last field. */
#define QF_SIZE_THROUGH(type, last)                                            \
	(offsetof(struct type, last) + sizeof(((struct type *)0)->last))

uint64_t qf_host_size_of(struct qf_msg *m);
int32_t qf_host_span_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out);
int32_t qf_host_crlf_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out);
int32_t qf_host_flat(struct qf_msg *m, struct qf_span *out);
int32_t qf_host_fd(struct qf_msg *m);
int32_t qf_host_header_count(struct qf_msg *m);
int32_t qf_host_header_get(
    struct qf_msg *m, uint32_t index, struct qf_field *out);
int32_t qf_host_header_find(struct qf_msg *m, const char *name, uint32_t from);
int32_t qf_host_sender(struct qf_msg *m, struct qf_span *out);
int32_t qf_host_rcpt_count(struct qf_msg *m);
int32_t qf_host_rcpt_get(struct qf_msg *m, uint32_t index, struct qf_span *out);
int32_t qf_host_context(struct qf_msg *m, const char *key, struct qf_span *out);
int32_t qf_host_env(struct qf_msg *m, const char *name, struct qf_span *out);
int64_t qf_host_time_left(struct qf_msg *m);
void qf_host_waited(struct qf_msg *m, const char *what, int64_t us);
int32_t qf_host_env_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out);
int32_t qf_host_header_insert(
    struct qf_msg *m, uint32_t before, const char *name, const char *value);
int32_t qf_host_header_replace(
    struct qf_msg *m, uint32_t index, const char *value);
int32_t qf_host_header_delete(struct qf_msg *m, uint32_t index);
int32_t qf_host_body_replace(struct qf_msg *m, struct qf_span bytes);
int32_t qf_host_body_append(struct qf_msg *m, struct qf_span bytes);
int32_t qf_host_rcpt_add(struct qf_msg *m, const char *address);
int32_t qf_host_rcpt_drop(struct qf_msg *m, uint32_t index);
int32_t qf_host_sender_set(struct qf_msg *m, const char *address);
int32_t qf_host_verdict(struct qf_msg *m, const struct qf_verdict *v);
int32_t qf_host_rcpt_verdict(
    struct qf_msg *m, uint32_t index, const struct qf_verdict *v);
int32_t qf_host_score_add(
    struct qf_msg *m, int64_t millipoints, const char *why);
int64_t qf_host_score(struct qf_msg *m);
int32_t qf_host_note_set(
    struct qf_msg *m, const char *key, struct qf_span value);
int32_t qf_host_note_get(
    struct qf_msg *m, const char *key, struct qf_span *out);
int32_t qf_host_authres_add(struct qf_msg *m, const struct qf_authres *r);
int32_t qf_host_authres_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_authres *out);
int32_t qf_host_part_count(struct qf_msg *m);
int32_t qf_host_part_get(struct qf_msg *m, uint32_t index, struct qf_part *out);
int32_t qf_host_part_decoded(
    struct qf_msg *m, uint32_t index, struct qf_span *out);
int32_t qf_host_route_set(struct qf_msg *m, const char *route);
int32_t qf_host_env_take(struct qf_msg *m, const char *name);
int32_t qf_host_conf_get(
    const struct qf_conf *c, const char *key, struct qf_span *out);
int32_t qf_host_conf_list_next(const struct qf_conf *c, const char *list,
    struct qf_iter *it, struct qf_span *out, uint32_t *line);
int32_t qf_host_conf_path(
    const struct qf_conf *c, struct qf_span name, const char **out);
void qf_host_conf_error(const struct qf_conf *c, const char *key,
    const char *list, uint32_t line, const char *text);
void qf_host_log(
    struct qf_msg *m, const struct qf_conf *c, int32_t level, const char *text);

#endif
