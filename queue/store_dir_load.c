/*
 * Reading what the queue knows of a message. A record that does not have
 * qmail's form is reported with its place and left alone: the sender decides.
 */
#include "queue/store_dir_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"

enum {
	RECORDS_MAX = 1 << 30 /* bytes of one file of records */
};

/* A file of records: a letter, bytes, a zero byte. */
struct records {
	const struct qf_store *st;
	char path[QF_SD_PATH];
	struct qf_buf bytes;
	size_t at;    /* of the next record */
	size_t start; /* of the current one */
	time_t mtime;
};

static int read_file(
    struct records *r, enum qf_sd_place place, const char *id, struct qf_err *e)
{
	struct stat sb;
	int fd, rc;

	qf_sd_path(r->path, place, id);
	qf_buf_reset(&r->bytes);
	r->bytes.max = RECORDS_MAX;
	r->at = 0;
	fd = openat(r->st->root, r->path,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &sb) < 0) {
		rc = qf_fail_sys(
		    e, QF_EREAD, "can not open %s/%s", r->st->dir, r->path);
		goto out;
	}
	r->mtime = sb.st_mtime;
	rc = qf_read_all(fd, &r->bytes, e);
	if (rc < 0)
		qf_err_context(e, "%s/%s", r->st->dir, r->path);
	if (rc == QF_ETOOLONG)
		rc = QF_EFORMAT;
out:
	qf_close(&fd);
	return rc < 0 ? rc : 1;
}

static int damaged(
    const struct records *r, size_t at, const char *what, struct qf_err *e)
{
	return qf_fail(e, QF_EFORMAT,
	    "%s/%s is damaged: %s at byte %zu; correct it, or remove it to "
	    "give the message up",
	    r->st->dir, r->path, what, at);
}

/* The next record, its letter being one of those given: 1, 0 at the end. */
static int next_record(struct records *r, const char *letters, char *letter,
    struct qf_span *value, struct qf_err *e)
{
	const char *p = r->bytes.s + r->at;
	const char *zero;

	if (r->at == r->bytes.len)
		return 0;
	if (*p == '\0')
		return damaged(r, r->at, "zero byte without a record", e);
	if (strchr(letters, *p) == NULL)
		return damaged(r, r->at, "unknown record type", e);
	zero = memchr(p, '\0', r->bytes.len - r->at);
	if (zero == NULL)
		return damaged(r, r->at, "record without its end", e);
	*letter = *p;
	*value = qf_span_n(p + 1, (size_t)(zero - p) - 1);
	r->start = r->at;
	r->at += (size_t)(zero - p) + 1;
	return 1;
}

static void add_rcpt(
    struct qf_item *item, struct qf_span addr, bool done, size_t place)
{
	size_t n = item->rcpt.n;

	if ((n & (n - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
		size_t cap = n == 0 ? 1 : n * 2;

		item->done =
		    qf_realloc_array(item->done, cap, sizeof *item->done);
		item->place =
		    qf_realloc_array(item->place, cap, sizeof *item->place);
	}
	item->done[n] = done;
	item->place[n] = place;
	qf_strv_add_span(&item->rcpt, addr);
}

/* Of several senders the first counts, as with qmail-send(8). */
static int read_sender_or_rcpt(struct records *r, struct qf_item *item,
    const char *letters, struct qf_err *e)
{
	bool has_sender = false;
	struct qf_span value;
	char letter;
	int rc;

	while ((rc = next_record(r, letters, &letter, &value, e)) > 0) {
		if (letter == 'T')
			add_rcpt(item, value, false, 0);
		if (letter == 'F' && !has_sender) {
			has_sender = true;
			qf_buf_addspan(&item->sender, value);
		}
	}
	if (rc == 0 && !has_sender)
		return damaged(r, r->at, "no sender", e);
	return rc;
}

static int load_todo(struct records *r, struct qf_item *item, struct qf_err *e)
{
	item->fresh = true;
	item->born = r->mtime;
	return read_sender_or_rcpt(r, item, "upFT", e);
}

/* The recipients of local/ID or remote/ID; *due becomes the earliest time of
 * a file that has recipients left. */
static int load_channel(struct records *r, enum qf_sd_place place,
    struct qf_item *item, struct qf_err *e)
{
	bool pending = false;
	struct qf_span value;
	char letter;
	int rc = read_file(r, place, item->id, e);

	if (rc <= 0)
		return rc;
	while ((rc = next_record(r, "TD", &letter, &value, e)) > 0) {
		add_rcpt(item, value, letter == 'D', r->start);
		pending |= letter == 'T';
	}
	if (pending && (item->due == 0 || r->mtime < item->due))
		item->due = r->mtime;
	return rc;
}

/* An unfinished last paragraph is of a recipient that was not marked yet: it
 * does not count, and note() writes over it. */
static int load_notes(struct records *r, struct qf_item *item, struct qf_err *e)
{
	struct qf_note note = {0};
	int rc = read_file(r, QF_SD_BOUNCE, item->id, e);

	if (rc <= 0)
		return rc;
	while (qf_note_next(&r->bytes, &note))
		;
	qf_buf_add(&item->notes, r->bytes.s, note.at);
	return 0;
}

static int load_state(struct records *r, struct qf_item *item, struct qf_err *e)
{
	int rc;

	item->born = r->mtime;
	if ((rc = read_sender_or_rcpt(r, item, "F", e)) < 0 ||
	    (rc = load_channel(r, QF_SD_LOCAL, item, e)) < 0)
		return rc;
	item->nlocal = item->rcpt.n;
	if ((rc = load_channel(r, QF_SD_REMOTE, item, e)) < 0)
		return rc;
	return load_notes(r, item, e);
}

/* Was it held after attempts were made? Then its envelope was its info file,
 * which begins with the sender; that of a fresh one begins with a uid. */
static bool is_state(const struct records *r)
{
	return r->bytes.len > 0 && r->bytes.s[0] == 'F';
}

/* Whichever of its records there is. */
static int load_records(
    struct records *r, struct qf_item *item, struct qf_err *e)
{
	int rc = read_file(r, QF_SD_TODO, item->id, e);

	if (rc > 0)
		return load_todo(r, item, e);
	if (rc == 0 && (rc = read_file(r, QF_SD_INFO, item->id, e)) > 0)
		return load_state(r, item, e);
	if (rc == 0 && (rc = read_file(r, QF_SD_HOLD, item->id, e)) > 0) {
		item->held = true;
		return is_state(r) ? load_state(r, item, e)
				   : load_todo(r, item, e);
	}
	if (rc < 0)
		return rc;
	return qf_fail(
	    e, QF_ENOENT, "message %s is not in %s", item->id, r->st->dir);
}

/* What the message file tells, and what goes by it. */
static int load_message(
    const struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	enum qf_sd_place record = item->held    ? QF_SD_HOLD
				  : item->fresh ? QF_SD_TODO
						: QF_SD_INFO;
	char path[QF_SD_PATH], by[QF_SD_PATH];
	struct stat sb;

	qf_sd_path(path, item->held ? QF_SD_HELD : QF_SD_MESS, item->id);
	if (fstatat(st->root, path, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
		item->size = (uint64_t)sb.st_size;
		return qf_sd_load_attrs(st, item, &sb, e);
	}
	if (errno != ENOENT)
		return qf_fail_sys(
		    e, QF_EREAD, "can not look at %s/%s", st->dir, path);
	/* It may have been finished since its record was read. */
	if (!qf_sd_exists(st, record, item->id))
		return qf_fail(
		    e, QF_ENOENT, "message %s is not in %s", item->id, st->dir);
	qf_sd_path(by, record, item->id);
	return qf_fail(e, QF_EFORMAT,
	    "%s/%s is missing, but %s names it: its message is lost; "
	    "`qfrontctl queue fix` clears it away",
	    st->dir, path, by);
}

int qf_sd_load(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e)
{
	struct records r = {.st = st, .bytes = QF_BUF_INIT};
	int rc;

	qf_item_free(out);
	if (!qf_sd_is_id(id))
		return qf_fail(
		    e, QF_ENOENT, "`%.30s` is no message number", id);
	memcpy(out->id, id, strlen(id) + 1);
	rc = load_records(&r, out, e);
	if (rc == 0)
		rc = load_message(st, out, e);
	qf_buf_free(&r.bytes);
	if (rc < 0)
		qf_item_free(out);
	return rc;
}

static int open_place(
    const struct qf_store *st, enum qf_sd_place place, const char *id)
{
	char path[QF_SD_PATH];

	qf_sd_path(path, place, id);
	return openat(
	    st->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int qf_sd_message(struct qf_store *st, const char *id, struct qf_err *e)
{
	char path[QF_SD_PATH];
	struct stat sb;
	int fd, rc;

	if (!qf_sd_is_id(id))
		return qf_fail(
		    e, QF_ENOENT, "`%.30s` is no message number", id);
	fd = open_place(st, QF_SD_MESS, id);
	if (fd < 0 && errno == ENOENT)
		fd = open_place(st, QF_SD_HELD, id);
	qf_sd_path(path, QF_SD_MESS, id);
	if (fd < 0)
		return qf_fail_sys(e, errno == ENOENT ? QF_ENOENT : QF_EREAD,
		    "can not open %s/%s", st->dir, path);
	if (fstat(fd, &sb) == 0 && S_ISREG(sb.st_mode))
		return fd;
	rc = qf_fail(e, QF_EREAD, "%s/%s is not a regular file", st->dir, path);
	close(fd);
	return rc;
}
