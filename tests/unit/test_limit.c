/*
 * The plugin limit as built: who is refused when, what is counted, and what it
 * says of wrong rules. Its parts are in test_limit_store.c.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include "tests/unit/stage.h"

static char *control;
static char dir_setting[4096];
static const char *settings[] = {dir_setting, NULL, NULL};
static const char *const one[] = {"r@y", NULL};
static const char *const three[] = {"p@y", "q@y", "r@y", NULL};

/* A control directory for each test: the counters are in it. */
static int setup(void **state)
{
	(void)state;
	control = unit_dir();
	snprintf(dir_setting, sizeof dir_setting, "dir=%s/count", control);
	settings[1] = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unit_remove_dir(control);
	return 0;
}

static void open_stage(struct qf_conf *c, const char *rules)
{
	stage_list(control, "limit.rules", rules);
	assert_int_equal(
	    0, fakehost_open(c, stage_plugin("limit"), control, settings));
}

/* One message with this context (key=value, or NULL); its text in `text`. */
static char text[256], status[16];

static int32_t run_rcpts(struct qf_conf *c, const char *context,
    const char *sender, const char *const *rcpt)
{
	struct qf_msg m;
	int32_t class_;

	qf_strv_free(&c->context);
	if (context != NULL)
		qf_strv_add(&c->context, context);
	fakehost_run(&m, c, qf_span("A: b\n\nhi\n"), sender, rcpt);
	class_ = m.class_;
	memcpy(text, m.text, sizeof text);
	memcpy(status, m.status, sizeof status);
	if (class_ != QF_PASS && class_ != QF_BROKEN)
		assert_int_equal(QF_CAT_POLICY, m.verdict.category);
	assert_int_equal(0, m.edits.n);
	fakehost_forget(&m);
	return class_;
}

static int32_t run(struct qf_conf *c, const char *context)
{
	return run_rcpts(c, context, "s@x", one);
}

static void test_messages(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "auth messages=2 per=day");
	assert_int_equal(QF_PASS, run(&c, "auth.user=joe"));
	assert_int_equal(QF_PASS, run(&c, "auth.user=JOE"));
	assert_int_equal(QF_DEFER, run(&c, "auth.user=Joe"));
	assert_string_equal("4.7.1", status);
	/* The next room is half a day away, less what the test took. */
	assert_non_null(strstr(text,
	    "limit of 2 messages a day for user joe is reached: there is room "
	    "for this message in 43"));
	assert_string_equal(" seconds", text + strlen(text) - 8);
	/* Others are not touched. */
	assert_int_equal(QF_PASS, run(&c, "auth.user=ann"));
	assert_int_equal(QF_PASS, run(&c, NULL));
	fakehost_close(&c);
	/* The next process finds the counters. */
	settings[1] = "action=reject";
	open_stage(&c, "auth messages=2 per=day");
	assert_int_equal(QF_REJECT, run(&c, "auth.user=joe"));
	assert_string_equal("5.7.1", status);
	assert_int_equal(QF_PASS, run(&c, "auth.user=ann"));
	assert_int_equal(QF_REJECT, run(&c, "auth.user=ann"));
	fakehost_close(&c);
}

static void test_recipients(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "sender messages=10 recipients=5 per=3000");
	assert_int_equal(QF_PASS, run_rcpts(&c, NULL, "s@x", three));
	assert_int_equal(QF_DEFER, run_rcpts(&c, NULL, "s@x", three));
	assert_non_null(strstr(text, "limit of 5 recipients in 3000 seconds "
				     "for sender s@x is reached"));
	assert_int_equal(QF_PASS, run_rcpts(&c, NULL, "S@X", one));
	assert_int_equal(QF_PASS, run_rcpts(&c, NULL, "s@x", one));
	assert_int_equal(QF_DEFER, run_rcpts(&c, NULL, "s@x", one));
	/* Bounces have no sender that could be limited. */
	for (int i = 0; i < 12; i++)
		assert_int_equal(QF_PASS, run_rcpts(&c, NULL, "", one));
	fakehost_close(&c);
}

static void test_never_fits(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "uid recipients=2 per=hour");
	assert_int_equal(
	    QF_REJECT, run_rcpts(&c, "submit.uid=0", "s@x", three));
	assert_string_equal("5.5.3", status);
	assert_string_equal("3 recipients in one message are above the limit "
			    "of 2 recipients an hour for user id 0",
	    text);
	fakehost_close(&c);
}

static void test_networks(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "client messages=1 per=minute\n"
		       "client messages=2 per=day");
	assert_int_equal(QF_PASS, run(&c, "client.ip=2001:db8::1"));
	assert_int_equal(QF_DEFER, run(&c, "client.ip=2001:db8::2:0:0:1"));
	assert_non_null(
	    strstr(text, "of 1 messages a minute for client 2001:db8::/64 is"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=2001:db8:0:1::1"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=192.0.2.1"));
	assert_int_equal(QF_DEFER, run(&c, "client.ip=::ffff:192.0.2.1"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=unknown"));
	assert_int_equal(QF_DEFER, run(&c, "client.ip=Unknown"));
	fakehost_close(&c);
}

/* What is for one value holds in place of what is for all. */
static void test_specific(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "client unlimited for=192.0.2.9\n"
		       "client messages=1 per=hour\n"
		       "client messages=2 per=hour for=192.0.2.1\n"
		       "client messages=1 per=day for=2001:DB8::/64\n"
		       "client messages=3 per=day\n");
	for (int i = 0; i < 5; i++)
		assert_int_equal(QF_PASS, run(&c, "client.ip=192.0.2.9"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=192.0.2.1"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=192.0.2.1"));
	assert_int_equal(QF_DEFER, run(&c, "client.ip=192.0.2.1"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=192.0.2.2"));
	assert_int_equal(QF_DEFER, run(&c, "client.ip=192.0.2.2"));
	assert_non_null(strstr(text, "an hour"));
	assert_int_equal(QF_PASS, run(&c, "client.ip=2001:db8::1"));
	assert_int_equal(QF_DEFER, run(&c, "client.ip=2001:db8::2"));
	assert_non_null(strstr(text, "a day"));
	fakehost_close(&c);
}

/* A message is counted by all limits or by none. */
static void test_all_or_nothing(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "sender messages=2 per=day\n"
		       "auth messages=3 per=hour\n");
	assert_int_equal(QF_PASS, run_rcpts(&c, "auth.user=joe", "a@x", one));
	assert_int_equal(QF_PASS, run_rcpts(&c, "auth.user=joe", "a@x", one));
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    QF_DEFER, run_rcpts(&c, "auth.user=joe", "a@x", one));
	assert_int_equal(QF_PASS, run_rcpts(&c, "auth.user=joe", "b@x", one));
	/* Both are full: the one that lasts longer is told. */
	assert_int_equal(QF_DEFER, run_rcpts(&c, "auth.user=joe", "a@x", one));
	assert_non_null(strstr(text, "for sender a@x is reached"));
	assert_int_equal(QF_DEFER, run_rcpts(&c, "auth.user=joe", "b@x", one));
	assert_non_null(strstr(text, "for user joe is reached"));
	fakehost_close(&c);
}

/* A part of the chain that runs again after a crash counts nothing, another
 * part of the recipients counts as that. */
static void test_same_run(void **state)
{
	struct qf_conf c;

	(void)state;
	open_stage(&c, "sender messages=2 recipients=5 per=day");
	assert_int_equal(QF_PASS, run_rcpts(&c, "run.id=1", "s@x", three));
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    QF_PASS, run_rcpts(&c, "run.id=1", "s@x", three));
	assert_int_equal(QF_PASS, run_rcpts(&c, "run.id=1", "s@x", one));
	assert_int_equal(QF_PASS, run_rcpts(&c, "run.id=2", "s@x", one));
	assert_int_equal(QF_DEFER, run_rcpts(&c, "run.id=3", "s@x", one));
	assert_int_equal(QF_PASS, run_rcpts(&c, "run.id=1", "s@x", one));
	/* Having been refused is no way in. */
	assert_int_equal(QF_DEFER, run_rcpts(&c, "run.id=3", "s@x", one));
	fakehost_close(&c);
}

/* Two stages with the same directory count a message once. */
static void test_two_stages(void **state)
{
	struct qf_conf a, b;

	(void)state;
	open_stage(&a, "sender messages=1 per=day");
	open_stage(&b, "sender messages=1 recipients=3 per=day");
	assert_int_equal(QF_PASS, run_rcpts(&a, "run.id=1", "s@x", three));
	assert_int_equal(QF_PASS, run_rcpts(&b, "run.id=1", "s@x", three));
	assert_int_equal(QF_DEFER, run_rcpts(&a, "run.id=2", "s@x", one));
	assert_int_equal(QF_DEFER, run_rcpts(&b, "run.id=2", "s@x", one));
	assert_non_null(strstr(text, "messages"));
	fakehost_close(&a);
	fakehost_close(&b);
}

static void test_nothing_to_count(void **state)
{
	struct qf_conf c;
	struct stat st;
	char path[4096];

	(void)state;
	open_stage(&c, "auth messages=2 per=day");
	assert_int_equal(QF_PASS, run(&c, NULL));
	snprintf(path, sizeof path, "%s/count", control);
	assert_int_equal(-1, stat(path, &st));
	assert_int_equal(0, c.plugin->checkconf(&fakehost, &c));
	assert_int_equal(-1, stat(path, &st));
	assert_int_equal(QF_PASS, run(&c, "auth.user=joe"));
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0700, st.st_mode & 0777);
	fakehost_close(&c);
}

/* Counters that can not be used: the stage is broken, and says why. */
static void test_broken(void **state)
{
	struct qf_conf c;
	char path[4096];
	int fd;

	(void)state;
	open_stage(&c, "auth messages=2 per=day");
	assert_int_equal(QF_PASS, run(&c, "auth.user=joe"));
	snprintf(path, sizeof path, "%s/count", control);
	fd = open(path, O_RDONLY);
	assert_int_equal(0, flock(fd, LOCK_EX));
	c.time_left = 20;
	assert_int_equal(QF_BROKEN, run(&c, "auth.user=joe"));
	assert_string_equal("the counters of the limits can not be used", text);
	assert_non_null(strstr(c.log.v[0], "/count: another process holds"));
	close(fd);
	assert_int_equal(QF_PASS, run(&c, "auth.user=joe"));
	assert_int_equal(QF_DEFER, run(&c, "auth.user=joe"));
	snprintf(
	    path, sizeof path, "rm -r %s/count; : >%s/count", control, control);
	assert_int_equal(0, system(path));
	assert_int_equal(QF_BROKEN, run(&c, "auth.user=joe"));
	assert_non_null(strstr(c.log.v[1], "/count: Not a directory"));
	fakehost_close(&c);
}

/* A file that somebody spoiled is said to be, and counts again. */
static void test_damaged(void **state)
{
	struct qf_conf c;
	char command[8192];

	(void)state;
	open_stage(&c, "auth messages=1 per=day");
	assert_int_equal(QF_PASS, run(&c, "auth.user=joe"));
	assert_int_equal(QF_DEFER, run(&c, "auth.user=joe"));
	snprintf(command, sizeof command,
	    "sed -i s/.*/garbage/ %s/count/auth.*", control);
	assert_int_equal(0, system(command));
	assert_int_equal(QF_PASS, run(&c, "auth.user=joe"));
	assert_int_equal(1, c.log.n);
	assert_non_null(strstr(c.log.v[0], "warn "));
	assert_non_null(strstr(c.log.v[0], "1 damaged lines left out"));
	assert_int_equal(QF_DEFER, run(&c, "auth.user=joe"));
	/* A time in a hundred years ends in a day, not then. */
	snprintf(command, sizeof command,
	    "sed -i 's/ 86400 [0-9]*/ 86400 5000000000000000000/' "
	    "%s/count/auth.*",
	    control);
	assert_int_equal(0, system(command));
	assert_int_equal(QF_DEFER, run(&c, "auth.user=joe"));
	snprintf(command, sizeof command, "grep -q 50000000 %s/count/auth.*",
	    control);
	assert_int_not_equal(0, system(command));
	assert_int_equal(1, c.log.n);
	fakehost_close(&c);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *rules, *mistake;
	} cases[] = {
	    {NULL, "rules:0: there is no such file"},
	    {"#", "rules:0: holds no rule"},
	    {"\nuser messages=1 per=day", "rules:2: \"user\": a rule starts"},
	    {"uid", "there is no limit: write messages=N"},
	    {"uid per=day", "there is no limit"},
	    {"uid messages=1", "the time is missing"},
	    {"uid messages=0 per=day", "\"0\": write a number from 1"},
	    {"uid messages= per=day", "\"\": write a number"},
	    {"uid messages=1000001 per=day",
		"write a number from 1 to 1000000"},
	    {"uid recipients=-1 per=day", "\"-1\": write a number"},
	    {"uid recipients=1k per=day", "\"1k\": write a number"},
	    {"uid messages=1 per=week", "\"week\": write minute, hour, day"},
	    {"uid messages=1 per=0", "\"0\": write minute"},
	    {"uid messages=1 per=2678401", "write minute, hour, day or a"},
	    {"uid messages=1 per=day 5", "\"5\": expected messages=N"},
	    {"uid messages 1", "\"messages\": expected messages=N"},
	    {"uid messages=1 messages=2 per=day",
		"\"messages=2\" stands twice"},
	    {"uid messages=1 per=day for=", "\"\": write the number of"},
	    {"uid messages=1 per=day for=root", "\"root\": write the number"},
	    {"client messages=1 per=day for=host", "\"host\" is no address"},
	    {"client messages=1 per=day for=192.0.2.0/24", "is no address"},
	    {"client messages=1 per=day for=192.0.2.0/64", "is no address"},
	    {"auth messages=1 per=day for=", "for= needs a value"},
	    {"auth unlimited", "unlimited stands alone with for=VALUE"},
	    {"auth unlimited for=joe per=day", "unlimited stands alone"},
	    {"auth unlimited for=joe messages=1", "unlimited stands alone"},
	    {"auth unlimited=1 for=joe", "expected messages=N"},
	    {"uid messages=1 per=day\nuid messages=2 per=86400",
		"rules:2: line 1 is about the same already"},
	    {"auth messages=1 per=day for=joe\nauth unlimited for=JOE",
		"rules:2: line 1 is about the same"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		stage_list(control, "limit.rules", cases[i].rules);
		stage_refuses("limit", control, settings, cases[i].mistake);
	}
	stage_list(control, "limit.rules", "uid messages=1 per=day");
	settings[1] = "action=drop";
	stage_refuses("limit", control, settings, "action: write defer or");
	settings[1] = NULL;
	strcpy(dir_setting, "dir=");
	stage_refuses("limit", control, settings, "dir: write a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_recipients, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_never_fits, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_networks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_specific, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_all_or_nothing, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_same_run, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_two_stages, setup, teardown),
	    cmocka_unit_test_setup_teardown(
		test_nothing_to_count, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
