/*
 * The contract: what a walk over the queue names while others change it, who
 * may send, and what wakes the sender.
 */
#include "tests/unit/store_contract.h"

enum {
	SOME = 12
};

/* Queued ones in each of the states that they have in the course of time. */
static void put_some(struct contract *c, char id[SOME][QF_ID_SIZE])
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);

	for (size_t i = 0; i < SOME; i++) {
		struct qf_item *item;

		contract_put(c, &contract_plain, id[i]);
		item = contract_load(c, st, id[i]);
		if (i % 4 == 1)
			OK(c->ops->defer(st, item, 1000, &c->e));
		if (i % 4 == 2)
			OK(c->ops->note(st, item, 1, "no", &c->e));
		contract_drop(c, item);
	}
	contract_close(c, st);
}

static size_t find(char (*id)[QF_ID_SIZE], size_t n, const char *wanted)
{
	size_t i = 0;

	while (i < n && strcmp(id[i], wanted) != 0)
		i++;
	return i;
}

/* Each once, and nothing else. */
static void names_all(struct contract *c, struct contract_walk *w,
    char (*id)[QF_ID_SIZE], size_t n)
{
	unsigned seen[2 * SOME] = {0};
	char found[QF_ID_SIZE];

	while (contract_next(c, w, found) > 0) {
		size_t i = find(id, n, found);

		MUST(i < n);
		SAME(1, ++seen[i]);
	}
	for (size_t i = 0; i < n; i++)
		SAME(1, seen[i]);
}

static void an_empty_queue(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	char id[QF_ID_SIZE];

	for (int held = 0; held < 2; held++) {
		struct contract_walk *w = contract_walk(c, st, held == 1);

		SAME(0, contract_next(c, w, id));
		SAME(0, contract_next(c, w, id));
	}
	MUST(c->backend->is_empty(c->dir));
}

static void each_is_named_once(struct contract *c)
{
	char queued[SOME][QF_ID_SIZE], held[SOME][QF_ID_SIZE], id[QF_ID_SIZE];
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);

	put_some(c, queued);
	for (size_t i = 0; i < SOME; i++)
		contract_put(c, &contract_spam, held[i]);
	for (int i = 0; i < 2; i++) {
		struct contract_walk *w = contract_walk(c, st, i == 1);

		names_all(c, w, i == 1 ? held : queued, SOME);
		/* Its end stays its end, until it starts again. */
		SAME(0, contract_next(c, w, id));
		c->ops->walk_end(st, &w->place);
		MUST(w->place.held == (i == 1));
		names_all(c, w, i == 1 ? held : queued, SOME);
	}
}

static void a_walk_is_left_early(struct contract *c)
{
	char queued[SOME][QF_ID_SIZE], held[2][QF_ID_SIZE], id[QF_ID_SIZE];
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);

	put_some(c, queued);
	for (size_t i = 0; i < 2; i++)
		contract_put(c, &contract_spam, held[i]);
	for (int i = 0; i < 2; i++) {
		struct contract_walk *w = contract_walk(c, st, i == 1);

		SAME(1, contract_next(c, w, id));
		c->ops->walk_end(st, &w->place);
		MUST(w->place.held == (i == 1));
		names_all(c, w, i == 1 ? held : queued, i == 1 ? 2 : SOME);
		c->ops->walk_end(st, &w->place);
		SAME(1, contract_next(c, w, id));
	}
}

static void walks_side_by_side(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	char queued[3][QF_ID_SIZE], held[3][QF_ID_SIZE], id[QF_ID_SIZE];
	struct contract_walk *w[3];
	unsigned seen[3][3] = {{0}};

	for (size_t i = 0; i < 3; i++) {
		contract_put(c, &contract_plain, queued[i]);
		contract_put(c, &contract_spam, held[i]);
	}
	w[0] = contract_walk(c, st, false);
	w[1] = contract_walk(c, st, true);
	w[2] = contract_walk(c, send, false);
	for (size_t k = 0; k < 9; k++) {
		size_t i;

		SAME(1, contract_next(c, w[k % 3], id));
		i = find(k % 3 == 1 ? held : queued, 3, id);
		MUST(i < 3);
		SAME(1, ++seen[k % 3][i]);
	}
	for (size_t k = 0; k < 3; k++)
		SAME(0, contract_next(c, w[k], id));
}

/* As the sender does it: twice perhaps, never missed. */
static void deferred_meanwhile(struct contract *c)
{
	char id[SOME][QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_store *st;
	struct contract_walk *w;
	unsigned seen[SOME] = {0};

	put_some(c, id);
	st = contract_open(c, QF_STORE_SEND);
	w = contract_walk(c, st, false);
	while (contract_next(c, w, found) > 0) {
		size_t i = find(id, SOME, found);
		struct qf_item *item;

		MUST(i < SOME);
		MUST(++seen[i] <= 2);
		item = contract_load(c, st, found);
		OK(c->ops->defer(st, item, 1000, &c->e));
		contract_drop(c, item);
	}
	for (size_t i = 0; i < SOME; i++)
		MUST(seen[i] > 0);
}

/* All at once, some of which the walk has passed and some not. */
static void all_deferred_in_the_middle(struct contract *c)
{
	char id[SOME][QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_store *st;
	struct contract_walk *w;
	unsigned seen[SOME] = {0};

	put_some(c, id);
	st = contract_open(c, QF_STORE_SEND);
	w = contract_walk(c, st, false);
	for (size_t n = 0; contract_next(c, w, found) > 0; n++) {
		size_t at = find(id, SOME, found);

		MUST(at < SOME);
		MUST(++seen[at] <= 2);
		for (size_t i = 0; n == 2 && i < SOME; i++) {
			struct qf_item *item = contract_load(c, st, id[i]);

			OK(c->ops->defer(st, item, 1000, &c->e));
			contract_drop(c, item);
		}
	}
	for (size_t i = 0; i < SOME; i++)
		MUST(seen[i] > 0);
}

static void finished_meanwhile(struct contract *c)
{
	char id[SOME][QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_store *st;
	struct contract_walk *w;
	size_t n = 0;

	put_some(c, id);
	st = contract_open(c, QF_STORE_SEND);
	w = contract_walk(c, st, false);
	while (contract_next(c, w, found) > 0) {
		struct qf_item *item = contract_load(c, st, found);

		OK(c->ops->finish(st, item, &c->e));
		contract_drop(c, item);
		n++;
	}
	SAME(SOME, n);
	MUST(c->backend->is_empty(c->dir));
}

/* Those that a walk has not passed yet; what is left is named. */
static void others_finished_meanwhile(struct contract *c)
{
	char id[SOME][QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_store *st;
	struct contract_walk *w;
	unsigned seen[SOME] = {0};

	put_some(c, id);
	st = contract_open(c, QF_STORE_SEND);
	w = contract_walk(c, st, false);
	for (size_t n = 0; contract_next(c, w, found) > 0; n++) {
		size_t at = find(id, SOME, found);

		MUST(at < SOME);
		SAME(1, ++seen[at]);
		for (size_t i = 0; n == 0 && i < SOME; i += 2) {
			struct qf_item *item = contract_load(c, st, id[i]);

			OK(c->ops->finish(st, item, &c->e));
			contract_drop(c, item);
		}
	}
	for (size_t i = 1; i < SOME; i += 2)
		SAME(1, seen[i]);
	SAME(SOME / 2, contract_count(c, st, false));
}

/* It may be missed; the others are not. */
static void one_comes_meanwhile(struct contract *c)
{
	char queued[SOME][QF_ID_SIZE], id[QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct contract_walk *w;
	unsigned seen[SOME + 1] = {0};

	put_some(c, queued);
	w = contract_walk(c, st, false);
	SAME(1, contract_next(c, w, found));
	seen[find(queued, SOME, found)]++;
	contract_put(c, &contract_plain, id);
	while (contract_next(c, w, found) > 0)
		SAME(1, ++seen[find(queued, SOME, found)]);
	for (size_t i = 0; i < SOME; i++)
		SAME(1, seen[i]);
	SAME(1, contract_names(c, st, false, id));
}

static void released_meanwhile(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	char id[SOME][QF_ID_SIZE], found[QF_ID_SIZE];
	struct contract_walk *w;
	unsigned seen[SOME] = {0};

	for (size_t i = 0; i < SOME; i++)
		contract_put(c, &contract_spam, id[i]);
	w = contract_walk(c, st, true);
	while (contract_next(c, w, found) > 0) {
		struct qf_item *item = contract_load(c, st, found);

		MUST(item->held);
		OK(c->ops->release(st, item, &c->e));
		contract_drop(c, item);
		SAME(1, ++seen[find(id, SOME, found)]);
	}
	for (size_t i = 0; i < SOME; i++)
		SAME(1, seen[i]);
	SAME(0, contract_count(c, st, true));
	contract_walk_end(c, w);
	w = contract_walk(c, st, false);
	names_all(c, w, id, SOME);
}

static void held_meanwhile(struct contract *c)
{
	char id[SOME][QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_store *st;
	struct contract_walk *w;
	unsigned seen[SOME] = {0};

	put_some(c, id);
	st = contract_open(c, QF_STORE_LOOK);
	w = contract_walk(c, st, false);
	while (contract_next(c, w, found) > 0) {
		struct qf_item *item = contract_load(c, st, found);

		OK(c->ops->hold(st, item, "why", &c->e));
		contract_drop(c, item);
		SAME(1, ++seen[find(id, SOME, found)]);
	}
	for (size_t i = 0; i < SOME; i++)
		SAME(1, seen[i]);
	SAME(0, contract_count(c, st, false));
	contract_walk_end(c, w);
	w = contract_walk(c, st, true);
	names_all(c, w, id, SOME);
}

static void one_sender(struct contract *c)
{
	struct qf_store *first = contract_open(c, QF_STORE_SEND);
	char id[QF_ID_SIZE];

	contract_is_refused(c, c->dir, QF_STORE_SEND, QF_EPERM);
	/* The first one goes on, beside those that only look or add. */
	contract_open(c, QF_STORE_LOOK);
	contract_open(c, QF_STORE_INTAKE);
	contract_put(c, &contract_plain, id);
	MUST(contract_is_readable(c, first));
	SAME(1, contract_count(c, first, false));
	contract_is_refused(c, c->dir, QF_STORE_SEND, QF_EPERM);
	contract_close(c, first);
	first = contract_open(c, QF_STORE_SEND);
	SAME(1, contract_count(c, first, false));
}

static void a_sender_after_a_crash(struct contract *c)
{
	char id[QF_ID_SIZE];
	struct qf_store *st = contract_open(c, QF_STORE_SEND);

	contract_put(c, &contract_plain, id);
	contract_load(c, st, id);
	contract_crash(c);
	st = contract_open(c, QF_STORE_SEND);
	SAME(1, contract_names(c, st, false, id));
	contract_put(c, &contract_plain, id);
	MUST(contract_is_readable(c, st));
}

static void the_sender_is_woken(struct contract *c)
{
	struct qf_store *early = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_store *late = contract_open(c, QF_STORE_INTAKE);
	char ids[1][QF_ID_SIZE];

	MUST(!contract_is_readable(c, st));
	for (size_t i = 0; i < 4; i++) {
		struct qf_intake **in = contract_prepare(
		    c, i % 2 == 0 ? early : late, &contract_plain);

		MUST(!contract_is_readable(c, st));
		OK(c->ops->publish(in, 1, ids, &c->e));
		MUST(contract_is_readable(c, st));
		MUST(contract_is_readable(c, st));
		OK(c->ops->wait_reset(st, &c->e));
		MUST(!contract_is_readable(c, st));
		OK(c->ops->wait_reset(st, &c->e));
	}
}

/* What comes between the reset and the walk, or during the walk, is either
 * named or wakes again. */
static void no_wake_is_lost(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	char id[QF_ID_SIZE], found[QF_ID_SIZE];
	struct contract_walk *w;

	contract_put(c, &contract_plain, id);
	OK(c->ops->wait_reset(st, &c->e));
	contract_put(c, &contract_plain, id);
	MUST(contract_is_readable(c, st));
	SAME(2, contract_count(c, st, false));
	MUST(contract_is_readable(c, st));
	OK(c->ops->wait_reset(st, &c->e));
	w = contract_walk(c, st, false);
	SAME(1, contract_next(c, w, found));
	contract_put(c, &contract_plain, id);
	while (contract_next(c, w, found) > 0)
		;
	MUST(contract_is_readable(c, st));
}

static void many_wakes_are_one(struct contract *c)
{
	enum {
		MANY = 100
	};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	char id[QF_ID_SIZE];

	for (int i = 0; i < MANY; i++)
		contract_put(c, &contract_plain, id);
	OK(c->ops->wait_reset(st, &c->e));
	MUST(!contract_is_readable(c, st));
	SAME(MANY, contract_count(c, st, false));
}

static void what_is_held_wakes_nobody(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_store *door = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	char held[2][QF_ID_SIZE], ids[2][QF_ID_SIZE];
	struct qf_intake **in;

	contract_put(c, &contract_spam, held[0]);
	contract_put(c, &contract_virus, held[1]);
	MUST(!contract_is_readable(c, st));
	OK(c->ops->finish(look, contract_load(c, look, held[0]), &c->e));
	MUST(!contract_is_readable(c, st));
	OK(c->ops->release(look, contract_load(c, look, held[1]), &c->e));
	MUST(contract_is_readable(c, st));
	OK(c->ops->wait_reset(st, &c->e));
	/* One that is queued among them does. */
	in = contract_prepare(c, door, &contract_plain);
	contract_prepare(c, door, &contract_spam);
	OK(c->ops->publish(in, 2, ids, &c->e));
	MUST(contract_is_readable(c, st));
}

static void wake_wakes(struct contract *c)
{
	static const enum qf_store_use use[] = {
	    QF_STORE_LOOK, QF_STORE_INTAKE, QF_STORE_SEND};
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_store *st;

	c->ops->wake(look); /* nobody waits */
	st = contract_open(c, QF_STORE_SEND);
	for (size_t i = 0; i < 3; i++) {
		struct qf_store *other = i == 2 ? st : contract_open(c, use[i]);

		OK(c->ops->wait_reset(st, &c->e));
		c->ops->wake(other);
		MUST(contract_is_readable(c, st));
	}
}

static void only_a_sender_waits(struct contract *c)
{
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_store *door = contract_open(c, QF_STORE_INTAKE);

	SAME(-1, c->ops->wait_fd(look));
	SAME(-1, c->ops->wait_fd(door));
	OK(c->ops->wait_reset(look, &c->e));
	OK(c->ops->wait_reset(door, &c->e));
}

/* One that was not there then finds all by its first walk. */
static void a_sender_that_comes_later(struct contract *c)
{
	char id[2][QF_ID_SIZE];
	struct qf_store *st;

	contract_put(c, &contract_plain, id[0]);
	contract_put(c, &contract_spam, id[1]);
	st = contract_open(c, QF_STORE_SEND);
	OK(c->ops->wait_reset(st, &c->e));
	SAME(1, contract_count(c, st, false));
	SAME(1, contract_names(c, st, false, id[0]));
}

const struct contract_case contract_walking[] = {
    {"an empty queue", an_empty_queue},
    {"each is named once", each_is_named_once},
    {"a walk is left early", a_walk_is_left_early},
    {"walks side by side", walks_side_by_side},
    {"deferred meanwhile", deferred_meanwhile},
    {"all deferred in the middle", all_deferred_in_the_middle},
    {"finished meanwhile", finished_meanwhile},
    {"others finished meanwhile", others_finished_meanwhile},
    {"one comes meanwhile", one_comes_meanwhile},
    {"released meanwhile", released_meanwhile},
    {"held meanwhile", held_meanwhile},
    {"one sender", one_sender},
    {"a sender after a crash", a_sender_after_a_crash},
    {"the sender is woken", the_sender_is_woken},
    {"no wake is lost", no_wake_is_lost},
    {"many wakes are one", many_wakes_are_one},
    {"what is held wakes nobody", what_is_held_wakes_nobody},
    {"wake wakes", wake_wakes},
    {"only a sender waits", only_a_sender_waits},
    {"a sender that comes later", a_sender_that_comes_later},
    {NULL, NULL},
};
