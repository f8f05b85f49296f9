/*
 * An SMTP server that takes everything and keeps nothing, as fast as it can:
 * the other end of the measurements. It counts what its clients do.
 *
 *	sink [OPTION NUMBER]... [CERTIFICATE KEY]
 *
 *	--pipelining 1, --chunking 1, --starttls 1
 *	               what it offers
 *	--tls 1        from the first byte
 *	--delay        milliseconds that each answer is on its way; what comes
 *	               meanwhile is answered with it
 *	--quickack 1   what comes is acknowledged at once, and not when there is
 *	               an answer, or after 40 ms
 *
 * It listens on a port of 127.0.0.1, and says which: `port N`. For each line
 * with a number on standard input it waits until so many messages have come,
 * and tells what came since the last such line:
 *
 *	messages N bytes N connections N handshakes N resumed N flights N us N
 *
 * bytes are those of messages on the wire; handshakes are complete ones of TLS,
 * resumed are among them. A flight is what it sends in one piece when it has
 * answered all that came; those without an answer to a command of a message,
 * from MAIL or RSET on, do not count. us is the time from the first that came
 * to the end of the last message. It ends with standard input.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum {
	ROOM = 256 * 1024,
	OUT_ROOM = 16 * 1024, /* answers to what is pipelined */
	EVENTS = 64,
	BACKLOG = 1024
};

enum state {
	COMMANDS,
	BODY_START, /* a dot may be the first byte */
	BODY,
	CHUNK
};

struct connection {
	int fd;
	SSL *ssl;
	bool is_shaken, starts_tls, ends, is_closed;
	enum state state;
	uint64_t left; /* of a chunk */
	bool is_last;
	bool is_about_mail; /* something of out is */
	size_t n, out_n;
	uint64_t due;            /* when out leaves; 0: it is empty */
	struct connection *next; /* of those that wait for their time */
	char in[ROOM], out[OUT_ROOM];
};

static struct counts {
	uint64_t messages, bytes, connections, handshakes, resumed, flights;
	uint64_t first, last; /* microseconds */
} counts;

static struct settings {
	unsigned long pipelining, chunking, starttls, tls, delay, quickack;
} set;

static const struct option {
	const char *name;
	unsigned long *value;
} options[] = {
    {"--pipelining", &set.pipelining},
    {"--chunking", &set.chunking},
    {"--starttls", &set.starttls},
    {"--tls", &set.tls},
    {"--delay", &set.delay},
    {"--quickack", &set.quickack},
};

static SSL_CTX *ctx;
static int poller, listener;
static uint64_t wanted; /* messages; asked is true */
static bool asked;
/* Connections whose answers are due, the next one first. */
static struct connection *waiting, **waiting_end = &waiting;

__attribute__((format(printf, 1, 2))) static _Noreturn void die(
    const char *format, ...)
{
	va_list args;

	fputs("sink: ", stderr);
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

/* Counting. */

/* Not when a connection ends that has been there since before. */
static void client_begins(void)
{
	if (counts.first == 0)
		counts.first = now_us();
}

static void tell(void)
{
	if (!asked || counts.messages < wanted)
		return;
	printf("messages %llu bytes %llu connections %llu handshakes %llu "
	       "resumed %llu flights %llu us %llu\n",
	    (unsigned long long)counts.messages,
	    (unsigned long long)counts.bytes,
	    (unsigned long long)counts.connections,
	    (unsigned long long)counts.handshakes,
	    (unsigned long long)counts.resumed,
	    (unsigned long long)counts.flights,
	    (unsigned long long)(counts.last - counts.first));
	fflush(stdout);
	counts = (struct counts){0};
	asked = false;
}

static void message_came(void)
{
	counts.messages++;
	counts.last = now_us();
}

/* The session. */

static void answer(struct connection *c, const char *text)
{
	size_t n = strlen(text);

	if (c->out_n + n > sizeof c->out)
		die("a client does not read");
	memcpy(c->out + c->out_n, text, n);
	c->out_n += n;
}

static void answer_mail(struct connection *c, const char *text)
{
	client_begins();
	answer(c, text);
	c->is_about_mail = true;
}

static void hello(struct connection *c)
{
	answer(c, "250-sink.example\r\n");
	if (set.pipelining)
		answer(c, "250-PIPELINING\r\n");
	if (set.chunking)
		answer(c, "250-CHUNKING\r\n");
	if (set.starttls && c->ssl == NULL)
		answer(c, "250-STARTTLS\r\n");
	answer(c, "250-SIZE\r\n250 8BITMIME\r\n");
}

static void end_message(struct connection *c)
{
	answer_mail(c, "250 taken\r\n");
	message_came();
	c->state = COMMANDS;
}

static void end_chunk(struct connection *c)
{
	if (c->is_last) {
		end_message(c);
	} else {
		answer_mail(c, "250 ok\r\n");
		c->state = COMMANDS;
	}
}

static void start_chunk(struct connection *c, const char *words)
{
	char *end;

	c->left = strtoull(words, &end, 10);
	c->is_last = strncasecmp(end, " LAST", 5) == 0;
	counts.bytes += c->left;
	c->state = CHUNK;
	if (c->left == 0)
		end_chunk(c);
}

static void command(struct connection *c, const char *line)
{
	if (strncasecmp(line, "MAIL ", 5) == 0 ||
	    strncasecmp(line, "RCPT ", 5) == 0 ||
	    strncasecmp(line, "RSET", 4) == 0) {
		answer_mail(c, "250 ok\r\n");
	} else if (strncasecmp(line, "DATA", 4) == 0) {
		answer_mail(c, "354 go on\r\n");
		c->state = BODY_START;
	} else if (strncasecmp(line, "BDAT ", 5) == 0) {
		start_chunk(c, line + 5);
	} else if (strncasecmp(line, "EHLO", 4) == 0) {
		hello(c);
	} else if (strncasecmp(line, "HELO", 4) == 0 ||
		   strncasecmp(line, "NOOP", 4) == 0) {
		answer(c, "250 ok\r\n");
	} else if (strncasecmp(line, "STARTTLS", 8) == 0) {
		answer(c, "220 go on\r\n");
		c->starts_tls = true;
	} else if (strncasecmp(line, "QUIT", 4) == 0) {
		answer(c, "221 bye\r\n");
		c->ends = true;
	} else {
		answer(c, "500 what?\r\n");
	}
}

/* Each takes what it can of n bytes: how much that was; 0: more is needed. */

static size_t take_line(struct connection *c, char *p, size_t n)
{
	char *lf = memchr(p, '\n', n);

	if (lf == NULL)
		return 0;
	*lf = '\0';
	command(c, p);
	return (size_t)(lf - p) + 1;
}

static size_t take_body(struct connection *c, const char *p, size_t n)
{
	const char *end;

	if (c->state == BODY_START) {
		if (n < 3)
			return 0;
		c->state = BODY;
		if (memcmp(p, ".\r\n", 3) == 0) {
			end_message(c);
			return 3;
		}
	}
	end = memmem(p, n, "\r\n.\r\n", 5);
	if (end != NULL) {
		end_message(c);
		counts.bytes += (size_t)(end - p) + 2;
		return (size_t)(end - p) + 5;
	}
	/* What it ends with may be the start of the end. */
	n = n > 4 ? n - 4 : 0;
	counts.bytes += n;
	return n;
}

static size_t take_chunk(struct connection *c, size_t n)
{
	if (n > c->left)
		n = c->left;
	c->left -= n;
	return n;
}

static size_t take(struct connection *c, char *p, size_t n)
{
	size_t took;

	switch (c->state) {
	case COMMANDS:
		return take_line(c, p, n);
	case CHUNK:
		took = take_chunk(c, n);
		if (c->left == 0)
			end_chunk(c);
		return took;
	default:
		return take_body(c, p, n);
	}
}

static void take_all(struct connection *c)
{
	size_t at = 0, took = 1;

	while (took > 0 && at < c->n && !c->starts_tls && !c->ends) {
		took = take(c, c->in + at, c->n - at);
		at += took;
	}
	/* What stands in clear behind STARTTLS is not heard. */
	c->n = c->starts_tls || c->ends ? 0 : c->n - at;
	memmove(c->in, c->in + at, c->n);
	if (c->n == sizeof c->in)
		die("a line without end");
}

/* Connections. */

static void watch(int fd, void *p)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0)
		die("epoll: %s", strerror(errno));
}

static void use_tls(struct connection *c)
{
	c->ssl = SSL_new(ctx);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		die("no session of TLS");
	SSL_set_accept_state(c->ssl);
	c->starts_tls = false;
}

/* Freed when its answers are no longer waited for. */
static void shut(struct connection *c)
{
	if (!c->is_closed) {
		SSL_free(c->ssl);
		close(c->fd);
	}
	c->is_closed = true;
	if (c->due == 0)
		free(c);
}

static void count_handshake(struct connection *c)
{
	if (c->is_shaken || !SSL_is_init_finished(c->ssl))
		return;
	c->is_shaken = true;
	counts.handshakes++;
	counts.resumed += (uint64_t)SSL_session_reused(c->ssl);
	if (set.tls)
		answer(c, "220 sink.example\r\n");
}

static ssize_t receive_tls(struct connection *c, char *p, size_t n)
{
	size_t got;
	int rc = SSL_read_ex(c->ssl, p, n, &got);

	count_handshake(c);
	if (rc == 1)
		return (ssize_t)got;
	rc = SSL_get_error(c->ssl, rc);
	ERR_clear_error();
	errno = EAGAIN;
	return rc == SSL_ERROR_WANT_READ ? -1 : 0;
}

/* -1 with EAGAIN, or 0: it is over. */
static ssize_t receive(struct connection *c)
{
	const int on = 1;
	char *p = c->in + c->n;
	size_t room = sizeof c->in - c->n;
	ssize_t n = c->ssl != NULL ? receive_tls(c, p, room)
				   : recv(c->fd, p, room, MSG_DONTWAIT);

	if (n > 0 && set.quickack)
		setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
	return n < 0 && errno != EAGAIN ? 0 : n;
}

static bool put(struct connection *c)
{
	size_t put = 0;

	if (c->ssl == NULL)
		return send(c->fd, c->out, c->out_n,
			   MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)c->out_n;
	ERR_clear_error();
	return SSL_write_ex(c->ssl, c->out, c->out_n, &put) == 1;
}

/* Sends what was answered; after that the connection may be no more. */
static void flush(struct connection *c)
{
	c->due = 0;
	counts.flights += c->is_about_mail;
	c->is_about_mail = false;
	if (c->is_closed || !put(c) || c->ends) {
		shut(c);
		return;
	}
	c->out_n = 0;
	if (c->starts_tls)
		use_tls(c);
}

/* All that came was looked at. */
static void answered(struct connection *c)
{
	if (c->out_n == 0 || c->due != 0)
		return;
	if (set.delay == 0) {
		flush(c);
		return;
	}
	c->due = now_us() + set.delay * 1000;
	c->next = NULL;
	*waiting_end = c;
	waiting_end = &c->next;
}

static void flush_due(void)
{
	uint64_t now = now_us();

	while (waiting != NULL && waiting->due <= now) {
		struct connection *c = waiting;

		waiting = c->next;
		if (waiting == NULL)
			waiting_end = &waiting;
		flush(c);
	}
}

static int until_due(void)
{
	uint64_t now = now_us();

	if (waiting == NULL)
		return -1;
	return waiting->due <= now ? 0
				   : (int)((waiting->due - now + 999) / 1000);
}

static void on_input(struct connection *c)
{
	ssize_t n;

	while ((n = receive(c)) > 0) {
		c->n += (size_t)n;
		take_all(c);
	}
	if (n == 0)
		shut(c);
	else
		answered(c);
}

static void on_client(void)
{
	const int on = 1;
	struct connection *c = malloc(sizeof *c);
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 || c == NULL)
		die("accept: %s", strerror(errno));
	client_begins();
	counts.connections++;
	memset(c, 0, offsetof(struct connection, in));
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	watch(fd, c);
	if (set.tls)
		use_tls(c);
	else
		answer(c, "220 sink.example\r\n");
	answered(c);
}

/* The beginning and the end. */

static bool on_question(void)
{
	char line[64];

	if (fgets(line, sizeof line, stdin) == NULL)
		return false;
	wanted = strtoull(line, NULL, 10);
	asked = true;
	return true;
}

static void listen_on_any(void)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&at, n) < 0 ||
	    listen(listener, BACKLOG) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &n) < 0)
		die("%s", strerror(errno));
	printf("port %d\n", ntohs(at.sin_port));
	fflush(stdout);
}

static void read_certificate(const char *certificate, const char *key)
{
	static const unsigned char id[] = "sink";

	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL ||
	    SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_set_session_id_context(ctx, id, sizeof id) != 1)
		die("%s and %s can not be used", certificate, key);
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
	if (argv[0] != NULL && argv[1] != NULL)
		read_certificate(argv[0], argv[1]);
	else if (set.tls || set.starttls)
		die("TLS needs a certificate and a key");
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	static char questions;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdin, NULL, _IONBF, 0);
	take_options(argv + (argc > 0));
	poller = epoll_create1(EPOLL_CLOEXEC);
	listen_on_any();
	watch(listener, NULL);
	watch(STDIN_FILENO, &questions);
	for (;;) {
		int n = epoll_wait(poller, events, EVENTS, until_due());

		for (int i = 0; i < n; i++) {
			void *p = events[i].data.ptr;

			if (p == NULL)
				on_client();
			else if (p != &questions)
				on_input(p);
			else if (!on_question())
				return 0;
		}
		flush_due();
		tell();
	}
}
