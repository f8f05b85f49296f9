#include "plugins/dkim/wire.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	STEP = 16384 /* bytes copied before the header's end is looked for */
};

/* Looks for the empty line from `from` on. */
static bool find_end(struct wire *w, size_t from)
{
	const char *p;

	if (w->n >= 2 && memcmp(w->head, "\r\n", 2) == 0) {
		w->header = 0;
		w->body = 2;
		return true;
	}
	p = memmem(w->head + from, w->n - from, "\r\n\r\n", 4);
	if (p == NULL)
		return false;
	w->header = (size_t)(p - w->head) + 2;
	w->body = w->header + 2;
	return true;
}

/* Room for n more bytes in head. */
static int32_t reserve(struct wire *w, size_t n)
{
	size_t cap = w->cap == 0 ? STEP : w->cap;
	char *p;

	while (cap < w->n + n)
		cap *= 2;
	if (cap == w->cap)
		return 0;
	p = realloc(w->head, cap);
	if (p == NULL)
		return QF_ENOMEM;
	w->head = p;
	w->cap = cap;
	return 0;
}

static void consume(struct qf_span *s, size_t n)
{
	s->p += n;
	s->n -= n;
}

/* Moves bytes of the last run to head; QF_ETOOLONG when it is full. */
static int32_t take(struct wire *w)
{
	size_t n = w->rest.n < STEP ? w->rest.n : STEP;

	if (w->n + n > WIRE_HEADER_MAX)
		return QF_ETOOLONG;
	if (reserve(w, n) < 0)
		return QF_ENOMEM;
	memcpy(w->head + w->n, w->rest.p, n);
	w->n += n;
	consume(&w->rest, n);
	return 0;
}

int32_t wire_open(struct wire *w, const struct qf_host *h, struct qf_msg *m)
{
	int32_t rc;

	*w = (struct wire){.h = h, .m = m};
	for (;;) {
		size_t from = w->n < 3 ? 0 : w->n - 3;

		if (w->rest.n == 0) {
			rc = h->crlf_next(m, &w->it, &w->rest);
			if (rc < 0)
				return rc;
			if (rc == 0)
				break;
			continue;
		}
		rc = take(w);
		if (rc < 0)
			return rc;
		if (find_end(w, from))
			return 0;
	}
	/* No empty line: all of it is header. */
	w->header = w->body = w->n;
	return 0;
}

void wire_close(struct wire *w)
{
	free(w->head);
	free(w->chunk);
	*w = (struct wire){0};
}

static bool is_wsp(char c)
{
	return c == ' ' || c == '\t';
}

/* The end of the field that starts at `at`: after its last CR LF. */
static size_t field_end(const struct wire *w, size_t at)
{
	do {
		const char *p = memmem(w->head + at, w->header - at, "\r\n", 2);

		if (p == NULL)
			return w->header;
		at = (size_t)(p - w->head) + 2;
	} while (at < w->header && is_wsp(w->head[at]));
	return at;
}

int32_t wire_field_next(const struct wire *w, size_t *at, struct wire_field *f)
{
	size_t end, name = 0;

	if (*at >= w->header)
		return 0;
	end = field_end(w, *at);
	f->raw.p = w->head + *at;
	f->raw.n = end - *at - 2;
	*at = end;
	if (memchr(f->raw.p, '\0', f->raw.n) != NULL)
		return QF_EFORMAT;
	while (name < f->raw.n && f->raw.p[name] > 32 && f->raw.p[name] < 127 &&
	       f->raw.p[name] != ':')
		name++;
	if (name == 0 || name == f->raw.n || f->raw.p[name] != ':')
		return QF_EFORMAT;
	f->name = (struct qf_span){f->raw.p, name};
	f->value = (struct qf_span){f->raw.p + name + 1, f->raw.n - name - 1};
	return 1;
}

/* Makes the last run one that holds bytes: 1, or 0 at the end. */
static int32_t refill(struct wire *w)
{
	while (w->rest.n == 0) {
		int32_t rc = w->h->crlf_next(w->m, &w->it, &w->rest);

		if (rc <= 0)
			return rc;
	}
	return 1;
}

int32_t wire_body_next(struct wire *w, struct qf_span *out)
{
	size_t n = 0;
	int32_t rc = 1;

	if (w->body < w->n) {
		*out = (struct qf_span){w->head + w->body, w->n - w->body};
		w->body = w->n;
		return 1;
	}
	if (w->chunk == NULL && (w->chunk = malloc(WIRE_CHUNK)) == NULL)
		return QF_ENOMEM;
	while (n < WIRE_CHUNK && (rc = refill(w)) > 0) {
		size_t part = WIRE_CHUNK - n;

		if (part > w->rest.n)
			part = w->rest.n;
		memcpy(w->chunk + n, w->rest.p, part);
		consume(&w->rest, part);
		n += part;
	}
	*out = (struct qf_span){w->chunk, n};
	return rc < 0 ? rc : n > 0;
}
