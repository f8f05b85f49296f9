#include "plugins/dkim/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/dkim/say.h"
#include "plugins/dkim/signkey.h"
#include "plugins/dkim/signoptions.h"

struct sign {
	struct keyring ring;
	struct signer *signer;
	unsigned lifetime;             /* seconds; 0: for ever */
	char extra[SETTING_TEXT_SIZE]; /* key file of a second signature */
};

/* One signature for one message. */
struct job {
	const struct sign *s;
	const struct qf_host *h;
	struct qf_msg *m;
	struct wire w;
	struct signkey key;
	struct signature_plan plan;
	struct signoptions options;
	char exclude[SETTING_TEXT_SIZE];
};

/* All settings, so that every mistake is found: 0 or the worst code. */
static int32_t read_settings(
    const struct qf_host *h, const struct qf_conf *c, struct sign *s)
{
	static const char *const missing[] = {"defer", "reject", "pass", NULL};
	int32_t worst = 0;
	const int32_t rc[] = {
	    setting_text(h, c, "key", s->ring.file),
	    setting_text(h, c, "extra-key", s->extra),
	    setting_number(h, c, "expire", 0, 366 * 86400, &s->lifetime),
	    setting_word(h, c, "missing-key", missing, &s->ring.missing),
	};

	for (size_t i = 0; i < sizeof rc / sizeof *rc; i++)
		worst = rc[i] < worst ? rc[i] : worst;
	return worst;
}

/* Reads all but the library's part: 0 or the worst code. */
static int32_t configure(const struct qf_host *h, const struct qf_conf *c,
    struct sign *s, bool advise)
{
	int32_t worst = read_settings(h, c, s);
	int32_t rc = dkimkeys_load(&s->ring.control, h, c);
	bool optional = s->ring.control.exists || s->ring.file[0] != '\0';

	s->ring.c = c;
	worst = rc < worst ? rc : worst;
	rc = keytab_load(&s->ring.table, h, c, optional, advise);
	return rc < worst ? rc : worst;
}

int32_t sign_open(
    const struct qf_host *h, const struct qf_conf *c, struct sign **out)
{
	struct sign *s = calloc(1, sizeof *s);
	int32_t rc;

	if (s == NULL)
		return QF_ENOMEM;
	rc = configure(h, c, s, false);
	if (rc == 0)
		rc = signer_open(&s->signer);
	if (rc < 0)
		sign_close(s);
	else
		*out = s;
	return rc;
}

void sign_close(struct sign *s)
{
	signer_close(s->signer);
	keytab_free(&s->ring.table);
	dkimkeys_free(&s->ring.control);
	free(s);
}

/* Is a key file that does not depend on the domain one to sign with? */
static int32_t check_file(const struct qf_host *h, const struct qf_conf *c,
    const char *setting, unsigned line, const char *name)
{
	char why[KEY_WHY_SIZE], text[KEY_WHY_SIZE + 32];
	struct key key;
	const char *path;
	int32_t rc;

	if (name[0] == '\0' || strchr(name, '%') != NULL)
		return 0;
	rc = h->conf_path(c, (struct qf_span){name, strlen(name)}, &path);
	if (rc < 0)
		return rc;
	rc = key_read(&key, path, why);
	key_free(&key);
	if (rc != QF_ECONF && rc != QF_ENOENT)
		return rc;
	if (setting == NULL)
		snprintf(text, sizeof text, "dkimkeys:%u: %s", line, why);
	else
		snprintf(text, sizeof text, "%s", why);
	h->conf_error(c, setting, NULL, 0, text);
	return QF_ECONF;
}

int32_t sign_check(const struct qf_host *h, const struct qf_conf *c)
{
	struct sign *s = calloc(1, sizeof *s);
	int32_t worst, rc;

	if (s == NULL)
		return QF_ENOMEM;
	worst = configure(h, c, s, true);
	rc = check_file(h, c, "key", 0, s->ring.file);
	worst = rc < worst ? rc : worst;
	rc = check_file(h, c, "extra-key", 0, s->extra);
	worst = rc < worst ? rc : worst;
	for (size_t i = 0; i < s->ring.control.n; i++) {
		const struct dkimkeys_entry *e = &s->ring.control.entry[i];

		rc = check_file(h, c, NULL, e->line, e->path);
		worst = rc < worst ? rc : worst;
	}
	sign_close(s);
	return worst;
}

/* May i= be this for d=? RFC 6376 section 3.5: the same domain or below. */
static bool fits_domain(const char *identity, const char *domain)
{
	const char *at = strrchr(identity, '@');
	char own[DOMAIN_SIZE];
	size_t n, m = strlen(domain);

	for (const char *p = identity; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~' || *p == ';' || *p == '=')
			return false;
	}
	if (at == NULL ||
	    !domain_copy(own, (struct qf_span){at + 1, strlen(at + 1)}, 2))
		return false;
	n = strlen(own);
	return n >= m && strcmp(own + n - m, domain) == 0 &&
	       (n == m || own[n - m - 1] == '.');
}

/* Says what was asked for and is not done. */
static void say_not_done(const struct job *j)
{
	const struct signoptions *o = &j->options;
	const struct {
		bool asked;
		const char *text;
	} all[] = {
	    {o->body_length, "-l: l= is not written, others could append to "
			     "the body"},
	    {o->copied_headers, "-h: z= is not written"},
	    {o->sha1, "-z: rsa-sha1 is forbidden (RFC 8301): signing with "
		      "SHA-256"},
	    {o->ed25519 && !j->plan.key->ed25519,
		"-z 4: the key is an RSA key: signing with rsa-sha256"},
	    {o->simple_header && j->plan.key->ed25519,
		"-c: the header is relaxed with an Ed25519 key"},
	};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (all[i].asked)
			say(j->h, j->m, QF_LOG_WARN, "DKIMSIGNOPTIONS %s",
			    all[i].text);
	}
}

/* Options from the variables; false when they can not be understood. */
static bool read_options(struct job *j, bool extra)
{
	struct signoptions *o = &j->options;
	char text[SETTING_TEXT_SIZE];

	*o = (struct signoptions){.lifetime = j->s->lifetime};
	if (((extra &&
		 signkey_variable(&j->key, "DKIMSIGNOPTIONSEXTRA", text)) ||
		signkey_variable(&j->key, "DKIMSIGNOPTIONS", text)) &&
	    !signoptions_parse(o, text))
		return false;
	if (signkey_variable(&j->key, "DKIMIDENTITY", text) && text[0] != '\0')
		snprintf(o->identity, sizeof o->identity, "%s", text);
	if (!signkey_variable(&j->key, "DKIMEXPIRE", text))
		return true;
	if (text[0] != '\0')
		return signoptions_seconds(&o->lifetime, text);
	o->lifetime = 0;
	return true;
}

static void apply_options(struct job *j)
{
	struct signature_plan *p = &j->plan;
	struct signoptions *o = &j->options;

	p->simple_header = o->simple_header;
	p->simple_body = o->simple_body;
	p->lifetime = o->lifetime;
	if (o->identity[0] != '\0' && fits_domain(o->identity, p->domain))
		p->identity = o->identity;
	else if (o->identity[0] != '\0')
		say(j->h, j->m, QF_LOG_WARN,
		    "signing without i=: the identity is no address at or "
		    "below %s",
		    p->domain);
	if (signkey_variable(&j->key, "EXCLUDE_DKIMSIGN", j->exclude))
		p->exclude = j->exclude;
	say_not_done(j);
}

static int32_t broken(struct job *j, const char *why)
{
	say(j->h, j->m, QF_LOG_ERROR, "signing failed: %s", why);
	return signkey_refuse(
	    &j->key, QF_BROKEN, QF_CAT_NONE, "the message can not be signed");
}

/* Signs as planned. */
static int32_t sign(struct job *j)
{
	const struct signature_plan *p = &j->plan;
	char *value = NULL, why[256];
	int32_t rc = signer_sign(j->s->signer, &j->w, p, &value, why);

	if (rc == QF_EBUG)
		return broken(j, why);
	if (rc < 0)
		return rc;
	if (signer_signed_before(&j->w, value)) {
		say(j->h, j->m, QF_LOG_INFO,
		    "not signed again: it has a signature d=%s s=%s of this "
		    "body",
		    p->domain, p->selector);
	} else {
		rc = j->h->header_insert(j->m, 0, "DKIM-Signature", value);
		if (rc == 0)
			say(j->h, j->m, QF_LOG_INFO, "signed d=%s s=%s a=%s",
			    p->domain, p->selector, signer_algorithm(p->key));
	}
	free(value);
	return rc < 0 ? rc : QF_PASS;
}

/* With the key found: reads the options and signs. */
static int32_t sign_with_key(struct job *j, bool extra)
{
	if (!read_options(j, extra)) {
		say(j->h, j->m, QF_LOG_ERROR,
		    "DKIMSIGNOPTIONS or DKIMEXPIRE can not be understood: see "
		    "qfront-dkim(8)");
		return signkey_refuse(&j->key, QF_DEFER, QF_CAT_CONFIG,
		    "invalid DKIMSIGNOPTIONS");
	}
	apply_options(j);
	return sign(j);
}

/* The second signature, if there is a key file for one. */
static int32_t sign_extra(struct job *j)
{
	char name[SETTING_TEXT_SIZE];
	int32_t rc;

	if (!signkey_variable(&j->key, "DKIMSIGNEXTRA", name) ||
	    name[0] == '\0')
		memcpy(name, j->s->extra, sizeof name);
	if (name[0] == '\0')
		return QF_PASS;
	wire_close(&j->w);
	rc = wire_open(&j->w, j->h, j->m);
	if (rc < 0)
		return rc;
	j->plan = (struct signature_plan){0};
	rc = signkey_file(&j->key, name, &j->plan);
	return rc == 1 ? sign_with_key(j, true) : rc;
}

static int32_t sign_all(struct job *j)
{
	struct qf_span from, sender;
	const char *unfit = signer_refuses(&j->w, &from);
	int32_t rc;

	if (unfit != NULL) {
		say(j->h, j->m, QF_LOG_WARN, "not signed: %s", unfit);
		return QF_PASS;
	}
	if (!domain_of_from(j->key.domain[0], from))
		j->key.domain[0][0] = '\0';
	if (j->h->sender(j->m, &sender) < 0 ||
	    !domain_of_address(j->key.domain[1], sender))
		j->key.domain[1][0] = '\0';
	rc = signkey_find(&j->key, &j->plan);
	if (rc != 1)
		return rc;
	rc = sign_with_key(j, false);
	return rc == QF_PASS ? sign_extra(j) : rc;
}

/* The variables did their work here, whatever became of it. */
static void take_variables(const struct job *j)
{
	if (!QF_HOST_HAS(j->h, env_take))
		return;
	j->h->env_take(j->m, "DKIMSIGN");
	j->h->env_take(j->m, "DKIMSIGNEXTRA");
}

int32_t sign_message(
    const struct qf_host *h, struct qf_msg *m, const struct sign *s)
{
	struct job *j = calloc(1, sizeof *j);
	int32_t rc;

	if (j == NULL)
		return QF_ENOMEM;
	j->s = s;
	j->h = h;
	j->m = m;
	j->key = (struct signkey){.ring = &s->ring, .h = h, .m = m};
	rc = wire_open(&j->w, h, m);
	if (rc == QF_ETOOLONG) {
		say(h, m, QF_LOG_WARN,
		    "not signed: the header has more than %d bytes",
		    WIRE_HEADER_MAX);
		rc = QF_PASS;
	} else if (rc == 0) {
		rc = sign_all(j);
	}
	if (rc == QF_PASS)
		take_variables(j);
	signkey_close(&j->key);
	wire_close(&j->w);
	free(j);
	return rc;
}
