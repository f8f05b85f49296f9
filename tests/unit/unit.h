/*
 * What unit tests share: cmocka with the headers that it wants first, files in
 * memory, and what is written to a descriptor meanwhile.
 */
#ifndef QF_TESTS_UNIT_H
#define QF_TESTS_UNIT_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"

#define UNIT_COUNT(array) (sizeof(array) / sizeof *(array))

/* For what valgrind answers in the kernel's place: true, and it is said, where
 * that can not be tested. The other builds do. */
static inline bool unit_is_under_valgrind(const char *reason)
{
	if (getenv("QF_VALGRIND") == NULL)
		return false;
	print_message("# not tried under valgrind: %s\n", reason);
	return true;
}

/* A file in memory with these bytes, at offset 0. */
static inline int unit_file(const void *p, size_t n)
{
	int fd = memfd_create("unit", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(0, qf_write_all(fd, p, n));
	assert_int_equal(0, lseek(fd, 0, SEEK_SET));
	return fd;
}

/* Appends what stands in the file, from its start. */
static inline void unit_contents(int fd, struct qf_buf *out)
{
	assert_int_equal(0, lseek(fd, 0, SEEK_SET));
	assert_int_equal(0, qf_read_all(fd, out, NULL));
}

/* Between begin and end, `target` is a file in memory. */
struct unit_capture {
	int target, saved, file;
};

static inline struct unit_capture unit_capture_begin(int target)
{
	struct unit_capture c = {target, dup(target), unit_file("", 0)};

	assert_true(c.saved >= 0);
	assert_true(dup2(c.file, target) >= 0);
	return c;
}

static inline void unit_capture_end(struct unit_capture *c, struct qf_buf *out)
{
	assert_true(dup2(c->saved, c->target) >= 0);
	close(c->saved);
	unit_contents(c->file, out);
	close(c->file);
}

/* How many descriptors are open. */
static inline int unit_open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A new directory of the test's own. */
static inline char *unit_dir(void)
{
	char name[] = "/tmp/qfront-unit-XXXXXX";

	assert_non_null(mkdtemp(name));
	return strdup(name);
}

/* Removes it and frees the name. */
static inline void unit_remove_dir(char *dir)
{
	char command[256];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	assert_int_equal(0, system(command));
	free(dir);
}

#endif
