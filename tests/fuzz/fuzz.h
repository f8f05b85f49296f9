/*
 * What the fuzz targets share. Each target is one function that takes any
 * bytes and holds the code against what its headers promise; clang's libFuzzer
 * calls it, or replay.c.
 */
#ifndef QF_TESTS_FUZZ_H
#define QF_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Says what does not hold, and aborts. */
#define FUZZ_CHECK(holds)                                                      \
	do {                                                                   \
		if (!(holds)) {                                                \
			fprintf(stderr, "# %s:%d: does not hold: %s\n",        \
			    __FILE__, __LINE__, #holds);                       \
			abort();                                               \
		}                                                              \
	} while (0)

/* Numbers that only depend on the seed, which is not 0 (xorshift64). */
static inline uint64_t fuzz_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Below n, which is not 0. */
static inline size_t fuzz_below(uint64_t *seed, size_t n)
{
	return (size_t)(fuzz_random(seed) >> 11) % n;
}

/* A seed that depends on all bytes (FNV-1a). */
static inline uint64_t fuzz_seed(const uint8_t *data, size_t size)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * UINT64_C(0x100000001b3);
	return h | 1;
}

/* Does `inner` stand within `outer`, as bytes in memory? */
static inline bool fuzz_within(struct qf_span inner, struct qf_span outer)
{
	return inner.p >= outer.p && inner.n <= outer.n &&
	       (size_t)(inner.p - outer.p) <= outer.n - inner.n;
}

#endif
