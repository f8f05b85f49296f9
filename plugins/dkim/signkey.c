#include "plugins/dkim/signkey.h"

#include <stdio.h>
#include <string.h>

#include "plugins/dkim/say.h"

enum {
	PATH_SIZE = 4096,
	SIGN = 1
};

bool signkey_variable(
    struct signkey *k, const char *name, char out[SETTING_TEXT_SIZE])
{
	const char *value =
	    k->entry != NULL ? dkimkeys_variable(k->entry, name) : NULL;

	if (value == NULL)
		return setting_env(k->h, k->m, name, out);
	snprintf(out, SETTING_TEXT_SIZE, "%s", value);
	return value[0] != '\0';
}

int32_t signkey_refuse(
    struct signkey *k, uint32_t class_, uint32_t category, const char *text)
{
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = class_,
	    .category = category,
	    .status = class_ == QF_REJECT ? "5.3.5" : "4.3.5",
	    .text = text};

	return k->h->verdict(k->m, &v);
}

void signkey_close(struct signkey *k)
{
	key_free(&k->own);
}

/* The selector is what the file is called. */
static int32_t set_selector(
    struct signkey *k, const char *path, char out[DOMAIN_SIZE])
{
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;

	if (domain_copy(out, (struct qf_span){base, strlen(base)}, 1))
		return SIGN;
	say(k->h, k->m, QF_LOG_ERROR,
	    "key file %s: its name is the selector: use letters, digits, "
	    "hyphens and dots",
	    path);
	return signkey_refuse(k, QF_DEFER, QF_CAT_KEY,
	    "the name of the DKIM key file is no selector");
}

/* Reads a key file: SIGN, QF_ENOENT, a class or an error. */
static int32_t read_key(struct signkey *k, const char *name, const char *domain,
    struct signature_plan *plan)
{
	char why[KEY_WHY_SIZE];
	const char *path;
	int32_t rc = k->h->conf_path(
	    k->ring->c, (struct qf_span){name, strlen(name)}, &path);

	if (rc < 0)
		return rc;
	key_free(&k->own);
	rc = key_read(&k->own, path, why);
	if (rc == QF_ENOENT || rc == QF_ENOMEM)
		return rc;
	if (rc < 0) {
		say(k->h, k->m, QF_LOG_ERROR, "%s", why);
		return signkey_refuse(
		    k, QF_DEFER, QF_CAT_KEY, "the DKIM key can not be used");
	}
	plan->key = &k->own;
	snprintf(plan->domain, sizeof plan->domain, "%s", domain);
	return set_selector(k, path, plan->selector);
}

/* The name with the domain in place of each `%`; false when it is too long. */
static bool fill_in(char out[PATH_SIZE], const char *name, const char *domain)
{
	size_t n = 0;

	for (; *name != '\0'; name++) {
		bool mark = *name == '%';
		const char *from = mark ? domain : name;
		size_t len = mark ? strlen(domain) : 1;

		if (n + len >= PATH_SIZE)
			return false;
		memcpy(out + n, from, len);
		n += len;
	}
	out[n] = '\0';
	return true;
}

/* A name without `%` must be there. */
static int32_t answer_missing(struct signkey *k, const char *name)
{
	static const char text[] = "the DKIM key file is missing";

	say(k->h, k->m,
	    k->ring->missing == KEY_MISSING_PASS ? QF_LOG_WARN : QF_LOG_ERROR,
	    "not signed: there is no key file %s", name);
	if (k->ring->missing == KEY_MISSING_PASS)
		return 0;
	if (k->ring->missing == KEY_MISSING_REJECT)
		return signkey_refuse(k, QF_REJECT, QF_CAT_KEY, text);
	return signkey_refuse(k, QF_DEFER, QF_CAT_KEY, text);
}

/* The domain that signs where the file does not depend on it, or NULL. */
static const char *first_domain(const struct signkey *k)
{
	for (size_t i = 0; i < 2; i++) {
		if (k->domain[i][0] != '\0')
			return k->domain[i];
	}
	return NULL;
}

/* Tries the domains in place of `%`, and then none. */
static int32_t try_names(
    struct signkey *k, const char *name, struct signature_plan *plan)
{
	char path[PATH_SIZE];
	int32_t rc = QF_ENOENT;
	struct qf_span base;

	for (size_t i = 0; rc == QF_ENOENT && i < 2; i++) {
		if (k->domain[i][0] != '\0' &&
		    fill_in(path, name, k->domain[i]))
			rc = read_key(k, path, k->domain[i], plan);
	}
	if (rc != QF_ENOENT || !fill_in(path, name, ""))
		return rc;
	/* What was nothing but `%` leaves a directory. */
	base = (struct qf_span){path, strlen(path)};
	if (base.n == 0 || path[base.n - 1] == '/')
		return QF_ENOENT;
	return read_key(k, path, first_domain(k), plan);
}

int32_t signkey_file(
    struct signkey *k, const char *name, struct signature_plan *plan)
{
	const char *domain = first_domain(k);
	int32_t rc;

	if (domain == NULL) {
		say(k->h, k->m, QF_LOG_INFO,
		    "not signed: neither From nor the envelope sender has a "
		    "domain");
		return 0;
	}
	if (strchr(name, '%') == NULL) {
		rc = read_key(k, name, domain, plan);
		return rc == QF_ENOENT ? answer_missing(k, name) : rc;
	}
	rc = try_names(k, name, plan);
	if (rc != QF_ENOENT)
		return rc;
	say(k->h, k->m, QF_LOG_INFO, "not signed: no key file %s for domain %s",
	    name, domain);
	return 0;
}

/* The key for a domain in one of the tables: SIGN, 0, or as
 * signkey_file(). */
static int32_t look_up(
    struct signkey *k, const char *domain, struct signature_plan *plan)
{
	char unused[SETTING_TEXT_SIZE];
	const struct keytab_entry *e = keytab_find(&k->ring->table, domain);

	if (e != NULL) {
		plan->key = e->key;
		memcpy(plan->selector, e->selector, sizeof plan->selector);
		snprintf(plan->domain, sizeof plan->domain, "%s", domain);
		return SIGN;
	}
	k->entry = dkimkeys_find(&k->ring->control, domain,
	    setting_env(k->h, k->m, "QREGEX", unused));
	if (k->entry == NULL)
		return 0;
	return signkey_file(k, k->entry->path, plan);
}

/* The file that the caller or the settings name: *out, or false. */
static bool named_file(struct signkey *k, char out[SETTING_TEXT_SIZE])
{
	struct qf_span s;
	char unused[SETTING_TEXT_SIZE];

	if (setting_env(k->h, k->m, "DKIMSIGN", out) && out[0] != '\0')
		return true;
	/* DKIMKEY is for mail of our own users. */
	if ((k->h->context(k->m, "relay", &s) == 0 ||
		setting_env(k->h, k->m, "AUTHINFO", unused)) &&
	    setting_env(k->h, k->m, "DKIMKEY", out) && out[0] != '\0')
		return true;
	memcpy(out, k->ring->file, SETTING_TEXT_SIZE);
	return out[0] != '\0';
}

static void say_unsigned(struct signkey *k)
{
	say(k->h, k->m, QF_LOG_INFO, "not signed: no key for domain %s",
	    k->domain[0][0] != '\0' ? k->domain[0] : "(none in From)");
}

int32_t signkey_find(struct signkey *k, struct signature_plan *plan)
{
	char text[SETTING_TEXT_SIZE];
	bool tables = !setting_env(k->h, k->m, "NODKIMKEYS", text);

	for (size_t i = 0; tables && i < 2; i++) {
		int32_t rc;

		if (k->domain[i][0] == '\0')
			continue;
		rc = look_up(k, k->domain[i], plan);
		if (rc == SIGN && i == 1)
			say(k->h, k->m, QF_LOG_INFO,
			    "no key for the From domain %s: signing for the "
			    "envelope sender's domain %s",
			    k->domain[0][0] != '\0' ? k->domain[0] : "(none)",
			    k->domain[1]);
		if (rc != 0 || k->entry != NULL)
			return rc;
	}
	if (named_file(k, text))
		return signkey_file(k, text, plan);
	say_unsigned(k);
	return 0;
}
