/*
 * Reads a request: its sections, in the record or apart, and what its caller
 * may say of the message.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/request_internal.h"
#include "lib/base/io.h"

/* Bytes of the sections of a request, and of the sections of all requests whose
 * callers are believed, or are not. The process that serves everybody reads
 * them: what takes long there, or much memory, takes it from all. */
static const struct {
	size_t one, all;
} most[] = {
    [false] = {1 << 20, 32 << 20},
    [true] = {QF_SPOOL_MEMORY, 256 << 20},
};

/* Of a descriptor that holds a section; QF_ENOSYS when it is not sealed
 * memory, as what is large. */
static int64_t section_size(int fd, struct qf_err *e)
{
	struct stat st;

	if (!qf_spool_is_sealed(fd) || fstat(fd, &st) < 0)
		return qf_fail(e, QF_ENOSYS,
		    "a section of the request is not in sealed memory");
	return st.st_size;
}

static int refuse_size(
    const struct qf_request *r, struct qf_refusal *why, struct qf_err *e)
{
	if (r->believed)
		return qf_fail(
		    e, QF_ENOSYS, "more than %zu bytes", most[true].one);
	*why = (struct qf_refusal){31, QF_REJECT, QF_CAT_SIZE,
	    "more recipients or variables than a user may give; send it in "
	    "parts"};
	return qf_fail(e, QF_ETOOLONG, "more than %zu bytes", most[false].one);
}

/* Is there room for its sections? */
static int weigh(struct qf_request *r, const struct qf_asked *ask,
    const int *apart, size_t napart, struct qf_refusal *why, struct qf_err *e)
{
	size_t n = ask->envelope.n + ask->words.n + ask->environment.n;

	for (size_t i = 0; i < napart; i++) {
		int64_t more = section_size(apart[i], e);

		if (more < 0)
			return e->rc;
		if (more > (int64_t)most[true].one)
			return refuse_size(r, why, e);
		n += (size_t)more;
	}
	if (n > most[r->believed].one)
		return refuse_size(r, why, e);
	if (n > most[r->believed].all - r->d->held[r->believed]) {
		*why = (struct qf_refusal){71, QF_DEFER, QF_CAT_RESOURCE,
		    "too many recipients wait here; try again later"};
		return qf_fail(e, QF_ENOMEM, "%s", why->text);
	}
	r->held = n;
	r->d->held[r->believed] += n;
	return 0;
}

/* A section that came by descriptor. */
static int take_apart(struct qf_buf *out, int fd, struct qf_err *e)
{
	struct qf_map map;

	if (qf_map_fd(&map, fd, e) < 0)
		return e->rc;
	qf_buf_add(out, map.p, map.n);
	qf_map_free(&map);
	return 0;
}

static int take_words(struct qf_request *r, const struct qf_asked *ask,
    int apart, struct qf_err *e)
{
	struct qf_buf both = QF_BUF_INIT;
	int rc = 0;

	qf_buf_addspan(&r->words, ask->words);
	qf_buf_addspan(&r->environment, ask->environment);
	if (apart < 0)
		return 0;
	rc = take_apart(&both, apart, e);
	if (rc == 0 &&
	    (both.len != (size_t)ask->head.words + ask->head.environment ||
		(both.len > 0 && both.s[both.len - 1] != '\0')))
		rc = qf_fail(e, QF_EPROTO, "words of another length");
	if (rc == 0) {
		qf_buf_add(&r->words, both.s, ask->head.words);
		qf_buf_add(&r->environment, both.s + ask->head.words,
		    ask->head.environment);
	}
	qf_buf_free(&both);
	return rc;
}

static int take_envelope(struct qf_request *r, const struct qf_asked *ask,
    int apart, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc;

	if (apart < 0)
		return qf_envelope_parse(&r->envelope, ask->envelope, e);
	rc = take_apart(&bytes, apart, e);
	if (rc == 0)
		rc = qf_envelope_parse(&r->envelope, qf_buf_span(&bytes), e);
	qf_buf_free(&bytes);
	return rc;
}

/* What the caller may say. Workers get what is left of it. */
static void filter_words(struct qf_request *r)
{
	struct qf_caller *c = &r->setup.caller;
	struct qf_span words = qf_buf_span(&r->words), one;
	struct qf_buf left = QF_BUF_INIT;

	c->met = true;
	c->uid = r->uid;
	c->believed = r->believed;
	while (qf_span_cut(&words, '\0', &one))
		qf_strv_add_span(&r->argv, one);
	if (!r->believed)
		qf_buf_free(&r->words);
	qf_environ_add(&r->environ, qf_buf_span(&r->environment));
	if (r->environ.v == NULL)
		return;
	c->ndropped = qf_trust_filter(r->environ.v, c->believed, &c->dropped);
	qf_environ_recount(&r->environ);
	for (size_t i = 0; i < r->environ.n; i++)
		qf_buf_addz(&left, r->environ.v[i]);
	qf_buf_free(&r->environment);
	r->environment = left;
}

int qf_request_take(struct qf_request *r, const struct qf_asked *ask, int *fds,
    size_t nfds, struct qf_refusal *why, struct qf_err *e)
{
	size_t want = 1, envelope = 0, words = 0;

	if (ask->head.kind != QF_ASK_FILTER)
		return qf_fail(e, QF_EPROTO, "no such request");
	if (ask->head.flags & QF_ASK_ENVELOPE_FD)
		envelope = want++;
	if (ask->head.flags & QF_ASK_WORDS_FD)
		words = want++;
	if (nfds != want)
		return qf_fail(e, QF_EPROTO,
		    "a request with %zu descriptors instead of %zu", nfds,
		    want);
	r->message = fds[0];
	fds[0] = -1;
	if (weigh(r, ask, fds + 1, want - 1, why, e) < 0 ||
	    take_words(r, ask, words > 0 ? fds[words] : -1, e) < 0)
		return e->rc;
	filter_words(r);
	return take_envelope(r, ask, envelope > 0 ? fds[envelope] : -1, e);
}
