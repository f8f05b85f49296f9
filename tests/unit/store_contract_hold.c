/*
 * The contract: messages that are held, until they are released or deleted.
 */
#include "tests/unit/store_contract.h"

#include "lib/base/clock.h"

static void a_held_message(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	for (int i = 0; i < 2; i++) {
		SAME(0, contract_count(c, st, false));
		SAME(1, contract_count(c, st, true));
		SAME(1, contract_names(c, st, true, id));
		item = contract_load(c, st, id);
		MUST(item->held);
		contract_is_fresh(c, item, &contract_spam);
		contract_has_bytes(c, st, id, &contract_spam);
		contract_crash(c);
		st = contract_open(c, QF_STORE_SEND);
	}
}

/* As if it had just come in. */
static void release_makes_it_queued(struct contract *c)
{
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	int64_t before = qf_clock_wall() - 1;
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	c->backend->set_born(c->dir, id, 1000000007);
	item = contract_load(c, look, id);
	SAME(1000000007, item->born);
	OK(c->ops->release(look, item, &c->e));
	MUST(!item->held);
	contract_drop(c, item);
	SAME(0, contract_count(c, look, true));
	SAME(1, contract_count(c, send, false));
	SAME(1, contract_names(c, send, false, id));
	MUST(contract_is_readable(c, send));
	item = contract_load(c, send, id);
	MUST(!item->held);
	MUST(item->born >= before && item->born <= qf_clock_wall());
	contract_is_fresh(c, item, &contract_spam);
	contract_has_bytes(c, send, id, &contract_spam);
	contract_crash(c);
	look = contract_open(c, QF_STORE_LOOK);
	SAME(1, contract_names(c, look, false, id));
	SAME(0, contract_count(c, look, true));
}

/* Like any other that is queued. */
static void what_is_released_is_sent(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	item = contract_load(c, st, id);
	OK(c->ops->release(st, item, &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 0, &c->e));
	OK(c->ops->note(st, item, 1, "no", &c->e));
	OK(c->ops->defer(st, item, 1000, &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	MUST(!item->held && !item->fresh);
	MUST(item->done[0] && item->done[1] && !item->done[2]);
	SAME(1000, item->due);
	SAME(2, item->attrs.list.n);
	SAME(1, contract_names(c, st, false, id));
	SAME(0, contract_count(c, st, true));
	OK(c->ops->finish(st, item, &c->e));
	MUST(c->backend->is_empty(c->dir));
}

static void what_is_not_held_is_not_released(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item, *second;
	char id[3][QF_ID_SIZE];

	contract_put(c, &contract_plain, id[0]);
	item = contract_load(c, st, id[0]);
	SAME(QF_ENOENT, c->ops->release(st, item, &c->e));
	contract_is_fresh(c, contract_load(c, st, id[0]), &contract_plain);
	contract_put(c, &contract_spam, id[1]);
	item = contract_load(c, st, id[1]);
	second = contract_load(c, st, id[1]);
	OK(c->ops->release(st, item, &c->e));
	contract_drop(c, item);
	SAME(QF_ENOENT, c->ops->release(st, second, &c->e));
	contract_drop(c, second);
	item = contract_load(c, st, id[1]);
	SAME(QF_ENOENT, c->ops->release(st, item, &c->e));
	/* Nor one that is gone. */
	contract_put(c, &contract_virus, id[2]);
	item = contract_load(c, st, id[2]);
	second = contract_load(c, st, id[2]);
	OK(c->ops->finish(st, item, &c->e));
	contract_drop(c, item);
	SAME(QF_ENOENT, c->ops->release(st, second, &c->e));
	SAME(QF_ENOENT, c->ops->claim(st, second, &c->e));
	SAME(QF_ENOENT, c->ops->finish(st, second, &c->e));
	contract_is_gone(c, st, id[2]);
	SAME(2, contract_count(c, st, false));
}

static void finish_deletes_a_held_one(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	char id[3][QF_ID_SIZE];

	for (size_t i = 0; i < 3; i++)
		contract_put(c, &contract_spam, id[i]);
	OK(c->ops->finish(st, contract_load(c, st, id[1]), &c->e));
	contract_is_gone(c, st, id[1]);
	SAME(2, contract_count(c, st, true));
	SAME(0, contract_count(c, st, false));
	contract_has_bytes(c, st, id[0], &contract_spam);
	contract_has_bytes(c, st, id[2], &contract_spam);
	OK(c->ops->finish(st, contract_load(c, st, id[0]), &c->e));
	OK(c->ops->finish(st, contract_load(c, st, id[2]), &c->e));
	MUST(c->backend->is_empty(c->dir));
}

/* One at a time, whatever store it is. */
static void a_claim_is_of_one(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	struct qf_item *one, *two, *three;
	char id[QF_ID_SIZE], other[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	contract_put(c, &contract_virus, other);
	one = contract_load(c, st, id);
	two = contract_load(c, st, id);
	three = contract_load(c, send, id);
	OK(c->ops->claim(st, one, &c->e));
	OK(c->ops->claim(st, one, &c->e));
	SAME(QF_EPERM, c->ops->claim(st, two, &c->e));
	SAME(QF_EPERM, c->ops->finish(st, two, &c->e));
	SAME(QF_EPERM, c->ops->release(st, two, &c->e));
	SAME(QF_EPERM, c->ops->claim(send, three, &c->e));
	SAME(QF_EPERM, c->ops->finish(send, three, &c->e));
	SAME(QF_EPERM, c->ops->release(send, three, &c->e));
	/* It is there as before; others are not touched by it. */
	SAME(2, contract_count(c, st, true));
	contract_is_fresh(c, contract_load(c, send, id), &contract_spam);
	contract_has_bytes(c, send, id, &contract_spam);
	OK(c->ops->claim(send, contract_load(c, send, other), &c->e));
	OK(c->ops->release(st, one, &c->e));
	SAME(1, contract_names(c, send, false, id));
}

/* What somebody else released is not deleted. */
static void a_claim_that_comes_too_late(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_item *one, *two;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	one = contract_load(c, st, id);
	two = contract_load(c, st, id);
	OK(c->ops->claim(st, one, &c->e));
	OK(c->ops->release(st, one, &c->e));
	contract_drop(c, one);
	SAME(QF_ENOENT, c->ops->claim(st, two, &c->e));
	SAME(QF_ENOENT, c->ops->finish(st, two, &c->e));
	SAME(QF_ENOENT, c->ops->release(st, two, &c->e));
	SAME(1, contract_names(c, st, false, id));
	contract_is_fresh(c, contract_load(c, st, id), &contract_spam);
	contract_has_bytes(c, st, id, &contract_spam);
}

static void a_claim_ends_with_its_item(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_item *one, *two;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	one = contract_load(c, st, id);
	two = contract_load(c, st, id);
	OK(c->ops->claim(st, one, &c->e));
	SAME(QF_EPERM, c->ops->claim(st, two, &c->e));
	contract_drop(c, one);
	OK(c->ops->claim(st, two, &c->e));
	contract_drop(c, two);
	/* What failed for want of it holds nothing. */
	one = contract_load(c, st, id);
	two = contract_load(c, st, id);
	OK(c->ops->claim(st, one, &c->e));
	SAME(QF_EPERM, c->ops->release(st, two, &c->e));
	contract_drop(c, one);
	one = contract_load(c, st, id);
	OK(c->ops->claim(st, one, &c->e));
	OK(c->ops->finish(st, one, &c->e));
	contract_is_gone(c, st, id);
}

static void a_claim_ends_with_a_crash(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	OK(c->ops->claim(st, contract_load(c, st, id), &c->e));
	contract_crash(c);
	st = contract_open(c, QF_STORE_LOOK);
	OK(c->ops->claim(st, contract_load(c, st, id), &c->e));
}

/* What is known of it then is what is there; its id was enough. */
static void a_claim_loads_again(struct contract *c)
{
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	struct qf_item *one, *two;
	char id[QF_ID_SIZE], held[QF_ID_SIZE];

	contract_put(c, &contract_routed, id);
	contract_put(c, &contract_spam, held);
	one = contract_load(c, send, id);
	two = contract_load(c, send, id);
	OK(c->ops->mark(send, two, 1, &c->e));
	OK(c->ops->note(send, two, 0, "no", &c->e));
	contract_drop(c, two);
	MUST(one->fresh);
	OK(c->ops->claim(send, one, &c->e));
	MUST(!one->fresh && !one->held);
	MUST(one->done[0] && one->done[1] && !one->done[2]);
	MUST(one->notes.len > 0);
	contract_drop(c, one);
	for (int i = 0; i < 2; i++) {
		one = contract_load(c, send, i == 0 ? id : held);
		contract_drop(c, one);
		memcpy(one->id, i == 0 ? id : held, QF_ID_SIZE);
		one->held = i == 1;
		OK(c->ops->claim(send, one, &c->e));
		SAME_TEXT(i == 0 ? id : held, one->id);
		SAME_TEXT(i == 0 ? "s@x.example" : "spammer@x.example",
		    one->sender.s);
		SAME(3, one->rcpt.n);
		SAME(2, one->attrs.list.n);
	}
}

static void a_queued_one_is_claimed(struct contract *c)
{
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_item *one, *two, *three;
	char id[QF_ID_SIZE], other[QF_ID_SIZE];

	contract_put(c, &contract_routed, id);
	contract_put(c, &contract_plain, other);
	one = contract_load(c, send, id);
	two = contract_load(c, look, id);
	three = contract_load(c, look, other);
	OK(c->ops->claim(send, one, &c->e));
	OK(c->ops->claim(send, one, &c->e));
	SAME(QF_EPERM, c->ops->claim(look, two, &c->e));
	SAME(QF_EPERM, c->ops->hold(look, two, "why", &c->e));
	contract_is_fresh(c, two, &contract_routed);
	OK(c->ops->claim(look, three, &c->e));
	/* Whoever has it does all with it. */
	OK(c->ops->mark(send, one, 0, &c->e));
	OK(c->ops->note(send, one, 1, "no", &c->e));
	OK(c->ops->defer(send, one, 1000, &c->e));
	SAME(QF_EPERM, c->ops->claim(look, two, &c->e));
	contract_drop(c, one);
	OK(c->ops->claim(look, two, &c->e));
	MUST(two->done[0] && two->done[1] && !two->done[2]);
	SAME(1000, two->due);
	one = contract_load(c, send, id);
	SAME(QF_EPERM, c->ops->claim(send, one, &c->e));
	OK(c->ops->finish(look, two, &c->e));
	contract_drop(c, two);
	SAME(QF_ENOENT, c->ops->claim(send, one, &c->e));
	SAME(QF_ENOENT, c->ops->hold(send, one, "why", &c->e));
	SAME_TEXT(id, one->id);
	SAME(3, one->rcpt.n);
	contract_is_gone(c, send, id);
}

/* Claimed as what it was, while it is what it was. */
static void a_claim_after_a_change(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_item *queued, *held, *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	held = contract_load(c, st, id);
	item = contract_load(c, st, id);
	OK(c->ops->release(st, item, &c->e));
	/* That was the end of its claim. */
	queued = contract_load(c, st, id);
	OK(c->ops->claim(st, queued, &c->e));
	SAME(QF_EPERM, c->ops->claim(st, item, &c->e));
	contract_drop(c, queued);
	OK(c->ops->claim(st, item, &c->e));
	contract_drop(c, item);
	SAME(QF_ENOENT, c->ops->claim(st, held, &c->e));
	queued = contract_load(c, st, id);
	item = contract_load(c, st, id);
	OK(c->ops->hold(st, item, "again", &c->e));
	contract_drop(c, item);
	SAME(QF_ENOENT, c->ops->claim(st, queued, &c->e));
	SAME(QF_ENOENT, c->ops->hold(st, queued, "once more", &c->e));
	OK(c->ops->claim(st, held, &c->e));
	SAME_TEXT("again", qf_attrs_get(&held->attrs, "HOLD"));
}

static void hold_makes_it_held(struct contract *c)
{
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	int64_t before = qf_clock_wall() - 1;
	struct qf_item *item, *other;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_routed, id);
	c->backend->set_born(c->dir, id, 1000000007);
	OK(c->ops->wait_reset(send, &c->e));
	item = contract_load(c, look, id);
	OK(c->ops->hold(look, item, "a person, for now", &c->e));
	MUST(item->held);
	SAME(0, contract_count(c, send, false));
	SAME(1, contract_names(c, send, true, id));
	MUST(!contract_is_readable(c, send));
	/* It is still claimed. */
	other = contract_load(c, send, id);
	SAME(QF_EPERM, c->ops->claim(send, other, &c->e));
	SAME(QF_EINVAL, c->ops->hold(look, item, "twice", &c->e));
	MUST(other->held && other->fresh);
	MUST(other->born >= before && other->born <= qf_clock_wall());
	SAME_TEXT("a person, for now", qf_attrs_get(&other->attrs, "HOLD"));
	SAME_TEXT("mx.example:26", qf_attrs_get(&other->attrs, "ROUTE"));
	SAME_TEXT("HDRS", qf_attrs_get(&other->attrs, "RET"));
	contract_has_bytes(c, send, id, &contract_routed);
	OK(c->ops->release(look, item, &c->e));
	SAME(1, contract_names(c, send, false, id));
	MUST(contract_is_readable(c, send));
}

static void has_state(
    struct contract *c, const struct qf_item *item, const char *hold)
{
	MUST(!item->fresh);
	MUST(item->done[0] && item->done[1] && !item->done[2]);
	SAME_TEXT("<b@x.example>:\nno\n\n", item->notes.s);
	SAME_TEXT("s@x.example", item->sender.s);
	SAME_TEXT(hold, qf_attrs_get(&item->attrs, "HOLD"));
	SAME(contract_plain.n, item->size);
}

/* Who has the message, and who never will, is not forgotten by it. */
static void state_outlives_a_hold(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 0, &c->e));
	OK(c->ops->note(st, item, 1, "no", &c->e));
	OK(c->ops->defer(st, item, INT64_C(4000000000), &c->e));
	OK(c->ops->hold(st, item, "first", &c->e));
	has_state(c, item, "first");
	contract_crash(c);
	st = contract_open(c, QF_STORE_SEND);
	SAME(1, contract_names(c, st, true, id));
	item = contract_load(c, st, id);
	MUST(item->held);
	has_state(c, item, "first");
	contract_has_bytes(c, st, id, &contract_plain);
	OK(c->ops->release(st, item, &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	MUST(!item->held);
	has_state(c, item, "first");
	MUST(item->due <= qf_clock_wall()); /* it is to be tried now */
	SAME(1, contract_names(c, st, false, id));
	OK(c->ops->hold(st, item, "second", &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	has_state(c, item, "second");
	OK(c->ops->finish(st, item, &c->e));
	MUST(c->backend->is_empty(c->dir));
}

/* A reason is a value of an attribute (lib/mail/attrs.h). */
static void a_reason_that_is_no_text(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_routed, id);
	item = contract_load(c, st, id);
	SAME(QF_EFORMAT, c->ops->hold(st, item, "one\ntwo", &c->e));
	MUST(!item->held);
	contract_drop(c, item);
	contract_is_fresh(c, contract_load(c, st, id), &contract_routed);
	SAME(1, contract_names(c, st, false, id));
	SAME(0, contract_count(c, st, true));
}

const struct contract_case contract_holding[] = {
    {"a held message", a_held_message},
    {"release makes it queued", release_makes_it_queued},
    {"what is released is sent", what_is_released_is_sent},
    {"what is not held is not released", what_is_not_held_is_not_released},
    {"finish deletes a held one", finish_deletes_a_held_one},
    {"a claim is of one", a_claim_is_of_one},
    {"a claim that comes too late", a_claim_that_comes_too_late},
    {"a claim ends with its item", a_claim_ends_with_its_item},
    {"a claim ends with a crash", a_claim_ends_with_a_crash},
    {"a claim loads again", a_claim_loads_again},
    {"a queued one is claimed", a_queued_one_is_claimed},
    {"a claim after a change", a_claim_after_a_change},
    {"hold makes it held", hold_makes_it_held},
    {"state outlives a hold", state_outlives_a_hold},
    {"a reason that is no text", a_reason_that_is_no_text},
    {NULL, NULL},
};
