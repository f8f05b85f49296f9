/*
 * A host for plugins without a front end: struct qf_host over lib/mail, the
 * settings in memory, lists from a real control directory. Tests open a built
 * plugin with it, run messages through it and look at what it did.
 */
#ifndef QF_TEST_FAKEHOST_H
#define QF_TEST_FAKEHOST_H

#include <stdint.h>

#include <qfront/plugin.h>
#include "lib/base/ctl.h"
#include "lib/base/spool.h"
#include "lib/base/strv.h"
#include "lib/mail/edit.h"
#include "lib/mail/envelope.h"
#include "lib/mail/message.h"

/* A stage: a plugin with its settings, and what it told its host. */
struct qf_conf {
	const struct qf_plugin *plugin;
	void *library, *state;
	struct qf_ctl ctl;
	struct qf_strv settings; /* key=value */
	struct qf_strv mistakes; /* "key: text" or "list:line: text" */
	struct qf_strv log;      /* "level text" */
	struct qf_strv authres;  /* "method=result type.property=value" */
	struct qf_lines *lists;  /* of names as in list_names */
	struct qf_strv list_names;
	struct qf_strv paths;
	/* What messages will see, key=value each. */
	struct qf_strv context;
	struct qf_strv notes;
	struct qf_strv env;
	int64_t time_left; /* milliseconds, 0: a minute */
	/* What they did: variables taken, what was waited for. */
	struct qf_strv taken, waited;
};

/* A message on its way through a stage. */
struct qf_msg {
	struct qf_conf *conf;
	struct qf_message message;
	struct qf_envelope envelope;
	struct qf_edits edits;
	struct qf_spool whole; /* as the plugin found it, when it asked */
	struct qf_map whole_map;
	int fd;
	int32_t class_; /* what message() returned */
	struct qf_verdict verdict;
	char status[16], text[256], target[256];
};

extern const struct qf_host fakehost;
/* What plugins are given: fakehost, or what a test puts here. */
extern const struct qf_host *fakehost_table;

/* Opens PATH and calls init(): its result, or QF_EPLUGIN, QF_ESYMBOL,
 * QF_ECONF for a missing control directory. settings ends with NULL. */
int32_t fakehost_open(struct qf_conf *c, const char *path,
    const char *controldir, const char *const *settings);
/* The same without init(), for checkconf(). */
int32_t fakehost_load(struct qf_conf *c, const char *path,
    const char *controldir, const char *const *settings);
void fakehost_close(struct qf_conf *c);

/* Runs one message, given by descriptor or bytes; edits are applied when the
 * class is not negative. Free the result with fakehost_forget(). */
void fakehost_run_fd(struct qf_msg *m, struct qf_conf *c, int fd,
    const char *sender, const char *const *rcpt);
void fakehost_run(struct qf_msg *m, struct qf_conf *c, struct qf_span bytes,
    const char *sender, const char *const *rcpt);
void fakehost_forget(struct qf_msg *m);

#endif
