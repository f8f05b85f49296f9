#include "remote/survey.h"

#include <string.h>

enum {
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

static uint64_t count_pairs(const char *p, size_t n)
{
	const char *end = p + n, *at;
	uint64_t pairs = 0;

	for (at = p; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
		pairs += at + 1 < end && at[1] == '\n';
	return pairs;
}

/* The whole message. */
static long read_all(char *p, const struct qf_body *body, struct qf_err *e)
{
	struct qf_body rest = *body;
	long n, all = 0;

	while ((n = qf_body_read(&rest, p + all, QF_SURVEY_MOST, e)) > 0)
		all += n;
	return n < 0 ? n : all;
}

static void settle_end(struct qf_survey *v, char last)
{
	v->ends = last == '\n' || last == '\r';
	v->wire += v->ends ? 0 : 2;
}

static int look_at_all(
    struct qf_survey *v, const struct qf_body *body, struct qf_err *e)
{
	char text[QF_SURVEY_MOST];
	long n = read_all(text, body, e);
	struct tally t;

	if (n < 0)
		return (int)n;
	/* LF, CR and CR LF are all line ends, and CR LF goes out for each. */
	t = count(text, (size_t)n);
	v->wire += t.lf + t.cr;
	if (t.cr > 0)
		v->wire -= 2 * count_pairs(text, (size_t)n);
	v->eightbit = t.all > 127;
	settle_end(v, n > 0 ? text[n - 1] : '\n');
	return 0;
}

static int look_at_end(
    struct qf_survey *v, const struct qf_body *body, struct qf_err *e)
{
	struct qf_body rest = {body->fd, body->end - 1, body->end};
	char last;
	long n = qf_body_read(&rest, &last, 1, e);

	if (n < 0)
		return (int)n;
	v->eightbit = true;
	settle_end(v, last);
	return 0;
}

int qf_survey(struct qf_survey *v, const struct qf_body *body, struct qf_err *e)
{
	uint64_t size = body->end - body->at;

	*v = (struct qf_survey){.wire = size};
	return size > QF_SURVEY_MOST ? look_at_end(v, body, e)
				     : look_at_all(v, body, e);
}
