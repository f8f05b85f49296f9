#include "unit.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/base/procstat.h"

static pid_t child(void (*run)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	/* Names may look like what comes behind them. */
	prctl(PR_SET_NAME, "a) S 1 (b");
	run();
	_exit(0);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void spin(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static struct qf_procstat look(pid_t pid)
{
	struct qf_procstat p;
	struct qf_err e;

	assert_int_equal(0, qf_procstat_read(pid, &p, &e));
	return p;
}

static void one_that_computes_uses_time(void **state)
{
	pid_t pid = child(spin);
	int64_t first = look(pid).cpu_us;

	(void)state;
	while (look(pid).cpu_us == first)
		;
	assert_int_equal('R', look(pid).state);
	end(pid);
}

static void one_that_waits_uses_none(void **state)
{
	pid_t pid = child(wait_for_ever);
	int64_t used;

	(void)state;
	while (look(pid).state != 'S')
		;
	used = look(pid).cpu_us;
	assert_true(look(pid).cpu_us == used);
	end(pid);
}

static void one_that_is_not_there(void **state)
{
	struct qf_procstat p;
	struct qf_err e;

	(void)state;
	assert_int_equal(QF_ENOENT, qf_procstat_read(0, &p, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_that_computes_uses_time),
	    cmocka_unit_test(one_that_waits_uses_none),
	    cmocka_unit_test(one_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
