/*
 * null: accepts every message and drops it, for tests of a chain and for
 * mail that nobody wants to keep. It never fails.
 */
#include <qfront/plugin.h>

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	static const struct qf_verdict v = {
	    .size = sizeof v,
	    .class_ = QF_DISCARD,
	    .text = "dropped by the null stage",
	};

	(void)state;
	return h->verdict(m, &v);
}

#define NEEDS   QF_GROUP_VERDICT
#define EFFECTS QF_EFFECT_DROP
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, 0);

const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "null",
    .version = "1.0",
    .summary = "accepts every message and drops it",
    .needs = NEEDS,
    .effects = EFFECTS,
    .message = message,
};
