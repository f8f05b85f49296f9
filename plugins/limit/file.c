#include "plugins/limit/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/limit/counter.h"
#include "plugins/limit/key.h"

enum {
	BYTES_MAX = 1 << 20, /* more than FILE_ENTRIES lines have */
	LINGER = 60 /* seconds that an entry stays when it has run out */
};

static const char temporary[] = "new";

/* Reading */

/* A number up to the character c; *at is behind that afterwards. */
static bool cut_number(char **at, char c, int base, uint64_t max, uint64_t *out)
{
	char *end;

	if (strchr(" \t+-", **at) != NULL)
		return false;
	errno = 0;
	*out = strtoull(*at, &end, base);
	if (errno != 0 || end == *at || *end != c || *out > max)
		return false;
	*at = end + (c != '\0');
	return true;
}

static bool parse_seen(char *at, struct file_entry *e)
{
	if (strcmp(at, "-") == 0)
		return true;
	while (e->nseen < FILE_SEEN) {
		bool more = strchr(at, ',') != NULL;

		if (!cut_number(&at, more ? ',' : '\0', 16, UINT64_MAX,
			&e->seen[e->nseen++]))
			return false;
		if (!more)
			return true;
	}
	return false;
}

/* The value is left in the line. */
static bool parse_line(char *line, struct file_entry *e)
{
	char *at = strchr(line, ' ');
	uint64_t per, empty[2];

	*e = (struct file_entry){.value = line};
	if (at == NULL || at == line || at - line > KEY_VALUE_MAX)
		return false;
	*at++ = '\0';
	if (!cut_number(&at, ' ', 10, COUNTER_PER_MAX, &per) || per == 0 ||
	    !cut_number(&at, ' ', 10, INT64_MAX, &empty[0]) ||
	    !cut_number(&at, ' ', 10, INT64_MAX, &empty[1]))
		return false;
	e->per = (uint32_t)per;
	e->empty[0] = (int64_t)empty[0];
	e->empty[1] = (int64_t)empty[1];
	return parse_seen(at, e);
}

static int64_t runs_out(const struct file_entry *e)
{
	return e->empty[0] > e->empty[1] ? e->empty[0] : e->empty[1];
}

/* An error in a time must not last. */
static void bound(struct file *f, struct file_entry *e, int64_t now)
{
	int64_t end = now + e->per * COUNTER_SECOND;

	for (int i = 0; i < 2; i++) {
		if (e->empty[i] > end) {
			e->empty[i] = end;
			f->bounded = true;
		}
	}
}

/* Puts an entry in its place; its value is copied. NULL without memory. */
static struct file_entry *put(struct file *f, const struct file_entry *e)
{
	struct file_entry *to = NULL;
	char *value = strdup(e->value);

	if (value == NULL)
		return NULL;
	if (f->n < FILE_ENTRIES) {
		to = &f->entry[f->n++];
	} else {
		for (size_t i = 0; i < f->n; i++) {
			struct file_entry *old = &f->entry[i];

			if (!old->in_use &&
			    (to == NULL || runs_out(old) < runs_out(to)))
				to = old;
		}
		if (to == NULL) {
			free(value);
			return NULL;
		}
		free(to->value);
		f->forgotten++;
	}
	*to = *e;
	to->value = value;
	return to;
}

static int32_t parse(struct file *f, char *bytes, size_t n, int64_t now)
{
	char *end = bytes + n, *next;

	for (char *line = bytes; line < end; line = next) {
		struct file_entry e;
		char *lf = memchr(line, '\n', (size_t)(end - line));

		next = lf != NULL ? lf + 1 : end;
		if (lf != NULL)
			*lf = '\0';
		/* A last line without its end was cut, who knows where. */
		if (lf == NULL || line + strlen(line) != lf ||
		    !parse_line(line, &e)) {
			f->damaged++;
			continue;
		}
		bound(f, &e, now);
		if (runs_out(&e) + LINGER * COUNTER_SECOND > now &&
		    put(f, &e) == NULL)
			return QF_ENOMEM;
	}
	return 0;
}

/* All bytes of an open file: their number in *n, or QF_EREAD and errno. */
static int32_t read_bytes(int fd, char bytes[BYTES_MAX + 1], size_t *n)
{
	struct stat st;
	ssize_t r = 1;

	if (fstat(fd, &st) < 0)
		return QF_EREAD;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return QF_EREAD;
	}
	for (*n = 0; r > 0 && *n < BYTES_MAX; *n += (size_t)r) {
		r = read(fd, bytes + *n, BYTES_MAX - *n);
		if (r < 0)
			return QF_EREAD;
	}
	return 0;
}

int32_t file_read(struct file *f, int dir, const char *name, int64_t now)
{
	int fd = openat(dir, name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *bytes;
	size_t n = 0;
	int32_t rc;
	int sys;

	*f = (struct file){0};
	if (fd < 0 && errno != ENOENT)
		return QF_EREAD;
	bytes = malloc(BYTES_MAX + 1);
	f->entry = calloc(FILE_ENTRIES, sizeof *f->entry);
	rc = bytes == NULL || f->entry == NULL ? QF_ENOMEM : 0;
	if (rc == 0 && fd >= 0)
		rc = read_bytes(fd, bytes, &n);
	if (rc == 0)
		rc = parse(f, bytes, n, now);
	sys = errno;
	free(bytes);
	if (fd >= 0)
		close(fd);
	errno = sys;
	return rc;
}

void file_free(struct file *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->entry[i].value);
	free(f->entry);
	*f = (struct file){0};
}

struct file_entry *file_get(struct file *f, const char *value, uint32_t per)
{
	struct file_entry fresh = {
	    .value = (char *)(uintptr_t)value, .per = per};
	struct file_entry *e = NULL;

	for (size_t i = 0; i < f->n && e == NULL; i++) {
		if (f->entry[i].per == per &&
		    strcmp(f->entry[i].value, value) == 0)
			e = &f->entry[i];
	}
	if (e == NULL)
		e = put(f, &fresh);
	if (e != NULL)
		e->in_use = true;
	return e;
}

/* Writing */

static void print_entry(FILE *to, const struct file_entry *e)
{
	fprintf(to, "%s %" PRIu32 " %" PRId64 " %" PRId64 " ", e->value, e->per,
	    e->empty[0], e->empty[1]);
	for (unsigned i = 0; i < e->nseen; i++)
		fprintf(to, "%s%" PRIx64, i > 0 ? "," : "", e->seen[i]);
	fputs(e->nseen > 0 ? "\n" : "-\n", to);
}

/* Writes the temporary file: 0, or -1 and errno. */
static int write_temporary(const struct file *f, int dir)
{
	int fd = openat(dir, temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
	    0600);
	FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
	int sys = 0;

	if (to == NULL) {
		sys = errno;
		if (fd >= 0)
			close(fd);
		errno = sys;
		return -1;
	}
	for (size_t i = 0; i < f->n; i++)
		print_entry(to, &f->entry[i]);
	if (fflush(to) == EOF || ferror(to))
		sys = errno != 0 ? errno : EIO;
	if (fclose(to) == EOF && sys == 0)
		sys = errno;
	errno = sys;
	return sys != 0 ? -1 : 0;
}

int32_t file_write(const struct file *f, int dir, const char *name)
{
	int sys;

	if (f->n == 0)
		return unlinkat(dir, name, 0) == 0 || errno == ENOENT
			   ? 0
			   : QF_EWRITE;
	if (write_temporary(f, dir) == 0 &&
	    renameat(dir, temporary, dir, name) == 0)
		return 0;
	sys = errno;
	unlinkat(dir, temporary, 0);
	errno = sys;
	return QF_EWRITE;
}
