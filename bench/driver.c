/*
 * What qmail-smtpd does for each message, many times over and timed: two pipes,
 * vfork, exec of the queue program with their ends as descriptors 0 and 1; the
 * message in writes of 1024 bytes, as qmail's do, then the envelope; then it
 * waits for the exit code. A message's time is from the first pipe to the exit
 * code.
 *
 *	driver [OPTION NUMBER]... PROGRAM [ARGUMENT...]
 *
 *	--callers   at a time
 *	--ms        they go on for so long,
 *	--least     with so many messages at least, each
 *	--warmup    messages before that, each, that do not count
 *	--size      bytes of a message
 *	--feed 1    descriptor 0 gets all, as nullmailer-queue wants it: the
 *	            sender, the recipient, an empty line, the message;
 *	--feed 2    the message alone, as sendmail does
 *	--feed 3    nothing: descriptors 0 and 3 are the files that the driver
 *	            has there, from their start; for one caller
 *	--code      the exit code to expect
 *	--cpu 1     the microseconds of the processor, too
 *	--trace 1   one message: prints how many system calls the program made,
 *	            from the exec on, and the most memory that it had, in KiB
 *	--trace 2   the memory, and the microseconds that it took
 *
 * Each caller is a process. All begin together and go on until the time is
 * over, and with at least so many messages. Standard output gets a line for
 * each: messages and microseconds that they took in all, with --cpu those of
 * the processor that the programs used, then the microseconds of each. Any
 * other exit code than the expected one ends it all, with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	FEED_QMAIL,
	FEED_NULLMAILER,
	FEED_MESSAGE,
	FEED_FILES
};

enum {
	TRACE_CALLS = 1,
	TRACE_TIME
};

enum {
	CHUNK = 1024,       /* of qmail.h */
	TIMES_MAX = 1000000 /* messages of one caller */
};

/* What a caller leaves for the parent. */
struct account {
	uint64_t messages, us, cpu_us;
	uint32_t us_each[TIMES_MAX];
};

static struct settings {
	unsigned long callers, ms, least, warmup, size, code, feed, cpu, trace;
	char **program;
} set = {.callers = 1, .least = 1, .size = 4096};

static const struct option {
	const char *name;
	unsigned long *value;
} options[] = {
    {"--callers", &set.callers},
    {"--ms", &set.ms},
    {"--least", &set.least},
    {"--warmup", &set.warmup},
    {"--size", &set.size},
    {"--feed", &set.feed},
    {"--code", &set.code},
    {"--cpu", &set.cpu},
    {"--trace", &set.trace},
};

static char *message;
static const char envelope[] = "Fsender@bench.example\0Trcpt@else.example\0";
static const char lines[] = "sender@bench.example\nrcpt@else.example\n\n";

__attribute__((format(printf, 1, 2))) static _Noreturn void die(
    const char *format, ...)
{
	va_list args;

	fputs("driver: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* A header as a mail program writes it, then lines of text that do not repeat
 * soon; the same bytes in each run. */
static void make_message(void)
{
	static const char header[] =
	    "Received: from client.example (client.example [192.0.2.1])\n"
	    "\tby bench.example with ESMTP; 22 Nov 2026 12:00:00 -0000\n"
	    "From: Sender <sender@bench.example>\n"
	    "To: Recipient <rcpt@else.example>\n"
	    "Subject: a message of the benchmark\n"
	    "Date: Sun, 22 Nov 2026 12:00:00 +0000\n"
	    "Message-ID: <1@bench.example>\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: text/plain; charset=us-ascii\n"
	    "\n";
	uint32_t x = 1;

	message = malloc(set.size + sizeof header);
	if (message == NULL)
		die("no memory");
	memcpy(message, header, sizeof header);
	for (size_t i = sizeof header - 1; i < set.size; i++) {
		x = x * 1664525 + 1013904223;
		message[i] = "etaoin shrdlu"[(x >> 24) % 13];
		if (i % 72 == 71 || i + 1 == set.size)
			message[i] = '\n';
	}
}

static void put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n < CHUNK ? n : CHUNK);

		/* Its exit code says why it did not read on. */
		if (w < 0 && errno == EPIPE)
			return;
		if (w < 0)
			die("write: %s", strerror(errno));
		p += w;
		n -= (size_t)w;
	}
}

/* In the child of a vfork. Without an envelope, descriptor 1 is the log. */
static _Noreturn void become_program(int msg, int env)
{
	if ((msg >= 0 && dup2(msg, 0) < 0) || dup2(env < 0 ? 2 : env, 1) < 0)
		_exit(120);
	if (set.trace && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(120);
	execv(set.program[0], set.program);
	_exit(120);
}

static void expect(int status)
{
	if (!WIFEXITED(status))
		die("%s: signal %d", set.program[0], WTERMSIG(status));
	if ((unsigned long)WEXITSTATUS(status) != set.code)
		die("%s: exit code %d, expected %lu", set.program[0],
		    WEXITSTATUS(status), set.code);
}

static int await(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			die("wait: %s", strerror(errno));
	}
	return status;
}

static void close_if(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void rewind_files(void)
{
	if (lseek(0, 0, SEEK_SET) < 0 || lseek(3, 0, SEEK_SET) < 0)
		die("descriptors 0 and 3: %s", strerror(errno));
}

/* Starts the program: msg[1] and env[1] write to it, where it is fed so. */
static pid_t start_program(int msg[2], int env[2])
{
	pid_t pid;

	msg[0] = msg[1] = env[0] = env[1] = -1;
	if (set.feed == FEED_FILES)
		rewind_files();
	if ((set.feed != FEED_FILES && pipe2(msg, O_CLOEXEC) < 0) ||
	    (set.feed == FEED_QMAIL && pipe2(env, O_CLOEXEC) < 0))
		die("pipe: %s", strerror(errno));
	pid = vfork();
	if (pid == 0)
		become_program(msg[0], env[0]);
	if (pid < 0)
		die("vfork: %s", strerror(errno));
	close_if(msg[0]);
	close_if(env[0]);
	return pid;
}

static void feed(int msg, int env)
{
	if (msg < 0)
		return;
	if (set.feed == FEED_NULLMAILER)
		put(msg, lines, sizeof lines - 1);
	put(msg, message, set.size);
	close(msg);
	if (env < 0)
		return;
	put(env, envelope, sizeof envelope);
	close(env);
}

/* One message: the microseconds that it took. */
static uint64_t submit(void)
{
	uint64_t start = now_us();
	int msg[2], env[2];
	pid_t pid = start_program(msg, env);

	feed(msg[1], env[1]);
	expect(await(pid));
	return now_us() - start;
}

/* Callers. */

/* Of all programs that have ended. */
static uint64_t programs_cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static _Noreturn void call(struct account *a, int ready, int go)
{
	uint64_t start, cpu;
	char none;

	/* What is inherited as ignored stays so, as with qmail-smtpd. */
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (unsigned long i = 0; i < set.warmup; i++)
		submit();
	if (write(ready, "", 1) != 1 || read(go, &none, 1) < 0)
		die("a caller is alone");
	start = now_us();
	cpu = programs_cpu_us();
	do {
		if (a->messages == TIMES_MAX)
			break;
		a->us_each[a->messages++] = (uint32_t)submit();
		a->us = now_us() - start;
	} while (a->messages < set.least || a->us < set.ms * 1000);
	a->cpu_us = programs_cpu_us() - cpu;
	_exit(0);
}

static void print(const struct account *a)
{
	printf("%llu %llu", (unsigned long long)a->messages,
	    (unsigned long long)a->us);
	if (set.cpu)
		printf(" %llu", (unsigned long long)a->cpu_us);
	for (uint64_t i = 0; i < a->messages; i++)
		printf(" %u", a->us_each[i]);
	putchar('\n');
}

static void run_callers(void)
{
	struct account *a =
	    mmap(NULL, set.callers * sizeof *a, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int ready[2], go[2];
	char none;

	if (a == MAP_FAILED || pipe2(ready, O_CLOEXEC) < 0 ||
	    pipe2(go, O_CLOEXEC) < 0)
		die("%s", strerror(errno));
	for (unsigned long i = 0; i < set.callers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork: %s", strerror(errno));
		if (pid == 0) {
			close(ready[0]);
			close(go[1]);
			call(&a[i], ready[1], go[0]);
		}
	}
	close(ready[1]);
	for (unsigned long i = 0; i < set.callers; i++) {
		if (read(ready[0], &none, 1) != 1)
			die("a caller ended before all were ready");
	}
	close(go[1]);
	/* When this process ends, so do those that are left. */
	for (unsigned long i = 0; i < set.callers; i++) {
		int status = await(-1);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			exit(1);
	}
	for (unsigned long i = 0; i < set.callers; i++)
		print(&a[i]);
}

/* One message, looked at. */

static unsigned long peak_of(pid_t pid)
{
	char path[64], line[256];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		sscanf(line, "VmHWM: %lu", &kib);
	if (f != NULL)
		fclose(f);
	return kib;
}

/* It must end as what was started: a next program would be counted, too. */
static void trace_program(void)
{
	const long events =
	    PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC;
	int go_on = set.trace == TRACE_CALLS ? PTRACE_SYSCALL : PTRACE_CONT;
	uint64_t start = now_us();
	unsigned long stops = 0, kib = 0;
	int msg[2], env[2], status;
	pid_t pid, feeder;

	pid = start_program(msg, env);
	feeder = fork();
	if (feeder < 0)
		die("fork: %s", strerror(errno));
	if (feeder == 0) {
		signal(SIGPIPE, SIG_IGN);
		feed(msg[1], env[1]);
		_exit(0);
	}
	close_if(msg[1]);
	close_if(env[1]);
	status = await(pid);
	if (!WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, pid, NULL, events) < 0)
		die("%s: not traced", set.program[0]);
	while (WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		if (sig == (SIGTRAP | 0x80))
			stops++;
		else if (status >> 16 == PTRACE_EVENT_EXEC)
			die("%s: starts another program", set.program[0]);
		else if (status >> 16 == PTRACE_EVENT_EXIT)
			kib = peak_of(pid);
		if (sig == SIGTRAP || sig == (SIGTRAP | 0x80))
			sig = 0;
		if (ptrace(go_on, pid, NULL, (long)sig) < 0)
			die("%s: %s", set.program[0], strerror(errno));
		status = await(pid);
	}
	expect(status);
	if (set.trace == TRACE_TIME)
		printf("us %llu peak %lu\n",
		    (unsigned long long)(now_us() - start), kib);
	else
		/* The last call has no end; execve, the first, was not seen. */
		printf("calls %lu peak %lu\n", (stops + 1) / 2 + 1, kib);
	await(feeder);
}

static unsigned long number(const char *option, const char *s)
{
	char *end;
	unsigned long n = s != NULL ? strtoul(s, &end, 10) : 0;

	if (s == NULL || end == s || *end != '\0')
		die("%s needs a number", option);
	return n;
}

static void take_options(char **argv)
{
	for (; *argv != NULL && strncmp(*argv, "--", 2) == 0; argv += 2) {
		const struct option *o = options;
		const struct option *end =
		    options + sizeof options / sizeof *options;

		while (o < end && strcmp(*argv, o->name) != 0)
			o++;
		if (o == end)
			die("%s: no such option", *argv);
		*o->value = number(*argv, argv[1]);
	}
	if (*argv == NULL)
		die("no program; see the top of bench/driver.c");
	set.program = argv;
}

int main(int argc, char **argv)
{
	take_options(argv + (argc > 0));
	make_message();
	if (set.trace)
		trace_program();
	else
		run_callers();
	return fflush(stdout) == 0 ? 0 : 1;
}
