#include "unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "daemon/cores.h"
#include "lib/base/clock.h"
#include "lib/base/procstat.h"

enum {
	A_WHILE_US = 1000 * 1000 /* longer than between two looks */
};

static int64_t now_us;

static int64_t source(int which)
{
	(void)which;
	return now_us;
}

static struct qf_loop *loop;
static struct qf_cores cores;
static int changes;

static void on_changed(void *arg)
{
	(void)arg;
	changes++;
}

static void on_granted(void *arg)
{
	*(bool *)arg = true;
}

static void start(int n)
{
	struct qf_err e;

	changes = 0;
	cores = (struct qf_cores){.changed = on_changed};
	assert_int_equal(0, qf_loop_open(&loop, &e));
	assert_int_equal(0, qf_cores_open(&cores, n, loop, &e));
}

static void stop(void)
{
	qf_loop_remove(&cores.look);
	qf_loop_close(loop);
}

static void look(void)
{
	struct qf_err e;

	assert_true(cores.look.deadline != QF_NEVER);
	now_us += A_WHILE_US;
	assert_int_equal(0, qf_loop_step(loop, &e));
}

static pid_t child(bool computes)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	while (pid == 0) {
		if (!computes)
			pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void wait_until_it_sleeps(pid_t pid)
{
	struct qf_procstat p;
	struct qf_err e;

	do
		assert_int_equal(0, qf_procstat_read(pid, &p, &e));
	while (p.state != 'S');
}

static void gives_them_in_turn(void **state)
{
	bool granted[3] = {false};
	struct qf_core_user u[3] = {0};

	(void)state;
	start(1);
	for (int i = 0; i < 3; i++) {
		u[i].granted = on_granted;
		u[i].arg = &granted[i];
		qf_cores_queue(&cores, &u[i]);
		/* Once is enough. */
		qf_cores_queue(&cores, &u[i]);
	}
	qf_cores_grant(&cores);
	assert_true(granted[0] && u[0].holds);
	assert_false(granted[1] || granted[2]);
	qf_cores_leave(&cores, &u[1]);
	qf_cores_leave(&cores, &u[0]);
	qf_cores_grant(&cores);
	assert_true(granted[2] && u[2].holds);
	assert_false(granted[1]);
	qf_cores_leave(&cores, &u[2]);
	qf_cores_leave(&cores, &u[2]);
	assert_int_equal(1, cores.free);
	assert_null(cores.queue.first);
	assert_null(cores.holders.first);
	stop();
}

static void who_waits_lends_its_core(void **state)
{
	bool granted = false;
	struct qf_core_user sleeper = {.pid = child(false)};
	struct qf_core_user next = {.granted = on_granted, .arg = &granted};

	(void)state;
	start(1);
	wait_until_it_sleeps(sleeper.pid);
	qf_cores_take(&cores, &sleeper);
	/* Nobody looks where nobody wants one. */
	assert_true(cores.look.deadline == QF_NEVER);
	qf_cores_queue(&cores, &next);
	qf_cores_grant(&cores);
	look();
	assert_true(sleeper.holds);
	look();
	assert_false(sleeper.holds);
	assert_true(granted && next.holds);
	/* When it computes again there are two for a while, and no third. */
	qf_cores_take(&cores, &sleeper);
	assert_int_equal(-1, cores.free);
	qf_cores_leave(&cores, &next);
	assert_int_equal(0, cores.free);
	end(sleeper.pid);
	stop();
}

static void who_computes_keeps_it(void **state)
{
	bool granted = false;
	struct qf_core_user worker = {.pid = child(true)};
	struct qf_core_user next = {.granted = on_granted, .arg = &granted};

	(void)state;
	start(1);
	qf_cores_take(&cores, &worker);
	qf_cores_queue(&cores, &next);
	qf_cores_grant(&cores);
	for (int i = 0; i < 10; i++)
		look();
	assert_true(worker.holds);
	assert_false(granted);
	end(worker.pid);
	stop();
}

static void who_wants_one_is_called(void **state)
{
	struct qf_core_user sleeper = {.pid = child(false)};

	(void)state;
	start(1);
	wait_until_it_sleeps(sleeper.pid);
	qf_cores_take(&cores, &sleeper);
	qf_cores_want(&cores);
	look();
	assert_int_equal(1, changes);
	assert_int_equal(0, cores.free);
	/* Says so again. */
	qf_cores_want(&cores);
	look();
	assert_int_equal(2, changes);
	assert_int_equal(1, cores.free);
	end(sleeper.pid);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_them_in_turn),
	    cmocka_unit_test(who_waits_lends_its_core),
	    cmocka_unit_test(who_computes_keeps_it),
	    cmocka_unit_test(who_wants_one_is_called),
	};

	/* 0 is before all times. */
	now_us = A_WHILE_US;
	qf_clock_source(source);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
