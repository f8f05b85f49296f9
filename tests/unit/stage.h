/*
 * What tests of plugins with rules share: a stage whose list is given as
 * lines, the message that it leaves, what it says of mistakes.
 */
#ifndef QF_TESTS_STAGE_H
#define QF_TESTS_STAGE_H

#include <sys/stat.h>

#include "tests/unit/unit.h"

#include "tests/lib/fakehost.h"

static const char *const stage_no_settings[] = {NULL};

/* The plugin as built. */
static inline const char *stage_plugin(const char *name)
{
	static char path[4096];
	const char *build = getenv("QF_BUILDDIR");

	snprintf(path, sizeof path, "%s/plugins/.libs/%s.so",
	    build != NULL ? build : ".", name);
	return path;
}

/* Makes the list `name` in the control directory; NULL removes it. */
static inline void stage_list(
    const char *control, const char *name, const char *lines)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/plugins", control);
	mkdir(path, 0755);
	snprintf(path, sizeof path, "%s/plugins/%s", control, name);
	unlink(path);
	if (lines == NULL)
		return;
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(lines, f) >= 0);
	assert_int_equal(0, fclose(f));
}

/* The message as it is now, for the caller to free. */
static inline char *stage_message(const struct qf_msg *m)
{
	struct qf_buf got = QF_BUF_INIT;
	struct qf_span run;

	for (size_t at = 0; qf_message_next(&m->message, &at, &run);)
		qf_buf_addspan(&got, run);
	return qf_buf_detach(&got);
}

/* init() and checkconf() refuse, and say the same of it: `want` is a part of
 * the only mistake. */
static inline void stage_refuses(const char *plugin, const char *control,
    const char *const *settings, const char *want)
{
	struct qf_conf c;

	assert_int_equal(QF_ECONF,
	    fakehost_open(&c, stage_plugin(plugin), control, settings));
	assert_int_equal(QF_ECONF, c.plugin->checkconf(&fakehost, &c));
	if (c.mistakes.n != 2 || strstr(c.mistakes.v[0], want) == NULL)
		fail_msg("%zu mistakes, not \"%s\": %s", c.mistakes.n, want,
		    c.mistakes.n > 0 ? c.mistakes.v[0] : "");
	assert_string_equal(c.mistakes.v[0], c.mistakes.v[1]);
	fakehost_close(&c);
}

#endif
