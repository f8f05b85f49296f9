#include "lib/mail/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"
#include "lib/base/program.h"
#include "lib/mail/qqcode.h"

extern char **environ;

enum {
	DAY_MS = 86400 * 1000,
	STOP_MS = 5000,   /* from TERM to KILL */
	ABORT_MS = 60000, /* for a program that was told to give up */
	READ_MAX = 4096,
	DRAIN_MAX = 1 << 20, /* what a pipe can hold */
	LOG_MAX = 65536,     /* of one line on descriptor 2 */
	ANSWER_MAX = 4096,   /* of what is kept from descriptor 6 */
	TEXT_MIN = 3,        /* a shorter text is none */
	TEXT_MAX = 250,
	CODE_FD6 = 82, /* the answer stands on descriptor 6 */
	CODE_FD2 = 88  /* the answer stands on descriptor 2 */
};

struct qf_submit {
	struct qf_child child;
	long pid;
	int64_t deadline;
	int message, envelope; /* we write */
	int log, answer;       /* we read: descriptors 2 and 6 of the program */
	int status;            /* once child.pid is 0 */
	struct qf_buf line;    /* the last line of the log so far */
	struct qf_buf heard;   /* the start of the answer */
	bool failed;           /* not everything could be written */
	bool late;             /* the deadline passed */
	bool lost;             /* the status could not be had */
};

/* A reader that went away is an error of write(), not a signal: its exit code
 * still says why. */
struct quiet {
	sigset_t pipe, before;
	bool pending;
};

static void quiet_begin(struct quiet *q)
{
	sigset_t pending;

	sigemptyset(&q->pipe);
	sigaddset(&q->pipe, SIGPIPE);
	sigpending(&pending);
	q->pending = sigismember(&pending, SIGPIPE) == 1;
	sigprocmask(SIG_BLOCK, &q->pipe, &q->before);
}

static void quiet_end(const struct quiet *q)
{
	const struct timespec now = {0};
	int saved = errno;

	if (!q->pending) {
		while (sigtimedwait(&q->pipe, NULL, &now) < 0 && errno == EINTR)
			;
	}
	sigprocmask(SIG_SETMASK, &q->before, NULL);
	errno = saved;
}

/* The words of the command to run. */
static int choose(struct qf_strv *argv, const struct qf_submit_options *options,
    struct qf_err *e)
{
	const char *env = qf_env("QMAILQUEUE");
	struct qf_buf path = QF_BUF_INIT;
	struct qf_err why;

	if (options->argv != NULL) {
		for (char *const *word = options->argv; *word != NULL; word++)
			qf_strv_add(argv, *word);
		return 0;
	}
	if (options->program != NULL) {
		qf_strv_add(argv, options->program);
		return 0;
	}
	/* NULLQUEUE beats QMAILQUEUE, and qfront obeys it. */
	if (env == NULL || *env == '\0' || qf_env("NULLQUEUE") != NULL) {
		qf_dir_join(&path, QF_DIR_SBIN, "qfront");
		qf_strv_add(argv, path.s);
		qf_buf_free(&path);
		return 0;
	}
	if (qf_program_words(argv, env, &why) < 0)
		return qf_fail(
		    e, QF_EEXEC, "QMAILQUEUE \"%s\": %s", env, why.text);
	return 0;
}

static bool custom_text_is_off(void)
{
	const char *fd = getenv("ERROR_FD");

	return fd != NULL && strcmp(fd, "-1") == 0;
}

/* Our environment, but for an ERROR_FD that names a descriptor of ours: the
 * program has its text on 2. */
static char **child_environment(void)
{
	char **envp;
	size_t n = 0, kept = 0;

	while (environ[n] != NULL)
		n++;
	envp = qf_realloc_array(NULL, n + 1, sizeof *envp);
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "ERROR_FD=", 9) != 0 ||
		    strcmp(environ[i] + 9, "-1") == 0)
			envp[kept++] = environ[i];
	}
	envp[kept] = NULL;
	return envp;
}

/* Starts it with the far ends of the four pipes. */
static int start(
    struct qf_submit *s, const char *path, char *const *argv, struct qf_err *e)
{
	int m[2] = {-1, -1}, v[2] = {-1, -1}, l[2] = {-1, -1}, a[2] = {-1, -1};
	char **envp = child_environment();
	int rc = QF_EPIPE;

	if (qf_pipe(m, e) < 0 || qf_pipe(v, e) < 0 || qf_pipe(l, e) < 0 ||
	    qf_pipe(a, e) < 0)
		goto out;
	fcntl(m[1], F_SETFL, O_NONBLOCK);
	fcntl(v[1], F_SETFL, O_NONBLOCK);
	fcntl(l[0], F_SETFL, O_NONBLOCK);
	fcntl(a[0], F_SETFL, O_NONBLOCK);
	rc = qf_child_start(&s->child,
	    &(struct qf_child_spec){.path = path,
		.argv = argv,
		.envp = envp,
		.fds = (const struct qf_child_fd[]){{0, m[0]}, {1, v[0]},
		    {2, l[1]}, {6, a[1]}},
		.nfds = 4,
		.group = true},
	    e);
	if (rc < 0)
		goto out;
	s->pid = s->child.pid;
	s->message = m[1];
	s->envelope = v[1];
	s->log = l[0];
	s->answer = a[0];
	m[1] = v[1] = l[0] = a[0] = -1;
out:
	for (int i = 0; i < 2; i++) {
		qf_close(&m[i]);
		qf_close(&v[i]);
		qf_close(&l[i]);
		qf_close(&a[i]);
	}
	free(envp);
	return rc;
}

static void release(struct qf_submit **sp)
{
	struct qf_submit *s = *sp;

	qf_close(&s->message);
	qf_close(&s->envelope);
	qf_close(&s->log);
	qf_close(&s->answer);
	qf_buf_free(&s->line);
	qf_buf_free(&s->heard);
	free(s);
	*sp = NULL;
}

int qf_submit_open(struct qf_submit **out,
    const struct qf_submit_options *options, struct qf_err *e)
{
	static const struct qf_submit_options defaults = {0};
	struct qf_submit *s = qf_alloc(sizeof *s);
	struct qf_buf path = QF_BUF_INIT;
	struct qf_strv argv = {0};
	int rc;

	if (options == NULL)
		options = &defaults;
	*s = (struct qf_submit){.child = QF_CHILD_NONE,
	    .message = -1,
	    .envelope = -1,
	    .log = -1,
	    .answer = -1,
	    .line = QF_BUF_INIT,
	    .heard = QF_BUF_INIT_MAX(ANSWER_MAX)};
	s->deadline =
	    options->deadline != 0 ? options->deadline : qf_deadline_in(DAY_MS);
	rc = choose(&argv, options, e);
	if (rc == 0)
		rc = qf_program_find(&path, argv.v[0], e);
	if (rc == 0)
		rc = start(s, path.s, argv.v, e);
	qf_buf_free(&path);
	qf_strv_free(&argv);
	*out = s;
	if (rc < 0)
		release(out);
	return rc;
}

/* Passes on what the program logged, as if it had our descriptor 2. A log
 * that can not be written is no reason to stop mail. */
static void pass_on(const char *p, size_t n)
{
	if (n > 0 && qf_write_all(STDERR_FILENO, p, n) < 0)
		return;
}

/* Where the last line of b that is not empty starts. */
static size_t last_line(const struct qf_buf *b)
{
	size_t end = b->len;
	const char *lf;

	while (end > 0 && (b->s[end - 1] == '\n' || b->s[end - 1] == '\r'))
		end--;
	lf = end > 0 ? memrchr(b->s, '\n', end) : NULL;
	return lf != NULL ? (size_t)(lf - b->s) + 1 : 0;
}

/* Any line may turn out to be the last one, and so the answer: it is kept
 * until the next one comes. */
static void hear_log(struct qf_submit *s, const char *p, size_t n)
{
	size_t at;

	qf_buf_add(&s->line, p, n);
	at = last_line(&s->line);
	pass_on(s->line.s, at);
	memmove(s->line.s, s->line.s + at, s->line.len - at + 1);
	s->line.len -= at;
	if (s->line.len > LOG_MAX) {
		pass_on(s->line.s + LOG_MAX, s->line.len - LOG_MAX);
		s->line.len = LOG_MAX;
		s->line.s[LOG_MAX] = '\0';
	}
}

static void hear_answer(struct qf_submit *s, const char *p, size_t n)
{
	size_t room = ANSWER_MAX - s->heard.len;

	qf_buf_add(&s->heard, p, n < room ? n : room);
}

/* Reads once from the log or the answer: bytes, 0 when there are none. */
static size_t hear(struct qf_submit *s, int *fd)
{
	char chunk[READ_MAX];
	ssize_t r;

	if (*fd < 0)
		return 0;
	r = qf_read(*fd, chunk, sizeof chunk);
	if (r == 0 || (r < 0 && errno != EAGAIN))
		qf_close(fd);
	if (r <= 0)
		return 0;
	if (fd == &s->log)
		hear_log(s, chunk, (size_t)r);
	else
		hear_answer(s, chunk, (size_t)r);
	return (size_t)r;
}

static bool has_ended(struct qf_submit *s)
{
	int rc;

	if (s->child.pid == 0)
		return true;
	rc = qf_child_wait(&s->child, 0, &s->status, NULL);
	if (rc == QF_EBUG)
		s->lost = true;
	return s->child.pid == 0;
}

/* Waits until there is room in `to` (-1: never), something to hear, the
 * program ended, or it is too late. */
static void wait_for_news(struct qf_submit *s, int to)
{
	struct pollfd p[] = {
	    {.fd = to, .events = POLLOUT},
	    {.fd = s->log, .events = POLLIN},
	    {.fd = s->answer, .events = POLLIN},
	    {.fd = s->child.pidfd, .events = POLLIN},
	};

	if (qf_deadline_poll(s->deadline) == 0) {
		s->late = true;
		return;
	}
	if (poll(p, sizeof p / sizeof *p,
		qf_child_poll(&s->child, s->deadline)) < 0)
		return;
	if (p[1].revents != 0)
		hear(s, &s->log);
	if (p[2].revents != 0)
		hear(s, &s->answer);
}

/* Writes all of it while listening, so that neither side waits for the other
 * for ever. */
static void feed(struct qf_submit *s, int to, const char *p, size_t n)
{
	while (n > 0 && !s->failed) {
		ssize_t w = write(to, p, n);

		if (w >= 0) {
			p += w;
			n -= (size_t)w;
		} else if (errno == EAGAIN) {
			wait_for_news(s, to);
			s->failed = s->late || has_ended(s);
		} else if (errno != EINTR) {
			s->failed = true;
		}
	}
}

void qf_submit_write(struct qf_submit *s, const void *p, size_t n)
{
	struct quiet q;

	quiet_begin(&q);
	feed(s, s->message, p, n);
	quiet_end(&q);
}

/* Waits for the end and hears what there is to hear. A process that the
 * program left behind may hold the pipes: they are not read to their ends. */
static void finish(struct qf_submit *s)
{
	size_t n = 0;

	qf_close(&s->message);
	qf_close(&s->envelope);
	while (!s->late && !has_ended(s))
		wait_for_news(s, -1);
	if (s->late)
		qf_child_stop(&s->child, STOP_MS, &s->status);
	for (size_t r = 1; r > 0 && n < DRAIN_MAX; n += r)
		r = hear(s, &s->log) + hear(s, &s->answer);
}

static int exit_code(const struct qf_submit *s)
{
	bool exited = WIFEXITED(s->status);

	if (s->lost)
		return 122;
	if (exited && WEXITSTATUS(s->status) == 0 && !s->failed)
		return 0;
	if (s->late)
		return qf_qqcode_of_error(QF_ETIME);
	if (!exited)
		return qf_qqcode_of_error(QF_ECRASH);
	if (WEXITSTATUS(s->status) == 0)
		return qf_qqcode_of_error(QF_EREAD);
	return WEXITSTATUS(s->status);
}

/* A text of the program's own, made harmless. False: it is none. */
static bool take_text(struct qf_submit_result *result, struct qf_span text)
{
	size_t n = 0;

	text = qf_span_trim(text);
	if (text.n < TEXT_MIN)
		return false;
	result->letter = text.p[0] == 'D' ? 'D' : 'Z';
	if (text.p[0] == 'D' || text.p[0] == 'Z') {
		text.p++;
		text.n--;
	}
	for (; n < text.n && n < TEXT_MAX; n++) {
		char c = text.p[n] == '\t' ? ' ' : text.p[n];

		result->text[n] = c >= ' ' && c < 127 ? c : '?';
	}
	result->text[n] = '\0';
	return true;
}

static struct qf_span first_line(const struct qf_buf *b)
{
	struct qf_span rest = qf_span_trim(qf_buf_span(b)), line;

	return qf_span_cut(&rest, '\n', &line) ? line : rest;
}

static void judge(struct qf_submit *s, struct qf_submit_result *result)
{
	const struct qf_qqcode *known;

	*result =
	    (struct qf_submit_result){.code = exit_code(s), .pid = s->pid};
	if (result->code == CODE_FD2 && !custom_text_is_off() &&
	    take_text(result, qf_buf_span(&s->line)))
		return;
	pass_on(s->line.s, s->line.len);
	if (result->code == CODE_FD6 &&
	    take_text(result, first_line(&s->heard)))
		return;
	known = qf_qqcode_find(result->code);
	result->letter = known->letter;
	snprintf(result->text, sizeof result->text, "%s", known->text);
}

void qf_submit_close(struct qf_submit **sp, const struct qf_envelope *env,
    struct qf_submit_result *result)
{
	struct qf_submit *s = *sp;
	struct qf_buf bytes = QF_BUF_INIT;
	struct quiet q;

	quiet_begin(&q);
	qf_close(&s->message);
	qf_envelope_format(env, &bytes);
	/* Never after a failure: part of a message would be queued. */
	feed(s, s->envelope, bytes.s, bytes.len);
	qf_buf_free(&bytes);
	finish(s);
	judge(s, result);
	release(sp);
	quiet_end(&q);
}

void qf_submit_abort(struct qf_submit **sp)
{
	struct qf_submit *s = *sp;
	int64_t soon = qf_deadline_in(ABORT_MS);
	struct quiet q;

	quiet_begin(&q);
	if (s->deadline > soon)
		s->deadline = soon;
	finish(s);
	pass_on(s->line.s, s->line.len);
	release(sp);
	quiet_end(&q);
}
