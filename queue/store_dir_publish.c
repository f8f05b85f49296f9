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
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/syncs.h"
#include "queue/layout.h"

/* Descriptors that are waited for at once. */
struct wait {
	struct qf_sync sync[QF_SYNC_ROUND];
	struct waited {
		const struct qf_intake *in;
		const char *what; /* NULL: a folder, open for this */
		enum qf_sd_place place;
	} of[QF_SYNC_ROUND];
	size_t n;
	bool last; /* of all that is waited for */
	uint32_t
	    split[QF_SD_NPLACES]; /* a bit for each folder that was added */
};

/* Whether a sync that succeeded did is asked once, after the last one: of one
 * file system, which does not come back from a shutdown. */
static int judge(const struct wait *w, const struct qf_sync *s,
    const struct waited *of, struct qf_err *e)
{
	char folder[QF_SD_PATH];

	errno = s->error;
	if (s->error == 0 &&
	    (of->what != NULL || !w->last || qf_is_sound(s->fd)))
		return 0;
	if (of->what != NULL)
		return qf_sd_fail_step(of->in, QF_EWRITE, of->what, e);
	qf_sd_folder(folder, of->place, of->in->id);
	return qf_fail_sys(
	    e, QF_EWRITE, "can not sync %s/%s", of->in->st->dir, folder);
}

/* After something else went wrong, with rc < 0, folders are only closed. */
static int wait_for(struct wait *w, int rc, struct qf_err *e)
{
	if (rc == 0)
		qf_sync_all(w->sync, w->n);
	for (size_t i = 0; i < w->n; i++) {
		if (rc == 0)
			rc = judge(w, &w->sync[i], &w->of[i], e);
		if (w->of[i].what == NULL)
			qf_close(&w->sync[i].fd);
	}
	w->n = 0;
	return rc;
}

static int add(struct wait *w, int fd, struct waited of, struct qf_err *e)
{
	w->sync[w->n] = (struct qf_sync){.fd = fd};
	w->of[w->n++] = of;
	return w->n == QF_SYNC_ROUND ? wait_for(w, 0, e) : 0;
}

/* The folder of a place, unless it was; rc is for one that can not be opened.
 */
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
	return add(w, fd, (struct waited){.in = in, .place = place}, e);
}

static int add_files(
    struct wait *w, const struct qf_intake *in, struct qf_err *e)
{
	int rc;

	if (in->st->set->sync == QF_SYNC_NONE)
		return 0;
	if ((rc = add(w, in->message,
		 (struct waited){.in = in, .what = "can not sync a message"},
		 e)) < 0 ||
	    (rc = add(w, in->envelope,
		 (struct waited){.in = in, .what = "can not sync an envelope"},
		 e)) < 0 ||
	    in->attrs < 0)
		return rc;
	return add(w, in->attrs,
	    (struct waited){.in = in, .what = "can not sync attributes"}, e);
}

/* All that the names in todo/ will stand for. */
static int sync_all(struct qf_intake **in, size_t n, struct qf_err *e)
{
	struct wait w = {.n = 0};
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = add_files(&w, in[i], e);
		if (rc == 0)
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
	struct wait w = {.last = true};
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
	qf_close(&fd);
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
