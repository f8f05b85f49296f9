/*
 * The files of messages that are queued together, that have attributes, and
 * that are held, as the directory engine has them.
 */
#include "tests/unit/store_dir.h"

/* A message on its way in, written but not prepared. */
static struct qf_intake *begin_one(struct qf_store *st)
{
	struct qf_intake *in = NULL;
	struct qf_err e = {0};

	if (ops->begin(st, &in, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(ops->write(in, text, sizeof text - 1, &e), 0);
	return in;
}

/* The same, prepared with these attributes, NULL-terminated. */
static struct qf_intake *prepare_one(
    struct qf_store *st, const char *const *attr)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_intake *in = begin_one(st);
	struct qf_err e = {0};

	make_envelope(&env, "s@x.example", three);
	for (; *attr != NULL; attr++)
		assert_int_equal(
		    qf_attrs_add(&env.attrs, qf_span(*attr), &e), 0);
	if (ops->prepare(in, &env, 7, 4711, &e) != 0)
		fail_msg("%s", e.text);
	qf_envelope_free(&env);
	return in;
}

static const char *const plain[] = {NULL};
static const char *const routed[] = {"RET=HDRS", "ROUTE=mx.example:26", NULL};
static const char *const spam[] = {"HOLD=spam, 9 points", "STAGE=spam", NULL};

/* Leaves its number in id. */
static void put_one(char id[QF_ID_SIZE], const char *const *attr)
{
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_intake *in = prepare_one(st, attr);
	char ids[1][QF_ID_SIZE];
	struct qf_err e = {0};

	if (ops->publish(&in, 1, ids, &e) != 0)
		fail_msg("%s", e.text);
	assert_null(in);
	memcpy(id, ids[0], QF_ID_SIZE);
	ops->close(&st);
}

/* How many messages a walk finds; the last one in id. */
static int walk(bool held, char id[QF_ID_SIZE])
{
	struct qf_store *st = open_as(QF_STORE_LOOK);
	struct qf_walk w = {.held = held};
	struct qf_err e = {0};
	int n = 0, rc;

	while ((rc = ops->next(st, &w, id, &e)) > 0)
		n++;
	assert_int_equal(rc, 0);
	ops->walk_end(st, &w);
	assert_int_equal(w.held, held);
	ops->close(&st);
	return n;
}

static void test_three_together(void **state)
{
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_intake *in[3] = {prepare_one(st, plain),
	    prepare_one(st, spam), prepare_one(st, routed)};
	char ids[3][QF_ID_SIZE];
	struct qf_err e = {0};

	(void)state;
	assert_int_equal(ops->publish(in, 3, ids, &e), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(there(QF_SD_ATTR, ids[i]), i > 0);
		assert_int_equal(there(QF_SD_TODO, ids[i]), i != 1);
		assert_int_equal(there(QF_SD_MESS, ids[i]), i != 1);
		assert_int_equal(there(QF_SD_HOLD, ids[i]), i == 1);
		assert_int_equal(there(QF_SD_HELD, ids[i]), i == 1);
	}
	assert_int_equal(count_files(), qf_sd_named_forced() ? 10 : 8);
	ops->close(&st);
}

/* The name of one in the middle can not be made: those that have theirs lose
 * them. */
static void test_publish_fails_clean(void **state)
{
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_intake *in[4] = {prepare_one(st, plain),
	    prepare_one(st, spam), prepare_one(st, routed),
	    prepare_one(st, plain)};
	char ids[4][QF_ID_SIZE], id[QF_ID_SIZE];
	struct qf_err e = {0};

	(void)state;
	memcpy(id, in[2]->id, sizeof id);
	put_file(path_of(QF_SD_TODO, id), LITERAL("mine"));
	assert_int_equal(ops->publish(in, 4, ids, &e), QF_ETODO);
	for (int i = 0; i < 4; i++)
		assert_null(in[i]);
	check_file(path_of(QF_SD_TODO, id), LITERAL("mine"));
	assert_int_equal(count_files(), 1);
	ops->close(&st);
}

static void test_prepare_fails_clean(void **state)
{
	static const struct {
		const char *folder;
		const char *const *attr;
		int rc;
	} t[] = {
	    {"mess", plain, QF_EMESS},
	    {"attr", routed, QF_EWRITE},
	    {"hold", spam, QF_EWRITE},
	};
	char path[128];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_store *st = open_as(QF_STORE_INTAKE);
		struct qf_envelope env = QF_ENVELOPE_INIT;
		struct qf_intake *in = begin_one(st);
		struct qf_err e = {0};

		for (const char *const *a = t[i].attr; *a != NULL; a++)
			assert_int_equal(
			    qf_attrs_add(&env.attrs, qf_span(*a), &e), 0);
		move_folder(t[i].folder, false, true);
		snprintf(path, sizeof path, "%s/%s", dir, t[i].folder);
		put_file(path, "", 0);
		assert_int_equal(ops->prepare(in, &env, 0, 1, &e), t[i].rc);
		ops->abort(&in);
		assert_int_equal(unlink(path), 0);
		move_folder(t[i].folder, false, false);
		assert_int_equal(count_files(), 0);
		qf_envelope_free(&env);
		ops->close(&st);
	}
}

/* What another message left under the same number. */
static void test_attributes_of_another(void **state)
{
	static const char *const stale[] = {
	    "", "birth=1.000000000\nHOLD=x\n", "ROUTE=mx.example\n", "birth="};
	struct qf_store *st;
	struct qf_item item;
	char id[QF_ID_SIZE];

	(void)state;
	put_one(id, plain);
	st = open_as(QF_STORE_LOOK);
	for (size_t i = 0; i < UNIT_COUNT(stale); i++) {
		put_file(path_of(QF_SD_ATTR, id), stale[i], strlen(stale[i]));
		item = load_ok(st, id);
		assert_int_equal(item.attrs.list.n, 0);
		qf_item_free(&item);
	}
	put_one(id, routed);
	set_times(path_of(QF_SD_MESS, id), 1000);
	item = load_ok(st, id);
	assert_int_equal(item.attrs.list.n, 0);
	qf_item_free(&item);
	ops->close(&st);
}

static void test_damaged_attributes(void **state)
{
	static const char *const tail[] = {
	    "NOSUCHKEY=x\n", "RET=x", "ROUTE=a b\n", "\n", "RET=a\x01\n"};
	struct qf_store *st;
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	st = open_as(QF_STORE_LOOK);
	for (size_t i = 0; i < UNIT_COUNT(tail); i++) {
		int fd;

		put_one(id, routed);
		fd = open(path_of(QF_SD_ATTR, id), O_WRONLY | O_APPEND);
		assert_true(fd >= 0);
		assert_int_equal(qf_write_all(fd, tail[i], strlen(tail[i])), 0);
		close(fd);
		assert_int_equal(ops->load(st, id, &item, &e), QF_EFORMAT);
		assert_non_null(strstr(e.text, path_of(QF_SD_ATTR, id)));
		assert_int_equal(item.attrs.list.n, 0);
	}
	ops->close(&st);
}

/* As if it had just come in, for other senders as well. */
static void test_released_files(void **state)
{
	char id[QF_ID_SIZE];
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	struct stat sb;

	(void)state;
	put_one(id, spam);
	assert_int_equal(lstat(path_of(QF_SD_HELD, id), &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0600);
	assert_int_equal(lstat(path_of(QF_SD_HOLD, id), &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0600);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	if (ops->release(st, &item, &e) != 0)
		fail_msg("%s", e.text);
	qf_item_free(&item);
	assert_int_equal(count_files(), 3);
	assert_int_equal(lstat(path_of(QF_SD_MESS, id), &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0644);
	assert_int_equal(sb.st_nlink, 1);
	assert_int_equal(lstat(path_of(QF_SD_TODO, id), &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0644);
	assert_true(there(QF_SD_ATTR, id));
	item = load_ok(st, id);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	assert_int_equal(count_files(), 0);
	qf_item_free(&item);
	ops->close(&st);
}

/* Who can not have it is told why. */
static void test_claim_is_explained(void **state)
{
	struct qf_store *st;
	struct qf_item one, two;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	put_one(id, spam);
	st = open_as(QF_STORE_LOOK);
	one = load_ok(st, id);
	two = load_ok(st, id);
	assert_int_equal(ops->claim(st, &one, &e), 0);
	assert_int_equal(ops->claim(st, &two, &e), QF_EPERM);
	assert_non_null(strstr(e.text, "another program"));
	assert_int_equal(ops->release(st, &one, &e), 0);
	assert_int_equal(ops->finish(st, &two, &e), QF_ENOENT);
	assert_non_null(strstr(e.text, "is not held"));
	assert_true(there(QF_SD_MESS, id));
	assert_true(there(QF_SD_TODO, id));
	assert_true(there(QF_SD_ATTR, id));
	qf_item_free(&one);
	qf_item_free(&two);
	ops->close(&st);
}

/* For a sender's sweep a name in mess/ alone is litter when the file was not
 * used for long: a release makes it young first, and leaves its birth. */
static void test_release_makes_it_young(void **state)
{
	struct timespec ts[2] = {{.tv_sec = 1000}, {.tv_nsec = UTIME_OMIT}};
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];
	struct stat before, after;

	(void)state;
	put_one(id, spam);
	assert_int_equal(
	    utimensat(AT_FDCWD, path_of(QF_SD_HELD, id), ts, 0), 0);
	assert_int_equal(lstat(path_of(QF_SD_HELD, id), &before), 0);
	assert_int_equal(before.st_atime, 1000);
	st = open_as(QF_STORE_LOOK);
	item = load_ok(st, id);
	assert_int_equal(ops->release(st, &item, &e), 0);
	assert_int_equal(lstat(path_of(QF_SD_MESS, id), &after), 0);
	assert_true(after.st_atime >= before.st_mtime);
	assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
	assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	qf_item_free(&item);
	ops->close(&st);
}

/* A name in mess/ that an earlier release left, and one that is not ours. */
static void test_release_again(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	st = open_as(QF_STORE_LOOK);
	put_one(id, spam);
	assert_int_equal(
	    link(path_of(QF_SD_HELD, id), path_of(QF_SD_MESS, id)), 0);
	item = load_ok(st, id);
	assert_true(item.held);
	assert_int_equal(ops->release(st, &item, &e), 0);
	qf_item_free(&item);
	assert_int_equal(count_files(), 3);
	put_one(id, spam);
	put_file(path_of(QF_SD_MESS, id), LITERAL("mine"));
	item = load_ok(st, id);
	assert_int_equal(ops->release(st, &item, &e), QF_EMESS);
	check_file(path_of(QF_SD_MESS, id), LITERAL("mine"));
	assert_true(there(QF_SD_HOLD, id));
	assert_true(there(QF_SD_HELD, id));
	assert_int_equal(unlink(path_of(QF_SD_MESS, id)), 0);
	/* Deleted with what a release left. */
	assert_int_equal(
	    link(path_of(QF_SD_HELD, id), path_of(QF_SD_MESS, id)), 0);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	assert_int_equal(count_files(), 3);
	qf_item_free(&item);
	ops->close(&st);
}

/* Each step of a release fails once, for want of a folder: it stays held. */
static void test_release_fails_clean(void **state)
{
	static const struct {
		const char *folder;
		int rc;
	} t[] = {{"mess", QF_EMESS}, {"todo", QF_ETODO}};
	struct qf_store *st = open_as(QF_STORE_LOOK);
	char id[QF_ID_SIZE];

	(void)state;
	put_one(id, spam);
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_item item = load_ok(st, id);
		struct qf_err e = {0};

		move_folder(t[i].folder, false, true);
		assert_int_equal(ops->release(st, &item, &e), t[i].rc);
		move_folder(t[i].folder, false, false);
		assert_true(item.held);
		qf_item_free(&item);
		assert_true(there(QF_SD_HOLD, id));
		assert_int_equal(count_files(), 3);
	}
	ops->close(&st);
}

static void test_lost_bytes(void **state)
{
	struct qf_store *st = open_as(QF_STORE_LOOK);
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	put_one(id, spam);
	assert_int_equal(unlink(path_of(QF_SD_HELD, id)), 0);
	assert_int_equal(ops->load(st, id, &item, &e), QF_EFORMAT);
	assert_non_null(strstr(e.text, "is missing"));
	assert_non_null(strstr(e.text, path_of(QF_SD_HOLD, id)));
	ops->close(&st);
}

static int64_t now;

static int64_t later(int which)
{
	return which == 'w' ? now : 0;
}

static void sweep(void)
{
	struct qf_store *st;

	now = qf_clock_wall() + QF_SD_OSSIFIED + 60;
	qf_clock_source(later);
	st = open_as(QF_STORE_SEND);
	ops->close(&st);
	qf_clock_source(NULL);
}

/* Everything here is old. */
static void test_sweep(void **state)
{
	char held[QF_ID_SIZE], begun[QF_ID_SIZE], never[QF_ID_SIZE];
	char released[QF_ID_SIZE], gone[QF_ID_SIZE];

	(void)state;
	put_one(held, spam);
	/* A release that was cut off before it counted, and after. */
	put_one(begun, spam);
	assert_int_equal(
	    link(path_of(QF_SD_HELD, begun), path_of(QF_SD_MESS, begun)), 0);
	put_one(released, spam);
	assert_int_equal(
	    link(path_of(QF_SD_HELD, released), path_of(QF_SD_MESS, released)),
	    0);
	assert_int_equal(rename(path_of(QF_SD_HOLD, released),
			     path_of(QF_SD_TODO, released)),
	    0);
	/* Cut off on its way in, or in the middle of a deletion. */
	put_one(never, spam);
	assert_int_equal(unlink(path_of(QF_SD_HOLD, never)), 0);
	/* Another sender removed it. */
	put_one(gone, routed);
	assert_int_equal(unlink(path_of(QF_SD_TODO, gone)), 0);
	assert_int_equal(unlink(path_of(QF_SD_MESS, gone)), 0);
	sweep();
	assert_true(there(QF_SD_HOLD, held));
	assert_true(there(QF_SD_HELD, held));
	assert_true(there(QF_SD_ATTR, held));
	assert_true(there(QF_SD_HOLD, begun));
	assert_true(there(QF_SD_HELD, begun));
	assert_true(there(QF_SD_ATTR, begun));
	assert_true(there(QF_SD_TODO, released));
	assert_true(there(QF_SD_MESS, released));
	assert_true(there(QF_SD_ATTR, released));
	assert_false(there(QF_SD_HELD, released));
	assert_false(there(QF_SD_HELD, never));
	assert_false(there(QF_SD_ATTR, never));
	assert_false(there(QF_SD_ATTR, gone));
}

/* What a writer or a release may still be at work on. */
static void test_sweep_leaves_the_young(void **state)
{
	struct qf_store *st;
	char id[QF_ID_SIZE];

	(void)state;
	put_one(id, spam);
	assert_int_equal(unlink(path_of(QF_SD_HOLD, id)), 0);
	st = open_as(QF_STORE_SEND);
	ops->close(&st);
	assert_true(there(QF_SD_HELD, id));
	assert_true(there(QF_SD_ATTR, id));
}

/* A queue from before these folders. */
static void test_older_queue(void **state)
{
	char id[QF_ID_SIZE];
	struct qf_store *st;
	struct qf_err e = {0};

	(void)state;
	move_folder("attr", false, true);
	move_folder("hold", false, true);
	assert_int_equal(qf_layout_check(dir, &e), 0);
	st = open_as(QF_STORE_SEND);
	ops->close(&st);
	assert_int_equal(walk(true, id), 0);
	put_one(id, spam);
	assert_int_equal(walk(true, id), 1);
	assert_int_equal(qf_layout_init(dir, (uid_t)-1, (gid_t)-1, &e), 0);
	assert_int_equal(walk(true, id), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_three_together),
	    BOTH(test_publish_fails_clean),
	    BOTH(test_prepare_fails_clean),
	    BOTH(test_released_files),
	    ONE(test_attributes_of_another),
	    ONE(test_damaged_attributes),
	    ONE(test_claim_is_explained),
	    ONE(test_release_makes_it_young),
	    ONE(test_release_again),
	    ONE(test_release_fails_clean),
	    ONE(test_lost_bytes),
	    ONE(test_sweep),
	    ONE(test_sweep_leaves_the_young),
	    ONE(test_older_queue),
	};

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
