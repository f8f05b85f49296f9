/*
 * Writes made-up messages and envelopes (tests/lib/randmail.h) for tests in
 * other languages, as DIR/NUMBER.m and DIR/NUMBER.e:
 *
 *	write-mail FIRST COUNT DIR
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "tests/lib/randmail.h"

static int write_file(
    const char *dir, unsigned long long n, char kind, const struct qf_buf *b)
{
	char path[4096];
	int fd, rc;

	snprintf(path, sizeof path, "%s/%llu.%c", dir, n, kind);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	rc = fd < 0 ? -1 : qf_write_all(fd, b->s, b->len);
	qf_close(&fd);
	if (rc < 0)
		perror(path);
	return rc;
}

int main(int argc, char **argv)
{
	struct qf_buf m = QF_BUF_INIT, e = QF_BUF_INIT;
	unsigned long long first, n;
	int rc = 0;

	if (argc != 4)
		return 64;
	first = strtoull(argv[1], NULL, 10);
	n = strtoull(argv[2], NULL, 10);
	for (unsigned long long i = first; i < first + n && rc == 0; i++) {
		randmail(i, &m, &e);
		if (write_file(argv[3], i, 'm', &m) < 0 ||
		    write_file(argv[3], i, 'e', &e) < 0)
			rc = 1;
	}
	qf_buf_free(&m);
	qf_buf_free(&e);
	return rc;
}
