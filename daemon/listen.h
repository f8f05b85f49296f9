/*
 * The socket that clients connect to: made here, or inherited from a service
 * manager (sd_listen_fds(3)).
 */
#ifndef QF_DAEMON_LISTEN_H
#define QF_DAEMON_LISTEN_H

#include <stdbool.h>

#include "lib/base/err.h"

struct qf_listener {
	int fd;
	int lock;   /* holds the place against a second daemon */
	char *path; /* that we made, or NULL */
};

/* clang-format off */
#define QF_LISTENER_NONE {.fd = -1, .lock = -1}
/* clang-format on */

/* Inherits it, or makes it at `path` in place of one that nobody listens to.
 * QF_EPERM when another daemon does; QF_EPIPE, QF_EINVAL. */
int qf_listen(struct qf_listener *l, const char *path, struct qf_err *e);
/* From now on nobody new finds it. */
void qf_listen_hide(struct qf_listener *l);
void qf_listen_close(struct qf_listener *l);

#endif
