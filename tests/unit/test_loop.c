#include "unit.h"

#include <sys/socket.h>

#include "lib/base/clock.h"
#include "lib/base/loop.h"

static int64_t now_us;

static int64_t source(int which)
{
	(void)which;
	return now_us;
}

struct seen {
	int ready, late;
};

static void on_ready(struct qf_watch *w, void *arg)
{
	(void)w;
	((struct seen *)arg)->ready++;
}

static void on_late(struct qf_watch *w, void *arg)
{
	(void)w;
	((struct seen *)arg)->late++;
}

/* A step that does not wait: something is late in it. */
static void step(struct qf_loop *loop)
{
	struct seen seen = {0};
	struct qf_watch now = {.fd = -1,
	    .late = on_late,
	    .arg = &seen,
	    .deadline = qf_clock_mono()};
	struct qf_err e;

	assert_int_equal(0, qf_loop_add(loop, &now, false, &e));
	assert_int_equal(0, qf_loop_step(loop, &e));
	assert_int_equal(1, seen.late);
	qf_loop_remove(&now);
}

static void fill(int fd)
{
	char record[1024] = {0};

	while (send(fd, record, sizeof record, MSG_DONTWAIT) > 0)
		;
}

static void drain(int fd)
{
	char record[1024];

	while (recv(fd, record, sizeof record, MSG_DONTWAIT) > 0)
		;
}

static void tells_that_there_is_room_when_asked(void **state)
{
	struct seen seen = {0};
	struct qf_watch w = {
	    .ready = on_ready, .arg = &seen, .deadline = QF_NEVER};
	struct qf_loop *loop;
	struct qf_err e;
	int pair[2];

	(void)state;
	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	w.fd = pair[0];
	assert_int_equal(0, qf_loop_open(&loop, &e));
	assert_int_equal(0, qf_loop_add(loop, &w, false, &e));
	step(loop);
	assert_int_equal(0, seen.ready);
	fill(pair[0]);
	qf_loop_want_write(&w, true);
	step(loop);
	assert_int_equal(0, seen.ready);
	drain(pair[1]);
	step(loop);
	assert_int_equal(1, seen.ready);
	qf_loop_want_write(&w, false);
	step(loop);
	assert_int_equal(1, seen.ready);
	/* What there is to read is still told. */
	fill(pair[1]);
	step(loop);
	assert_int_equal(2, seen.ready);
	qf_loop_remove(&w);
	qf_loop_close(loop);
	close(pair[0]);
	close(pair[1]);
}

static void hands_out_deadlines_in_order(void **state)
{
	struct seen seen[3] = {{0}};
	struct qf_watch w[3];
	struct qf_loop *loop;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_loop_open(&loop, &e));
	for (int i = 0; i < 3; i++) {
		w[i] = (struct qf_watch){.fd = -1,
		    .late = on_late,
		    .arg = &seen[i],
		    .deadline = qf_deadline_in(30 - 10 * i)};
		assert_int_equal(0, qf_loop_add(loop, &w[i], false, &e));
	}
	now_us += 20 * 1000;
	step(loop);
	assert_int_equal(0, seen[0].late);
	assert_int_equal(1, seen[1].late);
	assert_int_equal(1, seen[2].late);
	assert_true(w[2].deadline == QF_NEVER);
	qf_loop_set_deadline(&w[0], QF_NEVER);
	now_us += 20 * 1000;
	step(loop);
	assert_int_equal(0, seen[0].late);
	for (int i = 0; i < 3; i++)
		qf_loop_remove(&w[i]);
	qf_loop_close(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_that_there_is_room_when_asked),
	    cmocka_unit_test(hands_out_deadlines_in_order),
	};

	qf_clock_source(source);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
