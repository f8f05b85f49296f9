/*
 * A protocol module that keeps each message outside of the disk whose power is
 * cut: RECORDS/HOST@PID is what it got on descriptor 3, and is there when it
 * has all of it. EVENTS, a FIFO, gets a line when it begins and when it ends.
 * A recipient whose name begins with `refused` is refused.
 *
 * It is in C since a run of the test delivers thousands of messages.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	LATER = 1,
	REFUSED = 33
};

static void tell(const char *text)
{
	int fd = open(getenv("EVENTS"), O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		exit(LATER);
	close(fd);
}

/* The module's options: lines up to an empty one. */
static void read_host(char host[static 256])
{
	char line[4096];

	while (fgets(line, sizeof line, stdin) != NULL && line[0] != '\n')
		sscanf(line, "host=%255s", host);
}

static void copy(const char *to)
{
	char bytes[65536];
	ssize_t n;
	int fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		exit(LATER);
	while ((n = read(3, bytes, sizeof bytes)) > 0) {
		if (write(fd, bytes, (size_t)n) != n)
			exit(LATER);
	}
	if (n < 0)
		exit(LATER);
	close(fd);
}

/* One of the recipients: the lines after the first, up to an empty one. */
static bool is_refused(const char *name)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen(name, "r");

	if (f == NULL || fgets(line, sizeof line, f) == NULL)
		exit(LATER);
	while (fgets(line, sizeof line, f) != NULL && line[0] != '\n')
		found = found || strncmp(line, "refused", 7) == 0;
	fclose(f);
	return found;
}

int main(void)
{
	char host[256] = "", part[64], name[320];

	if (getenv("EVENTS") == NULL || chdir(getenv("RECORDS")) < 0)
		return LATER;
	read_host(host);
	tell("begun\n");
	snprintf(part, sizeof part, ".%d", (int)getpid());
	snprintf(name, sizeof name, "%s@%d", host, (int)getpid());
	copy(part);
	if (is_refused(part)) {
		unlink(part);
		puts("550 5.1.1 no such user");
		return REFUSED;
	}
	if (rename(part, name) < 0)
		return LATER;
	puts("250 2.0.0 recorded");
	fflush(stdout);
	tell("ended\n");
	return 0;
}
