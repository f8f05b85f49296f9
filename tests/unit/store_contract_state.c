/*
 * The contract: what is written down of a message's recipients, and its end.
 */
#include "tests/unit/store_contract.h"

#include <stdio.h>

#include "lib/base/clock.h"

/* What every store reads of it. */
static struct qf_item *look_at(struct contract *c, const char *id)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_item *item = contract_load(c, st, id);

	contract_close(c, st);
	return item;
}

static void is_done(
    struct contract *c, const struct qf_item *item, const char *want)
{
	SAME(strlen(want), item->rcpt.n);
	for (size_t i = 0; i < item->rcpt.n; i++)
		SAME(want[i] == 'D', item->done[i]);
}

static void a_mark_is_kept_until_defer(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 1, &c->e));
	MUST(item->fresh);
	is_done(c, item, "TDT");
	OK(c->ops->defer(st, item, 1000000100, &c->e));
	MUST(!item->fresh);
	is_done(c, item, "TDT");
	is_done(c, look_at(c, id), "TDT");
	contract_drop(c, item);
	item = contract_load(c, st, id);
	is_done(c, item, "TDT");
	MUST(!item->fresh);
}

static void a_mark_is_written_at_once(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->defer(st, item, 1000, &c->e));
	/* The item goes on as it is, and as it is read again. */
	OK(c->ops->mark(st, item, 2, &c->e));
	is_done(c, item, "TTD");
	is_done(c, look_at(c, id), "TTD");
	contract_drop(c, item);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 0, &c->e));
	is_done(c, item, "DTD");
	is_done(c, look_at(c, id), "DTD");
	contract_crash(c);
	is_done(c, look_at(c, id), "DTD");
}

static void marks_that_change_nothing(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	for (int settled = 0; settled < 2; settled++) {
		SAME(QF_EINVAL, c->ops->mark(st, item, 3, &c->e));
		OK(c->ops->mark(st, item, 0, &c->e));
		OK(c->ops->mark(st, item, 0, &c->e));
		is_done(c, item, "DTT");
		OK(c->ops->defer(st, item, 1000, &c->e));
		is_done(c, look_at(c, id), "DTT");
	}
}

static void defer_says_when(struct contract *c)
{
	static const int64_t due[] = {
	    1000000100, 1000000200, 1000000050, INT64_C(4000000000)};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];
	int64_t born;

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	born = item->born;
	for (size_t i = 0; i < sizeof due / sizeof due[0]; i++) {
		struct qf_item *other;

		OK(c->ops->defer(st, item, due[i], &c->e));
		SAME(due[i], item->due);
		other = look_at(c, id);
		SAME(due[i], other->due);
		SAME(born, other->born);
		MUST(!other->fresh);
		is_done(c, other, "TTT");
	}
	contract_has_bytes(c, st, id, &contract_plain);
	SAME(1, contract_names(c, st, false, id));
}

/* Its age stays what it was. */
static void defer_makes_nothing_younger(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	c->backend->set_born(c->dir, id, 1000000007);
	item = contract_load(c, st, id);
	SAME(1000000007, item->born);
	OK(c->ops->mark(st, item, 1, &c->e));
	OK(c->ops->note(st, item, 0, "no", &c->e));
	SAME(1000000007, look_at(c, id)->born);
	OK(c->ops->defer(st, item, 1000000100, &c->e));
	SAME(1000000007, look_at(c, id)->born);
	OK(c->ops->mark(st, item, 2, &c->e));
	SAME(1000000007, look_at(c, id)->born);
	SAME(1000000007, item->born);
}

/* The next attempt was to be later; a mark may be read as its time. */
static void due_after_a_mark(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item, *other;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->defer(st, item, INT64_C(4000000000), &c->e));
	OK(c->ops->mark(st, item, 0, &c->e));
	other = look_at(c, id);
	MUST(other->due == INT64_C(4000000000) ||
	     (other->due > 0 && other->due <= qf_clock_wall()));
	OK(c->ops->defer(st, item, INT64_C(4000000001), &c->e));
	SAME(INT64_C(4000000001), look_at(c, id)->due);
	OK(c->ops->mark(st, item, 1, &c->e));
	OK(c->ops->mark(st, item, 2, &c->e));
	SAME(0, look_at(c, id)->due);
	is_done(c, look_at(c, id), "DDD");
}

static void has_note(struct contract *c, const struct qf_buf *notes,
    struct qf_note *at, const char *rcpt, const char *reason)
{
	MUST(qf_note_next(notes, at));
	MUST(qf_span_is(at->rcpt, rcpt));
	if (!qf_span_is(at->reason, reason))
		contract_complain(c, __func__, __LINE__,
		    "the reason is `%.*s`, not `%s`", (int)at->reason.n,
		    at->reason.p, reason);
}

/* By itself, and with the marks that the item had. */
static void a_note_is_written_at_once(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item, *other;
	struct qf_note at = {0};
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 1, &c->e));
	OK(c->ops->note(st, item, 2, "550 no such user", &c->e));
	is_done(c, item, "TDD");
	MUST(!item->fresh);
	other = look_at(c, id);
	is_done(c, other, "TDD");
	MUST(!other->fresh);
	MUST(other->due <= qf_clock_wall());
	SAME_TEXT(item->notes.s, other->notes.s);
	has_note(c, &other->notes, &at, "c@x.example", "550 no such user");
	MUST(!qf_note_next(&other->notes, &at));
	contract_crash(c);
	other = look_at(c, id);
	is_done(c, other, "TDD");
	at = (struct qf_note){0};
	has_note(c, &other->notes, &at, "c@x.example", "550 no such user");
}

static void notes_are_in_order(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	struct qf_note at = {0};
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->note(st, item, 2, "one", &c->e));
	OK(c->ops->note(st, item, 0, "two", &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	OK(c->ops->defer(st, item, 1000, &c->e));
	OK(c->ops->note(st, item, 1, "three", &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	has_note(c, &item->notes, &at, "c@x.example", "one");
	has_note(c, &item->notes, &at, "a@x.example", "two");
	has_note(c, &item->notes, &at, "b@x.example", "three");
	MUST(!qf_note_next(&item->notes, &at));
	is_done(c, item, "DDD");
	SAME(0, item->due);
}

static void notes_that_are_refused(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 1, &c->e));
	SAME(QF_EINVAL, c->ops->note(st, item, 1, "it has it", &c->e));
	SAME(QF_EINVAL, c->ops->note(st, item, 3, "nobody", &c->e));
	SAME(0, item->notes.len);
	OK(c->ops->note(st, item, 0, "no", &c->e));
	SAME(QF_EINVAL, c->ops->note(st, item, 0, "again", &c->e));
	SAME(QF_EINVAL, c->ops->note(st, item, 3, "nobody", &c->e));
	is_done(c, item, "DDT");
	SAME_TEXT("<a@x.example>:\nno\n\n", item->notes.s);
	SAME_TEXT(item->notes.s, look_at(c, id)->notes.s);
}

/* One line, without controls, not too long, and never none. */
static void a_reason_is_a_line(struct contract *c)
{
	static char longest[QF_REASON_MAX + 1], longer[QF_REASON_MAX + 50];
	static const struct {
		const char *reason, *want;
	} t[] = {
	    {"550 no such user\r\n", "550 no such user"},
	    {"line one\r\nline two", "line one  line two"},
	    {"one\n\n<z@x>:\ntwo\n\n", "one  <z@x>: two"},
	    {"\ttab\x01\x7f!", "tab  !"},
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"", "no reason was given"},
	    {"\n \n", "no reason was given"},
	    {longest, longest},
	    {longer, longest},
	};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);

	memset(longest, 'x', sizeof longest - 1);
	memset(longer, 'x', sizeof longer - 1);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct qf_note at = {0};
		struct qf_item *item;
		char id[QF_ID_SIZE];

		contract_put(c, &contract_plain, id);
		item = contract_load(c, st, id);
		OK(c->ops->note(st, item, 0, t[i].reason, &c->e));
		contract_drop(c, item);
		item = contract_load(c, st, id);
		has_note(c, &item->notes, &at, "a@x.example", t[i].want);
		MUST(!qf_note_next(&item->notes, &at));
		OK(c->ops->finish(st, item, &c->e));
		contract_drop(c, item);
	}
}

static void notes_of_odd_addresses(struct contract *c)
{
	static const char *const odd[] = {"", "a\n@b\x7f", ">:@x", NULL};
	static const char *const none[] = {NULL};
	static const struct contract_letter l = {"hi\n", 3, "", odd, none};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	struct qf_note at = {0};
	char id[QF_ID_SIZE];

	contract_put(c, &l, id);
	item = contract_load(c, st, id);
	for (size_t i = 0; i < 3; i++)
		OK(c->ops->note(st, item, i, "no", &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	has_note(c, &item->notes, &at, "", "no");
	has_note(c, &item->notes, &at, "a_@b_", "no");
	has_note(c, &item->notes, &at, ">:@x", "no");
	for (size_t i = 0; i < 3; i++)
		SAME_TEXT(odd[i], item->rcpt.v[i]);
}

static void has_failed(struct contract *c, const char *id, const char *want)
{
	qf_buf_reset(&c->scratch);
	MUST(c->backend->failed(c->dir, id, &c->scratch));
	SAME_TEXT(want, c->scratch.s);
}

static int call_fail(struct contract *c, struct qf_store *st,
    const struct qf_item *item, const char *const *rcpt)
{
	struct qf_strv list = {0};
	int rc;

	for (; *rcpt != NULL; rcpt++)
		qf_strv_add(&list, *rcpt);
	rc = c->ops->fail(st, item, &list, &c->e);
	qf_strv_free(&list);
	return rc;
}

static void fail_keeps_the_message(struct contract *c)
{
	static const char *const odd[] = {"a@x.example", "", "b\n@x", NULL};
	static const char *const one[] = {"a@x.example", NULL};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct contract_letter l = contract_plain;
	struct qf_item *item;
	char id[QF_ID_SIZE];

	l.rcpt = odd;
	contract_put(c, &l, id);
	item = contract_load(c, st, id);
	OK(call_fail(c, st, item, odd));
	has_failed(c, id,
	    "s@x.example\na@x.example\n<>\nb_@x\n\nSubject: plain\n\nhi\n");
	/* It is still what it was; and fail() may come again. */
	SAME(1, contract_names(c, st, false, id));
	contract_is_fresh(c, look_at(c, id), &l);
	for (int i = 0; i < 2; i++) {
		OK(call_fail(c, st, item, one));
		has_failed(c, id,
		    "s@x.example\na@x.example\n\nSubject: plain\n\nhi\n");
	}
	OK(c->ops->finish(st, item, &c->e));
	contract_is_gone(c, st, id);
	SAME(QF_ENOENT, call_fail(c, st, item, odd));
	has_failed(c, id, "s@x.example\na@x.example\n\nSubject: plain\n\nhi\n");
}

static void fail_is_of_one(struct contract *c)
{
	static const char *const one[] = {"a@x.example", NULL};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	char id[2][QF_ID_SIZE];

	contract_put(c, &contract_plain, id[0]);
	contract_put(c, &contract_routed, id[1]);
	for (size_t i = 0; i < 2; i++) {
		struct qf_item *item = contract_load(c, st, id[i]);

		MUST(!c->backend->failed(c->dir, id[i], &c->scratch));
		OK(c->ops->note(st, item, 0, "no", &c->e));
		OK(call_fail(c, st, item, one));
	}
	has_failed(
	    c, id[0], "s@x.example\na@x.example\n\nSubject: plain\n\nhi\n");
	has_failed(
	    c, id[1], "s@x.example\na@x.example\n\nSubject: routed\n\nhi\n");
	contract_crash(c);
	has_failed(
	    c, id[0], "s@x.example\na@x.example\n\nSubject: plain\n\nhi\n");
}

/* From every state, with all that is known of it, for every store. */
static void finish_removes_it(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);

	for (int state = 0; state < 5; state++) {
		char id[QF_ID_SIZE];
		struct qf_item *item;

		contract_put(c, &contract_routed, id);
		item = contract_load(c, st, id);
		if (state == 1)
			OK(c->ops->mark(st, item, 0, &c->e));
		if (state == 2)
			OK(c->ops->defer(st, item, 1000, &c->e));
		for (size_t i = 0; state >= 3 && i < 3; i++)
			OK(c->ops->note(st, item, i, "no", &c->e));
		if (state == 4) {
			contract_drop(c, item);
			item = contract_load(c, st, id);
		}
		OK(c->ops->finish(st, item, &c->e));
		SAME(0, contract_count(c, st, false));
		SAME(0, contract_count(c, look, false));
		SAME(0, contract_count(c, look, true));
		contract_is_gone(c, st, id);
		contract_is_gone(c, look, id);
		MUST(c->backend->is_empty(c->dir));
		OK(c->ops->finish(st, item, &c->e));
		contract_drop(c, item);
	}
}

static void finish_is_of_one(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	char id[4][QF_ID_SIZE];
	struct qf_item *item;

	contract_put(c, &contract_plain, id[0]);
	contract_put(c, &contract_routed, id[1]);
	contract_put(c, &contract_spam, id[2]);
	contract_put(c, &contract_plain, id[3]);
	item = contract_load(c, st, id[3]);
	OK(c->ops->note(st, item, 1, "no", &c->e));
	contract_drop(c, item);
	OK(c->ops->finish(st, contract_load(c, st, id[0]), &c->e));
	SAME(2, contract_count(c, st, false));
	SAME(1, contract_count(c, st, true));
	contract_is_fresh(c, look_at(c, id[1]), &contract_routed);
	contract_has_bytes(c, st, id[1], &contract_routed);
	contract_is_fresh(c, look_at(c, id[2]), &contract_spam);
	contract_has_bytes(c, st, id[2], &contract_spam);
	is_done(c, look_at(c, id[3]), "TDT");
}

static void finish_outlives_a_crash(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->defer(st, item, 1000, &c->e));
	OK(c->ops->finish(st, item, &c->e));
	contract_crash(c);
	st = contract_open(c, QF_STORE_SEND);
	SAME(0, contract_count(c, st, false));
	contract_is_gone(c, st, id);
}

/* It is delivered again, but not lost. */
static void a_crash_during_the_first_attempt(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_plain, id);
	item = contract_load(c, st, id);
	OK(c->ops->mark(st, item, 0, &c->e));
	OK(c->ops->mark(st, item, 1, &c->e));
	contract_crash(c);
	st = contract_open(c, QF_STORE_SEND);
	SAME(1, contract_names(c, st, false, id));
	item = contract_load(c, st, id);
	SAME(3, item->rcpt.n);
	MUST(!item->done[2]);
	contract_has_bytes(c, st, id, &contract_plain);
}

const struct contract_case contract_state[] = {
    {"a mark is kept until defer", a_mark_is_kept_until_defer},
    {"a mark is written at once", a_mark_is_written_at_once},
    {"marks that change nothing", marks_that_change_nothing},
    {"defer says when", defer_says_when},
    {"defer makes nothing younger", defer_makes_nothing_younger},
    {"due after a mark", due_after_a_mark},
    {"a note is written at once", a_note_is_written_at_once},
    {"notes are in order", notes_are_in_order},
    {"notes that are refused", notes_that_are_refused},
    {"a reason is a line", a_reason_is_a_line},
    {"notes of odd addresses", notes_of_odd_addresses},
    {"fail keeps the message", fail_keeps_the_message},
    {"fail is of one", fail_is_of_one},
    {"finish removes it", finish_removes_it},
    {"finish is of one", finish_is_of_one},
    {"finish outlives a crash", finish_outlives_a_crash},
    {"a crash during the first attempt", a_crash_during_the_first_attempt},
    {NULL, NULL},
};
