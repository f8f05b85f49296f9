/*
 * Who says whether a message is spam: one file for each kind of judge. What
 * becomes of spam is the same for all of them.
 */
#ifndef QFP_SPAM_ENGINE_H
#define QFP_SPAM_ENGINE_H

#include <stdbool.h>

#include <qfront/plugin.h>

#include "lib/base/buf.h"
#include "plugins/common/filter.h"
#include "plugins/common/limits.h"

/* Exit codes with one meaning. */
struct codes {
	bool given;   /* by a setting; else a variable or the default counts */
	bool is[256]; /* when given */
};

enum result {
	RESULT_SPAM,
	RESULT_HAM,
	RESULT_UNSURE,
	RESULTS
};

enum action {
	ACTION_ENVIRONMENT, /* none is set: as the variables say */
	ACTION_REJECT,
	ACTION_TAG,
	ACTION_REDIRECT,
	ACTION_DISCARD,
	ACTION_QUARANTINE
};

struct stage {
	const struct engine *engine;
	enum action action;
	struct qf_buf redirect; /* the setting redirect-to, or empty */
	struct qf_buf global;   /* the control file globalspamredirect */
	struct limits limits;
	/* engine=command */
	struct qf_buf command; /* the setting, or empty */
	struct codes codes[RESULTS];
	bool keep; /* what the program writes is not the message */
};

struct engine {
	const char *name;
	/* Reads and checks its settings: 0 or QF_ECONF. */
	int32_t (*open)(
	    const struct qf_host *h, const struct qf_conf *c, struct stage *st);
	/* Asks, and leaves the rest to spam_act(). */
	int32_t (*message)(
	    const struct qf_host *h, struct qf_msg *m, const struct stage *st);
};

extern const struct engine engine_command;

enum {
	SPAM_TROUBLE = 76 /* temporary problem with the filter */
};

/* What a result leads to: the class that message() returns. f holds what the
 * filter wrote, the message to be; NULL: the message stays as it is. */
int32_t spam_act(const struct qf_host *h, struct qf_msg *m,
    const struct stage *st, enum result result, struct filter *f);

#endif
