#include "plugins/dkim/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "plugins/dkim/keydns.h"
#include "plugins/dkim/say.h"
#include "plugins/dkim/setting.h"
#include "plugins/dkim/verifier.h"

enum {
	HEADER_NO,
	HEADER_YES,
	HEADER_ASKED /* when DKIMVERIFY is set */
};

struct verify {
	char refuse[SETTING_TEXT_SIZE]; /* letters */
	unsigned max, min_bits, dns_seconds;
	bool body_length, unsigned_from, require_subject;
	int header; /* HEADER_... */
	struct keydns dns;
	struct verifier *verifier;
};

/* One message: what the caller's variables and the settings come to. */
struct job {
	const struct verify *v;
	const struct qf_host *h;
	struct qf_msg *m;
	struct verifier_rules rules;
	int64_t deadline;               /* of all lookups, in us */
	char refuse[SETTING_TEXT_SIZE]; /* letters */
	bool header;
	bool has_record;
	char record[SETTING_TEXT_SIZE]; /* SELECTOR_DATA */
};

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int32_t check_letters(
    const struct qf_host *h, const struct qf_conf *c, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		char c0 = *letters & ~0x20;

		if (c0 < 'A' || c0 > 'Y') {
			h->conf_error(c, "refuse", NULL, 0,
			    "use letters from A to Y, small ones for a "
			    "temporary refusal: see qfront-dkim(8)");
			return QF_ECONF;
		}
	}
	return 0;
}

static int32_t read_server(
    const struct qf_host *h, const struct qf_conf *c, struct keydns *dns)
{
	char text[SETTING_TEXT_SIZE] = "";
	int32_t rc = setting_text(h, c, "nameserver", text);

	if (rc < 0 || text[0] == '\0' || keydns_server(dns, text))
		return rc;
	h->conf_error(
	    c, "nameserver", NULL, 0, "write an IPv4 address, or ADDRESS:PORT");
	return QF_ECONF;
}

/* All settings, so that every mistake is found: 0 or the worst code. */
static int32_t read_settings(
    const struct qf_host *h, const struct qf_conf *c, struct verify *v)
{
	static const char *const when[] = {"no", "yes", "asked", NULL};
	int32_t worst = 0;

	*v = (struct verify){.max = 10,
	    .min_bits = 1024,
	    .dns_seconds = 20,
	    .header = HEADER_ASKED};
	const int32_t rc[] = {
	    setting_text(h, c, "refuse", v->refuse),
	    check_letters(h, c, v->refuse),
	    setting_number(h, c, "max-signatures", 1, VERIFIER_MAX, &v->max),
	    setting_number(h, c, "min-bits", 1024, 16384, &v->min_bits),
	    setting_number(h, c, "dns-timeout", 1, 600, &v->dns_seconds),
	    setting_flag(h, c, "body-length", &v->body_length),
	    setting_flag(h, c, "unsigned-from", &v->unsigned_from),
	    setting_flag(h, c, "signed-subject", &v->require_subject),
	    setting_word(h, c, "status-header", when, &v->header),
	    read_server(h, c, &v->dns),
	};

	for (size_t i = 0; i < sizeof rc / sizeof *rc; i++)
		worst = rc[i] < worst ? rc[i] : worst;
	return worst;
}

int32_t verify_open(
    const struct qf_host *h, const struct qf_conf *c, struct verify **out)
{
	struct verify *v = malloc(sizeof *v);
	int32_t rc;

	if (v == NULL)
		return QF_ENOMEM;
	rc = read_settings(h, c, v);
	if (rc == 0)
		rc = verifier_open(&v->verifier);
	if (rc < 0)
		verify_close(v);
	else
		*out = v;
	return rc;
}

void verify_close(struct verify *v)
{
	verifier_close(v->verifier);
	free(v);
}

int32_t verify_check(const struct qf_host *h, const struct qf_conf *c)
{
	struct verify v;

	return read_settings(h, c, &v);
}

static int32_t find_record(void *arg, const char *name, char *out, size_t size)
{
	struct job *j = arg;
	int64_t start = now_us(), left = (j->deadline - start) / 1000;
	char what[400];
	int32_t rc;

	if (j->has_record) {
		if (strlen(j->record) >= size)
			return QF_ETOOLONG;
		strcpy(out, j->record);
		return 0;
	}
	rc = keydns_find(&j->v->dns, name, left, out, size);
	snprintf(what, sizeof what, "dns %s", name);
	if (QF_HOST_HAS(j->h, waited) && left > 0)
		j->h->waited(j->m, what, now_us() - start);
	if (rc == QF_ENET)
		say(j->h, j->m, QF_LOG_WARN,
		    left > 0 ? "no answer from the DNS for %s"
			     : "no time left to ask the DNS for %s",
		    name);
	return rc;
}

/* The lookups have the time that is set, and leave some of the stage's for
 * the rest. */
static int64_t lookup_deadline(const struct job *j)
{
	int64_t ms = (int64_t)j->v->dns_seconds * 1000;

	if (QF_HOST_HAS(j->h, time_left)) {
		int64_t left = j->h->time_left(j->m);
		int64_t keep = left / 4 < 2000 ? left / 4 : 2000;

		if (left - keep < ms)
			ms = left - keep;
	}
	return now_us() + ms * 1000;
}

/* Settings, and the variables of indimail that override them. */
static void begin(struct job *j, const struct verify *v,
    const struct qf_host *h, struct qf_msg *m)
{
	char text[SETTING_TEXT_SIZE];
	bool asked;

	*j = (struct job){.v = v, .h = h, .m = m};
	asked = setting_env(h, m, "DKIMVERIFY", j->refuse);
	if (!asked)
		memcpy(j->refuse, v->refuse, sizeof j->refuse);
	j->header = v->header == HEADER_ASKED ? asked : v->header == HEADER_YES;
	j->has_record = setting_env(h, m, "SELECTOR_DATA", j->record);
	j->deadline = lookup_deadline(j);
	j->rules = (struct verifier_rules){
	    .max = v->max,
	    .min_bits = v->min_bits,
	    .body_length = v->body_length ||
			   setting_env(h, m, "HONOR_BODYLENGTHTAG", text),
	    .unsigned_from =
		v->unsigned_from || setting_env(h, m, "UNSIGNED_FROM", text),
	    .require_subject = v->require_subject ||
			       setting_env(h, m, "UNSIGNED_SUBJECT", text),
	    .find = find_record,
	    .arg = j,
	};
}

/* The domain of the author, or "". */
static void author(const struct wire *w, char out[DOMAIN_SIZE])
{
	struct wire_field f;
	size_t at = 0;
	int32_t rc;

	out[0] = '\0';
	while ((rc = wire_field_next(w, &at, &f)) != 0) {
		if (rc == 1 && f.name.n == 4 &&
		    strncasecmp(f.name.p, "From", 4) == 0) {
			if (!domain_of_from(out, f.value))
				out[0] = '\0';
			return;
		}
	}
}

static bool is_good(char letter)
{
	return letter == STATUS_GOOD || letter == STATUS_EXTRA;
}

/* The signature that decides: a good one before all others, then one of the
 * author's domain, then by status_rank(). */
static const struct signature *choose(
    const struct verified *all, const char *author)
{
	const struct signature *best = NULL;
	int best_rank = -1;

	for (unsigned i = 0; i < all->n; i++) {
		const struct signature *s = &all->v[i];
		int rank = status_rank(s->letter);

		if (domain_aligned(s->domain, author))
			rank += 100;
		if (is_good(s->letter))
			rank += 1000;
		if (rank > best_rank) {
			best = s;
			best_rank = rank;
		}
	}
	return best;
}

/* The letter for the message. */
static char conclude(const struct verified *all, const char *author)
{
	const struct signature *best = choose(all, author);

	if (best == NULL)
		return STATUS_NONE;
	if (!is_good(best->letter) || domain_aligned(best->domain, author))
		return best->letter;
	for (unsigned i = 0; i < all->n; i++) {
		if (domain_aligned(all->v[i].domain, author))
			return STATUS_PARTIAL;
	}
	return STATUS_THIRD_PARTY;
}

static int32_t add_result(const struct job *j, const struct signature *s)
{
	const struct status *st = status_of(s->letter);
	const struct {
		const char *name, *value;
	} all[] = {{"d", s->domain}, {"s", s->selector}, {"a", s->algorithm},
	    {"b", s->b}};
	struct qf_authprop props[4];
	struct qf_authres r = {.size = sizeof r,
	    .method = "dkim",
	    .result = st->result,
	    .reason = strcmp(st->result, "pass") == 0 ? NULL : s->why,
	    .props = props};

	for (size_t i = 0; i < 4; i++) {
		if (all[i].value[0] != '\0')
			props[r.nprops++] = (struct qf_authprop){
			    "header", all[i].name, all[i].value};
	}
	return j->h->authres_add(j->m, &r);
}

/* The results for Authentication-Results, where the host has it. It may take
 * no more of them: what a stranger wrote must not break the stage. */
static void add_results(const struct job *j, const struct verified *all)
{
	struct qf_authres none = {
	    .size = sizeof none, .method = "dkim", .result = "none"};
	int32_t rc = 0;

	if (!QF_HOST_HAS(j->h, authres_add) ||
	    (j->h->groups & QF_GROUP_AUTHRES) == 0)
		return;
	if (all->n == 0)
		rc = j->h->authres_add(j->m, &none);
	for (unsigned i = 0; rc == 0 && i < all->n; i++)
		rc = add_result(j, &all->v[i]);
	if (rc < 0)
		say(j->h, j->m, QF_LOG_WARN,
		    "not all results are in Authentication-Results (error %d)",
		    (int)rc);
}

/* Puts our DKIM-Status on top in place of those that strangers wrote. */
static int32_t write_header(const struct job *j, char letter)
{
	static const char name[] = "DKIM-Status";
	int32_t at = -1;
	int32_t rc =
	    j->h->header_insert(j->m, 0, name, status_of(letter)->text);

	while (rc == 0) {
		at = j->h->header_find(j->m, name, (uint32_t)(at + 1));
		if (at == QF_ENOENT)
			return 0;
		rc = at < 0 ? at : j->h->header_delete(j->m, (uint32_t)at);
	}
	return rc;
}

static void log_all(
    const struct job *j, const struct verified *all, char letter)
{
	for (unsigned i = 0; i < all->n; i++) {
		const struct signature *s = &all->v[i];

		say(j->h, j->m, QF_LOG_INFO,
		    "signature %u: %s d=%s s=%s a=%s%s%s", i + 1,
		    status_of(s->letter)->result, s->domain, s->selector,
		    s->algorithm, is_good(s->letter) ? "" : ": ",
		    is_good(s->letter) ? "" : s->why);
	}
	if (all->ignored > 0)
		say(j->h, j->m, QF_LOG_WARN,
		    "%u more signatures were not looked at", all->ignored);
	say(j->h, j->m, QF_LOG_INFO, "result %c: %s", letter,
	    status_of(letter)->text);
}

static int32_t refuse(const struct job *j, char letter, bool temporary)
{
	const struct status *st = status_of(letter);
	char status[16], text[200];
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = temporary ? QF_DEFER : QF_REJECT,
	    .category = QF_CAT_AUTH,
	    .status = status,
	    .text = text};

	snprintf(
	    status, sizeof status, "%c.%s", temporary ? '4' : '5', st->code);
	snprintf(text, sizeof text, "DKIM: %s", st->text);
	return j->h->verdict(j->m, &v);
}

static int32_t finish(
    const struct job *j, const struct verified *all, const char *author)
{
	char letter = conclude(all, author);
	int32_t rc = 0;

	add_results(j, all);
	log_all(j, all, letter);
	if (j->header)
		rc = write_header(j, letter);
	if (rc < 0)
		return rc;
	if (QF_HOST_HAS(j->h, env_take))
		j->h->env_take(j->m, "DKIMVERIFY");
	if (strchr(j->refuse, letter) != NULL)
		return refuse(j, letter, false);
	if (strchr(j->refuse, letter | 0x20) != NULL)
		return refuse(j, letter, true);
	return QF_PASS;
}

int32_t verify_message(
    const struct qf_host *h, struct qf_msg *m, const struct verify *v)
{
	struct verified *all = malloc(sizeof *all);
	char from[DOMAIN_SIZE] = "";
	struct job j;
	struct wire w;
	int32_t rc;

	if (all == NULL)
		return QF_ENOMEM;
	begin(&j, v, h, m);
	rc = wire_open(&w, h, m);
	if (rc == 0)
		author(&w, from);
	if (rc == 0 || rc == QF_ETOOLONG)
		rc = verifier_run(
		    v->verifier, rc == 0 ? &w : NULL, &j.rules, all);
	if (rc == 0)
		rc = finish(&j, all, from);
	wire_close(&w);
	free(all);
	return rc;
}
