#include "tests/lib/fakehost.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/spool.h"

static uint64_t size_of(struct qf_msg *m)
{
	return m->message.size;
}

static int32_t span_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	size_t at = it->w[0];
	bool more = qf_message_next(&m->message, &at, out);

	it->w[0] = at;
	return more;
}

static int32_t crlf_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	_Static_assert(sizeof(struct qf_crlf) <= sizeof it->w, "too small");
	struct qf_crlf crlf;
	bool more;

	memcpy(&crlf, it->w, sizeof crlf);
	more = qf_message_crlf_next(&m->message, &crlf, out);
	memcpy(it->w, &crlf, sizeof crlf);
	return more;
}

/* The message in one piece, made when it is first wanted. */
static int32_t whole(struct qf_msg *m)
{
	if (m->whole.fd < 0)
		return qf_message_spool(&m->message, &m->whole, NULL);
	return 0;
}

static int32_t flat(struct qf_msg *m, struct qf_span *out)
{
	int32_t rc = whole(m);

	if (rc == 0 && m->whole_map.n == 0)
		rc = qf_map_fd(&m->whole_map, m->whole.fd, NULL);
	*out = qf_span_n(m->whole_map.p, m->whole_map.n);
	return rc;
}

static int32_t fd(struct qf_msg *m)
{
	int32_t rc = whole(m);

	return rc < 0 ? rc : m->whole.fd;
}

static int32_t header_count(struct qf_msg *m)
{
	return (int32_t)m->message.nfields;
}

static int32_t header_get(
    struct qf_msg *m, uint32_t index, struct qf_field *out)
{
	const struct qf_header_field *f;

	if (index >= m->message.nfields || out->size < sizeof *out)
		return QF_EINVAL;
	f = &m->message.field[index];
	out->flags = f->malformed ? QF_FIELD_MALFORMED : 0;
	out->name = f->name;
	out->value = f->value;
	out->raw = f->raw;
	return 0;
}

static int32_t header_find(struct qf_msg *m, const char *name, uint32_t from)
{
	long at = qf_message_find(&m->message, qf_span(name), from);

	return at < 0 ? QF_ENOENT : (int32_t)at;
}

static int32_t sender(struct qf_msg *m, struct qf_span *out)
{
	*out = qf_span(qf_envelope_sender(&m->envelope));
	return 0;
}

static int32_t rcpt_count(struct qf_msg *m)
{
	return (int32_t)m->envelope.nrcpt;
}

static int32_t rcpt_get(struct qf_msg *m, uint32_t index, struct qf_span *out)
{
	if (index >= m->envelope.nrcpt)
		return QF_EINVAL;
	*out = qf_span(qf_envelope_rcpt(&m->envelope, index));
	return 0;
}

/* The value of a key among key=value. */
static int32_t lookup(
    const struct qf_strv *v, const char *key, struct qf_span *out)
{
	for (size_t i = 0; i < v->n; i++) {
		struct qf_span value = qf_span(v->v[i]), name;

		if (qf_span_cut(&value, '=', &name) && qf_span_is(name, key)) {
			*out = value;
			return 0;
		}
	}
	return QF_ENOENT;
}

static int32_t context(struct qf_msg *m, const char *key, struct qf_span *out)
{
	return lookup(&m->conf->context, key, out);
}

static int32_t env(struct qf_msg *m, const char *name, struct qf_span *out)
{
	return lookup(&m->conf->env, name, out);
}

static int32_t env_next(
    struct qf_msg *m, struct qf_iter *it, struct qf_span *out)
{
	if (it->w[0] >= m->conf->env.n)
		return 0;
	*out = qf_span(m->conf->env.v[it->w[0]++]);
	return 1;
}

static int32_t env_take(struct qf_msg *m, const char *name)
{
	qf_strv_add(&m->conf->taken, name);
	return 0;
}

static int32_t authres_add(struct qf_msg *m, const struct qf_authres *r)
{
	struct qf_buf b = QF_BUF_INIT;

	qf_buf_addf(&b, "%s=%s", r->method, r->result);
	if (r->reason != NULL)
		qf_buf_addf(&b, " reason=\"%s\"", r->reason);
	for (uint32_t i = 0; i < r->nprops; i++)
		qf_buf_addf(&b, " %s.%s=%s", r->props[i].type,
		    r->props[i].property, r->props[i].value);
	qf_strv_add(&m->conf->authres, b.s);
	qf_buf_free(&b);
	return 0;
}

static int32_t note_get(struct qf_msg *m, const char *key, struct qf_span *out)
{
	return lookup(&m->conf->notes, key, out);
}

static int64_t time_left(struct qf_msg *m)
{
	return m->conf->time_left > 0 ? m->conf->time_left : 60000;
}

static void waited(struct qf_msg *m, const char *what, int64_t microseconds)
{
	(void)microseconds;
	qf_strv_add(&m->conf->waited, what);
}

/* May the stage do this, being of the kind that its settings make it? */
static int32_t may(const struct qf_msg *m, uint64_t effect)
{
	const struct qf_plugin *p = m->conf->plugin;
	const struct qf_kind *k = p->kinds;
	uint64_t effects = p->effects;

	for (; k != NULL && k->key != NULL; k++) {
		struct qf_span value;

		if (lookup(&m->conf->settings, k->key, &value) == 0 &&
		    qf_span_is(value, k->value)) {
			effects = k->effects;
			break;
		}
	}
	return effects & effect ? 0 : QF_EPERM;
}

static int32_t header_insert(
    struct qf_msg *m, uint32_t before, const char *name, const char *value)
{
	if (may(m, QF_EFFECT_HEADER) < 0)
		return QF_EPERM;
	return qf_edit_header_insert(
	    &m->edits, &m->message, before, name, value);
}

static int32_t header_replace(
    struct qf_msg *m, uint32_t index, const char *value)
{
	if (may(m, QF_EFFECT_HEADER) < 0)
		return QF_EPERM;
	return qf_edit_header_replace(&m->edits, &m->message, index, value);
}

static int32_t header_delete(struct qf_msg *m, uint32_t index)
{
	if (may(m, QF_EFFECT_HEADER) < 0)
		return QF_EPERM;
	return qf_edit_header_delete(&m->edits, &m->message, index);
}

static int32_t body_replace(struct qf_msg *m, struct qf_span bytes)
{
	if (may(m, QF_EFFECT_BODY) < 0)
		return QF_EPERM;
	return qf_edit_body_replace(&m->edits, bytes);
}

static int32_t sender_set(struct qf_msg *m, const char *address)
{
	if (may(m, QF_EFFECT_SENDER) < 0)
		return QF_EPERM;
	return qf_edit_sender_set(&m->edits, address);
}

static int32_t rcpt_add(struct qf_msg *m, const char *address)
{
	if (may(m, QF_EFFECT_RCPT) < 0)
		return QF_EPERM;
	return qf_edit_rcpt_add(&m->edits, address);
}

static int32_t rcpt_drop(struct qf_msg *m, uint32_t index)
{
	if (may(m, QF_EFFECT_RCPT) < 0)
		return QF_EPERM;
	return qf_edit_rcpt_drop(&m->edits, &m->envelope, index);
}

static int32_t verdict(struct qf_msg *m, const struct qf_verdict *v)
{
	m->verdict = *v;
	if (v->status != NULL) {
		snprintf(m->status, sizeof m->status, "%s", v->status);
		m->verdict.status = m->status;
	}
	if (v->text != NULL) {
		snprintf(m->text, sizeof m->text, "%s", v->text);
		m->verdict.text = m->text;
	}
	if (v->target != NULL) {
		snprintf(m->target, sizeof m->target, "%s", v->target);
		m->verdict.target = m->target;
	}
	return (int32_t)v->class_;
}

static int32_t conf_get(
    const struct qf_conf *c, const char *key, struct qf_span *out)
{
	return lookup(&c->settings, key, out);
}

/* The list, loaded when it is asked for the first time. */
static const struct qf_lines *list_of(struct qf_conf *c, const char *list)
{
	struct qf_lines *l;
	char name[256];

	for (size_t i = 0; i < c->list_names.n; i++) {
		if (strcmp(c->list_names.v[i], list) == 0)
			return &c->lists[i];
	}
	c->lists =
	    qf_realloc_array(c->lists, c->list_names.n + 1, sizeof *c->lists);
	l = &c->lists[c->list_names.n];
	*l = (struct qf_lines)QF_LINES_INIT;
	snprintf(name, sizeof name, "plugins/%s.%s", c->plugin->name, list);
	if (qf_ctl_lines(&c->ctl, name, l, NULL) <= 0)
		return NULL;
	qf_strv_add(&c->list_names, list);
	return l;
}

static int32_t conf_list_next(const struct qf_conf *c, const char *list,
    struct qf_iter *it, struct qf_span *out, uint32_t *line)
{
	const struct qf_lines *l =
	    list_of((struct qf_conf *)(uintptr_t)c, list);

	if (l == NULL)
		return QF_ENOENT;
	if (it->w[0] >= l->n)
		return 0;
	*out = l->v[it->w[0]].s;
	if (line != NULL)
		*line = l->v[it->w[0]].number;
	it->w[0]++;
	return 1;
}

static int32_t conf_path(
    const struct qf_conf *c, struct qf_span name, const char **out)
{
	struct qf_conf *own = (struct qf_conf *)(uintptr_t)c;
	struct qf_buf path = QF_BUF_INIT;

	if (name.n > 0 && name.p[0] != '/')
		qf_buf_addf(&path, "%s/", c->ctl.path);
	qf_buf_addspan(&path, name);
	qf_strv_add(&own->paths, path.s);
	qf_buf_free(&path);
	*out = own->paths.v[own->paths.n - 1];
	return 0;
}

static void conf_error(const struct qf_conf *c, const char *key,
    const char *list, uint32_t line, const char *text)
{
	struct qf_conf *own = (struct qf_conf *)(uintptr_t)c;
	struct qf_buf b = QF_BUF_INIT;

	if (list != NULL)
		qf_buf_addf(&b, "%s:%u: %s", list, (unsigned)line, text);
	else
		qf_buf_addf(&b, "%s: %s", key != NULL ? key : "stage", text);
	qf_strv_add(&own->mistakes, b.s);
	qf_buf_free(&b);
}

static void log_line(
    struct qf_msg *m, const struct qf_conf *c, int32_t level, const char *text)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	struct qf_conf *own =
	    c != NULL ? (struct qf_conf *)(uintptr_t)c : m->conf;
	struct qf_buf b = QF_BUF_INIT;

	qf_buf_addf(&b, "%s %s", names[level], text);
	qf_strv_add(&own->log, b.s);
	qf_buf_free(&b);
}

const struct qf_host fakehost = {
    .size = sizeof fakehost,
    .abi_major = QF_ABI_MAJOR,
    .abi_minor = QF_ABI_MINOR,
    .groups = QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |
	      QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |
	      QF_GROUP_CONFIG | QF_GROUP_LOG | QF_GROUP_SHARE |
	      QF_GROUP_AUTHRES | QF_GROUP_RUN,
    .size_of = size_of,
    .span_next = span_next,
    .crlf_next = crlf_next,
    .flat = flat,
    .fd = fd,
    .header_count = header_count,
    .header_get = header_get,
    .header_find = header_find,
    .sender = sender,
    .rcpt_count = rcpt_count,
    .rcpt_get = rcpt_get,
    .context = context,
    .env = env,
    .header_insert = header_insert,
    .header_replace = header_replace,
    .header_delete = header_delete,
    .body_replace = body_replace,
    .rcpt_add = rcpt_add,
    .rcpt_drop = rcpt_drop,
    .sender_set = sender_set,
    .verdict = verdict,
    .conf_get = conf_get,
    .conf_list_next = conf_list_next,
    .conf_path = conf_path,
    .conf_error = conf_error,
    .log = log_line,
    .note_get = note_get,
    .authres_add = authres_add,
    .time_left = time_left,
    .waited = waited,
    .env_next = env_next,
    .env_take = env_take,
};

const struct qf_host *fakehost_table = &fakehost;

int32_t fakehost_load(struct qf_conf *c, const char *path,
    const char *controldir, const char *const *settings)
{
	struct qf_err e;

	*c = (struct qf_conf){.ctl = QF_CTL_NONE};
	if (qf_ctl_open(&c->ctl, controldir, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return QF_ECONF;
	}
	for (; *settings != NULL; settings++)
		qf_strv_add(&c->settings, *settings);
	c->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (c->library == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return QF_EPLUGIN;
	}
	c->plugin = dlsym(c->library, QF_PLUGIN_SYMBOL);
	return c->plugin == NULL ? QF_ESYMBOL : 0;
}

int32_t fakehost_open(struct qf_conf *c, const char *path,
    const char *controldir, const char *const *settings)
{
	int32_t rc = fakehost_load(c, path, controldir, settings);

	if (rc == 0 && c->plugin->init != NULL) {
		rc = c->plugin->init(fakehost_table, c, &c->state);
		if (rc < 0)
			c->state = NULL;
	}
	return rc;
}

void fakehost_close(struct qf_conf *c)
{
	if (c->state != NULL && c->plugin->fini != NULL)
		c->plugin->fini(fakehost_table, c->state);
	/* The library stays: leak checkers name functions after the end. */
	for (size_t i = 0; i < c->list_names.n; i++)
		qf_lines_free(&c->lists[i]);
	free(c->lists);
	qf_strv_free(&c->settings);
	qf_strv_free(&c->mistakes);
	qf_strv_free(&c->log);
	qf_strv_free(&c->list_names);
	qf_strv_free(&c->paths);
	qf_strv_free(&c->context);
	qf_strv_free(&c->notes);
	qf_strv_free(&c->env);
	qf_strv_free(&c->taken);
	qf_strv_free(&c->waited);
	qf_strv_free(&c->authres);
	qf_ctl_close(&c->ctl);
}

void fakehost_run_fd(struct qf_msg *m, struct qf_conf *c, int fd,
    const char *from, const char *const *rcpt)
{
	struct qf_err e;

	*m = (struct qf_msg){.conf = c,
	    .fd = -1,
	    .envelope = QF_ENVELOPE_INIT,
	    .whole = QF_SPOOL_INIT};
	if (qf_message_open(&m->message, fd, &e) < 0 ||
	    qf_envelope_set_sender(&m->envelope, qf_span(from)) < 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	for (; *rcpt != NULL; rcpt++)
		qf_envelope_add_rcpt(&m->envelope, qf_span(*rcpt));
	m->class_ = c->plugin->message(fakehost_table, m, c->state);
	if (m->class_ < 0 || m->class_ == QF_REJECT || m->class_ == QF_DEFER ||
	    m->class_ == QF_BROKEN)
		qf_edits_clear(&m->edits);
	else
		qf_edits_apply(&m->edits, &m->message, &m->envelope);
}

void fakehost_run(struct qf_msg *m, struct qf_conf *c, struct qf_span bytes,
    const char *from, const char *const *rcpt)
{
	struct qf_spool s;

	if (qf_spool_open(&s, NULL) < 0 ||
	    qf_spool_write(&s, bytes.p, bytes.n, NULL) < 0 ||
	    qf_spool_finish(&s, NULL) < 0)
		abort();
	fakehost_run_fd(m, c, s.fd, from, rcpt);
	m->fd = s.fd;
}

void fakehost_forget(struct qf_msg *m)
{
	qf_edits_clear(&m->edits);
	qf_map_free(&m->whole_map);
	qf_spool_close(&m->whole);
	qf_message_close(&m->message);
	qf_envelope_free(&m->envelope);
	if (m->fd >= 0)
		close(m->fd);
}
