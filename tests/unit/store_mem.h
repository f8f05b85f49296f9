/*
 * A queue in memory, for tests: the plainest thing that keeps the promises of
 * queue/store.h. A queue is known by its name within one process, so several
 * stores may be open on the same one.
 */
#ifndef QF_TESTS_STORE_MEM_H
#define QF_TESTS_STORE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store.h"

extern const struct qf_store_ops store_mem;

/* An empty queue, with a name for it. */
bool store_mem_make(char *dir, size_t size);
/* With all that it holds; no store may be open on it. */
void store_mem_remove(const char *dir);

/* What is left of a store whose process died: nothing but what it wrote.
 * Frees *st. */
void store_mem_crash(struct qf_store **st);
/* As if the message had been queued, held or released then. */
void store_mem_set_born(const char *dir, const char *id, int64_t born);
/* While on, publish() fails. */
void store_mem_refuse(const char *dir, bool on);
/* No message, and none on its way in. */
bool store_mem_is_empty(const char *dir);
/* Appends what fail() kept of a message; false without it. */
bool store_mem_failed(const char *dir, const char *id, struct qf_buf *out);

#endif
