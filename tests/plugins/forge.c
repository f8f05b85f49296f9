/*
 * A plugin that speaks to the dispatcher in its worker's place, as hostile
 * bytes could make a parser do: one forged report per value of its setting
 * `do`. None may let the message through or refuse it for good.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <qfront/plugin.h>
#include "frontend/worker.h"

enum {
	FDS = 4,
	SEALS = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
};

struct forged {
	struct qf_report report;
	int fds[FDS];
	size_t nfds;
};

static int memory(const char *bytes, size_t n, bool sealed)
{
	int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n ||
	    lseek(fd, 0, SEEK_SET) < 0 ||
	    (sealed && fcntl(fd, F_ADD_SEALS, SEALS) < 0))
		_exit(1);
	return fd;
}

static int silent_pipe(void)
{
	int p[2];

	if (pipe(p) < 0)
		_exit(1);
	return p[0];
}

static void skip(struct forged *f)
{
	f->report.stage = 2;
}

static void far(struct forged *f)
{
	f->report.stage = 4000000000u;
}

static void nowhere(struct forged *f)
{
	f->report.kind = 99;
}

static void again(struct forged *f)
{
	f->report.kind = QF_REPORT_BEGIN;
	f->report.stage = 0;
}

static void leap(struct forged *f)
{
	f->report.kind = QF_REPORT_BEGIN;
	f->report.stage = 2;
}

static void other_verdict(struct forged *f)
{
	f->report.stage = 1;
	f->report.judgement.class_ = QF_DISCARD;
}

static void odd_class(struct forged *f)
{
	f->report.judgement.class_ = 99;
	f->report.judgement.category = 99;
	f->report.judgement.code = 31;
}

static void odd_error(struct forged *f)
{
	f->report.stage = 1;
	f->report.error.rc = 5;
}

static void permanent_error(struct forged *f)
{
	f->report.error.rc = QF_ETOOLONG;
}

static void endless_text(struct forged *f)
{
	f->report.error.rc = QF_ECONF;
	memset(f->report.error.text, 'x', sizeof f->report.error.text);
}

static void unsealed(struct forged *f)
{
	f->report.stage = 1;
	f->report.message_edited = 1;
	f->fds[f->nfds++] = memory("x", 1, false);
}

static void endless_message(struct forged *f)
{
	f->report.stage = 1;
	f->report.message_edited = 1;
	f->fds[f->nfds++] = silent_pipe();
}

static void endless_envelope(struct forged *f)
{
	f->report.stage = 1;
	f->report.envelope_edited = 1;
	f->fds[f->nfds++] = silent_pipe();
}

static void many(struct forged *f)
{
	f->report.stage = 1;
	f->report.message_edited = 2;
	for (f->nfds = 0; f->nfds < 2; f->nfds++)
		f->fds[f->nfds] = memory("x", 1, true);
}

static void missing(struct forged *f)
{
	f->report.stage = 1;
	f->report.message_edited = 1;
}

static void long_address(struct forged *f)
{
	char bytes[2000];

	memset(bytes, 'F', sizeof bytes);
	f->report.stage = 1;
	f->report.envelope_edited = 1;
	f->fds[f->nfds++] = memory(bytes, sizeof bytes, true);
}

static const struct act {
	const char *name;
	void (*forge)(struct forged *f);
} acts[] = {
    {"skip", skip},
    {"far", far},
    {"nowhere", nowhere},
    {"again", again},
    {"leap", leap},
    {"other-verdict", other_verdict},
    {"odd-class", odd_class},
    {"odd-error", odd_error},
    {"permanent-error", permanent_error},
    {"endless-text", endless_text},
    {"unsealed", unsealed},
    {"endless-message", endless_message},
    {"endless-envelope", endless_envelope},
    {"many", many},
    {"missing", missing},
    {"long-address", long_address},
};

static int find_socket(void)
{
	struct stat st;

	for (int fd = 3; fd < 64; fd++) {
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			return fd;
	}
	_exit(1);
}

static void send_forged(const struct forged *f)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {(void *)&f->report, sizeof f->report};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (f->nfds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(f->nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(f->nfds * sizeof(int));
		memcpy(CMSG_DATA(c), f->fds, f->nfds * sizeof(int));
	}
	if (sendmsg(find_socket(), &msg, MSG_NOSIGNAL) < 0)
		_exit(1);
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct qf_span act;

	if (h->conf_get(c, "do", &act) < 0)
		return QF_ECONF;
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		if (strlen(acts[i].name) == act.n &&
		    memcmp(acts[i].name, act.p, act.n) == 0) {
			*state = (void *)&acts[i];
			return 0;
		}
	}
	return QF_ECONF;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct act *act = state;
	struct forged f = {.report = {.kind = QF_REPORT_RESULT}};

	(void)h;
	(void)m;
	act->forge(&f);
	send_forged(&f);
	_exit(0);
}

static const struct qf_setting settings[] = {
    {"do", "what to forge", 0, 0}, {NULL, NULL, 0, 0}};

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "forge",
    .version = "1",
    .summary = "forges what its worker says",
    .settings = settings,
    .init = init,
    .message = message,
};
