#include "remote/auth/auth.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "remote/auth/mech.h"
#include "remote/auth/secret.h"
#include "remote/smtp/reply.h"

enum {
	USER_MAX = 1024,
	CANDIDATES_MAX = 32,
	COMMAND_BYTES = 32 /* of `AUTH` and the name in front of a response */
};

/* The strongest first: SCRAM shows nothing and proves the server; a token is
 * good for an hour; CRAM-MD5 hides a password that then is good for ever. The
 * last one is for those who ask for it. */
static const struct qf_auth_mech *const mechs[] = {&qf_mech_scram_sha256,
    &qf_mech_scram_sha1, &qf_mech_oauthbearer, &qf_mech_xoauth2,
    &qf_mech_cram_md5, &qf_mech_plain, &qf_mech_login, &qf_mech_external};

enum {
	MECHS = sizeof mechs / sizeof *mechs,
	DEFAULTS = MECHS - 1
};

bool qf_auth_is_wanted(const struct qf_auth_spec *spec)
{
	return spec->user != NULL || spec->pass != NULL ||
	       spec->token != NULL || spec->external || spec->login ||
	       spec->mechanisms != NULL;
}

/* what the spec says */

/* The next name of the list in *word; false at its end. */
static bool next_name(struct qf_span *rest, struct qf_span *word)
{
	static const char separators[] = ", \t";
	size_t n;

	while (rest->n > 0 && strchr(separators, rest->p[0]) != NULL) {
		rest->p++;
		rest->n--;
	}
	n = rest->n > 0 ? strcspn(rest->p, separators) : 0;
	*word = qf_span_n(rest->p, n);
	rest->p += n;
	rest->n -= n;
	return n > 0;
}

static const struct qf_auth_mech *find(struct qf_span name)
{
	for (size_t i = 0; i < MECHS; i++) {
		if (qf_span_iis(name, mechs[i]->name))
			return mechs[i];
	}
	return NULL;
}

static bool has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || *s == 127)
			return true;
	}
	return false;
}

/* RFC 6749 appendix A.12; a blank would end it. */
static bool is_token(const char *s)
{
	for (const char *p = s; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 127)
			return false;
	}
	return *s != '\0';
}

static void add_word(struct qf_buf *out, const char *word)
{
	qf_buf_addf(out, "%s%s", out->len > 0 ? " " : "", word);
}

static int check_names(const struct qf_auth_spec *spec, struct qf_err *e)
{
	struct qf_span rest = qf_span(spec->mechanisms), word;
	struct qf_buf known = QF_BUF_INIT;
	int rc = 0, n = 0;

	while (rc == 0 && next_name(&rest, &word)) {
		if (find(word) == NULL || ++n > CANDIDATES_MAX)
			rc = QF_EINVAL;
	}
	if (rc == 0 && n == 0)
		word = qf_span("nothing");
	if (rc < 0 || n == 0) {
		for (size_t i = 0; i < MECHS; i++)
			add_word(&known, mechs[i]->name);
		rc = qf_fail(e, QF_EINVAL, "option auth: %.*s: not one of %s",
		    word.n > 40 ? 40 : (int)word.n, word.p, known.s);
	}
	qf_buf_free(&known);
	return rc;
}

static int check_words(const struct qf_auth_spec *spec, struct qf_err *e)
{
	if (spec->user != NULL &&
	    (has_control(spec->user) || strlen(spec->user) > USER_MAX))
		return qf_fail(e, QF_EINVAL,
		    "option user: it is longer than %d bytes or holds a "
		    "control character",
		    USER_MAX);
	if (spec->pass != NULL && strlen(spec->pass) > QF_SECRET_MAX)
		return qf_fail(e, QF_EINVAL,
		    "the password is longer than %d bytes", QF_SECRET_MAX);
	if (spec->token == NULL)
		return 0;
	if (!is_token(spec->token) || strlen(spec->token) > QF_SECRET_MAX)
		return qf_fail(e, QF_EINVAL,
		    "the OAuth token is empty, longer than %d bytes, or holds "
		    "other characters than printable ASCII",
		    QF_SECRET_MAX);
	return 0;
}

/* What may be tried, in order: their number. */
static size_t candidates(const struct qf_auth_spec *spec,
    const struct qf_auth_mech *out[CANDIDATES_MAX])
{
	struct qf_span rest, word;
	size_t n = 0;

	if (spec->external) {
		out[n++] = &qf_mech_external;
	} else if (spec->login) {
		out[n++] = &qf_mech_login;
	} else if (spec->mechanisms != NULL) {
		rest = qf_span(spec->mechanisms);
		while (n < CANDIDATES_MAX && next_name(&rest, &word))
			out[n++] = find(word);
	} else {
		for (; n < DEFAULTS; n++)
			out[n] = mechs[n];
	}
	return n;
}

static bool has_what_it_needs(
    const struct qf_auth_spec *spec, const struct qf_auth_mech *m)
{
	return (!(m->flags & QF_MECH_USER) || spec->user != NULL) &&
	       (!(m->flags & QF_MECH_PASS) || spec->pass != NULL) &&
	       (!(m->flags & QF_MECH_TOKEN) || spec->token != NULL);
}

/* Is there one that has all it needs? */
static int check_needs(const struct qf_auth_spec *spec, struct qf_err *e)
{
	const struct qf_auth_mech *list[CANDIDATES_MAX];
	size_t n = candidates(spec, list);
	struct qf_buf names = QF_BUF_INIT;
	int rc = QF_EINVAL;

	for (size_t i = 0; i < n && rc < 0; i++) {
		if (has_what_it_needs(spec, list[i]))
			rc = 0;
		add_word(&names, list[i]->name);
	}
	if (rc < 0)
		qf_fail(e, rc,
		    "authentication by %s needs more: give user and pass or "
		    "pass-file, or user and oauth-token-file",
		    names.s);
	qf_buf_free(&names);
	return rc;
}

int qf_auth_check(const struct qf_auth_spec *spec, struct qf_err *e)
{
	if (spec->external + spec->login + (spec->mechanisms != NULL) > 1)
		return qf_fail(e, QF_EINVAL,
		    "of the options auth, auth-external and auth-login only "
		    "one can be given");
	if (spec->mechanisms != NULL && check_names(spec, e) < 0)
		return QF_EINVAL;
	if (spec->pass != NULL && spec->user == NULL)
		return qf_fail(e, QF_EINVAL,
		    "there is a password and no user name: give user=NAME");
	if (check_needs(spec, e) < 0)
		return QF_EINVAL;
	return check_words(spec, e);
}

/* the choice */

struct qf_auth *qf_auth_new(const struct qf_auth_spec *spec)
{
	struct qf_auth *a = qf_alloc(sizeof *a);

	*a = (struct qf_auth){
	    .spec = *spec, .said = QF_BUF_INIT, .shown = QF_BUF_INIT};
	return a;
}

/* As after qf_auth_new(), but that the library stays loaded. */
static void reset(struct qf_auth *a)
{
	qf_auth_gsasl_end(a);
	qf_buf_reset(&a->said);
	qf_secret_wipe(&a->shown);
	a->mech = NULL;
	a->steps = 0;
	a->rounds = 0;
	a->complete = a->failed = false;
}

void qf_auth_free(struct qf_auth **ap)
{
	struct qf_auth *a = *ap;

	if (a == NULL)
		return;
	reset(a);
	qf_auth_gsasl_free(a);
	qf_buf_free(&a->said);
	free(a);
	*ap = NULL;
}

static bool is_offered(const struct qf_auth *a, const struct qf_strv *offered,
    const struct qf_auth_mech *m)
{
	for (size_t i = 0; i < offered->n; i++) {
		if (qf_span_iis(qf_span(offered->v[i]), m->name))
			return true;
	}
	return a->spec.login;
}

static bool needs_tls(const struct qf_auth *a, const struct qf_auth_mech *m)
{
	if (a->secure)
		return false;
	return m->flags & QF_MECH_TLS ||
	       (m->flags & QF_MECH_CLEAR && !a->spec.cleartext);
}

/* What is known of those that were passed over. */
struct search {
	struct qf_buf able;    /* ours, whether offered or not */
	struct qf_buf unsafe;  /* offered, but without TLS */
	bool shows;            /* one of them for the secret's sake */
	struct qf_err trouble; /* of one that could not start */
};

/* Is it the one? */
static bool consider(struct qf_auth *a, struct search *s,
    const struct qf_strv *offered, const struct qf_auth_mech *m)
{
	struct qf_err e = {0};

	if (!has_what_it_needs(&a->spec, m))
		return false;
	add_word(&s->able, m->name);
	if (!is_offered(a, offered, m))
		return false;
	if (needs_tls(a, m)) {
		add_word(&s->unsafe, m->name);
		s->shows |= (m->flags & QF_MECH_CLEAR) != 0;
		return false;
	}
	a->mech = m;
	if (m->start == NULL || m->start(a, &e) == 0)
		return true;
	a->mech = NULL;
	if (s->trouble.rc == 0)
		s->trouble = e;
	return false;
}

static int unsafe_only(const struct search *s, struct qf_err *e)
{
	if (!s->shows)
		return qf_fail(e, QF_EINVAL,
		    "%s needs the certificate of a TLS connection: use tls or "
		    "starttls",
		    s->unsafe.s);
	return qf_fail(e, QF_EINVAL,
	    "of what the server offers, %s would send the secret in clear: "
	    "use tls or starttls, or allow it with insecure-auth",
	    s->unsafe.s);
}

static int none(
    const struct search *s, const struct qf_strv *offered, struct qf_err *e)
{
	struct qf_buf theirs = QF_BUF_INIT;
	int rc;

	for (size_t i = 0; i < offered->n; i++) {
		if (i > 0)
			qf_buf_addc(&theirs, ' ');
		qf_smtp_add_printable(&theirs, qf_span(offered->v[i]));
	}
	if (theirs.len == 0)
		rc = qf_fail(e, QF_ENOENT,
		    "the server offers no authentication; we could use %s",
		    s->able.s);
	else
		rc = qf_fail(e, QF_ENOENT,
		    "no authentication mechanism in common: the server offers "
		    "%.200s; we could use %s",
		    theirs.s, s->able.s);
	qf_buf_free(&theirs);
	return rc;
}

int qf_auth_choose(struct qf_auth *a, const struct qf_strv *offered,
    bool secure, const char **mechanism, struct qf_err *e)
{
	const struct qf_auth_mech *list[CANDIDATES_MAX];
	struct search s = {.able = QF_BUF_INIT, .unsafe = QF_BUF_INIT};
	size_t n;
	int rc = 0;

	reset(a);
	a->secure = secure;
	if (qf_auth_check(&a->spec, e) < 0)
		return QF_EINVAL;
	n = candidates(&a->spec, list);
	for (size_t i = 0; i < n; i++) {
		if (consider(a, &s, offered, list[i]))
			break;
	}
	if (a->mech != NULL) {
		*mechanism = a->mech->name;
	} else if (s.trouble.rc != 0) {
		rc = s.trouble.rc;
		if (e != NULL)
			*e = s.trouble;
	} else {
		rc = s.unsafe.len > 0 ? unsafe_only(&s, e)
				      : none(&s, offered, e);
	}
	qf_buf_free(&s.able);
	qf_buf_free(&s.unsafe);
	return rc;
}

/* the exchange */

int qf_auth_extra(const struct qf_auth *a, struct qf_err *e)
{
	return qf_fail(e, QF_EPROTO,
	    "%s: the server sends more challenges than it has", a->mech->name);
}

void qf_auth_keep_said(struct qf_auth *a, struct qf_span text)
{
	struct qf_buf said = QF_BUF_INIT;

	qf_buf_addspan(&said, text);
	qf_auth_hide(a, &said);
	qf_buf_reset(&a->said);
	text = qf_span_trim(qf_buf_span(&said));
	if (text.n > QF_AUTH_SAID_MAX)
		text.n = QF_AUTH_SAID_MAX;
	qf_smtp_add_printable(&a->said, text);
	qf_buf_free(&said);
}

/* Lets the mechanism answer `in`, and appends it as a line. */
static int answer(struct qf_auth *a, struct qf_span in, bool is_first,
    struct qf_buf *out, struct qf_err *e)
{
	struct qf_buf raw = QF_BUF_INIT, line = QF_BUF_INIT;
	size_t most = QF_AUTH_LINE_MAX - (is_first ? COMMAND_BYTES : 0);
	int rc = a->mech->step(a, in, &raw, e);

	if (rc == 0)
		rc = qf_auth_encode(qf_buf_span(&raw), &line, e);
	if (rc < 0)
		goto out;
	a->steps++;
	if (line.len > most) {
		rc = qf_fail(e, QF_EPROTO,
		    "%s: the answer is longer than a line may be",
		    a->mech->name);
		goto out;
	}
	if (line.len == 0 && is_first)
		qf_buf_addc(&line, '=');
	/* With its line end at once: what grows later leaves a copy behind. */
	qf_buf_reserve(out, line.len + 2);
	qf_buf_addspan(out, qf_buf_span(&line));
	if (a->mech->flags & QF_MECH_CLEAR) {
		qf_buf_reserve(&a->shown, 2 * (QF_AUTH_LINE_MAX + 1));
		qf_buf_addf(&a->shown, "%s\n", line.s);
	}
out:
	a->failed |= rc < 0;
	qf_secret_wipe(&raw);
	qf_secret_wipe(&line);
	return rc;
}

int qf_auth_first(struct qf_auth *a, struct qf_buf *out, struct qf_err *e)
{
	if (a->mech->flags & QF_MECH_WAITS)
		return 1;
	return answer(a, qf_span(""), true, out, e);
}

int qf_auth_next(struct qf_auth *a, struct qf_span challenge,
    struct qf_buf *out, struct qf_err *e)
{
	struct qf_buf in = QF_BUF_INIT;
	int rc;

	if (a->failed)
		return qf_auth_extra(a, e);
	challenge = qf_span_trim(challenge);
	if (challenge.n > QF_AUTH_LINE_MAX)
		rc = qf_fail(e, QF_EPROTO,
		    "a challenge is longer than %d bytes", QF_AUTH_LINE_MAX);
	else
		rc = qf_auth_decode(challenge, &in, e);
	if (rc < 0)
		qf_err_context(e, "%s", a->mech->name);
	else
		rc = answer(a, qf_buf_span(&in), false, out, e);
	a->failed |= rc < 0;
	qf_buf_free(&in);
	return rc;
}

int qf_auth_done(struct qf_auth *a, struct qf_err *e)
{
	if (a->mech != NULL && a->complete && !a->failed)
		return 0;
	if (a->mech == NULL)
		return qf_fail(e, QF_EPROTO, "no mechanism was chosen");
	if (a->mech->flags & QF_MECH_PROVES)
		return qf_fail(e, QF_EPROTO,
		    "%s: the server has not proved that it knows the password, "
		    "so it may be another one; nothing was sent",
		    a->mech->name);
	return qf_fail(e, QF_EPROTO,
	    "%s: the server says that it is complete, but it is not",
	    a->mech->name);
}

const char *qf_auth_said(const struct qf_auth *a)
{
	return a->said.len > 0 ? a->said.s : NULL;
}

/* As it is, and as a text shows it. */
static void hide_word(struct qf_buf *text, const char *word)
{
	struct qf_buf shown = QF_BUF_INIT;

	if (word == NULL)
		return;
	qf_secret_hide(text, qf_span(word));
	qf_smtp_add_printable(&shown, qf_span(word));
	qf_secret_hide(text, qf_buf_span(&shown));
	qf_secret_wipe(&shown);
}

void qf_auth_hide(const struct qf_auth *a, struct qf_buf *text)
{
	struct qf_span rest = qf_buf_span(&a->shown), line;

	while (qf_span_cut(&rest, '\n', &line))
		qf_secret_hide(text, line);
	hide_word(text, a->spec.pass);
	hide_word(text, a->spec.token);
}
