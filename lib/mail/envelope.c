#include "lib/mail/envelope.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/mail/addr.h"

/* From more bytes than this on it is clear whether a record is an attribute. */
enum {
	ATTR_KEY_MAX = 16
};

/* Where a walk over the bytes of an envelope stands. It takes them in runs of
 * any length, so that an envelope is never in memory twice. */
struct scan {
	enum {
		AT_START,
		IN_SENDER,
		AT_RECORD,
		IN_RCPT,
		IN_TAIL,
		SKIPPING /* the rest of a record of the tail */
	} state;
	size_t len;         /* of the address so far */
	struct qf_buf tail; /* the record so far that may be an attribute */
};

/* clang-format off */
#define SCAN_INIT {.state = AT_START, .tail = QF_BUF_INIT}
/* clang-format on */

void qf_envelope_free(struct qf_envelope *env)
{
	qf_buf_free(&env->bytes);
	free(env->rcpt);
	qf_attrs_free(&env->attrs);
	*env = (struct qf_envelope)QF_ENVELOPE_INIT;
}

static void empty(struct qf_envelope *env)
{
	qf_buf_reset(&env->bytes);
	env->sender = 0;
	env->nrcpt = 0;
	qf_attrs_free(&env->attrs);
}

static void reserve_rcpt(struct qf_envelope *env, size_t n)
{
	if (env->cap - env->nrcpt >= n)
		return;
	env->cap =
	    env->cap * 2 > env->nrcpt + n ? env->cap * 2 : env->nrcpt + n;
	env->rcpt = qf_realloc_array(env->rcpt, env->cap, sizeof *env->rcpt);
}

void qf_envelope_copy(struct qf_envelope *to, const struct qf_envelope *from)
{
	empty(to);
	qf_buf_addspan(&to->bytes, qf_buf_span(&from->bytes));
	to->sender = from->sender;
	reserve_rcpt(to, from->nrcpt);
	for (size_t i = 0; i < from->nrcpt; i++)
		to->rcpt[i] = from->rcpt[i];
	to->nrcpt = from->nrcpt;
	qf_attrs_copy(&to->attrs, &from->attrs);
}

static void begin_rcpt(struct qf_envelope *env)
{
	reserve_rcpt(env, 1);
	env->rcpt[env->nrcpt++] = env->bytes.len;
}

/* One byte where a record starts. */
static int take_letter(
    struct scan *sc, struct qf_envelope *env, char c, struct qf_err *e)
{
	if (sc->state == AT_START && c == 'F') {
		sc->state = IN_SENDER;
	} else if (sc->state == AT_RECORD && c == 'T') {
		sc->state = IN_RCPT;
		begin_rcpt(env);
	} else if (sc->state == AT_RECORD && (c == '\0' || c == 'Q')) {
		sc->state = IN_TAIL;
	} else {
		return qf_fail(e, QF_EFORMAT,
		    "envelope: byte 0x%02x where %s must start",
		    (unsigned)(unsigned char)c,
		    sc->state == AT_START ? "the sender (F)"
					  : "a recipient (T)");
	}
	sc->len = 0;
	return 0;
}

/* Takes the address, or as much of it as *rest holds. */
static int take_address(struct scan *sc, struct qf_envelope *env,
    struct qf_span *rest, struct qf_err *e)
{
	const char *end = memchr(rest->p, '\0', rest->n);
	size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;

	if (n > QF_ADDR_MAX - sc->len)
		return qf_fail(e, QF_ETOOLONG,
		    "envelope: an address is longer than %d bytes",
		    QF_ADDR_MAX);
	sc->len += n;
	if (end != NULL) {
		n++;
		sc->state = AT_RECORD;
	}
	if (qf_buf_add(&env->bytes, rest->p, n) < 0 ||
	    env->bytes.len > QF_ENVELOPE_MAX)
		return qf_fail(e, QF_ENOMEM,
		    "envelope: the addresses are longer than %d bytes",
		    QF_ENVELOPE_MAX);
	rest->p += n;
	rest->n -= n;
	return 0;
}

/* A whole record of the tail: it counts when it is an attribute. */
static int end_tail(struct scan *sc, struct qf_envelope *env, struct qf_err *e)
{
	struct qf_span record = qf_buf_span(&sc->tail);
	int rc = 0;

	if (qf_attrs_is_known(record))
		rc = qf_attrs_add(&env->attrs, record, e);
	if (rc < 0)
		qf_err_context(e, "envelope");
	qf_buf_reset(&sc->tail);
	return rc;
}

/* Takes a record behind the list, or as much of it as *rest holds and may be
 * an attribute. */
static int take_tail(struct scan *sc, struct qf_envelope *env,
    struct qf_span *rest, struct qf_err *e)
{
	const char *end = memchr(rest->p, '\0', rest->n);
	size_t n = end != NULL ? (size_t)(end - rest->p) : rest->n;
	size_t room = QF_ATTRS_BYTES + 1 - sc->tail.len;

	if (sc->state == IN_TAIL)
		qf_buf_add(&sc->tail, rest->p, n < room ? n : room);
	if (sc->tail.len > ATTR_KEY_MAX &&
	    !qf_attrs_is_known(qf_buf_span(&sc->tail))) {
		sc->state = SKIPPING;
		qf_buf_reset(&sc->tail);
	}
	rest->p += n + (end != NULL);
	rest->n -= n + (end != NULL);
	if (end == NULL)
		return 0;
	sc->state = IN_TAIL;
	return end_tail(sc, env, e);
}

static int feed(struct scan *sc, struct qf_envelope *env, struct qf_span rest,
    struct qf_err *e)
{
	int rc = 0;

	while (rc == 0 && rest.n > 0) {
		if (sc->state == IN_SENDER || sc->state == IN_RCPT) {
			rc = take_address(sc, env, &rest, e);
		} else if (sc->state >= IN_TAIL) {
			rc = take_tail(sc, env, &rest, e);
		} else {
			rc = take_letter(sc, env, *rest.p++, e);
			rest.n--;
		}
	}
	return rc;
}

/* An attribute that is cut off is none that may be overlooked. */
static int finish(const struct scan *sc, struct qf_err *e)
{
	static const char *const wanted[] = {
	    [AT_START] = "the sender",
	    [IN_SENDER] = "the end of the sender",
	    [AT_RECORD] = "the last zero byte",
	    [IN_RCPT] = "the end of a recipient",
	    [IN_TAIL] = "the end of an attribute",
	};

	if (sc->state == SKIPPING ||
	    (sc->state == IN_TAIL &&
		!qf_attrs_is_known(qf_buf_span(&sc->tail))))
		return 0;
	return qf_fail(
	    e, QF_EREAD, "envelope: ends before %s", wanted[sc->state]);
}

int qf_envelope_parse(
    struct qf_envelope *env, struct qf_span bytes, struct qf_err *e)
{
	struct scan sc = SCAN_INIT;
	int rc;

	empty(env);
	rc = feed(&sc, env, bytes, e);
	if (rc == 0)
		rc = finish(&sc, e);
	if (rc < 0)
		empty(env);
	qf_buf_free(&sc.tail);
	return rc;
}

int qf_envelope_read(struct qf_envelope *env, int fd, struct qf_err *e)
{
	struct scan sc = SCAN_INIT;
	char chunk[QF_IO_CHUNK];
	int rc = 0;

	empty(env);
	while (rc == 0) {
		ssize_t r = qf_read(fd, chunk, sizeof chunk);

		if (r < 0)
			rc = qf_fail_sys(e, QF_EREAD, "envelope: read");
		if (r <= 0)
			break;
		rc = feed(&sc, env, qf_span_n(chunk, (size_t)r), e);
	}
	if (rc == 0)
		rc = finish(&sc, e);
	if (rc < 0)
		empty(env);
	qf_buf_free(&sc.tail);
	return rc;
}

static void format_record(struct qf_buf *out, char letter, const char *addr)
{
	qf_buf_addc(out, letter);
	qf_buf_add(out, addr, strlen(addr) + 1);
}

void qf_envelope_format(const struct qf_envelope *env, struct qf_buf *out)
{
	qf_buf_reserve(out, env->bytes.len + env->nrcpt + 3);
	format_record(out, 'F', qf_envelope_sender(env));
	for (size_t i = 0; i < env->nrcpt; i++)
		format_record(out, 'T', qf_envelope_rcpt(env, i));
	qf_buf_addc(out, '\0');
}

void qf_envelope_format_attrs(const struct qf_envelope *env, struct qf_buf *out)
{
	const struct qf_strv *list = &env->attrs.list;

	qf_envelope_format(env, out);
	for (size_t i = 0; i < list->n; i++)
		qf_buf_add(out, list->v[i], strlen(list->v[i]) + 1);
}

static int spool(
    const struct qf_buf *bytes, struct qf_spool *out, struct qf_err *e)
{
	int rc = qf_spool_open(out, e);

	if (rc == 0)
		rc = qf_spool_write(out, bytes->s, bytes->len, e);
	if (rc == 0)
		rc = qf_spool_finish(out, e);
	if (rc < 0)
		qf_spool_close(out);
	return rc;
}

int qf_envelope_spool(
    const struct qf_envelope *env, struct qf_spool *out, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	qf_envelope_format(env, &b);
	rc = spool(&b, out, e);
	qf_buf_free(&b);
	return rc;
}

int qf_envelope_spool_attrs(
    const struct qf_envelope *env, struct qf_spool *out, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	qf_envelope_format_attrs(env, &b);
	rc = spool(&b, out, e);
	qf_buf_free(&b);
	return rc;
}

const char *qf_envelope_sender(const struct qf_envelope *env)
{
	return env->bytes.s + env->sender;
}

const char *qf_envelope_rcpt(const struct qf_envelope *env, size_t i)
{
	assert(i < env->nrcpt);
	return env->bytes.s + env->rcpt[i];
}

/* Appends an address with its zero byte; it may lie in env itself. */
static int append(struct qf_envelope *env, struct qf_span addr, size_t *at)
{
	char copy[QF_ADDR_MAX + 1];

	if (addr.n > QF_ADDR_MAX)
		return QF_ETOOLONG;
	if (addr.n > 0 && memchr(addr.p, '\0', addr.n) != NULL)
		return QF_EINVAL;
	if (addr.n > 0)
		memcpy(copy, addr.p, addr.n);
	copy[addr.n] = '\0';
	/* Offset 0 is the empty sender until another one is set. */
	if (env->bytes.len == 0)
		qf_buf_addc(&env->bytes, '\0');
	*at = env->bytes.len;
	qf_buf_add(&env->bytes, copy, addr.n + 1);
	return 0;
}

int qf_envelope_set_sender(struct qf_envelope *env, struct qf_span addr)
{
	return append(env, addr, &env->sender);
}

int qf_envelope_add_rcpt(struct qf_envelope *env, struct qf_span addr)
{
	size_t at;
	int rc = append(env, addr, &at);

	if (rc < 0)
		return rc;
	reserve_rcpt(env, 1);
	env->rcpt[env->nrcpt++] = at;
	return 0;
}

void qf_envelope_drop_rcpt(struct qf_envelope *env, size_t i)
{
	assert(i < env->nrcpt);
	env->nrcpt--;
	memmove(env->rcpt + i, env->rcpt + i + 1,
	    (env->nrcpt - i) * sizeof *env->rcpt);
}

void qf_envelope_redirect(struct qf_envelope *env, const char *addr)
{
	env->nrcpt = 0;
	qf_envelope_add_rcpt(env, qf_span(addr));
}
