/*
 * What a plugin may look at: the bytes, the header, the envelope, where the
 * message comes from, and the time that is left.
 */
#include <string.h>
#include <unistd.h>

#include "frontend/host_calls.h"
#include "lib/base/clock.h"
#include "lib/base/paths.h"

extern char **environ;

/* The edited message in one piece; the message as read is one already. */
static int make_whole(struct qf_txn *t)
{
	if (t->message.generation == 0 || t->whole.fd >= 0)
		return 0;
	if (qf_message_spool(&t->message, &t->whole, NULL) < 0)
		return QF_EWRITE;
	if (qf_map_fd(&t->whole_map, t->whole.fd, NULL) == 0)
		return 0;
	qf_spool_close(&t->whole);
	return QF_EWRITE;
}

/* message */

uint64_t qf_host_size_of(struct qf_msg *m)
{
	return m->txn->message.size;
}

int32_t qf_host_span_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	size_t at = (size_t)it->w[0];
	bool more = qf_message_next(&m->txn->message, &at, out);

	it->w[0] = at;
	return more;
}

int32_t qf_host_crlf_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	struct qf_crlf state;
	bool more;

	_Static_assert(sizeof state <= sizeof *it, "fits an iterator");
	memcpy(&state, it, sizeof state);
	more = qf_message_crlf_next(&m->txn->message, &state, out);
	memcpy(it, &state, sizeof state);
	return more;
}

int32_t qf_host_flat(struct qf_msg *m, struct qf_span *out)
{
	struct qf_txn *t = m->txn;
	int rc = make_whole(t);
	const struct qf_map *map =
	    t->message.generation == 0 ? &t->message.map : &t->whole_map;

	if (rc == 0)
		*out = qf_span_n(map->p, map->n);
	return rc;
}

int32_t qf_host_fd(struct qf_msg *m)
{
	struct qf_txn *t = m->txn;
	int rc = make_whole(t);
	int fd = t->message.generation == 0 ? t->message.fd : t->whole.fd;

	if (rc < 0)
		return rc;
	return lseek(fd, 0, SEEK_SET) < 0 ? QF_EREAD : fd;
}

/* header */

int32_t qf_host_header_count(struct qf_msg *m)
{
	return (int32_t)m->txn->message.nfields;
}

int32_t qf_host_header_get(
    struct qf_msg *m, uint32_t index, struct qf_field *out)
{
	const struct qf_header_field *f;
	struct qf_field field = {.size = sizeof field};
	uint32_t room = out->size < sizeof field ? out->size : sizeof field;

	if (out->size < QF_SIZE_THROUGH(qf_field, raw) ||
	    index >= m->txn->message.nfields)
		return QF_EINVAL;
	f = &m->txn->message.field[index];
	field.flags = f->malformed ? QF_FIELD_MALFORMED : 0;
	field.name = f->name;
	field.value = f->value;
	field.raw = f->raw;
	field.size = room;
	memcpy(out, &field, room);
	return 0;
}

int32_t qf_host_header_find(struct qf_msg *m, const char *name, uint32_t from)
{
	long at = qf_message_find(&m->txn->message, qf_span(name), from);

	return at < 0 ? QF_ENOENT : (int32_t)at;
}

/* envelope */

int32_t qf_host_sender(struct qf_msg *m, struct qf_span *out)
{
	*out = qf_span(qf_envelope_sender(&m->txn->envelope));
	return 0;
}

int32_t qf_host_rcpt_count(struct qf_msg *m)
{
	return (int32_t)m->txn->envelope.nrcpt;
}

int32_t qf_host_rcpt_get(struct qf_msg *m, uint32_t index, struct qf_span *out)
{
	if (index >= m->txn->envelope.nrcpt)
		return QF_EINVAL;
	*out = qf_span(qf_envelope_rcpt(&m->txn->envelope, index));
	return 0;
}

/* context */

static int32_t give(const char *value, struct qf_span *out)
{
	if (value == NULL)
		return QF_ENOENT;
	*out = qf_span(value);
	return 0;
}

int32_t qf_host_context(struct qf_msg *m, const char *key, struct qf_span *out)
{
	return give(qf_context_get(&m->txn->context, key), out);
}

int32_t qf_host_env(struct qf_msg *m, const char *name, struct qf_span *out)
{
	(void)m;
	return give(qf_env(name), out);
}

/* run */

int64_t qf_host_time_left(struct qf_msg *m)
{
	return m->deadline == QF_NEVER ? QF_NEVER
				       : qf_deadline_poll(m->deadline);
}

void qf_host_waited(struct qf_msg *m, const char *what, int64_t us)
{
	if (m->txn->waited != NULL)
		m->txn->waited(m->txn->arg, what, us);
}

int32_t qf_host_env_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	(void)m;
	if (!qf_env_trusted() || environ[it->w[0]] == NULL)
		return 0;
	*out = qf_span(environ[it->w[0]++]);
	return 1;
}
