/*
 * The parts of the plugin limit: the arithmetic, the forms of keys, and files
 * of counters that are damaged, full, or of another time.
 */
#include <sys/stat.h>
#include <sys/time.h>

#include "tests/unit/unit.h"

#include "plugins/limit/counter.h"
#include "plugins/limit/store.h"

static const int64_t now = INT64_C(1800000000) * COUNTER_SECOND;

static char *dir;
static struct qf_err error;

static int setup(void **state)
{
	(void)state;
	dir = unit_dir();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unit_remove_dir(dir);
	return 0;
}

/* counter.h */

/* Takes; when there is no room, looks whether what it says of the wait is
 * true to the nanosecond. */
static enum counter_answer take(
    int64_t *empty, int64_t at, uint64_t n, uint32_t per, uint64_t count)
{
	int64_t wait = -1, rest, later;
	enum counter_answer a = counter_take(empty, at, n, per, count, &wait);

	if (a != COUNTER_FULL)
		return a;
	later = *empty;
	assert_int_equal(COUNTER_FULL,
	    counter_take(&later, at + wait - 1, n, per, count, &rest));
	assert_int_equal(1, rest);
	assert_int_equal(COUNTER_FITS,
	    counter_take(&later, at + wait, n, per, count, &rest));
	return a;
}

static void test_exactly_n(void **state)
{
	static const struct {
		uint64_t n;
		uint32_t per;
	} limits[] = {{1, 1}, {3, 1}, {7, 60}, {1000, 1}, {100, 3600},
	    {1000000, 1}, {1, COUNTER_PER_MAX},
	    {COUNTER_N_MAX, COUNTER_PER_MAX}};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(limits); i++) {
		uint64_t n = limits[i].n, fit = 0;
		int64_t empty = 0, wait;

		while (counter_take(&empty, now, n, limits[i].per, 1, &wait) ==
		       COUNTER_FITS)
			fit++;
		assert_int_equal(n, fit);
		/* All of the room is back when the window is over. */
		assert_true(empty <= now + limits[i].per * COUNTER_SECOND);
		assert_int_equal(COUNTER_FITS,
		    counter_take(&empty, now + limits[i].per * COUNTER_SECOND,
			n, limits[i].per, n, &wait));
	}
}

static void test_rate(void **state)
{
	int64_t empty = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(COUNTER_FITS, take(&empty, now, 10, 100, 1));
	assert_int_equal(COUNTER_FULL, take(&empty, now, 10, 100, 1));
	/* One more each ten seconds. */
	for (int64_t t = 10; t < 1000; t += 10) {
		int64_t at = now + t * COUNTER_SECOND;

		assert_int_equal(
		    COUNTER_FULL, take(&empty, at - 1, 10, 100, 1));
		assert_int_equal(COUNTER_FITS, take(&empty, at, 10, 100, 1));
		assert_int_equal(COUNTER_FULL, take(&empty, at, 10, 100, 1));
	}
}

static void test_many_at_once(void **state)
{
	int64_t empty = 0;

	(void)state;
	assert_int_equal(COUNTER_NEVER, take(&empty, now, 10, 60, 11));
	assert_int_equal(COUNTER_NEVER, take(&empty, now, 10, 60, UINT64_MAX));
	assert_int_equal(0, empty);
	assert_int_equal(COUNTER_FITS, take(&empty, now, 10, 60, 6));
	assert_int_equal(COUNTER_FULL, take(&empty, now, 10, 60, 5));
	assert_int_equal(COUNTER_FITS, take(&empty, now, 10, 60, 4));
	assert_int_equal(COUNTER_FITS, take(&empty, now, 10, 60, 0));
}

/* The clock goes back by a year, or the limit is made smaller: the window at
 * most. */
static void test_clock_goes_back(void **state)
{
	int64_t empty = 0, before = now - 365 * 86400 * COUNTER_SECOND;

	(void)state;
	assert_int_equal(COUNTER_FITS, take(&empty, now, 2, 60, 1));
	assert_int_equal(COUNTER_FULL, take(&empty, before, 2, 60, 1));
	assert_int_equal(
	    COUNTER_FITS, take(&empty, before + 60 * COUNTER_SECOND, 2, 60, 1));
	empty = INT64_MAX;
	assert_int_equal(COUNTER_FULL, take(&empty, now, 2, 60, 1));
	empty = INT64_MIN;
	assert_int_equal(COUNTER_FITS, take(&empty, now, 2, 60, 2));
}

/* key.h */

static void test_values(void **state)
{
	static const struct {
		enum key key;
		const char *raw, *want; /* NULL: none */
	} cases[] = {
	    {KEY_UID, "1000", "1000"},
	    {KEY_AUTH, "Joe@X.example", "joe@x.example"},
	    {KEY_AUTH, "a b\n%\xc3\xa4", "a%20b%0a%25%c3%a4"},
	    {KEY_AUTH, "", NULL},
	    {KEY_CLIENT, "192.0.2.1", "192.0.2.1"},
	    {KEY_CLIENT, "2001:DB8:0:1:2:3:4:5", "2001:db8:0:1::/64"},
	    {KEY_CLIENT, "2001:db8:0:1::", "2001:db8:0:1::/64"},
	    {KEY_CLIENT, "::ffff:192.0.2.1", "192.0.2.1"},
	    {KEY_CLIENT, "::1", "::/64"},
	    {KEY_CLIENT, "192.0.2.1 ", NULL},
	    {KEY_CLIENT, "client.example", NULL},
	    {KEY_CLIENT, "fe80::1%eth0", NULL},
	};
	char out[KEY_VALUE_MAX + 1];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		bool is = key_value(cases[i].key, qf_span(cases[i].raw), out);

		assert_int_equal(cases[i].want != NULL, is);
		if (is)
			assert_string_equal(cases[i].want, out);
	}
}

static void test_long_values(void **state)
{
	char raw[1001], a[KEY_VALUE_MAX + 1], b[KEY_VALUE_MAX + 1];

	(void)state;
	memset(raw, 'a', sizeof raw - 1);
	raw[sizeof raw - 1] = '\0';
	assert_true(key_value(KEY_SENDER, qf_span(raw), a));
	raw[999] = 'A'; /* the same, as case does not count */
	assert_true(key_value(KEY_SENDER, qf_span(raw), b));
	assert_string_equal(a, b);
	raw[999] = 'b';
	assert_true(key_value(KEY_SENDER, qf_span(raw), b));
	assert_string_not_equal(a, b);
	assert_true(strlen(a) <= KEY_VALUE_MAX);
	for (size_t n = 1; n < 300; n++) {
		memset(raw, ' ', n);
		assert_true(key_value(KEY_SENDER, qf_span_n(raw, n), a));
		assert_true(strlen(a) <= KEY_VALUE_MAX);
	}
}

/* file.h and store.h */

static void write_file(const char *name, const char *bytes, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(n, fwrite(bytes, 1, n, f));
	assert_int_equal(0, fclose(f));
}

/* The file in which a value is. */
static const char *file_of(const char *value)
{
	static char name[32];

	snprintf(name, sizeof name, "auth.%03u",
	    (unsigned)(key_hash(KEY_HASH, value, strlen(value)) % STORE_FILES));
	return name;
}

static void open_store(struct store *s)
{
	assert_int_equal(0, store_open(s, dir, 1000, &error));
	s->now = now;
}

static struct file_entry *get(struct store *s, const char *value, uint32_t per)
{
	struct file_entry *e = NULL;

	assert_int_equal(0, store_get(s, KEY_AUTH, value, per, &e, &error));
	return e;
}

static void test_keeps(void **state)
{
	struct store s;
	struct file_entry *e;

	(void)state;
	open_store(&s);
	e = get(&s, "joe", 3600);
	assert_int_equal(0, e->empty[0]);
	e->empty[0] = now + 1;
	e->empty[1] = now + 2;
	for (unsigned i = 0; i < FILE_SEEN; i++)
		e->seen[e->nseen++] = UINT64_MAX - i;
	get(&s, "joe", 60)->empty[0] = now + 3;
	get(&s, "ann", 3600)->empty[0] = now + 4;
	assert_int_equal(0, store_save(&s, &error));
	store_close(&s);

	open_store(&s);
	e = get(&s, "joe", 3600);
	assert_int_equal(now + 1, e->empty[0]);
	assert_int_equal(now + 2, e->empty[1]);
	assert_int_equal(FILE_SEEN, e->nseen);
	assert_true(e->seen[FILE_SEEN - 1] == UINT64_MAX - FILE_SEEN + 1);
	assert_int_equal(now + 3, get(&s, "joe", 60)->empty[0]);
	assert_int_equal(now + 4, get(&s, "ann", 3600)->empty[0]);
	assert_int_equal(0, s.damaged);
	/* Without store_save() nothing changes. */
	get(&s, "ann", 3600)->empty[0] = now + 5;
	store_close(&s);
	open_store(&s);
	assert_int_equal(now + 4, get(&s, "ann", 3600)->empty[0]);
	store_close(&s);
}

/* Whatever stands in a file, what can be read counts and the rest starts
 * anew; it is gone with the next write. */
static void test_damage(void **state)
{
	static const char good[] = "joe 3600 1800000001000000000 0 -\n";
	static const char *const bad[] = {"x\n", "\n", " \n", "joe\n", "joe \n",
	    " 3600 1 1 -\n", "ann 0 1800000001000000000 0 -\n",
	    "ann 3600 -1 0 -\n", "ann 3600 1 2\n", "ann 3600 1 2 \n",
	    "ann 3600 1 2 z\n", "ann 3600 1 2 1,\n", "ann 3600 1 2 1,,2\n",
	    "ann 3600 1 2 11111111111111111\n", "ann 9999999 1 2 -\n",
	    "ann 3600 99999999999999999999 2 -\n", "ann 3600  1 2 -\n",
	    "ann 3600 1 2 1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,10,11\n",
	    "\xff\xfe\x01\n", "ann 3600 1 2 -"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(bad); i++) {
		struct qf_buf b = QF_BUF_INIT;
		struct store s;

		qf_buf_adds(&b, good);
		qf_buf_adds(&b, bad[i]);
		write_file(file_of("joe"), b.s, b.len);
		qf_buf_free(&b);
		open_store(&s);
		assert_int_equal(
		    now + COUNTER_SECOND, get(&s, "joe", 3600)->empty[0]);
		if (s.damaged != 1)
			fail_msg("%s: %u damaged", bad[i], s.damaged);
		assert_int_equal(0, store_save(&s, &error));
		store_close(&s);
		open_store(&s);
		get(&s, "joe", 3600);
		assert_int_equal(0, s.damaged);
		store_close(&s);
	}
}

static void test_cut_and_zeros(void **state)
{
	static const char cut[] = "joe 3600 1800000001000000000 0 -\nann 36";
	char *zeros = calloc(1, 3 << 20);
	struct store s;

	(void)state;
	write_file(file_of("joe"), cut, sizeof cut); /* with its zero byte */
	open_store(&s);
	assert_int_equal(now + COUNTER_SECOND, get(&s, "joe", 3600)->empty[0]);
	assert_int_equal(1, s.damaged);
	store_close(&s);
	write_file(file_of("joe"), zeros, 3 << 20);
	open_store(&s);
	get(&s, "joe", 3600)->empty[0] = now + 1;
	assert_int_equal(1, s.damaged);
	assert_int_equal(0, store_save(&s, &error));
	store_close(&s);
	open_store(&s);
	assert_int_equal(now + 1, get(&s, "joe", 3600)->empty[0]);
	store_close(&s);
	write_file(file_of("joe"), "", 0);
	open_store(&s);
	assert_int_equal(0, get(&s, "joe", 3600)->empty[0]);
	assert_int_equal(0, s.damaged);
	store_close(&s);
	free(zeros);
}

/* A time that no window allows does not last longer than the window. */
static void test_times_far_ahead(void **state)
{
	static const char line[] = "joe 60 9223372036854775807 0 -\n";
	struct store s;

	(void)state;
	write_file(file_of("joe"), line, sizeof line - 1);
	open_store(&s);
	assert_int_equal(
	    now + 60 * COUNTER_SECOND, get(&s, "joe", 60)->empty[0]);
	/* It is kept, also when nothing is counted. */
	assert_int_equal(0, store_mend(&s, &error));
	store_close(&s);
	open_store(&s);
	s.now += 10 * COUNTER_SECOND;
	assert_int_equal(
	    now + 60 * COUNTER_SECOND, get(&s, "joe", 60)->empty[0]);
	store_close(&s);
}

#define NO_FILE SIZE_MAX

static size_t lines_of(const char *name)
{
	char path[4096];
	size_t n = 0;
	FILE *f;
	int c;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f == NULL)
		return NO_FILE;
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void test_what_runs_out_goes(void **state)
{
	static const char lines[] = "old 60 1799999940000000000 0 -\n"
				    "older 60 0 0 1f\n"
				    "young 60 1799999940000000001 0 -\n";
	struct store s;

	(void)state;
	write_file(file_of("joe"), lines, sizeof lines - 1);
	open_store(&s);
	get(&s, "joe", 60)->empty[0] = now;
	assert_int_equal(0, s.damaged);
	assert_int_equal(0, store_save(&s, &error));
	store_close(&s);
	assert_int_equal(2, lines_of(file_of("joe")));
}

static void touch(const char *name, int64_t time)
{
	struct timeval t[2] = {
	    {time / COUNTER_SECOND, 0}, {time / COUNTER_SECOND, 0}};
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(0, utimes(path, t));
}

/* The second, counted from `now`, in which a file is looked at. */
static int64_t turn_of(unsigned number)
{
	int64_t t = now;

	while (t / COUNTER_SECOND % (STORE_FILES * KEY_KINDS) !=
	       STORE_FILES * KEY_AUTH + number)
		t += COUNTER_SECOND;
	return t;
}

static void test_sweep(void **state)
{
	static const char lines[] = "old 60 1799000000000000000 0 -\n"
				    "young 86400 1800086400000000000 0 -\n";
	struct store s;

	(void)state;
	write_file("auth.000", lines, sizeof lines - 1);
	write_file("auth.001", lines, strchr(lines, '\n') + 1 - lines);
	touch("auth.000", now - 1800 * COUNTER_SECOND);
	touch("auth.001", now - 7200 * COUNTER_SECOND);
	open_store(&s);
	s.now = turn_of(0);
	assert_int_equal(0, store_sweep(&s, &error));
	/* It was looked at less than an hour ago. */
	assert_int_equal(2, lines_of("auth.000"));
	touch("auth.000", now - 7200 * COUNTER_SECOND);
	assert_int_equal(0, store_sweep(&s, &error));
	assert_int_equal(1, lines_of("auth.000"));
	s.now = turn_of(1);
	assert_int_equal(0, store_sweep(&s, &error));
	store_close(&s);
	/* A file without lines goes. */
	assert_int_equal(NO_FILE, lines_of("auth.001"));
}

/* A full file forgets who would be free first, but nobody who is asked for. */
static void test_full(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct store s;

	(void)state;
	for (int i = 0; i < FILE_ENTRIES; i++)
		qf_buf_addf(&b, "user%d 86400 %lld 0 -\n", i,
		    (long long)(now + (i + 1) * COUNTER_SECOND));
	write_file(file_of("joe"), b.s, b.len);
	open_store(&s);
	get(&s, "joe", 60)->empty[0] = now + 1;
	assert_int_equal(1, s.forgotten);
	assert_int_equal(0, store_save(&s, &error));
	store_close(&s);
	assert_int_equal(FILE_ENTRIES, lines_of(file_of("joe")));
	/* The next one takes the place of joe, unless he is in use. */
	open_store(&s);
	assert_int_equal(now + 1, get(&s, "joe", 60)->empty[0]);
	get(&s, "joe", 61)->empty[0] = now + 1;
	assert_int_equal(1, s.forgotten);
	assert_int_equal(now + 1, get(&s, "joe", 60)->empty[0]);
	assert_int_equal(1, s.forgotten);
	store_close(&s);
	qf_buf_free(&b);
}

static void test_errors(void **state)
{
	struct store s, other;
	struct file_entry *e;
	char path[4096];

	(void)state;
	/* The lock is held; a second one does not wait for ever. */
	open_store(&s);
	assert_int_equal(QF_ETIME, store_open(&other, dir, 10, &error));
	assert_non_null(strstr(error.text, "holds the lock for too long"));
	/* A file that is none. */
	snprintf(path, sizeof path, "%s/%s", dir, file_of("joe"));
	unlink(path);
	assert_int_equal(0, mkdir(path, 0700));
	assert_int_equal(
	    QF_EREAD, store_get(&s, KEY_AUTH, "joe", 60, &e, &error));
	assert_non_null(strstr(error.text, "not a regular file"));
	assert_int_equal(0, rmdir(path));
	assert_int_equal(0, symlink("elsewhere", path));
	assert_int_equal(
	    QF_EREAD, store_get(&s, KEY_AUTH, "joe", 60, &e, &error));
	assert_int_equal(0, unlink(path));
	/* Nothing can be written; what was there stays. */
	get(&s, "joe", 60)->empty[0] = now + 1;
	assert_int_equal(0, store_save(&s, &error));
	get(&s, "joe", 60)->empty[0] = now + 2;
	snprintf(path, sizeof path, "%s/new", dir);
	assert_int_equal(0, mkdir(path, 0700));
	assert_int_equal(QF_EWRITE, store_save(&s, &error));
	assert_non_null(strstr(error.text, s.path));
	assert_int_equal(0, rmdir(path));
	store_close(&s);
	open_store(&s);
	assert_int_equal(now + 1, get(&s, "joe", 60)->empty[0]);
	store_close(&s);
}

static void test_directory(void **state)
{
	char path[4096], *at;
	struct store s;
	struct stat st;
	int fd;

	(void)state;
	snprintf(path, sizeof path, "%s/a/b/c", dir);
	assert_int_equal(0, store_open(&s, path, 10, &error));
	store_close(&s);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0700, st.st_mode & 0777);
	at = strrchr(path, '/');
	*at = '\0';
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0, st.st_mode & 0022);
	*at = '/';
	assert_int_equal(0, chmod(path, 0770));
	assert_int_equal(QF_EPERM, store_open(&s, path, 10, &error));
	assert_non_null(strstr(error.text, "can be written by others"));
	assert_int_equal(0, rmdir(path));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(QF_EWRITE, store_open(&s, path, 10, &error));
	strcat(path, "/d");
	assert_int_equal(QF_EWRITE, store_open(&s, path, 10, &error));
	assert_non_null(strstr(error.text, "Not a directory"));
}

/* Root may count for the user that mail runs as, whose files they stay; others
 * may not. */
static void test_owner(void **state)
{
	char path[4096];
	struct store s;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof path, "%s/owned", dir);
	assert_int_equal(0, chmod(dir, 0755));
	assert_int_equal(0, mkdir(path, 0755));
	assert_int_equal(0, chown(path, 1, 1));
	assert_int_equal(0, store_open(&s, path, 10, &error));
	s.now = now;
	get(&s, "joe", 60)->empty[0] = now + 1;
	assert_int_equal(0, store_save(&s, &error));
	assert_int_equal(0, fstatat(s.dir, file_of("joe"), &st, 0));
	assert_int_equal(1, st.st_uid);
	assert_int_equal(0600, st.st_mode & 0777);
	store_close(&s);
	assert_int_equal(0, seteuid(2));
	assert_int_equal(QF_EPERM, store_open(&s, path, 10, &error));
	assert_int_equal(0, seteuid(0));
	assert_non_null(
	    strstr(error.text, "belongs to uid 1, but mail runs as uid 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exactly_n),
	    cmocka_unit_test(test_rate),
	    cmocka_unit_test(test_many_at_once),
	    cmocka_unit_test(test_clock_goes_back),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_long_values),
	    cmocka_unit_test(test_keeps),
	    cmocka_unit_test(test_damage),
	    cmocka_unit_test(test_cut_and_zeros),
	    cmocka_unit_test(test_times_far_ahead),
	    cmocka_unit_test(test_what_runs_out_goes),
	    cmocka_unit_test(test_sweep),
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_errors),
	    cmocka_unit_test(test_directory),
	    cmocka_unit_test(test_owner),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
