/*
 * Recipients in any order get the same: made-up lists, each in several orders,
 * through the dispatcher with its workers. Who comes out is who went in, but
 * for what verdicts took away or added.
 */
#include "frontend/dispatch.h"
#include "frontend/settle.h"

#include "tests/unit/unit.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"

enum {
	LISTS = 150,
	ORDERS = 3,
	LONGEST = 10,
	CHAIN_MS = 60000
};

/* What the plugin `judge` makes of these addresses, and the settlement of
 * that where others are accepted. */
static const struct word {
	const char *local;
	enum {
		GOES,
		TARGET, /* goes as another */
		HELD,
		BOUNCED,
		DROPPED
	} fate;
	bool refused;
} words[] = {
    {"alice", GOES, false},
    {"bob", GOES, false},
    {"pass", GOES, false},
    {"redirect", TARGET, false},
    {"hold-spam", HELD, false},
    {"reject-spam", HELD, true},
    {"reject-policy", BOUNCED, true},
    {"discard", DROPPED, false},
};
enum {
	NWORDS = sizeof words / sizeof *words
};

static char *dir;
static struct qf_ctl ctl = QF_CTL_NONE;
static struct qf_chain chain;
static struct qf_split split;
static uint64_t seed = 20261122;

static uint64_t some(uint64_t n)
{
#if defined(__SANITIZE_ADDRESS__)
	return n / 10;
#else
	return getenv("QF_VALGRIND") != NULL ? n / 50 : n;
#endif
}

static uint64_t roll(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static int set_up(void **state)
{
	char path[4096];
	const char *build = getenv("QF_BUILDDIR");
	struct qf_problems problems = {0};
	struct qf_err e;
	FILE *f;

	(void)state;
	snprintf(path, sizeof path, "%s/tests/plugins/.libs",
	    build != NULL ? build : ".");
	setenv("PLUGINDIR", path, 1);
	qf_log_open("test_recipients", QF_LOG_TO_NONE, QF_LOG_ERROR);
	dir = unit_dir();
	snprintf(path, sizeof path, "%s/chain", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	/* The second stage tells recipients apart, the third joins them. */
	fputs("judge\njudge@kids rcpt=@kids.example\njudge@all\n", f);
	fclose(f);
	if (qf_ctl_open(&ctl, dir, &e) < 0)
		return -1;
	qf_split_load(&split, &ctl, &problems);
	return qf_chain_load(&chain, &ctl, NULL, &problems);
}

static int tear_down(void **state)
{
	(void)state;
	qf_chain_free(&chain);
	qf_ctl_close(&ctl);
	unit_remove_dir(dir);
	return 0;
}

/* A list of recipients, by the numbers of their words; odd ones are kids. */
struct list {
	unsigned v[LONGEST];
	size_t n;
};

static void make_list(struct list *l)
{
	l->n = 1 + roll(LONGEST);
	for (size_t i = 0; i < l->n; i++)
		l->v[i] = (unsigned)roll(2 * NWORDS);
}

static void shuffle(struct list *l)
{
	for (size_t i = l->n; i > 1; i--) {
		size_t k = roll(i);
		unsigned was = l->v[i - 1];

		l->v[i - 1] = l->v[k];
		l->v[k] = was;
	}
}

static void add_address(struct qf_buf *b, unsigned number)
{
	qf_buf_addf(b, "%s@%s.example", words[number / 2].local,
	    number % 2 != 0 ? "kids" : "test");
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The strings, sorted, one a line. */
static void add_sorted(struct qf_buf *out, const char *title, struct qf_strv *v)
{
	if (v->n > 0)
		qsort(v->v, v->n, sizeof *v->v, compare);
	qf_buf_addf(out, "%s:", title);
	for (size_t i = 0; i < v->n; i++)
		qf_buf_addf(out, " %s", v->v[i]);
	qf_buf_addc(out, '\n');
	qf_strv_free(v);
}

/* What has to come of a list, whatever its order. */
static void expect(const struct list *l, struct qf_buf *out)
{
	struct qf_strv goes = {0}, held = {0};
	size_t bounced = 0, accepted = 0, refused = 0;

	for (size_t i = 0; i < l->n; i++) {
		const struct word *w = &words[l->v[i] / 2];

		refused += w->refused;
		accepted += !w->refused && w->fate != DROPPED;
	}
	for (size_t i = 0; i < l->n && accepted > 0; i++) {
		const struct word *w = &words[l->v[i] / 2];
		struct qf_buf address = QF_BUF_INIT;

		add_address(&address, l->v[i]);
		if (w->fate == GOES)
			qf_strv_add(&goes, address.s);
		else if (w->fate == TARGET)
			qf_strv_add(&goes, "target@test.example");
		else if (w->fate == HELD)
			qf_strv_add(&held, address.s);
		bounced += w->fate == BOUNCED;
		qf_buf_free(&address);
	}
	qf_buf_addf(out, "%s\n",
	    accepted > 0  ? "queue"
	    : refused > 0 ? "refuse"
			  : "drop");
	add_sorted(out, "goes", &goes);
	add_sorted(out, "held", &held);
	qf_buf_addf(out, "bounced %zu\n", bounced);
}

/* The recipients that a bounce names. */
static size_t count_bounced(const struct qf_delivery *d)
{
	struct qf_buf text = QF_BUF_INIT;
	size_t n = 0;

	unit_contents(d->message, &text);
	for (const char *p = text.s;
	     (p = strstr(p, "\nFinal-Recipient:")) != NULL; p++)
		n++;
	qf_buf_free(&text);
	return n;
}

static void describe(const struct qf_plan *plan, struct qf_buf *out)
{
	static const char *const actions[] = {[QF_PLAN_QUEUE] = "queue",
	    [QF_PLAN_DROP] = "drop",
	    [QF_PLAN_REFUSE] = "refuse"};
	struct qf_strv goes = {0}, held = {0};
	size_t bounced = 0;

	for (size_t i = 0; i < plan->n; i++) {
		const struct qf_delivery *d = &plan->v[i];

		if (d->owned)
			bounced += count_bounced(d);
		for (size_t k = 0; k < d->envelope.nrcpt && !d->owned; k++)
			qf_strv_add(d->held ? &held : &goes,
			    qf_envelope_rcpt(&d->envelope, k));
	}
	qf_buf_addf(out, "%s\n", actions[plan->action]);
	add_sorted(out, "goes", &goes);
	add_sorted(out, "held", &held);
	qf_buf_addf(out, "bounced %zu\n", bounced);
}

/* The answer, which must not hang on the order either. */
static struct qf_judgement run(const struct list *l, struct qf_buf *out)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_groups groups;
	struct qf_plan plan;
	struct qf_context context;
	struct qf_judgement answer;
	int fd = unit_file("A: b\n\nc\n", 8);

	qf_envelope_set_sender(&env, qf_span("sender@test.example"));
	for (size_t i = 0; i < l->n; i++) {
		struct qf_buf address = QF_BUF_INIT;

		add_address(&address, l->v[i]);
		qf_envelope_add_rcpt(&env, qf_buf_span(&address));
		qf_buf_free(&address);
	}
	qf_context_init(&context, &env);
	assert_int_equal(
	    0, qf_dispatch(&(struct qf_dispatch){.ctl = &ctl,
			       .chain = &chain,
			       .context = &context,
			       .message = fd,
			       .envelope = &env,
			       .deadline = qf_deadline_in(CHAIN_MS)},
		   &groups));
	assert_int_equal(0, qf_settle(&plan,
				&(struct qf_settle){.chain = &chain,
				    .split = &split,
				    .me = "test.example",
				    .message = fd,
				    .envelope = &env},
				&groups, NULL));
	describe(&plan, out);
	answer = plan.judgement;
	qf_plan_free(&plan);
	qf_groups_free(&groups);
	qf_envelope_free(&env);
	close(fd);
	return answer;
}

static void test_order_does_not_matter(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < some(LISTS); i++) {
		struct qf_buf want = QF_BUF_INIT;
		struct qf_judgement first = {0};
		struct list l;

		make_list(&l);
		expect(&l, &want);
		for (int k = 0; k < ORDERS; k++) {
			struct qf_buf got = QF_BUF_INIT;
			struct qf_judgement j = run(&l, &got);

			assert_string_equal(want.s, got.s);
			if (k == 0)
				first = j;
			assert_int_equal(first.class_, j.class_);
			assert_int_equal(first.category, j.category);
			qf_buf_free(&got);
			shuffle(&l);
		}
		qf_buf_free(&want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_order_does_not_matter),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
