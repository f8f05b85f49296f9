#include "frontend/outcome.h"

#include "lib/mail/qqcode.h"

static const char *const class_names[] = {[QF_PASS] = "pass",
    [QF_ACCEPT] = "accept",
    [QF_REJECT] = "reject",
    [QF_DEFER] = "defer",
    [QF_DISCARD] = "discard",
    [QF_QUARANTINE] = "quarantine",
    [QF_REDIRECT] = "redirect",
    [QF_BROKEN] = "broken"};

/* By category: the code of a REJECT, and of a DEFER. */
static const struct {
	const char *name;
	int reject, defer;
} categories[] = {
    [QF_CAT_NONE] = {"none", 31, 71},
    [QF_CAT_SPAM] = {"spam", 32, 71},
    [QF_CAT_VIRUS] = {"virus", 33, 71},
    [QF_CAT_ATTACHMENT] = {"attachment", 34, 71},
    [QF_CAT_KEY] = {"key", 35, 71},
    [QF_CAT_POLICY] = {"policy", 31, 71},
    [QF_CAT_SIZE] = {"size", 31, 71},
    [QF_CAT_AUTH] = {"auth", 31, 71},
    [QF_CAT_CONFIG] = {"config", 31, 55},
    [QF_CAT_NETWORK] = {"network", 31, 56},
    [QF_CAT_RESOURCE] = {"resource", 31, 51},
    [QF_CAT_TIMEOUT] = {"timeout", 31, 52},
};

enum {
	NCATEGORIES = sizeof categories / sizeof *categories
};

const char *qf_class_name(uint32_t class_)
{
	if (class_ >= sizeof class_names / sizeof *class_names)
		return "unknown";
	return class_names[class_];
}

const char *qf_category_name(uint32_t category)
{
	return category < NCATEGORIES ? categories[category].name : "other";
}

bool qf_class_goes_on(uint32_t class_)
{
	return class_ == QF_PASS || class_ == QF_ACCEPT;
}

int qf_outcome_code(const struct qf_judgement *j)
{
	bool reject = j->class_ == QF_REJECT;
	uint32_t c = j->category < NCATEGORIES ? j->category : QF_CAT_NONE;

	if (j->code > 0 && j->code < 256) {
		const struct qf_qqcode *q = qf_qqcode_find((int)j->code);
		bool text_codes = q->code == 82 || q->code == 88;

		if (q->code == (int)j->code && !text_codes &&
		    q->letter == (reject ? 'D' : 'Z'))
			return (int)j->code;
	}
	return reject ? categories[c].reject : categories[c].defer;
}
