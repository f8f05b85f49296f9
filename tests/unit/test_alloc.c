#include "lib/base/alloc.h"

#include "tests/unit/unit.h"

#include <sys/wait.h>

static void test_copies(void **state)
{
	char *p = qf_strndup("abcdef", 3), *q = qf_strdup("x");
	int *v = qf_alloc(4 * sizeof *v);

	(void)state;
	assert_string_equal("abc", p);
	assert_string_equal("x", q);
	assert_int_equal(0, v[0] | v[3]);
	v[3] = 7;
	v = qf_realloc_array(v, 8, sizeof *v);
	assert_int_equal(7, v[3]);
	free(p);
	free(q);
	free(v);
	free(qf_alloc(0));
	free(qf_realloc(NULL, 0));
}

static void test_arena(void **state)
{
	struct qf_arena a = {0};
	char *small[300], *big;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(small); i++) {
		small[i] = qf_arena_alloc(&a, i);
		assert_int_equal(
		    0, (uintptr_t)small[i] % _Alignof(max_align_t));
		for (size_t k = 0; k < i; k++)
			assert_int_equal(0, small[i][k]);
		memset(small[i], (int)i, i);
	}
	big = qf_arena_alloc(&a, 100000);
	memset(big, 1, 100000);
	for (size_t i = 1; i < UNIT_COUNT(small); i++)
		assert_int_equal((char)i, small[i][i - 1]);
	assert_string_equal("ab", qf_arena_strndup(&a, "abc", 2));
	assert_string_equal("abc", qf_arena_strdup(&a, "abc"));
	qf_arena_free(&a);
	assert_null(a.chunks);
	assert_non_null(qf_arena_alloc(&a, 1));
	qf_arena_free(&a);
}

static void test_arena_move(void **state)
{
	struct qf_arena from = {0}, to = {0}, none = {0};
	char *p = qf_arena_strdup(&from, "moved"), *q;

	(void)state;
	qf_arena_alloc(&from, 100000);
	q = qf_arena_strdup(&to, "stays");
	qf_arena_move(&to, &from);
	assert_null(from.chunks);
	qf_arena_move(&to, &none);
	qf_arena_free(&from);
	qf_arena_alloc(&to, 100000);
	assert_string_equal("moved", p);
	assert_string_equal("stays", q);
	qf_arena_free(&to);
}

/* The address sanitizer would end a program that asks for too much. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* The process ends with the code that was chosen. */
static int exit_code_of(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		run();
		_exit(0);
	}
	assert_int_equal(pid, waitpid(pid, &status, 0));
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void too_much(void)
{
	qf_realloc_array(NULL, SIZE_MAX / 2, 4);
}

static void too_much_for_an_arena(void)
{
	struct qf_arena a = {0};

	qf_alloc_exit_code(51);
	qf_arena_alloc(&a, SIZE_MAX);
}

static void leave(void *arg)
{
	_exit(*(int *)arg);
}

static void too_much_with_undo(void)
{
	int code = 7;

	qf_alloc_undo(leave, &code);
	too_much();
}

static void too_much_without_undo(void)
{
	qf_alloc_undo(leave, NULL);
	qf_alloc_undo(NULL, NULL);
	too_much();
}

static void test_out_of_memory(void **state)
{
	(void)state;
	assert_int_equal(111, exit_code_of(too_much));
	assert_int_equal(51, exit_code_of(too_much_for_an_arena));
	assert_int_equal(7, exit_code_of(too_much_with_undo));
	assert_int_equal(111, exit_code_of(too_much_without_undo));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_arena),
	    cmocka_unit_test(test_arena_move),
	    cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
