#include "plugins/dkim/sigcheck.h"

#include <string.h>
#include <strings.h>

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

void sigcheck_give(struct signature *s, char letter, const char *why)
{
	s->letter = letter;
	s->why = why != NULL ? why : status_of(letter)->text;
}

const char *sigcheck_tag(DKIM_SIGINFO *sig, const char *name)
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
	sigcheck_give(s, letter, why);
}

void sigcheck_before(
    const struct sigcheck *c, DKIM_SIGINFO *sig, struct signature *s)
{
	const char *domain = (const char *)dkim_sig_getdomain(sig);
	const char *selector = (const char *)dkim_sig_getselector(sig);
	const char *names = sigcheck_tag(sig, "h");
	dkim_alg_t alg = DKIM_SIGN_UNKNOWN;
	bool named = domain != NULL && selector != NULL;

	copy_plain(s->algorithm, sizeof s->algorithm, sigcheck_tag(sig, "a"));
	copy_plain(s->b, sizeof s->b, sigcheck_tag(sig, "b"));
	if (named && !domain_copy(s->domain,
			 (struct qf_span){domain, strlen(domain)}, 2))
		s->domain[0] = '\0';
	if (named && !domain_copy(s->selector,
			 (struct qf_span){selector, strlen(selector)}, 1))
		s->selector[0] = '\0';
	if (is_error(dkim_sig_geterror(sig)))
		give_error(s, dkim_sig_geterror(sig));
	else if (s->domain[0] == '\0')
		sigcheck_give(s, STATUS_IDENTITY, "d= is no domain");
	else if (s->selector[0] == '\0')
		sigcheck_give(s, STATUS_SELECTOR, "s= is no selector");
	else if (dkim_sig_getsignalg(sig, &alg) != DKIM_STAT_OK ||
		 alg == DKIM_SIGN_RSASHA1)
		sigcheck_give(s, STATUS_ALGORITHM, "rsa-sha1 is not accepted");
	else if (names == NULL || strlen(names) > VERIFIER_NAMES_MAX)
		sigcheck_give(s, STATUS_SYNTAX, "h= is too long");
	else if (!c->rules->unsigned_from &&
		 (c->froms == 0 || times_named(names, "From") < c->froms))
		sigcheck_give(
		    s, STATUS_UNSIGNED, "not every From field is signed");
	else if (c->rules->require_subject &&
		 times_named(names, "Subject") <
		     (c->subjects ? c->subjects : 1))
		sigcheck_give(
		    s, STATUS_UNSIGNED, "not every Subject field is signed");
}

/* Does l= leave some of the body out? */
static bool is_partial(const struct sigcheck *c, DKIM *d, DKIM_SIGINFO *sig)
{
	ssize_t whole, canonical, limit;
	dkim_canon_t header, body;

	if (sigcheck_tag(sig, "l") == NULL)
		return false;
	if (dkim_sig_getcanonlen(d, sig, &whole, &canonical, &limit) !=
		DKIM_STAT_OK ||
	    dkim_sig_getcanons(sig, &header, &body) != DKIM_STAT_OK)
		return true;
	return limit >= 0 && (uint64_t)limit < bodylen_of(&c->body,
						   body == DKIM_CANON_RELAXED);
}

/* The library looks at the length of a key only on its own way through the
 * signatures, not on ours. */
static bool is_short(const struct sigcheck *c, DKIM_SIGINFO *sig)
{
	dkim_alg_t alg;
	unsigned bits;

	if (dkim_sig_getsignalg(sig, &alg) != DKIM_STAT_OK ||
	    alg == DKIM_SIGN_ED25519SHA256)
		return false;
	return dkim_sig_getkeysize(sig, &bits) != DKIM_STAT_OK ||
	       bits < c->rules->min_bits;
}

static void give_no_key(struct signature *s, int32_t rc)
{
	if (rc == QF_ENOENT)
		sigcheck_give(s, STATUS_DNS_PERM, "no key record");
	else if (rc == QF_EFORMAT)
		sigcheck_give(s, STATUS_SELECTOR, "the key record is no good");
	else if (rc == QF_ETOOLONG)
		sigcheck_give(s, STATUS_BAD_KEY, "the key record is too long");
	else if (rc == QF_EINVAL)
		sigcheck_give(
		    s, STATUS_LONG_NAME, "the name of the key is too long");
	else
		sigcheck_give(s, STATUS_DNS_TEMP, "the DNS did not answer");
}

void sigcheck_after(const struct sigcheck *c, DKIM *d, DKIM_SIGINFO *sig,
    int32_t key, struct signature *s)
{
	unsigned flags = dkim_sig_getflags(sig);
	int error = dkim_sig_geterror(sig);

	if (key < 0) {
		give_no_key(s, key);
	} else if (is_error(error) && error != DKIM_SIGERROR_BADSIG) {
		give_error(s, error);
	} else if ((flags & DKIM_SIGFLAG_PASSED) == 0) {
		sigcheck_give(
		    s, STATUS_BAD, "the header or the signature was changed");
	} else if (is_short(c, sig)) {
		sigcheck_give(s, STATUS_BAD_KEY, "the key is too short");
	} else if (dkim_sig_getbh(sig) != DKIM_SIGBH_MATCH) {
		sigcheck_give(s, STATUS_BODY, "the body was changed");
	} else if (!is_partial(c, d, sig)) {
		sigcheck_give(s, STATUS_GOOD, NULL);
	} else if (c->rules->body_length) {
		sigcheck_give(s, STATUS_EXTRA, NULL);
	} else {
		sigcheck_give(s, STATUS_BODY, "l= leaves some of the body out");
	}
	if ((flags & DKIM_SIGFLAG_TESTKEY) &&
	    (s->letter == STATUS_BAD || s->letter == STATUS_BODY))
		sigcheck_give(s, STATUS_BAD_TESTING,
		    "not good, but the key is for testing");
}
