/*
 * What a stage lets the programs have that it runs: the settings memory, cpu
 * and max-output.
 */
#ifndef QFP_COMMON_LIMITS_H
#define QFP_COMMON_LIMITS_H

#include <stddef.h>

#include <qfront/plugin.h>

#include "lib/base/child.h"

struct limits {
	uint64_t memory; /* bytes; 0: no limit */
	uint64_t cpu;    /* seconds; 0: no limit */
	uint64_t output; /* bytes; 0: limits_output() chooses */
};

enum {
	LIMITS_MAX = 3
};

/* For the table of settings. */
/* clang-format off */
#define LIMITS_SETTINGS                                                        \
	{.key = "memory",                                                      \
	    .help = "most memory of a program in bytes, or with K, M, G"},     \
	{.key = "cpu",                                                         \
	    .help = "most seconds of processor time of a program"}
#define LIMITS_SETTING_OUTPUT                                                  \
	{.key = "max-output",                                                  \
	    .help = "most bytes that a program may write as the message; "     \
		    "twice the message and 16 MiB"}
/* clang-format on */

/* 0, or QF_ECONF with the mistakes reported. */
int32_t limits_read(
    const struct qf_host *h, const struct qf_conf *c, struct limits *out);
/* As qf_child_start() takes them; how many. No core is ever dumped: it would
 * hold mail. */
size_t limits_of_child(
    const struct limits *l, struct qf_child_limit out[LIMITS_MAX]);
/* How much may come back for a message of this size. */
uint64_t limits_output(const struct limits *l, uint64_t message);

/* Milliseconds for a program: what the stage has left, and some of that kept
 * back for what comes after. */
int64_t limits_time(const struct qf_host *h, struct qf_msg *m);

#endif
