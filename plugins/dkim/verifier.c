#include "plugins/dkim/verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <dkim.h>

#include "plugins/dkim/sigcheck.h"

#define SIGNATURE "DKIM-Signature"

enum {
	NAME_SIZE = 2 * DOMAIN_SIZE + 20
};

struct verifier {
	DKIM_LIB *lib;
};

/* What was asked for: two signatures may have the same key. */
struct answer {
	char name[NAME_SIZE];
	int32_t rc;
};

struct run {
	struct sigcheck check;
	struct verified *out;
	struct answer *answer;
	unsigned nanswers;
	bool measure; /* there is a signature with l= */
};

int32_t verifier_open(struct verifier **out)
{
	static const char *const none[] = {NULL};
	struct verifier *v = calloc(1, sizeof *v);
	u_int flags = DKIM_LIBFLAGS_BADSIGHANDLES; /* tell of bad ones too */

	if (v == NULL)
		return QF_ENOMEM;
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

static DKIM_CBSTAT prescreen(DKIM *d, DKIM_SIGINFO **sigs, int n)
{
	struct run *r = dkim_get_user_context(d);

	for (int i = 0; i < n; i++) {
		struct signature *s = &r->out->v[i];

		if ((unsigned)i >= r->out->n) {
			dkim_sig_ignore(sigs[i]);
			continue;
		}
		sigcheck_before(&r->check, sigs[i], s);
		if (s->letter != '\0')
			dkim_sig_ignore(sigs[i]);
		else if (sigcheck_tag(sigs[i], "l") != NULL)
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
		    ? r->check.rules->find(
			  r->check.rules->arg, a->name, (char *)buf, size)
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
			bodylen_feed(&r->check.body, run);
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
			sigcheck_give(&out->v[i], letter, why);
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
		const struct answer *a;

		if (i >= (unsigned)n || r->out->v[i].letter != '\0')
			continue;
		a = find_answer(r, sigs[i]);
		sigcheck_after(&r->check, d, sigs[i], a != NULL ? a->rc : 0,
		    &r->out->v[i]);
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
	unsigned others = 0;
	int32_t rc;

	*signatures = 0;
	while ((rc = wire_field_next(w, &at, &f)) != 0) {
		if (rc < 0)
			why = "a line of the header is no field";
		else if (f.raw.n >= VERIFIER_FIELD_MAX)
			why = "a header field has 64000 bytes or more";
		if (rc < 0)
			continue;
		if (name_is(f.name, SIGNATURE))
			++*signatures;
		else if (++others > VERIFIER_FIELDS_MAX)
			why = "the header has more than 1000 fields";
		r->check.froms += name_is(f.name, "From");
		r->check.subjects += name_is(f.name, "Subject");
	}
	return why;
}

int32_t verifier_run(const struct verifier *v, struct wire *w,
    const struct verifier_rules *rules, struct verified *out)
{
	struct run r = {.check = {.rules = rules}, .out = out};
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
