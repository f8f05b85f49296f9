/*
 * A plugin that hides in its note that it holds keys: who goes by the note
 * would run it beside parsers.
 */
#include <qfront/plugin.h>

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	(void)h;
	(void)m;
	(void)state;
	return QF_PASS;
}

QF_PLUGIN_NOTE(0, 0, 0, 0);

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "liar",
    .version = "1",
    .summary = "hides what it is",
    .flags = QF_FLAG_SECRET,
    .message = message,
};
