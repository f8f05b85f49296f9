#include "lib/net/tcpto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/io.h"

enum {
	RECORD_MAX = 32,
	FILE_MAX = QF_TCPTO_RECORDS * RECORD_MAX,
	LOCK_TRIES = 20,
	LOCK_PAUSE = 5 /* milliseconds */
};

/* The form of a file. */
static const struct form {
	const char *name;
	int family;
	size_t record, address; /* their sizes */
	size_t count, when;     /* where they stand in a record */
} forms[] = {
    {"tcpto", AF_INET, 16, 4, 4, 8},
    {"tcpto6", AF_INET6, 32, 16, 16, 20},
};

/* A file that is open, locked and read. */
struct table {
	const struct form *form;
	int fd;
	unsigned char v[FILE_MAX];
};

int qf_tcpto_open(struct qf_tcpto *t, const char *queuedir, struct qf_err *e)
{
	int queue = open(queuedir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;

	t->dir = queue < 0 ? -1 : openat(queue, "lock", flags);
	if (t->dir < 0)
		qf_fail_sys(e, QF_EQUEUE, "%s/lock", queuedir);
	qf_close(&queue);
	return t->dir < 0 ? QF_EQUEUE : 0;
}

void qf_tcpto_close(struct qf_tcpto *t)
{
	qf_close(&t->dir);
}

static size_t size_of(const struct form *form)
{
	return QF_TCPTO_RECORDS * form->record;
}

/* Others hold it for a moment only. Mail does not wait longer. */
static bool lock(int fd)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return true;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return false;
		(void)poll(NULL, 0, LOCK_PAUSE);
	}
	return false;
}

/* What no record can have: then the file is not what we think. */
static bool is_record(const struct form *form, const unsigned char *r)
{
	for (size_t i = form->address; i < form->record; i++) {
		if (i != form->count &&
		    (i < form->when || i >= form->when + 4) && r[i] != 0)
			return false;
	}
	return r[form->count] <= QF_TCPTO_MOST;
}

static bool is_sound(const struct table *t, ssize_t n)
{
	const struct form *form = t->form;
	struct stat st;

	if (n != (ssize_t)size_of(form) || fstat(t->fd, &st) < 0 ||
	    st.st_size != n)
		return false;
	for (size_t i = 0; i < QF_TCPTO_RECORDS; i++) {
		if (!is_record(form, t->v + i * form->record))
			return false;
	}
	return true;
}

static const struct form *form_for(const struct qf_ip *ip)
{
	return &forms[ip->family != AF_INET];
}

static void shut(struct table *t)
{
	qf_close(&t->fd);
}

/* False and errno when there is nothing to work with. */
static bool load(struct table *t, const struct qf_tcpto *from,
    const struct form *form, int flags)
{
	ssize_t n;

	t->form = form;
	t->fd = openat(from->dir, form->name,
	    flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	if (t->fd < 0)
		return false;
	if (!lock(t->fd)) {
		shut(t);
		errno = EWOULDBLOCK;
		return false;
	}
	n = pread(t->fd, t->v, size_of(form), 0);
	if (n < 0) {
		shut(t);
		return false;
	}
	if (!is_sound(t, n))
		memset(t->v, 0, sizeof t->v);
	return true;
}

/* The whole file, so that one that is damaged is sound again. */
static bool store(const struct table *t)
{
	size_t size = size_of(t->form);

	return pwrite(t->fd, t->v, size, 0) == (ssize_t)size &&
	       ftruncate(t->fd, (off_t)size) == 0;
}

static unsigned char *record_at(struct table *t, size_t i)
{
	return t->v + i * t->form->record;
}

static int64_t when_of(const struct form *form, const unsigned char *r)
{
	const unsigned char *p = r + form->when;

	return (int64_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 |
			 (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static void set_when(const struct form *form, unsigned char *r, int64_t when)
{
	for (int i = 0; i < 4; i++)
		r[form->when + (size_t)i] =
		    (unsigned char)((uint64_t)when >> (8 * i));
}

/* The record of the address, or NULL. */
static unsigned char *find(struct table *t, const struct qf_ip *ip)
{
	for (size_t i = 0; i < QF_TCPTO_RECORDS; i++) {
		unsigned char *r = record_at(t, i);

		if (memcmp(r, ip->b, t->form->address) == 0)
			return r;
	}
	return NULL;
}

/* For a new address: the first that is free, else the one that is oldest. */
static unsigned char *find_room(struct table *t)
{
	unsigned char *oldest = record_at(t, 0);

	for (size_t i = 0; i < QF_TCPTO_RECORDS; i++) {
		unsigned char *r = record_at(t, i);

		if (r[t->form->count] == 0)
			return r;
		if (when_of(t->form, r) < when_of(t->form, oldest))
			oldest = r;
	}
	return oldest;
}

bool qf_tcpto_is_dead(
    struct qf_tcpto *t, const struct qf_ip *ip, int64_t now, unsigned chance)
{
	const struct form *form = form_for(ip);
	const unsigned char *r;
	struct table table;
	bool dead = false;

	if (t->dir < 0 || !load(&table, t, form, O_RDONLY))
		return false;
	r = find(&table, ip);
	if (r != NULL && r[form->count] >= QF_TCPTO_SKIP) {
		int64_t past = now - when_of(form, r);

		/* A clock that was set back says nothing. */
		dead = past >= 0 && past < (60 + (int64_t)(chance & 31)) * 64;
	}
	shut(&table);
	return dead;
}

/* Counts a time-out: true when the file changes. */
static bool count(struct table *t, const struct qf_ip *ip, int64_t now)
{
	const struct form *form = t->form;
	unsigned char *r = find(t, ip);

	if (r == NULL) {
		r = find_room(t);
		memset(r, 0, form->record);
		memcpy(r, ip->b, form->address);
	} else if (r[form->count] > 0 && now >= when_of(form, r) &&
		   now < when_of(form, r) + QF_TCPTO_PAUSE) {
		return false;
	}
	if (r[form->count] < QF_TCPTO_MOST)
		r[form->count]++;
	set_when(form, r, now);
	return true;
}

/* The address answers: true when the file changes. */
static bool clear_count(struct table *t, const struct qf_ip *ip)
{
	unsigned char *r = find(t, ip);

	if (r == NULL || r[t->form->count] == 0)
		return false;
	r[t->form->count] = 0;
	return true;
}

void qf_tcpto_note(
    struct qf_tcpto *t, const struct qf_ip *ip, bool timed_out, int64_t now)
{
	int flags = O_RDWR | (timed_out ? O_CREAT : 0);
	struct table table;

	if (t->dir < 0 || !load(&table, t, form_for(ip), flags))
		return;
	if (timed_out ? count(&table, ip, now) : clear_count(&table, ip))
		(void)store(&table);
	shut(&table);
}

static int list_one(struct qf_tcpto *t, const struct form *form,
    struct qf_tcpto_entry *out, struct qf_err *e)
{
	struct table table;
	int n = 0;

	if (!load(&table, t, form, O_RDONLY))
		return errno == ENOENT
			   ? 0
			   : qf_fail_sys(e, QF_EREAD, "lock/%s", form->name);
	for (size_t i = 0; i < QF_TCPTO_RECORDS; i++) {
		const unsigned char *r = record_at(&table, i);

		if (r[form->count] == 0)
			continue;
		out[n++] = (struct qf_tcpto_entry){qf_ip_from(r, form->address),
		    r[form->count], when_of(form, r)};
	}
	shut(&table);
	return n;
}

int qf_tcpto_list(struct qf_tcpto *t,
    struct qf_tcpto_entry out[2 * QF_TCPTO_RECORDS], struct qf_err *e)
{
	int n = 0;

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		int more = list_one(t, &forms[i], out + n, e);

		if (more < 0)
			return more;
		n += more;
	}
	return n;
}

int qf_tcpto_clear(struct qf_tcpto *t, struct qf_err *e)
{
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		struct table table;
		bool done;

		if (!load(&table, t, &forms[i], O_RDWR)) {
			if (errno == ENOENT)
				continue;
			return qf_fail_sys(
			    e, QF_EWRITE, "lock/%s", forms[i].name);
		}
		memset(table.v, 0, sizeof table.v);
		done = store(&table);
		shut(&table);
		if (!done)
			return qf_fail_sys(
			    e, QF_EWRITE, "lock/%s", forms[i].name);
	}
	return 0;
}
