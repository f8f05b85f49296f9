#include "remote/module.h"
#include "remote/module_mail.h"

#include "lib/mail/addr.h"
#include "tests/unit/unit.h"

struct settings {
	const char *name;
	unsigned port;
	bool loud, quiet;
};

#define AT(field) offsetof(struct settings, field)

/* clang-format off */
static const struct qf_module_option table[] = {
    {"name", 'n', QF_MODULE_TEXT, AT(name), NULL, "NAME", "a name"},
    {"port", 'p', QF_MODULE_PORT, AT(port), NULL, "N", "a port"},
    {"loud", 'l', QF_MODULE_FLAG, AT(loud), NULL, NULL, "a flag"},
    {"quiet", 'q', QF_MODULE_FLAG, AT(quiet), NULL, NULL, "another"},
    {"wings", 0, QF_MODULE_FLAG, 0, "feathers", NULL, "flying"},
    {0},
};
/* clang-format on */

struct args_case {
	const char *args; /* quoted as for a shell */
	int rc;
	const char *name;
	unsigned port;
	bool loud, quiet;
	const char *why; /* part of the error */
};

static const struct args_case args[] = {
    {"", 0, NULL, 0, false, false, NULL},
    {"--name=a --port 25 --loud", 0, "a", 25, true, false, NULL},
    {"--name a=b", 0, "a=b", 0, false, false, NULL},
    {"--name=-x", 0, "-x", 0, false, false, NULL},
    {"-n a -p65535 -lq", 0, "a", 65535, true, true, NULL},
    {"-lna", 0, "a", 0, true, false, NULL},
    {"-ln a", 0, "a", 0, true, false, NULL},
    {"-n a --name=b", 0, "b", 0, false, false, NULL},
    {"-l --", 0, NULL, 0, true, false, NULL},
    {"-h", 1, NULL, 0, false, false, NULL},
    {"--help --bad", 1, NULL, 0, false, false, NULL},
    {"--nam=a", QF_EINVAL, NULL, 0, false, false, "unknown option nam;"},
    {"--names=a", QF_EINVAL, NULL, 0, false, false, "unknown option names"},
    {"-x", QF_EINVAL, NULL, 0, false, false, "unknown option x"},
    {"--=a", QF_EINVAL, NULL, 0, false, false, "unknown option ;"},
    {"--name", QF_EINVAL, NULL, 0, false, false, "needs a value: name=NAME"},
    {"--name=", QF_EINVAL, NULL, 0, false, false, "needs a value"},
    {"-n", QF_EINVAL, NULL, 0, false, false, "needs a value"},
    {"--loud=1", QF_EINVAL, NULL, 0, false, false, "loud takes no value"},
    {"--port=0", QF_EINVAL, NULL, 0, false, false, "0 is no port number"},
    {"--port=65536", QF_EINVAL, NULL, 0, false, false, "65536 is no port"},
    {"--port=-1", QF_EINVAL, NULL, 0, false, false, "-1 is no port number"},
    {"--port=25x", QF_EINVAL, NULL, 0, false, false, "25x is no port"},
    {"--wings", QF_EINVAL, NULL, 0, false, false,
	"option wings is not available in this version, which has no feathers"},
    {"a", QF_EINVAL, NULL, 0, false, false, "a is no option"},
    {"-l - a", QF_EINVAL, NULL, 0, false, false, "- is no option"},
    {"-- a", QF_EINVAL, NULL, 0, false, false, "a is no option"},
};

static void check_settings(
    const struct args_case *c, const struct settings *set)
{
	if (c->rc != 0)
		return;
	if (c->name == NULL)
		assert_null(set->name);
	else
		assert_string_equal(c->name, set->name);
	assert_int_equal(c->port, set->port);
	assert_int_equal(c->loud, set->loud);
	assert_int_equal(c->quiet, set->quiet);
}

static void command_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(args); i++) {
		struct settings set = {0};
		struct qf_strv v = {0};
		struct qf_err e;

		qf_strv_add(&v, "program");
		assert_int_equal(
		    0, qf_strv_split(&v, qf_span(args[i].args), &e));
		assert_int_equal(
		    args[i].rc, qf_module_args(table, &set, (int)v.n, v.v, &e));
		if (args[i].why != NULL)
			assert_non_null(strstr(e.text, args[i].why));
		check_settings(&args[i], &set);
		qf_strv_free(&v);
	}
}

static const struct args_case streams[] = {
    {"", 0, NULL, 0, false, false, NULL},
    {"\n", 0, NULL, 0, false, false, NULL},
    {"name=a\nport=25\nloud\n\n", 0, "a", 25, true, false, NULL},
    {"--name=a b \n--quiet\n\nwhat follows", 0, "a b ", 0, false, true, NULL},
    {"name=a", QF_EREAD, NULL, 0, false, false, "end without an empty line"},
    {"name=a\n", QF_EREAD, NULL, 0, false, false, "without an empty line"},
    {"name=a\nlo", QF_EREAD, NULL, 0, false, false, "an empty line"},
    {"name a\n\n", QF_EINVAL, NULL, 0, false, false, "unknown option name a"},
    {"name\n\n", QF_EINVAL, NULL, 0, false, false, "needs a value"},
    {"help\n\n", QF_EINVAL, NULL, 0, false, false, "unknown option help"},
    {"name=a\nwings\n\n", QF_EINVAL, NULL, 0, false, false, "feathers"},
};

static void option_stream(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(streams); i++) {
		int fd = unit_file(streams[i].args, strlen(streams[i].args));
		struct qf_buf bytes = QF_BUF_INIT;
		struct settings set = {0};
		struct qf_err e;

		assert_int_equal(streams[i].rc,
		    qf_module_options(table, &set, fd, &bytes, &e));
		if (streams[i].why != NULL)
			assert_non_null(strstr(e.text, streams[i].why));
		check_settings(&streams[i], &set);
		qf_buf_free(&bytes);
		close(fd);
	}
}

static void option_stream_that_is_none(void **state)
{
	struct qf_buf bytes = QF_BUF_INIT, big = QF_BUF_INIT;
	struct settings set = {0};
	struct qf_err e;
	int fd = unit_file("name=a\0b\n\n", 10);

	(void)state;
	assert_int_equal(
	    QF_EINVAL, qf_module_options(table, &set, fd, &bytes, &e));
	close(fd);
	while (big.len < 70000)
		qf_buf_adds(&big, "name=a\n");
	fd = unit_file(big.s, big.len);
	qf_buf_reset(&bytes);
	assert_int_equal(
	    QF_EINVAL, qf_module_options(table, &set, fd, &bytes, &e));
	close(fd);
	assert_int_equal(
	    QF_EREAD, qf_module_options(table, &set, fd, &bytes, &e));
	qf_buf_free(&bytes);
	qf_buf_free(&big);
}

static void usage_names_every_option(void **state)
{
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	qf_module_usage(table, "module", &out);
	assert_non_null(strstr(out.s, "usage: module "));
	assert_non_null(strstr(out.s, "  -n, --name=NAME        a name\n"));
	assert_non_null(
	    strstr(out.s, "  --wings                flying (not available)\n"));
	qf_buf_free(&out);
}

/* What is left of the message, in reads of n bytes. */
static void read_rest(struct qf_module_mail *m, struct qf_buf *out, size_t n)
{
	char b[64];
	long got;

	while ((got = qf_body_read(&m->body, b, n, NULL)) > 0)
		qf_buf_add(out, b, (size_t)got);
	assert_int_equal(0, got);
}

static void mail(void **state)
{
	static const char bytes[] = "s@x\na@y\nb@z\n\nSubject: x\n\nbody\n\n";
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	struct qf_buf out = QF_BUF_INIT;
	int fd = unit_file(bytes, sizeof bytes - 1);

	(void)state;
	assert_int_equal(0, qf_module_mail_open(&m, fd, NULL));
	assert_string_equal("s@x", m.sender.s);
	assert_int_equal(2, m.rcpt.n);
	assert_string_equal("a@y", m.rcpt.v[0]);
	assert_string_equal("b@z", m.rcpt.v[1]);
	assert_int_equal(18, m.body.end - m.body.at);
	read_rest(&m, &out, 5);
	assert_string_equal("Subject: x\n\nbody\n\n", out.s);
	qf_buf_free(&out);
	qf_module_mail_free(&m);
	close(fd);
}

static void null_sender_and_empty_message(void **state)
{
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	int fd = unit_file("\na@y\n\n", 6);
	char c;

	(void)state;
	assert_int_equal(0, qf_module_mail_open(&m, fd, NULL));
	assert_string_equal("", m.sender.s);
	assert_int_equal(1, m.rcpt.n);
	assert_int_equal(0, qf_body_read(&m.body, &c, 1, NULL));
	assert_int_equal(0, qf_module_mail_quote(&m, NULL));
	qf_module_mail_free(&m);
	close(fd);
}

static void many_recipients(void **state)
{
	enum {
		COUNT = 20000
	};
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	struct qf_buf b = QF_BUF_INIT, out = QF_BUF_INIT;
	char want[32];
	int fd;

	(void)state;
	qf_buf_adds(&b, "s@x\n");
	for (int i = 0; i < COUNT; i++)
		qf_buf_addf(&b, "r%d@y.example\n", i);
	qf_buf_adds(&b, "\nbody");
	fd = unit_file(b.s, b.len);
	assert_int_equal(0, qf_module_mail_open(&m, fd, NULL));
	assert_int_equal(COUNT, m.rcpt.n);
	for (int i = 0; i < COUNT; i++) {
		snprintf(want, sizeof want, "r%d@y.example", i);
		assert_string_equal(want, m.rcpt.v[i]);
	}
	read_rest(&m, &out, 64);
	assert_string_equal("body", out.s);
	qf_buf_free(&b);
	qf_buf_free(&out);
	qf_module_mail_free(&m);
	close(fd);
}

static void damaged_mail(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *why;
	} cases[] = {
	    {"", 0, "ends early"},
	    {"s@x", 3, "ends early"},
	    {"s@x\n", 4, "ends early"},
	    {"s@x\na@y", 7, "ends early"},
	    {"s@x\na@y\n", 8, "ends early"},
	    {"s@x\n\nbody\n", 10, "no recipients"},
	    {"\n\nbody\n", 7, "no recipients"},
	    {"s@x\0\na@y\n\n", 10, "zero byte"},
	    {"s@x\na\0@y\n\n", 10, "zero byte"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_module_mail m = QF_MODULE_MAIL_INIT;
		int fd = unit_file(cases[i].bytes, cases[i].n);
		struct qf_err e;

		assert_int_equal(QF_EREAD, qf_module_mail_open(&m, fd, &e));
		assert_non_null(strstr(e.text, cases[i].why));
		qf_module_mail_free(&m);
		close(fd);
	}
}

static void endless_line(void **state)
{
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e;
	int fd;

	(void)state;
	while (b.len < 100000)
		qf_buf_addc(&b, 'x');
	fd = unit_file(b.s, b.len);
	assert_int_equal(QF_EREAD, qf_module_mail_open(&m, fd, &e));
	assert_non_null(strstr(e.text, "longer than 4096 bytes"));
	qf_buf_free(&b);
	qf_module_mail_free(&m);
	close(fd);
}

static void no_file(void **state)
{
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	struct qf_err e;
	int p[2];

	(void)state;
	assert_int_equal(0, qf_pipe(p, &e));
	assert_int_equal(QF_ENOENT, qf_module_mail_open(&m, p[0], &e));
	close(p[0]);
	close(p[1]);
	assert_int_equal(QF_ENOENT, qf_module_mail_open(&m, p[0], &e));
	assert_non_null(strstr(e.text, "Bad file descriptor"));
	qf_module_mail_free(&m);
}

static void message_that_shrinks(void **state)
{
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	int fd = unit_file("s@x\na@y\n\nbody\n", 14);
	struct qf_err e;
	char b[64];

	(void)state;
	assert_int_equal(0, qf_module_mail_open(&m, fd, &e));
	assert_int_equal(0, ftruncate(fd, 11));
	assert_int_equal(2, qf_body_read(&m.body, b, sizeof b, &e));
	assert_int_equal(QF_EREAD, qf_body_read(&m.body, b, sizeof b, &e));
	qf_module_mail_free(&m);
	close(fd);
}

/* Only the bytes that were there at the start belong to the message. */
static void message_that_grows(void **state)
{
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	int fd = unit_file("s@x\na@y\n\nbody\n", 14);
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	assert_int_equal(0, qf_module_mail_open(&m, fd, NULL));
	assert_int_equal(4, pwrite(fd, "more", 4, 14));
	read_rest(&m, &out, 64);
	assert_string_equal("body\n", out.s);
	qf_buf_free(&out);
	qf_module_mail_free(&m);
	close(fd);
}

static void addresses_as_they_are_sent(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: has no safe form */
	} cases[] = {
	    {"a@b", "a@b"},
	    {"postmaster", "postmaster"},
	    {"a.b+c@d", "a.b+c@d"},
	    {"joe blow@b", "\"joe blow\"@b"},
	    {"\"joe blow\"@b", "\"joe blow\"@b"},
	    {"a@b@c", "\"a@b\"@c"},
	    {"a..b@c", "\"a..b\"@c"},
	    {"a\"b@c", "\"a\\\"b\"@c"},
	    {"a>@b", NULL},
	    {"a@b>", NULL},
	    {"a@b c", NULL},
	    {"a\r@b", NULL},
	    {"\"a\r\"@b", NULL},
	    {"a@b\r", NULL},
	    {"a@b\x01", NULL},
	    {"caf\xc3\xa9@b", "caf\xc3\xa9@b"},
	    {"caf\xe9@b", NULL},
	    {"\"a\"\"b\"@c d", NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		for (int as_rcpt = 0; as_rcpt < 2; as_rcpt++) {
			struct qf_module_mail m = QF_MODULE_MAIL_INIT;
			struct qf_err e;
			int rc;

			qf_buf_adds(&m.sender, as_rcpt ? "s@x" : cases[i].in);
			qf_strv_add(&m.rcpt, "first@y");
			qf_strv_add(&m.rcpt, as_rcpt ? cases[i].in : "r@y");
			rc = qf_module_mail_quote(&m, &e);
			if (cases[i].out == NULL) {
				assert_int_equal(QF_EFORMAT, rc);
				assert_non_null(
				    strstr(e.text, as_rcpt ? "recipient address"
							   : "sender address"));
			} else {
				assert_int_equal(0, rc);
				assert_string_equal(cases[i].out,
				    as_rcpt ? m.rcpt.v[1] : m.sender.s);
			}
			qf_module_mail_free(&m);
		}
	}
}

static void long_addresses(void **state)
{
	struct qf_module_mail m = QF_MODULE_MAIL_INIT;
	struct qf_err e;

	(void)state;
	while (m.sender.len < QF_ADDR_MAX)
		qf_buf_addc(&m.sender, 'a');
	qf_strv_add(&m.rcpt, "r@y");
	assert_int_equal(0, qf_module_mail_quote(&m, &e));
	qf_buf_addc(&m.sender, 'a');
	assert_int_equal(QF_EFORMAT, qf_module_mail_quote(&m, &e));
	assert_non_null(strstr(e.text, "longer than 1002 bytes"));
	qf_module_mail_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(command_line),
	    cmocka_unit_test(option_stream),
	    cmocka_unit_test(option_stream_that_is_none),
	    cmocka_unit_test(usage_names_every_option),
	    cmocka_unit_test(mail),
	    cmocka_unit_test(null_sender_and_empty_message),
	    cmocka_unit_test(many_recipients),
	    cmocka_unit_test(damaged_mail),
	    cmocka_unit_test(endless_line),
	    cmocka_unit_test(no_file),
	    cmocka_unit_test(message_that_shrinks),
	    cmocka_unit_test(message_that_grows),
	    cmocka_unit_test(addresses_as_they_are_sent),
	    cmocka_unit_test(long_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
