/*
 * The first memory of a program that starts once for each message: it is part
 * of the program, so that the C library's need not be set up, which takes seven
 * system calls and more time than all that is done with it. Larger things and
 * later ones are the C library's. The linker puts this in the place of malloc()
 * and its kin (--wrap, see static.inc), where it was built against musl.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

void *__real_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

enum {
	FIRST_SIZE = 65536,
	ALIGN = 16
};

/* Before each piece. */
struct head {
	_Alignas(ALIGN) size_t room; /* bytes of the piece */
};

static _Alignas(ALIGN) char first[FIRST_SIZE];
static size_t used;

static bool is_first(const void *p)
{
	return (uintptr_t)p - (uintptr_t)first < FIRST_SIZE;
}

static struct head *head_of(void *p)
{
	return (struct head *)p - 1;
}

static bool is_last(void *p)
{
	return (char *)p + head_of(p)->room == first + used;
}

void *__wrap_malloc(size_t n)
{
	size_t left = FIRST_SIZE - used;
	struct head *h = (struct head *)(first + used);

	if (n > FIRST_SIZE)
		return __real_malloc(n);
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (n + sizeof *h > left)
		return __real_malloc(n);
	h->room = n;
	used += sizeof *h + n;
	return h + 1;
}

void *__wrap_calloc(size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n)) {
		errno = ENOMEM;
		return NULL;
	}
	p = __wrap_malloc(n);
	return p != NULL ? memset(p, 0, n) : NULL;
}

/* The last piece is what grows, most often. */
static bool grow(void *p, size_t n)
{
	size_t at = (size_t)((char *)p - first);

	if (!is_last(p) || n > FIRST_SIZE - at - ALIGN)
		return false;
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	head_of(p)->room = n;
	used = at + n;
	return true;
}

void *__wrap_realloc(void *p, size_t n)
{
	size_t room;
	void *q;

	if (p == NULL)
		return __wrap_malloc(n);
	if (!is_first(p))
		return __real_realloc(p, n);
	room = head_of(p)->room;
	if (n <= room || grow(p, n))
		return p;
	q = __wrap_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, room);
	__wrap_free(p);
	return q;
}

void __wrap_free(void *p)
{
	if (!is_first(p))
		__real_free(p);
	else if (is_last(p))
		used = (size_t)((char *)head_of(p) - first);
}
