#include "lib/base/strv.h"

#include "tests/unit/unit.h"

static void test_vector(void **state)
{
	struct qf_strv v = {0};

	(void)state;
	for (int i = 0; i < 100; i++) {
		qf_strv_add(&v, "abc");
		assert_null(v.v[v.n]);
	}
	qf_strv_add_span(&v, qf_span_n("xyz", 2));
	assert_int_equal(101, v.n);
	assert_string_equal("abc", v.v[99]);
	assert_string_equal("xy", v.v[100]);
	qf_strv_free(&v);
	assert_int_equal(0, v.n);
	qf_strv_free(&v);
}

/* Words are written with a `|` behind each; NULL: an error. */
static const struct split_case {
	const char *line, *words;
} split_cases[] = {
    {"", ""},
    {" \t\r\n ", ""},
    {"a", "a|"},
    {" a  b\tc\rd\ne ", "a|b|c|d|e|"},
    /* single quotes: all is literal */
    {"'a b'", "a b|"},
    {"'a\\'", "a\\|"},
    {"'a\"b'", "a\"b|"},
    {"'a\tb\nc'", "a\tb\nc|"},
    /* double quotes: a backslash takes the next character, whatever it is */
    {"\"a b\"", "a b|"},
    {"\"a'b\"", "a'b|"},
    {"\"a\\\"b\"", "a\"b|"},
    {"\"a\\nb\"", "anb|"},
    {"\"$HOME `x` #\"", "$HOME `x` #|"},
    /* a bare backslash */
    {"a\\ b", "a b|"},
    {"\\'a", "'a|"},
    {"\\\"a", "\"a|"},
    {"\\n", "n|"},
    {"\\\\", "\\|"},
    {"a\\\nb", "a\nb|"},
    /* quotes in mid-word */
    {"pass='a b'", "pass=a b|"},
    {"a\"b c\"d", "ab cd|"},
    {"a'b'\"c\"'d'", "abcd|"},
    {"'a''b' c", "ab|c|"},
    /* the empty word, also as an option in the middle */
    {"''", "|"},
    {"\"\"", "|"},
    {"a '' b", "a||b|"},
    {"''''", "|"},
    {"a''", "a|"},
    /* no comments, variables or commands */
    {"x # y", "x|#|y|"},
    {"#x", "#x|"},
    {"$A $(b) `c` *", "$A|$(b)|`c`|*|"},
    /* what follows an escaped character is looked at */
    {"\"a\\\\\" b", "a\\|b|"},
    {"a\\\\ b", "a\\|b|"},
    {"\"a\\\"\" b", "a\"|b|"},
    {"a\\  b", "a |b|"},
    {"\xc3\xa4 \xff", "\xc3\xa4|\xff|"},
    /* left open */
    {"'a", NULL},
    {"\"a", NULL},
    {"a '", NULL},
    {"\"a'", NULL},
    {"\"a\\\"", NULL},
    {"a\\", NULL},
    {"\"a\\", NULL},
};

static void test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(split_cases); i++) {
		const struct split_case *c = &split_cases[i];
		struct qf_buf got = QF_BUF_INIT;
		struct qf_strv v = {0};
		struct qf_err e = {0};
		int rc = qf_strv_split(&v, qf_span(c->line), &e);

		if (c->words == NULL) {
			assert_int_equal(QF_EFORMAT, rc);
			assert_true(strlen(e.text) > 5);
		} else {
			assert_int_equal(0, rc);
			for (size_t k = 0; k < v.n; k++)
				qf_buf_addf(&got, "%s|", v.v[k]);
			assert_string_equal(c->words, got.s);
		}
		qf_strv_free(&v);
		qf_buf_free(&got);
	}
}

static void test_split_appends(void **state)
{
	struct qf_strv v = {0};

	(void)state;
	qf_strv_add(&v, "first");
	assert_int_equal(0, qf_strv_split(&v, qf_span("second third"), NULL));
	assert_int_equal(3, v.n);
	assert_string_equal("first", v.v[0]);
	assert_string_equal("third", v.v[2]);
	assert_int_equal(
	    QF_EFORMAT, qf_strv_split(&v, qf_span_n("a\0b", 3), NULL));
	qf_strv_free(&v);
}

static void test_join(void **state)
{
	char *const words[] = {(char[]){""}, (char[]){"a"},
	    (char[]){"it's"}, (char[]){"''"}, (char[]){"\\ \"$x\n\t"},
	    (char[]){"\xff"}};
	struct qf_buf line = QF_BUF_INIT;
	struct qf_strv v = {0};

	(void)state;
	qf_strv_join(&line, words, UNIT_COUNT(words));
	assert_int_equal(0, qf_strv_split(&v, qf_buf_span(&line), NULL));
	assert_int_equal(UNIT_COUNT(words), v.n);
	for (size_t i = 0; i < v.n; i++)
		assert_string_equal(words[i], v.v[i]);
	qf_buf_reset(&line);
	qf_strv_join(&line, words, 0);
	assert_string_equal("", line.s);
	qf_buf_free(&line);
	qf_strv_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vector),
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_split_appends),
	    cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
