#include "plugins/dkim/signer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <dkim.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#define SIGNATURE "DKIM-Signature"

struct signer {
	DKIM_LIB *lib;
};

/*
 * What is signed: what RFC 6376 section 5.4.1 lists, the fields that say how
 * the body is to be read, and what RFC 8058 section 4 asks for. Fields that
 * relays add or change (Received, Return-Path, results of checks) are not
 * here; every occurrence of these is signed.
 */
static const char *const signed_fields[] = {
    "From",
    "Sender",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "To",
    "Cc",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-ID",
    "Content-Description",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    NULL,
};

/* What relays put on top of a message that is on its way. */
static const char *const trace_fields[] = {
    "Received",
    "Return-Path",
    "Delivered-To",
    "X-Original-To",
    "Authentication-Results",
    "Received-SPF",
    NULL,
};

static const char *const oversigned_fields[] = {"From", NULL};

static bool name_is(struct qf_span name, const char *s)
{
	return strlen(s) == name.n && strncasecmp(name.p, s, name.n) == 0;
}

static bool name_in(struct qf_span name, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (name_is(name, *list))
			return true;
	}
	return false;
}

int32_t signer_open(struct signer **out)
{
	struct signer *s = calloc(1, sizeof *s);

	if (s == NULL)
		return QF_ENOMEM;
	s->lib = dkim_init(NULL, NULL);
	/* The library wants the array itself, with the size of a pointer. */
	if (s->lib == NULL ||
	    dkim_options(s->lib, DKIM_OP_SETOPT, DKIM_OPTS_OVERSIGNHDRS,
		(void *)(uintptr_t)oversigned_fields,
		sizeof(char **)) != DKIM_STAT_OK) {
		signer_close(s);
		return QF_ENOMEM;
	}
	*out = s;
	return 0;
}

void signer_close(struct signer *s)
{
	if (s == NULL)
		return;
	if (s->lib != NULL)
		dkim_close(s->lib);
	free(s);
}

const char *signer_refuses(const struct wire *w, struct qf_span *from)
{
	size_t at = 0, froms = 0;
	size_t names = strlen("From:"); /* the one that is oversigned */
	struct wire_field f;
	int32_t rc;

	while ((rc = wire_field_next(w, &at, &f)) > 0) {
		if (f.raw.n >= SIGNER_FIELD_MAX)
			return "a header field has 64000 bytes or more";
		if (name_in(f.name, signed_fields))
			names += f.name.n + 1;
		if (name_is(f.name, "From")) {
			*from = f.value;
			froms++;
		}
	}
	if (rc < 0)
		return "a line of the header is no field or holds a zero byte";
	if (froms == 0)
		return "there is no From field";
	if (froms > 1)
		return "there is more than one From field";
	if (names > SIGNER_NAMES_MAX)
		return "there are too many header fields to sign";
	return NULL;
}

/* Is the name in the list of starts of names? From is never left out. */
static bool is_excluded(struct qf_span name, const char *list)
{
	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ":");

		if (n > 0 && n <= name.n && strncasecmp(list, name.p, n) == 0)
			return !name_is(name, "From");
		list += n + (list[n] == ':');
	}
	return false;
}

/* Hands the fields that are signed to the library. */
static DKIM_STAT feed_header(DKIM *d, const struct wire *w, const char *exclude)
{
	struct wire_field f;
	size_t at = 0;

	while (wire_field_next(w, &at, &f) > 0) {
		DKIM_STAT st;

		if (!name_in(f.name, signed_fields) ||
		    is_excluded(f.name, exclude))
			continue;
		st = dkim_header(d, (u_char *)(uintptr_t)f.raw.p, f.raw.n);
		if (st != DKIM_STAT_OK)
			return st;
	}
	return dkim_eoh(d);
}

/* Signs: a status of the library; *rc is an error of the host. */
static DKIM_STAT feed(DKIM *d, struct wire *w, const char *exclude, int32_t *rc)
{
	DKIM_STAT st = feed_header(d, w, exclude);
	struct qf_span run;

	*rc = 0;
	while (st == DKIM_STAT_OK && (*rc = wire_body_next(w, &run)) > 0)
		st = dkim_body(d, (u_char *)(uintptr_t)run.p, run.n);
	if (st == DKIM_STAT_OK && *rc == 0)
		st = dkim_eom(d, NULL);
	return st;
}

/* The value as edits take it: line ends are LF. */
static char *without_cr(const u_char *p, size_t n)
{
	char *s = malloc(n + 1);
	size_t len = 0;

	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (p[i] != '\r')
			s[len++] = (char)p[i];
	}
	s[len] = '\0';
	return s;
}

static int32_t explain(DKIM *d, DKIM_STAT st, char why[256])
{
	const char *text = d != NULL ? dkim_geterror(d) : NULL;

	if (st == DKIM_STAT_NORESOURCE)
		return QF_ENOMEM;
	snprintf(why, 256, "%s", text != NULL ? text : dkim_getresultstr(st));
	return QF_EBUG;
}

const char *signer_algorithm(const struct key *k)
{
	return k->ed25519 ? "ed25519-sha256" : "rsa-sha256";
}

/* libopendkim 2.11 does not free a handle's Ed25519 key, about a kilobyte. The
 * host ends its workers in time; whoever looks for leaks is told to look away
 * (tests/lib/valgrind.supp). */
static void expect_leak(const struct signature_plan *p, bool begins)
{
#if defined(__SANITIZE_ADDRESS__)
	if (p->key->ed25519 && begins)
		__lsan_disable();
	else if (p->key->ed25519)
		__lsan_enable();
#else
	(void)p;
	(void)begins;
#endif
}

/* A handle for one signature, or NULL and *st. */
static DKIM *begin(
    const struct signer *s, const struct signature_plan *p, DKIM_STAT *st)
{
	uint64_t lifetime = p->lifetime;
	bool simple = p->simple_header && !p->key->ed25519;
	DKIM *d;

	/* The library has it for all handles that are made after. */
	*st = dkim_options(s->lib, DKIM_OP_SETOPT, DKIM_OPTS_SIGNATURETTL,
	    &lifetime, sizeof lifetime);
	if (*st != DKIM_STAT_OK)
		return NULL;
	d = dkim_sign(s->lib, (const u_char *)"message", NULL,
	    (dkim_sigkey_t)(uintptr_t)p->key->pem, (const u_char *)p->selector,
	    (const u_char *)p->domain,
	    simple ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
	    p->simple_body ? DKIM_CANON_SIMPLE : DKIM_CANON_RELAXED,
	    p->key->ed25519 ? DKIM_SIGN_ED25519SHA256 : DKIM_SIGN_RSASHA256, -1,
	    st);
	if (d != NULL && p->identity != NULL)
		*st = dkim_set_signer(d, (const u_char *)p->identity);
	return d;
}

int32_t signer_sign(const struct signer *s, struct wire *w,
    const struct signature_plan *plan, char **value, char why[256])
{
	DKIM_STAT st;
	u_char *p = NULL;
	size_t n = 0;
	int32_t rc = 0;
	DKIM *d = begin(s, plan, &st);

	if (d == NULL)
		return explain(NULL, st, why);
	expect_leak(plan, true);
	if (st == DKIM_STAT_OK)
		st = feed(d, w, plan->exclude, &rc);
	expect_leak(plan, false);
	if (st == DKIM_STAT_OK && rc == 0)
		st = dkim_getsighdr_d(d, strlen(SIGNATURE ": "), &p, &n);
	if (rc == 0 && st != DKIM_STAT_OK)
		rc = explain(d, st, why);
	if (rc == 0) {
		*value = without_cr(p, n);
		rc = *value == NULL ? QF_ENOMEM : 0;
	}
	dkim_free(d);
	return rc;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The value of a tag (RFC 6376 section 3.2) without its white space; false
 * when it is not there or does not fit. */
static bool get_tag(
    struct qf_span tags, const char *name, char *out, size_t size)
{
	const char *p = tags.p, *end = tags.p + tags.n;
	size_t n = 0, want = strlen(name);

	while (p < end) {
		const char *stop = memchr(p, ';', (size_t)(end - p));
		const char *eq;

		if (stop == NULL)
			stop = end;
		while (p < stop && is_space(*p))
			p++;
		eq = p;
		while (eq < stop && *eq != '=' && !is_space(*eq))
			eq++;
		if ((size_t)(eq - p) == want && memcmp(p, name, want) == 0) {
			while (eq < stop && is_space(*eq))
				eq++;
			if (eq == stop || *eq++ != '=')
				return false;
			for (; eq < stop; eq++) {
				if (is_space(*eq))
					continue;
				if (n + 1 >= size)
					return false;
				out[n++] = *eq;
			}
			out[n] = '\0';
			return true;
		}
		p = stop + (stop < end);
	}
	return false;
}

/* Do both have the tag, with equal values? */
static bool same_tag(struct qf_span a, struct qf_span b, const char *name)
{
	char x[DOMAIN_SIZE], y[DOMAIN_SIZE];

	return get_tag(a, name, x, sizeof x) && get_tag(b, name, y, sizeof y) &&
	       strcmp(x, y) == 0;
}

bool signer_signed_before(const struct wire *w, const char *value)
{
	struct qf_span made = {value, strlen(value)};
	struct wire_field f;
	size_t at = 0;

	while (wire_field_next(w, &at, &f) > 0) {
		if (name_in(f.name, trace_fields))
			continue;
		if (!name_is(f.name, SIGNATURE))
			return false;
		if (same_tag(f.value, made, "d") &&
		    same_tag(f.value, made, "s") &&
		    same_tag(f.value, made, "bh"))
			return true;
	}
	return false;
}
