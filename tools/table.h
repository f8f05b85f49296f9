/*
 * Tables of text: columns of a width that a long text may exceed.
 */
#ifndef QF_TOOLS_TABLE_H
#define QF_TOOLS_TABLE_H

#include <stddef.h>

#include "lib/base/buf.h"

/* A list of them ends with a NULL title. */
struct qf_column {
	const char *title;
	size_t width; /* at least; of the last one 0 */
};

/* A row that is being written: fill the cell in out, then end it. */
struct qf_row {
	struct qf_buf *out;
	const struct qf_column *column; /* the current one */
	size_t start;                   /* where its cell begins in out */
};

/* Ends a cell; after the last one the line. */
void qf_row_end_cell(struct qf_row *row);
void qf_row_add_titles(struct qf_buf *out, const struct qf_column *columns);

#endif
