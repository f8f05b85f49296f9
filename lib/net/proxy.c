#include "lib/net/proxy.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/base/buf.h"
#include "lib/base/io.h"

enum {
	SOCKS5 = 5,
	AUTH_VERSION = 1,
	DEFAULT_PORT = 1080,
	PASS_FILE_MAX = 4096
};

enum {
	METHOD_NONE = 0,
	METHOD_PASSWORD = 2
};

enum {
	CONNECT = 1,
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4
};

/* Section 6 of RFC 1928: what the proxy says when it fails. */
static const struct answer {
	enum qf_dial_fault fault;
	const char *text;
} answers[] = {
    {QF_DIAL_OK, ""},
    {QF_DIAL_FAILED, "general failure"},
    {QF_DIAL_FAILED, "its rules do not allow this connection"},
    {QF_DIAL_UNREACHABLE, "network unreachable"},
    {QF_DIAL_UNREACHABLE, "host unreachable, or no such host"},
    {QF_DIAL_REFUSED, "connection refused"},
    {QF_DIAL_TIMEOUT, "TTL expired"},
    {QF_DIAL_FAILED, "it can not make connections"},
    {QF_DIAL_FAILED, "it does not know this kind of address"},
};

static bool copy(char out[QF_PROXY_TEXT], struct qf_span s)
{
	if (s.n == 0 || s.n >= QF_PROXY_TEXT || memchr(s.p, '\0', s.n) != NULL)
		return false;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

static int bad(struct qf_err *e, const char *why)
{
	return qf_fail(e, QF_EINVAL,
	    "proxy: %s; write HOST:PORT or socks5://USER@HOST:PORT", why);
}

static bool parse_port(struct qf_proxy *p, struct qf_span s)
{
	unsigned long long port;

	if (!qf_span_u64(s, 65535, &port) || port == 0)
		return false;
	p->port = (unsigned)port;
	return true;
}

/* HOST[:PORT]; an address with colons has brackets. */
static bool parse_place(struct qf_proxy *p, struct qf_span s)
{
	struct qf_span host;

	if (s.n > 0 && s.p[0] == '[') {
		if (!qf_span_cut(&s, ']', &host) ||
		    !copy(p->host, qf_span_n(host.p + 1, host.n - 1)))
			return false;
		return s.n == 0 ||
		       (s.p[0] == ':' &&
			   parse_port(p, qf_span_n(s.p + 1, s.n - 1)));
	}
	if (!qf_span_cut(&s, ':', &host))
		return copy(p->host, s);
	return copy(p->host, host) && parse_port(p, s);
}

int qf_proxy_parse(struct qf_proxy *p, const char *text, struct qf_err *e)
{
	static const char scheme[] = "socks5://";
	struct qf_span s = qf_span(text), user;

	*p = (struct qf_proxy){.port = DEFAULT_PORT};
	if (strncasecmp(text, scheme, sizeof scheme - 1) == 0) {
		s = qf_span(text + sizeof scheme - 1);
		if (s.n > 0 && s.p[s.n - 1] == '/')
			s.n--;
	}
	if (qf_span_cut(&s, '@', &user)) {
		if (memchr(user.p, ':', user.n) != NULL)
			return bad(e, "the password belongs in a file");
		if (!copy(p->user, user))
			return bad(e, "a user has 1 to 255 bytes");
	}
	if (memchr(s.p, '/', s.n) != NULL)
		return bad(e, "only SOCKS5 is spoken");
	return parse_place(p, s) ? 0 : bad(e, "that is no host and port");
}

int qf_proxy_read_pass(struct qf_proxy *p, const char *path, struct qf_err *e)
{
	struct qf_buf b = QF_BUF_INIT_MAX(PASS_FILE_MAX);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct qf_span rest, line;
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		rc = qf_fail_sys(e, QF_ECONF, "%s", path);
	else if (!S_ISREG(st.st_mode))
		rc = qf_fail(e, QF_ECONF, "%s: no regular file", path);
	else if (st.st_mode & S_IRWXO)
		rc = qf_fail(e, QF_ECONF,
		    "%s: anybody can read the password; chmod o= %s", path,
		    path);
	else if (qf_read_all(fd, &b, e) < 0)
		rc = qf_fail(e, QF_ECONF, "%s: can not be read", path);
	rest = qf_buf_span(&b);
	if (rc == 0 && !qf_span_cut(&rest, '\n', &line))
		line = rest;
	if (rc == 0 && !copy(p->pass, line))
		rc = qf_fail(e, QF_ECONF,
		    "%s: a password of 1 to 255 bytes is expected", path);
	explicit_bzero(b.s, b.len);
	qf_buf_free(&b);
	qf_close(&fd);
	return rc;
}

/* What is said with the proxy. */
struct talk {
	struct qf_stream *st;
	int64_t deadline;
	enum qf_dial_fault fault;
	struct qf_err *e;
};

static int failed(struct talk *t, enum qf_dial_fault fault, const char *text)
{
	t->fault = fault;
	return qf_fail(t->e, fault == QF_DIAL_TIMEOUT ? QF_ETIME : QF_ENET,
	    "proxy: %s", text);
}

static int broken(struct talk *t, long rc)
{
	t->fault = rc == QF_ETIME ? QF_DIAL_TIMEOUT : QF_DIAL_FAILED;
	qf_err_context(t->e, "proxy");
	return (int)rc;
}

static int say(struct talk *t, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		long k = qf_stream_write(t->st, p, n, t->deadline, t->e);

		if (k < 0)
			return broken(t, k);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static int hear(struct talk *t, unsigned char *p, size_t n)
{
	while (n > 0) {
		long k = qf_stream_read(t->st, p, n, t->deadline, t->e);

		if (k == 0)
			return failed(
			    t, QF_DIAL_FAILED, "it closed the connection");
		if (k < 0)
			return broken(t, k);
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

static void add_text(struct qf_buf *b, const char *s)
{
	qf_buf_addc(b, (char)strlen(s));
	qf_buf_adds(b, s);
}

static int log_in(struct talk *t, const struct qf_proxy *p)
{
	struct qf_buf b = QF_BUF_INIT;
	unsigned char answer[2];
	int rc;

	qf_buf_addc(&b, AUTH_VERSION);
	add_text(&b, p->user);
	add_text(&b, p->pass);
	rc = say(t, b.s, b.len);
	explicit_bzero(b.s, b.len);
	qf_buf_free(&b);
	if (rc == 0)
		rc = hear(t, answer, sizeof answer);
	if (rc == 0 && answer[0] != AUTH_VERSION)
		rc = failed(t, QF_DIAL_FAILED, "it does not speak SOCKS5");
	if (rc == 0 && answer[1] != 0)
		rc = failed(
		    t, QF_DIAL_FAILED, "it does not accept user and password");
	return rc;
}

static int agree(struct talk *t, const struct qf_proxy *p)
{
	unsigned char hello[] = {SOCKS5, 1, METHOD_NONE, METHOD_PASSWORD};
	unsigned char answer[2];
	int rc;

	if (p->user[0] != '\0')
		hello[1] = 2;
	rc = say(t, hello, 2 + (size_t)hello[1]);
	if (rc == 0)
		rc = hear(t, answer, sizeof answer);
	if (rc < 0)
		return rc;
	if (answer[0] != SOCKS5)
		return failed(t, QF_DIAL_FAILED, "it does not speak SOCKS5");
	if (answer[1] == METHOD_NONE)
		return 0;
	if (answer[1] == METHOD_PASSWORD && p->user[0] != '\0')
		return log_in(t, p);
	return failed(t, QF_DIAL_FAILED,
	    p->user[0] != '\0' ? "it wants another kind of login"
			       : "it wants a user and a password");
}

static int request(struct talk *t, const char *host, unsigned port)
{
	unsigned char to[3] = {SOCKS5, CONNECT, 0};
	struct qf_buf b = QF_BUF_INIT;
	struct qf_ip ip;
	int rc;

	qf_buf_add(&b, to, sizeof to);
	if (qf_ip_literal(&ip, qf_span(host))) {
		bool v4 = ip.family == AF_INET;

		qf_buf_addc(&b, v4 ? ADDRESS_IPV4 : ADDRESS_IPV6);
		qf_buf_add(&b, ip.b, v4 ? 4 : 16);
	} else {
		qf_buf_addc(&b, ADDRESS_NAME);
		add_text(&b, host);
	}
	qf_buf_addc(&b, (char)(port >> 8));
	qf_buf_addc(&b, (char)port);
	rc = say(t, b.s, b.len);
	qf_buf_free(&b);
	return rc;
}

/* The address that the proxy connects from is read and forgotten. */
static int skip_address(struct talk *t, unsigned type)
{
	unsigned char rest[QF_PROXY_TEXT + 2], n;
	int rc;

	switch (type) {
	case ADDRESS_IPV4:
		return hear(t, rest, 4 + 2);
	case ADDRESS_IPV6:
		return hear(t, rest, 16 + 2);
	case ADDRESS_NAME:
		rc = hear(t, &n, 1);
		return rc < 0 ? rc : hear(t, rest, (size_t)n + 2);
	default:
		return failed(t, QF_DIAL_FAILED, "its answer is damaged");
	}
}

static int hear_answer(struct talk *t)
{
	unsigned char head[4];
	int rc = hear(t, head, 2);

	if (rc < 0)
		return rc;
	if (head[0] != SOCKS5)
		return failed(t, QF_DIAL_FAILED, "it does not speak SOCKS5");
	if (head[1] >= sizeof answers / sizeof *answers)
		return failed(t, QF_DIAL_FAILED, "unknown failure");
	if (head[1] != 0)
		return failed(t, answers[head[1]].fault, answers[head[1]].text);
	rc = hear(t, head + 2, 2);
	return rc < 0 ? rc : skip_address(t, head[3]);
}

int qf_proxy_ask(struct qf_stream *st, enum qf_dial_fault *fault,
    const struct qf_proxy *p, const char *host, unsigned port, int64_t deadline,
    struct qf_err *e)
{
	struct qf_err ignored;
	struct talk t = {.st = st,
	    .deadline = deadline,
	    .fault = QF_DIAL_OK,
	    .e = e != NULL ? e : &ignored};
	int rc;

	if (strlen(host) >= QF_PROXY_TEXT || host[0] == '\0')
		rc = failed(&t, QF_DIAL_NO_HOST,
		    "the host's name is empty or too long");
	else
		rc = agree(&t, p);
	if (rc == 0)
		rc = request(&t, host, port);
	if (rc == 0)
		rc = hear_answer(&t);
	*fault = t.fault;
	return rc;
}

int qf_proxy_dial(struct qf_stream *st, struct qf_dial_peer *peer,
    enum qf_dial_fault *fault, const struct qf_dial_spec *spec,
    const struct qf_proxy *p, struct qf_err *e)
{
	struct qf_dial_spec via = *spec;
	struct qf_err ignored;
	int rc;

	if (e == NULL)
		e = &ignored;
	via.host = p->host;
	via.port = p->port;
	rc = qf_dial(st, peer, fault, &via, e);
	if (rc < 0) {
		qf_err_context(e, "proxy");
		return rc;
	}
	rc = qf_proxy_ask(
	    st, fault, p, spec->host, spec->port, spec->deadline, e);
	if (rc < 0) {
		qf_stream_close(st);
		qf_err_context(
		    e, "%.255s:%u via %s", spec->host, spec->port, peer->text);
		return rc;
	}
	snprintf(peer->addr, sizeof peer->addr, "unknown address");
	snprintf(peer->text, sizeof peer->text, "%.200s:%u via %.120s:%u",
	    spec->host, spec->port, p->host, p->port);
	peer->ip = (struct qf_ip){0};
	return 0;
}
