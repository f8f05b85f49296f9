#include "frontend/host.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/paths.h"

/* The size of a struct when `last` was its last field. */
#define SIZE_THROUGH(type, last)                                               \
	(offsetof(struct type, last) + sizeof(((struct type *)0)->last))

int qf_txn_open(struct qf_txn *t, int message,
    const struct qf_envelope *envelope, const struct qf_context *context,
    struct qf_err *e)
{
	*t = (struct qf_txn){.envelope = QF_ENVELOPE_INIT,
	    .context = *context,
	    .whole = QF_SPOOL_INIT};
	if (qf_message_open(&t->message, message, e) < 0)
		return e->rc;
	qf_envelope_copy(&t->envelope, envelope);
	return 0;
}

static void forget_whole(struct qf_txn *t)
{
	if (t->whole.fd >= 0)
		qf_map_free(&t->whole_map);
	qf_spool_close(&t->whole);
}

void qf_txn_close(struct qf_txn *t)
{
	forget_whole(t);
	qf_message_close(&t->message);
	qf_envelope_free(&t->envelope);
}

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

static uint64_t host_size_of(struct qf_msg *m)
{
	return m->txn->message.size;
}

static int32_t host_span_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	size_t at = (size_t)it->w[0];
	bool more = qf_message_next(&m->txn->message, &at, out);

	it->w[0] = at;
	return more;
}

static int32_t host_crlf_next(
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

static int32_t host_flat(struct qf_msg *m, struct qf_span *out)
{
	struct qf_txn *t = m->txn;
	int rc = make_whole(t);
	const struct qf_map *map =
	    t->message.generation == 0 ? &t->message.map : &t->whole_map;

	if (rc == 0)
		*out = qf_span_n(map->p, map->n);
	return rc;
}

static int32_t host_fd(struct qf_msg *m)
{
	struct qf_txn *t = m->txn;
	int rc = make_whole(t);
	int fd = t->message.generation == 0 ? t->message.fd : t->whole.fd;

	if (rc < 0)
		return rc;
	return lseek(fd, 0, SEEK_SET) < 0 ? QF_EREAD : fd;
}

/* header */

static int32_t host_header_count(struct qf_msg *m)
{
	return (int32_t)m->txn->message.nfields;
}

static int32_t host_header_get(
    struct qf_msg *m, uint32_t index, struct qf_field *out)
{
	const struct qf_header_field *f;
	struct qf_field field = {.size = sizeof field};
	uint32_t room = out->size < sizeof field ? out->size : sizeof field;

	if (out->size < SIZE_THROUGH(qf_field, raw) ||
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

static int32_t host_header_find(
    struct qf_msg *m, const char *name, uint32_t from)
{
	long at = qf_message_find(&m->txn->message, qf_span(name), from);

	return at < 0 ? QF_ENOENT : (int32_t)at;
}

/* envelope */

static int32_t host_sender(struct qf_msg *m, struct qf_span *out)
{
	*out = qf_span(qf_envelope_sender(&m->txn->envelope));
	return 0;
}

static int32_t host_rcpt_count(struct qf_msg *m)
{
	return (int32_t)m->txn->envelope.nrcpt;
}

static int32_t host_rcpt_get(
    struct qf_msg *m, uint32_t index, struct qf_span *out)
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

static int32_t host_context(
    struct qf_msg *m, const char *key, struct qf_span *out)
{
	return give(qf_context_get(&m->txn->context, key), out);
}

static int32_t host_env(struct qf_msg *m, const char *name, struct qf_span *out)
{
	(void)m;
	return give(qf_env(name), out);
}

/* edit */

/* May the plugin do this? One that tries what it has not declared is broken:
 * nothing of this call survives. */
static bool may(struct qf_msg *m, uint64_t effect)
{
	if ((m->effects & effect) != 0)
		return true;
	m->offence = "tried an edit that it does not declare";
	return false;
}

static int32_t host_header_insert(
    struct qf_msg *m, uint32_t before, const char *name, const char *value)
{
	if (!may(m, QF_EFFECT_HEADER))
		return QF_EPERM;
	return qf_edit_header_insert(
	    &m->edits, &m->txn->message, before, name, value);
}

static int32_t host_header_replace(
    struct qf_msg *m, uint32_t index, const char *value)
{
	if (!may(m, QF_EFFECT_HEADER))
		return QF_EPERM;
	return qf_edit_header_replace(
	    &m->edits, &m->txn->message, index, value);
}

static int32_t host_header_delete(struct qf_msg *m, uint32_t index)
{
	if (!may(m, QF_EFFECT_HEADER))
		return QF_EPERM;
	return qf_edit_header_delete(&m->edits, &m->txn->message, index);
}

static int32_t host_body_replace(struct qf_msg *m, struct qf_span bytes)
{
	if (!may(m, QF_EFFECT_BODY))
		return QF_EPERM;
	return qf_edit_body_replace(&m->edits, bytes);
}

static int32_t host_body_append(struct qf_msg *m, struct qf_span bytes)
{
	if (!may(m, QF_EFFECT_BODY))
		return QF_EPERM;
	return qf_edit_body_append(&m->edits, bytes);
}

static int32_t host_rcpt_add(struct qf_msg *m, const char *address)
{
	if (!may(m, QF_EFFECT_RCPT))
		return QF_EPERM;
	return qf_edit_rcpt_add(&m->edits, address);
}

static int32_t host_rcpt_drop(struct qf_msg *m, uint32_t index)
{
	if (!may(m, QF_EFFECT_RCPT))
		return QF_EPERM;
	return qf_edit_rcpt_drop(&m->edits, &m->txn->envelope, index);
}

static int32_t host_sender_set(struct qf_msg *m, const char *address)
{
	if (!may(m, QF_EFFECT_SENDER))
		return QF_EPERM;
	return qf_edit_sender_set(&m->edits, address);
}

void qf_msg_commit(struct qf_msg *m)
{
	struct qf_txn *t = m->txn;

	for (size_t i = 0; i < m->edits.n; i++) {
		if (m->edits.v[i].kind >= QF_EDIT_RCPT_ADD)
			t->envelope_edited = true;
	}
	if (m->edits.n > 0) {
		forget_whole(t);
		qf_edits_apply(&m->edits, &t->message, &t->envelope);
	}
	qf_edits_clear(&m->edits);
}

void qf_msg_rollback(struct qf_msg *m)
{
	qf_edits_clear(&m->edits);
}

/* verdict */

static int32_t host_verdict(struct qf_msg *m, const struct qf_verdict *v)
{
	struct qf_verdict full = {0};
	struct qf_judgement *j = &m->judgement;

	/* Zeros in place of a class would be a PASS. */
	if (v->size < SIZE_THROUGH(qf_verdict, text)) {
		m->offence = "gave a verdict without its size";
		return QF_EINVAL;
	}
	memcpy(&full, v, v->size < sizeof full ? v->size : sizeof full);
	j->class_ = full.class_;
	j->category = full.category;
	j->code = full.code;
	snprintf(j->status, sizeof j->status, "%s",
	    full.status != NULL ? full.status : "");
	snprintf(
	    j->text, sizeof j->text, "%s", full.text != NULL ? full.text : "");
	m->judged = true;
	return (int32_t)full.class_;
}

/* config. Lists are read when they are first asked for, so the settings that
 * plugins see as constant are not quite. */

static int32_t host_conf_get(
    const struct qf_conf *c, const char *key, struct qf_span *out)
{
	const struct qf_conf_value *v = qf_conf_find(c, key);

	if (v == NULL)
		return QF_ENOENT;
	*out = v->value;
	return 0;
}

static int32_t host_conf_list_next(const struct qf_conf *c, const char *list,
    struct qf_iter *it, struct qf_span *out, uint32_t *line)
{
	const struct qf_lines *lines;
	int rc = qf_conf_lines((struct qf_conf *)c, list, &lines);

	if (rc < 0)
		return rc;
	if (it->w[0] >= lines->n)
		return 0;
	*out = lines->v[it->w[0]].s;
	if (line != NULL)
		*line = lines->v[it->w[0]].number;
	it->w[0]++;
	return 1;
}

static int32_t host_conf_path(
    const struct qf_conf *c, struct qf_span name, const char **out)
{
	struct qf_buf b = QF_BUF_INIT;

	if (name.n == 0 || memchr(name.p, '\0', name.n) != NULL)
		return QF_EINVAL;
	if (name.p[0] != '/')
		qf_buf_addf(&b, "%s/", c->ctl->path);
	qf_buf_addspan(&b, name);
	*out = qf_arena_strdup(&((struct qf_conf *)c)->arena, b.s);
	qf_buf_free(&b);
	return 0;
}

static void host_conf_error(const struct qf_conf *c, const char *key,
    const char *list, uint32_t line, const char *text)
{
	const struct qf_conf_value *v =
	    key != NULL ? qf_conf_find(c, key) : NULL;
	const char *file = c->chain_file;
	uint32_t at = c->stage->line;

	if (list != NULL) {
		file = qf_conf_list_path((struct qf_conf *)c, list);
		at = line;
	} else if (v != NULL) {
		file = v->file;
		at = v->line;
	}
	if (at == 0)
		qf_problem(c->problems, QF_ECONF, "%s: %s: %s", file,
		    c->stage->name, text);
	else
		qf_problem(c->problems, QF_ECONF, "%s:%u: %s: %s", file, at,
		    c->stage->name, text);
}

/* log */

static void host_log(
    struct qf_msg *m, const struct qf_conf *c, int32_t level, const char *text)
{
	const struct qf_stage *stage = m != NULL   ? m->stage
				       : c != NULL ? c->stage
						   : NULL;

	qf_log(level, "plugin",
	    QF_KS("stage", stage != NULL ? stage->name : ""),
	    QF_KS("text", text));
}

static const struct qf_host table = {
    .size = sizeof table,
    .abi_major = QF_ABI_MAJOR,
    .abi_minor = QF_ABI_MINOR,
    .groups = QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |
	      QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |
	      QF_GROUP_CONFIG | QF_GROUP_LOG,
    .size_of = host_size_of,
    .span_next = host_span_next,
    .crlf_next = host_crlf_next,
    .flat = host_flat,
    .fd = host_fd,
    .header_count = host_header_count,
    .header_get = host_header_get,
    .header_find = host_header_find,
    .sender = host_sender,
    .rcpt_count = host_rcpt_count,
    .rcpt_get = host_rcpt_get,
    .context = host_context,
    .env = host_env,
    .header_insert = host_header_insert,
    .header_replace = host_header_replace,
    .header_delete = host_header_delete,
    .body_replace = host_body_replace,
    .body_append = host_body_append,
    .rcpt_add = host_rcpt_add,
    .rcpt_drop = host_rcpt_drop,
    .sender_set = host_sender_set,
    .verdict = host_verdict,
    .conf_get = host_conf_get,
    .conf_list_next = host_conf_list_next,
    .conf_path = host_conf_path,
    .conf_error = host_conf_error,
    .log = host_log,
};

const struct qf_host *qf_host_table(void)
{
	return &table;
}
