/*
 * Where things are. Each directory has a compiled-in place; state and
 * configuration move with a variable of the environment, which set-id
 * programs ignore (getauxval(3), AT_SECURE).
 *
 * Programs and plugins also move with the program that asks: started from
 * ROOT/usr/sbin where /usr/sbin was compiled in, it finds the others below
 * ROOT, so an unpacked package or a DESTDIR runs where it stands.
 */
#ifndef QF_BASE_PATHS_H
#define QF_BASE_PATHS_H

#include <stdbool.h>

#include "lib/base/buf.h"

enum qf_dir {
	QF_DIR_CONTROL,   /* $CONTROLDIR */
	QF_DIR_QUEUE,     /* $QUEUEDIR */
	QF_DIR_PLUGINS,   /* $PLUGINDIR */
	QF_DIR_PROTOCOLS, /* $PROTOCOLDIR */
	QF_DIR_COMPAT,    /* qfront under the names of other front ends */
	QF_DIR_LIBEXEC,   /* programs that only programs call */
	QF_DIR_SBIN
};

/* The directory, absolute, valid for the life of the process. */
const char *qf_dir(enum qf_dir dir);
/* Finds all of them now: what the environment says later does not count. */
void qf_dir_settle(void);
/* Appends DIR/name. */
void qf_dir_join(struct qf_buf *out, enum qf_dir dir, const char *name);

/* Has the environment moved configuration or queue? Then mail is test mail, and
 * must never enter production. */
bool qf_places_moved(void);

/* The socket of qfrontd: QFRONT_SOCKET, else the compiled-in one. NULL when no
 * daemon is to be asked: QFRONT_SOCKET=none, or CONTROLDIR or QUEUEDIR without
 * QFRONT_SOCKET. */
const char *qf_socket_path(void);
/* The file of the counters: QFRONT_METRICS, else the compiled-in one; NULL as
 * for the socket. */
const char *qf_metrics_path(void);

/* May the environment choose places? False in set-id programs. */
bool qf_env_trusted(void);
/* getenv() for what a caller says: NULL in a set-id program, until it vouches
 * for its environment. Places come from qf_dir() alone. */
const char *qf_env(const char *name);
/* A set-id program has taken out of its environment what its caller may not
 * say. */
void qf_env_vouch(void);

#endif
