/*
 * What a plugin is, found out by loading it in a process of its own: one that
 * crashes or hangs while it is loaded does not take the caller along.
 */
#ifndef QF_TOOLS_DESCRIBE_H
#define QF_TOOLS_DESCRIBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/err.h"
#include "lib/base/strv.h"

enum {
	QF_DESCRIBED_MAX = 256 /* kinds, and settings, that are taken */
};

/* Texts are borrowed from `words`. */
struct qf_described {
	const char *name, *version, *abi, *summary;
	uint64_t needs, wants, effects, flags;
	bool noted; /* has a note */
	struct qf_described_kind {
		const char *key, *value;
		uint64_t effects, flags;
	} kind[QF_DESCRIBED_MAX];
	size_t nkinds;
	struct qf_described_setting {
		const char *key, *help;
		const char *variable; /* that may override it, or NULL */
	} setting[QF_DESCRIBED_MAX];
	size_t nsettings;
	struct qf_strv words;
};

/* Describes PLUGINDIR/NAME.so. The error is the loader's, or QF_ECRASH,
 * QF_ETIME. Free it in any case. */
int qf_describe(
    struct qf_described *d, const char *name, uid_t owner, struct qf_err *e);
void qf_described_free(struct qf_described *d);

/* The names of bits, in order; a bit without one is "bit N". */
enum qf_bits {
	QF_BITS_GROUPS,
	QF_BITS_EFFECTS,
	QF_BITS_FLAGS
};
void qf_bit_names(struct qf_strv *out, enum qf_bits set, uint64_t bits);

#endif
