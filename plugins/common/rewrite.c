#include "plugins/common/rewrite.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/mail/message.h"

enum {
	/* Most cells of the table that finds what two headers have in common:
	 * above it, what lies between their same start and end is replaced. */
	CELLS_MAX = 1 << 20,
	QUOTE_MAX = 60 /* bytes of a line that a text repeats */
};

/* The message as it is and as it shall be. Fields are compared as raw bytes. */
struct rewrite {
	const struct qf_host *h;
	struct qf_msg *m;
	struct qf_message to;
	struct qf_span *field; /* of the message as it is */
	size_t nfields;
	struct qf_span separator, body;
	/* Per field of `to`: the field that stays in its place + 1, or 0. */
	size_t *stays;
};

/* Can header_insert() make this field, byte for byte? */
static bool can_insert(const struct qf_header_field *f)
{
	size_t n = f->name.n;
	const char *p = f->raw.p;

	if (f->malformed || p[n] != ':' || p[f->raw.n - 1] != '\n' ||
	    memchr(p, '\0', f->raw.n) != NULL ||
	    memchr(p, '\r', f->raw.n) != NULL)
		return false;
	return p[n + 1] == ' ' || p[n + 1] == '\t' || p[n + 1] == '\n';
}

/* header */

static int read_fields(struct rewrite *r)
{
	int32_t n = r->h->header_count(r->m);

	if (n < 0)
		return n;
	r->field = qf_alloc(((size_t)n + 1) * sizeof *r->field);
	r->nfields = (size_t)n;
	for (uint32_t i = 0; i < (uint32_t)n; i++) {
		struct qf_field f = {.size = sizeof f};
		int32_t rc = r->h->header_get(r->m, i, &f);

		if (rc < 0)
			return rc;
		r->field[i] = f.raw;
	}
	return 0;
}

/* What stands after the fields: the empty line, then the body. */
static int read_rest(struct rewrite *r)
{
	struct qf_span rest;
	int32_t rc = r->h->flat(r->m, &rest);
	size_t n = 0;

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->nfields; i++)
		n += r->field[i].n;
	rest = qf_span_n(rest.p + n, rest.n - n);
	n = rest.n > 0 && rest.p[0] == '\r';
	n += rest.n > n && rest.p[n] == '\n';
	r->separator = qf_span_n(rest.p, n);
	r->body = qf_span_n(rest.p + n, rest.n - n);
	return 0;
}

/* The fields in between, when those at both ends are the same. */
struct gap {
	size_t from, to; /* first field of each side */
	size_t n, m;     /* how many there are */
};

static struct gap find_gap(struct rewrite *r)
{
	struct gap g = {0, 0, r->nfields, r->to.nfields};

	while (g.n > 0 && g.m > 0 &&
	       qf_span_eq(r->field[g.from], r->to.field[g.to].raw)) {
		r->stays[g.to++] = ++g.from;
		g.n--;
		g.m--;
	}
	while (g.n > 0 && g.m > 0 &&
	       qf_span_eq(r->field[g.from + g.n - 1],
		   r->to.field[g.to + g.m - 1].raw)) {
		g.n--;
		g.m--;
		r->stays[g.to + g.m] = g.from + g.n + 1;
	}
	return g;
}

/*
 * The heaviest sequence of fields that both sides have, in this order. One
 * that could not be inserted outweighs all that can, so that what can be done
 * is found.
 */
static void match_gap(struct rewrite *r, const struct gap *g)
{
	size_t row = g->m + 1, i = 0, j = 0;
	uint64_t *best = qf_alloc((g->n + 1) * row * sizeof *best);

	for (size_t a = g->n; a-- > 0;) {
		for (size_t b = g->m; b-- > 0;) {
			const struct qf_header_field *f =
			    &r->to.field[g->to + b];
			uint64_t *at = &best[a * row + b];
			uint64_t with = at[row + 1] + 1;

			*at = at[row] > at[1] ? at[row] : at[1];
			if (!qf_span_eq(r->field[g->from + a], f->raw))
				continue;
			if (!can_insert(f))
				with += g->m;
			if (with > *at)
				*at = with;
		}
	}
	while (i < g->n && j < g->m) {
		const uint64_t *at = &best[i * row + j];

		if (*at == at[row]) {
			i++;
		} else if (*at == at[1]) {
			j++;
		} else {
			r->stays[g->to + j++] = g->from + ++i;
		}
	}
	free(best);
}

static int check_header(const struct rewrite *r, struct qf_err *e)
{
	for (size_t i = 0; i < r->to.nfields; i++) {
		struct qf_span raw = r->to.field[i].raw;

		if (r->stays[i] != 0 || can_insert(&r->to.field[i]))
			continue;
		if (raw.n > QUOTE_MAX)
			raw.n = QUOTE_MAX;
		raw = qf_span_trim(raw);
		return qf_fail(e, QF_EFORMAT,
		    "its header has a line that can not be made: \"%.*s\" (a "
		    "field is NAME: VALUE, with a space, and has no CR)",
		    (int)raw.n, raw.p);
	}
	return 0;
}

static bool ends_in_lf(struct qf_span s)
{
	return s.n > 0 && s.p[s.n - 1] == '\n';
}

/* The empty line stays as it is; where there is none a body brings one. */
static int check_separator(
    const struct rewrite *r, struct qf_span body, struct qf_err *e)
{
	struct qf_span made = r->separator;

	if (body.n > 0 && !ends_in_lf(made))
		made = made.n == 0 ? qf_span("\n") : qf_span("\r\n");
	if (qf_span_eq(made, r->to.separator))
		return 0;
	return qf_fail(e, QF_EFORMAT,
	    "the empty line after its header can not be made as it is there");
}

static int insert(
    const struct rewrite *r, size_t before, const struct qf_header_field *f)
{
	size_t n = f->name.n;
	char *copy = qf_strndup(f->raw.p, f->raw.n - 1);
	int32_t rc;

	copy[n] = '\0';
	rc = r->h->header_insert(r->m, (uint32_t)before, copy, copy + n + 1);
	free(copy);
	return rc;
}

static int stage_header(const struct rewrite *r)
{
	size_t at = 0;
	int32_t rc = 0;

	for (size_t i = 0; rc == 0 && i <= r->to.nfields; i++) {
		size_t next = i < r->to.nfields ? r->stays[i] : r->nfields + 1;

		if (next == 0) {
			rc = insert(r, at, &r->to.field[i]);
			continue;
		}
		for (; rc == 0 && at < next - 1; at++)
			rc = r->h->header_delete(r->m, (uint32_t)at);
		at = next;
	}
	return rc;
}

static int stage(struct rewrite *r, struct qf_err *e)
{
	struct qf_span body =
	    r->to.nbody > 0 ? r->to.body[0] : qf_span_n("", 0);
	struct gap gap;
	int rc;

	r->stays = qf_alloc((r->to.nfields + 1) * sizeof *r->stays);
	gap = find_gap(r);
	if (gap.n > 0 && gap.m > 0 && CELLS_MAX / (gap.n + 1) > gap.m)
		match_gap(r, &gap);
	rc = check_header(r, e);
	if (rc == 0)
		rc = check_separator(r, body, e);
	if (rc < 0)
		return rc;
	rc = stage_header(r);
	if (rc == 0 && !qf_span_eq(body, r->body))
		rc = r->h->body_replace(r->m, body);
	return rc < 0 ? qf_fail(e, rc, "an edit was refused (error %d)", rc)
		      : 0;
}

int rewrite_message(
    const struct qf_host *h, struct qf_msg *m, int fd, struct qf_err *e)
{
	struct rewrite r = {.h = h, .m = m};
	int rc = qf_message_open(&r.to, fd, e);

	if (rc < 0)
		return rc;
	rc = read_fields(&r);
	if (rc == 0)
		rc = read_rest(&r);
	if (rc < 0)
		qf_fail(e, rc, "the message can not be read (error %d)", rc);
	else
		rc = stage(&r, e);
	free(r.field);
	free(r.stays);
	qf_message_close(&r.to);
	return rc;
}
