/*
 * The contract: how messages come in, and what of them can be read then.
 */
#include "tests/unit/store_contract.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/mail/addr.h"

static const char *const no_attr[] = {NULL};

static void nothing_is_seen_before_publish(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **in;
	char ids[1][QF_ID_SIZE];

	contract_begin(c, st, &contract_plain);
	contract_prepare(c, st, &contract_spam);
	in = contract_prepare(c, st, &contract_plain);
	SAME(0, contract_count(c, send, false));
	SAME(0, contract_count(c, send, true));
	SAME(0, contract_count(c, look, false));
	SAME(0, contract_count(c, look, true));
	MUST(!contract_is_readable(c, send));
	OK(c->ops->publish(in, 1, ids, &c->e));
	SAME(1, contract_count(c, send, false));
	SAME(1, contract_names(c, look, false, ids[0]));
	SAME(0, contract_count(c, look, true));
}

static void every_store_sees_it(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *send = contract_open(c, QF_STORE_SEND);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_store *other[3] = {send, look, NULL};
	struct qf_intake **in;
	char id[QF_ID_SIZE], ids[1][QF_ID_SIZE];

	in = contract_prepare(c, st, &contract_routed);
	OK(c->ops->publish(in, 1, ids, &c->e));
	memcpy(id, ids[0], sizeof id);
	contract_close(c, st);
	other[2] = contract_open(c, QF_STORE_LOOK);
	for (size_t i = 0; i < 3; i++) {
		struct qf_item *item = contract_load(c, other[i], id);

		SAME(1, contract_count(c, other[i], false));
		SAME(1, contract_names(c, other[i], false, id));
		MUST(!item->held);
		contract_is_fresh(c, item, &contract_routed);
		contract_has_bytes(c, other[i], id, &contract_routed);
	}
}

static void several_become_visible_at_once(struct contract *c)
{
	static const struct contract_letter *const letter[] = {
	    &contract_plain, &contract_spam, &contract_routed, &contract_virus};
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **in = NULL;
	char ids[4][QF_ID_SIZE];

	for (size_t i = 0; i < 4; i++) {
		struct qf_intake **one = contract_prepare(c, st, letter[i]);

		in = i == 0 ? one : in;
		SAME(0, contract_count(c, look, false));
		SAME(0, contract_count(c, look, true));
	}
	OK(c->ops->publish(in, 4, ids, &c->e));
	SAME(2, contract_count(c, look, false));
	SAME(2, contract_count(c, look, true));
	for (size_t i = 0; i < 4; i++) {
		struct qf_item *item = contract_load(c, look, ids[i]);

		MUST(in[i] == NULL);
		MUST(item->held == (i % 2 == 1));
		SAME(1, contract_names(c, look, item->held, ids[i]));
		contract_is_fresh(c, item, letter[i]);
		contract_has_bytes(c, look, ids[i], letter[i]);
	}
}

static void abort_at_any_time(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **begun = contract_begin(c, st, &contract_plain);
	struct qf_intake **queued = contract_prepare(c, st, &contract_routed);
	struct qf_intake **held = contract_prepare(c, st, &contract_spam);
	struct qf_intake *empty = NULL;

	OK(c->ops->begin(st, &empty, &c->e));
	c->ops->abort(&empty);
	MUST(empty == NULL);
	c->ops->abort(queued);
	c->ops->abort(begun);
	c->ops->abort(held);
	MUST(*begun == NULL && *queued == NULL && *held == NULL);
	c->ops->abort(begun); /* nothing is there to be aborted */
	SAME(0, contract_count(c, look, false));
	SAME(0, contract_count(c, look, true));
	MUST(c->backend->is_empty(c->dir));
}

static void abort_is_of_one(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **first = contract_prepare(c, st, &contract_routed);
	struct qf_intake **second = contract_prepare(c, st, &contract_plain);
	struct qf_intake **third = contract_prepare(c, st, &contract_spam);
	char ids[1][QF_ID_SIZE];

	c->ops->abort(first);
	c->ops->abort(third);
	OK(c->ops->publish(second, 1, ids, &c->e));
	SAME(1, contract_count(c, look, false));
	SAME(0, contract_count(c, look, true));
	contract_is_fresh(c, contract_load(c, look, ids[0]), &contract_plain);
	contract_has_bytes(c, look, ids[0], &contract_plain);
}

static void a_failed_publish_leaves_nothing(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **in = contract_prepare(c, st, &contract_spam);
	char ids[3][QF_ID_SIZE], id[QF_ID_SIZE];

	contract_prepare(c, st, &contract_routed);
	contract_prepare(c, st, &contract_plain);
	c->backend->refuse(c->dir, true);
	MUST(c->ops->publish(in, 3, ids, &c->e) < 0);
	c->backend->refuse(c->dir, false);
	MUST(c->e.rc < 0 && c->e.text[0] != '\0');
	for (size_t i = 0; i < 3; i++)
		MUST(in[i] == NULL);
	MUST(c->backend->is_empty(c->dir));
	/* The store goes on. */
	contract_put(c, &contract_plain, id);
	SAME(1, contract_count(c, look, false));
	SAME(0, contract_count(c, look, true));
}

static void a_failed_publish_spares_others(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **in;
	char queued[QF_ID_SIZE], held[QF_ID_SIZE], ids[1][QF_ID_SIZE];

	contract_put(c, &contract_routed, queued);
	contract_put(c, &contract_spam, held);
	in = contract_prepare(c, st, &contract_plain);
	c->backend->refuse(c->dir, true);
	MUST(c->ops->publish(in, 1, ids, &c->e) < 0);
	c->backend->refuse(c->dir, false);
	SAME(1, contract_count(c, look, false));
	SAME(1, contract_count(c, look, true));
	contract_is_fresh(c, contract_load(c, look, queued), &contract_routed);
	contract_is_fresh(c, contract_load(c, look, held), &contract_spam);
}

static void commit_is_prepare_and_publish(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **in = contract_begin(c, st, &contract_plain);
	char id[QF_ID_SIZE] = "";

	qf_envelope_set_sender(&c->env, qf_span("s@x.example"));
	OK(qf_store_commit(c->ops, in, &c->env, 7, 4711, id, &c->e));
	MUST(*in == NULL);
	SAME(1, contract_names(c, look, false, id));
	in = contract_begin(c, st, &contract_plain);
	c->backend->refuse(c->dir, true);
	MUST(qf_store_commit(c->ops, in, &c->env, 7, 4711, id, &c->e) < 0);
	c->backend->refuse(c->dir, false);
	MUST(*in == NULL);
	SAME(1, contract_count(c, look, false));
}

/* An id is one word, and no other message that lives has it. */
static void ids_are_unique(struct contract *c)
{
	enum {
		ALL = 24
	};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	char id[ALL][QF_ID_SIZE];

	for (size_t i = 0; i < ALL; i++) {
		contract_put(
		    c, i % 3 == 1 ? &contract_spam : &contract_plain, id[i]);
		for (const char *p = id[i]; *p != '\0'; p++)
			MUST(isalnum((unsigned char)*p));
		MUST(id[i][0] != '\0');
		for (size_t k = 0; k < i; k++)
			MUST(strcmp(id[k], id[i]) != 0);
		if (i % 4 == 3) {
			struct qf_item *item = contract_load(c, st, id[i - 2]);

			OK(c->ops->finish(st, item, &c->e));
			contract_drop(c, item);
			id[i - 2][0] = '\0';
		}
	}
}

static void an_id_stays(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	contract_put(c, &contract_spam, id);
	item = contract_load(c, st, id);
	OK(c->ops->release(st, item, &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	OK(c->ops->note(st, item, 0, "no", &c->e));
	SAME_TEXT(id, item->id);
	OK(c->ops->defer(st, item, 1000, &c->e));
	SAME_TEXT(id, item->id);
	contract_drop(c, item);
	contract_close(c, st);
	st = contract_open(c, QF_STORE_LOOK);
	SAME(1, contract_names(c, st, false, id));
	contract_load(c, st, id);
	contract_has_bytes(c, st, id, &contract_spam);
}

static void what_is_no_id_is_not_there(struct contract *c)
{
	static const char *const odd[] = {"", "0", "x", "../../x", "12x",
	    "99999999999999999999999", "1234567", "-1", "."};
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);

	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
		contract_is_gone(c, st, odd[i]);
}

static void every_byte_is_kept(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct contract_letter all = contract_plain, none = contract_plain;
	char bytes[256], id[QF_ID_SIZE], ids[1][QF_ID_SIZE];
	struct qf_intake **in;

	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	all.bytes = bytes;
	all.n = sizeof bytes;
	contract_put(c, &all, id);
	contract_has_bytes(c, look, id, &all);
	/* In pieces, some of them empty. */
	none.n = 0;
	in = contract_begin(c, st, &none);
	for (size_t i = 0; i < sizeof bytes; i++)
		OK(c->ops->write(*in, bytes + i, i % 2, &c->e));
	contract_envelope(c, &none);
	OK(c->ops->prepare(*in, &c->env, 7, 4711, &c->e));
	OK(c->ops->publish(in, 1, ids, &c->e));
	contract_read(c, look, ids[0]);
	SAME(128, c->bytes.len);
	for (size_t i = 0; i < 128; i++)
		MUST(c->bytes.s[i] == bytes[2 * i + 1]);
}

static void an_empty_message(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake *in = NULL;
	char id[QF_ID_SIZE];

	OK(c->ops->begin(st, &in, &c->e));
	OK(qf_store_commit(c->ops, &in, &c->env, 0, 1, id, &c->e));
	SAME(0, contract_load(c, look, id)->size);
	contract_read(c, look, id);
	SAME(0, c->bytes.len);
}

static void a_big_message(struct contract *c)
{
	enum {
		TIMES = 1500
	};
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct qf_intake **in = contract_begin(c, st, &contract_plain);
	uint64_t want =
	    qf_digest(QF_DIGEST, contract_plain.bytes, contract_plain.n);
	char chunk[4999], ids[1][QF_ID_SIZE];
	size_t total = contract_plain.n;

	for (size_t i = 0; i < TIMES; i++) {
		size_t n = sizeof chunk - i % 7;

		memset(chunk, (int)('a' + i % 26), n);
		OK(c->ops->write(*in, chunk, n, &c->e));
		want = qf_digest(want, chunk, n);
		total += n;
	}
	OK(c->ops->prepare(*in, &c->env, 7, 4711, &c->e));
	OK(c->ops->publish(in, 1, ids, &c->e));
	SAME(total, contract_load(c, look, ids[0])->size);
	contract_read(c, look, ids[0]);
	SAME(total, c->bytes.len);
	MUST(qf_digest(QF_DIGEST, c->bytes.s, c->bytes.len) == want);
}

static void add_many(struct contract *c, int n)
{
	char addr[128];

	qf_envelope_set_sender(&c->env, qf_span("s@x.example"));
	for (int i = 0; i < n; i++) {
		snprintf(addr, sizeof addr, "%0*d@x.example", 1 + i % 90, i);
		OK(qf_envelope_add_rcpt(&c->env, qf_span(addr)));
	}
}

static void has_many(struct contract *c, const struct qf_item *item, int n)
{
	char addr[128];

	SAME(n, item->rcpt.n);
	for (int i = 0; i < n; i++) {
		snprintf(addr, sizeof addr, "%0*d@x.example", 1 + i % 90, i);
		SAME_TEXT(addr, item->rcpt.v[i]);
	}
}

static void many_recipients(struct contract *c)
{
	enum {
		MANY = 3000,
		FAILED = 1500
	};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct qf_store *door = contract_open(c, QF_STORE_INTAKE);
	struct qf_intake **in = contract_begin(c, door, &contract_plain);
	struct qf_item *item;
	char id[QF_ID_SIZE];

	add_many(c, MANY);
	OK(qf_store_commit(c->ops, in, &c->env, 7, 4711, id, &c->e));
	item = contract_load(c, st, id);
	has_many(c, item, MANY);
	OK(c->ops->mark(st, item, 0, &c->e));
	OK(c->ops->note(st, item, FAILED, "no", &c->e));
	OK(c->ops->mark(st, item, MANY - 1, &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	has_many(c, item, MANY);
	for (int i = 0; i < MANY; i++)
		MUST(item->done[i] == (i == 0 || i == FAILED || i == MANY - 1));
}

static void odd_envelopes(struct contract *c)
{
	static char longest[QF_ADDR_MAX + 1];
	static const char *const nobody[] = {NULL};
	static const char *const odd[] = {"", "a b@x", "\n", "a@x", "a@x",
	    "\xff\x01@x", "no-domain", longest, NULL};
	static const struct {
		const char *sender;
		const char *const *rcpt;
	} t[] = {{"", odd}, {"", nobody}, {"#@[]", odd}, {longest, odd},
	    {"a\nb@x", nobody}, {"s@x", odd + 7}};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	char id[QF_ID_SIZE];

	memset(longest, 'x', sizeof longest - 1);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct contract_letter l = {
		    "hi\n", 3, t[i].sender, t[i].rcpt, no_attr};
		struct qf_item *item;

		contract_put(c, &l, id);
		item = contract_load(c, st, id);
		contract_is_fresh(c, item, &l);
		OK(c->ops->defer(st, item, 1000, &c->e));
		contract_drop(c, item);
		item = contract_load(c, st, id);
		SAME_TEXT(l.sender, item->sender.s);
		for (size_t k = 0; k < item->rcpt.n; k++)
			SAME_TEXT(l.rcpt[k], item->rcpt.v[k]);
		MUST(l.rcpt[item->rcpt.n] == NULL);
		OK(c->ops->finish(st, item, &c->e));
		contract_drop(c, item);
	}
	MUST(c->backend->is_empty(c->dir));
}

/* In their order, equal keys as well, whatever becomes of the message. */
static void attributes_stay(struct contract *c)
{
	static char big[1000] = "ENVID=";
	static const char *const many[] = {"ORCPT=rfc822;a@x", "NOTIFY=NEVER",
	    "ORCPT=rfc822;b@x", "RET=FULL", big, "STAGE=", NULL};
	struct qf_store *st = contract_open(c, QF_STORE_SEND);
	struct contract_letter l = contract_plain;
	struct qf_item *item;
	char id[QF_ID_SIZE];

	memset(big + 6, 'y', sizeof big - 7);
	l.attr = many;
	contract_put(c, &l, id);
	item = contract_load(c, st, id);
	contract_is_fresh(c, item, &l);
	OK(c->ops->defer(st, item, 1000, &c->e));
	OK(c->ops->note(st, item, 0, "no", &c->e));
	contract_drop(c, item);
	item = contract_load(c, st, id);
	SAME(6, item->attrs.list.n);
	for (size_t i = 0; i < 6; i++)
		SAME_TEXT(many[i], item->attrs.list.v[i]);
	OK(c->ops->finish(st, item, &c->e));
	MUST(c->backend->is_empty(c->dir));
}

/* A file system's clock may be a little behind. */
static void it_is_born_now(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	int64_t before = qf_clock_wall() - 1;
	char id[2][QF_ID_SIZE];

	contract_put(c, &contract_plain, id[0]);
	contract_put(c, &contract_spam, id[1]);
	for (size_t i = 0; i < 2; i++) {
		const struct qf_item *item = contract_load(c, st, id[i]);

		MUST(item->born >= before);
		MUST(item->born <= qf_clock_wall());
	}
}

static void several_at_work_at_once(struct contract *c)
{
	struct qf_store *one = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *two = contract_open(c, QF_STORE_INTAKE);
	struct qf_store *look = contract_open(c, QF_STORE_LOOK);
	struct contract_letter none = contract_plain;
	struct qf_intake **in[3];
	char ids[3][1][QF_ID_SIZE];

	none.n = 0;
	in[0] = contract_begin(c, one, &none);
	in[1] = contract_begin(c, two, &none);
	in[2] = contract_begin(c, one, &none);
	for (int i = 0; i < 300; i++)
		OK(c->ops->write(*in[i % 3], &"abc"[i % 3], 1, &c -> e));
	contract_envelope(c, &none);
	for (int i = 2; i >= 0; i--)
		OK(c->ops->prepare(*in[i], &c->env, 7, 4711, &c->e));
	for (int i = 0; i < 3; i++) {
		OK(c->ops->publish(in[i], 1, ids[i], &c->e));
		SAME(i + 1, contract_count(c, look, false));
	}
	for (int i = 0; i < 3; i++) {
		contract_read(c, look, ids[i][0]);
		SAME(100, c->bytes.len);
		for (int k = 0; k < 100; k++)
			MUST(c->bytes.s[k] == "abc"[i]);
	}
}

/* The process dies: what it had not published is gone, the rest is there. */
static void a_crash_keeps_what_is_published(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_INTAKE);
	char queued[QF_ID_SIZE], held[QF_ID_SIZE], id[QF_ID_SIZE];

	contract_begin(c, st, &contract_plain);
	contract_prepare(c, st, &contract_spam);
	contract_put(c, &contract_routed, queued);
	contract_put(c, &contract_virus, held);
	contract_prepare(c, st, &contract_plain);
	contract_crash(c);
	st = contract_open(c, QF_STORE_SEND);
	SAME(1, contract_count(c, st, false));
	SAME(1, contract_names(c, st, false, queued));
	SAME(1, contract_count(c, st, true));
	SAME(1, contract_names(c, st, true, held));
	contract_is_fresh(c, contract_load(c, st, queued), &contract_routed);
	contract_is_fresh(c, contract_load(c, st, held), &contract_virus);
	contract_has_bytes(c, st, queued, &contract_routed);
	contract_has_bytes(c, st, held, &contract_virus);
	contract_put(c, &contract_plain, id);
	SAME(2, contract_count(c, st, false));
}

static void a_queue_that_is_not_there(struct contract *c)
{
	char name[sizeof c->dir + 8];
	struct qf_store *st = NULL;

	snprintf(name, sizeof name, "%s-none", c->dir);
	for (int use = QF_STORE_INTAKE; use <= QF_STORE_LOOK; use++) {
		contract_is_refused(c, name, (enum qf_store_use)use, QF_EQUEUE);
		MUST(strstr(c->e.text, name) != NULL);
	}
	c->ops->close(&st); /* nothing is there to be closed */
}

static void message_gives_a_descriptor(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	char id[2][QF_ID_SIZE], byte;
	int first;

	contract_put(c, &contract_plain, id[0]);
	contract_put(c, &contract_spam, id[1]);
	for (size_t i = 0; i < 2; i++) {
		c->fd = c->ops->message(st, id[i], &c->e);
		MUST(c->fd >= 0);
		SAME(O_RDONLY, fcntl(c->fd, F_GETFL) & O_ACCMODE);
		MUST(fcntl(c->fd, F_GETFD) & FD_CLOEXEC);
		SAME(0, lseek(c->fd, 0, SEEK_CUR));
		SAME(1, read(c->fd, &byte, 1));
		/* Each with an offset of its own. */
		first = c->fd;
		c->fd = -1;
		contract_has_bytes(
		    c, st, id[i], i == 0 ? &contract_plain : &contract_spam);
		c->fd = first;
		SAME(1, lseek(c->fd, 0, SEEK_CUR));
		qf_close(&c->fd);
	}
}

/* What an item held is freed, and it is empty after a failure. */
static void an_item_is_loaded_again(struct contract *c)
{
	struct qf_store *st = contract_open(c, QF_STORE_LOOK);
	struct qf_item *item;
	char id[2][QF_ID_SIZE];

	contract_put(c, &contract_spam, id[0]);
	contract_put(c, &contract_routed, id[1]);
	item = contract_load(c, st, id[0]);
	OK(c->ops->claim(st, item, &c->e));
	for (size_t i = 2; i-- > 0;) {
		OK(c->ops->load(st, id[i], item, &c->e));
		SAME_TEXT(id[i], item->id);
		MUST(item->claim < 0);
		contract_is_fresh(
		    c, item, i == 0 ? &contract_spam : &contract_routed);
	}
	SAME(QF_ENOENT, c->ops->load(st, "none", item, &c->e));
	SAME_TEXT("", item->id);
	SAME(0, item->rcpt.n);
	SAME(0, item->sender.len);
	SAME(0, item->attrs.list.n);
}

const struct contract_case contract_intake[] = {
    {"nothing is seen before publish", nothing_is_seen_before_publish},
    {"every store sees it", every_store_sees_it},
    {"several become visible at once", several_become_visible_at_once},
    {"abort at any time", abort_at_any_time},
    {"abort is of one", abort_is_of_one},
    {"a failed publish leaves nothing", a_failed_publish_leaves_nothing},
    {"a failed publish spares others", a_failed_publish_spares_others},
    {"commit is prepare and publish", commit_is_prepare_and_publish},
    {"ids are unique", ids_are_unique},
    {"an id stays", an_id_stays},
    {"what is no id is not there", what_is_no_id_is_not_there},
    {"every byte is kept", every_byte_is_kept},
    {"an empty message", an_empty_message},
    {"a big message", a_big_message},
    {"many recipients", many_recipients},
    {"odd envelopes", odd_envelopes},
    {"attributes stay", attributes_stay},
    {"it is born now", it_is_born_now},
    {"several at work at once", several_at_work_at_once},
    {"a crash keeps what is published", a_crash_keeps_what_is_published},
    {"a queue that is not there", a_queue_that_is_not_there},
    {"message gives a descriptor", message_gives_a_descriptor},
    {"an item is loaded again", an_item_is_loaded_again},
    {NULL, NULL},
};
