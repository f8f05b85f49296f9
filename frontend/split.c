#include "frontend/split.h"

#include <string.h>

static const struct {
	const char *name;
	enum qf_split_action action;
} actions[] = {
    {"bounce", QF_SPLIT_BOUNCE},
    {"quarantine", QF_SPLIT_QUARANTINE},
    {"refuse", QF_SPLIT_REFUSE},
    {"discard", QF_SPLIT_DISCARD},
};

static bool find_action(struct qf_span word, enum qf_split_action *out)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (qf_span_is(word, actions[i].name)) {
			*out = actions[i].action;
			return true;
		}
	}
	return false;
}

static bool find_category(struct qf_span word, uint32_t *out)
{
	for (*out = 0; *out < QF_CATEGORIES; ++*out) {
		if (qf_span_is(word, qf_category_name(*out)))
			return true;
	}
	return false;
}

static void read_line(struct qf_split *s, const struct qf_ctl *ctl,
    const struct qf_line *line, struct qf_problems *p)
{
	struct qf_span rest = line->s, category;
	enum qf_split_action action;
	uint32_t c;

	for (size_t i = 0; i < rest.n; i++) {
		if (rest.p[i] == ' ' || rest.p[i] == '\t') {
			category = qf_span_n(rest.p, i);
			rest = qf_span_trim(qf_span_n(rest.p + i, rest.n - i));
			if (find_category(category, &c) &&
			    find_action(rest, &action)) {
				s->of[c] = action;
				return;
			}
			break;
		}
	}
	qf_problem(p, QF_ECONF,
	    "%s/split:%u: \"%.*s\": write a category (spam, virus, policy, "
	    "...) and bounce, quarantine, refuse or discard",
	    ctl->path, line->number, (int)line->s.n, line->s.p);
}

int qf_split_load(
    struct qf_split *s, const struct qf_ctl *ctl, struct qf_problems *p)
{
	struct qf_lines lines = QF_LINES_INIT;
	size_t before = p->count;
	struct qf_err e;

	*s = (struct qf_split){0};
	s->of[QF_CAT_SPAM] = QF_SPLIT_QUARANTINE;
	s->of[QF_CAT_VIRUS] = QF_SPLIT_QUARANTINE;
	if (qf_ctl_lines(ctl, "split", &lines, &e) < 0)
		qf_problem_err(p, &e);
	for (size_t i = 0; i < lines.n; i++)
		read_line(s, ctl, &lines.v[i], p);
	qf_lines_free(&lines);
	return p->count > before ? QF_ECONF : 0;
}

enum qf_split_action qf_split_find(const struct qf_split *s, uint32_t category)
{
	return s->of[category < QF_CATEGORIES ? category : QF_CAT_NONE];
}
