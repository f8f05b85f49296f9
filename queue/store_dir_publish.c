/*
 * How messages that are written become visible. The name in todo/ is the
 * commit: when the first one is made, all messages, their names in mess/,
 * their attributes and envelopes are on disk, and before it is made the sender
 * sees nothing. For a message that is held the folder hold/ has the part of
 * both.
 */
#include "queue/store_dir_internal.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "queue/layout.h"

/* Folders that were synced, so that each is synced once. */
struct synced {
	uint32_t split[QF_SD_NPLACES]; /* a bit for each */
};

/* The folder of a place to disk, unless it was. */
static int sync_folder(const struct qf_intake *in, enum qf_sd_place place,
    struct synced *done, int rc, struct qf_err *e)
{
	char folder[QF_SD_PATH];
	unsigned split;
	uint32_t bit;

	qf_sd_folder(folder, place, in->id);
	split =
	    qf_sd_is_split(place) ? (unsigned)(in->inode % QF_QUEUE_SPLIT) : 0;
	bit = UINT32_C(1) << split;
	if (done->split[place] & bit)
		return 0;
	done->split[place] |= bit;
	return qf_sd_sync_folder(in->st, folder, rc, e);
}

static int sync_files(const struct qf_intake *in, struct qf_err *e)
{
	if (fsync(in->message) < 0)
		return qf_sd_fail_step(
		    in, QF_EWRITE, "can not sync a message", e);
	if (fsync(in->envelope) < 0)
		return qf_sd_fail_step(
		    in, QF_EWRITE, "can not sync an envelope", e);
	if (in->attrs >= 0 && fsync(in->attrs) < 0)
		return qf_sd_fail_step(
		    in, QF_EWRITE, "can not sync attributes", e);
	return 0;
}

/* All that the names in todo/ will stand for. The disk works on all files
 * while the first wait lasts; on a journaling file system the later waits
 * find their work done. */
static int sync_all(struct qf_intake **in, size_t n, struct qf_err *e)
{
	struct synced done = {{0}};
	int rc;

	for (size_t i = 0; i < n; i++)
		qf_sd_start_writing(in[i]->envelope, 0, 0);
	for (size_t i = 0; i < n; i++) {
		if ((rc = sync_files(in[i], e)) < 0)
			return rc;
	}
	for (size_t i = 0; i < n; i++) {
		if ((rc = sync_folder(in[i], qf_sd_message_place(in[i]), &done,
			 QF_EMESS, e)) < 0 ||
		    (in[i]->in_attr && (rc = sync_folder(in[i], QF_SD_ATTR,
					    &done, QF_EWRITE, e)) < 0))
			return rc;
	}
	return 0;
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
	struct synced done = {{0}};
	int rc;

	for (size_t i = 0; i < n; i++) {
		if ((rc = name_envelope(in[i], e)) < 0)
			return rc;
	}
	for (size_t i = 0; i < n; i++) {
		if ((rc = sync_folder(in[i], qf_sd_envelope_place(in[i]), &done,
			 QF_ETODO, e)) < 0)
			return rc;
	}
	return 0;
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
