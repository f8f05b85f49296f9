/*
 * The files of the directory engine, with files that have no name at first and
 * with qmail's steps: their bytes, what it does when they are damaged, missing
 * or in the way, and what it sweeps. What every engine must do is in
 * store_contract.h.
 */
#include <sys/resource.h>

#include "tests/unit/store_dir.h"

static void load_fails(const char *id, int want, const char *part)
{
	struct qf_store *st = open_as(QF_STORE_LOOK);
	struct qf_item item = QF_ITEM_INIT;
	struct qf_err e = {0};

	assert_int_equal(ops->load(st, id, &item, &e), want);
	if (strstr(e.text, part) == NULL)
		fail_msg("`%s` does not say `%s`", e.text, part);
	assert_int_equal(item.rcpt.n, 0);
	ops->close(&st);
}

static void test_commit_bytes(void **state)
{
	static const char todo[] = "u7\0p4711\0Fs@x.example\0Ta@x.example\0"
				   "Tb@x.example\0Tc@x.example";
	char id[QF_ID_SIZE];
	struct stat sb;

	(void)state;
	umask(077);
	queue_one(id, three);
	umask(022);
	check_file(path_of(QF_SD_MESS, id), LITERAL(text));
	check_file(path_of(QF_SD_TODO, id), todo, sizeof todo);
	assert_int_equal(lstat(path_of(QF_SD_MESS, id), &sb), 0);
	assert_int_equal(sb.st_ino, strtoull(id, NULL, 10));
	assert_int_equal(sb.st_mode, S_IFREG | 0644);
	assert_int_equal(sb.st_nlink, 1);
	assert_int_equal(lstat(path_of(QF_SD_TODO, id), &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0644);
	/* qmail's steps leave the first name of the envelope. */
	assert_int_equal(count_files(), qf_sd_named_forced() ? 3 : 2);
	assert_int_equal(there(QF_SD_INTD, id), qf_sd_named_forced());
}

static void test_no_file_is_made_early(void **state)
{
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_intake *in = NULL;
	struct qf_err e = {0};

	(void)state;
	assert_int_equal(ops->begin(st, &in, &e), 0);
	assert_int_equal(ops->write(in, text, sizeof text, &e), 0);
	assert_int_equal(count_files(), qf_sd_named_forced() ? 1 : 0);
	ops->abort(&in);
	assert_int_equal(count_files(), 0);
	ops->close(&st);
}

/* Each step of a commit fails once, for want of a folder. */
static void test_commit_fails_clean(void **state)
{
	static const struct {
		const char *folder;
		bool split, named;
		int rc;
	} t[] = {
	    {"mess", true, false, QF_EMESS},
	    {"mess", true, true, QF_EMESS},
	    {"intd", false, true, QF_EINTD},
	    {"todo", false, false, QF_ETODO},
	    {"todo", false, true, QF_ETODO},
	};
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	char id[QF_ID_SIZE] = "";

	(void)state;
	make_envelope(&env, "", three);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct qf_intake *in = NULL;
		struct qf_err e = {0};

		if (t[i].named != qf_sd_named_forced())
			continue;
		assert_int_equal(ops->begin(st, &in, &e), 0);
		move_folder(t[i].folder, t[i].split, true);
		assert_int_equal(
		    qf_store_commit(ops, &in, &env, 0, 1, id, &e), t[i].rc);
		assert_null(in);
		assert_int_equal(e.sys, ENOENT);
		move_folder(t[i].folder, t[i].split, false);
		assert_int_equal(count_files(), 0);
	}
	qf_envelope_free(&env);
	ops->close(&st);
}

static void test_open_codes(void **state)
{
	static const struct {
		const char *folder;
		int rc;
	} t[] = {{"pid", QF_EPID}, {"intd", QF_EINTD}};
	struct qf_store *st = NULL;
	struct qf_err e = {0};
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		move_folder(t[i].folder, false, true);
		assert_int_equal(
		    ops->open(&st, dir, QF_STORE_INTAKE, NULL, &e), t[i].rc);
		assert_null(st);
		assert_non_null(strstr(e.text, t[i].folder));
		move_folder(t[i].folder, false, false);
	}
	snprintf(path, sizeof path, "%s/none", dir);
	assert_int_equal(
	    ops->open(&st, path, QF_STORE_INTAKE, NULL, &e), QF_EQUEUE);
	snprintf(path, sizeof path, "%s/none//queue//", dir);
	assert_int_equal(
	    ops->open(&st, path, QF_STORE_INTAKE, NULL, &e), QF_EHOME);
	assert_int_equal(
	    ops->open(&st, "/none", QF_STORE_INTAKE, NULL, &e), QF_EQUEUE);
	assert_int_equal(
	    ops->open(&st, "none", QF_STORE_INTAKE, NULL, &e), QF_EQUEUE);
}

static void test_file_too_big(void **state)
{
	struct rlimit old, small = {.rlim_cur = 8192};
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_intake *in = NULL;
	struct qf_err e = {0};
	char id[QF_ID_SIZE], chunk[4096] = {0}, addr[901];

	(void)state;
	memset(addr, 'a', 900);
	addr[900] = '\0';
	for (int i = 0; i < 100; i++)
		assert_int_equal(qf_envelope_add_rcpt(&env, qf_span(addr)), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(ops->begin(st, &in, &e), 0);
	assert_int_equal(ops->write(in, chunk, sizeof chunk, &e), 0);
	assert_int_equal(ops->write(in, chunk, sizeof chunk, &e), 0);
	assert_int_equal(ops->write(in, chunk, sizeof chunk, &e), QF_EWRITE);
	ops->abort(&in);
	assert_int_equal(count_files(), 0);
	/* The message fits, the envelope does not. */
	assert_int_equal(ops->begin(st, &in, &e), 0);
	assert_int_equal(ops->write(in, chunk, 10, &e), 0);
	assert_int_equal(
	    qf_store_commit(ops, &in, &env, 0, 1, id, &e), QF_EWRITE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(count_files(), 0);
	qf_envelope_free(&env);
	ops->close(&st);
}

/* The inode of the next file may be one whose old records are still there:
 * the new message must not get their recipients. */
static void test_taken_number(void **state)
{
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_intake *in = NULL;
	struct qf_err e = {0};
	char first[QF_ID_SIZE], id[QF_ID_SIZE];

	(void)state;
	make_envelope(&env, "", three);
	queue_one(first, three);
	assert_int_equal(unlink(path_of(QF_SD_MESS, first)), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ops->begin(st, &in, &e), 0);
		assert_int_equal(
		    qf_store_commit(ops, &in, &env, 0, 1, id, &e), 0);
		assert_string_not_equal(id, first);
	}
	assert_false(there(QF_SD_MESS, first));
	qf_envelope_free(&env);
	ops->close(&st);
	load_fails(first, QF_EFORMAT, "is missing");
}

/* Another message's file has the name that the number leads to: the message
 * moves on to other files, and the one that is there stays as it is. */
static void test_taken_name(void **state)
{
	static const char bytes[] = "Subject: a test\n\nof many bytes\n";
	struct qf_store *st = open_as(QF_STORE_INTAKE);
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_intake *in = NULL;
	struct qf_err e = {0};
	char taken[2][QF_ID_SIZE], id[QF_ID_SIZE];

	(void)state;
	make_envelope(&env, "", three);
	for (size_t tries = 0; tries < 2; tries++) {
		assert_int_equal(ops->begin(st, &in, &e), 0);
		memcpy(taken[tries], in->id, sizeof in->id);
		put_file(path_of(QF_SD_MESS, in->id), LITERAL("another's"));
		assert_int_equal(ops->write(in, bytes, sizeof bytes, &e), 0);
		assert_int_equal(
		    qf_store_commit(ops, &in, &env, 0, 1, id, &e), 0);
		assert_string_not_equal(id, taken[tries]);
		check_file(path_of(QF_SD_MESS, id), bytes, sizeof bytes);
		check_file(
		    path_of(QF_SD_MESS, taken[tries]), LITERAL("another's"));
		assert_false(there(QF_SD_TODO, taken[tries]));
	}
	/* A number that was taken may have come again. */
	assert_int_equal(
	    count_files(), (strcmp(taken[0], taken[1]) == 0 ? 1 : 2) +
			       2 * (qf_sd_named_forced() ? 3 : 2));
	qf_envelope_free(&env);
	ops->close(&st);
}

static void test_state_bytes(void **state)
{
	char id[QF_ID_SIZE];
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};

	(void)state;
	queue_one(id, three);
	set_times(path_of(QF_SD_TODO, id), 1000000007);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	assert_int_equal(ops->mark(st, &item, 1, &e), 0);
	assert_true(there(QF_SD_TODO, id));
	assert_int_equal(ops->defer(st, &item, 1000000100, &e), 0);
	assert_false(there(QF_SD_TODO, id));
	assert_false(there(QF_SD_INTD, id));
	check_file(path_of(QF_SD_INFO, id), "Fs@x.example", 13);
	check_file(path_of(QF_SD_REMOTE, id),
	    "Ta@x.example\0Db@x.example\0Tc@x.example", 39);
	assert_int_equal(mtime_of(path_of(QF_SD_INFO, id)), 1000000007);
	assert_int_equal(mtime_of(path_of(QF_SD_REMOTE, id)), 1000000100);
	assert_int_equal(ops->mark(st, &item, 2, &e), 0);
	check_file(path_of(QF_SD_REMOTE, id),
	    "Ta@x.example\0Db@x.example\0Dc@x.example", 39);
	assert_int_equal(ops->defer(st, &item, 1000000200, &e), 0);
	assert_int_equal(mtime_of(path_of(QF_SD_REMOTE, id)), 1000000200);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	assert_int_equal(count_files(), 0);
	qf_item_free(&item);
	ops->close(&st);
}

/* State, then note, then mark; a torn note of a recipient without mark is
 * written over. */
static void test_note_bytes(void **state)
{
	static const char want[] = "<a@x.example>:\n550 no such user\n\n"
				   "<c@x.example>:\nline one  line two\n\n";
	char id[QF_ID_SIZE];
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	int fd;

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	assert_int_equal(ops->mark(st, &item, 1, &e), 0);
	assert_int_equal(
	    ops->note(st, &item, 0, "550 no such user\r\n", &e), 0);
	assert_false(there(QF_SD_TODO, id));
	check_file(path_of(QF_SD_REMOTE, id),
	    "Da@x.example\0Db@x.example\0Tc@x.example", 39);
	qf_item_free(&item);
	fd = open(path_of(QF_SD_BOUNCE, id), O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "<c@x.example>:\nlong", 19), 19);
	close(fd);
	item = load_ok(st, id);
	assert_string_equal(
	    item.notes.s, "<a@x.example>:\n550 no such user\n\n");
	assert_int_equal(
	    ops->note(st, &item, 2, "line one\r\nline two", &e), 0);
	check_file(path_of(QF_SD_BOUNCE, id), LITERAL(want));
	assert_string_equal(item.notes.s, want);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	assert_int_equal(count_files(), 0);
	qf_item_free(&item);
	ops->close(&st);
}

/* A note that can not be written changes nothing. */
static void test_note_fails(void **state)
{
	char id[QF_ID_SIZE];
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	move_folder("bounce", false, true);
	assert_int_equal(ops->note(st, &item, 0, "no", &e), QF_EWRITE);
	assert_int_equal(item.notes.len, 0);
	assert_false(item.done[0]);
	move_folder("bounce", false, false);
	assert_int_equal(ops->note(st, &item, 0, "no", &e), 0);
	assert_true(item.done[0]);
	qf_item_free(&item);
	ops->close(&st);
}

/* A crash between the state files and the removal of todo: the state does
 * not count, old notes are not taken over. */
static void test_todo_wins(void **state)
{
	char id[QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_walk walk = {0};
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};

	(void)state;
	queue_one(id, three);
	put_file(path_of(QF_SD_INFO, id), "Fother@x\0", 9);
	put_file(path_of(QF_SD_LOCAL, id), "Tl@x\0", 5);
	put_file(path_of(QF_SD_REMOTE, id), "Da@x.exa", 8);
	put_file(path_of(QF_SD_BOUNCE, id), LITERAL("<z@x>:\nold\n\n"));
	st = open_as(QF_STORE_SEND);
	assert_int_equal(ops->next(st, &walk, found, &e), 1);
	assert_int_equal(ops->next(st, &walk, found, &e), 0);
	item = load_ok(st, id);
	assert_true(item.fresh);
	assert_int_equal(item.notes.len, 0);
	assert_int_equal(ops->note(st, &item, 2, "gone", &e), 0);
	check_file(
	    path_of(QF_SD_BOUNCE, id), LITERAL("<c@x.example>:\ngone\n\n"));
	check_file(path_of(QF_SD_INFO, id), "Fs@x.example", 13);
	assert_false(there(QF_SD_LOCAL, id));
	qf_item_free(&item);
	item = load_ok(st, id);
	assert_int_equal(item.rcpt.n, 3);
	assert_true(item.done[2]);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	assert_int_equal(count_files(), 0);
	qf_item_free(&item);
	ops->close(&st);
}

/* State as qmail-send(8) leaves it: two channels, each with its time. */
static void test_state_of_qmail(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	assert_int_equal(unlink(path_of(QF_SD_TODO, id)), 0);
	put_file(path_of(QF_SD_INFO, id), "F\0Fsecond@x\0", 12);
	put_file(path_of(QF_SD_LOCAL, id), "Tl1@x\0Dl2@x\0", 12);
	put_file(path_of(QF_SD_REMOTE, id), "Dr1@x\0Tr2@x\0", 12);
	put_file(path_of(QF_SD_BOUNCE, id), LITERAL("<r1@x>:\nno\n\n"));
	set_times(path_of(QF_SD_INFO, id), 1000);
	set_times(path_of(QF_SD_LOCAL, id), 3000);
	set_times(path_of(QF_SD_REMOTE, id), 2000);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	assert_string_equal(item.sender.s, "");
	assert_int_equal(item.born, 1000);
	assert_int_equal(item.due, 2000);
	assert_int_equal(item.rcpt.n, 4);
	assert_string_equal(item.rcpt.v[0], "l1@x");
	assert_string_equal(item.rcpt.v[3], "r2@x");
	assert_int_equal(ops->mark(st, &item, 0, &e), 0);
	assert_int_equal(ops->note(st, &item, 3, "no", &e), 0);
	check_file(path_of(QF_SD_LOCAL, id), "Dl1@x\0Dl2@x\0", 12);
	check_file(path_of(QF_SD_REMOTE, id), "Dr1@x\0Dr2@x\0", 12);
	check_file(path_of(QF_SD_BOUNCE, id),
	    LITERAL("<r1@x>:\nno\n\n<r2@x>:\nno\n\n"));
	assert_int_equal(ops->defer(st, &item, 4000, &e), 0);
	assert_int_equal(mtime_of(path_of(QF_SD_LOCAL, id)), 4000);
	assert_int_equal(mtime_of(path_of(QF_SD_REMOTE, id)), 4000);
	qf_item_free(&item);
	/* A channel that is done has no file any more. */
	assert_int_equal(unlink(path_of(QF_SD_LOCAL, id)), 0);
	assert_int_equal(unlink(path_of(QF_SD_REMOTE, id)), 0);
	item = load_ok(st, id);
	assert_int_equal(item.rcpt.n, 0);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	qf_item_free(&item);
	ops->close(&st);
}

static void test_odd_todo(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *part; /* of the complaint, or NULL */
		size_t nrcpt;
	} t[] = {
	    {LITERAL("Fs@x\0Tr@x\0"), NULL, 1},
	    {LITERAL("u0\0p1\0Fs@x\0"), NULL, 0},
	    {LITERAL("Fs@x\0Fother@x\0T\0"), NULL, 1},
	    {LITERAL("u0\0p1\0Tr@x\0"), "no sender at byte 11", 0},
	    {LITERAL(""), "no sender at byte 0", 0},
	    {LITERAL("Fs@x\0Tr@x\0\0"), "zero byte without a record at byte 10",
		0},
	    {LITERAL("Fs@x\0Xr@x\0"), "unknown record type at byte 5", 0},
	    {LITERAL("Fs@x\0Tr@x"), "record without its end at byte 5", 0},
	};
	struct qf_store *st;
	struct qf_item item;
	char id[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		put_file(path_of(QF_SD_TODO, id), t[i].bytes, t[i].n);
		if (t[i].part != NULL) {
			load_fails(id, QF_EFORMAT, t[i].part);
			load_fails(id, QF_EFORMAT, path_of(QF_SD_TODO, id));
			continue;
		}
		st = open_as(QF_STORE_LOOK);
		item = load_ok(st, id);
		assert_string_equal(item.sender.s, "s@x");
		assert_int_equal(item.rcpt.n, t[i].nrcpt);
		qf_item_free(&item);
		ops->close(&st);
	}
}

static void test_odd_state(void **state)
{
	static const struct {
		enum qf_sd_place place;
		const char *bytes;
		size_t n;
		const char *part;
	} t[] = {
	    {QF_SD_INFO, LITERAL(""), "no sender"},
	    {QF_SD_INFO, LITERAL("Tx\0"), "unknown record type at byte 0"},
	    {QF_SD_INFO, LITERAL("Fs@x"), "record without its end"},
	    {QF_SD_LOCAL, LITERAL("Fs@x\0"), "unknown record type"},
	    {QF_SD_REMOTE, LITERAL("Tr@x\0D"), "without its end at byte 5"},
	    {QF_SD_REMOTE, LITERAL("\0\0\0"), "zero byte"},
	};
	char id[QF_ID_SIZE];

	(void)state;
	queue_one(id, three);
	assert_int_equal(unlink(path_of(QF_SD_TODO, id)), 0);
	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		put_file(path_of(QF_SD_INFO, id), "Fs@x\0", 5);
		put_file(path_of(QF_SD_LOCAL, id), "", 0);
		put_file(path_of(QF_SD_REMOTE, id), "", 0);
		put_file(path_of(t[i].place, id), t[i].bytes, t[i].n);
		load_fails(id, QF_EFORMAT, t[i].part);
		load_fails(id, QF_EFORMAT, path_of(t[i].place, id));
	}
	put_file(path_of(QF_SD_INFO, id), "Fs@x\0", 5);
	put_file(path_of(QF_SD_LOCAL, id), "", 0);
	put_file(path_of(QF_SD_REMOTE, id), "", 0);
	assert_int_equal(unlink(path_of(QF_SD_MESS, id)), 0);
	load_fails(id, QF_EFORMAT, "is missing");
	load_fails("0", QF_ENOENT, "no message number");
	load_fails("12x", QF_ENOENT, "no message number");
	load_fails("99999999999999999999999", QF_ENOENT, "no message number");
	load_fails("", QF_ENOENT, "no message number");
}

/* What is no message's file, in the folders of a walk. */
static void test_walk_over_others(void **state)
{
	char id[QF_ID_SIZE], found[QF_ID_SIZE];
	struct qf_walk walk = {0};
	struct qf_store *st;
	struct qf_err e = {0};
	char path[128];

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_LOOK);
	snprintf(path, sizeof path, "%s/todo/.hidden", dir);
	put_file(path, "", 0);
	snprintf(path, sizeof path, "%s/info/3/notes", dir);
	put_file(path, "", 0);
	assert_int_equal(ops->next(st, &walk, found, &e), 1);
	assert_string_equal(found, id);
	assert_int_equal(ops->next(st, &walk, found, &e), 0);
	assert_null(walk.dir);
	ops->close(&st);
}

static void test_failed_file(void **state)
{
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char id[QF_ID_SIZE];
	struct stat sb;

	(void)state;
	queue_one(id, three);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, id);
	assert_int_equal((ops->fail)(st, &item, &item.rcpt, &e), 0);
	check_file(path_of(QF_SD_FAILED, id),
	    LITERAL("s@x.example\na@x.example\nb@x.example\nc@x.example\n\n"
		    "Subject: x\n\nhi\n"));
	assert_int_equal(lstat(path_of(QF_SD_FAILED, id), &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0600);
	assert_int_equal(ops->finish(st, &item, &e), 0);
	assert_int_equal(count_files(), 1);
	assert_int_equal((ops->fail)(st, &item, &item.rcpt, &e), QF_ENOENT);
	assert_int_equal(count_files(), 1);
	qf_item_free(&item);
	ops->close(&st);
}

static void test_lock_is_named(void **state)
{
	struct qf_store *first = open_as(QF_STORE_SEND), *second = NULL;
	struct qf_err e = {0};

	(void)state;
	assert_int_equal(
	    ops->open(&second, dir, QF_STORE_SEND, NULL, &e), QF_EPERM);
	assert_non_null(strstr(e.text, "another sender runs"));
	assert_non_null(strstr(e.text, "lock/sendmutex"));
	ops->close(&first);
}

/* Without a reader, without a FIFO, with something else there. */
static void test_odd_trigger(void **state)
{
	struct qf_store *st = NULL;
	struct qf_err e = {0};
	char id[QF_ID_SIZE], path[128];

	(void)state;
	queue_one(id, three);
	snprintf(path, sizeof path, "%s/lock/trigger", dir);
	assert_int_equal(unlink(path), 0);
	queue_one(id, three);
	put_file(path, LITERAL("kept"));
	queue_one(id, three);
	check_file(path, LITERAL("kept"));
	assert_int_equal(
	    ops->open(&st, dir, QF_STORE_SEND, NULL, &e), QF_EQUEUE);
	assert_non_null(strstr(e.text, "trigger is not a FIFO"));
}

static int64_t test_now;

static int64_t fake_clock(int which)
{
	return which == 'w' ? test_now : 0;
}

/* What a writer may still be working on stays; what is named by todo or info
 * stays whatever its age. */
static void test_sweep(void **state)
{
	char queued[QF_ID_SIZE], settled[QF_ID_SIZE], path[4][128];
	struct qf_store *st;
	struct qf_item item;
	struct qf_err e = {0};
	char young[QF_ID_SIZE], old[QF_ID_SIZE];

	(void)state;
	queue_one(queued, three);
	queue_one(settled, three);
	queue_one(young, three);
	queue_one(old, three);
	st = open_as(QF_STORE_SEND);
	item = load_ok(st, settled);
	assert_int_equal(ops->defer(st, &item, 1000, &e), 0);
	qf_item_free(&item);
	ops->close(&st);
	assert_int_equal(unlink(path_of(QF_SD_TODO, young)), 0);
	assert_int_equal(unlink(path_of(QF_SD_TODO, old)), 0);
	test_now = qf_clock_wall();
	put_file(path_of(QF_SD_INTD, old), "", 0);
	put_file(path_of(QF_SD_BOUNCE, old), "", 0);
	set_times(path_of(QF_SD_MESS, queued), test_now - 9 * QF_SD_OSSIFIED);
	set_times(path_of(QF_SD_MESS, settled), test_now - 9 * QF_SD_OSSIFIED);
	set_times(path_of(QF_SD_MESS, old), test_now - QF_SD_OSSIFIED - 1);
	set_times(path_of(QF_SD_MESS, young), test_now - QF_SD_OSSIFIED);
	snprintf(path[0], sizeof path[0], "%s/pid/1.2.3", dir);
	snprintf(path[1], sizeof path[1], "%s/pid/1.2.4", dir);
	snprintf(path[2], sizeof path[2], "%s/intd/1", dir);
	snprintf(path[3], sizeof path[3], "%s/intd/2", dir);
	for (int i = 0; i < 4; i++) {
		put_file(path[i], "", 0);
		set_times(path[i], test_now - QF_SD_OSSIFIED - (i + 1) % 2);
	}
	qf_clock_source(fake_clock);
	st = open_as(QF_STORE_SEND);
	ops->close(&st);
	assert_true(there(QF_SD_MESS, queued));
	assert_true(there(QF_SD_MESS, settled));
	assert_true(there(QF_SD_MESS, young));
	assert_false(there(QF_SD_MESS, old));
	assert_false(there(QF_SD_INTD, old));
	assert_false(there(QF_SD_BOUNCE, old));
	assert_int_not_equal(access(path[0], F_OK), 0);
	assert_int_equal(access(path[1], F_OK), 0);
	assert_int_not_equal(access(path[2], F_OK), 0);
	assert_int_equal(access(path[3], F_OK), 0);
}

/* What is there is not touched; what is wrong is named. */
static void test_layout(void **state)
{
	struct qf_err e = {0};
	char path[128];
	struct stat sb;

	(void)state;
	assert_int_equal(qf_layout_check(dir, &e), 0);
	snprintf(path, sizeof path, "%s/lock/tcpto", dir);
	put_file(path, LITERAL("mine"));
	assert_int_equal(lstat(path, &sb), 0);
	assert_int_equal(sb.st_mode, S_IFREG | 0644);
	snprintf(path, sizeof path, "%s/info/22", dir);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(qf_layout_check(dir, &e), QF_EQUEUE);
	assert_non_null(strstr(e.text, "info/22"));
	snprintf(path, sizeof path, "%s/pid", dir);
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(qf_layout_init(dir, (uid_t)-1, (gid_t)-1, &e), 0);
	assert_int_equal(qf_layout_check(dir, &e), 0);
	assert_int_equal(lstat(path, &sb), 0);
	assert_int_equal(sb.st_mode, S_IFDIR | 0750);
	snprintf(path, sizeof path, "%s/lock/tcpto", dir);
	check_file(path, LITERAL("mine"));
	snprintf(path, sizeof path, "%s/lock/trigger", dir);
	assert_int_equal(lstat(path, &sb), 0);
	assert_int_equal(sb.st_mode, S_IFIFO | 0622);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(qf_layout_check(dir, &e), QF_EQUEUE);
	assert_non_null(strstr(e.text, "trigger is not a FIFO"));
	assert_int_equal(
	    qf_layout_init(dir, (uid_t)-1, (gid_t)-1, &e), QF_EWRITE);
	assert_int_equal(qf_layout_check("none", &e), QF_EQUEUE);
	assert_int_equal(
	    qf_layout_init("none/none", (uid_t)-1, (gid_t)-1, &e), QF_EWRITE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    BOTH(test_commit_bytes),
	    BOTH(test_no_file_is_made_early),
	    BOTH(test_commit_fails_clean),
	    BOTH(test_file_too_big),
	    BOTH_ON_DISK(test_taken_number),
	    BOTH_ON_DISK(test_taken_name),
	    BOTH(test_state_bytes),
	    ONE(test_open_codes),
	    ONE(test_note_bytes),
	    ONE(test_note_fails),
	    ONE(test_todo_wins),
	    ONE(test_state_of_qmail),
	    ONE(test_odd_todo),
	    ONE(test_odd_state),
	    ONE(test_walk_over_others),
	    ONE(test_failed_file),
	    ONE(test_lock_is_named),
	    ONE(test_odd_trigger),
	    ONE(test_sweep),
	    ONE(test_layout),
	};

	/* As every program that opens a store has it. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
