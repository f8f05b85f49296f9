#include "lib/mail/envelope.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "lib/mail/addr.h"

/* Where a walk over the bytes of an envelope stands. It takes them in runs of
 * any length, so that an envelope is never in memory twice. */
struct scan {
	enum {
		AT_START,
		IN_SENDER,
		AT_RECORD,
		IN_RCPT,
		AT_END
	} state;
	size_t len; /* of the address so far */
};

void qf_envelope_free(struct qf_envelope *env)
{
	qf_buf_free(&env->bytes);
	free(env->rcpt);
	*env = (struct qf_envelope)QF_ENVELOPE_INIT;
}

static void empty(struct qf_envelope *env)
{
	qf_buf_reset(&env->bytes);
	env->sender = 0;
	env->nrcpt = 0;
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
		sc->state = AT_END;
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

static int feed(struct scan *sc, struct qf_envelope *env, struct qf_span rest,
    struct qf_err *e)
{
	int rc = 0;

	while (rc == 0 && rest.n > 0 && sc->state != AT_END) {
		if (sc->state == IN_SENDER || sc->state == IN_RCPT) {
			rc = take_address(sc, env, &rest, e);
		} else {
			rc = take_letter(sc, env, *rest.p++, e);
			rest.n--;
		}
	}
	return rc;
}

static int finish(const struct scan *sc, struct qf_err *e)
{
	static const char *const wanted[] = {
	    [AT_START] = "the sender",
	    [IN_SENDER] = "the end of the sender",
	    [AT_RECORD] = "the last zero byte",
	    [IN_RCPT] = "the end of a recipient",
	};

	if (sc->state == AT_END)
		return 0;
	return qf_fail(
	    e, QF_EREAD, "envelope: ends before %s", wanted[sc->state]);
}

int qf_envelope_parse(
    struct qf_envelope *env, struct qf_span bytes, struct qf_err *e)
{
	struct scan sc = {.state = AT_START};
	int rc;

	empty(env);
	rc = feed(&sc, env, bytes, e);
	if (rc == 0)
		rc = finish(&sc, e);
	if (rc < 0)
		empty(env);
	return rc;
}

int qf_envelope_read(struct qf_envelope *env, int fd, struct qf_err *e)
{
	struct scan sc = {.state = AT_START};
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

int qf_envelope_spool(
    const struct qf_envelope *env, struct qf_spool *out, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT;
	int rc;

	qf_envelope_format(env, &b);
	rc = qf_spool_open(out, e);
	if (rc == 0)
		rc = qf_spool_write(out, b.s, b.len, e);
	if (rc == 0)
		rc = qf_spool_finish(out, e);
	if (rc < 0)
		qf_spool_close(out);
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
