/*
 * The header of one message while the rules change it. Each rule sees what
 * the ones before it made; at the end the difference is staged as edits.
 */
#ifndef QF_HEADERS_TABLE_H
#define QF_HEADERS_TABLE_H

#include "plugins/headers/rule.h"

struct table {
	const struct qf_host *h;
	struct qf_msg *m;
	uint32_t nfields; /* of the message */
	struct table_field *field;
	size_t first, end; /* of the fields that are in use */
	char **text;       /* the values that rules gave */
	size_t ntext;
};

/* The header as it is, with room for what `rules` rules add. */
int32_t table_open(
    struct table *t, const struct qf_host *h, struct qf_msg *m, size_t rules);
void table_close(struct table *t);

/* 1 when the rule did something, 0 when not, or a code. */
int32_t table_apply(struct table *t, const struct rule *r);
/* Stages the edits. */
int32_t table_stage(const struct table *t);

#endif
