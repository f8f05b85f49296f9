#include "frontend/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/spool.h"

enum {
	FIRST = 32768, /* bytes of an envelope that go without a descriptor */
	SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
};

/* A caller may have closed standard descriptors: what we open must not pass
 * for one. */
static int above_std(int fd)
{
	int moved;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	/* In its place, nothing that could be read or written to. */
	close(fd);
	if (open("/dev/null", O_RDWR) < 0)
		return -1;
	return moved;
}

/* The way of what is large, or already too much for memory. */
static int seal_large(int fd, const char *p, size_t n, struct qf_err *e)
{
	struct qf_spool s;

	if (qf_spool_open(&s, e) < 0)
		return e->rc;
	if (qf_spool_write(&s, p, n, e) < 0 || qf_spool_fill(&s, fd, e) < 0 ||
	    qf_spool_finish(&s, e) < 0) {
		qf_spool_close(&s);
		return e->rc;
	}
	return above_std(s.fd);
}

/* These bytes as a sealed descriptor. */
static int seal_bytes(const char *p, size_t n, struct qf_err *e)
{
	int fd = above_std(
	    memfd_create("qfront-message", MFD_CLOEXEC | MFD_ALLOW_SEALING));

	if (fd < 0)
		return qf_fail_sys(e, QF_EWRITE, "no place for the message");
	if (qf_write_all(fd, p, n) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
		qf_fail_sys(e, QF_EWRITE, "keeping the message");
		close(fd);
		return e->rc;
	}
	return fd;
}

/* Fills p from fd: how much; *end when that was all. */
static ssize_t take(int fd, char *p, size_t size, bool *end, struct qf_err *e)
{
	size_t n = 0;

	*end = false;
	while (n < size && !*end) {
		ssize_t r = qf_read(fd, p + n, size - n);

		if (r < 0)
			return qf_fail_sys(e, QF_EREAD, "descriptor %d", fd);
		*end = r == 0;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

int qf_client_seal(int fd, struct qf_err *e)
{
	static char bytes[2 * QF_IO_CHUNK];
	bool end;
	ssize_t n = take(fd, bytes, sizeof bytes, &end, e);

	if (n < 0)
		return (int)n;
	return end ? seal_bytes(bytes, (size_t)n, e)
		   : seal_large(fd, bytes, (size_t)n, e);
}

/* The request. */

static struct {
	struct qf_ask head;
	char sections[QF_ASK_MAX - sizeof(struct qf_ask)];
} record;

/* Appends strings, each with its zero byte, behind *at: false when they do not
 * fit. */
static bool add_strings(char *const *strings, size_t *at)
{
	for (; *strings != NULL; strings++) {
		size_t n = strlen(*strings) + 1;

		if (n > sizeof record.sections - *at)
			return false;
		memcpy(record.sections + *at, *strings, n);
		*at += n;
	}
	return true;
}

static bool add_words(const struct qf_client *c, size_t *at)
{
	char *const name[] = {(char *)c->name, NULL};
	size_t from = *at;

	if (!add_strings(name, at) || !add_strings(c->argv, at))
		return false;
	record.head.words = (uint32_t)(*at - from);
	from = *at;
	if (!add_strings(c->environment, at))
		return false;
	record.head.environment = (uint32_t)(*at - from);
	return true;
}

static int spool_strings(
    struct qf_spool *s, char *const *strings, uint32_t *n, struct qf_err *e)
{
	for (; *strings != NULL; strings++) {
		size_t len = strlen(*strings) + 1;

		if (qf_spool_write(s, *strings, len, e) < 0)
			return e->rc;
		*n += (uint32_t)len;
	}
	return 0;
}

/* More than a record takes. */
static int spool_words(const struct qf_client *c, int *fd, struct qf_err *e)
{
	char *const name[] = {(char *)c->name, NULL};
	struct qf_spool s;

	record.head.words = record.head.environment = 0;
	record.head.flags |= QF_ASK_WORDS_FD;
	if (qf_spool_open(&s, e) < 0)
		return e->rc;
	if (spool_strings(&s, name, &record.head.words, e) < 0 ||
	    spool_strings(&s, c->argv, &record.head.words, e) < 0 ||
	    spool_strings(&s, c->environment, &record.head.environment, e) <
		0 ||
	    qf_spool_finish(&s, e) < 0) {
		qf_spool_close(&s);
		return e->rc;
	}
	*fd = above_std(s.fd);
	return 0;
}

/* Reads the envelope into the record, or, when it is large, sets c->envelope
 * to a descriptor of it. */
static int take_envelope(struct qf_client *c, size_t *at, struct qf_err *e)
{
	bool end;
	ssize_t n = take(c->envelope, record.sections, FIRST, &end, e);

	if (n < 0)
		return (int)n;
	record.head.envelope = (uint32_t)n;
	if (end) {
		*at = (size_t)n;
		return 0;
	}
	record.head.envelope = 0;
	record.head.flags |= QF_ASK_ENVELOPE_FD;
	c->envelope = seal_large(c->envelope, record.sections, (size_t)n, e);
	return c->envelope < 0 ? c->envelope : 0;
}

/* The connection as the caller himself: in a set-id program the other side
 * would see the rights that the file lends, and believe him. 1, 0 when nobody
 * is there, or a code. */
static int dial(struct qf_client *c, struct qf_err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	bool set_id = getauxval(AT_SECURE) != 0;
	uid_t uid = set_id ? geteuid() : 0;
	gid_t gid = set_id ? getegid() : 0;
	int rc, why;

	if (strlen(c->socket) >= sizeof to.sun_path)
		return qf_fail(
		    e, QF_EINVAL, "QFRONT_SOCKET: %s: too long", c->socket);
	strcpy(to.sun_path, c->socket);
	c->sock = above_std(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	if (c->sock < 0)
		return qf_fail_sys(e, QF_EPIPE, "socket");
	if (set_id && (setegid(getgid()) < 0 || seteuid(getuid()) < 0))
		return qf_fail_sys(e, QF_EPIPE, "becoming the caller");
	rc = connect(c->sock, (const struct sockaddr *)&to, sizeof to);
	why = errno;
	if (set_id && (seteuid(uid) < 0 || setegid(gid) < 0))
		return qf_fail_sys(e, QF_EPIPE, "becoming what we were");
	if (rc == 0)
		return 1;
	if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
		return 0;
	errno = why;
	return qf_fail_sys(e, QF_EPIPE,
	    "%s: can not connect; check its mode, or that of its folder",
	    c->socket);
}

static int listen_for(struct qf_client *c, struct qf_err *e)
{
	static char answer[QF_ASK_MAX];
	int fds[QF_FDPASS_MAX];
	int n = qf_fd_recv(c->sock, answer, sizeof answer, fds, &c->nfds, e);

	/* An answer that came before the request was read is still there. */
	if (n < 0 && e->sys == ECONNRESET)
		n = qf_fd_recv(
		    c->sock, answer, sizeof answer, fds, &c->nfds, e);
	if (n == 0)
		return qf_fail(e, QF_EPIPE,
		    "qfrontd went away without an answer; the message may be "
		    "queued");
	if (n < 0 || c->nfds > QF_ANSWER_FDS_MAX)
		return qf_fail(e, QF_EPIPE, "qfrontd: no answer");
	memcpy(c->fds, fds, c->nfds * sizeof *fds);
	if (qf_answer_parse(&c->answer, answer, (size_t)n, e) < 0)
		return e->rc;
	return 1;
}

static int say(struct qf_client *c, size_t n, int words, struct qf_err *e)
{
	int fds[QF_ASK_FDS_MAX] = {c->message};
	size_t nfds = 1;

	memcpy(record.head.magic, QF_ASK_MAGIC, sizeof record.head.magic);
	record.head.version = QF_ASK_VERSION;
	record.head.size = sizeof record.head;
	record.head.kind = QF_ASK_FILTER;
	if (record.head.flags & QF_ASK_ENVELOPE_FD)
		fds[nfds++] = c->envelope;
	if (record.head.flags & QF_ASK_WORDS_FD)
		fds[nfds++] = words;
	return qf_fd_send(
	    c->sock, &record, sizeof record.head + n, fds, nfds, e);
}

int qf_client_ask(struct qf_client *c, struct qf_err *e)
{
	size_t n = 0;
	int words = -1, rc;

	record.head = (struct qf_ask){0};
	if (take_envelope(c, &n, e) < 0)
		return e->rc;
	rc = c->sock < 0 ? dial(c, e) : 1;
	if (rc > 0) {
		size_t at = n;

		if (add_words(c, &at))
			n = at;
		else if (spool_words(c, &words, e) < 0)
			return e->rc;
		/* It may have said no before it heard us out. */
		if (say(c, n, words, e) < 0 && e->sys != EPIPE)
			return e->rc;
		rc = listen_for(c, e);
		if (rc < 0)
			return rc;
		if (c->answer.head.kind != QF_ANSWER_COLD)
			return 1;
	}
	if (rc < 0)
		return rc;
	if ((record.head.flags & QF_ASK_ENVELOPE_FD) == 0)
		c->envelope =
		    seal_bytes(record.sections, record.head.envelope, e);
	return c->envelope < 0 ? c->envelope : 0;
}
