#include "remote/setup.h"

#include "tests/unit/unit.h"

/*
 * What qfront-remote reads from its control files, and what it takes where
 * there are none: the figures of qmail-remote(8).
 */

static char folder[] = "/tmp/qfront-setup-XXXXXX";

static void control(const char *name, const char *text)
{
	char path[100];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fprintf(out, "%s\n", text) > 0);
	assert_int_equal(0, fclose(out));
}

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL || setenv("CONTROLDIR", folder, 1) < 0)
		return -1;
	/* To a relay, so that no authorities are read. */
	control("smtproutes", ":relay.example");
	control("me", "me.example");
	return 0;
}

static int drop_folder(void **state)
{
	static const char *const names[] = {"smtproutes", "me", "helohost",
	    "timeoutconnect", "timeoutremote", "timeouttotal"};
	char path[100];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static void defaults_and_files(void **state)
{
	struct qf_remote_setup s = QF_REMOTE_SETUP_INIT;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_remote_setup_load(&s, "y.example", &e));
	assert_string_equal("me.example", s.control.helohost);
	assert_int_equal(60, s.control.timeoutconnect);
	assert_int_equal(1200, s.control.timeoutremote);
	assert_int_equal(7200, s.control.timeouttotal);
	assert_int_equal(25, s.route.options.port);
	qf_remote_setup_free(&s);

	control("helohost", "hello.example");
	control("timeoutconnect", "1");
	control("timeoutremote", "2");
	control("timeouttotal", "0");
	s = (struct qf_remote_setup)QF_REMOTE_SETUP_INIT;
	assert_int_equal(0, qf_remote_setup_load(&s, "y.example", &e));
	assert_string_equal("hello.example", s.control.helohost);
	assert_int_equal(1, s.control.timeoutconnect);
	assert_int_equal(2, s.control.timeoutremote);
	assert_int_equal(0, s.control.timeouttotal);
	qf_remote_setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults_and_files),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
