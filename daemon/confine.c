#include "daemon/confine.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes of data that this process has mapped (proc(5), statm). */
static uint64_t data_size(void)
{
	unsigned long data = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %*u %*u %*u %*u %lu", &data) != 1)
		data = 0;
	fclose(f);
	return (uint64_t)data * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int lower(int resource, uint64_t most)
{
	struct rlimit r;

	if (getrlimit(resource, &r) < 0)
		return -1;
	if (r.rlim_max > most)
		r.rlim_max = most;
	r.rlim_cur = r.rlim_max;
	return setrlimit(resource, &r);
}

/* Calls that signing needs in no way. */
static const int forbidden[] = {SCMP_SYS(execve), SCMP_SYS(execveat),
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(bpf), SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open),
    SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
    SCMP_SYS(io_uring_setup), SCMP_SYS(init_module), SCMP_SYS(finit_module)};

static int forbid(struct qf_err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	static const int families[] = {AF_INET, AF_INET6, AF_PACKET};
	int rc = ctx == NULL ? -ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < sizeof forbidden / sizeof *forbidden;
	     i++)
		rc = seccomp_rule_add(
		    ctx, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
	for (size_t i = 0; rc == 0 && i < sizeof families / sizeof *families;
	     i++) {
		const struct scmp_arg_cmp family = {
		    .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)families[i]};

		rc = seccomp_rule_add_array(
		    ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1, &family);
	}
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	if (rc < 0) {
		errno = -rc;
		return qf_fail_sys(e, QF_EPERM, "seccomp");
	}
	return 0;
}

int qf_confine(const struct qf_confinement *c, struct qf_err *e)
{
	if (lower(RLIMIT_CORE, 0) < 0)
		return qf_fail_sys(e, QF_EPERM, "RLIMIT_CORE");
	if (c->memory > 0 && lower(RLIMIT_DATA, data_size() + c->memory) < 0)
		return qf_fail_sys(e, QF_EPERM, "RLIMIT_DATA");
	if (!c->new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return qf_fail_sys(e, QF_EPERM, "no_new_privs");
	return c->no_programs ? forbid(e) : 0;
}
