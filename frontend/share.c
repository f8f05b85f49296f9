#include "frontend/share.h"

#include <stdlib.h>
#include <string.h>

void qf_share_free(struct qf_share *s)
{
	free(s->v);
	qf_arena_free(&s->arena);
	*s = (struct qf_share){0};
}

const struct qf_share_record *qf_share_next(
    const struct qf_share *s, enum qf_share_kind kind, size_t *at)
{
	while (*at < s->n) {
		const struct qf_share_record *r = &s->v[(*at)++];

		if (r->kind == kind)
			return r;
	}
	return NULL;
}

const struct qf_share_record *qf_share_find(
    const struct qf_share *s, enum qf_share_kind kind, const char *key)
{
	const struct qf_share_record *r;
	size_t at = 0;

	while ((r = qf_share_next(s, kind, &at)) != NULL) {
		if (strcmp(r->key, key) == 0)
			return r;
	}
	return NULL;
}

static size_t size_of(const char *key, struct qf_span value)
{
	return strlen(key) + value.n;
}

/* What is replaced stays in the arena: it counts, so that the limit bounds the
 * memory and not only what is visible. */
int qf_share_put(struct qf_share *s, enum qf_share_kind kind, const char *key,
    struct qf_span value)
{
	const struct qf_share_record *old =
	    kind == QF_SHARE_AUTHRES ? NULL : qf_share_find(s, kind, key);
	size_t n = size_of(key, value);
	struct qf_share_record *r;

	if (n > QF_SHARE_MAX - s->bytes ||
	    (old == NULL && s->n == QF_SHARE_RECORDS))
		return QF_ENOMEM;
	if (old == NULL && s->n == s->cap) {
		s->cap = s->cap == 0 ? 8 : s->cap * 2;
		s->v = qf_realloc_array(s->v, s->cap, sizeof *s->v);
	}
	r = old != NULL ? &s->v[old - s->v] : &s->v[s->n++];
	*r = (struct qf_share_record){.kind = kind,
	    .key = qf_arena_strdup(&s->arena, key),
	    .value = qf_span_n(
		qf_arena_strndup(&s->arena, value.p, value.n), value.n)};
	s->bytes += n;
	return 0;
}

void qf_share_score(struct qf_share *s, int64_t millipoints)
{
	if (__builtin_add_overflow(s->score, millipoints, &s->score))
		s->score = millipoints > 0 ? INT64_MAX : INT64_MIN;
}

bool qf_share_fits(const struct qf_share *to, const struct qf_share *more)
{
	return more->bytes <= QF_SHARE_MAX - to->bytes &&
	       more->n <= QF_SHARE_RECORDS - to->n;
}

void qf_share_merge(struct qf_share *to, const struct qf_share *more)
{
	qf_share_score(to, more->score);
	for (size_t i = 0; i < more->n; i++)
		qf_share_put(
		    to, more->v[i].kind, more->v[i].key, more->v[i].value);
}

static void put_u64(struct qf_buf *b, uint64_t n)
{
	qf_buf_add(b, &n, sizeof n);
}

/* Score, then for each record kind, length of key, length of value, key and
 * value: read on the machine that wrote it. */
void qf_share_format(const struct qf_share *s, struct qf_buf *out)
{
	put_u64(out, (uint64_t)s->score);
	for (size_t i = 0; i < s->n; i++) {
		const struct qf_share_record *r = &s->v[i];

		put_u64(out, r->kind);
		put_u64(out, strlen(r->key));
		put_u64(out, r->value.n);
		qf_buf_adds(out, r->key);
		qf_buf_addspan(out, r->value);
	}
}

static bool take(struct qf_span *s, void *p, size_t n)
{
	if (s->n < n)
		return false;
	memcpy(p, s->p, n);
	*s = qf_span_n(s->p + n, s->n - n);
	return true;
}

static bool take_record(struct qf_share *s, struct qf_span *bytes)
{
	uint64_t head[3];
	char key[256];
	struct qf_span value;

	if (!take(bytes, head, sizeof head) || head[0] < QF_SHARE_NOTE ||
	    head[0] > QF_SHARE_STRIPPED || head[1] >= sizeof key ||
	    !take(bytes, key, head[1]) || head[2] > bytes->n ||
	    memchr(key, '\0', head[1]) != NULL)
		return false;
	key[head[1]] = '\0';
	value = qf_span_n(bytes->p, head[2]);
	*bytes = qf_span_n(bytes->p + head[2], bytes->n - head[2]);
	return qf_share_put(s, (enum qf_share_kind)head[0], key, value) == 0;
}

int qf_share_parse(struct qf_share *s, struct qf_span bytes, struct qf_err *e)
{
	qf_share_free(s);
	if (!take(&bytes, &s->score, sizeof s->score))
		return qf_fail(e, QF_EPROTO, "notes end early");
	while (bytes.n > 0) {
		if (!take_record(s, &bytes)) {
			qf_share_free(s);
			return qf_fail(e, QF_EPROTO, "notes are damaged");
		}
	}
	return 0;
}
