#include "queue/serve.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/fdpass.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/mail/qqcode.h"
#include "lib/mail/storereq.h"
#include "queue/accept.h"
#include "queue/settings.h"

/* One request as it came. */
struct request {
	struct qf_storereq head;
	int fds[QF_FDPASS_MAX];
	size_t nfds;
};

static bool is_sound(const struct request *r, int n)
{
	const struct qf_storereq *h = &r->head;

	return n == (int)sizeof *h && h->size == sizeof *h && h->client <= 1 &&
	       h->groups >= 1 && h->groups <= QF_ANSWER_GROUPS_MAX &&
	       r->nfds == h->client + 2 * (size_t)h->groups &&
	       memchr(h->scope, '\0', sizeof h->scope) != NULL;
}

/* Is there still somebody who waits for the answer? */
static bool is_wanted(void *arg)
{
	struct pollfd p = {.fd = *(const int *)arg, .events = POLLRDHUP};

	return p.fd < 0 || poll(&p, 1, 0) <= 0 ||
	       (p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) == 0;
}

/* The answer that the message is safe comes from who made it so. */
static void answer_client(int client)
{
	struct qf_answer a = {.version = QF_ASK_VERSION,
	    .size = sizeof a,
	    .kind = QF_ANSWER_DONE};

	memcpy(a.magic, QF_ANSWER_MAGIC, sizeof a.magic);
	if (send(client, &a, sizeof a, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		qf_log(QF_LOG_WARN, "client gone after its message was queued",
		    QF_KS("answer", "lost"));
}

static struct qf_storeres carry_out(
    struct qf_store *st, struct qf_queue_settings *settings, struct request *r)
{
	struct qf_storeres result = {.size = sizeof result};
	int client = r->head.client ? r->fds[0] : -1;
	const int *fds = r->fds + r->head.client;
	struct qf_accept a;
	struct qf_err e;
	int rc;

	qf_accept_init(&a, r->head.groups);
	a.uid = (uid_t)r->head.uid;
	a.pid = (long)r->head.pid;
	a.origin = qf_origins_find(&settings->origins, a.uid);
	qf_queue_settings_heed(settings, a.origin);
	a.shared = true;
	a.wanted = is_wanted;
	a.arg = &client;
	for (size_t i = 0; i < a.n; i++) {
		a.group[i].message = fds[2 * i];
		a.group[i].envelope = fds[2 * i + 1];
	}
	rc = qf_accept_all(st, &a, &e);
	if (rc == 0 && client >= 0) {
		answer_client(client);
		result.answered = 1;
	}
	if (rc == 0)
		qf_accept_log(&a);
	result.hung_up = rc == QF_ENOENT && !is_wanted(&client);
	if (rc < 0 && result.hung_up == 0) {
		qf_log_err("message not queued", &e);
		result.code = qf_qqcode_of_error(rc);
	}
	qf_accept_free(&a);
	return result;
}

/* The queue is opened when it is first wanted, and anew after trouble: it may
 * be another one by then. Control files count from the next message on. */
static struct qf_storeres commit(struct qf_store **st, struct request *r)
{
	static struct qf_queue_settings settings;
	struct qf_storeres result = {.size = sizeof result};
	struct qf_err e;
	int rc = qf_queue_settings_load(&settings, &e);

	if (rc == 0 && *st == NULL)
		rc = qf_store_dir.open(st, qf_dir(QF_DIR_QUEUE),
		    QF_STORE_INTAKE, &settings.store, &e);
	if (rc < 0) {
		qf_log_err("queue not opened", &e);
		result.code = qf_qqcode_of_error(e.rc);
		return result;
	}
	result = carry_out(*st, &settings, r);
	if (result.code != 0)
		qf_store_dir.close(st);
	return result;
}

int qf_serve_main(void)
{
	struct qf_store *st = NULL;
	struct request r;
	struct qf_err e;
	int n;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Where all roles are one user, nobody else looks into its memory. */
	prctl(PR_SET_DUMPABLE, 0);
	fcntl(QF_STOREREQ_FD, F_SETFD, FD_CLOEXEC);
	while ((n = qf_fd_recv(QF_STOREREQ_FD, &r.head, sizeof r.head, r.fds,
		    &r.nfds, &e)) != 0) {
		struct qf_storeres result = {.size = sizeof result, .code = 81};

		if (n < 0 && e.rc != QF_EPROTO)
			break;
		if (is_sound(&r, n)) {
			qf_log_scope(r.head.scope);
			result = commit(&st, &r);
			qf_log_scope(NULL);
		} else {
			qf_log(QF_LOG_ERROR, "request not understood",
			    QF_KD("bytes", n), QF_KU("fds", r.nfds));
		}
		for (size_t i = 0; i < r.nfds; i++)
			qf_close(&r.fds[i]);
		if (qf_fd_send(QF_STOREREQ_FD, &result, sizeof result, NULL, 0,
			&e) < 0)
			break;
	}
	if (st != NULL)
		qf_store_dir.close(&st);
	return n == 0 ? 0 : 81;
}
