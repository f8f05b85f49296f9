/*
 * What libgsasl does not have: XOAUTH2 as Google and Microsoft speak it, and
 * OAUTHBEARER (RFC 7628); and EXTERNAL (RFC 4422 appendix A). Each is one line.
 */
#include <string.h>

#include "remote/auth/mech.h"

#define SEPARATOR "\001"

/* A name in a GS2 header (RFC 5801): its separators are written otherwise. */
static void add_saslname(struct qf_buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		if (*name == ',')
			qf_buf_adds(out, "=2C");
		else if (*name == '=')
			qf_buf_adds(out, "=3D");
		else
			qf_buf_addc(out, *name);
	}
}

static void add_bearer(const struct qf_auth *a, struct qf_buf *out)
{
	qf_buf_adds(out, "auth=Bearer ");
	qf_buf_adds(out, a->spec.token);
	qf_buf_adds(out, SEPARATOR SEPARATOR);
}

/* The server explains why the token is refused, and waits for an answer that
 * says no more. */
static int take_refusal(struct qf_auth *a, struct qf_span in, struct qf_err *e)
{
	if (!a->complete)
		return qf_auth_extra(a, e);
	a->complete = false;
	qf_auth_keep_said(a, in);
	return 0;
}

static void reserve(const struct qf_auth *a, struct qf_buf *out)
{
	/* At once: what grows leaves copies of the token behind. */
	qf_buf_reserve(
	    out, 3 * (a->spec.user != NULL ? strlen(a->spec.user) : 0) +
		     strlen(a->spec.token) +
		     (a->spec.host != NULL ? strlen(a->spec.host) : 0) + 100);
}

static int xoauth2_step(
    struct qf_auth *a, struct qf_span in, struct qf_buf *out, struct qf_err *e)
{
	if (a->steps > 0)
		return take_refusal(a, in, e);
	reserve(a, out);
	qf_buf_adds(out, "user=");
	qf_buf_adds(out, a->spec.user);
	qf_buf_adds(out, SEPARATOR);
	add_bearer(a, out);
	a->complete = true;
	return 0;
}

static int oauthbearer_step(
    struct qf_auth *a, struct qf_span in, struct qf_buf *out, struct qf_err *e)
{
	const struct qf_auth_spec *spec = &a->spec;

	if (a->steps > 0) {
		qf_buf_adds(out, SEPARATOR);
		return take_refusal(a, in, e);
	}
	reserve(a, out);
	qf_buf_adds(out, "n,");
	if (spec->user != NULL) {
		qf_buf_adds(out, "a=");
		add_saslname(out, spec->user);
	}
	qf_buf_adds(out, "," SEPARATOR);
	if (spec->host != NULL && strstr(spec->host, SEPARATOR) == NULL)
		qf_buf_addf(out, "host=%s" SEPARATOR, spec->host);
	if (spec->port != 0)
		qf_buf_addf(out, "port=%u" SEPARATOR, spec->port);
	add_bearer(a, out);
	a->complete = true;
	return 0;
}

/* The certificate says who we are; the user name, whose rights we want. */
static int external_step(
    struct qf_auth *a, struct qf_span in, struct qf_buf *out, struct qf_err *e)
{
	(void)in;
	if (a->steps > 0)
		return qf_auth_extra(a, e);
	if (a->spec.user != NULL)
		qf_buf_adds(out, a->spec.user);
	a->complete = true;
	return 0;
}

const struct qf_auth_mech qf_mech_xoauth2 = {.name = "XOAUTH2",
    .flags = QF_MECH_USER | QF_MECH_TOKEN | QF_MECH_CLEAR,
    .step = xoauth2_step};

const struct qf_auth_mech qf_mech_oauthbearer = {.name = "OAUTHBEARER",
    .flags = QF_MECH_TOKEN | QF_MECH_CLEAR,
    .step = oauthbearer_step};

const struct qf_auth_mech qf_mech_external = {
    .name = "EXTERNAL", .flags = QF_MECH_TLS, .step = external_step};
