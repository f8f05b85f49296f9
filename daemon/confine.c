#include "daemon/confine.h"

#include <errno.h>
#include <sched.h>
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

/* Ways into other processes, into the kernel, and around the file system, that
 * neither stages nor what they start have a use for. By name: not every kernel
 * and library knows all of them. */
static const char *const forbidden[] = {"ptrace", "process_vm_readv",
    "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "bpf",
    "userfaultfd", "perf_event_open", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "keyctl", "add_key", "request_key", "init_module",
    "finit_module", "delete_module", "kexec_load", "kexec_file_load", "mount",
    "umount2", "pivot_root", "move_mount", "open_tree", "fsopen", "fspick",
    "fsconfig", "fsmount", "mount_setattr", "setns", "open_by_handle_at",
    "swapon", "swapoff", "reboot", "acct", "quotactl", "quotactl_fd", NULL};

/* And those that signing does without. */
static const char *const forbidden_with_keys[] = {"execve", "execveat",
    "unshare", "chroot", "personality", "pidfd_open", "pidfd_send_signal",
    "process_mrelease", "name_to_handle_at", "memfd_secret", "remap_file_pages",
    "fanotify_init", "inotify_init", "inotify_init1", "modify_ldt", "vmsplice",
    NULL};

static int forbid(scmp_filter_ctx ctx, const char *const *names)
{
	int rc = 0;

	for (; rc == 0 && *names != NULL; names++) {
		int nr = seccomp_syscall_resolve_name(*names);

		if (nr != __NR_SCMP_ERROR)
			rc =
			    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), nr, 0);
	}
	return rc;
}

/* The log is all that it talks to. */
static int forbid_network(scmp_filter_ctx ctx)
{
	const struct scmp_arg_cmp family = {
	    .op = SCMP_CMP_NE, .datum_a = AF_UNIX};

	return seccomp_rule_add_array(
	    ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1, &family);
}

/* clone(2) makes namespaces too. The flags of clone3(2) can not be seen here;
 * the C library does without it. */
static int forbid_namespaces(scmp_filter_ctx ctx)
{
	static const unsigned kinds[] = {CLONE_NEWUSER, CLONE_NEWNS,
	    CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS,
	    CLONE_NEWCGROUP};
	int rc =
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; rc == 0 && i < sizeof kinds / sizeof *kinds; i++) {
		const struct scmp_arg_cmp flag = {.op = SCMP_CMP_MASKED_EQ,
		    .datum_a = kinds[i],
		    .datum_b = kinds[i]};

		rc = seccomp_rule_add_array(
		    ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &flag);
	}
	return rc;
}

static int filter_calls(bool keys, struct qf_err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx == NULL ? -ENOMEM : forbid(ctx, forbidden);

	if (rc == 0 && keys)
		rc = forbid(ctx, forbidden_with_keys);
	if (rc == 0 && keys)
		rc = forbid_network(ctx);
	if (rc == 0 && keys)
		rc = forbid_namespaces(ctx);
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
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || lower(RLIMIT_CORE, 0) < 0)
		return qf_fail_sys(e, QF_EPERM, "RLIMIT_CORE");
	if (c->memory > 0 && lower(RLIMIT_DATA, data_size() + c->memory) < 0)
		return qf_fail_sys(e, QF_EPERM, "RLIMIT_DATA");
	/* A filter of calls takes these rights away too. */
	if (c->new_privs && !c->keys)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return qf_fail_sys(e, QF_EPERM, "no_new_privs");
	return filter_calls(c->keys, e);
}
