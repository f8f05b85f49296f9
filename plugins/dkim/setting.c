#include "plugins/dkim/setting.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 5))) static int32_t mistake(
    const struct qf_host *h, const struct qf_conf *c, const char *key,
    const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	h->conf_error(c, key, NULL, 0, text);
	return QF_ECONF;
}

static bool span_is(struct qf_span s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

int32_t setting_word(const struct qf_host *h, const struct qf_conf *c,
    const char *key, const char *const *words, int *out)
{
	struct qf_span s;
	char list[200] = "";
	int32_t rc = h->conf_get(c, key, &s);

	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	for (int i = 0; words[i] != NULL; i++) {
		size_t n = strlen(list);

		if (span_is(s, words[i])) {
			*out = i;
			return 0;
		}
		snprintf(list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "",
		    words[i]);
	}
	return mistake(h, c, key, "\"%.*s\" is not one of: %s",
	    (int)(s.n < 100 ? s.n : 100), s.p, list);
}

int32_t setting_flag(const struct qf_host *h, const struct qf_conf *c,
    const char *key, bool *out)
{
	static const char *const words[] = {"no", "yes", NULL};
	int value = *out;
	int32_t rc = setting_word(h, c, key, words, &value);

	*out = value != 0;
	return rc;
}

int32_t setting_number(const struct qf_host *h, const struct qf_conf *c,
    const char *key, unsigned min, unsigned max, unsigned *out)
{
	struct qf_span s;
	uint64_t value = 0;
	int32_t rc = h->conf_get(c, key, &s);
	size_t i = 0;

	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9' && value <= max)
		value = value * 10 + (uint64_t)(s.p[i++] - '0');
	if (s.n == 0 || i < s.n || value < min || value > max)
		return mistake(h, c, key, "\"%.*s\" is no number from %u to %u",
		    (int)(s.n < 100 ? s.n : 100), s.p, min, max);
	*out = (unsigned)value;
	return 0;
}

int32_t setting_text(const struct qf_host *h, const struct qf_conf *c,
    const char *key, char out[SETTING_TEXT_SIZE])
{
	struct qf_span s;
	int32_t rc = h->conf_get(c, key, &s);

	if (rc < 0)
		return rc == QF_ENOENT ? 0 : rc;
	if (s.n == 0 || s.n >= SETTING_TEXT_SIZE)
		return mistake(h, c, key, "it is empty or too long");
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return 0;
}

bool setting_env(const struct qf_host *h, struct qf_msg *m, const char *name,
    char out[SETTING_TEXT_SIZE])
{
	struct qf_span s;
	size_t n;

	out[0] = '\0';
	if (h->env(m, name, &s) < 0)
		return false;
	n = s.n < SETTING_TEXT_SIZE ? s.n : SETTING_TEXT_SIZE - 1;
	memcpy(out, s.p, n);
	out[n] = '\0';
	return true;
}
