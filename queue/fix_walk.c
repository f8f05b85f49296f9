/*
 * The files of a queue by their names, also those of a repair.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/base/strv.h"
#include "queue/fix_internal.h"

static const char fix[] = ".fix", held[] = ".mess";

/* The part of a name that is a number: how long it is. */
static size_t take_id(char id[QF_ID_SIZE], const char *name)
{
	size_t n = strspn(name, "0123456789");

	if (n == 0 || n >= QF_ID_SIZE)
		return 0;
	memcpy(id, name, n);
	id[n] = '\0';
	return qf_sd_is_id(id) ? n : 0;
}

static bool cut(const char **name, const char *head)
{
	size_t n = strlen(head);

	if (strncmp(*name, head, n) != 0)
		return false;
	*name += n;
	return true;
}

static enum qf_fx_kind parse(struct qf_fx_file *f, const char *name)
{
	size_t n;

	if (f->place == QF_SD_FAILED && cut(&name, ".new."))
		return QF_FX_LITTER;
	if (f->place == QF_SD_FAILED)
		return qf_sd_is_failed_id(name) ? QF_FX_FINAL : QF_FX_NONSENSE;
	n = take_id(f->id, name);
	if (n == 0)
		return QF_FX_NONSENSE;
	name += n;
	if (f->place == QF_SD_HOLD && cut(&name, held))
		f->place = QF_SD_HELD;
	if (*name == '\0')
		return QF_FX_FINAL;
	if (cut(&name, fix)) {
		if (*name == '\0')
			return QF_FX_TEMP;
		if ((f->place == QF_SD_MESS || f->place == QF_SD_HELD) &&
		    *name++ == '.' && take_id(f->to, name) == strlen(name))
			return QF_FX_STAGED;
	}
	return f->place == QF_SD_ATTR && strcmp(name, QF_SD_NEW) == 0
		   ? QF_FX_LITTER
		   : QF_FX_NONSENSE;
}

void qf_fx_path(char out[QF_FX_PATH], enum qf_sd_place place,
    enum qf_fx_kind kind, const char *id, const char *to)
{
	char path[QF_SD_PATH];

	qf_sd_path(path, place, id);
	if (kind == QF_FX_STAGED)
		snprintf(out, QF_FX_PATH, "%s%s.%s", path, fix, to);
	else
		snprintf(out, QF_FX_PATH, "%s%s", path,
		    kind == QF_FX_TEMP ? fix : "");
}

int qf_fx_rename(struct qf_fx *fx, const char *from, const char *to)
{
	struct stat sb;

	if (renameat2(fx->st.root, from, fx->st.root, to, RENAME_NOREPLACE) ==
	    0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system that does not know it; the names are ours alone. */
	if (fstatat(fx->st.root, to, &sb, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(fx->st.root, from, fx->st.root, to);
}

/* All names at once: visits may change the folder. */
static int read_names(const struct qf_fx *fx, const char *folder,
    struct qf_strv *names, struct qf_err *e)
{
	int fd =
	    openat(fx->st.root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		qf_close(&fd);
		if (errno == ENOENT)
			return 0;
		return qf_fail_sys(
		    e, QF_EREAD, "can not read %s/%s", fx->st.dir, folder);
	}
	while ((d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			qf_strv_add(names, d->d_name);
	}
	closedir(dir);
	return 0;
}

static int visit_folder(struct qf_fx *fx, enum qf_sd_place place,
    const char *folder, unsigned split, qf_fx_visit visit, void *user,
    struct qf_err *e)
{
	struct qf_strv names = {0};
	int rc = read_names(fx, folder, &names, e);

	for (size_t i = 0; i < names.n && rc == 0; i++) {
		struct qf_fx_file f = {.place = place, .split = split};

		f.kind = parse(&f, names.v[i]);
		snprintf(f.path, sizeof f.path, "%s/%s", folder, names.v[i]);
		if (fstatat(fx->st.root, f.path, &f.sb, AT_SYMLINK_NOFOLLOW) ==
		    0)
			rc = visit(fx, &f, user, e);
	}
	qf_strv_free(&names);
	return rc;
}

/* Also folders that a queue with a larger split had. */
static int visit_split(struct qf_fx *fx, enum qf_sd_place place,
    qf_fx_visit visit, void *user, struct qf_err *e)
{
	struct qf_strv folders = {0};
	char folder[QF_FX_PATH];
	int rc = read_names(fx, qf_sd_top(place), &folders, e);

	for (size_t i = 0; i < folders.n && rc == 0; i++) {
		unsigned long long n;

		if (!qf_span_u64(qf_span(folders.v[i]), UINT32_MAX, &n))
			continue;
		snprintf(folder, sizeof folder, "%s/%s", qf_sd_top(place),
		    folders.v[i]);
		rc = visit_folder(
		    fx, place, folder, (unsigned)n, visit, user, e);
	}
	qf_strv_free(&folders);
	return rc;
}

int qf_fx_walk(struct qf_fx *fx, enum qf_sd_place place, qf_fx_visit visit,
    void *user, struct qf_err *e)
{
	if (qf_sd_is_split(place))
		return visit_split(fx, place, visit, user, e);
	return visit_folder(fx, place, qf_sd_top(place), 0, visit, user, e);
}
