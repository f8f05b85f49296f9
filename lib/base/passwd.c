#include "lib/base/passwd.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "lib/base/io.h"

enum {
	CHUNK = 16384
};

/* passwd(5): name:password:uid and more. */
struct account {
	struct qf_span name;
	unsigned long long uid;
};

static bool parse(struct qf_span line, struct account *out)
{
	struct qf_span password, uid;

	return qf_span_cut(&line, ':', &out->name) && out->name.n > 0 &&
	       qf_span_cut(&line, ':', &password) &&
	       qf_span_cut(&line, ':', &uid) &&
	       qf_span_u64(uid, UINT_MAX, &out->uid);
}

static bool has_uid(const struct account *a, const void *uid)
{
	return a->uid == *(const uid_t *)uid;
}

static bool has_name(const struct account *a, const void *name)
{
	return qf_span_is(a->name, name);
}

/* Is it in a whole line after what was looked at? Its name is appended. */
static bool take(const struct qf_buf *file, size_t *at,
    bool (*is)(const struct account *a, const void *what), const void *what,
    struct qf_buf *name)
{
	struct qf_span rest = qf_span_n(file->s + *at, file->len - *at), line;
	struct account a;

	while (qf_span_cut(&rest, '\n', &line)) {
		if (parse(line, &a) && is(&a, what)) {
			qf_buf_addspan(name, a.name);
			return true;
		}
	}
	*at = file->len - rest.n;
	return false;
}

/* The first that is meant: no more of the file is read than up to there. */
static bool find(bool (*is)(const struct account *a, const void *what),
    const void *what, struct qf_buf *name)
{
	int fd = openat(AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC);
	struct qf_buf file = QF_BUF_INIT;
	static char chunk[CHUNK];
	bool found = false;
	ssize_t n = fd < 0 ? -1 : 1;
	size_t at = 0;

	while (!found && n > 0) {
		n = qf_read(fd, chunk, sizeof chunk);
		if (n > 0)
			qf_buf_add(&file, chunk, (size_t)n);
		found = take(&file, &at, is, what, name);
	}
	qf_close(&fd);
	qf_buf_free(&file);
	return found;
}

bool qf_passwd_name(uid_t uid, struct qf_buf *name)
{
	return find(has_uid, &uid, name);
}

bool qf_passwd_has(const char *name)
{
	struct qf_buf found = QF_BUF_INIT;
	bool has = find(has_name, name, &found);

	qf_buf_free(&found);
	return has;
}
