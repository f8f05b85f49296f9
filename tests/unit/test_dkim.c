/*
 * The parts of the dkim plugin that need no signature: domains, the key
 * table, options, results, the message as SMTP sends it.
 */
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "plugins/dkim/bodylen.h"
#include "plugins/dkim/domain.h"
#include "plugins/dkim/keydns.h"
#include "plugins/dkim/keytab.h"
#include "plugins/dkim/signoptions.h"
#include "plugins/dkim/status.h"
#include "plugins/dkim/wire.h"
#include "tests/lib/fakehost.h"

static void test_domain_copy(void **state)
{
	static const struct {
		const char *in;
		size_t labels;
		const char *out; /* NULL: refused */
	} cases[] = {
	    {"x.example", 2, "x.example"},
	    {"Mail.X.EXAMPLE", 2, "mail.x.example"},
	    {"_d-1.x.example", 2, "_d-1.x.example"},
	    {"localhost", 2, NULL},
	    {"s1", 1, "s1"},
	    {"", 1, NULL},
	    {".x.example", 2, NULL},
	    {"x.example.", 2, NULL},
	    {"x..example", 2, NULL},
	    {"x.example;a=b", 2, NULL},
	    {"x example", 1, NULL},
	    {"\xc3\xa4.example", 2, NULL},
	    {"[127.0.0.1]", 1, NULL},
	};
	char out[DOMAIN_SIZE], label[70], longest[260];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		bool ok =
		    domain_copy(out, qf_span(cases[i].in), cases[i].labels);

		assert_int_equal(cases[i].out != NULL, ok);
		if (ok)
			assert_string_equal(cases[i].out, out);
	}
	memset(label, 'a', sizeof label);
	assert_true(domain_copy(out, qf_span_n(label, 63), 1));
	assert_false(domain_copy(out, qf_span_n(label, 64), 1));
	for (size_t i = 0; i < sizeof longest; i++)
		longest[i] = i % 2 ? '.' : 'a';
	assert_true(domain_copy(out, qf_span_n(longest, 253), 2));
	assert_int_equal(253, strlen(out));
	assert_false(domain_copy(out, qf_span_n(longest, 255), 2));
}

static void test_domain_of_address(void **state)
{
	char out[DOMAIN_SIZE];

	(void)state;
	assert_true(domain_of_address(out, qf_span("\"a@b\"@X.example")));
	assert_string_equal("x.example", out);
	assert_false(domain_of_address(out, qf_span("")));
	assert_false(domain_of_address(out, qf_span("postmaster")));
	assert_false(domain_of_address(out, qf_span("a@")));
}

static void test_domain_of_from(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {" a@x.example", "x.example"},
	    {" Joe <a@X.Example>", "x.example"},
	    {" \"Doe, Joe\" <a@x.example>", "x.example"},
	    {" Doe, Joe <a@x.example>", "x.example"},
	    {" \"<evil@y.example>\" <a@x.example>", "x.example"},
	    {" evil@y.example <a@x.example>", "x.example"},
	    {" (evil@y.example) a@x.example", "x.example"},
	    {" (a (nested \\) one) b@y.example) a@x.example (end)",
		"x.example"},
	    {" \"quote \\\" <b@y.example>\" <a@x.example>", "x.example"},
	    {"\r\n\tJoe\r\n <a@x.example>", "x.example"},
	    {" a@x.example, b@y.example", "x.example"},
	    {" Team: a@x.example, b@y.example;", "x.example"},
	    {" <@relay.example,@b.example:a@x.example>", "x.example"},
	    {" \"a@y.example\"@x.example", "x.example"},
	    {" a @ x . example", "x.example"},
	    {" a@x(comment).example", "x.example"},
	    {" a@x example", NULL},
	    {" a@x.example\"y\"", NULL},
	    {" a@localhost", NULL},
	    {" a@[127.0.0.1]", NULL},
	    {" a@[IPv6:::1]", NULL},
	    {" undisclosed:;", NULL},
	    {" Joe <>", NULL},
	    {" <a@x.example", "x.example"},
	    {" (open a@x.example", NULL},
	    {" \"open a@x.example", NULL},
	    {"", NULL},
	    {" joe", NULL},
	    {" a@\xc3\xa4.example", NULL},
	};
	char out[DOMAIN_SIZE];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		bool ok = domain_of_from(out, qf_span(cases[i].in));

		if (ok != (cases[i].out != NULL))
			fail_msg("%s: %s", cases[i].in, ok ? out : "none");
		if (ok)
			assert_string_equal(cases[i].out, out);
	}
	assert_false(domain_of_from(out, qf_span_n(" a@x.e\0xample", 13)));
}

/* A control directory with some keys in it. */
static char *dir;
static EVP_PKEY *rsa;

static const struct qf_plugin dkim = {QF_PLUGIN_HEAD, .name = "dkim"};

static void in_dir(char path[512], const char *name)
{
	snprintf(path, 512, "%s/%s", dir, name);
}

static void write_text(const char *name, const char *text, mode_t mode)
{
	char path[512];
	int fd;

	in_dir(path, name);
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(strlen(text), write(fd, text, strlen(text)));
	assert_int_equal(0, fchmod(fd, mode));
	close(fd);
}

static void write_key(const char *name, EVP_PKEY *key, const EVP_CIPHER *cipher)
{
	char path[512];
	mode_t old = umask(077);
	FILE *f;

	in_dir(path, name);
	f = fopen(path, "w");
	umask(old);
	assert_non_null(f);
	assert_int_equal(
	    1, PEM_write_PrivateKey(f, key, cipher,
		   (unsigned char *)(cipher != NULL ? "secret" : NULL),
		   cipher != NULL ? 6 : 0, NULL, NULL));
	fclose(f);
}

static int setup(void **state)
{
	EVP_PKEY *k;
	char path[512];

	(void)state;
	dir = unit_dir();
	in_dir(path, "plugins");
	mkdir(path, 0755);
	rsa = EVP_RSA_gen(1024);
	if (rsa == NULL)
		return -1;
	write_key("good.pem", rsa, NULL);
	write_key("encrypted.pem", rsa, EVP_aes_128_cbc());
	k = EVP_RSA_gen(768);
	write_key("small.pem", k, NULL);
	EVP_PKEY_free(k);
	k = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	write_key("ed25519.pem", k, NULL);
	EVP_PKEY_free(k);
	k = EVP_EC_gen("P-256");
	write_key("ec.pem", k, NULL);
	EVP_PKEY_free(k);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	unit_remove_dir(dir);
	return 0;
}

static int32_t load(
    struct keytab *t, struct qf_conf *c, const char *list, bool advise)
{
	*c = (struct qf_conf){.plugin = &dkim, .ctl = QF_CTL_NONE};
	assert_int_equal(0, qf_ctl_open(&c->ctl, dir, NULL));
	if (list != NULL)
		write_text("plugins/dkim.keys", list, 0644);
	return keytab_load(t, &fakehost, c, false, advise);
}

static void unload(struct keytab *t, struct qf_conf *c)
{
	keytab_free(t);
	fakehost_close(c);
}

static void test_keytab_find(void **state)
{
	static const struct {
		const char *domain, *selector;
	} cases[] = {
	    {"x.example", "exact"},
	    {"a.x.example", "below"},
	    {"b.a.x.example", "below"},
	    {"c.deep.x.example", "deep"},
	    {"deep.x.example", "below"},
	    {"y.example", "first"},
	    {"nowhere.test", "any"},
	    {"ax.example", "any"},
	};
	struct keytab t;
	struct qf_conf c;

	(void)state;
	assert_int_equal(0, load(&t, &c,
				"# comment\n"
				"*\tany good.pem\n"
				"*.x.example below good.pem\n"
				"X.Example exact  good.pem\n"
				"y.example first good.pem\n"
				"\n"
				"y.example second good.pem\n"
				"*.deep.x.example deep good.pem\n",
				false));
	assert_int_equal(6, t.n);
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const struct keytab_entry *e = keytab_find(&t, cases[i].domain);

		assert_non_null(e);
		assert_string_equal(cases[i].selector, e->selector);
		assert_memory_equal("-----BEGIN PRIVATE KEY", e->key->pem, 22);
	}
	assert_int_equal(0, c.mistakes.n);
	assert_int_equal(0, c.log.n);
	unload(&t, &c);
	assert_int_equal(0, load(&t, &c, "x.example s good.pem\n", true));
	assert_null(keytab_find(&t, "y.example"));
	assert_null(keytab_find(&t, "a.x.example"));
	/* 1024 bits are few: only said when the configuration is checked. */
	assert_int_equal(1, c.log.n);
	assert_non_null(strstr(c.log.v[0], "warn dkim.keys:1:"));
	unload(&t, &c);
}

static void test_keytab_mistakes(void **state)
{
	static const struct {
		const char *list, *mistake;
	} cases[] = {
	    {"", "keys:0: it is empty"},
	    {"x.example s\n", "keys:1: too few words"},
	    {"x.example s good.pem sha1\n", "keys:1: option \"sha1\""},
	    {"x..example s good.pem\n", "keys:1: \"x..example\" is no domain"},
	    {"*x.example s good.pem\n", "keys:1: \"*x.example\" is no domain"},
	    {"example s good.pem\n", "keys:1: \"example\" is no domain"},
	    {"x.example s;d=y good.pem\n", "keys:1: \"s;d=y\" is no selector"},
	    {"#\nx.example s none.pem\n",
		"none.pem can not be opened: No such"},
	    {"x.example s plugins\n", "plugins is no regular file"},
	    {"x.example s text\n", "text holds no private key in PEM form"},
	    {"x.example s encrypted.pem\n", "encrypted.pem is encrypted"},
	    {"x.example s small.pem\n", "small.pem holds an RSA key of 768"},
	    {"x.example s ec.pem\n", "that DKIM has no use for"},
	    {"x.example s world.pem\n", "world.pem can be read by everybody"},
	    {"x.example s writable.pem\n", "can be written by others"},
	    {"x.example s huge\n", "huge is too large"},
	};
	struct keytab t;
	struct qf_conf c;
	char *huge = malloc(70000), path[512];

	(void)state;
	memset(huge, 'a', 69999);
	huge[69999] = '\0';
	write_text("huge", huge, 0600);
	free(huge);
	write_text("text", "not a key\n", 0600);
	write_key("world.pem", rsa, NULL);
	in_dir(path, "world.pem");
	chmod(path, 0644);
	write_key("writable.pem", rsa, NULL);
	in_dir(path, "writable.pem");
	chmod(path, 0620);
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		assert_int_equal(QF_ECONF, load(&t, &c, cases[i].list, false));
		assert_int_equal(1, c.mistakes.n);
		if (strstr(c.mistakes.v[0], cases[i].mistake) == NULL)
			fail_msg("%s: %s", cases[i].list, c.mistakes.v[0]);
		unload(&t, &c);
	}
}

/* All mistakes of a table are reported, a bad key once. */
static void test_keytab_many_mistakes(void **state)
{
	struct keytab t;
	struct qf_conf c;
	char path[512];

	(void)state;
	assert_int_equal(QF_ECONF, load(&t, &c,
				       "x.example s small.pem\n"
				       "y.example s small.pem\n"
				       "z.example s good.pem\n"
				       "*.z.example - _ _\n",
				       false));
	assert_int_equal(2, c.mistakes.n);
	assert_non_null(strstr(c.mistakes.v[0], "keys:1:"));
	assert_non_null(strstr(c.mistakes.v[1], "keys:4:"));
	unload(&t, &c);
	in_dir(path, "plugins/dkim.keys");
	unlink(path);
	assert_int_equal(QF_ECONF, load(&t, &c, NULL, false));
	assert_non_null(strstr(c.mistakes.v[0], "there is no such file"));
	unload(&t, &c);
}

static void test_keytab_group(void **state)
{
	struct keytab t;
	struct qf_conf c;
	char path[512];

	(void)state;
	write_key("group.pem", rsa, NULL);
	in_dir(path, "group.pem");
	chmod(path, 0640);
	assert_int_equal(0, load(&t, &c, "x.example s group.pem\n", true));
	assert_int_equal(2, c.log.n);
	assert_non_null(strstr(c.log.v[0], "can be read by its group"));
	unload(&t, &c);
}

/* Reads a message with the wire reader: names of the fields, each with `;`,
 * `!` for a line that is none, then `|` and the body. */
static void read_wire(struct qf_buf *out, struct qf_span bytes)
{
	int fd = unit_file(bytes.p, bytes.n);
	struct qf_msg m = {.envelope = QF_ENVELOPE_INIT};
	struct wire_field field;
	struct qf_span run;
	struct wire w;
	size_t at = 0;
	int32_t rc;

	assert_int_equal(0, qf_message_open(&m.message, fd, NULL));
	assert_int_equal(0, wire_open(&w, &fakehost, &m));
	while ((rc = wire_field_next(&w, &at, &field)) != 0) {
		if (rc == 1)
			qf_buf_addspan(out, field.name);
		else
			qf_buf_addc(out, '!');
		qf_buf_addc(out, ';');
	}
	qf_buf_addc(out, '|');
	while ((rc = wire_body_next(&w, &run)) > 0)
		qf_buf_addspan(out, run);
	assert_int_equal(0, rc);
	wire_close(&w);
	qf_message_close(&m.message);
	close(fd);
}

static void test_wire(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"", "|"},
	    {"\n", "|"},
	    {"\nbody", "|body\r\n"},
	    {"A: 1\n", "A;|"},
	    {"A: 1", "A;|"},
	    {"A: 1\n\n", "A;|"},
	    {"A: 1\r\nB: 2\r\n\r\nx\r\n", "A;B;|x\r\n"},
	    {"A: 1\n\t2\n 3\nB:\n\nx\n\n", "A;B;|x\r\n\r\n"},
	    {"A: 1\nB : 2\n\n", "A;!;|"},
	    {" A: 1\nB: 2\n\n", "!;B;|"},
	    {"From x Sun\nA: 1\n\n", "!;A;|"},
	    {"A: 1\nno field\n\n", "A;!;|"},
	    {"A: 1\n: 2\n\n", "A;!;|"},
	    {"A: 1\nB\xc3\xa4: 2\n\n", "A;!;|"},
	    /* A lone CR ends a line for the receiver. */
	    {"A: 1\rB: 2\n\nx", "A;B;|x\r\n"},
	    {"A: 1\rlost\n\nx", "A;!;|x\r\n"},
	    {"A: 1\r\r\nB: 2\n\nx\ry", "A;|B: 2\r\n\r\nx\r\ny\r\n"},
	    {"A: 1\n\nx\ry\n", "A;|x\r\ny\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_buf got = QF_BUF_INIT;

		read_wire(&got, qf_span(cases[i].in));
		assert_string_equal(cases[i].out, got.s);
		qf_buf_free(&got);
	}
}

static void test_wire_long(void **state)
{
	enum {
		BODY = 300000
	};
	struct qf_buf in = QF_BUF_INIT, got = QF_BUF_INIT;
	size_t lines = 0;

	(void)state;
	for (size_t i = 0; i < 2000; i++)
		qf_buf_addf(&in, "A: %060zu\n", i);
	qf_buf_addc(&in, '\n');
	while (in.len < BODY) {
		qf_buf_addf(&in, "line %zu\n", lines);
		lines++;
	}
	read_wire(&got, qf_buf_span(&in));
	assert_int_equal('|', got.s[4000]);
	assert_memory_equal("line 0\r\nline 1\r\n", got.s + 4001, 16);
	assert_int_equal(4001 + (in.len - 2000 * 64 - 1) + lines, got.len);
	qf_buf_free(&in);
	qf_buf_free(&got);
}

static void test_wire_zero(void **state)
{
	struct qf_buf got = QF_BUF_INIT;

	(void)state;
	read_wire(&got, qf_span_n("A: 1\nB: \0\n\nx", 12));
	assert_string_equal("A;!;|x\r\n", got.s);
	qf_buf_free(&got);
}

static void test_domain_aligned(void **state)
{
	static const struct {
		const char *a, *b;
		bool aligned;
	} cases[] = {
	    {"x.example", "x.example", true},
	    {"a.x.example", "x.example", true},
	    {"b.a.x.example", "x.example", true},
	    {"a.x.example", "b.x.example", false},
	    {"ax.example", "x.example", false},
	    {"x.example", "y.example", false},
	    {"example", "x.example", false},
	    {"", "x.example", false},
	    {"", "", false},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		assert_int_equal(
		    cases[i].aligned, domain_aligned(cases[i].a, cases[i].b));
		assert_int_equal(
		    cases[i].aligned, domain_aligned(cases[i].b, cases[i].a));
	}
}

static void test_bodylen(void **state)
{
	static const struct {
		const char *body;
		uint64_t simple, relaxed;
	} cases[] = {
	    {"", 2, 0},
	    {"\r\n\r\n", 2, 0},
	    {"x\r\n", 3, 3},
	    {"x\r\n\r\n\r\n", 3, 3},
	    {"\r\n\r\nx\r\n", 7, 7},
	    {"x\r\n \t\r\n", 7, 3},
	    {"x\r\n \r\n\r\ny\r\n", 11, 10},
	    {" a \t b \r\n", 9, 6},
	    {"\ta\r\n", 4, 4},
	    {" \r\n", 3, 0},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		const char *body = cases[i].body;
		struct bodylen whole = {0}, bytes = {0};

		bodylen_feed(&whole, qf_span(body));
		for (size_t j = 0; body[j] != '\0'; j++)
			bodylen_feed(&bytes, qf_span_n(body + j, 1));
		assert_int_equal(cases[i].simple, bodylen_of(&whole, false));
		assert_int_equal(cases[i].relaxed, bodylen_of(&whole, true));
		assert_int_equal(cases[i].simple, bodylen_of(&bytes, false));
		assert_int_equal(cases[i].relaxed, bodylen_of(&bytes, true));
	}
}

/* What is good comes before what is not, and what may be good later next. */
static void test_status(void **state)
{
	static const char order[] = "AECFPJXUI", rest[] = "KVNRLQOYWHGS";

	(void)state;
	for (size_t i = 0; i + 1 < strlen(order); i++)
		assert_true(status_rank(order[i]) > status_rank(order[i + 1]));
	for (size_t i = 0; i < strlen(rest); i++) {
		assert_int_equal(rest[i], status_of(rest[i])->letter);
		assert_true(status_rank('I') > status_rank(rest[i]));
	}
	assert_string_equal("pass", status_of(STATUS_EXTRA)->result);
	assert_string_equal("none", status_of(STATUS_NONE)->result);
}

static void test_signoptions(void **state)
{
	struct signoptions o = {.lifetime = 7};
	char text[2 * IDENTITY_SIZE] = "-i ";

	(void)state;
	assert_true(signoptions_parse(&o, "  "));
	assert_int_equal(7, o.lifetime);
	assert_true(signoptions_parse(
	    &o, " -qthc u\t-x3600 -i a@x.example -z 4 -l -b X"));
	assert_true(o.simple_header && !o.simple_body);
	assert_true(o.copied_headers && o.body_length && o.ed25519 && !o.sha1);
	assert_int_equal(3600, o.lifetime);
	assert_string_equal("a@x.example", o.identity);
	assert_true(signoptions_parse(&o, "-i - -x - -z3"));
	assert_true(o.sha1 && !o.ed25519);
	assert_int_equal(0, o.lifetime);
	assert_string_equal("", o.identity);
	memset(text + 3, 'a', sizeof text - 4);
	text[sizeof text - 1] = '\0';
	assert_false(signoptions_parse(&o, text));
	assert_false(signoptions_parse(&o, "-i"));
	assert_false(signoptions_parse(&o, "-i "));
	assert_false(signoptions_parse(&o, "--"));
}

static void test_keydns_server(void **state)
{
	static const char *const bad[] = {"", "localhost",
	    "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
	    "127.0.0.1:5x", "127.0.0.1.1", "::1", "1234567890123456"};
	struct keydns k = {0};

	(void)state;
	assert_true(keydns_server(&k, "127.0.0.1"));
	assert_int_equal(53, ntohs(k.server.sin_port));
	assert_true(k.own);
	assert_true(keydns_server(&k, "127.0.0.2:65535"));
	assert_int_equal(65535, ntohs(k.server.sin_port));
	assert_int_equal(0x7f000002, ntohl(k.server.sin_addr.s_addr));
	for (size_t i = 0; i < UNIT_COUNT(bad); i++)
		assert_false(keydns_server(&k, bad[i]));
	/* No time: nobody is asked. */
	assert_int_equal(QF_ENET, keydns_find(&k, "x.example", 0, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_domain_copy),
	    cmocka_unit_test(test_domain_of_address),
	    cmocka_unit_test(test_domain_of_from),
	    cmocka_unit_test(test_domain_aligned),
	    cmocka_unit_test(test_bodylen),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_signoptions),
	    cmocka_unit_test(test_keydns_server),
	    cmocka_unit_test(test_keytab_find),
	    cmocka_unit_test(test_keytab_mistakes),
	    cmocka_unit_test(test_keytab_many_mistakes),
	    cmocka_unit_test(test_keytab_group),
	    cmocka_unit_test(test_wire),
	    cmocka_unit_test(test_wire_long),
	    cmocka_unit_test(test_wire_zero),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
