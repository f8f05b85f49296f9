/*
 * A pool whose zygote and workers are this test.
 */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <qfront/plugin.h>

#include "daemon/pool.h"
#include "daemon/zygote.h"
#include "lib/base/clock.h"
#include "lib/base/fdpass.h"
#include "lib/base/log.h"

enum {
	STAGES = 4,
	ERRANDS_MAX = 4000,
	CHAIN_MS = 1000
};

static int64_t now_us = 1000 * 1000;

static int64_t source(int which)
{
	(void)which;
	return now_us;
}

/* The first and the last one wait for others. */
static struct qf_stage stages[STAGES] = {
    {.name = "a", .noted = true, .flags = QF_FLAG_NETWORK},
    {.name = "b", .noted = true}, {.name = "c", .noted = true},
    {.name = "d", .noted = true, .flags = QF_FLAG_NETWORK}};
static struct qf_chain chain = {.stage = stages, .n = STAGES};
static struct qf_envelope envelope = QF_ENVELOPE_INIT;
static struct qf_share share;
static struct qf_context context;
static int preset[STAGES] = {
    QF_WORK_RUN, QF_WORK_RUN, QF_WORK_RUN, QF_WORK_RUN};

static struct qf_loop *loop;
static struct qf_cores cores;
static struct qf_pool pool;
static int zygote, message;

/* An errand, and what came of it. */
static struct job {
	struct qf_work work;
	struct qf_errand errand;
	int done, rc;
	long stage;
} jobs[ERRANDS_MAX];

static void on_changed(void *arg)
{
	(void)arg;
	if (!pool.gone)
		qf_pool_schedule(&pool);
}

static void on_done(
    void *arg, int rc, struct qf_job_result *in, const struct qf_err *e)
{
	struct job *j = arg;

	(void)e;
	j->done++;
	j->rc = rc;
	j->stage = in->stage;
}

static void start(int ncores, struct qf_pool_limits limits)
{
	int pair[2];
	struct qf_err e;

	memset(jobs, 0, sizeof jobs);
	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	zygote = pair[1];
	message = unit_file("m", 1);
	cores = (struct qf_cores){.changed = on_changed};
	pool = (struct qf_pool){.cores = &cores,
	    .limits = limits,
	    .name = "filter",
	    .changed = on_changed};
	assert_int_equal(0, qf_loop_open(&loop, &e));
	pool.loop = loop;
	assert_int_equal(0, qf_cores_open(&cores, ncores, loop, &e));
	assert_int_equal(0, qf_pool_open(&pool, pair[0], &e));
}

static void stop(void)
{
	qf_pool_close(&pool);
	qf_loop_remove(&cores.look);
	qf_loop_close(loop);
	close(zygote);
	close(message);
}

static void on_now(struct qf_watch *w, void *arg)
{
	(void)w;
	*(bool *)arg = true;
}

/* All that there is now, and nothing later. */
static void pump(void)
{
	for (int i = 0; i < 8; i++) {
		bool late = false;
		struct qf_watch now = {.fd = -1,
		    .late = on_now,
		    .arg = &late,
		    .deadline = qf_clock_mono()};
		struct qf_err e;

		assert_int_equal(0, qf_loop_add(loop, &now, false, &e));
		assert_int_equal(0, qf_loop_step(loop, &e));
		assert_true(late);
		qf_loop_remove(&now);
	}
}

static void tell(struct qf_zygote_note note, int fd)
{
	struct qf_err e;

	assert_int_equal(0,
	    qf_fd_send(zygote, &note, sizeof note, &fd, fd >= 0 ? 1 : 0, &e));
	pump();
}

/* What the pool has told the zygote, or a note of kind 0. */
static struct qf_zygote_note hear(void)
{
	struct qf_zygote_note note = {0};
	ssize_t n = recv(zygote, &note, sizeof note, MSG_DONTWAIT);

	assert_true(n == (ssize_t)sizeof note || (n < 0 && errno == EAGAIN));
	return note;
}

static void expect(uint32_t kind, uint32_t id)
{
	struct qf_zygote_note note = hear();

	assert_int_equal(kind, note.kind);
	assert_int_equal(id, note.id);
}

/* Waits for the order to make worker `id`, and makes it: its socket. */
static int be_born(uint32_t id)
{
	int pair[2];

	expect(QF_ZYGOTE_FORK, id);
	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	tell(
	    (struct qf_zygote_note){
		.kind = QF_ZYGOTE_WORKER, .id = id, .pid = (int32_t)getpid()},
	    pair[0]);
	close(pair[0]);
	return pair[1];
}

static void be_gone(uint32_t id, int status)
{
	tell(
	    (struct qf_zygote_note){
		.kind = QF_ZYGOTE_GONE, .id = id, .status = status},
	    -1);
}

static struct job *submit(size_t i, size_t from)
{
	struct job *j = &jobs[i];

	j->work = (struct qf_work){.chain = &chain,
	    .message = message,
	    .envelope = &envelope,
	    .share = &share,
	    .context = &context,
	    .from = from,
	    .until = STAGES,
	    .deadline = qf_deadline_in(CHAIN_MS),
	    .preset = preset};
	j->errand = (struct qf_errand){.work = &j->work,
	    .caller = {.log_scope = "test"},
	    .deadline = j->work.deadline,
	    .done = on_done,
	    .arg = j};
	qf_pool_submit(&pool, &j->errand);
	return j;
}

static bool has_task(int worker)
{
	char record[4096];

	return recv(worker, record, sizeof record, MSG_DONTWAIT) > 1;
}

static bool has_turn(int worker)
{
	char turn;

	return recv(worker, &turn, 1, MSG_DONTWAIT) == 1;
}

static void say(int worker, uint32_t kind, uint32_t stage)
{
	const struct qf_report r = {
	    .kind = kind, .stage = stage, .judgement = {.class_ = QF_PASS}};

	assert_int_equal(sizeof r, send(worker, &r, sizeof r, MSG_NOSIGNAL));
}

static void be_ready(void)
{
	tell((struct qf_zygote_note){.kind = QF_ZYGOTE_READY,
		 .uid = (uint32_t)geteuid()},
	    -1);
}

static void starts_a_worker_for_each_core(void **state)
{
	const struct qf_pool_limits limits = {.workers = 8, .messages = 9};
	struct job *j;
	int w;

	(void)state;
	start(2, limits);
	be_ready();
	expect(QF_ZYGOTE_FORK, 1);
	w = be_born(2);
	expect(0, 0);
	j = submit(0, 0);
	assert_true(has_task(w));
	say(w, QF_REPORT_BEGIN, 0);
	say(w, QF_REPORT_RESULT, STAGES);
	/* Not all that it skips may be skipped. */
	pump();
	expect(QF_ZYGOTE_STOP, 2);
	be_gone(2, 9);
	assert_int_equal(1, j->done);
	assert_int_equal(0, j->rc);
	assert_int_equal(0, j->stage);
	close(w);
	stop();
}

static void never_more_than_allowed(void **state)
{
	const struct qf_pool_limits limits = {.workers = 2, .messages = 9};

	(void)state;
	start(4, limits);
	be_ready();
	for (size_t i = 0; i < 8; i++)
		submit(i, 0);
	expect(QF_ZYGOTE_FORK, 1);
	expect(QF_ZYGOTE_FORK, 2);
	expect(0, 0);
	stop();
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(1, jobs[i].done);
}

/* One that does not wait for its turn is stopped; the turns of others go on. */
static void lies_in_the_queue(uint32_t kind, uint32_t stage)
{
	const struct qf_pool_limits limits = {.workers = 8, .messages = 9};
	struct job *holder, *liar, *last;
	int w[3];

	start(1, limits);
	be_ready();
	w[0] = be_born(1);
	holder = submit(0, 2);
	assert_true(has_task(w[0]));
	liar = submit(1, 0);
	w[1] = be_born(2);
	assert_true(has_task(w[1]));
	last = submit(2, 0);
	w[2] = be_born(3);
	say(w[1], QF_REPORT_BEGIN, 0);
	say(w[1], QF_REPORT_BEGIN, 1);
	pump();
	assert_false(has_turn(w[1]));
	say(w[1], kind, stage);
	pump();
	expect(QF_ZYGOTE_STOP, 2);
	assert_true(has_task(w[2]));
	say(w[2], QF_REPORT_BEGIN, 0);
	say(w[2], QF_REPORT_BEGIN, 1);
	pump();
	assert_false(has_turn(w[2]));
	be_gone(2, 9);
	assert_int_equal(1, liar->done);
	assert_int_equal(0, liar->rc);
	assert_int_equal(1, liar->stage);
	say(w[0], QF_REPORT_BEGIN, 2);
	say(w[0], QF_REPORT_BEGIN, 3);
	pump();
	assert_true(has_turn(w[2]));
	assert_int_equal(0, holder->done + last->done);
	stop();
	assert_int_equal(1, holder->done);
	assert_int_equal(1, last->done);
	for (int i = 0; i < 3; i++)
		close(w[i]);
}

static void who_waits_for_its_turn_has_nothing_to_say(void **state)
{
	(void)state;
	lies_in_the_queue(QF_REPORT_RESULT, 2);
	lies_in_the_queue(QF_REPORT_BEGIN, 2);
	lies_in_the_queue(QF_REPORT_BEGIN, 3);
	lies_in_the_queue(QF_REPORT_STAGE, 1);
	lies_in_the_queue(QF_REPORT_WAITED, 1);
}

/* The zygote that waits for us, and does not hear us until then. */
static void does_not_wait_for_its_zygote(void **state)
{
	const struct qf_pool_limits limits = {
	    .workers = ERRANDS_MAX, .messages = 9};
	struct qf_zygote_note note;
	unsigned n = 0;

	(void)state;
	start(1, limits);
	be_ready();
	for (size_t i = 0; i < ERRANDS_MAX; i++)
		submit(i, 0);
	while (n < ERRANDS_MAX) {
		while ((note = hear()).kind != 0) {
			assert_int_equal(QF_ZYGOTE_FORK, note.kind);
			n++;
		}
		pump();
	}
	expect(0, 0);
	stop();
}

static void late_workers_do_not_make_it_wait_either(void **state)
{
	enum {
		N = 400
	};
	const struct qf_pool_limits limits = {.workers = N, .messages = 9};
	struct qf_zygote_note note;
	static int w[N];
	unsigned n = 0;

	(void)state;
	start(1, limits);
	be_ready();
	for (size_t i = 0; i < N; i++) {
		submit(i, 0);
		w[i] = be_born((uint32_t)i + 1);
		assert_true(has_task(w[i]));
	}
	now_us += CHAIN_MS * 1000;
	pump();
	while (n < N) {
		while ((note = hear()).kind != 0) {
			assert_int_equal(QF_ZYGOTE_STOP, note.kind);
			be_gone(note.id, 9);
			n++;
		}
		pump();
	}
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(1, jobs[i].done);
		assert_int_equal(QF_ETIME, jobs[i].rc);
		close(w[i]);
	}
	stop();
}

static void who_waits_too_long_gets_no_worker(void **state)
{
	const struct qf_pool_limits limits = {.workers = 1, .messages = 9};
	struct job *j, *again;
	int w;

	(void)state;
	start(1, limits);
	be_ready();
	j = submit(0, 0);
	/* A worker that comes too late is not troubled. */
	now_us += (CHAIN_MS - 1) * 1000;
	w = be_born(1);
	assert_false(has_task(w));
	assert_int_equal(0, j->done);
	now_us += 1000;
	pump();
	assert_int_equal(1, j->done);
	assert_int_equal(QF_ETIME, j->rc);
	assert_int_equal(-1, j->stage);
	again = submit(1, 0);
	assert_true(has_task(w));
	stop();
	assert_int_equal(1, again->done);
	close(w);
}

static void who_gets_no_core_in_time_blames_no_stage(void **state)
{
	const struct qf_pool_limits limits = {.workers = 8, .messages = 9};
	struct job *j;
	int w[2];

	(void)state;
	start(1, limits);
	be_ready();
	w[0] = be_born(1);
	j = submit(0, 0);
	say(w[0], QF_REPORT_BEGIN, 0);
	now_us += 1000;
	submit(1, 1);
	w[1] = be_born(2);
	assert_true(has_task(w[1]));
	say(w[0], QF_REPORT_BEGIN, 1);
	pump();
	now_us += (CHAIN_MS - 1) * 1000;
	pump();
	expect(QF_ZYGOTE_STOP, 1);
	be_gone(1, 9);
	assert_int_equal(1, j->done);
	assert_int_equal(QF_ETIME, j->rc);
	assert_int_equal(-1, j->stage);
	stop();
	close(w[0]);
	close(w[1]);
}

static void one_that_retires_and_stays_is_killed(void **state)
{
	const struct qf_pool_limits limits = {.workers = 1, .messages = 1};
	struct job *j;
	int w;

	(void)state;
	start(1, limits);
	be_ready();
	w = be_born(1);
	j = submit(0, 3);
	say(w, QF_REPORT_BEGIN, 3);
	say(w, QF_REPORT_RESULT, STAGES);
	pump();
	assert_int_equal(1, j->done);
	assert_int_equal(1, j->rc);
	expect(0, 0);
	now_us += 60 * 1000 * 1000;
	pump();
	expect(QF_ZYGOTE_STOP, 1);
	be_gone(1, 9);
	submit(1, 0);
	expect(QF_ZYGOTE_FORK, 2);
	close(w);
	stop();
}

static struct job *submit_copy(size_t i, uint64_t max)
{
	struct job *j = &jobs[i];

	j->errand = (struct qf_errand){.message = message,
	    .max = max,
	    .deadline = qf_deadline_in(CHAIN_MS),
	    .done = on_done,
	    .arg = j};
	qf_pool_submit(&pool, &j->errand);
	return j;
}

/* Of eight workers two copy for strangers; others find one. */
static void strangers_do_not_take_all_workers(void **state)
{
	const struct qf_pool_limits limits = {.workers = 8, .messages = 9};
	struct job *j[4];
	int w[4];

	(void)state;
	start(1, limits);
	be_ready();
	w[0] = be_born(1);
	for (size_t i = 0; i < 4; i++)
		j[i] = submit_copy(i, 10);
	assert_true(has_task(w[0]));
	w[1] = be_born(2);
	assert_true(has_task(w[1]));
	submit_copy(4, 0);
	w[2] = be_born(3);
	assert_true(has_task(w[2]));
	submit(5, 0);
	w[3] = be_born(4);
	assert_true(has_task(w[3]));
	expect(0, 0);
	/* The next one, when one has ended: here by its client. */
	assert_false(qf_pool_take_back(&j[0]->errand));
	expect(QF_ZYGOTE_STOP, 1);
	assert_int_equal(0, j[0]->done);
	be_gone(1, 9);
	assert_int_equal(1, j[0]->done);
	assert_int_equal(QF_ECRASH, j[0]->rc);
	close(w[0]);
	w[0] = be_born(5);
	assert_true(has_task(w[0]));
	expect(0, 0);
	assert_true(qf_pool_take_back(&j[3]->errand));
	stop();
	assert_int_equal(1, j[2]->done);
	assert_int_equal(0, j[3]->done);
	for (int i = 0; i < 4; i++)
		close(w[i]);
}

static void why_there_is_no_copy_is_told(void **state)
{
	const struct qf_pool_limits limits = {.workers = 1, .messages = 9};
	struct qf_report r = {.kind = QF_REPORT_RESULT};
	struct job *j;
	int w;

	(void)state;
	start(1, limits);
	be_ready();
	w = be_born(1);
	j = submit_copy(0, 10);
	assert_true(has_task(w));
	r.error.rc = QF_ETOOLONG;
	memset(r.error.text, 'x', sizeof r.error.text);
	assert_int_equal(sizeof r, send(w, &r, sizeof r, MSG_NOSIGNAL));
	pump();
	assert_int_equal(1, j->done);
	assert_int_equal(QF_ETOOLONG, j->rc);
	/* It is not to blame, and goes on. */
	j = submit_copy(1, 10);
	assert_true(has_task(w));
	r.error.rc = 0;
	assert_int_equal(sizeof r, send(w, &r, sizeof r, MSG_NOSIGNAL));
	pump();
	expect(QF_ZYGOTE_STOP, 1);
	assert_int_equal(0, j->done);
	stop();
	close(w);
}

/* What a worker sends needs a descriptor, and this process has none left. */
static void a_lost_descriptor_blames_no_stage(void **state)
{
	const struct qf_pool_limits limits = {.workers = 1, .messages = 9};
	const struct qf_report r = {.kind = QF_REPORT_RESULT};
	struct rlimit was, few;
	struct job *j;
	struct qf_err e;
	int w;

	(void)state;
	if (unit_is_under_valgrind("it has limits of its own on descriptors"))
		return;
	start(1, limits);
	be_ready();
	w = be_born(1);
	j = submit(0, 1);
	pump();
	assert_true(has_task(w));
	say(w, QF_REPORT_BEGIN, 1);
	pump();
	assert_int_equal(0, qf_fd_send(w, &r, sizeof r, &message, 1, &e));
	assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &was));
	few = was;
	few.rlim_cur = 3;
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &few));
	pump();
	assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &was));
	expect(QF_ZYGOTE_STOP, 1);
	be_gone(1, SIGKILL);
	pump();
	assert_int_equal(1, j->done);
	assert_int_equal(QF_EPIPE, j->rc);
	close(w);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(starts_a_worker_for_each_core),
	    cmocka_unit_test(never_more_than_allowed),
	    cmocka_unit_test(who_waits_for_its_turn_has_nothing_to_say),
	    cmocka_unit_test(does_not_wait_for_its_zygote),
	    cmocka_unit_test(late_workers_do_not_make_it_wait_either),
	    cmocka_unit_test(who_waits_too_long_gets_no_worker),
	    cmocka_unit_test(who_gets_no_core_in_time_blames_no_stage),
	    cmocka_unit_test(one_that_retires_and_stays_is_killed),
	    cmocka_unit_test(strangers_do_not_take_all_workers),
	    cmocka_unit_test(why_there_is_no_copy_is_told),
	    cmocka_unit_test(a_lost_descriptor_blames_no_stage),
	};

	qf_clock_source(source);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
