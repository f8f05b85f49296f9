/*
 * The mechanisms of libgsasl, and its base64. The library looks at what the
 * server sends; limits are set here.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "remote/auth/mech.h"

/* Gives memory of the library back without what it holds. */
static void wipe_free(char *p, size_t n)
{
	if (p == NULL)
		return;
	explicit_bzero(p, n);
	gsasl_free(p);
}

static int no_memory(struct qf_err *e)
{
	return qf_fail(e, QF_ENOMEM, "out of memory");
}

int qf_auth_encode(struct qf_span in, struct qf_buf *out, struct qf_err *e)
{
	char *text = NULL;
	size_t n = 0;

	if (in.n == 0)
		return 0;
	if (gsasl_base64_to(in.p, in.n, &text, &n) != GSASL_OK)
		return no_memory(e);
	qf_buf_reserve(out, n);
	qf_buf_add(out, text, n);
	wipe_free(text, n);
	return 0;
}

int qf_auth_decode(struct qf_span in, struct qf_buf *out, struct qf_err *e)
{
	char *bytes = NULL;
	size_t n = 0;
	int rc;

	if (in.n == 0)
		return 0;
	rc = gsasl_base64_from(in.p, in.n, &bytes, &n);
	if (rc == GSASL_MALLOC_ERROR)
		return no_memory(e);
	if (rc != GSASL_OK)
		return qf_fail(e, QF_EPROTO, "a challenge is no base64");
	qf_buf_add(out, bytes, n);
	gsasl_free(bytes);
	return 0;
}

/* The library hands out what it keeps only as constant; it is about to free
 * it, and does not overwrite it. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
	const char *value = gsasl_property_fast(session, property);

	if (value != NULL)
		explicit_bzero((void *)(uintptr_t)value, strlen(value));
}

void qf_auth_gsasl_end(struct qf_auth *a)
{
	if (a->session == NULL)
		return;
	wipe_property(a->session, GSASL_PASSWORD);
	wipe_property(a->session, GSASL_SCRAM_SALTED_PASSWORD);
	gsasl_finish(a->session);
	a->session = NULL;
}

void qf_auth_gsasl_free(struct qf_auth *a)
{
	qf_auth_gsasl_end(a);
	if (a->gsasl != NULL)
		gsasl_done(a->gsasl);
	a->gsasl = NULL;
}

/* SCRAM asks for the password when it is to be hashed so many times. */
static bool rounds_are_fit(struct qf_auth *a, Gsasl_session *session)
{
	const char *rounds = gsasl_property_fast(session, GSASL_SCRAM_ITER);
	unsigned least = a->secure ? 1 : QF_AUTH_ROUNDS_MIN;
	unsigned long long n;

	if (rounds == NULL || !qf_span_u64(qf_span(rounds), UINT64_MAX, &n))
		return false;
	if (n >= least && n <= QF_AUTH_ROUNDS_MAX)
		return true;
	a->rounds = n;
	return false;
}

static int callback(Gsasl *gsasl, Gsasl_session *session, Gsasl_property what)
{
	struct qf_auth *a = gsasl_callback_hook_get(gsasl);

	if (what == GSASL_AUTHID) {
		gsasl_property_set(session, what, a->spec.user);
		return GSASL_OK;
	}
	if (what != GSASL_PASSWORD)
		return GSASL_NO_CALLBACK;
	if (a->mech->flags & QF_MECH_PROVES && !rounds_are_fit(a, session))
		return GSASL_NO_PASSWORD;
	gsasl_property_set(session, what, a->spec.pass);
	return GSASL_OK;
}

static bool can_prepare(const char *s)
{
	char *prepared = NULL;

	if (gsasl_saslprep(s, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) !=
	    GSASL_OK)
		return false;
	wipe_free(prepared, strlen(prepared));
	return true;
}

static int start(struct qf_auth *a, struct qf_err *e)
{
	const char *name = a->mech->name;
	int rc = GSASL_OK;

	if (a->mech->flags & QF_MECH_PREPARE &&
	    !(can_prepare(a->spec.user) && can_prepare(a->spec.pass)))
		return qf_fail(e, QF_EINVAL,
		    "%s: user name and password must be UTF-8, without control "
		    "characters (SASLprep)",
		    name);
	if (a->gsasl == NULL)
		rc = gsasl_init(&a->gsasl);
	if (rc == GSASL_OK) {
		gsasl_callback_set(a->gsasl, callback);
		gsasl_callback_hook_set(a->gsasl, a);
		rc = gsasl_client_start(a->gsasl, name, &a->session);
	}
	if (rc == GSASL_MALLOC_ERROR)
		return no_memory(e);
	if (rc != GSASL_OK)
		return qf_fail(
		    e, QF_EINVAL, "%s: %s", name, gsasl_strerror(rc));
	return 0;
}

/* In words, what the library calls by a number. */
static int explain(
    struct qf_auth *a, int rc, struct qf_span in, struct qf_err *e)
{
	const char *name = a->mech->name;
	bool proves = a->mech->flags & QF_MECH_PROVES;

	if (rc == GSASL_MALLOC_ERROR)
		return no_memory(e);
	if (a->rounds != 0)
		return qf_fail(e, QF_EPROTO,
		    "%s: the server wants the password hashed %llu times; "
		    "allowed are %d to %d",
		    name, a->rounds, a->secure ? 1 : QF_AUTH_ROUNDS_MIN,
		    QF_AUTH_ROUNDS_MAX);
	if (proves && in.n > 2 && memcmp(in.p, "e=", 2) == 0) {
		qf_auth_keep_said(a, qf_span_n(in.p + 2, in.n - 2));
		return qf_fail(
		    e, QF_EPROTO, "%s: the server says: %s", name, a->said.s);
	}
	if (proves && rc == GSASL_AUTHENTICATION_ERROR && a->steps == 1)
		return qf_fail(e, QF_EPROTO,
		    "%s: the server does not answer to what was sent (its "
		    "nonce does not begin with ours)",
		    name);
	if (proves && rc == GSASL_AUTHENTICATION_ERROR)
		return qf_fail(e, QF_EPROTO,
		    "%s: the server does not know the password (its signature "
		    "is wrong), so it may be another one; nothing was sent",
		    name);
	return qf_fail(e, QF_EPROTO, "%s: challenge not understood: %s", name,
	    gsasl_strerror(rc));
}

static int step(
    struct qf_auth *a, struct qf_span in, struct qf_buf *out, struct qf_err *e)
{
	bool is_text = a->mech->flags & QF_MECH_PREPARE;
	char *answer = NULL;
	size_t n = 0;
	int rc;

	if (a->complete)
		return qf_auth_extra(a, e);
	/* LOGIN has prompts, which servers end as they like. */
	if (is_text && in.n > 0 && memchr(in.p, '\0', in.n) != NULL)
		return qf_fail(e, QF_EPROTO,
		    "%s: a challenge holds a zero byte", a->mech->name);
	if (is_text && in.n == 0 &&
	    (a->steps > 0 || a->mech->flags & QF_MECH_WAITS))
		return qf_fail(
		    e, QF_EPROTO, "%s: a challenge is empty", a->mech->name);
	rc = gsasl_step(a->session, in.p, in.n, &answer, &n);
	if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
		gsasl_free(answer);
		return explain(a, rc, in, e);
	}
	a->complete = rc == GSASL_OK;
	qf_buf_reserve(out, n);
	qf_buf_add(out, answer, n);
	wipe_free(answer, n);
	return 0;
}

const struct qf_auth_mech qf_mech_scram_sha256 = {.name = "SCRAM-SHA-256",
    .flags = QF_MECH_USER | QF_MECH_PASS | QF_MECH_PREPARE | QF_MECH_PROVES,
    .start = start,
    .step = step};

const struct qf_auth_mech qf_mech_scram_sha1 = {.name = "SCRAM-SHA-1",
    .flags = QF_MECH_USER | QF_MECH_PASS | QF_MECH_PREPARE | QF_MECH_PROVES,
    .start = start,
    .step = step};

const struct qf_auth_mech qf_mech_cram_md5 = {.name = "CRAM-MD5",
    .flags = QF_MECH_USER | QF_MECH_PASS | QF_MECH_PREPARE | QF_MECH_WAITS,
    .start = start,
    .step = step};

const struct qf_auth_mech qf_mech_plain = {.name = "PLAIN",
    .flags = QF_MECH_USER | QF_MECH_PASS | QF_MECH_CLEAR,
    .start = start,
    .step = step};

const struct qf_auth_mech qf_mech_login = {.name = "LOGIN",
    .flags = QF_MECH_USER | QF_MECH_PASS | QF_MECH_CLEAR | QF_MECH_WAITS,
    .start = start,
    .step = step};
