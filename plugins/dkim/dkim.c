/*
 * dkim: signs messages (RFC 6376) and verifies the signatures of others,
 * through libopendkim. A stage does one of both: one that verifies reads what
 * strangers wrote and never opens a key, and the host keeps it out of the
 * processes that do.
 *
 * Configuration mistakes and broken keys stop a stage that signs before the
 * first message, so mail waits. A message that has no key, or that no
 * signature would hold for, passes unsigned, and the log says why.
 */
#include <stdlib.h>

#include <qfront/plugin.h>

#include "plugins/dkim/setting.h"
#include "plugins/dkim/sign.h"
#include "plugins/dkim/verify.h"

enum mode {
	MODE_SIGN,
	MODE_VERIFY
};

/* Exactly one is there. */
struct stage {
	struct sign *sign;
	struct verify *verify;
};

/* Settings that only one of the modes has. */
static const char *const only[][12] = {
    [MODE_SIGN] = {"key", "extra-key", "expire", "missing-key", NULL},
    [MODE_VERIFY] = {"refuse", "max-signatures", "min-bits", "body-length",
	"unsigned-from", "signed-subject", "status-header", "dns-timeout",
	"nameserver", NULL},
};

static int32_t read_mode(
    const struct qf_host *h, const struct qf_conf *c, int *mode)
{
	static const char *const words[] = {"sign", "verify", NULL};
	struct qf_span s;
	int32_t rc;

	*mode = MODE_SIGN;
	rc = setting_word(h, c, "mode", words, mode);
	if (rc < 0)
		return rc;
	for (const char *const *key = only[*mode == MODE_SIGN]; *key != NULL;
	     key++) {
		if (h->conf_get(c, *key, &s) < 0)
			continue;
		h->conf_error(c, *key, NULL, 0,
		    *mode == MODE_SIGN ? "this is for mode=verify"
				       : "this is for mode=sign");
		rc = QF_ECONF;
	}
	return rc;
}

static void fini(const struct qf_host *h, void *state)
{
	struct stage *st = state;

	(void)h;
	if (st->sign != NULL)
		sign_close(st->sign);
	if (st->verify != NULL)
		verify_close(st->verify);
	free(st);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct stage *st = calloc(1, sizeof *st);
	int mode;
	int32_t rc;

	if (st == NULL)
		return QF_ENOMEM;
	rc = read_mode(h, c, &mode);
	if (rc == 0)
		rc = mode == MODE_SIGN ? sign_open(h, c, &st->sign)
				       : verify_open(h, c, &st->verify);
	if (rc < 0)
		fini(h, st);
	else
		*state = st;
	return rc;
}

static int32_t checkconf(const struct qf_host *h, const struct qf_conf *c)
{
	int mode;
	int32_t rc = read_mode(h, c, &mode);
	int32_t more =
	    mode == MODE_SIGN ? sign_check(h, c) : verify_check(h, c);

	return rc < 0 ? rc : more;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct stage *st = state;

	return st->sign != NULL ? sign_message(h, m, st->sign)
				: verify_message(h, m, st->verify);
}

static const struct qf_setting settings[] = {
    {.key = "mode", .help = "sign (the default) or verify"},
    {.key = "key",
	.help = "sign: key file, % for the domain, when no table "
		"has one"},
    {.key = "extra-key", .help = "sign: key file of a second signature"},
    {.key = "expire",
	.help = "sign: seconds until signatures expire, 0 for "
		"never (the default)"},
    {.key = "missing-key",
	.help = "sign: defer (the default), reject or pass mail whose key "
		"file is not there"},
    {.key = "refuse",
	.help = "verify: letters of results that refuse mail, small ones for "
		"a time (none)"},
    {.key = "max-signatures", .help = "verify: how many are looked at (10)"},
    {.key = "min-bits", .help = "verify: least bits of an RSA key (1024)"},
    {.key = "body-length",
	.help = "verify: yes: l= may leave some of the body out (no)"},
    {.key = "unsigned-from",
	.help = "verify: yes: From need not be signed "
		"(no)"},
    {.key = "signed-subject",
	.help = "verify: yes: Subject must be signed "
		"(no)"},
    {.key = "status-header",
	.help = "verify: write DKIM-Status: yes, no, or asked: when "
		"DKIMVERIFY is set (the default)"},
    {.key = "dns-timeout",
	.help = "verify: seconds that all key lookups may take (20)"},
    {.key = "nameserver",
	.help = "verify: ADDRESS or ADDRESS:PORT to ask (those of the "
		"system)"},
    {0},
};

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |              \
	    QF_GROUP_CONTEXT | QF_GROUP_EDIT | QF_GROUP_VERDICT |              \
	    QF_GROUP_CONFIG | QF_GROUP_LOG)
#define WANTS   (QF_GROUP_AUTHRES | QF_GROUP_RUN)
#define EFFECTS (QF_EFFECT_HEADER | QF_EFFECT_SEAL)
#define FLAGS   QF_FLAG_SECRET
QF_PLUGIN_NOTE(NEEDS, WANTS, EFFECTS, FLAGS);
#define KINDS(kind)                                                            \
	kind("mode", "verify", QF_EFFECT_HEADER,                               \
	    QF_FLAG_PARSER | QF_FLAG_NETWORK)
QF_PLUGIN_KINDS(kinds, KINDS);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    /* A host without kinds would verify among the keys. */
    .abi_minor_needed = 1,
    .name = "dkim",
    .version = "1.1",
    .summary = "signs messages with DKIM, verifies signatures",
    .needs = NEEDS,
    .wants = WANTS,
    .effects = EFFECTS,
    .flags = FLAGS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .checkconf = checkconf,
    .kinds = kinds,
};
