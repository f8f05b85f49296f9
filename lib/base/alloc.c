#include "lib/base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/undo.h"

static int exit_code = 111;
static void (*undo_last)(void *arg);
static void *undo_arg;

void qf_alloc_exit_code(int code)
{
	exit_code = code;
}

void qf_alloc_undo(void (*undo)(void *arg), void *arg)
{
	undo_last = undo;
	undo_arg = arg;
}

static void *must(void *p)
{
	static const char text[] = "out of memory\n";

	if (p != NULL)
		return p;
	if (undo_last != NULL)
		undo_last(undo_arg);
	qf_undo_all();
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(exit_code);
	_exit(exit_code);
}

void *qf_alloc(size_t n)
{
	return must(calloc(1, n == 0 ? 1 : n));
}

void *qf_realloc(void *p, size_t n)
{
	return must(realloc(p, n == 0 ? 1 : n));
}

void *qf_realloc_array(void *p, size_t n, size_t size)
{
	return must(reallocarray(p, n == 0 ? 1 : n, size));
}

char *qf_strdup(const char *s)
{
	return must(strdup(s));
}

char *qf_strndup(const char *s, size_t n)
{
	char *p = qf_alloc(n + 1);

	if (n > 0)
		memcpy(p, s, n);
	return p;
}

struct qf_arena_chunk {
	struct qf_arena_chunk *next;
	size_t used, cap;
	_Alignas(max_align_t) char data[];
};

enum {
	ARENA_CHUNK = 4096 - sizeof(struct qf_arena_chunk)
};

void *qf_arena_alloc(struct qf_arena *a, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	struct qf_arena_chunk *c = a->chunks;
	void *p;

	if (n > SIZE_MAX - sizeof *c - align)
		return must(NULL);
	n = (n + align - 1) / align * align;
	if (c == NULL || c->cap - c->used < n) {
		size_t cap = n > ARENA_CHUNK ? n : ARENA_CHUNK;

		c = qf_alloc(sizeof *c + cap);
		c->cap = cap;
		c->next = a->chunks;
		a->chunks = c;
	}
	p = c->data + c->used;
	c->used += n;
	return p;
}

char *qf_arena_strndup(struct qf_arena *a, const char *s, size_t n)
{
	char *p = qf_arena_alloc(a, n + 1);

	if (n > 0)
		memcpy(p, s, n);
	return p;
}

char *qf_arena_strdup(struct qf_arena *a, const char *s)
{
	return qf_arena_strndup(a, s, strlen(s));
}

void qf_arena_free(struct qf_arena *a)
{
	while (a->chunks != NULL) {
		struct qf_arena_chunk *next = a->chunks->next;

		free(a->chunks);
		a->chunks = next;
	}
}

void qf_arena_move(struct qf_arena *to, struct qf_arena *from)
{
	struct qf_arena_chunk **end = &from->chunks;

	while (*end != NULL)
		end = &(*end)->next;
	*end = to->chunks;
	to->chunks = from->chunks;
	from->chunks = NULL;
}
