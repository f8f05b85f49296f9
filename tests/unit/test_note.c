/* The notes of plugins: as built, missing, damaged, and held against what the
 * plugin says when it is loaded. */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "frontend/note.h"

static char *dir; /* PLUGINDIR of these tests */

/* A plugin as built, or another file. */
static void read_file(const char *name, struct qf_buf *out)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", getenv("QF_BUILDDIR"), name);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(0, qf_read_all(fd, out, NULL));
	close(fd);
}

/* Puts a file into PLUGINDIR. */
static void install(const char *name, const char *bytes, size_t n)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s.so", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, bytes, n));
	assert_int_equal(0, fchmod(fd, 0644));
	close(fd);
}

/* The note in the file: its head of 12 bytes, the name, the struct. */
static char *find_note(struct qf_buf *b)
{
	static const char head[] = "\7\0\0\0\50\0\0\0\1\0\0\0qfront\0";
	char *p = memmem(b->s, b->len, head, sizeof head);

	assert_non_null(p);
	return p;
}

static void refused(const char *name, int rc, const char *says)
{
	struct qf_declared d;
	struct qf_err e;

	assert_int_equal(rc, qf_note_read(name, getuid(), &d, &e));
	assert_int_equal(rc, e.rc);
	if (strstr(e.text, says) == NULL)
		fail_msg("%s: %s", says, e.text);
	assert_int_equal(0, d.effects);
}

static void test_reads(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_declared d;
	struct qf_err e;

	(void)state;
	read_file("plugins/.libs/dkim.so", &b);
	install("dkim", b.s, b.len);
	assert_int_equal(1, qf_note_read("dkim", getuid(), &d, &e));
	assert_int_equal(QF_ABI_MAJOR, d.abi_major);
	assert_int_equal(QF_ABI_MINOR, d.abi_minor);
	assert_true(d.needs & QF_GROUP_EDIT);
	assert_true(d.effects & QF_EFFECT_SEAL);
	assert_true(d.flags & QF_FLAG_SECRET);
	qf_buf_free(&b);
}

/* Bits of the upper word survive. */
static void test_reads_wide_bits(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_declared d;
	struct qf_err e;

	(void)state;
	read_file("tests/plugins/.libs/needy.so", &b);
	install("needy", b.s, b.len);
	assert_int_equal(1, qf_note_read("needy", getuid(), &d, &e));
	assert_true(d.needs == (QF_GROUP_EDIT | UINT64_C(1) << 63));
	assert_int_equal(1, d.nkinds);
	assert_string_equal("open", d.kind[0].value);
	qf_buf_free(&b);
}

/* An object without a note is one of version 1.0: nothing is wrong. */
static void test_none(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_declared d;
	struct qf_err e;

	(void)state;
	read_file("tests/plugins/.libs/unbound.so", &b);
	install("bare", b.s, b.len);
	assert_int_equal(0, qf_note_read("bare", getuid(), &d, &e));
	assert_int_equal(0, d.abi_major);
	qf_buf_free(&b);
	/* Somebody else's note of the same type. */
	read_file("plugins/.libs/size.so", &b);
	find_note(&b)[12] = 'Q';
	install("other", b.s, b.len);
	assert_int_equal(0, qf_note_read("other", getuid(), &d, &e));
	qf_buf_free(&b);
}

static void test_files(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	char path[512];

	(void)state;
	refused("missing", QF_EPLUGIN, "plugin missing: ");
	install("text", "no object", 9);
	refused("text", QF_EPLUGIN, "text.so is no shared object");
	install("empty", "", 0);
	refused("empty", QF_EPLUGIN, "empty.so is no shared object");
	read_file("plugins/.libs/size.so", &b);
	b.s[5] = b.s[5] == 1 ? 2 : 1; /* EI_DATA */
	install("foreign", b.s, b.len);
	refused("foreign", QF_EPLUGIN, "foreign.so is no shared object");
	snprintf(path, sizeof path, "%s/foreign.so", dir);
	assert_int_equal(0, chmod(path, 0666));
	refused("foreign", QF_EPLUGIN, "others can write it");
	qf_buf_free(&b);
}

/* Sizes that can not be: too small, larger than what is there. */
static void test_damaged(void **state)
{
	static const uint32_t sizes[] = {0, 8, 39, 41, 4000000000u};
	struct qf_buf b = QF_BUF_INIT;
	char *note;

	(void)state;
	read_file("plugins/.libs/size.so", &b);
	note = find_note(&b);
	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		memcpy(note + 20, &sizes[i], sizeof sizes[i]);
		install("damaged", b.s, b.len);
		refused("damaged", QF_ESYMBOL, "plugin damaged: its note");
	}
	/* A note that is shorter than any. */
	note[4] = 4;
	install("damaged", b.s, b.len);
	refused("damaged", QF_ESYMBOL, "of 4 bytes");
	qf_buf_free(&b);
}

static void test_damaged_kinds(void **state)
{
	static const uint32_t sizes[] = {0, 4, 79, 81, 4000000000u};
	static const char head[] = "\7\0\0\0\x54\0\0\0\2\0\0\0qfront\0";
	struct qf_buf b = QF_BUF_INIT;
	char *note;

	(void)state;
	read_file("tests/plugins/.libs/misbehave.so", &b);
	note = memmem(b.s, b.len, head, sizeof head);
	assert_non_null(note);
	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		memcpy(note + 20, &sizes[i], sizeof sizes[i]);
		install("damaged", b.s, b.len);
		refused("damaged", QF_ESYMBOL, "plugin damaged: its note");
	}
	/* Two of a type. */
	note[8] = QF_NOTE_PLUGIN;
	install("damaged", b.s, b.len);
	refused("damaged", QF_ESYMBOL, "");
	qf_buf_free(&b);
}

/* Cut at any place, the file is refused or has no note; nothing is read that
 * is not there. */
static void test_cut(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_declared d;
	struct qf_err e;

	(void)state;
	read_file("plugins/.libs/null.so", &b);
	for (size_t n = 0; n < b.len; n += 1 + n / 16) {
		install("cut", b.s, n);
		assert_true(qf_note_read("cut", getuid(), &d, &e) <= 0);
	}
	qf_buf_free(&b);
}

static void differs(const struct qf_declared *note,
    const struct qf_plugin *plugin, const char *field)
{
	struct qf_err e;

	assert_int_equal(QF_ESYMBOL, qf_note_compare(note, plugin, &e));
	if (strstr(e.text, field) == NULL)
		fail_msg("%s: %s", field, e.text);
}

static void test_compare(void **state)
{
	static const struct qf_plugin plugin = {.abi_major = 1,
	    .abi_minor = 1,
	    .name = "sample",
	    .needs = 1,
	    .wants = 2,
	    .effects = 4,
	    .flags = UINT64_C(8) << 40};
	static const struct qf_declared same = {.abi_major = 1,
	    .abi_minor = 1,
	    .needs = 1,
	    .wants = 2,
	    .effects = 4,
	    .flags = UINT64_C(8) << 40};
	struct qf_declared d;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_note_compare(&same, &plugin, &e));
	d = same;
	d.abi_major = 2;
	differs(&d, &plugin, "says abi_major 0x2 in its note and 0x1");
	d = same;
	d.abi_minor = 2;
	differs(&d, &plugin, "abi_minor");
	d = same;
	d.needs = 0;
	differs(&d, &plugin, "needs");
	d = same;
	d.wants = 0;
	differs(&d, &plugin, "wants");
	d = same;
	d.effects = 0;
	differs(&d, &plugin, "effects");
	d = same;
	d.flags = 8;
	differs(&d, &plugin, "flags");
}

static void test_compare_kinds(void **state)
{
	static const struct qf_kind kinds[] = {
	    {.key = "mode", .value = "a", .effects = 1, .flags = 2},
	    {.key = "mode", .value = "b"}, {0}};
	struct qf_plugin plugin = {.name = "sample", .kinds = kinds};
	struct qf_declared d = {.nkinds = 2};
	struct qf_err e;

	(void)state;
	d.kind[0] = (struct qf_declared_kind){"mode", "a", 1, 2};
	d.kind[1] = (struct qf_declared_kind){"mode", "b", 0, 0};
	assert_int_equal(0, qf_note_compare(&d, &plugin, &e));
	d.kind[1].flags = 1;
	differs(&d, &plugin, "other kinds");
	d.kind[1] = (struct qf_declared_kind){"mode", "c", 0, 0};
	differs(&d, &plugin, "other kinds");
	d.nkinds = 1;
	differs(&d, &plugin, "other kinds");
	d.nkinds = 3;
	differs(&d, &plugin, "other kinds");
	plugin.kinds = NULL;
	differs(&d, &plugin, "other kinds");
	d.nkinds = 0;
	assert_int_equal(0, qf_note_compare(&d, &plugin, &e));
}

/* The settings of a stage choose its kind, whatever else is in them. */
static void test_stage(void **state)
{
	char control[] = "/tmp/qfront-unit-XXXXXX";
	struct qf_buf b = QF_BUF_INIT;
	struct qf_stage_setting open[] = {{"nonsense", "x"}, {"kind", "open"}};
	struct qf_stage stage = {.name = "secret", .plugin = "secret"};
	struct qf_chain chain = {.file = (char[]){"chain"}};
	struct qf_declared d;
	struct qf_ctl ctl;
	struct qf_err e;

	(void)state;
	read_file("tests/plugins/.libs/secret.so", &b);
	install("secret", b.s, b.len);
	assert_non_null(mkdtemp(control));
	assert_int_equal(0, qf_ctl_open(&ctl, control, &e));
	assert_int_equal(1, qf_note_stage(&ctl, &chain, &stage, &d, &e));
	assert_int_equal(QF_FLAG_SECRET, d.flags);
	assert_true(d.effects & QF_EFFECT_RCPT);
	stage.setting = open;
	stage.nsettings = 2;
	assert_int_equal(1, qf_note_stage(&ctl, &chain, &stage, &d, &e));
	assert_int_equal(0, d.flags);
	assert_int_equal(QF_EFFECT_HEADER, d.effects);
	open[1].value = "opened";
	assert_int_equal(1, qf_note_stage(&ctl, &chain, &stage, &d, &e));
	assert_int_equal(QF_FLAG_SECRET, d.flags);
	qf_ctl_close(&ctl);
	rmdir(control);
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reads),
	    cmocka_unit_test(test_reads_wide_bits),
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_damaged_kinds),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_compare),
	    cmocka_unit_test(test_compare_kinds),
	    cmocka_unit_test(test_stage),
	};
	int rc;

	dir = unit_dir();
	assert_int_equal(0, setenv("PLUGINDIR", dir, 1));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unit_remove_dir(dir);
	return rc;
}
