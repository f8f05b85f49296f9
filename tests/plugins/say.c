/*
 * A plugin that gives the verdict that its settings describe: class, category
 * and code as numbers, status and text. In the text, \r, \n and \xHH stand for
 * bytes that a chain file can not hold.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <qfront/plugin.h>

struct state {
	struct qf_verdict v;
	char status[32], text[2048];
};

static uint32_t number(
    const struct qf_host *h, const struct qf_conf *c, const char *key)
{
	struct qf_span s;
	char digits[16];

	if (h->conf_get(c, key, &s) != 0)
		return 0;
	snprintf(digits, sizeof digits, "%.*s", (int)s.n, s.p);
	return (uint32_t)strtoul(digits, NULL, 10);
}

static void string(const struct qf_host *h, const struct qf_conf *c,
    const char *key, char *out, size_t size)
{
	struct qf_span s;

	if (h->conf_get(c, key, &s) == 0)
		snprintf(out, size, "%.*s", (int)s.n, s.p);
}

static void unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (*s != '\\') {
			*to++ = *s;
			continue;
		}
		s++;
		if (*s == 'x' && s[1] != '\0' && s[2] != '\0') {
			char hex[3] = {s[1], s[2], '\0'};

			*to++ = (char)strtoul(hex, NULL, 16);
			s += 2;
		} else {
			*to++ = *s == 'r' ? '\r' : *s == 'n' ? '\n' : *s;
		}
	}
	*to = '\0';
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *s = calloc(1, sizeof *s);

	if (s == NULL)
		return QF_ENOMEM;
	string(h, c, "status", s->status, sizeof s->status);
	string(h, c, "text", s->text, sizeof s->text);
	unescape(s->text);
	s->v = (struct qf_verdict){.size = sizeof s->v,
	    .class_ = number(h, c, "class"),
	    .category = number(h, c, "category"),
	    .code = number(h, c, "code"),
	    .status = s->status,
	    .text = s->text};
	*state = s;
	return 0;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct state *s = state;

	return h->verdict(m, &s->v);
}

static void fini(const struct qf_host *h, void *state)
{
	(void)h;
	free(state);
}

static const struct qf_setting settings[] = {{"class", "QF_PASS ...", 0, 0},
    {"category", "QF_CAT_...", 0, 0}, {"code", "an exit code", 0, 0},
    {"status", "enhanced status", 0, 0}, {"text", "for the sender", 0, 0},
    {NULL, NULL, 0, 0}};

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    .magic = QF_PLUGIN_MAGIC,
    .size = sizeof(struct qf_plugin),
    .abi_major = QF_ABI_MAJOR,
    .abi_minor = QF_ABI_MINOR,
    .name = "say",
    .version = "1",
    .summary = "says what it is told to",
    .needs = QF_GROUP_VERDICT,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
};
