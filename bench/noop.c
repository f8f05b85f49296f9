/*
 * A queue program that queues nothing: it reads the message and the envelope to
 * their ends, and says that they are safe. What starting it costs, no queue
 * program of the usual kind (dynamic, with the C library alone) is cheaper
 * than: the floor of the measurements.
 *
 *	noop [FILE]    with FILE the message is kept there
 */
#include <fcntl.h>
#include <unistd.h>

static int drain(int from, int to)
{
	static char bytes[65536];
	ssize_t n;

	while ((n = read(from, bytes, sizeof bytes)) > 0) {
		if (to >= 0 && write(to, bytes, (size_t)n) != n)
			return -1;
	}
	return (int)n;
}

int main(int argc, char **argv)
{
	int kept = -1;

	if (argc > 1) {
		kept = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
		if (kept < 0)
			return 53;
	}
	return drain(0, kept) < 0 || drain(1, -1) < 0 ? 54 : 0;
}
