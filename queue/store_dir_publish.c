/*
 * How messages that are written become visible. The name in todo/ is the
 * commit: when the first one is made, all messages, their names in mess/,
 * their attributes and envelopes are on disk, and before it is made the sender
 * sees nothing. For a message that is held the folder hold/ has the part of
 * both.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/syncs.h"
#include "queue/layout.h"

/* What is waited for at once. */
struct wait {
	struct qf_sync *sync;
	struct waited {
		const char *text; /* of a file; NULL: a folder, open for this */
		char folder[QF_SD_PATH];
		const struct qf_intake *in;
	} * what;
	size_t n, cap;
	uint32_t split[QF_SD_NPLACES]; /* a bit for each folder that is there */
};

static struct waited *add(
    struct wait *w, const struct qf_intake *in, int fd, const char *text)
{
	if (w->n == w->cap) {
		w->cap = w->cap == 0 ? 8 : w->cap * 2;
		w->sync = qf_realloc_array(w->sync, w->cap, sizeof *w->sync);
		w->what = qf_realloc_array(w->what, w->cap, sizeof *w->what);
	}
	w->sync[w->n] = (struct qf_sync){.fd = fd};
	w->what[w->n] = (struct waited){.text = text, .in = in};
	return &w->what[w->n++];
}

/* The folder of a place, unless it is there; rc is for one that can not be
 * opened. */
static int add_folder(struct wait *w, const struct qf_intake *in,
    enum qf_sd_place place, int rc, struct qf_err *e)
{
	unsigned split =
	    qf_sd_is_split(place) ? (unsigned)(in->inode % QF_QUEUE_SPLIT) : 0;
	uint32_t bit = UINT32_C(1) << split;
	char folder[QF_SD_PATH];
	int fd;

	if (in->st->set->sync != QF_SYNC_FULL || (w->split[place] & bit))
		return 0;
	w->split[place] |= bit;
	qf_sd_folder(folder, place, in->id);
	fd = openat(in->st->root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return qf_fail_sys(
		    e, rc, "can not open %s/%s", in->st->dir, folder);
	memcpy(add(w, in, fd, NULL)->folder, folder, sizeof folder);
	return 0;
}

static void add_files(struct wait *w, const struct qf_intake *in)
{
	if (in->st->set->sync == QF_SYNC_NONE)
		return;
	add(w, in, in->message, "can not sync a message");
	add(w, in, in->envelope, "can not sync an envelope");
	if (in->attrs >= 0)
		add(w, in, in->attrs, "can not sync attributes");
}

static int judge(
    const struct qf_sync *s, const struct waited *what, struct qf_err *e)
{
	if (s->error == 0)
		return 0;
	errno = s->error;
	if (what->text != NULL)
		return qf_sd_fail_step(what->in, QF_EWRITE, what->text, e);
	return qf_fail_sys(e, QF_EWRITE, "can not sync %s/%s",
	    what->in->st->dir, what->folder);
}

/* A wait that could not be put together, with rc < 0, is only taken apart. */
static int wait_for(struct wait *w, int rc, struct qf_err *e)
{
	if (rc == 0)
		qf_sync_all(w->sync, w->n);
	for (size_t i = 0; i < w->n; i++) {
		if (rc == 0)
			rc = judge(&w->sync[i], &w->what[i], e);
		if (w->what[i].text == NULL)
			close(w->sync[i].fd);
	}
	free(w->sync);
	free(w->what);
	return rc;
}

/* All that the names in todo/ will stand for. */
static int sync_all(struct qf_intake **in, size_t n, struct qf_err *e)
{
	struct wait w = {0};
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		add_files(&w, in[i]);
		rc = add_folder(
		    &w, in[i], qf_sd_message_place(in[i]), QF_EMESS, e);
		if (rc == 0 && in[i]->in_attr)
			rc = add_folder(&w, in[i], QF_SD_ATTR, QF_EWRITE, e);
	}
	return wait_for(&w, rc, e);
}

static int name_envelope(struct qf_intake *in, struct qf_err *e)
{
	char path[QF_SD_PATH], first[QF_SD_PATH] = "";

	if (in->in_intd)
		qf_sd_path(first, QF_SD_INTD, in->id);
	qf_sd_path(path, qf_sd_envelope_place(in), in->id);
	if (qf_sd_give_name(in->st, in->envelope, first, path) < 0)
		return qf_sd_fail_step(
		    in, QF_ETODO, "can not name an envelope", e);
	in->in_todo = true;
	return 0;
}

static int name_all(struct qf_intake **in, size_t n, struct qf_err *e)
{
	struct wait w = {0};
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = name_envelope(in[i], e);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = add_folder(
		    &w, in[i], qf_sd_envelope_place(in[i]), QF_ETODO, e);
	return wait_for(&w, rc, e);
}

/* No sender, no FIFO: it will look by itself. */
void qf_sd_pull_trigger(const struct qf_store *st)
{
	int fd = openat(st->root, "lock/trigger",
	    O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	struct stat sb;
	ssize_t ignored;

	if (fd < 0)
		return;
	if (fstat(fd, &sb) == 0 && S_ISFIFO(sb.st_mode)) {
		ignored = write(fd, "", 1);
		(void)ignored;
	}
	close(fd);
}

/* What it has is not ours to remove any more. The first name of an envelope
 * is for the sender, which removes it when it takes the message on. */
static void let_go(struct qf_intake *in)
{
	if (in->in_intd && in->held)
		qf_sd_remove(in->st, QF_SD_INTD, in->id, NULL);
	in->in_mess = in->in_attr = in->in_intd = in->in_todo = false;
}

int qf_sd_publish(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	const struct qf_store *st = in[0]->st;
	bool queued = false;
	int rc = sync_all(in, n, e);

	if (rc == 0)
		rc = name_all(in, n, e);
	for (size_t i = 0; i < n && rc == 0; i++) {
		memcpy(id[i], in[i]->id, QF_ID_SIZE);
		queued = queued || !in[i]->held;
		let_go(in[i]);
	}
	if (queued)
		qf_sd_pull_trigger(st);
	for (size_t i = 0; i < n; i++)
		qf_sd_abort(&in[i]);
	return rc;
}
