/*
 * The contract: a long series of operations in an order that nobody chose,
 * beside a plain list of what must be there after each. A seed always gives
 * the same series; the complaint names it and the step.
 */
#include "tests/unit/store_contract.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/clock.h"

enum {
	STEPS = 700,
	SLOW_STEPS = 100, /* under valgrind */
	MESSAGES = 14,    /* at most, of which few comings make many steps */
	RCPTS = 5,
	PENDING = 4,
	LOOK_AT_ALL = 40 /* steps after which all are looked at */
};

/* A message as it must be. */
struct expected {
	char id[QF_ID_SIZE]; /* empty: none */
	unsigned serial;     /* which its bytes and addresses tell */
	bool held, fresh;
	bool done[RCPTS];
	bool written[RCPTS]; /* a crash can not take it back */
	int64_t due;
	bool is_due;    /* nothing was marked since defer() */
	unsigned again; /* held() for this reason; 0: never */
	struct qf_buf notes;
	struct qf_item *item; /* that the sender has of it, or NULL */
};

struct series {
	uint64_t random;
	unsigned serial;
	struct expected message[MESSAGES];
	struct {
		struct qf_intake **in;
		unsigned serial;
	} pending[PENDING];
	size_t npending;
	struct qf_store *door, *send, *look;
};

static struct series s;

static unsigned below(unsigned n)
{
	s.random ^= s.random << 13;
	s.random ^= s.random >> 7;
	s.random ^= s.random << 17;
	return (unsigned)(s.random >> 33) % n;
}

/* All of a message comes from its number: nothing need be remembered. */

static bool is_held(unsigned serial)
{
	return serial % 3 == 0;
}

static size_t nrcpt(unsigned serial)
{
	return serial % (RCPTS + 1);
}

static void make_bytes(struct qf_buf *b, unsigned serial)
{
	qf_buf_reset(b);
	for (unsigned i = 0; i < serial * 7 % 50; i++)
		qf_buf_addf(b, "line %u of message %u\n", i, serial);
}

static void make_rcpt(char out[64], unsigned serial, size_t i)
{
	snprintf(out, 64, "r%zu.%u@x.example", i, serial);
}

static void make_envelope(struct contract *c, unsigned serial)
{
	char text[64];

	qf_envelope_free(&c->env);
	snprintf(text, sizeof text, "s%u@x.example", serial);
	qf_envelope_set_sender(&c->env, qf_span(text));
	for (size_t i = 0; i < nrcpt(serial); i++) {
		make_rcpt(text, serial, i);
		qf_envelope_add_rcpt(&c->env, qf_span(text));
	}
	snprintf(text, sizeof text, "ENVID=%u", serial);
	if (serial % 2 == 0)
		OK(qf_attrs_add(&c->env.attrs, qf_span(text), &c->e));
	snprintf(text, sizeof text, "HOLD=because of %u", serial);
	if (is_held(serial))
		OK(qf_attrs_add(&c->env.attrs, qf_span(text), &c->e));
}

static void make_reason(char out[64], unsigned again)
{
	snprintf(out, 64, "again, %u", again);
}

/* What is there. */

static size_t room(void)
{
	size_t n = 0;

	for (size_t i = 0; i < MESSAGES; i++)
		n += s.message[i].id[0] == '\0';
	return n;
}

/* One of those that are held, or queued; NULL without any. */
static struct expected *any(bool held)
{
	unsigned from = below(MESSAGES);

	for (unsigned i = 0; i < MESSAGES; i++) {
		struct expected *m = &s.message[(from + i) % MESSAGES];

		if (m->id[0] != '\0' && m->held == held)
			return m;
	}
	return NULL;
}

static void expect(const char *id, unsigned serial)
{
	struct expected *m = s.message;

	while (m->id[0] != '\0')
		m++;
	qf_buf_reset(&m->notes);
	*m = (struct expected){.serial = serial,
	    .held = is_held(serial),
	    .fresh = true,
	    .notes = m->notes};
	memcpy(m->id, id, QF_ID_SIZE);
}

/* How it compares. */

static void same_rcpts(
    struct contract *c, struct expected *m, const struct qf_item *item)
{
	bool pending = false;
	char addr[64];

	SAME(nrcpt(m->serial), item->rcpt.n);
	for (size_t i = 0; i < item->rcpt.n; i++) {
		make_rcpt(addr, m->serial, i);
		SAME_TEXT(addr, item->rcpt.v[i]);
		if (m->written[i] || !m->done[i] || item == m->item)
			SAME(m->done[i], item->done[i]);
		pending = pending || !item->done[i];
	}
	if (m->fresh || !pending)
		SAME(0, item->due);
	else if (m->is_due)
		SAME(m->due, item->due);
	else
		MUST(item->due == m->due || item->due <= qf_clock_wall());
}

static void same_item(
    struct contract *c, struct expected *m, const struct qf_item *item)
{
	make_envelope(c, m->serial);
	make_bytes(&c->scratch, m->serial);
	SAME_TEXT(m->id, item->id);
	SAME(m->held, item->held);
	SAME(m->fresh, item->fresh);
	SAME(c->scratch.len, item->size);
	SAME_TEXT(qf_envelope_sender(&c->env), item->sender.s);
	if (m->again > 0) {
		char reason[64];

		make_reason(reason, m->again);
		OK(qf_attrs_set(&c->env.attrs, "HOLD", qf_span(reason), &c->e));
	}
	SAME(c->env.attrs.list.n, item->attrs.list.n);
	for (size_t i = 0; i < item->attrs.list.n; i++)
		SAME_TEXT(c->env.attrs.list.v[i], item->attrs.list.v[i]);
	SAME_TEXT(m->notes.s, item->notes.s);
}

static void look_at(struct contract *c, struct expected *m)
{
	struct qf_item *item;

	if (m == NULL || m->id[0] == '\0')
		return;
	item = contract_load(c, s.look, m->id);
	same_item(c, m, item);
	same_rcpts(c, m, item);
	contract_drop(c, item);
	contract_read(c, s.look, m->id);
	make_bytes(&c->scratch, m->serial);
	SAME(c->scratch.len, c->bytes.len);
	SAME_TEXT(c->scratch.s, c->bytes.s);
}

static void walk_all(struct contract *c, struct qf_store *st, bool held)
{
	struct contract_walk *w = contract_walk(c, st, held);
	char id[QF_ID_SIZE];
	size_t n = 0, all = 0;

	for (size_t i = 0; i < MESSAGES; i++)
		all += s.message[i].id[0] != '\0' && s.message[i].held == held;
	while (contract_next(c, w, id) > 0) {
		size_t i = 0;

		while (i < MESSAGES && strcmp(s.message[i].id, id) != 0)
			i++;
		MUST(i < MESSAGES);
		SAME(held, s.message[i].held);
		MUST(++n <= all);
	}
	SAME(all, n);
	contract_walk_end(c, w);
}

static void compare(struct contract *c, bool everything)
{
	bool held = below(2) == 0;

	walk_all(c, held ? s.look : s.send, held);
	if (everything)
		walk_all(c, held ? s.send : s.look, !held);
	look_at(c, any(false));
	look_at(c, any(true));
	for (size_t i = 0; everything && i < MESSAGES; i++)
		look_at(c, &s.message[i]);
}

/* The steps. */

static void prepare_one(struct contract *c)
{
	struct contract_letter none = contract_plain;
	unsigned serial = ++s.serial;
	size_t half;

	if (s.npending == PENDING)
		return;
	none.n = 0;
	s.pending[s.npending].in = contract_begin(c, s.door, &none);
	s.pending[s.npending].serial = serial;
	make_bytes(&c->scratch, serial);
	half = c->scratch.len / 2;
	OK(c->ops->write(*s.pending[s.npending].in, c->scratch.s, half, &c->e));
	OK(c->ops->write(*s.pending[s.npending].in, c->scratch.s + half,
	    c->scratch.len - half, &c->e));
	make_envelope(c, serial);
	OK(c->ops->prepare(*s.pending[s.npending].in, &c->env, 7, 4711, &c->e));
	s.npending++;
}

static void abort_one(struct contract *c)
{
	size_t i;

	if (s.npending == 0)
		return;
	i = below((unsigned)s.npending);
	c->ops->abort(s.pending[i].in);
	s.pending[i] = s.pending[--s.npending];
}

static void publish_all(struct contract *c)
{
	struct qf_intake *in[PENDING];
	char ids[PENDING][QF_ID_SIZE];
	bool wakes = false;

	if (s.npending == 0 || room() < s.npending)
		return;
	OK(c->ops->wait_reset(s.send, &c->e));
	for (size_t i = 0; i < s.npending; i++) {
		in[i] = *s.pending[i].in;
		*s.pending[i].in = NULL;
		wakes = wakes || !is_held(s.pending[i].serial);
	}
	OK(c->ops->publish(in, s.npending, ids, &c->e));
	for (size_t i = 0; i < s.npending; i++)
		expect(ids[i], s.pending[i].serial);
	s.npending = 0;
	MUST(contract_is_readable(c, s.send) == wakes);
}

/* The sender's view, kept for a while. */
static struct expected *take_one(struct contract *c)
{
	struct expected *m = any(false);

	if (m == NULL)
		return NULL;
	if (m->item == NULL) {
		m->item = contract_load(c, s.send, m->id);
		OK(c->ops->claim(s.send, m->item, &c->e));
		/* Marks that were not written may be gone, or not. */
		for (size_t i = 0; i < nrcpt(m->serial); i++)
			m->done[i] = m->item->done[i] || m->written[i];
	}
	same_item(c, m, m->item);
	return m;
}

static void put_back(struct contract *c, struct expected *m)
{
	if (m->item != NULL)
		contract_drop(c, m->item);
	m->item = NULL;
}

/* All that the item has is written. */
static void settle(struct expected *m, int64_t due, bool is_due)
{
	memcpy(m->written, m->done, sizeof m->written);
	if (m->fresh || is_due)
		m->due = due;
	m->is_due = is_due;
	m->fresh = false;
}

static void mark_one(struct contract *c)
{
	struct expected *m = take_one(c);
	size_t i;

	if (m == NULL || nrcpt(m->serial) == 0)
		return;
	i = below((unsigned)nrcpt(m->serial));
	OK(c->ops->mark(s.send, m->item, i, &c->e));
	m->done[i] = true;
	if (!m->fresh) {
		m->written[i] = true;
		m->is_due = false;
	}
	SAME(m->done[i], m->item->done[i]);
}

static void note_one(struct contract *c)
{
	struct expected *m = take_one(c);
	char reason[32], addr[64];
	size_t i;

	if (m == NULL || nrcpt(m->serial) == 0)
		return;
	i = below((unsigned)nrcpt(m->serial));
	snprintf(reason, sizeof reason, "because %u", below(1000));
	if (m->done[i]) {
		SAME(
		    QF_EINVAL, c->ops->note(s.send, m->item, i, reason, &c->e));
		return;
	}
	OK(c->ops->note(s.send, m->item, i, reason, &c->e));
	m->done[i] = true;
	settle(m, m->item->born, false);
	make_rcpt(addr, m->serial, i);
	qf_note_add(&m->notes, addr, reason);
}

static void defer_one(struct contract *c)
{
	int64_t due = 1000 + below(1000000);
	struct expected *m = take_one(c);

	if (m == NULL)
		return;
	OK(c->ops->defer(s.send, m->item, due, &c->e));
	settle(m, due, true);
}

static void fail_one(struct contract *c)
{
	struct expected *m = take_one(c);

	if (m != NULL)
		OK(c->ops->fail(s.send, m->item, &m->item->rcpt, &c->e));
}

static void finish_one(struct contract *c)
{
	struct expected *m = take_one(c);
	char id[QF_ID_SIZE];

	if (m == NULL)
		return;
	OK(c->ops->finish(s.send, m->item, &c->e));
	put_back(c, m);
	memcpy(id, m->id, sizeof id);
	m->id[0] = '\0';
	contract_is_gone(c, s.look, id);
}

static void release_one(struct contract *c)
{
	struct expected *m = any(true);
	struct qf_item *item;

	if (m == NULL)
		return;
	OK(c->ops->wait_reset(s.send, &c->e));
	item = contract_load(c, s.look, m->id);
	OK(c->ops->release(s.look, item, &c->e));
	contract_drop(c, item);
	m->held = false;
	m->is_due = false;
	MUST(contract_is_readable(c, s.send));
}

/* A person's work on one that is queued: not while the sender has it. */
static struct qf_item *take_queued(struct contract *c, struct expected *m)
{
	struct qf_item *item = contract_load(c, s.look, m->id);

	if (m->item == NULL) {
		OK(c->ops->claim(s.look, item, &c->e));
		return item;
	}
	SAME(QF_EPERM, c->ops->claim(s.look, item, &c->e));
	SAME(QF_EPERM, c->ops->hold(s.look, item, "no", &c->e));
	contract_drop(c, item);
	return NULL;
}

static void hold_one(struct contract *c)
{
	struct expected *m = any(false);
	struct qf_item *item;
	char reason[64];

	if (m == NULL || (item = take_queued(c, m)) == NULL)
		return;
	m->again = 1 + below(1000);
	make_reason(reason, m->again);
	OK(c->ops->hold(s.look, item, reason, &c->e));
	m->held = true;
	same_item(c, m, item);
	contract_drop(c, item);
}

static void delete_one(struct contract *c)
{
	struct expected *m = any(below(2) == 0);
	struct qf_item *item;

	if (m == NULL)
		return;
	item = m->held ? contract_load(c, s.look, m->id) : take_queued(c, m);
	if (item == NULL)
		return;
	OK(c->ops->finish(s.look, item, &c->e));
	contract_drop(c, item);
	m->id[0] = '\0';
}

static void claim_one(struct contract *c)
{
	struct expected *m = any(true);
	struct qf_item *one, *two;

	if (m == NULL)
		return;
	one = contract_load(c, s.look, m->id);
	two = contract_load(c, s.send, m->id);
	OK(c->ops->claim(s.look, one, &c->e));
	SAME(QF_EPERM, c->ops->release(s.send, two, &c->e));
	contract_drop(c, one);
	OK(c->ops->claim(s.send, two, &c->e));
	contract_drop(c, two);
}

static void put_back_one(struct contract *c)
{
	put_back(c, &s.message[below(MESSAGES)]);
}

static void open_all(struct contract *c)
{
	s.door = contract_open(c, QF_STORE_INTAKE);
	s.send = contract_open(c, QF_STORE_SEND);
	s.look = contract_open(c, QF_STORE_LOOK);
}

static void reopen(struct contract *c)
{
	for (size_t i = 0; i < MESSAGES; i++)
		put_back(c, &s.message[i]);
	while (s.npending > 0)
		c->ops->abort(s.pending[--s.npending].in);
	contract_close(c, s.door);
	contract_close(c, s.send);
	contract_close(c, s.look);
	open_all(c);
	compare(c, true);
}

static void crash(struct contract *c)
{
	for (size_t i = 0; i < MESSAGES; i++)
		s.message[i].item = NULL;
	s.npending = 0;
	contract_crash(c);
	open_all(c);
	compare(c, true);
}

/* Each as often as its share says. */
static const struct {
	unsigned share;
	void (*step)(struct contract *c);
} steps[] = {{24, prepare_one}, {3, abort_one}, {12, publish_all},
    {12, mark_one}, {8, note_one}, {10, defer_one}, {3, fail_one},
    {8, finish_one}, {4, hold_one}, {8, release_one}, {3, delete_one},
    {3, claim_one}, {5, put_back_one}, {2, reopen}, {2, crash}};

static void make_step(struct contract *c)
{
	enum {
		KINDS = sizeof steps / sizeof steps[0]
	};
	unsigned all = 0, which;
	size_t i = 0;

	for (size_t k = 0; k < KINDS; k++)
		all += steps[k].share;
	for (which = below(all); which >= steps[i].share; i++)
		which -= steps[i].share;
	steps[i].step(c);
}

static void run(struct contract *c, uint64_t seed)
{
	static const struct qf_store_settings quick = {.sync = QF_SYNC_NONE};
	unsigned n = getenv("QF_VALGRIND") != NULL ? SLOW_STEPS : STEPS;

	c->settings = &quick;
	for (size_t i = 0; i < MESSAGES; i++)
		qf_buf_free(&s.message[i].notes);
	s = (struct series){.random = seed * UINT64_C(0x9e3779b97f4a7c15)};
	for (size_t i = 0; i < MESSAGES; i++)
		s.message[i].notes = (struct qf_buf)QF_BUF_INIT;
	open_all(c);
	for (unsigned i = 1; i <= n; i++) {
		snprintf(c->at, sizeof c->at,
		    "seed %llu, step %u: ", (unsigned long long)seed, i);
		make_step(c);
		compare(c, i % LOOK_AT_ALL == 0);
	}
	MUST(s.serial > n / 10);
}

static void series_1(struct contract *c)
{
	run(c, 1);
}

static void series_2(struct contract *c)
{
	run(c, 2);
}

static void series_3(struct contract *c)
{
	run(c, 3);
}

const struct contract_case contract_random[] = {
    {"a series of steps, 1", series_1},
    {"a series of steps, 2", series_2},
    {"a series of steps, 3", series_3},
    {NULL, NULL},
};
