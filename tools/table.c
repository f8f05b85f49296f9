#include "tools/table.h"

/* A text that is too long moves what follows. */
void qf_row_end_cell(struct qf_row *row)
{
	size_t end = row->start + row->column->width;

	row->column++;
	if (row->column->title == NULL) {
		qf_buf_addc(row->out, '\n');
		return;
	}
	while (row->out->len < end)
		qf_buf_addc(row->out, ' ');
	qf_buf_adds(row->out, "  ");
	row->start = row->out->len;
}

void qf_row_add_titles(struct qf_buf *out, const struct qf_column *columns)
{
	struct qf_row row = {.out = out, .column = columns, .start = out->len};

	while (row.column->title != NULL) {
		qf_buf_adds(out, row.column->title);
		qf_row_end_cell(&row);
	}
}
