/*
 * The log: one line per event, fields instead of prose.
 *
 *	qf_log(QF_LOG_INFO, "queued", QF_KS("id", id), QF_KU("bytes", n));
 *
 * writes `qfront-queue[123]: info: queued id=4711 bytes=2048`. A value that is
 * empty or holds space, quotes, controls or 8-bit bytes is written in double
 * quotes with \xNN escapes, so a line is always one line and can be parsed.
 */
#ifndef QF_BASE_LOG_H
#define QF_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <qfront/plugin.h> /* QF_LOG_ERROR ... QF_LOG_DEBUG */
#include "lib/base/err.h"

enum qf_log_target {
	QF_LOG_TO_STDERR,
	QF_LOG_TO_SYSLOG,
	QF_LOG_TO_NONE
};

/* Borrows the name. Lines above max_level are not written. */
void qf_log_open(const char *program, enum qf_log_target target, int max_level);

/* The same, where the variable QFRONT_LOG says (stderr, syslog or none), else
 * at fallback. */
void qf_log_open_env(const char *program, enum qf_log_target fallback);
/* For a process that closes descriptors which it does not know: the log takes
 * up a new one when it needs it. */
void qf_log_renew(void);
/* Sets QFRONT_LOG to where this log goes, for the programs that we start. */
void qf_log_export(void);
/* Every line from now on says `run=scope`, so that those of one message can be
 * told from those of others; copied; NULL: no more. */
void qf_log_scope(const char *scope);
/* Does the log go to descriptor 2? */
bool qf_log_is_stderr(void);

struct qf_kv {
	const char *key;
	char kind; /* s: string, n: span, d: signed, u: unsigned */
	struct qf_span s;
	int64_t d;
	uint64_t u;
};

/* clang-format off */
#define QF_KS(k, v) {.key = (k), .kind = 's', .s = {.p = (v)}}
#define QF_KN(k, v) {.key = (k), .kind = 'n', .s = (v)}
#define QF_KD(k, v) {.key = (k), .kind = 'd', .d = (v)}
#define QF_KU(k, v) {.key = (k), .kind = 'u', .u = (v)}
/* clang-format on */

#define qf_log(level, event, ...)                                              \
	qf_log_kv(level, event, (const struct qf_kv[]){__VA_ARGS__, {0}})

/* The array ends with a NULL key. */
void qf_log_kv(int level, const char *event, const struct qf_kv *kv);
/* An error: `event error="text"` at QF_LOG_ERROR. */
void qf_log_err(const char *event, const struct qf_err *e);

#endif
