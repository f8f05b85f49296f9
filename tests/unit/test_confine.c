#include "daemon/confine.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* What a worker tries: true when it may. Its parent is its zygote. */

static bool has_socket(int family, int type)
{
	return socket(family, type, 0) >= 0 ||
	       (errno != EACCES && errno != EPERM);
}

static bool opens(const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%ld/%s", (long)getppid(), name);
	return open(path, O_RDONLY) >= 0;
}

static bool may_call(long number, long a, long b, long c)
{
	return syscall(number, a, b, c, 0, 0, 0) >= 0 || errno != EPERM;
}

static bool try_memory(void)
{
	return opens("mem");
}

static bool try_descriptors(void)
{
	return opens("fd/0");
}

static bool try_getfd(void)
{
	return may_call(SYS_pidfd_getfd, -1, 0, 0);
}

static bool try_ptrace(void)
{
	return may_call(SYS_ptrace, PTRACE_ATTACH, getppid(), 0);
}

static bool try_vm(void)
{
	return may_call(SYS_process_vm_writev, getppid(), 0, 0);
}

static bool try_kcmp(void)
{
	return may_call(SYS_kcmp, getpid(), getpid(), 0);
}

static bool try_io_uring(void)
{
	return may_call(SYS_io_uring_setup, 1, 0, 0);
}

static bool try_keyctl(void)
{
	return may_call(SYS_keyctl, -1, 0, 0);
}

static bool try_inet(void)
{
	return has_socket(AF_INET, SOCK_STREAM);
}

static bool try_netlink(void)
{
	return has_socket(AF_NETLINK, SOCK_RAW);
}

static bool try_vsock(void)
{
	return has_socket(AF_VSOCK, SOCK_STREAM);
}

static bool try_alg(void)
{
	return has_socket(AF_ALG, SOCK_SEQPACKET);
}

static bool try_unix(void)
{
	return has_socket(AF_UNIX, SOCK_DGRAM);
}

static bool try_program(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static bool try_namespace(void)
{
	return may_call(SYS_clone, CLONE_NEWUSER, 0, 0);
}

static const struct attempt {
	const char *name;
	bool (*try)(void);
	bool filter, sign; /* may it? */
} attempts[] = {
    {"the zygote's memory", try_memory, false, false},
    {"the zygote's descriptors", try_descriptors, false, false},
    {"pidfd_getfd", try_getfd, false, false},
    {"ptrace", try_ptrace, false, false},
    {"process_vm_writev", try_vm, false, false},
    {"kcmp", try_kcmp, false, false},
    {"io_uring", try_io_uring, false, false},
    {"keyctl", try_keyctl, false, false},
    {"AF_INET", try_inet, true, false},
    {"AF_NETLINK", try_netlink, true, false},
    {"AF_VSOCK", try_vsock, true, false},
    {"AF_ALG", try_alg, true, false},
    {"AF_UNIX", try_unix, true, true},
    {"a program", try_program, true, false},
};

/* A worker that tries all: its exit code is how many went otherwise. */
static int worker(bool keys)
{
	const struct qf_confinement c = {.keys = keys};
	struct qf_err e;
	int wrong = 0;

	if (qf_confine(&c, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 99;
	}
	for (size_t i = 0; i < UNIT_COUNT(attempts); i++) {
		const struct attempt *a = &attempts[i];
		bool may = a->try();

		if (may == (keys ? a->sign : a->filter))
			continue;
		fprintf(stderr, "%s: %s %s\n", keys ? "sign" : "filter",
		    a->name, may ? "allowed" : "denied");
		wrong++;
	}
	/* Last: where it is allowed, there are two from here on. */
	if (keys && try_namespace()) {
		fprintf(stderr, "sign: a namespace\n");
		wrong++;
	}
	return wrong;
}

/* Its zygote: nobody, since root may always look. */
static int zygote(bool keys)
{
	int status = -1;
	pid_t pid;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 98;
	prctl(PR_SET_DUMPABLE, 0);
	pid = fork();
	if (pid == 0)
		_exit(worker(keys));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return 97;
	return WEXITSTATUS(status);
}

static void check(bool keys)
{
	int status = -1;
	pid_t pid;

	if (unit_is_under_valgrind("it opens files of /proc by itself"))
		return;
	pid = fork();
	if (pid == 0)
		_exit(zygote(keys));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(0, WEXITSTATUS(status));
}

static void test_filter(void **state)
{
	(void)state;
	check(false);
}

static void test_sign(void **state)
{
	(void)state;
	check(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_filter), cmocka_unit_test(test_sign)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
