/*
 * Faults for tests: a library for LD_PRELOAD that makes one call to the C
 * library fail, in one process of a pipeline.
 *
 *	FAULT=CALL:N:HOW     the N-th CALL (from 1) fails. HOW is the name of an
 *	                     error; `short` to read or write one byte only;
 *	                     `kill` to end by SIGKILL just before the call.
 *	                     CALL `change` is every call that changes what
 *	                     others see: to be killed before one that only looks
 *	                     is the same as to be killed before the next change.
 *	FAULT_PROCESS=NAME   in this process: a program's name, and `+K` for the
 *	                     K-th process that it forks, until that one calls
 *	                     exec: qfrontd+1 is its first worker.
 *	FAULT_MARK=FILE      is made when it fires. It fires once: where the
 *file is there already, nothing fails. FAULT_TRACE=FILE     instead of all
 *this: appends a line `NAME CALL` for each call that could fail.
 *	FAULT_NO_TMPFILE     set: no file system has nameless files.
 *
 * Calls that glibc makes within itself are out of reach, but for memory.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc's own, for those who define malloc() anew. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

/* What calls become with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir, const char *path, int flags);
int __openat64_2(int dir, const char *path, int flags);
ssize_t __read_chk(int fd, void *p, size_t n, size_t size);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t size);
ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t size);
ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags);
int __poll_chk(struct pollfd *p, nfds_t n, int ms, size_t size);

enum call {
	CHANGE,
	BIND,
	CLOSE,
	CONNECT,
	CREATE,
	DUP,
	EXEC,
	FACCESS,
	FCHMOD,
	FCHOWN,
	FCNTL,
	FDATASYNC,
	FDOPENDIR,
	FLOCK,
	FORK,
	FSTAT,
	FSTATAT,
	FSTATVFS,
	FSYNC,
	FTRUNCATE,
	FUTIMENS,
	GETSOCKOPT,
	LINK,
	LSEEK,
	MALLOC,
	MEMFD,
	MMAP,
	OPEN,
	PIPE,
	POLL,
	PREAD,
	PWRITE,
	READ,
	READLINK,
	RECV,
	RECVMSG,
	RENAME,
	SEND,
	SENDMSG,
	SETENV,
	SOCKET,
	SOCKETPAIR,
	STAT,
	THREAD,
	UNLINK,
	WRITE,
	NCALLS
};

static const char *const call_name[NCALLS] = {
    [CHANGE] = "change",
    [BIND] = "bind",
    [CLOSE] = "close",
    [CONNECT] = "connect",
    [CREATE] = "create",
    [DUP] = "dup",
    [EXEC] = "exec",
    [FACCESS] = "faccess",
    [FCHMOD] = "fchmod",
    [FCHOWN] = "fchown",
    [FCNTL] = "fcntl",
    [FDATASYNC] = "fdatasync",
    [FDOPENDIR] = "fdopendir",
    [FLOCK] = "flock",
    [FORK] = "fork",
    [FSTAT] = "fstat",
    [FSTATAT] = "fstatat",
    [FSTATVFS] = "fstatvfs",
    [FSYNC] = "fsync",
    [FTRUNCATE] = "ftruncate",
    [FUTIMENS] = "futimens",
    [GETSOCKOPT] = "getsockopt",
    [LINK] = "link",
    [LSEEK] = "lseek",
    [MALLOC] = "malloc",
    [MEMFD] = "memfd",
    [MMAP] = "mmap",
    [OPEN] = "open",
    [PIPE] = "pipe",
    [POLL] = "poll",
    [PREAD] = "pread",
    [PWRITE] = "pwrite",
    [READ] = "read",
    [READLINK] = "readlink",
    [RECV] = "recv",
    [RECVMSG] = "recvmsg",
    [RENAME] = "rename",
    [SEND] = "send",
    [SENDMSG] = "sendmsg",
    [SETENV] = "setenv",
    [SOCKET] = "socket",
    [SOCKETPAIR] = "socketpair",
    [STAT] = "stat",
    [THREAD] = "thread",
    [UNLINK] = "unlink",
    [WRITE] = "write",
};

static const bool only_looks[NCALLS] = {
    [CLOSE] = true,
    [DUP] = true,
    [FACCESS] = true,
    [FCNTL] = true,
    [FDOPENDIR] = true,
    [FSTAT] = true,
    [FSTATAT] = true,
    [FSTATVFS] = true,
    [GETSOCKOPT] = true,
    [LSEEK] = true,
    [MALLOC] = true,
    [MMAP] = true,
    [OPEN] = true,
    [POLL] = true,
    [PREAD] = true,
    [READ] = true,
    [READLINK] = true,
    [RECV] = true,
    [RECVMSG] = true,
    [SETENV] = true,
    [STAT] = true,
    [THREAD] = true,
};

enum {
	HOW_KILL = -1,
	HOW_SHORT = -2
};

static struct {
	enum call call;
	unsigned long n;
	int how; /* an errno, or one of those above */
	bool armed, named;
	const char *process, *mark, *trace;
	bool no_tmpfile;
} fault;

static char self[64];
static unsigned forks;
static atomic_ulong count[NCALLS];

static void give_up(const char *why)
{
	static const char text[] = "fault.so: FAULT is wrong: ";

	syscall(SYS_write, STDERR_FILENO, text, sizeof text - 1);
	syscall(SYS_write, STDERR_FILENO, why, strlen(why));
	syscall(SYS_write, STDERR_FILENO, "\n", 1);
	syscall(SYS_exit_group, 125);
}

static int find_how(const char *name)
{
	if (strcmp(name, "kill") == 0)
		return HOW_KILL;
	if (strcmp(name, "short") == 0)
		return HOW_SHORT;
	for (int sys = 1; sys < 256; sys++) {
		const char *known = strerrorname_np(sys);

		if (known != NULL && strcmp(known, name) == 0)
			return sys;
	}
	give_up(name);
	return 0;
}

static enum call find_call(const char *name, size_t n)
{
	for (int c = 0; c < NCALLS; c++) {
		if (strlen(call_name[c]) == n &&
		    memcmp(call_name[c], name, n) == 0)
			return (enum call)c;
	}
	give_up(name);
	return CHANGE;
}

static void parse(const char *text)
{
	const char *colon = strchr(text, ':');
	char *end;

	if (colon == NULL)
		give_up(text);
	fault.call = find_call(text, (size_t)(colon - text));
	fault.n = strtoul(colon + 1, &end, 10);
	if (fault.n == 0 || *end != ':')
		give_up(text);
	fault.how = find_how(end + 1);
}

/* Are we the process that it is about? */
static void arm(void)
{
	fault.armed = fault.trace != NULL ||
		      (fault.n > 0 && (fault.process == NULL ||
					  strcmp(fault.process, self) == 0));
}

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv("FAULT");

	fault.process = getenv("FAULT_PROCESS");
	fault.mark = getenv("FAULT_MARK");
	fault.trace = getenv("FAULT_TRACE");
	fault.no_tmpfile = getenv("FAULT_NO_TMPFILE") != NULL;
	snprintf(self, sizeof self, "%s", program_invocation_short_name);
	if (text != NULL)
		parse(text);
	arm();
}

/* In a process just forked: it counts from one. */
static void begin_child(void)
{
	size_t n = strlen(self);

	snprintf(self + n, sizeof self - n, "+%u", forks);
	forks = 0;
	for (size_t i = 0; i < NCALLS; i++)
		count[i] = 0;
	arm();
}

static void trace(enum call call)
{
	char line[128];
	int n = snprintf(line, sizeof line, "%s %s\n", self, call_name[call]);
	long fd = syscall(SYS_openat, AT_FDCWD, fault.trace,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	syscall(SYS_write, fd, line, (size_t)n);
	syscall(SYS_close, fd);
}

/* True for the one who makes the mark. */
static bool make_mark(void)
{
	long fd;

	if (fault.mark == NULL)
		return true;
	fd = syscall(SYS_openat, AT_FDCWD, fault.mark,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	syscall(SYS_close, fd);
	return true;
}

/* Counts a call: 0 to make it, HOW_SHORT, or an errno. */
static int due(enum call call)
{
	bool now;

	if (!fault.armed)
		return 0;
	if (fault.trace != NULL) {
		int saved = errno;

		trace(call);
		errno = saved;
		return 0;
	}
	now = ++count[call] == fault.n && fault.call == call;
	if (!only_looks[call])
		now |= ++count[CHANGE] == fault.n && fault.call == CHANGE;
	if (!now || !make_mark())
		return 0;
	if (fault.how == HOW_KILL)
		syscall(SYS_kill, getpid(), SIGKILL);
	return fault.how;
}

/* True when the call must fail, with errno. */
static bool fails(enum call call)
{
	int how = due(call);

	if (how > 0)
		errno = how;
	return how > 0;
}

/* The same for calls that may do part of their work: *n is what they may. */
static bool fails_at(enum call call, size_t *n)
{
	int how = due(call);

	if (how == HOW_SHORT && *n > 1)
		*n = 1;
	if (how > 0)
		errno = how;
	return how > 0;
}

/* The function behind ours. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

void *malloc(size_t n)
{
	return fails(MALLOC) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails(MALLOC) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails(MALLOC) ? NULL : __libc_realloc(p, n);
}

/* May this open() make a file, and so take a mode? */
static bool creates(int flags)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

static bool open_fails(int flags)
{
	if (fault.no_tmpfile && (flags & O_TMPFILE) == O_TMPFILE) {
		errno = EOPNOTSUPP;
		return true;
	}
	return fails(creates(flags) ? CREATE : OPEN);
}

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		mode_t mode;                                                   \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		mode = creates(flags) ? va_arg(ap, mode_t) : 0;                \
		va_end(ap);                                                    \
		return open_fails(flags) ? -1 : NEXT(name)(path, flags, mode); \
	}

#define OPENAT(name)                                                           \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		mode_t mode;                                                   \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		mode = creates(flags) ? va_arg(ap, mode_t) : 0;                \
		va_end(ap);                                                    \
		return open_fails(flags) ? -1                                  \
					 : NEXT(name)(dir, path, flags, mode); \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int __open_2(const char *path, int flags)
{
	return fails(OPEN) ? -1 : NEXT(__open_2)(path, flags);
}

int __open64_2(const char *path, int flags)
{
	return fails(OPEN) ? -1 : NEXT(__open64_2)(path, flags);
}

int __openat_2(int dir, const char *path, int flags)
{
	return fails(OPEN) ? -1 : NEXT(__openat_2)(dir, path, flags);
}

int __openat64_2(int dir, const char *path, int flags)
{
	return fails(OPEN) ? -1 : NEXT(__openat64_2)(dir, path, flags);
}

/* The descriptor is gone whatever close() says. */
int close(int fd)
{
	bool bad = fails(CLOSE);
	int sys = errno, rc = NEXT(close)(fd);

	if (bad)
		errno = sys;
	return bad ? -1 : rc;
}

#define FCNTL(name)                                                            \
	int name(int fd, int command, ...)                                     \
	{                                                                      \
		va_list ap;                                                    \
		void *arg;                                                     \
		va_start(ap, command);                                         \
		arg = va_arg(ap, void *);                                      \
		va_end(ap);                                                    \
		return fails(FCNTL) ? -1 : NEXT(name)(fd, command, arg);       \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

ssize_t read(int fd, void *p, size_t n)
{
	return fails_at(READ, &n) ? -1 : NEXT(read)(fd, p, n);
}

ssize_t __read_chk(int fd, void *p, size_t n, size_t size)
{
	return fails_at(READ, &n) ? -1 : NEXT(__read_chk)(fd, p, n, size);
}

#define PREAD(name, offset)                                                    \
	ssize_t name(int fd, void *p, size_t n, offset at)                     \
	{                                                                      \
		return fails_at(PREAD, &n) ? -1 : NEXT(name)(fd, p, n, at);    \
	}

PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t size)
{
	return fails_at(PREAD, &n) ? -1 : NEXT(__pread_chk)(fd, p, n, at, size);
}

ssize_t __pread64_chk(int fd, void *p, size_t n, off64_t at, size_t size)
{
	if (fails_at(PREAD, &n))
		return -1;
	return NEXT(__pread64_chk)(fd, p, n, at, size);
}

ssize_t write(int fd, const void *p, size_t n)
{
	return fails_at(WRITE, &n) ? -1 : NEXT(write)(fd, p, n);
}

#define PWRITE(name, offset)                                                   \
	ssize_t name(int fd, const void *p, size_t n, offset at)               \
	{                                                                      \
		return fails_at(PWRITE, &n) ? -1 : NEXT(name)(fd, p, n, at);   \
	}

PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	return fails_at(RECV, &n) ? -1 : NEXT(recv)(fd, p, n, flags);
}

ssize_t __recv_chk(int fd, void *p, size_t n, size_t size, int flags)
{
	if (fails_at(RECV, &n))
		return -1;
	return NEXT(__recv_chk)(fd, p, n, size, flags);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	return fails_at(SEND, &n) ? -1 : NEXT(send)(fd, p, n, flags);
}

int poll(struct pollfd *p, nfds_t n, int ms)
{
	return fails(POLL) ? -1 : NEXT(poll)(p, n, ms);
}

int __poll_chk(struct pollfd *p, nfds_t n, int ms, size_t size)
{
	return fails(POLL) ? -1 : NEXT(__poll_chk)(p, n, ms, size);
}

pid_t fork(void)
{
	pid_t pid;

	if (fails(FORK))
		return -1;
	forks++;
	pid = NEXT(fork)();
	if (pid == 0)
		begin_child();
	return pid;
}

int execve(const char *path, char *const *argv, char *const *envp)
{
	return fails(EXEC) ? -1 : NEXT(execve)(path, argv, envp);
}

int execv(const char *path, char *const *argv)
{
	return fails(EXEC) ? -1 : NEXT(execv)(path, argv);
}

int execvp(const char *path, char *const *argv)
{
	return fails(EXEC) ? -1 : NEXT(execvp)(path, argv);
}

int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t n)
{
	return fails(CONNECT) ? -1 : NEXT(connect)(fd, addr, n);
}

int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t n)
{
	return fails(BIND) ? -1 : NEXT(bind)(fd, addr, n);
}

/* All that takes what it is given: name, result, failure, parameters and
 * arguments. */
#define PLAIN(call, type, bad, name, parameters, arguments)                    \
	type name parameters                                                   \
	{                                                                      \
		return fails(call) ? (bad) : NEXT(name) arguments;             \
	}

PLAIN(DUP, int, -1, dup2, (int a, int b), (a, b))
PLAIN(FACCESS, int, -1, faccessat, (int d, const char *p, int m, int f),
    (d, p, m, f))
PLAIN(FACCESS, int, -1, access, (const char *p, int m), (p, m))
PLAIN(FCHMOD, int, -1, fchmod, (int fd, mode_t m), (fd, m))
PLAIN(FCHOWN, int, -1, fchown, (int fd, uid_t u, gid_t g), (fd, u, g))
PLAIN(FDATASYNC, int, -1, fdatasync, (int fd), (fd))
PLAIN(FDOPENDIR, DIR *, NULL, fdopendir, (int fd), (fd))
PLAIN(FLOCK, int, -1, flock, (int fd, int op), (fd, op))
PLAIN(FSTAT, int, -1, fstat, (int fd, struct stat *s), (fd, s))
PLAIN(FSTAT, int, -1, fstat64, (int fd, struct stat64 *s), (fd, s))
PLAIN(FSTATAT, int, -1, fstatat, (int d, const char *p, struct stat *s, int f),
    (d, p, s, f))
PLAIN(FSTATAT, int, -1, fstatat64,
    (int d, const char *p, struct stat64 *s, int f), (d, p, s, f))
PLAIN(FSTATVFS, int, -1, fstatvfs, (int fd, struct statvfs *s), (fd, s))
PLAIN(FSTATVFS, int, -1, fstatvfs64, (int fd, struct statvfs64 *s), (fd, s))
/* Called where nothing may be locked (lib/base/syncs.c), so not by dlsym(). */
int fsync(int fd)
{
	return fails(FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

PLAIN(FSYNC, int, -1, syncfs, (int fd), (fd))
PLAIN(FTRUNCATE, int, -1, ftruncate, (int fd, off_t n), (fd, n))
PLAIN(FTRUNCATE, int, -1, ftruncate64, (int fd, off64_t n), (fd, n))
PLAIN(
    FUTIMENS, int, -1, futimens, (int fd, const struct timespec t[2]), (fd, t))
PLAIN(GETSOCKOPT, int, -1, getsockopt,
    (int fd, int l, int o, void *v, socklen_t *n), (fd, l, o, v, n))
PLAIN(LINK, int, -1, link, (const char *a, const char *b), (a, b))
PLAIN(LINK, int, -1, linkat,
    (int da, const char *a, int db, const char *b, int f), (da, a, db, b, f))
PLAIN(LSEEK, off_t, -1, lseek, (int fd, off_t n, int w), (fd, n, w))
PLAIN(LSEEK, off64_t, -1, lseek64, (int fd, off64_t n, int w), (fd, n, w))
PLAIN(MEMFD, int, -1, memfd_create, (const char *s, unsigned f), (s, f))
PLAIN(MMAP, void *, MAP_FAILED, mmap,
    (void *p, size_t n, int r, int f, int fd, off_t at), (p, n, r, f, fd, at))
PLAIN(MMAP, void *, MAP_FAILED, mmap64,
    (void *p, size_t n, int r, int f, int fd, off64_t at), (p, n, r, f, fd, at))
PLAIN(PIPE, int, -1, pipe2, (int p[2], int f), (p, f))
PLAIN(READLINK, ssize_t, -1, readlink, (const char *p, char *b, size_t n),
    (p, b, n))
PLAIN(RECVMSG, ssize_t, -1, recvmsg, (int fd, struct msghdr *m, int f),
    (fd, m, f))
PLAIN(RENAME, int, -1, rename, (const char *a, const char *b), (a, b))
PLAIN(RENAME, int, -1, renameat, (int da, const char *a, int db, const char *b),
    (da, a, db, b))
PLAIN(RENAME, int, -1, renameat2,
    (int da, const char *a, int db, const char *b, unsigned f),
    (da, a, db, b, f))
PLAIN(SENDMSG, ssize_t, -1, sendmsg, (int fd, const struct msghdr *m, int f),
    (fd, m, f))
PLAIN(SETENV, int, -1, setenv, (const char *n, const char *v, int o), (n, v, o))
PLAIN(SOCKET, int, -1, socket, (int d, int t, int p), (d, t, p))
PLAIN(SOCKETPAIR, int, -1, socketpair, (int d, int t, int p, int fd[2]),
    (d, t, p, fd))
PLAIN(STAT, int, -1, stat, (const char *p, struct stat *s), (p, s))
PLAIN(STAT, int, -1, stat64, (const char *p, struct stat64 *s), (p, s))
PLAIN(UNLINK, int, -1, unlink, (const char *p), (p))
PLAIN(UNLINK, int, -1, unlinkat, (int d, const char *p, int f), (d, p, f))

/* Its error is what it returns. */
/* As our programs call it, with all that it can be given. */
int clone(int (*run)(void *), void *stack, int flags, void *arg, ...)
{
	pid_t *parent, *child;
	va_list ap;
	void *tls;

	va_start(ap, arg);
	parent = va_arg(ap, pid_t *);
	tls = va_arg(ap, void *);
	child = va_arg(ap, pid_t *);
	va_end(ap);
	if (fails(THREAD))
		return -1;
	return NEXT(clone)(run, stack, flags, arg, parent, tls, child);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
    void *(*run)(void *), void *arg)
{
	int how = due(THREAD);

	return how > 0 ? how : NEXT(pthread_create)(thread, attr, run, arg);
}
