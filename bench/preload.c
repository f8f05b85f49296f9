/*
 * Fills a queue in qmail's layout with messages, as fast as the file system
 * lets it: nothing is synced, and nobody may use the queue meanwhile.
 *
 *	preload QUEUE COUNT
 *
 * Each message is a kilobyte for one recipient. Every second one is as it came
 * in, in todo/; the others were tried once: info/ and remote/, due in an hour.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	SIZE = 1024,
	SPLIT = 23,
	PATH_SIZE = 64,
	DUE = 3600 /* seconds from now */
};

static const char header[] = "From: Sender <sender@bench.example>\n"
			     "To: Recipient <rcpt@else.example>\n"
			     "Subject: a message that waits\n"
			     "\n";
/* Each literal ends with a zero byte of its own. */
static const char todo[] = "u0\0p1\0Fsender@bench.example\0Trcpt@else.example";
static const char info[] = "Fsender@bench.example";
static const char channel[] = "Trcpt@else.example";

static char message[SIZE];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "preload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_message(void)
{
	size_t n = sizeof header - 1;

	memcpy(message, header, n);
	for (size_t i = n; i < SIZE; i++)
		message[i] = i % 72 == 71 || i + 1 == SIZE ? '\n' : 'x';
}

static void make_file(
    const char *path, const void *bytes, size_t n, time_t modified)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
	const struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT}, {.tv_sec = modified}};

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n ||
	    (modified != 0 && futimens(fd, times) < 0))
		die(path);
	close(fd);
}

/* Its number is that of its file: a first name until it is known. */
static ino_t make_mess(void)
{
	static const char first[] = "mess/0/preload";
	char path[PATH_SIZE];
	struct stat sb;

	make_file(first, message, SIZE, 0);
	if (stat(first, &sb) < 0)
		die(first);
	snprintf(path, sizeof path, "mess/%llu/%llu",
	    (unsigned long long)sb.st_ino % SPLIT,
	    (unsigned long long)sb.st_ino);
	if (rename(first, path) < 0)
		die(path);
	return sb.st_ino;
}

static void make_state(
    const char *folder, ino_t id, const void *bytes, size_t n, time_t modified)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "%s/%llu/%llu", folder,
	    (unsigned long long)id % SPLIT, (unsigned long long)id);
	make_file(path, bytes, n, modified);
}

static void make_todo(ino_t id)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof path, "todo/%llu", (unsigned long long)id);
	make_file(path, todo, sizeof todo, 0);
}

int main(int argc, char **argv)
{
	time_t due = time(NULL) + DUE;
	unsigned long long n;

	if (argc != 3) {
		fputs("usage: preload QUEUE COUNT\n", stderr);
		return 1;
	}
	n = strtoull(argv[2], NULL, 10);
	if (chdir(argv[1]) < 0)
		die(argv[1]);
	make_message();
	while (n-- > 0) {
		ino_t id = make_mess();

		if (n % 2 == 0) {
			make_todo(id);
		} else {
			make_state("info", id, info, sizeof info, 0);
			make_state("remote", id, channel, sizeof channel, due);
		}
	}
	return 0;
}
