/*
 * Copies a file to an SMTP server by read and write: what sending a message
 * costs at least.
 *
 *	copy --messages NUMBER PORT FILE
 *
 * All go over one connection to 127.0.0.1, each as one chunk (RFC 3030), with
 * the bytes as they are. Nothing is looked at: not the message, not the
 * replies, but that there are so many lines. Standard output gets a line as
 * that of bench/carry.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

__attribute__((format(printf, 1, 2))) static _Noreturn void die(
    const char *format, ...)
{
	va_list args;

	fputs("copy: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int connect_to(unsigned long port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	    .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const int on = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
		die("port %lu: %s", port, strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	return fd;
}

static void put(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			die("write: %s", strerror(errno));
		p += w;
		n -= (size_t)w;
	}
}

/* Until so many lines have come. */
static void await(int fd, int lines)
{
	char bytes[4096];

	while (lines > 0) {
		ssize_t n = read(fd, bytes, sizeof bytes);

		if (n <= 0)
			die("the server closed");
		for (ssize_t i = 0; i < n; i++)
			lines -= bytes[i] == '\n';
	}
}

static void copy(int to, int from, size_t size)
{
	static char bytes[65536];
	int len = snprintf(bytes, sizeof bytes,
	    "MAIL FROM:<sender@bench.example>\r\n"
	    "RCPT TO:<rcpt@else.example>\r\nBDAT %zu LAST\r\n",
	    size);
	off_t at = 0;
	ssize_t n;

	put(to, bytes, (size_t)len);
	while ((n = pread(from, bytes, sizeof bytes, at)) > 0) {
		put(to, bytes, (size_t)n);
		at += n;
	}
	if ((size_t)at != size)
		die("the file has changed");
	await(to, 3);
}

int main(int argc, char **argv)
{
	static const char hello[] = "HELO bench.example\r\n";
	uint64_t start = now_us(), cpu = cpu_us(), *each;
	unsigned long messages;
	struct stat st;
	int to, from;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 5 || strcmp(argv[1], "--messages") != 0)
		die("see the top of bench/copy.c");
	messages = strtoul(argv[2], NULL, 10);
	each = calloc(messages + 1, sizeof *each);
	from = open(argv[4], O_RDONLY | O_CLOEXEC);
	if (each == NULL || from < 0 || fstat(from, &st) < 0)
		die("%s: %s", argv[4], strerror(errno));
	to = connect_to(strtoul(argv[3], NULL, 10));
	await(to, 1);
	put(to, hello, sizeof hello - 1);
	await(to, 1);
	each[0] = start;
	for (unsigned long i = 0; i < messages; i++) {
		copy(to, from, (size_t)st.st_size);
		each[i + 1] = now_us();
	}
	printf("%lu %llu %llu", messages,
	    (unsigned long long)(each[messages] - start),
	    (unsigned long long)(cpu_us() - cpu));
	for (unsigned long i = 0; i < messages; i++)
		printf(" %llu", (unsigned long long)(each[i + 1] - each[i]));
	putchar('\n');
	return fflush(stdout) == 0 ? 0 : 1;
}
