#include "lib/mail/envelope.h"

#include "tests/unit/unit.h"

#include "lib/base/alloc.h"
#include "lib/mail/addr.h"

#define BYTES(s)                                                               \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}

/* What 'sender[,recipient]...' the bytes are, or the error. */
static const struct parse_case {
	struct qf_span bytes;
	int rc;
	const char *says;
} parse_cases[] = {
    {BYTES("Fa@b\0Tc@d\0\0"), 0, "a@b,c@d"},
    {BYTES("F\0Tc@d\0Te\0\0"), 0, ",c@d,e"},
    {BYTES("Fa@b\0\0"), 0, "a@b"},
    {BYTES("F\0T\0\0"), 0, ","},
    {BYTES("F\0TF\0T\xffT\nx\0\0"), 0, ",F,\xffT\nx"},
    /* the end of the list; what follows is ignored */
    {BYTES("Fa\0Tb\0\0Tc\0\0"), 0, "a,b"},
    {BYTES("Fa\0Tb\0\0\xff"), 0, "a,b"},
    {BYTES("Fa\0Tb\0Q"), 0, "a,b"},
    {BYTES("Fa\0Q\0"), 0, "a"},
    {BYTES("Fa\0Tb\0\0\0\0\0"), 0, "a,b"},
    /* attributes, between bytes that are none */
    {BYTES("Fa\0Tb\0\0HOLD=why\0ROUTE=h:26\0"), 0, "a,b;HOLD=why;ROUTE=h:26"},
    {BYTES("Fa\0QBODY=8BITMIME\0"), 0, "a;BODY=8BITMIME"},
    {BYTES("Fa\0\0\0\0HOLD=\0X=1\0Tb\0CATEGORYandmoretextbehind=2\0RET=3\0\0"),
	0, "a;HOLD=;RET=3"},
    {BYTES("Fa\0\0HOLD\0HOL"), 0, "a"},
    {BYTES("Fa\0\0justalongtextwithoutanend"), 0, "a"},
    {BYTES("Fa\0\0HOLD="), QF_EREAD, "end of an attribute"},
    {BYTES("Fa\0\0RET=x\0HOLD=why"), QF_EREAD, "end of an attribute"},
    {BYTES("Fa\0\0HOLD=a\nb\0"), QF_EFORMAT, "control"},
    {BYTES("Fa\0\0ROUTE=a b\0"), QF_EFORMAT, "no host"},
    /* ends early */
    {BYTES(""), QF_EREAD, "before the sender"},
    {BYTES("F"), QF_EREAD, "end of the sender"},
    {BYTES("Fa@b"), QF_EREAD, "end of the sender"},
    {BYTES("Fa@b\0"), QF_EREAD, "last zero byte"},
    {BYTES("Fa@b\0T"), QF_EREAD, "end of a recipient"},
    {BYTES("Fa@b\0Tc"), QF_EREAD, "end of a recipient"},
    {BYTES("Fa@b\0Tc\0"), QF_EREAD, "last zero byte"},
    /* another letter */
    {BYTES("\0"), QF_EFORMAT, "0x00 where the sender"},
    {BYTES("Tc@d\0\0"), QF_EFORMAT, "0x54 where the sender"},
    {BYTES("Q"), QF_EFORMAT, "0x51 where the sender"},
    {BYTES("fa\0\0"), QF_EFORMAT, "0x66 where the sender"},
    {BYTES("Fa\0Fb\0\0"), QF_EFORMAT, "0x46 where a recipient"},
    {BYTES("Fa\0Tb\0\xff\0"), QF_EFORMAT, "0xff where a recipient"},
};

static void describe(const struct qf_envelope *env, struct qf_buf *out)
{
	qf_buf_reset(out);
	qf_buf_adds(out, qf_envelope_sender(env));
	for (size_t i = 0; i < env->nrcpt; i++)
		qf_buf_addf(out, ",%s", qf_envelope_rcpt(env, i));
	for (size_t i = 0; i < env->attrs.list.n; i++)
		qf_buf_addf(out, ";%s", env->attrs.list.v[i]);
}

static void check(const struct parse_case *c, const struct qf_envelope *env,
    int rc, const struct qf_err *e)
{
	struct qf_buf got = QF_BUF_INIT;

	assert_int_equal(c->rc, rc);
	describe(env, &got);
	assert_string_equal(rc == 0 ? c->says : "", got.s);
	if (rc < 0) {
		assert_int_equal(rc, e->rc);
		assert_non_null(strstr(e->text, c->says));
	}
	qf_buf_free(&got);
}

static void test_parse(void **state)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		struct qf_err e = {0};
		int rc = qf_envelope_parse(&env, c->bytes, &e);

		check(c, &env, rc, &e);
	}
	qf_envelope_free(&env);
}

/* The same from a pipe that gives one byte at a time. */
static void test_read_in_pieces(void **state)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		struct qf_err e = {0};
		int p[2], rc;

		/* records of one byte: O_DIRECT keeps writes apart, each in
		 * a page */
		assert_int_equal(0, pipe2(p, O_CLOEXEC | O_DIRECT));
		assert_true(fcntl(p[1], F_SETPIPE_SZ, 1 << 19) > 0);
		for (size_t k = 0; k < c->bytes.n; k++)
			assert_int_equal(
			    0, qf_write_all(p[1], c->bytes.p + k, 1));
		close(p[1]);
		rc = qf_envelope_read(&env, p[0], &e);
		check(c, &env, rc, &e);
		close(p[0]);
	}
	qf_envelope_free(&env);
}

static void test_read_to_the_end(void **state)
{
	static const char bytes[] = "Fa\0Tb\0\0";
	struct qf_envelope env = QF_ENVELOPE_INIT;
	char *junk = calloc(1, 1000000);
	struct qf_err e;
	int fd = unit_file(bytes, sizeof bytes - 1);

	(void)state;
	assert_int_equal(sizeof bytes - 1, lseek(fd, 0, SEEK_END));
	assert_int_equal(0, qf_write_all(fd, junk, 1000000));
	assert_int_equal(0, lseek(fd, 0, SEEK_SET));
	assert_int_equal(0, qf_envelope_read(&env, fd, &e));
	assert_int_equal(1, env.nrcpt);
	assert_int_equal(sizeof bytes - 1 + 1000000, lseek(fd, 0, SEEK_CUR));
	assert_true(env.bytes.cap < 1000);
	close(fd);
	free(junk);
	qf_envelope_free(&env);
}

static void test_unreadable(void **state)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	int dir = open("/", O_RDONLY | O_CLOEXEC);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct qf_err e;

	(void)state;
	assert_int_equal(QF_EREAD, qf_envelope_read(&env, dir, &e));
	assert_int_not_equal(0, e.sys);
	assert_int_equal(QF_EREAD, qf_envelope_read(&env, null, &e));
	close(null);
	assert_int_equal(QF_EREAD, qf_envelope_read(&env, null, &e));
	close(dir);
	qf_envelope_free(&env);
}

/* An address of n bytes as sender or recipient. */
static int parse_long(bool sender, size_t n)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e;
	int rc;

	qf_buf_add(&b, "F\0T", sender ? 1 : 3);
	for (size_t i = 0; i < n; i++)
		qf_buf_addc(&b, 'x');
	qf_buf_add(&b, "\0\0", 2);
	rc = qf_envelope_parse(&env, qf_buf_span(&b), &e);
	if (rc == 0)
		assert_int_equal(n, strlen(sender ? qf_envelope_sender(&env)
						  : qf_envelope_rcpt(&env, 0)));
	qf_buf_free(&b);
	qf_envelope_free(&env);
	return rc;
}

static void test_long_addresses(void **state)
{
	(void)state;
	for (int sender = 0; sender < 2; sender++) {
		assert_int_equal(0, parse_long(sender, QF_ADDR_MAX));
		assert_int_equal(
		    QF_ETOOLONG, parse_long(sender, QF_ADDR_MAX + 1));
		assert_int_equal(QF_ETOOLONG, parse_long(sender, 200000));
	}
}

static void test_format(void **state)
{
	static const char bytes[] = "Fa@b\0Tc@d\0T\0Te\0\0";
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	assert_int_equal(0,
	    qf_envelope_parse(&env, qf_span_n(bytes, sizeof bytes - 1), NULL));
	qf_envelope_format(&env, &out);
	assert_int_equal(sizeof bytes - 1, out.len);
	assert_memory_equal(bytes, out.s, out.len);
	qf_buf_free(&out);
	qf_envelope_free(&env);
}

/* Attributes go to our own programs only. */
static void test_format_attrs(void **state)
{
	static const char plain[] = "Fa@b\0Tc@d\0";
	static const char full[] = "Fa@b\0Tc@d\0\0HOLD=why\0RET=HDRS";
	struct qf_envelope env = QF_ENVELOPE_INIT, copy = QF_ENVELOPE_INIT;
	struct qf_spool spool = QF_SPOOL_INIT;
	struct qf_buf out = QF_BUF_INIT;

	(void)state;
	assert_int_equal(
	    0, qf_envelope_parse(&env, qf_span_n(full, sizeof full), NULL));
	qf_envelope_format(&env, &out);
	assert_int_equal(sizeof plain, out.len);
	assert_memory_equal(plain, out.s, out.len);
	qf_buf_reset(&out);
	qf_envelope_copy(&copy, &env);
	qf_envelope_format_attrs(&copy, &out);
	assert_int_equal(sizeof full, out.len);
	assert_memory_equal(full, out.s, out.len);
	qf_buf_reset(&out);
	assert_int_equal(0, qf_envelope_spool_attrs(&copy, &spool, NULL));
	unit_contents(spool.fd, &out);
	assert_int_equal(sizeof full, out.len);
	qf_spool_close(&spool);
	qf_buf_reset(&out);
	assert_int_equal(0, qf_envelope_spool(&copy, &spool, NULL));
	unit_contents(spool.fd, &out);
	assert_int_equal(sizeof plain, out.len);
	qf_spool_close(&spool);
	/* What is read next starts without them. */
	assert_int_equal(
	    0, qf_envelope_parse(&env, qf_span_n(plain, sizeof plain), NULL));
	assert_int_equal(0, env.attrs.list.n);
	qf_buf_free(&out);
	qf_envelope_free(&env);
	qf_envelope_free(&copy);
}

/* A record behind the list that is too long to keep. */
static void test_long_tail(void **state)
{
	static const struct {
		const char *key;
		int rc;
	} t[] = {{"HOLD=", QF_EFORMAT}, {"HOLE=", 0}};
	struct qf_envelope env = QF_ENVELOPE_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(t); i++) {
		struct qf_buf b = QF_BUF_INIT;

		qf_buf_add(&b, "Fa\0", 4);
		qf_buf_adds(&b, t[i].key);
		for (int k = 0; k < QF_ATTRS_BYTES; k++)
			qf_buf_addc(&b, 'x');
		qf_buf_add(&b, "\0RET=x", 7);
		assert_int_equal(
		    t[i].rc, qf_envelope_parse(&env, qf_buf_span(&b), NULL));
		assert_int_equal(t[i].rc == 0, env.attrs.list.n);
		qf_buf_free(&b);
	}
	qf_envelope_free(&env);
}

static void test_changes(void **state)
{
	struct qf_envelope env = QF_ENVELOPE_INIT, copy = QF_ENVELOPE_INIT;
	struct qf_buf got = QF_BUF_INIT;
	char big[QF_ADDR_MAX + 1];

	(void)state;
	memset(big, 'x', sizeof big);
	/* recipients first: the sender is empty until it is set */
	assert_int_equal(0, qf_envelope_add_rcpt(&env, qf_span("one")));
	assert_int_equal(0, qf_envelope_add_rcpt(&env, qf_span("two")));
	assert_int_equal(0, qf_envelope_add_rcpt(&env, qf_span("")));
	describe(&env, &got);
	assert_string_equal(",one,two,", got.s);
	assert_int_equal(0, qf_envelope_set_sender(&env, qf_span("a@b")));
	/* an address of its own, again and again */
	for (int i = 0; i < 100; i++)
		assert_int_equal(0, qf_envelope_set_sender(&env,
					qf_span(qf_envelope_sender(&env))));
	qf_envelope_copy(&copy, &env);
	qf_envelope_drop_rcpt(&env, 1);
	describe(&env, &got);
	assert_string_equal("a@b,one,", got.s);
	qf_envelope_drop_rcpt(&env, 1);
	qf_envelope_drop_rcpt(&env, 0);
	describe(&env, &got);
	assert_string_equal("a@b", got.s);
	describe(&copy, &got);
	assert_string_equal("a@b,one,two,", got.s);
	/* refused, and nothing changed */
	assert_int_equal(QF_ETOOLONG,
	    qf_envelope_add_rcpt(&copy, qf_span_n(big, sizeof big)));
	assert_int_equal(
	    QF_EINVAL, qf_envelope_set_sender(&copy, qf_span_n("a\0b", 3)));
	describe(&copy, &got);
	assert_string_equal("a@b,one,two,", got.s);
	assert_int_equal(
	    0, qf_envelope_add_rcpt(&copy, qf_span_n(big, QF_ADDR_MAX)));
	qf_envelope_copy(&copy, &env);
	describe(&copy, &got);
	assert_string_equal("a@b", got.s);
	qf_buf_free(&got);
	qf_envelope_free(&env);
	qf_envelope_free(&copy);
}

static void test_million(void **state)
{
	enum {
		N = 1000000
	};
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf b = QF_BUF_INIT;
	struct qf_err e;
	int fd;

	(void)state;
	qf_buf_add(&b, "Fa@b", 5);
	for (int i = 0; i < N; i++) {
		char rcpt[40];
		int n = snprintf(rcpt, sizeof rcpt, "Tuser%d@some.example", i);

		qf_buf_add(&b, rcpt, (size_t)n + 1);
	}
	qf_buf_addc(&b, '\0');
	fd = unit_file(b.s, b.len);
	assert_int_equal(0, qf_envelope_read(&env, fd, &e));
	assert_int_equal(N, env.nrcpt);
	assert_string_equal(
	    "user999999@some.example", qf_envelope_rcpt(&env, N - 1));
	/* one buffer of bytes: no second copy */
	assert_true(env.bytes.len < b.len && env.cap <= 2 * N);
	close(fd);
	qf_buf_free(&b);
	qf_envelope_free(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_read_in_pieces),
	    cmocka_unit_test(test_read_to_the_end),
	    cmocka_unit_test(test_unreadable),
	    cmocka_unit_test(test_long_addresses),
	    cmocka_unit_test(test_format),
	    cmocka_unit_test(test_format_attrs),
	    cmocka_unit_test(test_long_tail),
	    cmocka_unit_test(test_changes),
	    cmocka_unit_test(test_million),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
