#include "tools/describe.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/loader.h"
#include "frontend/note.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

enum {
	LOAD_MS = 10000 /* more is a plugin that hangs */
};

static const char *const groups[] = {"message", "header", "envelope", "context",
    "edit", "verdict", "config", "log", "rcpt", "share", "authres", "mime",
    "route", "run"};
static const char *const effects[] = {
    "header", "body", "rcpt", "sender", "seal", "drop", "route"};
static const char *const flags[] = {"warm", "secret", "parser", "network"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
	const char *const *name;
	size_t n;
} bit_sets[] = {
    [QF_BITS_GROUPS] = {groups, COUNT(groups)},
    [QF_BITS_EFFECTS] = {effects, COUNT(effects)},
    [QF_BITS_FLAGS] = {flags, COUNT(flags)},
};

void qf_bit_names(struct qf_strv *out, enum qf_bits set, uint64_t bits)
{
	for (unsigned i = 0; i < 64; i++) {
		char number[16];

		if ((bits >> i & 1) == 0)
			continue;
		snprintf(number, sizeof number, "bit %u", i);
		qf_strv_add(
		    out, i < bit_sets[set].n ? bit_sets[set].name[i] : number);
	}
}

/* In the child: words, each ended by a zero byte, in the order in which
 * take() reads them. */

static void say(struct qf_buf *out, const char *text)
{
	qf_buf_add(out, text != NULL ? text : "",
	    (text != NULL ? strlen(text) : 0) + 1);
}

static void say_number(struct qf_buf *out, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIx64, n);
	say(out, text);
}

static void say_kinds(struct qf_buf *out, const struct qf_kind *k)
{
	for (; k != NULL && k->key != NULL; k++) {
		say(out, "kind");
		say(out, k->key);
		say(out, k->value);
		say_number(out, k->effects);
		say_number(out, k->flags);
	}
}

static void say_settings(
    struct qf_buf *out, const char *plugin, const struct qf_setting *s)
{
	for (; s != NULL && s->key != NULL; s++) {
		struct qf_buf variable = QF_BUF_INIT;

		if (s->flags & QF_SETTING_ENV)
			qf_conf_variable(&variable, plugin, s->key);
		say(out, "setting");
		say(out, s->key);
		say(out, s->help);
		say(out, variable.s);
		qf_buf_free(&variable);
	}
}

static void say_plugin(
    struct qf_buf *out, const struct qf_plugin *p, bool noted)
{
	char abi[16];

	snprintf(abi, sizeof abi, "%u.%u", p->abi_major, p->abi_minor);
	say(out, p->name);
	say(out, p->version);
	say(out, abi);
	say(out, p->summary);
	say_number(out, p->needs);
	say_number(out, p->wants);
	say_number(out, p->effects);
	say_number(out, p->flags);
	say_number(out, noted);
	say_kinds(out, p->kinds);
	say_settings(out, p->name, p->settings);
}

struct job {
	const char *name;
	uid_t owner;
	int fd; /* a file for the words, or for the text of the error */
};

/* The exit code is that of an error, with its sign turned. */
static int describe(void *arg)
{
	const struct job *job = arg;
	struct qf_buf out = QF_BUF_INIT;
	struct qf_declared note;
	struct qf_loaded loaded;
	struct qf_err e = {0};
	int rc = qf_plugin_load(&loaded, job->name, job->owner, &e);

	if (rc == 0)
		say_plugin(&out, &loaded.plugin,
		    qf_note_read(job->name, job->owner, &note, NULL) > 0);
	else
		qf_buf_adds(&out, e.text);
	if (qf_write_all(job->fd, out.s, out.len) < 0)
		rc = QF_EWRITE;
	qf_buf_free(&out);
	return -rc;
}

/* Back in the parent. */

static const char *next_word(const struct qf_described *d, size_t *at)
{
	return *at < d->words.n ? d->words.v[(*at)++] : "";
}

static uint64_t next_number(const struct qf_described *d, size_t *at)
{
	return strtoull(next_word(d, at), NULL, 16);
}

static void take_entry(struct qf_described *d, const char *what, size_t *at)
{
	if (strcmp(what, "kind") == 0 && d->nkinds < QF_DESCRIBED_MAX) {
		struct qf_described_kind *k = &d->kind[d->nkinds++];

		k->key = next_word(d, at);
		k->value = next_word(d, at);
		k->effects = next_number(d, at);
		k->flags = next_number(d, at);
	} else if (strcmp(what, "setting") == 0 &&
		   d->nsettings < QF_DESCRIBED_MAX) {
		struct qf_described_setting *s = &d->setting[d->nsettings++];

		s->key = next_word(d, at);
		s->help = next_word(d, at);
		s->variable = next_word(d, at);
		if (s->variable[0] == '\0')
			s->variable = NULL;
	}
}

static void take(struct qf_described *d, const struct qf_buf *bytes)
{
	size_t at = 0;

	for (size_t i = 0; i < bytes->len; i += strlen(bytes->s + i) + 1)
		qf_strv_add(&d->words, bytes->s + i);
	d->name = next_word(d, &at);
	d->version = next_word(d, &at);
	d->abi = next_word(d, &at);
	d->summary = next_word(d, &at);
	d->needs = next_number(d, &at);
	d->wants = next_number(d, &at);
	d->effects = next_number(d, &at);
	d->flags = next_number(d, &at);
	d->noted = next_number(d, &at) != 0;
	while (at < d->words.n)
		take_entry(d, next_word(d, &at), &at);
}

static int collect(struct qf_described *d, const char *name, int fd, int status,
    struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc = 0;

	if (WIFSIGNALED(status))
		rc = qf_fail(e, QF_ECRASH,
		    "plugin %s: crashed when it was loaded (signal %d)", name,
		    WTERMSIG(status));
	else if (lseek(fd, 0, SEEK_SET) < 0)
		rc = qf_fail_sys(e, QF_EREAD, "plugin %s", name);
	else
		rc = qf_read_all(fd, &bytes, e);
	if (rc == 0 && bytes.len == 0)
		rc = qf_fail(e, QF_ECRASH,
		    "plugin %s: ended the process that loaded it (exit code "
		    "%d)",
		    name, WEXITSTATUS(status));
	else if (rc == 0 && WEXITSTATUS(status) != 0)
		rc = qf_fail(e, -WEXITSTATUS(status), "%s", bytes.s);
	if (rc == 0)
		take(d, &bytes);
	qf_buf_free(&bytes);
	return rc;
}

int qf_describe(
    struct qf_described *d, const char *name, uid_t owner, struct qf_err *e)
{
	struct job job = {name, owner, memfd_create("plugin", MFD_CLOEXEC)};
	struct qf_child child = QF_CHILD_NONE;
	int status = 0, rc;

	*d = (struct qf_described){0};
	if (job.fd < 0)
		return qf_fail_sys(e, QF_ENOMEM, "memfd_create");
	rc = qf_child_fork(&child, describe, &job, e);
	if (rc == 0)
		rc = qf_child_wait(&child, qf_deadline_in(LOAD_MS), &status, e);
	if (rc == QF_ETIME)
		qf_fail(e, rc, "plugin %s: did not load within %d seconds",
		    name, LOAD_MS / 1000);
	if (rc == 0)
		rc = collect(d, name, job.fd, status, e);
	else
		qf_child_stop(&child, 0, NULL);
	qf_close(&job.fd);
	return rc;
}

void qf_described_free(struct qf_described *d)
{
	qf_strv_free(&d->words);
}
