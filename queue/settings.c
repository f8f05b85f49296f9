#include "queue/settings.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/paths.h"

/* What is left is for those who bring the queue to its end: a sender writes
 * down who has a message, and why another one did not get it. */
#define FREE_BYTES      4194304
#define FREE_INODES     1000
#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

/* As the control files have it. */
struct values {
	char *sync;
	long long minfree, mininodes;
};

static const struct qf_ctl_item items[] = {
    {.name = "sync",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct values, sync),
	.fallback = "full",
	.help = "what is on disk before a message counts as queued: full, "
		"file or none"},
    {.name = "minfree",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct values, minfree),
	.fallback = TEXT(FREE_BYTES),
	.max = LLONG_MAX,
	.help = "bytes that must be free for a message to be queued; 0: none"},
    {.name = "mininodes",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct values, mininodes),
	.fallback = TEXT(FREE_INODES),
	.max = LLONG_MAX,
	.help = "inodes that must be free for a message to be queued; 0: none"},
    {.name = NULL},
};

static int read_sync(enum qf_store_sync *out, const char *text,
    const struct qf_ctl *ctl, struct qf_err *e)
{
	static const char *const names[] = {[QF_SYNC_FULL] = "full",
	    [QF_SYNC_FILE] = "file",
	    [QF_SYNC_NONE] = "none"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(text, names[i]) == 0) {
			*out = (enum qf_store_sync)i;
			return 0;
		}
	}
	return qf_fail(e, QF_ECONF, "%s/sync:1: \"%s\": use full, file or none",
	    ctl->path, text);
}

/* The new ones in the place of the old, if they are any good. */
static int take(
    struct qf_queue_settings *s, struct qf_queue_settings *new, int rc)
{
	if (rc == 0) {
		qf_queue_settings_free(s);
		*s = *new;
	} else {
		qf_queue_settings_free(new);
	}
	return rc;
}

int qf_queue_settings_read(
    struct qf_queue_settings *s, const struct qf_ctl *ctl, struct qf_err *e)
{
	struct qf_queue_settings new = {0};
	struct values v = {0};
	int rc = qf_ctl_load(ctl, items, &v, e);

	if (rc == 0)
		rc = read_sync(&new.store.sync, v.sync, ctl, e);
	new.store.free_bytes = (uint64_t)v.minfree;
	new.store.free_inodes = (uint64_t)v.mininodes;
	qf_ctl_unload(items, &v);
	if (rc == 0)
		rc = qf_origins_load(&new.origins, ctl, e);
	return take(s, &new, rc);
}

/* indimail's variable. */
static int read_variable(struct qf_queue_settings *s, struct qf_err *e)
{
	const char *text = qf_env("MIN_FREE");
	unsigned long long n;

	if (text == NULL || text[0] == '\0')
		return 0;
	if (!qf_span_u64(qf_span(text), LLONG_MAX, &n))
		return qf_fail(
		    e, QF_ECONF, "MIN_FREE=%s: give a number of bytes", text);
	s->store.free_bytes = n;
	return 0;
}

/* qmail-queue(8) needs no control files; its place may have none. */
static int read_files(struct qf_queue_settings *s, struct qf_err *e)
{
	struct qf_ctl ctl = QF_CTL_NONE;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e);

	if (rc < 0 && e->sys == ENOENT) {
		s->store = (struct qf_store_settings){
		    .free_bytes = FREE_BYTES, .free_inodes = FREE_INODES};
		return qf_origins_load(&s->origins, NULL, e);
	}
	if (rc == 0)
		rc = qf_queue_settings_read(s, &ctl, e);
	qf_ctl_close(&ctl);
	return rc;
}

int qf_queue_settings_load(struct qf_queue_settings *s, struct qf_err *e)
{
	struct qf_queue_settings new = {0};
	int rc = read_files(&new, e);

	if (rc == 0)
		rc = read_variable(&new, e);
	return take(s, &new, rc);
}

void qf_queue_settings_heed(struct qf_queue_settings *s, enum qf_origin from)
{
	if (from == QF_ORIGIN_BOUNCE)
		s->store.free_bytes = s->store.free_inodes = 0;
}

int qf_queue_dialect(enum qf_dialect *out, struct qf_err *e)
{
	struct qf_buf name = QF_BUF_INIT;
	struct qf_ctl ctl = QF_CTL_NONE;
	int rc = qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), e);

	*out = QF_DIALECT_AUTO;
	if (rc < 0 && e->sys == ENOENT)
		return 0;
	if (rc == 0 && (rc = qf_ctl_value(&ctl, "dialect", &name, e)) > 0)
		rc = qf_dialect_read(out, name.s, &ctl, e);
	qf_buf_free(&name);
	qf_ctl_close(&ctl);
	return rc;
}

void qf_queue_settings_free(struct qf_queue_settings *s)
{
	qf_origins_free(&s->origins);
	*s = (struct qf_queue_settings){0};
}
