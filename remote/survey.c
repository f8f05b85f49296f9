#include "remote/survey.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_CHUNK = 65536
};

static bool has_eightbit(const char *p, size_t n)
{
	uint64_t all = 0;

	for (; n >= sizeof all; p += sizeof all, n -= sizeof all) {
		uint64_t word;

		memcpy(&word, p, sizeof word);
		all |= word;
	}
	for (; n > 0; p++, n--)
		all |= (unsigned char)*p;
	return (all & UINT64_C(0x8080808080808080)) != 0;
}

/* The bytes that line ends need beyond those that they have: LF, CR and CR LF
 * are all line ends, and CR LF goes out for each. */
static uint64_t missing(const char *p, size_t n, char before)
{
	const char *end = p + n, *at;
	uint64_t bare = 0, pairs = 0;

	for (at = p; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at++) {
		bare++;
		pairs += (at > p ? at[-1] : before) == '\r';
	}
	for (at = p; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
		bare++;
	return bare - 2 * pairs;
}

static int read_at(
    int fd, char *p, size_t n, uint64_t at, size_t *got, struct qf_err *e)
{
	ssize_t rc;

	do
		rc = pread(fd, p, n, (off_t)at);
	while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return qf_fail_sys(e, QF_EREAD, "cannot read the message");
	if (rc == 0)
		return qf_fail(e, QF_EREAD,
		    "the message became shorter while it was read");
	*got = (size_t)rc;
	return 0;
}

int qf_survey(
    struct qf_survey *v, int fd, uint64_t at, uint64_t end, struct qf_err *e)
{
	char chunk[READ_CHUNK], last = '\n';

	*v = (struct qf_survey){.wire = end - at};
	while (at < end) {
		size_t n =
		    end - at < sizeof chunk ? (size_t)(end - at) : sizeof chunk;

		if (read_at(fd, chunk, n, at, &n, e) < 0)
			return QF_EREAD;
		v->wire += missing(chunk, n, last);
		v->eightbit = v->eightbit || has_eightbit(chunk, n);
		last = chunk[n - 1];
		at += n;
	}
	v->ends = last == '\n';
	v->wire += last == '\n' || last == '\r' ? 0 : 2;
	return 0;
}
