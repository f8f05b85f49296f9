/*
 * Memory: allocation that does not return NULL, and arenas.
 *
 * Running out of memory is the one error that no caller handles: the process
 * ends at once with the code that its main chose (the front end and the queue
 * choose 51, which is temporary), and what it had not committed is gone or
 * undone.
 */
#ifndef QF_BASE_ALLOC_H
#define QF_BASE_ALLOC_H

#include <stddef.h>

/* The exit code of a process that runs out of memory; 111 unless set. */
void qf_alloc_exit_code(int code);
/* What is called before that exit, to undo what must not stay; it can not
 * allocate. One at a time; NULL: nothing, as at the start. */
void qf_alloc_undo(void (*undo)(void *arg), void *arg);

void *qf_alloc(size_t n); /* zeroed; the caller frees with free() */
void *qf_realloc(void *p, size_t n);
/* n elements of the given size, checked for overflow; not zeroed beyond old */
void *qf_realloc_array(void *p, size_t n, size_t size);
char *qf_strdup(const char *s);
char *qf_strndup(const char *s, size_t n);

/* An arena hands out memory that is freed all at once. Start with zeros. */
struct qf_arena {
	struct qf_arena_chunk *chunks;
};

void *qf_arena_alloc(struct qf_arena *a, size_t n); /* zeroed, aligned */
char *qf_arena_strndup(struct qf_arena *a, const char *s, size_t n);
char *qf_arena_strdup(struct qf_arena *a, const char *s);
void qf_arena_free(struct qf_arena *a); /* leaves it empty, usable */
/* Hands all memory of `from` over to `to`; `from` is empty afterwards. */
void qf_arena_move(struct qf_arena *to, struct qf_arena *from);

#endif
