#include "frontend/dialect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"

enum {
	TEXT_MIN = 3 /* bytes; to callers, less is none */
};

/* One caller. */
static const struct traits {
	enum qf_dialect dialect;
	int text_code; /* announces a text; 0: reads none */
	int fd;        /* where it reads the text */
	bool moves;    /* ERROR_FD moves it */
} callers[] = {
    [QF_DIALECT_AUTO] = {QF_DIALECT_AUTO, 0, -1, false},
    [QF_DIALECT_INDIMAIL] = {QF_DIALECT_INDIMAIL, 88, 2, true},
    [QF_DIALECT_NOTQMAIL] = {QF_DIALECT_NOTQMAIL, 82, 6, false},
    [QF_DIALECT_SQMAIL] = {QF_DIALECT_SQMAIL, 0, -1, false},
    [QF_DIALECT_NETQMAIL] = {QF_DIALECT_NETQMAIL, 0, -1, false},
    [QF_DIALECT_LDAP] = {QF_DIALECT_LDAP, 82, 4, false},
    [QF_DIALECT_SAGREDO] = {QF_DIALECT_SAGREDO, 82, 4, true},
};

/* Texts. */

/* `5.7.1`: does it name a class and fit the letter? */
static bool is_status(struct qf_span s, char letter)
{
	size_t digits = 0, dots = 0;

	if (s.n < 5 || s.p[0] != (letter == 'D' ? '5' : '4') || s.p[1] != '.')
		return false;
	for (size_t i = 2; i < s.n; i++) {
		if (s.p[i] == '.' && digits > 0) {
			dots++;
			digits = 0;
		} else if (s.p[i] < '0' || s.p[i] > '9' || ++digits > 3) {
			return false;
		}
	}
	return dots == 1 && digits > 0;
}

/* One line of printable ASCII: blanks and controls become one space, any other
 * character a question mark, however many bytes it has. */
static size_t clean(const char *text, size_t n, char *out)
{
	size_t len = 0;
	bool wide = false;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		bool more = wide && c >= 0x80 && c < 0xc0;

		wide = c >= 0x80;
		if (c <= ' ' || c == 127)
			c = ' ';
		else if (c > 127)
			c = '?';
		if (!more && (c != ' ' || (len > 0 && out[len - 1] != ' ')))
			out[len++] = (char)c;
	}
	while (len > 0 && out[len - 1] == ' ')
		len--;
	return len;
}

/* Takes `(#5.7.1)` off the end of a text that has its own. */
static struct qf_span cut_status(const char *text, size_t *len)
{
	size_t at = *len;
	struct qf_span s;

	if (at < 3 || text[at - 1] != ')')
		return qf_span_n(text, 0);
	while (at > 0 && text[at - 1] != '(')
		at--;
	if (at == 0 || text[at] != '#')
		return qf_span_n(text, 0);
	s = qf_span_n(text + at + 1, *len - at - 2);
	if (!is_status(s, 'D') && !is_status(s, 'Z'))
		return qf_span_n(text, 0);
	*len = at - 1;
	while (*len > 0 && text[*len - 1] == ' ')
		(*len)--;
	return s;
}

/* Leaves it empty when the stage said nothing. */
static void compose(char *out, const struct qf_judgement *j, int code)
{
	const struct qf_qqcode *q = qf_qqcode_find(code);
	char text[QF_TEXT_SIZE];
	size_t len = clean(j->text, strnlen(j->text, sizeof j->text), text);
	struct qf_span own = cut_status(text, &len);
	struct qf_span status =
	    qf_span_n(j->status, strnlen(j->status, sizeof j->status));
	size_t room;

	if (!is_status(status, q->letter))
		status = own;
	if (!is_status(status, q->letter))
		status = qf_span(q->status);
	room = QF_REPLY_MAX - strlen("D (#)") - status.n;
	if (len > 0)
		snprintf(out, QF_REPLY_MAX + 1, "%c%.*s (#%.*s)", q->letter,
		    (int)(len < room ? len : room), text, (int)status.n,
		    status.p);
}

/* The answer by number, and what the text would be. */
static void prepare(const struct traits *t, const struct qf_judgement *j,
    int code, struct qf_reply *r)
{
	*r = (struct qf_reply){.code = qf_dialect_number(t->dialect, code),
	    .letter = qf_qqcode_find(code)->letter};
	if (j != NULL && r->letter != 'K' && t->text_code != 0)
		compose(r->text, j, code);
}

void qf_dialect_preview(enum qf_dialect d, const struct qf_judgement *j,
    int code, struct qf_reply *out)
{
	prepare(&callers[d], j, code, out);
	if (out->text[0] != '\0')
		out->code = callers[d].text_code;
}

/* Descriptors. */

/* The caller's, and nothing of ours: that would be close-on-exec, and what is
 * inherited is not. */
static bool is_callers(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return fd > STDOUT_FILENO && flags >= 0 && (flags & FD_CLOEXEC) == 0;
}

/* Nobody reads texts from a terminal or from /dev/null, which stands in for a
 * descriptor that was closed. */
static bool is_channel(int fd)
{
	struct stat st;

	return is_callers(fd) && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY &&
	       fstat(fd, &st) == 0 && !S_ISCHR(st.st_mode);
}

/* Is there room, and somebody who reads it? A pipe that can be written at all
 * takes a text whole and at once. */
static bool is_ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && p.revents == POLLOUT;
}

/* The write end of a pipe that somebody reads. */
static bool is_live_pipe(int fd)
{
	struct stat st;

	return is_channel(fd) && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	       (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY && is_ready(fd);
}

/* Where this caller reads a text: a descriptor, -1 when nowhere. */
static int text_fd(const struct traits *t, bool complain)
{
	const char *moved = t->moves ? qf_env("ERROR_FD") : NULL;
	unsigned long long fd;

	if (moved == NULL)
		return t->fd;
	if (strcmp(moved, "-1") == 0)
		return -1;
	if (qf_span_u64(qf_span(moved), INT_MAX, &fd))
		return (int)fd;
	if (complain)
		qf_log(QF_LOG_ERROR, "ERROR_FD is no descriptor",
		    QF_KS("value", moved));
	return -1;
}

/* Who is it? */
static const struct traits *resolve(enum qf_dialect d)
{
	if (d != QF_DIALECT_AUTO)
		return &callers[d];
	if (qf_env("ERROR_FD") != NULL)
		return &callers[QF_DIALECT_INDIMAIL];
	if (is_live_pipe(callers[QF_DIALECT_NOTQMAIL].fd))
		return &callers[QF_DIALECT_NOTQMAIL];
	return &callers[QF_DIALECT_AUTO];
}

bool qf_dialect_reads_stderr(enum qf_dialect d)
{
	return text_fd(resolve(d), false) == STDERR_FILENO;
}

static bool give(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t w;

	if (!is_channel(fd) || !is_ready(fd))
		return false;
	do {
		w = send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (w < 0 && errno == ENOTSOCK)
			w = write(fd, text, n);
	} while (w < 0 && errno == EINTR);
	return w >= 0 && (size_t)w == n;
}

int qf_dialect_answer(enum qf_dialect d, const struct qf_judgement *j, int code)
{
	const struct traits *t = resolve(d);
	struct qf_reply r;
	int fd;

	prepare(t, j, code, &r);
	if (r.text[0] == '\0')
		return r.code;
	fd = text_fd(t, true);
	if (fd < 0)
		return r.code;
	if (give(fd, r.text))
		return t->text_code;
	qf_log(QF_LOG_WARN, "text not given",
	    QF_KS("dialect", qf_dialect_name(t->dialect)),
	    QF_KD("descriptor", fd), QF_KS("text", r.text));
	return r.code;
}

/* What is started beside others. */

size_t qf_dialect_text_fds(enum qf_dialect d, int fds[QF_TEXT_FDS])
{
	int moved = text_fd(&callers[QF_DIALECT_INDIMAIL], false);
	size_t n = 0;

	fds[n++] = callers[QF_DIALECT_LDAP].fd;
	fds[n++] = callers[QF_DIALECT_NOTQMAIL].fd;
	if (qf_dialect_reads_stderr(d))
		fds[n++] = STDERR_FILENO;
	if (moved > STDERR_FILENO && moved != fds[0] && moved != fds[1] &&
	    is_callers(moved))
		fds[n++] = moved;
	return n;
}

int qf_dialect_hear(int exit_code, int file, struct qf_judgement *j)
{
	char text[sizeof j->text];
	ssize_t n;

	*j = (struct qf_judgement){0};
	if (exit_code != callers[QF_DIALECT_NOTQMAIL].text_code &&
	    exit_code != callers[QF_DIALECT_INDIMAIL].text_code)
		return exit_code;
	n = pread(file, text, sizeof text - 1, 0);
	if (n < TEXT_MIN)
		return exit_code;
	text[n] = '\0';
	j->class_ = text[0] == 'D' ? QF_REJECT : QF_DEFER;
	snprintf(j->text, sizeof j->text, "%s", text + 1);
	return j->class_ == QF_REJECT ? 31 : 71;
}
