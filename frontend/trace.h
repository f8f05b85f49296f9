/*
 * What happened to a message at one stage: the line of the log, and what
 * `qfrontctl test` shows.
 */
#ifndef QF_FRONTEND_TRACE_H
#define QF_FRONTEND_TRACE_H

#include <stdbool.h>

#include "frontend/chain.h"
#include "frontend/judgement.h"

struct qf_trace {
	uint32_t skip;
	uint32_t wanted; /* the class that the plugin returned */
	uint32_t class_; /* what became of it */
	uint8_t broken, shadow, capped, reserved;
	uint32_t header_edits, body_edits, envelope_edits;
	uint32_t fates; /* recipients with a verdict of their own */
	int32_t pid;    /* of the worker */
	int64_t us, cpu_us;
};

void qf_trace_log(const struct qf_stage *s, const struct qf_trace *t,
    const struct qf_judgement *j);

#endif
