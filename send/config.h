/*
 * The settings of the sender: read anew for each run of the queue.
 */
#ifndef QF_SEND_CONFIG_H
#define QF_SEND_CONFIG_H

#include "lib/base/ctl.h"
#include "lib/base/err.h"
#include "queue/expire.h"
#include "send/remotes.h"

struct qf_send_config {
	long long pausetime, maxpause;        /* seconds */
	long long sendtimeout, queuelifetime; /* seconds */
	char *me, *helohost;                  /* never NULL once loaded */
	char *bounceto;                       /* or NULL */
	struct qf_remotes remotes;
	struct qf_expire_limits held;
};

/* The control files but `remotes` and those of held mail
 * (queue/expire.h). */
extern const struct qf_ctl_item qf_send_settings[];

/* The values without any control file. */
void qf_send_config_init(struct qf_send_config *cfg);
/*
 * Reads CONTROLDIR: 0 or QF_ECONF. On failure there are no remotes: an older
 * list is not used, since mail could reach a server that was taken out of it.
 * Settings that could not be read keep their old values.
 */
int qf_send_config_load(
    struct qf_send_config *cfg, const char *dir, struct qf_err *e);
void qf_send_config_free(struct qf_send_config *cfg);

#endif
