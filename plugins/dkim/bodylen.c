#include "plugins/dkim/bodylen.h"

static void end_line(struct bodylen_form *f)
{
	if (f->line == 0) {
		f->blank++;
		return;
	}
	f->total += 2 * f->blank + f->line + 2;
	f->blank = 0;
	f->line = 0;
}

void bodylen_feed(struct bodylen *b, struct qf_span bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		switch (bytes.p[i]) {
		case '\r':
			break;
		case '\n':
			end_line(&b->simple);
			end_line(&b->relaxed);
			b->wsp = false;
			break;
		case ' ':
		case '\t':
			b->simple.line++;
			b->wsp = true;
			break;
		default:
			b->simple.line++;
			b->relaxed.line += b->wsp ? 2 : 1;
			b->wsp = false;
			break;
		}
	}
}

uint64_t bodylen_of(const struct bodylen *b, bool relaxed)
{
	if (relaxed)
		return b->relaxed.total;
	/* The empty body has a line end in this form. */
	return b->simple.total > 0 ? b->simple.total : 2;
}
