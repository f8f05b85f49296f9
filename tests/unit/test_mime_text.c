#include "lib/mail/mime_text.h"

#include "lib/mail/lex.h"
#include "lib/mail/mime_param.h"
#include "tests/unit/unit.h"

#define BAD "\xef\xbf\xbd" /* U+FFFD */
#define E   "\xc3\xa9"     /* e with acute accent */
#define EUR "\xe2\x82\xac"

static const struct {
	const char *charset, *in, *out;
} charset_cases[] = {
    {"", "abc", "abc"},
    {"utf-8", E, E},
    {"UTF-8", "a\xe9z", "a" BAD "z"},
    {"us-ascii", "a\tb\x01\x7f\n" E, "a b" BAD BAD BAD E},
    {"utf-8", "\xc2\x85\xe2\x80\xa8", BAD BAD},
    {"utf-8", "\xed\xa0\x80", BAD BAD BAD},
    {"iso-8859-1", "\xe9\x80", E EUR},
    {"ISO-8859-15", "\xa4", EUR},
    {"windows-1252", "\x81!", BAD "!"},
    {"koi8-r", "\xc1", "\xd0\xb0"},
    {"gb2312", "\xd6\xd0", "\xe4\xb8\xad"},
    {"gb2312", "\xd6", BAD},
    {"shift_jis", "\x82\xa0", "\xe3\x81\x82"},
    {"iso-2022-jp", "\x1b$B$\"\x1b(B", "\xe3\x81\x82"},
    {"iso-2022-jp", "\x1b$B$", BAD},
    {"euc-kr", "\xb0\xa1", "\xea\xb0\x80"},
    {"big5", "\xa4\xa4", "\xe4\xb8\xad"},
    {"utf-7", "+AOk-", E},
    {"utf-7", "+AAo-", BAD},
    {"nonsense", "a\xe9", "a" BAD},
    {"utf-8//TRANSLIT", "a\xe9", "a" BAD},
    {"../../evil", "a\xe9", "a" BAD},
};

static void test_charsets(void **state)
{
	struct qf_charsets c = {0};

	(void)state;
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < UNIT_COUNT(charset_cases); i++) {
			struct qf_buf b = QF_BUF_INIT;

			qf_mime_text_add(&c, qf_span(charset_cases[i].charset),
			    qf_span(charset_cases[i].in), &b);
			assert_string_equal(charset_cases[i].out, b.s);
			qf_buf_free(&b);
		}
	}
	qf_charsets_free(&c);
	qf_charsets_free(&c);
}

/* More than one step of the converter, with what it can not read between. */
static void test_long_text(void **state)
{
	struct qf_charsets c = {0};
	struct qf_buf in = QF_BUF_INIT, out = QF_BUF_INIT;

	(void)state;
	for (int i = 0; i < 5000; i++)
		qf_buf_adds(&in, "\xe9\x81");
	qf_mime_text_add(&c, qf_span("windows-1252"), qf_buf_span(&in), &out);
	assert_int_equal(25000, out.len);
	for (size_t i = 0; i < out.len; i += 5)
		assert_memory_equal(E BAD, out.s + i, 5);
	qf_charsets_free(&c);
	qf_buf_free(&in);
	qf_buf_free(&out);
}

static const struct {
	const char *in, *out;
} word_cases[] = {
    {"", ""},
    {"plain =? text ?=", "plain =? text ?="},
    {"=?utf-8?q?a=C3=A9_b?=", "a" E " b"},
    {"=?utf-8?B?w6k=?=", E},
    {"=?ISO-8859-1*fr?Q?=e9?=", E},
    {"a =?utf-8?q?b?= c", "a b c"},
    {"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?= \t  =?iso-8859-1?q?=E9?= z", "a" E " z"},
    {"=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
    {"=?utf-8?q?a?==?utf-8?q?b?=", "ab"},
    /* a character in two words */
    {"=?utf-8?q?=C3?= =?UTF-8?q?=A9?=", E},
    {"=?utf-8?b?4oI=?= =?UTF-8?q?=AC?=", EUR},
    {"=?utf-8?q?=C3?= - =?utf-8?q?=A9?=", BAD " - " BAD},
    /* none */
    {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
    {"=?utf-8?q?a", "=?utf-8?q?a"},
    {"=?utf-8?q?a?", "=?utf-8?q?a?"},
    {"=?utf-8?q", "=?utf-8?q"},
    {"=?utf-8?"
     "?a?=",
	"=?utf-8?"
	"?a?="},
    {"=?"
     "?q?a?=",
	"=?"
	"?q?a?="},
    {"=?=?utf-8?q?a?=", "=?a"},
    {"=?utf-8?q?"
     "?=",
	""},
    {"=?utf-8?q?a=0Ab=00?=", "a" BAD "b" BAD},
    {"=?utf-8?q?=4=ZZ=?=", "=4=ZZ="},
    {"a\x01 \xff", "a" BAD " " BAD},
};

static void test_words(void **state)
{
	struct qf_charsets c = {0};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(word_cases); i++) {
		struct qf_buf b = QF_BUF_INIT;

		qf_mime_words_add(&c, qf_span(word_cases[i].in), &b);
		assert_string_equal(word_cases[i].out, b.s);
		qf_buf_free(&b);
	}
	qf_charsets_free(&c);
}

/* The parameter `name`, with `CHARSET|` before an extended one and `!` after
 * what is broken; NULL: there is none. */
static const struct {
	const char *in, *out;
} param_cases[] = {
    {"", NULL},
    {"; name=a", "a"},
    {";NAME = \"a;b\"; x=y", "a;b"},
    {"; x=\"name=b\"; name=a", "a"},
    {"; name=\"a\\\"\\\\b\"", "a\"\\b"},
    {"; name=\"a\n b\"", "a b"},
    {"; name=\"\"", ""},
    {"; name=a (comment (nested \\) ) x)", "a"},
    {"; name=a (1).txt", "a (1).txt!"},
    {"; name=a(1).txt", "a(1).txt!"},
    {"; name=(1).txt", "(1).txt!"},
    {"; name=two words.txt ; x=y", "two words.txt!"},
    {"; name=two\n words.txt", "two words.txt!"},
    {"; name=\"open", "open!"},
    {"; name=\"a\"b; x=y", "a!"},
    {"; name=", "!"},
    {"; name; x=y", NULL},
    {"; =a; name=b", "b!"},
    {";;; name=b;", "b"},
    {" name=b", NULL},
    {"junk; name=b", "b!"},
    {"; name=a; name=b", "a!"},
    {"; name=caf\xc3\xa9", "caf\xc3\xa9"},
    {"; name=a=b/c?d", "a=b/c?d"},
    /* RFC 2231 */
    {"; name*=utf-8''a%20b", "utf-8|a b"},
    {"; name*=utf-8'en'%C3%A9", "utf-8|" E},
    {"; name*=''a%2", "|a%2"},
    {"; name*=a%20b", "|a b"},
    {"; name*=a'b", "|a'b"},
    {"; name=plain; name*=utf-8''better", "utf-8|better"},
    {"; name*0=a; name*1=\"b c\"; name*2=d", "ab cd"},
    {"; name*1=b; name*0=a", "ab"},
    {"; name*0*=utf-8''a%C3; name*1*=%A9; name*2=%41", "utf-8|a" E "%41"},
    {"; name*0=a; name*2=c", "a"},
    {"; name*1=b", NULL},
    {"; name=x; name*0=a; name*1=b", "ab"},
    {"; name*0=a; name*0=b", "a!"},
    {"; name*999999999999=a; name=b", "b!"},
    {"; name**=a; name=b", "b!"},
    {"; *=a; name=b", "b!"},
};

static void test_params(void **state)
{
	struct qf_params p = QF_PARAMS_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(param_cases); i++) {
		struct qf_buf value = QF_BUF_INIT, got = QF_BUF_INIT;
		struct qf_span charset;
		bool found;

		qf_params_parse(&p, qf_span(param_cases[i].in));
		found = qf_params_get(&p, "name", &value, &charset);
		assert_int_equal(param_cases[i].out != NULL, found);
		if (charset.p != NULL) {
			qf_buf_addspan(&got, charset);
			qf_buf_addc(&got, '|');
		}
		qf_buf_addspan(&got, qf_buf_span(&value));
		if (p.broken)
			qf_buf_addc(&got, '!');
		if (found)
			assert_string_equal(param_cases[i].out, got.s);
		qf_buf_free(&value);
		qf_buf_free(&got);
	}
	qf_params_free(&p);
}

static void test_lex(void **state)
{
	struct qf_span s = qf_span(" (a (b) \\) ) (c)\r\n\td");
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	assert_true(qf_lex_cfws(&s));
	assert_true(qf_span_is(s, "d"));
	s = qf_span("(a (b)");
	assert_false(qf_lex_cfws(&s));
	assert_int_equal(0, s.n);
	s = qf_span("(a)\\");
	assert_true(qf_lex_cfws(&s));
	s = qf_span("(\\");
	assert_false(qf_lex_cfws(&s));
	s = qf_span("ab-c.d*'%!{}|~/x");
	assert_true(qf_span_is(qf_lex_token(&s), "ab-c.d*'%!{}|~"));
	assert_true(qf_span_is(s, "/x"));
	s = qf_span("\"a\\\"b\r\n c\\\\\"rest");
	assert_true(qf_lex_quoted(&s, &b));
	assert_string_equal("a\"b c\\", b.s);
	assert_true(qf_span_is(s, "rest"));
	s = qf_span("\"a\\");
	assert_false(qf_lex_quoted(&s, &b));
	assert_int_equal(0, s.n);
	qf_buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_charsets),
	    cmocka_unit_test(test_long_text),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_lex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
