/*
 * Claims: who changes a queued message has it alone, and what becomes of one
 * that is held after attempts.
 */
#include "tests/unit/store_dir.h"

#include <sys/file.h>
#include <sys/wait.h>

/* A message with recipients that failed, have it, and wait. */
static void queue_tried(char id[QF_ID_SIZE])
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};

	queue_one(id, three);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	assert_int_equal(ops->claim(st, &item, &e), 0);
	assert_int_equal(ops->note(st, &item, 0, "no such user", &e), 0);
	assert_int_equal(ops->mark(st, &item, 1, &e), 0);
	assert_int_equal(ops->defer(st, &item, 2000000000, &e), 0);
	qf_item_free(&item);
	ops->close(&st);
}

static void test_claim_loads(void **state)
{
	struct qf_item item = QF_ITEM_INIT, other = QF_ITEM_INIT;
	struct qf_store *st;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_LOOK);
	memcpy(item.id, id, sizeof item.id);
	memcpy(other.id, id, sizeof other.id);
	assert_int_equal(ops->claim(st, &item, &e), 0);
	assert_int_equal(item.rcpt.n, 3);
	assert_int_equal(ops->claim(st, &item, &e), 0);
	assert_int_equal(ops->claim(st, &other, &e), QF_EPERM);
	assert_string_equal(other.id, id);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	qf_item_free(&item);
	assert_int_equal(ops->claim(st, &other, &e), QF_ENOENT);
	memcpy(other.id, "../12", 6);
	assert_int_equal(ops->claim(st, &other, &e), QF_ENOENT);
	qf_item_free(&other);
	assert_int_equal(count_files(), 0);
	ops->close(&st);
}

/* Another process, which record locks are about: `act` ends it. */
static void in_child(void (*act)(const char *id), const char *id)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		act(id);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void expect(const char *id, int want)
{
	struct qf_item item = QF_ITEM_INIT;
	struct qf_store *st = NULL;
	struct qf_err e = {0};
	int rc;

	if (ops->open(&st, dir, QF_STORE_LOOK, NULL, &e) != 0)
		_exit(2);
	memcpy(item.id, id, strlen(id) + 1);
	rc = ops->claim(st, &item, &e);
	if (rc != want) {
		print_message("claim: %d %s\n", rc, e.text);
		_exit(3);
	}
	qf_item_free(&item);
	ops->close(&st);
}

static void expect_busy(const char *id)
{
	expect(id, QF_EPERM);
}

static void expect_free(const char *id)
{
	expect(id, 0);
}

static void expect_foreign(const char *id)
{
	expect(id, QF_EQUEUE);
}

static void test_sender_claims(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE], other[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	queue_one(other, three);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	assert_int_equal(ops->claim(st, &item, &e), 0);
	in_child(expect_busy, id);
	in_child(expect_free, other);
	qf_item_free(&item);
	in_child(expect_free, id);
	ops->close(&st);
}

/* As qmail-send holds it. */
static void test_foreign_sender(void **state)
{
	char id[QF_ID_SIZE], path[128];
	int fd;

	(void)state;
	queue_one(id, three);
	snprintf(path, sizeof path, "%s/lock/sendmutex", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	in_child(expect_foreign, id);
	close(fd);
	in_child(expect_free, id);
}

static void expect_no_foreign(const char *id)
{
	char path[128];
	int fd;

	(void)id;
	snprintf(path, sizeof path, "%s/lock/sendmutex", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		_exit(4);
}

static void test_no_foreign_sender_starts(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_LOOK);
	item = load_ok(st, id);
	assert_int_equal(ops->claim(st, &item, &e), 0);
	in_child(expect_no_foreign, id);
	qf_item_free(&item);
	ops->close(&st);
	/* And then one may. */
	st = open_as(QF_STORE_SEND);
	ops->close(&st);
}

static void check_tried(const struct qf_item *item)
{
	struct qf_note note = {0};

	assert_false(item->fresh);
	assert_int_equal(item->rcpt.n, 3);
	assert_true(item->done[0]);
	assert_true(item->done[1]);
	assert_false(item->done[2]);
	assert_true(qf_note_next(&item->notes, &note));
	assert_true(qf_span_is(note.rcpt, "a@x.example"));
	assert_true(qf_span_is(note.reason, "no such user"));
	assert_false(qf_note_next(&item->notes, &note));
}

static void test_hold_keeps_state(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];
	unsigned n;

	(void)state;
	queue_tried(id);
	n = count_files();
	st = open_as(QF_STORE_LOOK);
	item = load_ok(st, id);
	assert_int_equal(ops->hold(st, &item, "a reason", &e), 0);
	assert_true(item.held);
	assert_int_equal(ops->hold(st, &item, "twice", &e), QF_EINVAL);
	qf_item_free(&item);
	item = load_ok(st, id);
	assert_true(item.held);
	check_tried(&item);
	assert_int_equal(item.due, 2000000000);
	assert_string_equal(qf_attrs_get(&item.attrs, "HOLD"), "a reason");
	assert_false(there(QF_SD_MESS, id));
	assert_false(there(QF_SD_INFO, id));
	/* The attributes are new. */
	assert_int_equal(count_files(), n + 1);
	assert_int_equal(ops->release(st, &item, &e), 0);
	qf_item_free(&item);
	item = load_ok(st, id);
	assert_false(item.held);
	check_tried(&item);
	assert_true(item.due < 2000000000);
	assert_int_equal(ops->hold(st, &item, "again", &e), 0);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	qf_item_free(&item);
	assert_int_equal(count_files(), 0);
	ops->close(&st);
}

/* What a hold that fails has made is gone, and the message is queued. */
static void test_hold_fails_clean(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];
	int fd;

	(void)state;
	queue_one(id, three);
	fd = open(path_of(QF_SD_TODO, id), O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	st = open_as(QF_STORE_LOOK);
	item = load_ok(st, id);
	assert_int_equal(ops->hold(st, &item, "two\nlines", &e), QF_EFORMAT);
	assert_int_equal(ops->hold(st, &item, "a reason", &e), QF_EPERM);
	qf_item_free(&item);
	close(fd);
	assert_true(there(QF_SD_TODO, id));
	assert_true(there(QF_SD_MESS, id));
	assert_false(there(QF_SD_HOLD, id));
	assert_false(there(QF_SD_HELD, id));
	ops->close(&st);
}

static int64_t later;

static int64_t late(int which)
{
	int64_t now;

	qf_clock_source(NULL);
	now = which == 'w' ? qf_clock_wall() : qf_clock_mono_us();
	qf_clock_source(late);
	return which == 'w' ? now + later : now + later * 1000000;
}

/* A sender that runs for long sweeps, too. */
static void test_sweep_from_time_to_time(void **state)
{
	struct qf_store *st;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_SEND);
	assert_int_equal(unlink(path_of(QF_SD_TODO, id)), 0);
	put_file(path_of(QF_SD_ATTR, "46"), LITERAL("birth=1.0\n"));
	set_times(path_of(QF_SD_MESS, id), 1000);
	set_times(path_of(QF_SD_ATTR, "46"), 1000);
	later = 76000;
	qf_clock_source(late);
	assert_int_equal(ops->wait_reset(st, &e), 0);
	assert_int_equal(count_files(), qf_sd_named_forced() ? 3 : 2);
	later = 76500;
	assert_int_equal(ops->wait_reset(st, &e), 0);
	assert_int_equal(count_files(), 0);
	ops->close(&st);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_claim_loads),
	    BOTH(test_hold_keeps_state),
	    BOTH(test_hold_fails_clean),
	    ONE(test_sender_claims),
	    ONE(test_foreign_sender),
	    ONE(test_no_foreign_sender_starts),
	    BOTH(test_sweep_from_time_to_time),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
