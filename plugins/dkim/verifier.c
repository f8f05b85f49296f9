#include "plugins/dkim/verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <dkim.h>

#include "plugins/dkim/bodylen.h"

#define SIGNATURE "DKIM-Signature"

enum {
	NAME_SIZE = 2 * DOMAIN_SIZE + 20
};

struct verifier {
	DKIM_LIB *lib;
	unsigned min_bits;
};

/* What was asked for: two signatures may have the same key. */
struct answer {
	char name[NAME_SIZE];
	int32_t rc;
};

struct run {
	const struct verifier *v;
	const struct verifier_rules *rules;
	struct verified *out;
	unsigned froms, subjects;
	struct answer *answer;
	unsigned nanswers;
	struct bodylen body;
	bool measure; /* there is a signature with l= */
};

/* What the library finds wrong: a letter, and our words or its own. */
static const struct {
	char letter;
	const char *why;
} errors[] = {
    [DKIM_SIGERROR_VERSION] = {STATUS_VERSION, NULL},
    [DKIM_SIGERROR_DOMAIN] = {STATUS_IDENTITY, NULL},
    [DKIM_SIGERROR_EXPIRED] = {STATUS_EXPIRED, NULL},
    [DKIM_SIGERROR_NOKEY] = {STATUS_DNS_PERM, "no key record"},
    [DKIM_SIGERROR_DNSSYNTAX] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_KEYFAIL] = {STATUS_DNS_TEMP, NULL},
    [DKIM_SIGERROR_BADSIG] = {STATUS_BAD, NULL},
    [DKIM_SIGERROR_SUBDOMAIN] = {STATUS_IDENTITY, NULL},
    [DKIM_SIGERROR_MULTIREPLY] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_TOOLARGE_L] = {STATUS_BODY, "l= is more than the body"},
    [DKIM_SIGERROR_KEYVERSION] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_KEYUNKNOWNHASH] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_KEYHASHMISMATCH] = {STATUS_ALGORITHM, NULL},
    [DKIM_SIGERROR_NOTEMAILKEY] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_KEYTYPEMISSING] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_KEYTYPEUNKNOWN] = {STATUS_SELECTOR, NULL},
    [DKIM_SIGERROR_KEYREVOKED] = {STATUS_REVOKED, NULL},
    [DKIM_SIGERROR_KEYDECODE] = {STATUS_BAD_KEY, NULL},
    [DKIM_SIGERROR_MISSING_V] = {STATUS_VERSION, NULL},
    [DKIM_SIGERROR_EMPTY_V] = {STATUS_VERSION, NULL},
    [DKIM_SIGERROR_KEYTOOSMALL] = {STATUS_BAD_KEY, "the key is too short"},
};

int32_t verifier_open(struct verifier **out, unsigned min_bits)
{
	static const char *const none[] = {NULL};
	struct verifier *v = calloc(1, sizeof *v);
	u_int flags = DKIM_LIBFLAGS_BADSIGHANDLES; /* tell of bad ones too */

	if (v == NULL)
		return QF_ENOMEM;
	v->min_bits = min_bits;
	v->lib = dkim_init(NULL, NULL);
	/* That From is signed is a rule of ours, with a result of its own. */
	if (v->lib == NULL ||
	    dkim_options(v->lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags,
		sizeof flags) != DKIM_STAT_OK ||
	    dkim_options(v->lib, DKIM_OP_SETOPT, DKIM_OPTS_REQUIREDHDRS,
		(void *)(uintptr_t)none, sizeof(char **)) != DKIM_STAT_OK) {
		verifier_close(v);
		return QF_ENOMEM;
	}
	*out = v;
	return 0;
}

void verifier_close(struct verifier *v)
{
	if (v == NULL)
		return;
	if (v->lib != NULL)
		dkim_close(v->lib);
	free(v);
}

static bool name_is(struct qf_span name, const char *s)
{
	return strlen(s) == name.n && strncasecmp(name.p, s, name.n) == 0;
}

static void give(struct signature *s, char letter, const char *why)
{
	s->letter = letter;
	s->why = why != NULL ? why : status_of(letter)->text;
}

/* The value of a tag, or NULL. */
static const char *tag(DKIM_SIGINFO *sig, const char *name)
{
	return (const char *)dkim_sig_gettagvalue(
	    sig, false, (u_char *)(uintptr_t)name);
}

/* Copies what may stand in a result: letters, digits and a few signs. */
static void copy_plain(char *out, size_t size, const char *from)
{
	size_t n = 0;

	for (; from != NULL && *from != '\0' && n + 1 < size; from++) {
		char c = *from;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || c == '-' || c == '+' ||
		    c == '/' || c == '=')
			out[n++] = c;
	}
	out[n] = '\0';
}

/* How often h= names a field. */
static unsigned times_named(const char *names, const char *field)
{
	size_t want = strlen(field);
	unsigned times = 0;

	while (*names != '\0') {
		size_t n = strcspn(names, ":"), from = strspn(names, " \t\r\n");
		size_t to = n;

		while (to > from && strchr(" \t\r\n", names[to - 1]) != NULL)
			to--;
		if (to > from && to - from == want &&
		    strncasecmp(names + from, field, want) == 0)
			times++;
		names += n + (names[n] == ':');
	}
	return times;
}

/* Does the library see an error by the tags alone? */
static bool is_error(int error)
{
	return error != DKIM_SIGERROR_OK && error != DKIM_SIGERROR_UNKNOWN;
}

static void give_error(struct signature *s, int error)
{
	size_t i = (size_t)error;
	char letter = STATUS_SYNTAX;
	const char *why = dkim_sig_geterrorstr(error);

	if (error > 0 && i < sizeof errors / sizeof *errors &&
	    errors[i].letter != '\0') {
		letter = errors[i].letter;
		why = errors[i].why != NULL ? errors[i].why : why;
	}
	give(s, letter, why);
}

/* What can be said before the key is known; gives a letter when it is
 * final. */
static void prejudge(
    const struct run *r, DKIM_SIGINFO *sig, struct signature *s)
{
	const char *domain = (const char *)dkim_sig_getdomain(sig);
	const char *selector = (const char *)dkim_sig_getselector(sig);
	const char *names = tag(sig, "h");
	dkim_alg_t alg = DKIM_SIGN_UNKNOWN;
	bool named = domain != NULL && selector != NULL;

	copy_plain(s->algorithm, sizeof s->algorithm, tag(sig, "a"));
	copy_plain(s->b, sizeof s->b, tag(sig, "b"));
	if (named && !domain_copy(s->domain,
			 (struct qf_span){domain, strlen(domain)}, 2))
		s->domain[0] = '\0';
	if (named && !domain_copy(s->selector,
			 (struct qf_span){selector, strlen(selector)}, 1))
		s->selector[0] = '\0';
	if (is_error(dkim_sig_geterror(sig)))
		give_error(s, dkim_sig_geterror(sig));
	else if (s->domain[0] == '\0')
		give(s, STATUS_IDENTITY, "d= is no domain");
	else if (s->selector[0] == '\0')
		give(s, STATUS_SELECTOR, "s= is no selector");
	else if (dkim_sig_getsignalg(sig, &alg) != DKIM_STAT_OK ||
		 alg == DKIM_SIGN_RSASHA1)
		give(s, STATUS_ALGORITHM, "rsa-sha1 is not accepted");
	else if (names == NULL || strlen(names) > VERIFIER_NAMES_MAX)
		give(s, STATUS_SYNTAX, "h= is too long");
	else if (!r->rules->unsigned_from &&
		 (r->froms == 0 || times_named(names, "From") < r->froms))
		give(s, STATUS_UNSIGNED, "not every From field is signed");
	else if (r->rules->require_subject &&
		 times_named(names, "Subject") <
		     (r->subjects ? r->subjects : 1))
		give(s, STATUS_UNSIGNED, "not every Subject field is signed");
}

static DKIM_CBSTAT prescreen(DKIM *d, DKIM_SIGINFO **sigs, int n)
{
	struct run *r = dkim_get_user_context(d);

	for (int i = 0; i < n; i++) {
		struct signature *s = &r->out->v[i];

		if ((unsigned)i >= r->out->n) {
			dkim_sig_ignore(sigs[i]);
			continue;
		}
		prejudge(r, sigs[i], s);
		if (s->letter != '\0')
			dkim_sig_ignore(sigs[i]);
		else if (tag(sigs[i], "l") != NULL)
			r->measure = true;
	}
	return DKIM_CBSTAT_CONTINUE;
}

/* The name that a signature's key has in the DNS. */
static bool key_name(DKIM_SIGINFO *sig, char out[NAME_SIZE])
{
	int n = snprintf(out, NAME_SIZE, "%s.%s.%s",
	    (const char *)dkim_sig_getselector(sig), DKIM_DNSKEYNAME,
	    (const char *)dkim_sig_getdomain(sig));

	return n < NAME_SIZE;
}

/* What the lookup of a signature's key came to, if it was asked for. */
static const struct answer *find_answer(const struct run *r, DKIM_SIGINFO *sig)
{
	char name[NAME_SIZE];

	if (!key_name(sig, name))
		return NULL;
	for (unsigned i = 0; i < r->nanswers; i++) {
		if (strcasecmp(r->answer[i].name, name) == 0)
			return &r->answer[i];
	}
	return NULL;
}

/* Errors are kept for later: the library would stop at the first. */
static DKIM_CBSTAT find_key(
    DKIM *d, DKIM_SIGINFO *sig, u_char *buf, size_t size)
{
	struct run *r = dkim_get_user_context(d);
	const struct answer *before = find_answer(r, sig);
	struct answer *a = &r->answer[r->nanswers];

	if (r->nanswers >= r->out->n || (before != NULL && before->rc < 0) ||
	    !key_name(sig, a->name))
		return DKIM_CBSTAT_NOTFOUND;
	a->rc = strlen(a->name) < DOMAIN_SIZE
		    ? r->rules->find(r->rules->arg, a->name, (char *)buf, size)
		    : QF_EINVAL;
	r->nanswers++;
	return a->rc == 0 ? DKIM_CBSTAT_CONTINUE : DKIM_CBSTAT_NOTFOUND;
}

/* The library stops at the first signature that is good; all count. */
static DKIM_CBSTAT process_all(DKIM *d, DKIM_SIGINFO **sigs, int n)
{
	for (int i = 0; i < n; i++) {
		if (!(dkim_sig_getflags(sigs[i]) & DKIM_SIGFLAG_IGNORE))
			dkim_sig_process(d, sigs[i]);
	}
	return DKIM_CBSTAT_CONTINUE;
}

/* Does l= leave some of the body out? */
static bool is_partial(const struct run *r, DKIM *d, DKIM_SIGINFO *sig)
{
	ssize_t whole, canonical, limit;
	dkim_canon_t header, body;

	if (tag(sig, "l") == NULL)
		return false;
	if (dkim_sig_getcanonlen(d, sig, &whole, &canonical, &limit) !=
		DKIM_STAT_OK ||
	    dkim_sig_getcanons(sig, &header, &body) != DKIM_STAT_OK)
		return true;
	return limit >= 0 && (uint64_t)limit < bodylen_of(&r->body,
						   body == DKIM_CANON_RELAXED);
}

/* The library looks at the length of a key only on its own way through the
 * signatures, not on ours. */
static bool is_short(const struct run *r, DKIM_SIGINFO *sig)
{
	dkim_alg_t alg;
	unsigned bits;

	if (dkim_sig_getsignalg(sig, &alg) != DKIM_STAT_OK ||
	    alg == DKIM_SIGN_ED25519SHA256)
		return false;
	return dkim_sig_getkeysize(sig, &bits) != DKIM_STAT_OK ||
	       bits < r->v->min_bits;
}

static void give_no_key(struct signature *s, int32_t rc)
{
	if (rc == QF_ENOENT)
		give(s, STATUS_DNS_PERM, "no key record");
	else if (rc == QF_EFORMAT)
		give(s, STATUS_SELECTOR, "the key record is no good");
	else if (rc == QF_ETOOLONG)
		give(s, STATUS_BAD_KEY, "the key record is too long");
	else if (rc == QF_EINVAL)
		give(s, STATUS_LONG_NAME, "the name of the key is too long");
	else
		give(s, STATUS_DNS_TEMP, "the DNS did not answer");
}

static void judge(
    const struct run *r, DKIM *d, DKIM_SIGINFO *sig, struct signature *s)
{
	const struct answer *a = find_answer(r, sig);
	unsigned flags = dkim_sig_getflags(sig);
	int error = dkim_sig_geterror(sig);

	if (a != NULL && a->rc < 0) {
		give_no_key(s, a->rc);
	} else if (is_error(error) && error != DKIM_SIGERROR_BADSIG) {
		give_error(s, error);
	} else if ((flags & DKIM_SIGFLAG_PASSED) == 0) {
		give(s, STATUS_BAD, "the header or the signature was changed");
	} else if (is_short(r, sig)) {
		give(s, STATUS_BAD_KEY, "the key is too short");
	} else if (dkim_sig_getbh(sig) != DKIM_SIGBH_MATCH) {
		give(s, STATUS_BODY, "the body was changed");
	} else if (!is_partial(r, d, sig)) {
		give(s, STATUS_GOOD, NULL);
	} else if (r->rules->body_length) {
		give(s, STATUS_EXTRA, NULL);
	} else {
		give(s, STATUS_BODY, "l= leaves some of the body out");
	}
	if ((flags & DKIM_SIGFLAG_TESTKEY) &&
	    (s->letter == STATUS_BAD || s->letter == STATUS_BODY))
		give(s, STATUS_BAD_TESTING,
		    "not good, but the key is for testing");
}

/* Feeds a message that has been looked at: a status of the library. Only the
 * signatures that count are handed over; *rc is an error of the host. */
static DKIM_STAT feed(DKIM *d, struct run *r, struct wire *w, int32_t *rc)
{
	DKIM_STAT st = DKIM_STAT_OK;
	struct wire_field f;
	unsigned signatures = 0;
	struct qf_span run;
	size_t at = 0;

	while (st == DKIM_STAT_OK && wire_field_next(w, &at, &f) > 0) {
		bool is_signature = name_is(f.name, SIGNATURE);

		if (is_signature && signatures++ >= r->out->n)
			continue;
		st = dkim_header(d, (u_char *)(uintptr_t)f.raw.p, f.raw.n);
		/* One that can not be parsed is remembered as such. */
		if (is_signature && st == DKIM_STAT_SYNTAX)
			st = DKIM_STAT_OK;
	}
	if (st == DKIM_STAT_OK)
		st = dkim_eoh(d);
	while (st == DKIM_STAT_OK && (*rc = wire_body_next(w, &run)) > 0) {
		if (r->measure)
			bodylen_feed(&r->body, run);
		st = dkim_body(d, (u_char *)(uintptr_t)run.p, run.n);
	}
	if (st == DKIM_STAT_OK && *rc == 0)
		dkim_eom(d, NULL); /* each signature tells for itself */
	return st;
}

static void give_all(struct verified *out, char letter, const char *why)
{
	for (unsigned i = 0; i < out->n; i++) {
		if (out->v[i].letter == '\0')
			give(&out->v[i], letter, why);
	}
}

static int32_t verify(DKIM *d, struct run *r, struct wire *w)
{
	int32_t rc = 0;
	DKIM_STAT st;
	DKIM_SIGINFO **sigs = NULL;
	int n = 0;

	dkim_set_user_context(d, r);
	st = feed(d, r, w, &rc);
	if (rc < 0)
		return rc;
	if (st == DKIM_STAT_NORESOURCE)
		return QF_ENOMEM;
	if (st == DKIM_STAT_OK)
		st = dkim_getsiglist(d, &sigs, &n);
	for (unsigned i = 0; st == DKIM_STAT_OK && i < r->out->n; i++) {
		if (i < (unsigned)n && r->out->v[i].letter == '\0')
			judge(r, d, sigs[i], &r->out->v[i]);
	}
	give_all(r->out, STATUS_FAIL, NULL);
	return 0;
}

/* Counts the fields that rules are about: why nothing can be verified, or
 * NULL. */
static const char *survey(
    struct run *r, const struct wire *w, unsigned *signatures)
{
	const char *why = NULL;
	struct wire_field f;
	size_t at = 0;
	int32_t rc;

	*signatures = 0;
	while ((rc = wire_field_next(w, &at, &f)) != 0) {
		if (rc < 0)
			why = "a line of the header is no field";
		else if (f.raw.n >= VERIFIER_FIELD_MAX)
			why = "a header field has 64000 bytes or more";
		if (rc < 0)
			continue;
		*signatures += name_is(f.name, SIGNATURE);
		r->froms += name_is(f.name, "From");
		r->subjects += name_is(f.name, "Subject");
	}
	return why;
}

int32_t verifier_run(const struct verifier *v, struct wire *w,
    const struct verifier_rules *rules, struct verified *out)
{
	struct run r = {.v = v, .rules = rules, .out = out};
	const char *why = "the header is too long";
	unsigned signatures = 1;
	DKIM_STAT st;
	DKIM *d;
	int32_t rc;

	memset(out, 0, sizeof *out);
	if (w != NULL)
		why = survey(&r, w, &signatures);
	out->n = signatures < rules->max ? signatures : rules->max;
	out->ignored = signatures - out->n;
	if (why != NULL)
		give_all(out, STATUS_FAIL, why);
	if (why != NULL || out->n == 0)
		return 0;
	dkim_set_prescreen(v->lib, prescreen);
	dkim_set_key_lookup(v->lib, find_key);
	dkim_set_final(v->lib, process_all);
	r.answer = calloc(out->n, sizeof *r.answer);
	d = dkim_verify(v->lib, (const u_char *)"message", NULL, &st);
	rc = d != NULL && r.answer != NULL ? verify(d, &r, w) : QF_ENOMEM;
	if (d != NULL)
		dkim_free(d);
	free(r.answer);
	return rc;
}
