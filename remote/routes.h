/*
 * The control file `smtproutes` (qmail-remote(8)): `domain:relay`, where the
 * relay may have a port, and options of the module `smtp` behind it.
 */
#ifndef QF_REMOTE_ROUTES_H
#define QF_REMOTE_ROUTES_H

#include <stdbool.h>

#include "lib/base/ctl.h"
#include "lib/base/err.h"
#include "remote/smtp_options.h"

/* What applies to a host. Options hold the relay as host, and its port; all
 * of it points into the route, which qf_route_free() empties. */
struct qf_route_to {
	bool is_relay; /* false: the host's mail exchangers */
	struct qf_smtp_options options;
	struct qf_strv words;
	unsigned line; /* of the file; 0: none */
};

/*
 * The route of a host: the line of its name, else of each part of it from a
 * dot on, the dot included, else of the empty name; of several such lines the
 * last. Letters' case does not matter. 0, also when there is none; QF_ECONF,
 * and e names the line.
 */
int qf_route_find(struct qf_route_to *out, const struct qf_lines *lines,
    const char *host, struct qf_err *e);
/* The route that a line makes, for a host that it is for: 0 or QF_ECONF. */
int qf_route_of_line(struct qf_route_to *out, const struct qf_line *line,
    const char *host, struct qf_err *e);
/* Puts in front of an error that it is about a line of the file. */
void qf_route_context(struct qf_err *e, unsigned line);
void qf_route_free(struct qf_route_to *r);

#endif
