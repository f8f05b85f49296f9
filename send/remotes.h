/*
 * The control file `remotes` (nullmailer-send(8)): the servers that take our
 * mail, one a line, tried in this order:
 *
 *	HOST [PROTOCOL [OPTION...]]
 */
#ifndef QF_SEND_REMOTES_H
#define QF_SEND_REMOTES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/ctl.h"
#include "lib/base/err.h"
#include "lib/base/strv.h"

struct qf_remote {
	unsigned line; /* in the file; 0: a route */
	char *host;
	char *protocol;         /* file name of the module */
	struct qf_strv options; /* as the module reads them, without `--` */
};

struct qf_remotes {
	struct qf_remote *v;
	size_t n;
	bool exposed; /* others than owner and group can read the file */
};

/* Replaces what out holds: 1, 0 when there is no remote, or QF_ECONF with out
 * empty. No remote that follows a wrong line is used either. */
int qf_remotes_load(
    const struct qf_ctl *c, struct qf_remotes *out, struct qf_err *e);
/* The server of a route (lib/mail/attrs.h), by the module smtp; QF_EFORMAT with
 * out empty. */
int qf_remote_of_route(
    struct qf_remote *out, const char *route, struct qf_err *e);
void qf_remote_free(struct qf_remote *r);   /* leaves it empty */
void qf_remotes_free(struct qf_remotes *r); /* leaves it empty */

#endif
