/*
 * Sends a message many times by the engine, as a sender does that keeps its
 * connections: the figures of connections that are used again.
 *
 *	carry [OPTION NUMBER]... PORT MESSAGE [CAFILE]
 *
 *	--messages       in all
 *	--connections    one after the other, with as many messages each
 *	--pipelining 0   not used, whatever the server offers
 *	--chunking 0
 *	--starttls 1     needed; the server must prove that it is 127.0.0.1
 *
 * The server is at 127.0.0.1. Each message is looked at before it is sent, as
 * the programs do. Standard output gets a line: messages, the microseconds that
 * they took in all, the processor's for this process, then the microseconds of
 * each, where the first one of a connection includes that. A message that is
 * not taken ends it, with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/net/dial.h"
#include "lib/net/tls.h"
#include "remote/smtp/session.h"
#include "remote/smtp/run.h"
#include "remote/survey.h"

enum {
	PATIENCE_MS = 60000
};

static struct settings {
	unsigned long messages, connections, pipelining, chunking, starttls;
} set = {.messages = 1, .connections = 1, .pipelining = 1, .chunking = 1};

static const struct option {
	const char *name;
	unsigned long *value;
} options[] = {
    {"--messages", &set.messages},
    {"--connections", &set.connections},
    {"--pipelining", &set.pipelining},
    {"--chunking", &set.chunking},
    {"--starttls", &set.starttls},
};

static const char host[] = "127.0.0.1";
static unsigned port;
static struct qf_body message;
static struct qf_tls *tls;
static struct qf_smtp_setup setup = {
    .helo = "bench.example", .timeouts = &qf_smtp_timeouts_rfc};
static int64_t *us_each;
static size_t done;

__attribute__((format(printf, 1, 2))) static _Noreturn void die(
    const char *format, ...)
{
	va_list args;

	fputs("carry: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void dial(struct qf_stream *st)
{
	struct qf_dial_spec spec = {.host = host,
	    .port = port,
	    .each_ms = PATIENCE_MS,
	    .deadline = qf_deadline_in(PATIENCE_MS)};
	struct qf_dial_peer peer;
	enum qf_dial_fault fault;
	struct qf_err e;

	if (qf_dial(st, &peer, &fault, &spec, &e) < 0)
		die("%s", e.text);
}

static int shake(
    void *ctx, struct qf_stream *st, int64_t deadline, struct qf_err *e)
{
	struct qf_tls_peer peer = {
	    .mode = QF_TLS_VERIFY, .name = host, .port = port};
	struct qf_tls_info info;

	(void)ctx;
	return qf_tls_connect(st, tls, &peer, deadline, &info, e);
}

static void send_message(struct qf_smtp *s, struct qf_stream *st)
{
	static char recipient[] = "rcpt@else.example";
	char *to[] = {recipient};
	const struct qf_strv rcpt = {.v = to, .n = 1};
	struct qf_body body = message;
	struct qf_smtp_mail mail = {.sender = "sender@bench.example",
	    .rcpt = &rcpt,
	    .source = qf_body_read,
	    .source_ctx = &body};
	struct qf_survey survey;
	struct qf_err e;

	if (qf_survey(&survey, &message, &e) < 0)
		die("%s", e.text);
	mail.size = survey.wire;
	mail.eightbit = survey.eightbit;
	qf_smtp_send(s, &mail, qf_clock_mono());
	qf_smtp_run(s, st, shake, NULL);
	if (qf_smtp_result(s)->outcome != QF_SMTP_SENT)
		die("%s", qf_smtp_result(s)->text.s);
}

static void use_connection(size_t messages)
{
	int64_t start = qf_clock_mono_us(), end;
	struct qf_stream st = QF_STREAM_NONE;
	struct qf_smtp *s;

	dial(&st);
	s = qf_smtp_new(&setup, qf_clock_mono());
	for (size_t i = 0; i < messages; i++) {
		send_message(s, &st);
		end = qf_clock_mono_us();
		us_each[done++] = end - start;
		start = end;
	}
	qf_smtp_quit(s, qf_clock_mono());
	qf_smtp_run(s, &st, shake, NULL);
	qf_smtp_free(&s);
	qf_stream_close(&st);
}

static void open_message(const char *path)
{
	struct stat st;

	message.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (message.fd < 0 || fstat(message.fd, &st) < 0)
		die("%s: %s", path, strerror(errno));
	message.end = (uint64_t)st.st_size;
}

static void prepare_tls(const char *cafile)
{
	struct qf_tls_conf conf = {.cafile = cafile};
	struct qf_err e;

	if (!set.starttls)
		return;
	if (qf_tls_new(&tls, &conf, &e) < 0)
		die("%s", e.text);
	setup.tls = QF_SMTP_TLS_MUST;
}

static unsigned long number(const char *option, const char *s)
{
	char *end;
	unsigned long n = s != NULL ? strtoul(s, &end, 10) : 0;

	if (s == NULL || end == s || *end != '\0')
		die("%s needs a number", option);
	return n;
}

static char **take_options(char **argv)
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
	if (set.connections == 0 || set.messages % set.connections != 0)
		die("each connection gets as many messages");
	setup.no_pipelining = !set.pipelining;
	setup.no_chunking = !set.chunking;
	return argv;
}

int main(int argc, char **argv)
{
	int64_t start, cpu;

	signal(SIGPIPE, SIG_IGN);
	argv = take_options(argv + (argc > 0));
	if (argv[0] == NULL || argv[1] == NULL)
		die("no port or no message; see the top of bench/carry.c");
	port = (unsigned)number("PORT", argv[0]);
	open_message(argv[1]);
	prepare_tls(argv[2]);
	us_each = qf_alloc(set.messages * sizeof *us_each);
	start = qf_clock_mono_us();
	cpu = qf_clock_cpu_us();
	for (size_t i = 0; i < set.connections; i++)
		use_connection(set.messages / set.connections);
	printf("%zu %lld %lld", done, (long long)(qf_clock_mono_us() - start),
	    (long long)(qf_clock_cpu_us() - cpu));
	for (size_t i = 0; i < done; i++)
		printf(" %lld", (long long)us_each[i]);
	putchar('\n');
	qf_tls_free(&tls);
	free(us_each);
	return fflush(stdout) == 0 ? 0 : 1;
}
