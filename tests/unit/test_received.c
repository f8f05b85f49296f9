#include "queue/received.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/passwd.h"
#include "tests/unit/unit.h"

/* The accounts of this test, in the place of the host's. */
static int questions;

bool qf_passwd_name(uid_t uid, struct qf_buf *name)
{
	static const struct {
		uid_t uid;
		const char *name;
	} users[] = {{7790, "alias"}, {7791, "qmaild"}, {7796, "qmails"},
	    {33, "www-data"}, {1000, "joe"}};

	questions++;
	for (size_t i = 0; i < UNIT_COUNT(users); i++) {
		if (users[i].uid == uid) {
			qf_buf_adds(name, users[i].name);
			return true;
		}
	}
	return false;
}

bool qf_passwd_has(const char *name)
{
	return name[0] != '\0';
}

/* The golden bytes: qmail-queue's for each of its accounts, a day of one
 * figure, and a leap day. */
static void test_format(void **state)
{
	static const struct {
		enum qf_origin origin;
		uid_t uid;
		long pid;
		int64_t now;
		const char *want;
	} t[] = {
	    {QF_ORIGIN_USER, 1000, 4711, 1793869507,
		"Received: (qmail 4711 invoked by uid 1000); "
		"5 Nov 2026 09:05:07 -0000\n"},
	    {QF_ORIGIN_ALIAS, 7790, 1, 1709164800,
		"Received: (qmail 1 invoked by alias); "
		"29 Feb 2024 00:00:00 -0000\n"},
	    {QF_ORIGIN_NETWORK, 7791, 4194304, 1735689599,
		"Received: (qmail 4194304 invoked from network); "
		"31 Dec 2024 23:59:59 -0000\n"},
	    {QF_ORIGIN_BOUNCE, 7796, 2, 0,
		"Received: (qmail 2 invoked for bounce); "
		"1 Jan 1970 00:00:00 -0000\n"},
	    {QF_ORIGIN_USER, 4294967294u, 2, 0,
		"Received: (qmail 2 invoked by uid 4294967294); "
		"1 Jan 1970 00:00:00 -0000\n"},
	};
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		qf_buf_reset(&b);
		qf_received_format(
		    &b, t[i].origin, t[i].uid, t[i].pid, t[i].now);
		assert_string_equal(b.s, t[i].want);
		assert_int_equal(b.len, strlen(t[i].want));
	}
	qf_buf_free(&b);
}

/* What the file `users` says, its text being this; NULL: there is none. */
static void load(struct qf_origins *o, const char *text)
{
	char dir[] = "/tmp/qfront-test-XXXXXX", file[64];
	struct qf_ctl ctl;
	struct qf_err e;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof file, "%s/users", dir);
	if (text != NULL) {
		umask(022);
		f = fopen(file, "w");
		assert_non_null(f);
		fputs(text, f);
		fclose(f);
	}
	assert_int_equal(qf_ctl_open(&ctl, dir, &e), 0);
	if (qf_origins_load(o, &ctl, &e) < 0)
		fail_msg("%s", e.text);
	qf_ctl_close(&ctl);
	unlink(file);
	rmdir(dir);
}

enum {
	ASKED = 5 /* users that each case asks for */
};

/* One of them, and how often the user database may be asked for it. */
struct asked {
	uid_t uid;
	enum qf_origin want;
	int most_questions;
};

/* Frees o. */
static void expect(struct qf_origins *o, const struct asked of[ASKED])
{
	for (int i = 0; i < ASKED; i++) {
		questions = 0;
		assert_int_equal(qf_origins_find(o, of[i].uid), of[i].want);
		assert_true(questions <= of[i].most_questions);
	}
	qf_origins_free(o);
}

static void test_qmails_users(void **state)
{
	static const struct asked qmail[ASKED] = {
	    {7790, QF_ORIGIN_ALIAS, 1},
	    {7791, QF_ORIGIN_NETWORK, 1},
	    {7796, QF_ORIGIN_BOUNCE, 1},
	    {1000, QF_ORIGIN_USER, 1},
	    {5, QF_ORIGIN_USER, 1},
	};
	struct qf_origins o;

	(void)state;
	assert_int_equal(qf_origins_load(&o, NULL, NULL), 0);
	expect(&o, qmail);
	load(&o, NULL);
	expect(&o, qmail);
}

static void test_users_file(void **state)
{
	static const struct {
		const char *text;
		struct asked of[ASKED];
	} t[] = {
	    {"network www-data 8\nnetwork 9\n",
		{{7790, QF_ORIGIN_ALIAS, 1}, {7791, QF_ORIGIN_USER, 1},
		    {33, QF_ORIGIN_NETWORK, 1}, {8, QF_ORIGIN_NETWORK, 0},
		    {9, QF_ORIGIN_NETWORK, 0}}},
	    {"bounce 3\nnetwork 2 3\nalias 1\n",
		{{1, QF_ORIGIN_ALIAS, 0}, {2, QF_ORIGIN_NETWORK, 0},
		    {3, QF_ORIGIN_NETWORK, 0}, {7790, QF_ORIGIN_USER, 0},
		    {4294967294u, QF_ORIGIN_USER, 0}}},
	};
	struct qf_origins o;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		load(&o, t[i].text);
		expect(&o, t[i].of);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_qmails_users),
	    cmocka_unit_test(test_users_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
