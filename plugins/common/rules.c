#include "plugins/common/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	TEXT_SIZE = 600
};

int32_t rules_mistake(const struct rules_place *at, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	at->h->conf_error(at->c, NULL, at->list, at->line, text);
	return QF_ECONF;
}

int32_t rules_read(const struct qf_host *h, const struct qf_conf *c,
    const char *list, rules_parse *parse, void *arg)
{
	struct rules_place at = {.h = h, .c = c, .list = list};
	struct qf_iter it = {0};
	struct qf_span line;
	int32_t rc, result = 0;
	bool any = false;

	while ((rc = h->conf_list_next(c, list, &it, &line, &at.line)) > 0) {
		any = true;
		rc = parse(&at, line, arg);
		if (rc == QF_ECONF)
			result = rc;
		else if (rc < 0)
			return rc;
	}
	at.line = 0;
	if (rc == QF_ENOENT)
		return rules_mistake(&at,
		    "there is no such file, so this stage has nothing to do: "
		    "make it, one rule a line, or remove the stage");
	if (rc < 0)
		return rc;
	if (!any)
		return rules_mistake(&at,
		    "holds no rule, so this stage has nothing to do: add one "
		    "or remove the stage");
	return result;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct qf_span rules_word(struct qf_span *line)
{
	struct qf_span word;

	while (line->n > 0 && is_blank(*line->p)) {
		line->p++;
		line->n--;
	}
	word = (struct qf_span){.p = line->p};
	while (line->n > 0 && !is_blank(*line->p)) {
		line->p++;
		line->n--;
		word.n++;
	}
	while (line->n > 0 && is_blank(*line->p)) {
		line->p++;
		line->n--;
	}
	return word;
}

bool rules_is(struct qf_span s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

bool rules_number(struct qf_span s, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)s.p[i] - '0';

		if (digit > 9 || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return n > 0;
}

void rules_log(const struct qf_host *h, struct qf_msg *m,
    const struct qf_conf *c, int32_t level, const char *fmt, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	h->log(m, c, level, text);
}
