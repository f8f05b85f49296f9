/*
 * The contract of the queue's engines (store_contract.h) is worth what it
 * finds: the engine in memory, broken in one place each time, must be found
 * wanting by the case that is there for it.
 */
#include "tests/unit/unit.h"

#include "tests/unit/store_contract.h"
#include "tests/unit/store_mem.h"

static const struct qf_store_ops *const whole = &store_mem;

/* What some need to know: the last queue, its sender, who began last and what
 * was published last. */
static char dir[128], last_id[QF_ID_SIZE];
static struct qf_store *sender, *beginner;

static int open_store(struct qf_store **out, const char *name,
    enum qf_store_use use, const struct qf_store_settings *settings,
    struct qf_err *e)
{
	int rc = whole->open(out, name, use, settings, e);

	snprintf(dir, sizeof dir, "%s", name);
	if (rc == 0 && use == QF_STORE_SEND)
		sender = *out;
	return rc;
}

static void close_store(struct qf_store **st)
{
	if (*st == sender)
		sender = NULL;
	whole->close(st);
}

static int begin(struct qf_store *st, struct qf_intake **out, struct qf_err *e)
{
	beginner = st;
	return whole->begin(st, out, e);
}

static int publish(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	int rc = whole->publish(in, n, id, e);

	if (rc == 0)
		memcpy(last_id, id[n - 1], QF_ID_SIZE);
	return rc;
}

/* The flaws: each in the place of one operation, or of the crash. */

static int open_for_two_senders(struct qf_store **out, const char *name,
    enum qf_store_use use, const struct qf_store_settings *settings,
    struct qf_err *e)
{
	int rc = whole->open(out, name, use, settings, e);

	if (rc == QF_EPERM)
		rc = whole->open(out, name, QF_STORE_LOOK, settings, e);
	return rc;
}

static int write_too_little(
    struct qf_intake *in, const void *p, size_t n, struct qf_err *e)
{
	return whole->write(in, p, n > 100 ? n - 1 : n, e);
}

static int write_too_much(
    struct qf_intake *in, const void *p, size_t n, struct qf_err *e)
{
	int rc = whole->write(in, p, n, e);

	return rc == 0 ? whole->write(in, "\n", 1, e) : rc;
}

static int prepare_and_show(struct qf_intake *in, const struct qf_envelope *env,
    long uid, long pid, struct qf_err *e)
{
	struct qf_intake *other = NULL;
	char id[1][QF_ID_SIZE];

	if (whole->begin(beginner, &other, e) == 0 &&
	    whole->prepare(other, env, uid, pid, e) == 0)
		whole->publish(&other, 1, id, e);
	return whole->prepare(in, env, uid, pid, e);
}

static int prepare_without(const char *key, struct qf_intake *in,
    const struct qf_envelope *env, struct qf_err *e)
{
	struct qf_envelope less = QF_ENVELOPE_INIT;
	int rc;

	qf_envelope_copy(&less, env);
	qf_attrs_remove(&less.attrs, key);
	rc = whole->prepare(in, &less, 0, 1, e);
	qf_envelope_free(&less);
	return rc;
}

static int prepare_for_all(struct qf_intake *in, const struct qf_envelope *env,
    long uid, long pid, struct qf_err *e)
{
	(void)uid;
	(void)pid;
	return prepare_without("HOLD", in, env, e);
}

static int prepare_without_attribute(struct qf_intake *in,
    const struct qf_envelope *env, long uid, long pid, struct qf_err *e)
{
	(void)uid;
	(void)pid;
	return prepare_without("RET", in, env, e);
}

static int prepare_in_disorder(struct qf_intake *in,
    const struct qf_envelope *env, long uid, long pid, struct qf_err *e)
{
	struct qf_envelope other = QF_ENVELOPE_INIT;
	int rc;

	qf_envelope_set_sender(&other, qf_span(qf_envelope_sender(env)));
	for (size_t i = env->nrcpt; i-- > 0;)
		qf_envelope_add_rcpt(&other, qf_span(qf_envelope_rcpt(env, i)));
	qf_attrs_copy(&other.attrs, &env->attrs);
	rc = whole->prepare(in, &other, uid, pid, e);
	qf_envelope_free(&other);
	return rc;
}

static int publish_one_less(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	if (n > 1)
		whole->abort(&in[--n]);
	memcpy(id[n], "1", 2);
	return whole->publish(in, n, id, e);
}

static int publish_under_other_names(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	char swap[QF_ID_SIZE];
	int rc = whole->publish(in, n, id, e);

	if (rc == 0 && n > 1) {
		memcpy(swap, id[0], QF_ID_SIZE);
		memcpy(id[0], id[1], QF_ID_SIZE);
		memcpy(id[1], swap, QF_ID_SIZE);
	}
	return rc;
}

/* The first one before it is sure of the others. */
static int publish_by_halves(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	int rc;

	store_mem_refuse(dir, false);
	rc = whole->publish(in, 1, id, e);
	for (size_t i = 1; i < n; i++)
		whole->abort(&in[i]);
	return n > 1 ? qf_fail(e, QF_EWRITE, "no more") : rc;
}

static int publish_silently(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	int rc = whole->publish(in, n, id, e);

	if (sender != NULL)
		whole->wait_reset(sender, e);
	return rc;
}

static int publish_loudly(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	int rc = whole->publish(in, n, id, e);

	if (sender != NULL)
		whole->wake(sender);
	return rc;
}

static void abort_too_late(struct qf_intake **in)
{
	char id[1][QF_ID_SIZE];

	if (*in != NULL)
		whole->publish(in, 1, id, NULL);
}

static int next_but_one(struct qf_store *st, struct qf_walk *walk,
    char id[QF_ID_SIZE], struct qf_err *e)
{
	whole->next(st, walk, id, e);
	return whole->next(st, walk, id, e);
}

static int next_of_all(struct qf_store *st, struct qf_walk *walk,
    char id[QF_ID_SIZE], struct qf_err *e)
{
	bool held = walk->held;
	int rc = whole->next(st, walk, id, e);

	if (rc == 0) {
		walk->held = !held;
		rc = whole->next(st, walk, id, e);
		walk->held = held;
	}
	return rc;
}

static int next_without_end(struct qf_store *st, struct qf_walk *walk,
    char id[QF_ID_SIZE], struct qf_err *e)
{
	int rc = whole->next(st, walk, id, e);

	if (rc == 0) {
		whole->walk_end(st, walk);
		rc = whole->next(st, walk, id, e);
	}
	return rc;
}

static void walk_on(struct qf_store *st, struct qf_walk *walk)
{
	(void)st;
	(void)walk;
}

static int load_a_ghost(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e)
{
	int rc = whole->load(st, id, out, e);

	if (rc == QF_ENOENT)
		snprintf(out->id, QF_ID_SIZE, "%s", "0");
	return rc;
}

static int load_as_fresh(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e)
{
	int rc = whole->load(st, id, out, e);

	out->fresh = true;
	return rc;
}

static int load_without_age(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e)
{
	int rc = whole->load(st, id, out, e);

	out->born = 0;
	return rc;
}

static int load_a_wrong_size(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e)
{
	int rc = whole->load(st, id, out, e);

	out->size++;
	return rc;
}

static int message_after_its_start(
    struct qf_store *st, const char *id, struct qf_err *e)
{
	int fd = whole->message(st, id, e);

	if (fd >= 0)
		lseek(fd, 1, SEEK_SET);
	return fd;
}

static int mark_in_mind(
    struct qf_store *st, struct qf_item *item, size_t i, struct qf_err *e)
{
	(void)st;
	(void)e;
	if (i < item->rcpt.n)
		item->done[i] = true;
	return 0;
}

static int mark_another(
    struct qf_store *st, struct qf_item *item, size_t i, struct qf_err *e)
{
	return whole->mark(st, item, i == 0 ? item->rcpt.n - 1 : i - 1, e);
}

static int note_in_mind(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e)
{
	(void)st;
	(void)e;
	qf_note_add(&item->notes, item->rcpt.v[i], reason);
	item->done[i] = true;
	item->fresh = false;
	return 0;
}

static int note_only_a_mark(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e)
{
	(void)reason;
	return whole->mark(st, item, i, e);
}

static int note_in_short(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e)
{
	char word[10];

	snprintf(word, sizeof word, "%.9s", reason);
	return whole->note(st, item, i, word, e);
}

static int note_twice(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e)
{
	if (i < item->rcpt.n)
		item->done[i] = false;
	return whole->note(st, item, i, reason, e);
}

static int defer_without_marks(
    struct qf_store *st, struct qf_item *item, int64_t due, struct qf_err *e)
{
	memset(item->done, 0, item->rcpt.n * sizeof *item->done);
	return whole->defer(st, item, due, e);
}

static int defer_in_mind(
    struct qf_store *st, struct qf_item *item, int64_t due, struct qf_err *e)
{
	(void)st;
	(void)e;
	item->due = due;
	item->fresh = false;
	return 0;
}

static int defer_and_age(
    struct qf_store *st, struct qf_item *item, int64_t due, struct qf_err *e)
{
	int rc = whole->defer(st, item, due, e);

	store_mem_set_born(dir, item->id, due);
	return rc;
}

static int fail_for_nobody(struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, struct qf_err *e)
{
	(void)rcpt;
	return (whole->fail)(st, item, &(struct qf_strv){0}, e);
}

static int fail_only_once(struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	bool again = store_mem_failed(dir, item->id, &b);

	qf_buf_free(&b);
	return again ? qf_fail(e, QF_EWRITE, "it is there")
		     : (whole->fail)(st, item, rcpt, e);
}

static int fail_and_finish(struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, struct qf_err *e)
{
	int rc = (whole->fail)(st, item, rcpt, e);
	struct qf_item copy = *item;

	return rc == 0 ? whole->finish(st, &copy, e) : rc;
}

static int finish_nothing(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	(void)st;
	(void)item;
	(void)e;
	return 0;
}

static int finish_the_next_one_too(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	struct qf_item other = QF_ITEM_INIT;
	struct qf_walk walk = {.held = item->held};
	char id[QF_ID_SIZE];
	int rc = whole->finish(st, item, e);

	if (rc == 0 && whole->next(st, &walk, id, e) > 0 &&
	    whole->load(st, id, &other, e) == 0)
		whole->finish(st, &other, e);
	qf_item_free(&other);
	return rc;
}

static int finish_without_a_claim(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	item->held = false;
	return whole->finish(st, item, e);
}

static int claim_by_anybody(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	int rc = whole->claim(st, item, e);

	return rc == QF_EPERM ? 0 : rc;
}

static int claim_as_it_was(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	struct qf_item now = QF_ITEM_INIT;
	int rc;

	if (item->claim >= 0)
		return 0;
	memcpy(now.id, item->id, QF_ID_SIZE);
	now.held = item->held;
	rc = whole->claim(st, &now, e);
	item->claim = now.claim;
	now.claim = -1;
	qf_item_free(&now);
	return rc;
}

static int claim_whatever_it_is(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	int rc = whole->claim(st, item, e);

	if (rc == QF_ENOENT) {
		item->held = !item->held;
		rc = whole->claim(st, item, e);
	}
	return rc;
}

static int hold_for_no_reason(struct qf_store *st, struct qf_item *item,
    const char *reason, struct qf_err *e)
{
	(void)reason;
	return whole->hold(st, item, "", e);
}

static int hold_loudly(struct qf_store *st, struct qf_item *item,
    const char *reason, struct qf_err *e)
{
	int rc = whole->hold(st, item, reason, e);

	whole->wake(st);
	return rc;
}

static int hold_again(struct qf_store *st, struct qf_item *item,
    const char *reason, struct qf_err *e)
{
	return item->held ? 0 : whole->hold(st, item, reason, e);
}

static int release_silently(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	int rc = whole->release(st, item, e);

	if (sender != NULL)
		whole->wait_reset(sender, e);
	return rc;
}

static int release_at_its_age(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	int64_t born = item->born;
	int rc = whole->release(st, item, e);

	if (rc == 0)
		store_mem_set_born(dir, item->id, born);
	return rc;
}

static int release_what_is_queued(
    struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	int rc = whole->release(st, item, e);

	return rc == QF_ENOENT ? 0 : rc;
}

static void wake_nobody(struct qf_store *st)
{
	(void)st;
}

static int wait_for_nothing(struct qf_store *st)
{
	(void)st;
	return -1;
}

static int reset_nothing(struct qf_store *st, struct qf_err *e)
{
	(void)st;
	(void)e;
	return 0;
}

/* What was published last was not yet where a crash leaves it. */
static void crash_and_lose(struct qf_store **st)
{
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e;

	if (whole->load(*st, last_id, &item, &e) == 0)
		whole->finish(*st, &item, &e);
	qf_item_free(&item);
	store_mem_crash(st);
}

/* Which case finds each of them. */
#define FLAW(slot, f, found_by)                                                \
	{                                                                      \
#f, found_by, {.slot = f }, NULL                               \
	}

static const struct flaw {
	const char *name, *found_by;
	struct qf_store_ops ops; /* with the broken one, and no other */
	void (*crash)(struct qf_store **st);
} flaws[] = {
    FLAW(open, open_for_two_senders, "one sender"),
    FLAW(write, write_too_little, "every byte is kept"),
    FLAW(write, write_too_little, "a big message"),
    FLAW(write, write_too_much, "every byte is kept"),
    FLAW(prepare, prepare_and_show, "nothing is seen before publish"),
    FLAW(prepare, prepare_for_all, "a held message"),
    FLAW(prepare, prepare_without_attribute, "attributes stay"),
    FLAW(prepare, prepare_in_disorder, "every store sees it"),
    FLAW(prepare, prepare_in_disorder, "many recipients"),
    FLAW(publish, publish_one_less, "several become visible at once"),
    FLAW(publish, publish_under_other_names, "several become visible at once"),
    FLAW(publish, publish_by_halves, "a failed publish leaves nothing"),
    FLAW(publish, publish_silently, "the sender is woken"),
    FLAW(publish, publish_silently, "no wake is lost"),
    FLAW(publish, publish_loudly, "what is held wakes nobody"),
    FLAW(abort, abort_too_late, "abort at any time"),
    FLAW(abort, abort_too_late, "abort is of one"),
    FLAW(next, next_but_one, "each is named once"),
    FLAW(next, next_of_all, "a held message"),
    FLAW(next, next_without_end, "each is named once"),
    FLAW(walk_end, walk_on, "a walk is left early"),
    FLAW(load, load_a_ghost, "what is no id is not there"),
    FLAW(load, load_as_fresh, "a mark is kept until defer"),
    FLAW(load, load_without_age, "it is born now"),
    FLAW(load, load_a_wrong_size, "a big message"),
    FLAW(message, message_after_its_start, "message gives a descriptor"),
    FLAW(mark, mark_in_mind, "a mark is written at once"),
    FLAW(mark, mark_in_mind, "marks that change nothing"),
    FLAW(mark, mark_another, "a mark is kept until defer"),
    FLAW(note, note_in_mind, "a note is written at once"),
    FLAW(note, note_only_a_mark, "a note is written at once"),
    FLAW(note, note_in_short, "a reason is a line"),
    FLAW(note, note_twice, "notes that are refused"),
    FLAW(defer, defer_without_marks, "a mark is kept until defer"),
    FLAW(defer, defer_in_mind, "defer says when"),
    FLAW(defer, defer_and_age, "defer makes nothing younger"),
    FLAW(fail, fail_for_nobody, "fail keeps the message"),
    FLAW(fail, fail_only_once, "fail keeps the message"),
    FLAW(fail, fail_and_finish, "fail keeps the message"),
    FLAW(finish, finish_nothing, "finish removes it"),
    FLAW(finish, finish_nothing, "finish outlives a crash"),
    FLAW(finish, finish_the_next_one_too, "finish is of one"),
    FLAW(finish, finish_without_a_claim, "a claim is of one"),
    FLAW(claim, claim_by_anybody, "a claim is of one"),
    FLAW(claim, claim_by_anybody, "a queued one is claimed"),
    FLAW(claim, claim_as_it_was, "a claim loads again"),
    FLAW(claim, claim_whatever_it_is, "a claim after a change"),
    FLAW(hold, hold_for_no_reason, "hold makes it held"),
    FLAW(hold, hold_loudly, "hold makes it held"),
    FLAW(hold, hold_again, "hold makes it held"),
    FLAW(release, release_silently, "release makes it queued"),
    FLAW(release, release_at_its_age, "release makes it queued"),
    FLAW(release, release_what_is_queued, "what is not held is not released"),
    FLAW(wake, wake_nobody, "wake wakes"),
    FLAW(wait_fd, wait_for_nothing, "the sender is woken"),
    FLAW(wait_reset, reset_nothing, "the sender is woken"),
    {"crash_and_lose", "a crash keeps what is published", {0}, crash_and_lose},
    /* And some of them by the series that nobody chose. */
    FLAW(publish, publish_under_other_names, "a series of steps, 1"),
    FLAW(note, note_in_mind, "a series of steps, 1"),
    FLAW(defer, defer_without_marks, "a series of steps, 2"),
    FLAW(finish, finish_the_next_one_too, "a series of steps, 3"),
    {"crash_and_lose", "a series of steps, 1", {0}, crash_and_lose},
};

static const struct contract_case *find_case(const char *name)
{
	for (size_t i = 0; contract_themes[i] != NULL; i++)
		for (size_t k = 0; contract_themes[i][k].name != NULL; k++)
			if (strcmp(contract_themes[i][k].name, name) == 0)
				return &contract_themes[i][k];
	return NULL;
}

/* The whole engine, but for what is broken. */
static struct qf_store_ops break_it(const struct qf_store_ops *broken)
{
	struct qf_store_ops ops = store_mem;

	ops.open = open_store;
	ops.close = close_store;
	ops.begin = begin;
	ops.publish = publish;
#define TAKE(slot) ops.slot = broken->slot != NULL ? broken->slot : ops.slot
	TAKE(open);
	TAKE(write);
	TAKE(prepare);
	TAKE(publish);
	TAKE(abort);
	TAKE(next);
	TAKE(walk_end);
	TAKE(load);
	TAKE(message);
	TAKE(mark);
	TAKE(note);
	TAKE(defer);
	TAKE(fail);
	TAKE(finish);
	TAKE(claim);
	TAKE(hold);
	TAKE(release);
	TAKE(wake);
	TAKE(wait_fd);
	TAKE(wait_reset);
#undef TAKE
	return ops;
}

static const char *run_with(const struct flaw *flaw)
{
	struct qf_store_ops ops = break_it(&flaw->ops);
	struct contract_backend b = {flaw->name, &ops, store_mem_make,
	    store_mem_remove, flaw->crash, store_mem_set_born, store_mem_refuse,
	    store_mem_is_empty, store_mem_failed};

	sender = NULL;
	if (b.crash == NULL)
		b.crash = store_mem_crash;
	return contract_run(&b, find_case(flaw->found_by));
}

static void each_flaw_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(flaws); i++) {
		const char *complaint;

		assert_non_null(find_case(flaws[i].found_by));
		complaint = run_with(&flaws[i]);
		if (complaint == NULL)
			fail_msg("%s() passes `%s`", flaws[i].name,
			    flaws[i].found_by);
		if (strstr(complaint, flaws[i].name) == NULL ||
		    strstr(complaint, ", line ") == NULL)
			fail_msg("not a complaint: %s", complaint);
	}
}

/* By the same cases, and nothing of it is broken. */
static void without_a_flaw_nothing_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(flaws); i++) {
		struct flaw none = {"none", flaws[i].found_by, {0}, NULL};
		const char *complaint = run_with(&none);

		if (complaint != NULL)
			fail_msg("%s", complaint);
	}
}

static void a_series_says_where_it_was(void **state)
{
	static const struct flaw flaw =
	    FLAW(defer, defer_without_marks, "a series of steps, 2");
	char first[500];

	(void)state;
	snprintf(first, sizeof first, "%s", run_with(&flaw));
	assert_non_null(strstr(first, "seed 2, step "));
	assert_string_equal(first, run_with(&flaw));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_flaw_is_found),
	    cmocka_unit_test(without_a_flaw_nothing_is_found),
	    cmocka_unit_test(a_series_says_where_it_was),
	};

	return cmocka_run_group_tests_name("store broken", tests, NULL, NULL);
}
