/* The first memory of static programs, over the C library's as it is here. */
#include <stdint.h>

#include "tests/unit/unit.h"

void *__real_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

enum {
	MOST = 1 << 20 /* bytes of one piece that this C library gives */
};

static int later; /* pieces of the C library */

void *__real_malloc(size_t n)
{
	if (n > MOST)
		return NULL;
	later++;
	return malloc(n);
}

void *__real_realloc(void *p, size_t n)
{
	return realloc(p, n);
}

void __real_free(void *p)
{
	later -= p != NULL;
	free(p);
}

enum {
	PIECES = 40,
	ROUNDS = 200000
};

struct piece {
	unsigned char *p, fill;
	size_t n;
};

static void check(const struct piece *piece)
{
	for (size_t i = 0; i < piece->n; i++)
		assert_int_equal(piece->p[i], piece->fill);
}

static void fill(struct piece *piece, unsigned char with)
{
	assert_int_equal((uintptr_t)piece->p % _Alignof(max_align_t), 0);
	piece->fill = with;
	memset(piece->p, with, piece->n);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

/* Nobody writes to another one's piece, and what was there stays. */
static void test_pieces(void **state)
{
	static struct piece v[PIECES];
	uint64_t seed = 5;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct piece *piece = &v[next_random(&seed) % PIECES];
		uint64_t what = next_random(&seed) % 4;
		size_t n = next_random(&seed) % (i % 100 == 0 ? 70000 : 300);

		check(piece);
		if (what == 0) {
			__wrap_free(piece->p);
			*piece = (struct piece){.p = NULL};
			continue;
		}
		if (what == 1 && piece->p == NULL) {
			piece->p = __wrap_calloc(1, n);
			piece->n = n;
			check(piece);
		} else {
			size_t kept = n < piece->n ? n : piece->n;

			piece->p = __wrap_realloc(piece->p, n + 1);
			piece->n = kept;
			check(piece);
			piece->n = n;
		}
		fill(piece, (unsigned char)i);
	}
	for (size_t i = 0; i < PIECES; i++)
		__wrap_free(v[i].p);
	assert_int_equal(later, 0);
}

static void test_limits(void **state)
{
	char *a = __wrap_malloc(10), *b;

	(void)state;
	__wrap_free(NULL);
	assert_null(__wrap_calloc(SIZE_MAX / 2, 3));
	assert_null(__wrap_malloc(SIZE_MAX - 8));
	assert_null(__wrap_realloc(a, SIZE_MAX - 8));
	later = 0;
	/* The last piece grows where it is, and gives back what it had. */
	assert_ptr_equal(__wrap_realloc(a, 20000), a);
	assert_int_equal(later, 0);
	b = __wrap_malloc(60000);
	assert_int_equal(later, 1);
	__wrap_free(b);
	__wrap_free(a);
	b = __wrap_malloc(60000);
	assert_int_equal(later, 0);
	__wrap_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests_name("firstmem", tests, NULL, NULL);
}
