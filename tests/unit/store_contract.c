#include "tests/unit/store_contract.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/io.h"

const struct contract_case *const contract_themes[] = {contract_intake,
    contract_walking, contract_state, contract_holding, contract_random, NULL};

static const char *const some[] = {
    "a@x.example", "b@x.example", "c@x.example", NULL};
static const char *const none[] = {NULL};
static const char *const route[] = {"RET=HDRS", "ROUTE=mx.example:26", NULL};
static const char *const hold[] = {"HOLD=spam, 9 points", "STAGE=spam", NULL};
static const char *const sick[] = {"HOLD=found a virus", NULL};

const struct contract_letter contract_plain = {
    "Subject: plain\n\nhi\n", 19, "s@x.example", some, none};
const struct contract_letter contract_routed = {
    "Subject: routed\n\nhi\n", 20, "s@x.example", some, route};
const struct contract_letter contract_spam = {
    "Subject: spam\n\nhi\n", 18, "spammer@x.example", some, hold};
const struct contract_letter contract_virus = {
    "Subject: virus\n\nhi\n", 19, "", some, sick};

void contract_complain(
    struct contract *c, const char *where, int line, const char *fmt, ...)
{
	char what[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	snprintf(c->complaint, sizeof c->complaint,
	    "%s: %s: %s%s(), line %d: %s", c->backend->name, c->name, c->at,
	    where, line, what);
	longjmp(c->end, 1);
}

void contract_same(struct contract *c, const char *where, int line,
    const char *what, long long want, long long got)
{
	if (want != got)
		contract_complain(c, where, line, "%s is %lld, not %lld (%s)",
		    what, got, want, c->e.text);
}

void contract_same_text(struct contract *c, const char *where, int line,
    const char *what, const char *want, const char *got)
{
	if (strcmp(want, got) != 0)
		contract_complain(
		    c, where, line, "%s is `%s`, not `%s`", what, got, want);
}

void contract_ok(
    struct contract *c, const char *where, int line, const char *what, int rc)
{
	if (rc != 0)
		contract_complain(
		    c, where, line, "%s: %d, %s", what, rc, c->e.text);
}

/* First what looks into a store, then the stores. */
static void give_back(struct contract *c)
{
	for (size_t i = 0; i < CONTRACT_WALKS; i++)
		if (c->walk[i].st != NULL)
			contract_walk_end(c, &c->walk[i]);
	for (size_t i = 0; i < CONTRACT_ITEMS; i++)
		qf_item_free(&c->item[i]);
}

static void clean(struct contract *c)
{
	give_back(c);
	for (size_t i = 0; i < CONTRACT_INTAKES; i++)
		c->ops->abort(&c->intake[i]);
	for (size_t i = 0; i < CONTRACT_STORES; i++)
		c->ops->close(&c->store[i]);
	qf_envelope_free(&c->env);
	qf_buf_free(&c->bytes);
	qf_buf_free(&c->scratch);
	qf_close(&c->fd);
}

const char *contract_run(
    const struct contract_backend *b, const struct contract_case *one)
{
	static struct contract c;

	c = (struct contract){.backend = b,
	    .ops = b->ops,
	    .name = one->name,
	    .env = QF_ENVELOPE_INIT,
	    .bytes = QF_BUF_INIT,
	    .scratch = QF_BUF_INIT,
	    .fd = -1};
	for (size_t i = 0; i < CONTRACT_ITEMS; i++)
		c.item[i] = (struct qf_item)QF_ITEM_INIT;
	if (!b->make(c.dir, sizeof c.dir))
		return "the backend can not make a queue";
	if (setjmp(c.end) == 0)
		one->run(&c);
	clean(&c);
	b->remove(c.dir);
	return c.complaint[0] != '\0' ? c.complaint : NULL;
}

static struct qf_store **free_slot(struct contract *c)
{
	struct qf_store **st = c->store;

	while (st < c->store + CONTRACT_STORES && *st != NULL)
		st++;
	MUST(st < c->store + CONTRACT_STORES);
	return st;
}

struct qf_store *contract_open(struct contract *c, enum qf_store_use use)
{
	struct qf_store **st = free_slot(c);

	OK(c->ops->open(st, c->dir, use, c->settings, &c->e));
	MUST(*st != NULL);
	return *st;
}

void contract_is_refused(
    struct contract *c, const char *dir, enum qf_store_use use, int rc)
{
	struct qf_store **st = free_slot(c);

	SAME(rc, c->ops->open(st, dir, use, c->settings, &c->e));
	MUST(*st == NULL);
	MUST(c->e.text[0] != '\0');
}

void contract_close(struct contract *c, struct qf_store *st)
{
	for (size_t i = 0; i < CONTRACT_STORES; i++) {
		if (c->store[i] != st)
			continue;
		c->ops->close(&c->store[i]);
		MUST(c->store[i] == NULL);
		return;
	}
}

void contract_crash(struct contract *c)
{
	give_back(c);
	for (size_t i = 0; i < CONTRACT_INTAKES; i++)
		c->intake[i] = NULL;
	for (size_t i = 0; i < CONTRACT_STORES; i++)
		if (c->store[i] != NULL)
			c->backend->crash(&c->store[i]);
}

struct qf_intake **contract_begin(struct contract *c, struct qf_store *st,
    const struct contract_letter *letter)
{
	struct qf_intake **in = c->intake + CONTRACT_INTAKES;

	/* After the last one that is taken. */
	while (in > c->intake && in[-1] == NULL)
		in--;
	MUST(in < c->intake + CONTRACT_INTAKES);
	OK(c->ops->begin(st, in, &c->e));
	MUST(*in != NULL);
	OK(c->ops->write(*in, letter->bytes, letter->n, &c->e));
	return in;
}

void contract_envelope(struct contract *c, const struct contract_letter *letter)
{
	qf_envelope_free(&c->env);
	qf_envelope_set_sender(&c->env, qf_span(letter->sender));
	for (const char *const *r = letter->rcpt; *r != NULL; r++)
		qf_envelope_add_rcpt(&c->env, qf_span(*r));
	for (const char *const *a = letter->attr; *a != NULL; a++)
		OK(qf_attrs_add(&c->env.attrs, qf_span(*a), &c->e));
}

struct qf_intake **contract_prepare(struct contract *c, struct qf_store *st,
    const struct contract_letter *letter)
{
	struct qf_intake **in = contract_begin(c, st, letter);

	contract_envelope(c, letter);
	OK(c->ops->prepare(*in, &c->env, 7, 4711, &c->e));
	return in;
}

void contract_put(struct contract *c, const struct contract_letter *letter,
    char id[QF_ID_SIZE])
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_intake **in = contract_prepare(c, st, letter);
	char ids[1][QF_ID_SIZE];

	OK(c->ops->publish(in, 1, ids, &c->e));
	MUST(*in == NULL);
	memcpy(id, ids[0], QF_ID_SIZE);
	contract_close(c, st);
}

struct qf_item *contract_load(
    struct contract *c, struct qf_store *st, const char *id)
{
	struct qf_item *item = c->item;

	while (item < c->item + CONTRACT_ITEMS && item->id[0] != '\0')
		item++;
	MUST(item < c->item + CONTRACT_ITEMS);
	OK(c->ops->load(st, id, item, &c->e));
	SAME_TEXT(id, item->id);
	return item;
}

void contract_drop(struct contract *c, struct qf_item *item)
{
	(void)c;
	qf_item_free(item);
}

static void has_attrs(struct contract *c, const struct qf_item *item,
    const struct contract_letter *letter)
{
	size_t n = 0;

	for (; letter->attr[n] != NULL; n++) {
		MUST(n < item->attrs.list.n);
		SAME_TEXT(letter->attr[n], item->attrs.list.v[n]);
	}
	SAME(n, item->attrs.list.n);
}

void contract_is_fresh(struct contract *c, const struct qf_item *item,
    const struct contract_letter *letter)
{
	size_t n = 0;

	MUST(item->fresh);
	SAME(0, item->due);
	SAME(letter->n, item->size);
	SAME_TEXT(letter->sender, item->sender.s);
	for (; letter->rcpt[n] != NULL; n++) {
		MUST(n < item->rcpt.n);
		SAME_TEXT(letter->rcpt[n], item->rcpt.v[n]);
		MUST(!item->done[n]);
	}
	SAME(n, item->rcpt.n);
	SAME(0, item->notes.len);
	has_attrs(c, item, letter);
}

void contract_is_gone(struct contract *c, struct qf_store *st, const char *id)
{
	struct qf_item *item = c->item;

	while (item < c->item + CONTRACT_ITEMS && item->id[0] != '\0')
		item++;
	MUST(item < c->item + CONTRACT_ITEMS);
	SAME(QF_ENOENT, c->ops->load(st, id, item, &c->e));
	SAME_TEXT("", item->id);
	SAME(0, item->rcpt.n);
	SAME(0, item->sender.len);
	SAME(0, item->attrs.list.n);
	c->fd = c->ops->message(st, id, &c->e);
	SAME(QF_ENOENT, c->fd);
	c->fd = -1;
}

void contract_read(struct contract *c, struct qf_store *st, const char *id)
{
	qf_buf_reset(&c->bytes);
	c->fd = c->ops->message(st, id, &c->e);
	if (c->fd < 0)
		contract_complain(c, __func__, __LINE__, "message(): %d, %s",
		    c->fd, c->e.text);
	OK(qf_read_all(c->fd, &c->bytes, &c->e));
	qf_close(&c->fd);
}

void contract_has_bytes(struct contract *c, struct qf_store *st, const char *id,
    const struct contract_letter *letter)
{
	contract_read(c, st, id);
	SAME(letter->n, c->bytes.len);
	MUST(memcmp(letter->bytes, c->bytes.s, letter->n) == 0);
}

struct contract_walk *contract_walk(
    struct contract *c, struct qf_store *st, bool held)
{
	struct contract_walk *w = c->walk;

	while (w < c->walk + CONTRACT_WALKS && w->st != NULL)
		w++;
	MUST(w < c->walk + CONTRACT_WALKS);
	*w = (struct contract_walk){.st = st, .place = {.held = held}};
	return w;
}

int contract_next(
    struct contract *c, struct contract_walk *w, char id[QF_ID_SIZE])
{
	int rc = c->ops->next(w->st, &w->place, id, &c->e);

	if (rc < 0)
		contract_complain(
		    c, __func__, __LINE__, "next(): %d, %s", rc, c->e.text);
	return rc;
}

void contract_walk_end(struct contract *c, struct contract_walk *w)
{
	c->ops->walk_end(w->st, &w->place);
	w->st = NULL;
}

static size_t walk(
    struct contract *c, struct qf_store *st, bool held, const char *wanted)
{
	struct contract_walk *w = contract_walk(c, st, held);
	char id[QF_ID_SIZE];
	size_t n = 0;

	for (int steps = 0; contract_next(c, w, id) > 0; steps++) {
		MUST(steps < 10000);
		if (wanted == NULL || strcmp(wanted, id) == 0)
			n++;
	}
	contract_walk_end(c, w);
	return n;
}

size_t contract_count(struct contract *c, struct qf_store *st, bool held)
{
	return walk(c, st, held, NULL);
}

size_t contract_names(
    struct contract *c, struct qf_store *st, bool held, const char *id)
{
	return walk(c, st, held, id);
}

bool contract_is_readable(struct contract *c, struct qf_store *st)
{
	struct pollfd p = {.fd = c->ops->wait_fd(st), .events = POLLIN};

	MUST(p.fd >= 0);
	MUST(poll(&p, 1, 0) >= 0);
	return p.revents != 0;
}
