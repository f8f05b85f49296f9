/*
 * What a program writes for people, logged line by line under its name: the
 * first lines of a run, and how many more there were.
 */
#ifndef QFP_COMMON_LINES_H
#define QFP_COMMON_LINES_H

#include <stdbool.h>

#include <qfront/plugin.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum {
	LINES_LOGGED = 20,
	/* Bytes kept of a line: what indimail's clients read of a text
	 * (qmail-queue-clients(7)). */
	LINES_BYTES = 1023
};

struct lines {
	const struct qf_host *h;
	struct qf_msg *m;
	const char *name;
	/* Lines that start with this and a colon make `complained` true; may
	 * be NULL. */
	const char *complainer;
	bool complained;
	struct qf_buf line, last; /* last: of those that are not empty */
	unsigned long long n;
};

void lines_init(struct lines *l, const struct qf_host *h, struct qf_msg *m);
void lines_free(struct lines *l);
/* For struct qf_run_out; the argument is the struct lines. */
int lines_take(void *arg, struct qf_span bytes, struct qf_err *e);
/* The last line may have no end. */
void lines_end(struct lines *l);

/* A line of our own, with the name in front. */
void lines_say(const struct lines *l, int32_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
