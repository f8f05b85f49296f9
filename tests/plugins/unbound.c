/*
 * A plugin that calls what nobody has: it must not be found out by the first
 * message.
 */
#include <qfront/plugin.h>

extern int32_t qf_test_nowhere(struct qf_msg *m);

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	(void)h;
	(void)state;
	return qf_test_nowhere(m);
}

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "unbound",
    .version = "1",
    .summary = "calls what nobody has",
    .message = message,
};
