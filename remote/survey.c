#include "remote/survey.h"

#include <string.h>

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

int qf_survey(struct qf_survey *v, const struct qf_body *body, struct qf_err *e)
{
	char chunk[READ_CHUNK], last = '\n';
	struct qf_body rest = *body;
	long n;

	*v = (struct qf_survey){.wire = rest.end - rest.at};
	while ((n = qf_body_read(&rest, chunk, sizeof chunk, e)) > 0) {
		v->wire += missing(chunk, (size_t)n, last);
		v->eightbit = v->eightbit || has_eightbit(chunk, (size_t)n);
		last = chunk[n - 1];
	}
	v->ends = last == '\n' || last == '\r';
	v->wire += v->ends ? 0 : 2;
	return n < 0 ? QF_EREAD : 0;
}
