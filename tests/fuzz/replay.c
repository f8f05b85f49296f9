/*
 * Makes a test of a fuzz target where there is no fuzzer: it runs each file of
 * corpus/NAME, changed in some thousand ways that are the same every time, and
 * some inputs too large to be stored. NAME is that of the program, without
 * `fuzz_`.
 *
 *	fuzz_NAME		all of that, as TAP
 *	fuzz_NAME FILE...	these files only, as they are
 *
 * The input that a target dies of is left in NAME.crash.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/io.h"
#include "tests/fuzz/fuzz.h"

enum {
	MUTATIONS = 4000,      /* of all files of a corpus together */
	MUTATED_MAX = 64 << 10 /* larger inputs stay as they are */
};

/* Repeats of a text behind a head, bytes in all. */
static const struct large {
	const char *head, *text;
	size_t text_size, bytes;
} large[] = {
    {"", "x", 1, 1000000},
    {"X: ", "x", 1, 1000000},
    {"X:", "\n x", 3, 500000},
    {"", "\n", 1, 1000000},
    {"", "\r", 1, 1000000},
    {"", "\0", 1, 1000000},
    {"\n", "\r\n", 2, 500000},
    {"", "a:\n", 3, 300000},
    {"", "(", 1, 300000},
    {"a: ", "\"\\", 2, 300000},
    {"", "--\n", 3, 300000},
    {"F", "\0T", 2, 500000},
    {"Fa", "\0Ta@example.org", 15, 500000},
    {"Content-Type: multipart/mixed; boundary=b\n\n", "--b\n", 4, 500000},
    {"", "Content-Type: message/rfc822\n\n", 30, 300000},
    {"Content-Type: a/b; name=", "=?utf-8?q?=", 11, 250000},
    {"size ", "if=!", 4, 100000},
    {"size ", "a=b ", 4, 100000},
    {"x250-", "x", 1, 300000},
    {"x", "250-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 42, 300000},
};

static const char *const tokens[] = {"\r", "\n", "\r\n", "\n ", "\n\n", "--",
    "(", ")", "\"", "\\", ";", ":", "=", ",", "@", "!", "*", "=?utf-8?q?",
    "?=", "'", "%", "\xff", "\xc3\xa9", "\x80",
    "Content-Type:", "boundary=", "name*0*=", "message/rfc822",
    "multipart/digest", "Content-Transfer-Encoding:base64",
    "Authentication-Results:", "if=", "always", "QUEUE", "#", "99999999999999"};

/* What runs now, for whoever finds the target dead. */
static struct {
	const void *p;
	size_t n;
	char file[64];
} current;

static void leave_input(void)
{
	int fd =
	    open(current.file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return;
	(void)qf_write_all(fd, current.p, current.n);
	close(fd);
}

static void on_signal(int sig)
{
	leave_input();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* The sanitizers end a program without a signal. */
void __sanitizer_set_death_callback(void (*callback)(void))
    __attribute__((weak));

static void watch(const char *name)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

	snprintf(current.file, sizeof current.file, "%s.crash", name);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		signal(signals[i], on_signal);
	if (__sanitizer_set_death_callback != NULL)
		__sanitizer_set_death_callback(leave_input);
}

/* The target gets a copy of exactly that size, so that reading beyond it is
 * seen. */
static void run(const void *p, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);

	if (n > 0)
		memcpy(copy, p, n);
	current.p = copy;
	current.n = n;
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

/* files */

static void read_file(const char *path, struct qf_buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || qf_read_all(fd, out, NULL) < 0) {
		printf("Bail out! %s can not be read\n", path);
		exit(1);
	}
	close(fd);
}

struct corpus {
	struct dirent **entry;
	int n;
	struct qf_buf *bytes; /* per entry */
};

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void load_corpus(struct corpus *c, const char *name)
{
	const char *src = getenv("QF_SRCDIR");
	struct qf_buf path = QF_BUF_INIT;
	size_t dir;

	qf_buf_addf(
	    &path, "%s/tests/fuzz/corpus/%s/", src != NULL ? src : ".", name);
	dir = path.len;
	c->n = scandir(path.s, &c->entry, is_visible, alphasort);
	if (c->n <= 0) {
		printf("Bail out! %s has no files\n", path.s);
		exit(1);
	}
	c->bytes = qf_alloc((size_t)c->n * sizeof *c->bytes);
	for (int i = 0; i < c->n; i++) {
		path.len = dir;
		qf_buf_adds(&path, c->entry[i]->d_name);
		c->bytes[i] = (struct qf_buf)QF_BUF_INIT;
		read_file(path.s, &c->bytes[i]);
	}
	qf_buf_free(&path);
}

static void free_corpus(struct corpus *c)
{
	for (int i = 0; i < c->n; i++) {
		qf_buf_free(&c->bytes[i]);
		free(c->entry[i]);
	}
	free(c->bytes);
	free(c->entry);
}

/* mutations */

static void insert(struct qf_buf *b, size_t at, const void *p, size_t n)
{
	qf_buf_reserve(b, n);
	memmove(b->s + at + n, b->s + at, b->len - at);
	memcpy(b->s + at, p, n);
	b->len += n;
	b->s[b->len] = '\0';
}

static void cut(struct qf_buf *b, size_t at, size_t n)
{
	memmove(b->s + at, b->s + at + n, b->len - at - n);
	b->len -= n;
	b->s[b->len] = '\0';
}

/* A piece of `from`, which is not empty. */
static struct qf_span some(const struct qf_buf *from, uint64_t *seed)
{
	size_t at = fuzz_below(seed, from->len);
	size_t most = from->len - at < 64 ? from->len - at : 64;

	return qf_span_n(from->s + at, 1 + fuzz_below(seed, most));
}

/* Changes b a little; `other` is another file of the corpus. */
static void mutate(struct qf_buf *b, const struct qf_buf *other, uint64_t *seed)
{
	size_t at = fuzz_below(seed, b->len + 1);
	const char *token =
	    tokens[fuzz_below(seed, sizeof tokens / sizeof *tokens)];
	struct qf_buf piece = QF_BUF_INIT;
	char byte = (char)fuzz_random(seed);

	switch (fuzz_below(seed, 6)) {
	case 0:
		insert(b, at, token, strlen(token));
		break;
	case 1:
		insert(b, at, &byte, 1);
		break;
	case 2:
		if (at < b->len)
			b->s[at] = byte;
		break;
	case 3:
		if (at < b->len)
			cut(b, at, some(b, seed).n % (b->len - at) + 1);
		break;
	case 4:
		if (b->len > 0)
			qf_buf_addspan(&piece, some(b, seed));
		insert(b, at, piece.s, piece.len);
		break;
	case 5:
		if (other->len > 0)
			qf_buf_addspan(&piece, some(other, seed));
		insert(b, at, piece.s, piece.len);
		break;
	}
	qf_buf_free(&piece);
}

/* Some changes more each time, until it starts again from the file. */
static void run_mutations(const struct corpus *c, int file, int n)
{
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)file;
	const struct qf_buf *from = &c->bytes[file];
	struct qf_buf b = QF_BUF_INIT;

	if (from->len > MUTATED_MAX)
		return;
	for (int i = 0; i < n; i++) {
		if (i % 8 == 0) {
			qf_buf_reset(&b);
			qf_buf_add(&b, from->s, from->len);
		}
		mutate(&b, &c->bytes[fuzz_below(&seed, (size_t)c->n)], &seed);
		run(b.s, b.len);
	}
	qf_buf_free(&b);
}

static void run_large(const struct large *l, size_t bytes)
{
	struct qf_buf b = QF_BUF_INIT;

	qf_buf_adds(&b, l->head);
	while (b.len < bytes)
		qf_buf_add(&b, l->text, l->text_size);
	run(b.s, b.len);
	qf_buf_free(&b);
}

static void run_all(const char *name)
{
	/* valgrind is slow, and sees the same in less */
	int slow = getenv("QF_VALGRIND") != NULL ? 20 : 1;
	int nlarge = sizeof large / sizeof *large;
	struct corpus c;

	load_corpus(&c, name);
	printf("1..%d\n", c.n + nlarge);
	for (int i = 0; i < c.n; i++) {
		run(c.bytes[i].s, c.bytes[i].len);
		run_mutations(&c, i, MUTATIONS / slow / c.n + 1);
		printf("ok %d - %s\n", i + 1, c.entry[i]->d_name);
		fflush(stdout);
	}
	for (int i = 0; i < nlarge; i++) {
		run_large(&large[i], large[i].bytes / (size_t)slow);
		printf("ok %d - large input %d\n", c.n + i + 1, i);
		fflush(stdout);
	}
	free_corpus(&c);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	name = name != NULL ? name + 1 : argv[0];
	if (strncmp(name, "fuzz_", 5) == 0)
		name += 5;
	watch(name);
	if (argc == 1)
		run_all(name);
	for (int i = 1; i < argc; i++) {
		struct qf_buf b = QF_BUF_INIT;

		read_file(argv[i], &b);
		run(b.s, b.len);
		qf_buf_free(&b);
	}
	return 0;
}
