#include "daemon/leave.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "lib/base/spool.h"
#include "queue/drop.h"

extern char **environ;

static void find_program(struct qf_buf *path)
{
	qf_dir_join(path, QF_DIR_LIBEXEC, "qfront-drop");
}

/* Has the operator given it the rights that it needs? */
static bool has_program(void)
{
	struct qf_buf path = QF_BUF_INIT;
	struct stat st;
	bool found;

	find_program(&path);
	found = stat(path.s, &st) == 0 && S_ISREG(st.st_mode) &&
		(st.st_mode & S_ISGID) != 0 && access(path.s, X_OK) == 0;
	qf_buf_free(&path);
	return found;
}

/* The queue is there, and not for us to write. */
static bool is_shut_out(void)
{
	struct qf_buf path = QF_BUF_INIT;
	bool out;

	/* The dot makes it a folder or an error. */
	qf_dir_join(&path, QF_DIR_QUEUE, "mess/.");
	out = faccessat(AT_FDCWD, path.s, W_OK | X_OK, AT_EACCESS) < 0 &&
	      errno == EACCES;
	qf_buf_free(&path);
	return out;
}

/* What a trusted user says of where his mail comes from would be lost, and with
 * it the filters for mail from there: his caller tries again later. */
static bool is_stranger(const struct qf_setup *s)
{
	struct qf_trust t;
	struct qf_err e;
	bool stranger;

	if (s->caller.met || qf_trust_load(&t, &s->ctl, &e) < 0)
		return false;
	stranger = !qf_trust_holds(&t, getuid()) && geteuid() != 0;
	qf_trust_free(&t);
	return stranger;
}

bool qf_leave_applies(const struct qf_setup *s, char *const *argv)
{
	bool chosen =
	    s->as != NULL || argv[0] != NULL || s->next.variable != NULL;

	return s->next.builtin && !chosen && !qf_places_moved() &&
	       is_shut_out() && has_program() && qf_drop_is_there() &&
	       is_stranger(s);
}

int qf_leave_exec(struct qf_setup *s, int message,
    const struct qf_envelope *envelope, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	struct qf_next drop = {0};
	struct qf_spool spool = QF_SPOOL_INIT;

	find_program(&path);
	qf_strv_add(&drop.argv, path.s);
	qf_log(QF_LOG_INFO, "no daemon, left for it", QF_KS("to", path.s),
	    QF_KS("from", qf_envelope_sender(envelope)),
	    QF_KU("rcpts", envelope->nrcpt));
	/* What the daemon would not hear from him is lost here too. */
	unsetenv("QFRONT_LOG"); /* ours by now */
	s->caller.uid = getuid();
	s->caller.ndropped =
	    qf_trust_filter(environ, false, &s->caller.dropped);
	qf_trust_log(&s->caller);
	if (qf_envelope_spool_attrs(envelope, &spool, e) == 0)
		qf_next_exec(&drop, message, spool.fd, e);
	qf_spool_close(&spool);
	qf_next_free(&drop);
	qf_buf_free(&path);
	return e->rc;
}
