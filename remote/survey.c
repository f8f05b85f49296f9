#include "remote/survey.h"

#include <string.h>

enum {
	READ_CHUNK = 65536,
	LANES = 16,
	ROUNDS = 255 /* what a lane can count */
};

/* Bytes that are looked at together. */
typedef unsigned char lanes __attribute__((vector_size(LANES)));

/* What was counted of some bytes. */
struct tally {
	uint64_t lf, cr;
	unsigned char all; /* the bytes, or-ed */
};

static void tally_lanes(struct tally *t, const char *p, size_t rounds)
{
	lanes lf = {0}, cr = {0}, all = {0}, v;

	for (; rounds > 0; rounds--, p += LANES) {
		memcpy(&v, p, LANES);
		lf -= (lanes)(v == '\n');
		cr -= (lanes)(v == '\r');
		all |= v;
	}
	for (int i = 0; i < LANES; i++) {
		t->lf += lf[i];
		t->cr += cr[i];
		t->all |= all[i];
	}
}

static struct tally count(const char *p, size_t n)
{
	struct tally t = {0};

	while (n >= LANES) {
		size_t rounds = n / LANES < ROUNDS ? n / LANES : ROUNDS;

		tally_lanes(&t, p, rounds);
		p += rounds * LANES;
		n -= rounds * LANES;
	}
	for (; n > 0; n--, p++) {
		t.lf += *p == '\n';
		t.cr += *p == '\r';
		t.all |= (unsigned char)*p;
	}
	return t;
}

/* Each CR LF, also where the CR came before. */
static uint64_t count_pairs(const char *p, size_t n, char before)
{
	const char *end = p + n, *at;
	uint64_t pairs = before == '\r' && p[0] == '\n';

	for (at = p; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
		pairs += at + 1 < end && at[1] == '\n';
	return pairs;
}

int qf_survey(struct qf_survey *v, const struct qf_body *body, struct qf_err *e)
{
	char chunk[READ_CHUNK], last = '\n';
	struct qf_body rest = *body;
	long n;

	*v = (struct qf_survey){.wire = rest.end - rest.at};
	while ((n = qf_body_read(&rest, chunk, sizeof chunk, e)) > 0) {
		struct tally t = count(chunk, (size_t)n);

		/* LF, CR and CR LF are all line ends, and CR LF goes out for
		 * each. */
		v->wire += t.lf + t.cr;
		if (t.cr > 0 || last == '\r')
			v->wire -= 2 * count_pairs(chunk, (size_t)n, last);
		v->eightbit = v->eightbit || t.all > 127;
		last = chunk[n - 1];
	}
	v->ends = last == '\n' || last == '\r';
	v->wire += v->ends ? 0 : 2;
	return n < 0 ? QF_EREAD : 0;
}
