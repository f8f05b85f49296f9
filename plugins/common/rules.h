/*
 * What plugins share that take their rules from a list, one a line: reading
 * it, the words of a line, and reports that name the line.
 */
#ifndef QF_PLUGIN_RULES_H
#define QF_PLUGIN_RULES_H

#include <stdbool.h>

#include <qfront/plugin.h>

/* Where in the configuration we are. */
struct rules_place {
	const struct qf_host *h;
	const struct qf_conf *c;
	const char *list;
	uint32_t line; /* 0: the list as a whole */
};

/* How much of what somebody wrote a text repeats: for %.*s. */
#define RULES_QUOTE(s) (int)((s).n < 80 ? (s).n : 80), (s).p

/* Reports a mistake there: QF_ECONF. */
int32_t rules_mistake(const struct rules_place *at, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Calls parse() for each line of the list: 0 or a negative code. QF_ECONF does
 * not keep it from looking for more mistakes. A list that is not there or
 * holds nothing is one. */
typedef int32_t rules_parse(
    const struct rules_place *at, struct qf_span line, void *arg);
int32_t rules_read(const struct qf_host *h, const struct qf_conf *c,
    const char *list, rules_parse *parse, void *arg);

/* Cuts the next word, up to space or tab, off the line; empty at its end. What
 * is left has no white space in front. */
struct qf_span rules_word(struct qf_span *line);
bool rules_is(struct qf_span s, const char *word);
/* A decimal number from 1 to max. */
bool rules_number(struct qf_span s, uint64_t max, uint64_t *out);

/* A log line; m and c as in the host's log(). */
void rules_log(const struct qf_host *h, struct qf_msg *m,
    const struct qf_conf *c, int32_t level, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
