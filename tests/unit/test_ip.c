#include "lib/net/ip.h"

#include "lib/net/idn.h"
#include "lib/net/prefer.h"
#include "tests/unit/unit.h"

static struct qf_ip ip(const char *text)
{
	struct qf_ip a;

	assert_true(qf_ip_parse(&a, qf_span(text)));
	return a;
}

static void addresses(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"2001:DB8::0:1", "2001:db8::1"},
	    {"::ffff:192.0.2.1", "192.0.2.1"},
	    {"[192.0.2.1]", "192.0.2.1"},
	    {"[::1]", "::1"},
	    {"[IPv6:::1]", "::1"},
	    {"[ipv6:::1]", "::1"},
	    {"", NULL},
	    {"[", NULL},
	    {"[]", NULL},
	    {"[IPv6:]", NULL},
	    {"[IPv6:192.0.2.1]", NULL},
	    {"IPv6:::1", NULL},
	    {"1.2.3", NULL},
	    {"01.2.3.4", NULL},
	    {"1.2.3.4.", NULL},
	    {"1.2.3.4 ", NULL},
	    {"0x7f.1.1.1", NULL},
	    {"fe80::1%lo", NULL},
	    {"[192.0.2.1", NULL},
	    {"192.0.2.1]", NULL},
	    {"[[::1]]", NULL},
	    {"localhost", NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		char text[QF_IP_TEXT];
		struct qf_ip a;

		assert_int_equal(cases[i].want != NULL,
		    qf_ip_literal(&a, qf_span(cases[i].text)));
		if (cases[i].want == NULL)
			continue;
		qf_ip_text(text, &a);
		assert_string_equal(cases[i].want, text);
	}
	assert_false(
	    qf_ip_literal(&(struct qf_ip){0}, qf_span_n("192.0.2.1\0x", 11)));
}

static void endpoints(void **state)
{
	static const struct {
		const char *text, *want;
		unsigned port;
	} cases[] = {
	    {"192.0.2.1", "192.0.2.1", 53},
	    {"192.0.2.1:5399", "192.0.2.1", 5399},
	    {"[192.0.2.1]:65535", "192.0.2.1", 65535},
	    {"2001:db8::1", "2001:db8::1", 53},
	    {"[2001:db8::1]", "2001:db8::1", 53},
	    {"[2001:db8::1]:1", "2001:db8::1", 1},
	    {"192.0.2.1:", NULL, 0},
	    {"192.0.2.1:0", NULL, 0},
	    {"192.0.2.1:65536", NULL, 0},
	    {"192.0.2.1:x", NULL, 0},
	    {"[2001:db8::1]x", NULL, 0},
	    {"[2001:db8::1]:", NULL, 0},
	    {"localhost:53", NULL, 0},
	    {":53", NULL, 0},
	    {"", NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		unsigned port = 53;
		struct qf_ip a, want;

		assert_int_equal(cases[i].want != NULL,
		    qf_ip_endpoint(&a, &port, qf_span(cases[i].text)));
		if (cases[i].want == NULL)
			continue;
		assert_int_equal(cases[i].port, port);
		want = ip(cases[i].want);
		assert_true(qf_ip_eq(&a, &want));
	}
}

static void sockaddrs(void **state)
{
	static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
		struct qf_ip a = ip(texts[i]), b;
		struct sockaddr_storage ss;

		assert_int_equal(i == 0 ? sizeof(struct sockaddr_in)
					: sizeof(struct sockaddr_in6),
		    qf_ip_sockaddr(&ss, &a, 25));
		assert_true(qf_ip_from_sockaddr(&b, (struct sockaddr *)&ss));
		assert_true(qf_ip_eq(&a, &b));
		assert_int_equal(
		    htons(25), ((struct sockaddr_in *)&ss)->sin_port);
	}
	assert_false(qf_ip_from_sockaddr(
	    &(struct qf_ip){0}, &(struct sockaddr){.sa_family = AF_UNIX}));
}

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void host_names(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
	    {"mail.example", "mail.example"},
	    {"MAIL.Example.", "MAIL.Example"},
	    {"a_b.1-2.example", "a_b.1-2.example"},
	    {"xn--mnchen-3ya.example", "xn--mnchen-3ya.example"},
	    {"m\xc3\xbcnchen.example", "xn--mnchen-3ya.example"},
	    {"mu\xcc\x88nchen.example.", "xn--mnchen-3ya.example"},
	    {"M\xc3\x9cNCHEN.Example", "xn--mnchen-3ya.example"},
	    /* non-transitional: the sharp s stays a letter of its own */
	    {"fa\xc3\x9f.example", "xn--fa-hia.example"},
	    {"\xe4\xbe\x8b\xe3\x80\x82\xe4\xbe\x8b", "xn--fsq.xn--fsq"},
	    {X63 ".example", X63 ".example"},
	    {X63 "." X63 "." X63 "." X63, NULL},
	    {X63 "x.example", NULL},
	    {"", NULL},
	    {".", NULL},
	    {".example", NULL},
	    {"a..example", NULL},
	    {"a.example..", NULL},
	    {"a b.example", NULL},
	    {"a\n.example", NULL},
	    {"a%b.example", NULL},
	    {"a/b.example", NULL},
	    {"<a.example>", NULL},
	    {"a\xff.example", NULL},
	    {"a\xc3.example", NULL},
	    /* what looks like other signs becomes them: full width */
	    {"a\xef\xbc\x85.example", NULL},
	    {"\xef\xbc\x91.\xef\xbc\x92.\xef\xbc\x93.\xef\xbc\x94", NULL},
	    {"1.2.3.4", NULL},
	    {"[1.2.3.4]", NULL},
	    {"::1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		char out[QF_HOST_NAME] = "?";
		struct qf_err e = {0};
		int rc = qf_idn_host(out, qf_span(cases[i].name), &e);

		if ((rc == 0) != (cases[i].want != NULL))
			fail_msg("%s: %d %s", cases[i].name, rc, e.text);
		if (rc < 0)
			assert_non_null(strstr(e.text, "is no host name: "));
		else
			assert_string_equal(cases[i].want, out);
	}
	assert_int_equal(QF_EINVAL, qf_idn_host((char[QF_HOST_NAME]){0},
					qf_span_n("a\0b\xc3\xa4", 5), NULL));
	assert_int_equal(QF_EINVAL,
	    qf_idn_host((char[QF_HOST_NAME]){0}, qf_span_n("a\0b", 3), NULL));
}

/* Examples of RFC 6724 section 10.2 and what this host can not say. */
static void preferences(void **state)
{
	static const struct {
		const char *a, *a_from, *b, *b_from;
	} cases[] = {
	    /* a before b: native IPv6 before IPv4 */
	    {"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121",
		"198.51.100.117"},
	    /* scopes that match */
	    {"198.51.100.121", "198.51.100.117", "2001:db8:1::1", "fe80::1"},
	    {"2001:db8:1::1", "2001:db8:1::2", "198.51.100.121",
		"169.254.13.78"},
	    /* labels that match: 6to4, unique local, Teredo */
	    {"198.51.100.121", "198.51.100.117", "2001:db8:1::1",
		"2002:c633:6401::2"},
	    {"198.51.100.121", "198.51.100.117", "2001:db8:1::1", "fd00::1"},
	    {"198.51.100.121", "198.51.100.117", "2001:0:1::1", "2001:0:1::2"},
	    /* a way at all */
	    {"198.51.100.121", "198.51.100.117", "2001:db8:1::1", NULL},
	    {"::1", "::1", "127.0.0.1", "127.0.0.1"},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_way a = {.to = ip(cases[i].a)};
		struct qf_way b = {.to = ip(cases[i].b)};

		a.usable = true;
		a.from = ip(cases[i].a_from);
		b.usable = cases[i].b_from != NULL;
		if (b.usable)
			b.from = ip(cases[i].b_from);
		assert_true(qf_way_compare(&a, &b) < 0);
		assert_true(qf_way_compare(&b, &a) > 0);
		assert_int_equal(0, qf_way_compare(&a, &a));
	}
}

static void ways(void **state)
{
	struct qf_ip lo = ip("127.0.0.1"), multicast = ip("255.255.255.255");
	struct qf_way way;

	(void)state;
	qf_way_find(&way, &lo);
	assert_true(way.usable);
	assert_true(qf_ip_eq(&lo, &way.from));
	qf_way_find(&way, &multicast);
	assert_false(way.usable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses),
	    cmocka_unit_test(endpoints),
	    cmocka_unit_test(sockaddrs),
	    cmocka_unit_test(host_names),
	    cmocka_unit_test(preferences),
	    cmocka_unit_test(ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
