/*
 * dkim: signs messages (RFC 6376) with rsa-sha256 through libopendkim.
 *
 * Configuration mistakes and broken keys stop the stage before the first
 * message, so mail waits. A message that has no key, or that no signature
 * would hold for, passes unsigned, and the log says why.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

#include "plugins/dkim/domain.h"
#include "plugins/dkim/keytab.h"
#include "plugins/dkim/signer.h"
#include "plugins/dkim/wire.h"

struct stage {
	struct keytab keys;
	struct signer *signer;
};

__attribute__((format(printf, 4, 5))) static void say(const struct qf_host *h,
    struct qf_msg *m, int32_t level, const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	h->log(m, NULL, level, text);
}

static int32_t check_mode(const struct qf_host *h, const struct qf_conf *c)
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, "mode", &s);

	if (rc == QF_ENOENT || (rc == 0 && s.n == 4 && !memcmp(s.p, "sign", 4)))
		return 0;
	if (rc < 0)
		return rc;
	h->conf_error(c, "mode", NULL, 0,
	    s.n == 6 && !memcmp(s.p, "verify", 6)
		? "\"verify\" is not available in this version: use \"sign\" "
		  "or remove the stage"
		: "unknown mode: \"sign\" is the only one");
	return QF_ECONF;
}

static void fini(const struct qf_host *h, void *state)
{
	struct stage *st = state;

	(void)h;
	signer_close(st->signer);
	keytab_free(&st->keys);
	free(st);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct stage *st = calloc(1, sizeof *st);
	int32_t rc;

	if (st == NULL)
		return QF_ENOMEM;
	rc = check_mode(h, c);
	if (rc == 0)
		rc = keytab_load(&st->keys, h, c, false);
	if (rc == 0)
		rc = signer_open(&st->signer);
	if (rc < 0)
		fini(h, st);
	else
		*state = st;
	return rc;
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	int32_t mode = check_mode(h, c);
	struct keytab t;
	int32_t rc = keytab_load(&t, h, c, true);

	keytab_free(&t);
	return mode < 0 ? mode : rc;
}

/*
 * The key for a message, and the domain that it signs for: that of the From
 * field, which is what receivers compare (RFC 7489 section 3.1), or else that
 * of the envelope sender.
 */
static const struct keytab_entry *choose_key(const struct stage *st,
    const struct qf_host *h, struct qf_msg *m, struct qf_span from,
    char domain[DOMAIN_SIZE])
{
	char aligned[DOMAIN_SIZE] = "";
	bool has_from = domain_of_from(aligned, from);
	const struct keytab_entry *e =
	    has_from ? keytab_find(&st->keys, aligned) : NULL;
	struct qf_span sender;

	if (e != NULL) {
		memcpy(domain, aligned, DOMAIN_SIZE);
		return e;
	}
	if (h->sender(m, &sender) == 0 && domain_of_address(domain, sender))
		e = keytab_find(&st->keys, domain);
	if (e != NULL)
		say(h, m, QF_LOG_INFO,
		    "no key for the From domain %s: signing for the envelope "
		    "sender's domain %s",
		    has_from ? aligned : "(none)", domain);
	else
		say(h, m, QF_LOG_INFO, "not signed: no key for domain %s",
		    has_from ? aligned : "(none in From)");
	return e;
}

static int32_t broken(
    const struct qf_host *h, struct qf_msg *m, const char *why)
{
	struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = QF_BROKEN,
	    .text = "the message can not be signed",
	};

	say(h, m, QF_LOG_ERROR, "signing failed: %s", why);
	return h->verdict(m, &v);
}

static int32_t sign(const struct stage *st, const struct qf_host *h,
    struct qf_msg *m, struct wire *w)
{
	char domain[DOMAIN_SIZE], why[256];
	const struct keytab_entry *e;
	struct qf_span from;
	char *value = NULL;
	const char *unfit = signer_refuses(w, &from);
	int32_t rc;

	if (unfit != NULL) {
		say(h, m, QF_LOG_WARN, "not signed: %s", unfit);
		return QF_PASS;
	}
	e = choose_key(st, h, m, from, domain);
	if (e == NULL)
		return QF_PASS;
	rc = signer_sign(st->signer, w, e, domain, &value, why);
	if (rc == QF_EBUG)
		return broken(h, m, why);
	if (rc < 0)
		return rc;
	if (signer_signed_before(w, value)) {
		say(h, m, QF_LOG_INFO,
		    "not signed again: it has a signature d=%s s=%s of this "
		    "body",
		    domain, e->selector);
	} else {
		rc = h->header_insert(m, 0, "DKIM-Signature", value);
		if (rc == 0)
			say(h, m, QF_LOG_INFO, "signed d=%s s=%s a=rsa-sha256",
			    domain, e->selector);
	}
	free(value);
	return rc < 0 ? rc : QF_PASS;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	struct wire w;
	int32_t rc = wire_open(&w, h, m);

	if (rc == QF_ETOOLONG) {
		say(h, m, QF_LOG_WARN,
		    "not signed: the header has more than %d bytes",
		    WIRE_HEADER_MAX);
		rc = QF_PASS;
	} else if (rc == 0) {
		rc = sign(state, h, m, &w);
	}
	wire_close(&w);
	return rc;
}

static const struct qf_setting settings[] = {
    {.key = "mode", .help = "sign (the default)"},
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_ENVELOPE | QF_GROUP_EDIT |                \
	    QF_GROUP_VERDICT | QF_GROUP_CONFIG | QF_GROUP_LOG)
#define EFFECTS (QF_EFFECT_HEADER | QF_EFFECT_SEAL)
#define FLAGS   QF_FLAG_SECRET
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, FLAGS);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "dkim",
    .version = "1.0",
    .summary = "signs messages with DKIM (rsa-sha256)",
    .needs = NEEDS,
    .effects = EFFECTS,
    .flags = FLAGS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
};
