/*
 * Plugins of today in a host of version 1.0, whose table ends where that
 * version's did: what came later they ask for, and do without.
 */
#include "tests/unit/unit.h"

#include <glob.h>

#include "tests/lib/fakehost.h"

/* clang-format off */
/* The sizes of version 1.0 on this machine: SIZE_qf_host ... */
enum {
#define PICK(wide, narrow) (sizeof(void *) == 8 ? (wide) : (narrow))
#define QF_OFFSET(s, m, wide, narrow)
#define QF_SIZE(s, wide, narrow) SIZE_##s = PICK(wide, narrow),
#include "tests/abi/offsets-1.0.h"
};
/* clang-format on */

#define GROUPS_1_0                                                             \
	(QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |              \
	    QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |              \
	    QF_GROUP_CONFIG | QF_GROUP_LOG)

static char *dir; /* an empty CONTROLDIR */

/* A table with nothing behind its end: reading further is an error that the
 * sanitizers and valgrind see. */
static struct qf_host *old_host(void)
{
	/* The compiler must not see that it is less than the struct. */
	volatile size_t size = SIZE_qf_host;
	struct qf_host *h = malloc(size);

	assert_non_null(h);
	memcpy(h, &fakehost, SIZE_qf_host);
	h->size = SIZE_qf_host;
	h->abi_minor = 0;
	h->groups = GROUPS_1_0;
	fakehost_table = h;
	return h;
}

static void free_host(struct qf_host *h)
{
	fakehost_table = &fakehost;
	free(h);
}

static void test_has(void **state)
{
	struct qf_host *h = old_host();

	(void)state;
	assert_true(QF_HOST_HAS(h, size_of));
	assert_true(QF_HOST_HAS(h, log));
	assert_false(QF_HOST_HAS(h, rcpt_verdict));
	assert_false(QF_HOST_HAS(h, env_take));
	free_host(h);
	/* A slot that the table has and the host does not fill. */
	h = malloc(sizeof *h);
	assert_non_null(h);
	*h = fakehost;
	h->score = NULL;
	assert_false(QF_HOST_HAS(h, score));
	free(h);
}

/* Runs one message through a plugin: false when the host would refuse it, as
 * it needs what came later. */
static bool run(
    const char *path, const char *const *settings, struct qf_buf *out)
{
	const char *const rcpt[] = {"rcpt@test.example", NULL};
	struct qf_conf c;
	struct qf_msg m;
	bool fits;

	assert_int_equal(0, fakehost_load(&c, path, dir, settings));
	fits = (c.plugin->needs & ~GROUPS_1_0) == 0;
	if (fits && (c.plugin->init == NULL ||
			c.plugin->init(fakehost_table, &c, &c.state) == 0)) {
		fakehost_run(&m, &c, qf_span("Subject: a\n\nHello.\n"),
		    "sender@test.example", rcpt);
		assert_true(m.class_ >= 0 && m.class_ <= QF_BROKEN);
		qf_buf_reset(out);
		for (size_t at = 0;;) {
			struct qf_span s;

			if (!qf_message_next(&m.message, &at, &s))
				break;
			qf_buf_addspan(out, s);
		}
		fakehost_forget(&m);
	}
	fakehost_close(&c);
	return fits;
}

static void test_young_copes(void **state)
{
	static const char *const none[] = {NULL};
	struct qf_host *h = old_host();
	struct qf_buf out = QF_BUF_INIT;
	char path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/tests/plugins/.libs/young.so",
	    getenv("QF_BUILDDIR"));
	assert_true(run(path, none, &out));
	assert_string_equal("X-Young: nothing\nSubject: a\n\nHello.\n", out.s);
	free_host(h);
	/* In a host that has them it uses the calls. */
	assert_true(run(path, none, &out));
	assert_non_null(strstr(out.s, "note_get"));
	qf_buf_free(&out);
}

/* Every plugin of the tree runs there, or names what it needs. */
static void test_ours_cope(void **state)
{
	static const char *const settings[] = {
	    "text=hello", "max-message=1M", NULL};
	struct qf_host *h = old_host();
	struct qf_buf out = QF_BUF_INIT;
	char pattern[512];
	size_t ran = 0;
	glob_t found;

	(void)state;
	snprintf(pattern, sizeof pattern, "%s/plugins/.libs/*.so",
	    getenv("QF_BUILDDIR"));
	assert_int_equal(0, glob(pattern, 0, NULL, &found));
	for (size_t i = 0; i < found.gl_pathc; i++)
		ran += run(found.gl_pathv[i], settings, &out);
	assert_true(ran >= 4);
	globfree(&found);
	free_host(h);
	qf_buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_has),
	    cmocka_unit_test(test_young_copes),
	    cmocka_unit_test(test_ours_cope),
	};
	int rc;

	dir = unit_dir();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unit_remove_dir(dir);
	return rc;
}
