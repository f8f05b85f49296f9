/*
 * Numbers: those of messages whose files were copied become those of their
 * new inodes, in the steps of fix_internal.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "queue/fix_internal.h"

enum {
	FILE_MODE = 0600,
	ATTRS_MAX = 1 << 20
};

/* A message file that is on its way to its number. */
struct move {
	enum qf_sd_place place; /* QF_SD_MESS or QF_SD_HELD */
	enum qf_fx_kind kind;   /* how far it is */
	char old[QF_ID_SIZE];   /* empty when nothing tells it any more */
	char id[QF_ID_SIZE];
};

struct moves {
	struct move *v;
	size_t n, cap;
};

/* What has the number of a message beside its bytes. Those by which an intake
 * sees that a number is taken go last. */
static const enum qf_sd_place companions[] = {QF_SD_ATTR, QF_SD_LOCAL,
    QF_SD_REMOTE, QF_SD_BOUNCE, QF_SD_INTD, QF_SD_INFO, QF_SD_TODO, QF_SD_HOLD};
enum {
	NCOMPANIONS = sizeof companions / sizeof *companions
};

static int fail(const struct qf_fx *fx, const char *path, struct qf_err *e)
{
	return qf_fail_sys(
	    e, QF_EWRITE, "can not rename %s/%s", fx->st.dir, path);
}

static struct move *add(struct moves *m)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 64 : m->cap * 2;
		m->v = qf_realloc_array(m->v, m->cap, sizeof *m->v);
	}
	return &m->v[m->n++];
}

static int visit(
    struct qf_fx *fx, const struct qf_fx_file *f, void *user, struct qf_err *e)
{
	char id[QF_ID_SIZE];
	struct move *m;

	(void)fx;
	(void)e;
	if ((f->place != QF_SD_MESS && f->place != QF_SD_HELD) ||
	    !S_ISREG(f->sb.st_mode) || f->kind > QF_FX_STAGED)
		return 0;
	snprintf(id, sizeof id, "%llu", (unsigned long long)f->sb.st_ino);
	if (f->kind == QF_FX_FINAL && strcmp(f->id, id) == 0)
		return 0;
	m = add(user);
	*m = (struct move){.place = f->place, .kind = f->kind};
	memcpy(m->id, id, sizeof id);
	if (f->kind == QF_FX_TEMP)
		memcpy(m->id, f->id, sizeof m->id);
	else
		memcpy(m->old, f->id, sizeof m->old);
	if (f->kind == QF_FX_STAGED)
		memcpy(m->id, f->to, sizeof m->id);
	return 0;
}

static int find(struct qf_fx *fx, struct moves *m, struct qf_err *e)
{
	int rc = qf_fx_walk(fx, QF_SD_MESS, visit, m, e);

	return rc == 0 ? qf_fx_walk(fx, QF_SD_HOLD, visit, m, e) : rc;
}

static int sync_all(const struct qf_fx *fx, struct qf_err *e)
{
	if (syncfs(fx->st.root) < 0)
		return qf_fail_sys(e, QF_EWRITE, "can not sync %s", fx->st.dir);
	return 0;
}

/* Steps 1, 3 and 5: message files of one kind get another. */
static int move_messages(struct qf_fx *fx, const struct moves *m,
    enum qf_fx_kind from, enum qf_fx_kind to, struct qf_err *e)
{
	char here[QF_FX_PATH], there[QF_FX_PATH];

	for (size_t i = 0; i < m->n; i++) {
		struct move *v = &m->v[i];
		const char *id = to == QF_FX_STAGED ? v->old : v->id;

		if (v->kind != from)
			continue;
		qf_fx_path(here, v->place, from,
		    from == QF_FX_TEMP ? v->id : v->old, v->id);
		qf_fx_path(there, v->place, to, id, v->id);
		if (qf_fx_rename(fx, here, there) < 0)
			return fail(fx, here, e);
		v->kind = to;
	}
	return sync_all(fx, e);
}

/* Says by its first line which file it belongs to: the bytes have the same
 * time of last change, but for what a copy lost of it. */
static void add_birth(
    struct qf_buf *out, const struct stat *message, struct qf_span old)
{
	struct qf_span first;

	qf_buf_addf(out, "birth=%lld.%09ld\n",
	    (long long)message->st_mtim.tv_sec, message->st_mtim.tv_nsec);
	if (qf_span_cut(&old, '\n', &first))
		qf_buf_addspan(out, old);
}

static int write_attrs(
    struct qf_fx *fx, const char *temp, const struct qf_buf *b)
{
	int rc, saved;
	int fd = openat(fx->st.root, temp,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	if (fd < 0)
		return -1;
	rc = qf_write_all(fd, b->s, b->len);
	if (rc == 0)
		rc = qf_sd_dress(&fx->st, fd, FILE_MODE);
	if (rc == 0)
		rc = fsync(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int read_attrs(struct qf_fx *fx, const char *path, struct qf_buf *b)
{
	int fd = openat(fx->st.root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct qf_err e;
	int rc = fd < 0 ? -1 : qf_read_all(fd, b, &e);

	qf_close(&fd);
	return rc;
}

static int sync_folder(struct qf_fx *fx, enum qf_sd_place place, const char *id)
{
	char folder[QF_SD_PATH];
	struct qf_err e;

	qf_sd_folder(folder, place, id);
	return qf_sd_sync_folder(&fx->st, folder, -1, &e);
}

/* They are written anew: with the birth of before nobody would believe
 * them. The old ones go when the new ones have their name on disk. */
static int move_attrs(
    struct qf_fx *fx, const struct move *v, const char *here, const char *there)
{
	struct qf_buf old = QF_BUF_INIT_MAX(ATTRS_MAX), new = QF_BUF_INIT;
	char message[QF_FX_PATH], temp[QF_FX_PATH + sizeof QF_SD_NEW];
	struct stat sb;
	int rc = -1;

	qf_fx_path(message, v->place, QF_FX_STAGED, v->old, v->id);
	snprintf(temp, sizeof temp, "%s" QF_SD_NEW, there);
	if (fstatat(fx->st.root, message, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	    read_attrs(fx, here, &old) == 0) {
		add_birth(&new, &sb, qf_buf_span(&old));
		rc = write_attrs(fx, temp, &new);
	}
	if (rc == 0)
		rc = renameat(fx->st.root, temp, fx->st.root, there);
	if (rc == 0)
		rc = sync_folder(fx, QF_SD_ATTR, v->id);
	if (rc == 0)
		rc = unlinkat(fx->st.root, here, 0);
	qf_buf_free(&old);
	qf_buf_free(&new);
	return rc;
}

/* Step 2, for one message. */
static int set_aside(struct qf_fx *fx, const struct move *v, struct qf_err *e)
{
	char here[QF_FX_PATH], there[QF_FX_PATH];
	int rc;

	/* A message that came since has the number: all else is moved. */
	if (qf_sd_exists(&fx->st, QF_SD_MESS, v->old) ||
	    qf_sd_exists(&fx->st, QF_SD_HELD, v->old))
		return 0;
	for (size_t i = 0; i < NCOMPANIONS; i++) {
		enum qf_sd_place p = companions[i];

		if (!qf_sd_exists(&fx->st, p, v->old))
			continue;
		qf_fx_path(here, p, QF_FX_FINAL, v->old, NULL);
		qf_fx_path(there, p, QF_FX_TEMP, v->id, NULL);
		if ((rc = qf_sd_make_folder(&fx->st, p, v->id, e)) < 0)
			return rc;
		if ((p == QF_SD_ATTR ? move_attrs(fx, v, here, there)
				     : qf_fx_rename(fx, here, there)) < 0)
			return fail(fx, here, e);
	}
	return 0;
}

/* Step 4, for one message. What has the name already is no message's. */
static int put_back(struct qf_fx *fx, const struct move *v, struct qf_err *e)
{
	char here[QF_FX_PATH], there[QF_FX_PATH];

	for (size_t i = 0; i < NCOMPANIONS; i++) {
		qf_fx_path(here, companions[i], QF_FX_TEMP, v->id, NULL);
		qf_fx_path(there, companions[i], QF_FX_FINAL, v->id, NULL);
		if (qf_fx_rename(fx, here, there) == 0 || errno == ENOENT)
			continue;
		if (errno != EEXIST || qf_fx_lose(fx, there) < 0 ||
		    qf_fx_rename(fx, here, there) < 0)
			return fail(fx, here, e);
	}
	return 0;
}

static int each(struct qf_fx *fx, const struct moves *m, enum qf_fx_kind kind,
    int (*act)(struct qf_fx *fx, const struct move *v, struct qf_err *e),
    struct qf_err *e)
{
	int rc = 0;

	for (size_t i = 0; i < m->n && rc == 0; i++) {
		if (m->v[i].kind == kind)
			rc = act(fx, &m->v[i], e);
	}
	return rc == 0 ? sync_all(fx, e) : rc;
}

/* From here on our sender does not start. */
static int begin(struct qf_fx *fx, struct qf_err *e)
{
	int fd = openat(fx->st.root, QF_SD_FIXING,
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);

	if (fd < 0)
		return qf_fail_sys(
		    e, QF_EWRITE, "can not make %s/" QF_SD_FIXING, fx->st.dir);
	close(fd);
	return sync_all(fx, e);
}

static int end(struct qf_fx *fx, struct qf_err *e)
{
	if (unlinkat(fx->st.root, QF_SD_FIXING, 0) < 0 && errno != ENOENT)
		return qf_fail_sys(e, QF_EWRITE,
		    "can not remove %s/" QF_SD_FIXING, fx->st.dir);
	return sync_all(fx, e);
}

static void report(struct qf_fx *fx, const struct move *v)
{
	char path[QF_FX_PATH], text[QF_FX_PATH + 80], now[QF_FX_PATH];

	qf_fx_path(now, v->place, QF_FX_FINAL, v->id, NULL);
	if (v->old[0] == '\0') {
		qf_fx_path(path, v->place, QF_FX_TEMP, v->id, NULL);
		qf_fx_report_done(
		    fx, path, 0, "is of a repair that was cut off");
		return;
	}
	qf_fx_path(path, v->place, QF_FX_FINAL, v->old, NULL);
	snprintf(text, sizeof text,
	    "does not have the number of its inode; becomes %s", now);
	qf_fx_report_done(fx, path, 0, text);
}

static int move_all(struct qf_fx *fx, const struct moves *m, struct qf_err *e)
{
	int rc;

	if ((rc = begin(fx, e)) < 0 ||
	    (rc = move_messages(fx, m, QF_FX_FINAL, QF_FX_STAGED, e)) < 0 ||
	    (rc = each(fx, m, QF_FX_STAGED, set_aside, e)) < 0 ||
	    (rc = move_messages(fx, m, QF_FX_STAGED, QF_FX_TEMP, e)) < 0 ||
	    (rc = each(fx, m, QF_FX_TEMP, put_back, e)) < 0 ||
	    (rc = move_messages(fx, m, QF_FX_TEMP, QF_FX_FINAL, e)) < 0)
		return rc;
	return end(fx, e);
}

int qf_fx_ids(struct qf_fx *fx, struct qf_err *e)
{
	struct moves m = {0};
	int rc = find(fx, &m, e);

	if (rc == 0 && !fx->options->check && (m.n > 0 || fx->interrupted))
		rc = move_all(fx, &m, e);
	for (size_t i = 0; i < m.n && rc == 0; i++)
		report(fx, &m.v[i]);
	free(m.v);
	return rc;
}
