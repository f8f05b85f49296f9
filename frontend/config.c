#include "frontend/config.h"

#include <string.h>

#include "lib/base/hostname.h"
#include "lib/mail/authres.h"

const struct qf_ctl_item qf_frontend_items[] = {
    {.name = "authserv-id",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, authserv_id),
	.help = "name in our Authentication-Results fields (default: me)"},
    {.name = "dialect",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, caller),
	.fallback = "auto",
	.help = "the caller: auto, indimail, notqmail, sqmail, netqmail, ldap "
		"or sagredo"},
    {.name = "log",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, log),
	.help = "where the log goes: stderr (default), syslog or none"},
    {.name = "me",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, me),
	.help = "name of this host (default: what the system says)"},
    {.name = "queueprog",
	.type = QF_CTL_STRING,
	.offset = offsetof(struct qf_frontend_config, queueprog),
	.help = "the queue program that gets the mail (default: our own)"},
    {.name = "requestsize",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, requestsize),
	.fallback = "128",
	.min = 1,
	.max = 1048576,
	.help = "MiB that a message of a user who is not in trusted-users may "
		"have for the daemon"},
    {.name = "requestsmax",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, requestsmax),
	.fallback = "1000",
	.min = 1,
	.max = 100000,
	.help = "messages that the daemon works on at a time; more are told to "
		"come later"},
    {.name = "requestsuser",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, requestsuser),
	.fallback = "50",
	.min = 1,
	.max = 100000,
	.help = "of these, from one user who is not in trusted-users"},
    {.name = "timeoutchain",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, timeoutchain),
	.fallback = "240",
	.min = 1,
	.max = 86400,
	.help = "seconds that the whole chain may take"},
    {.name = "workermemory",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, workermemory),
	.fallback = "1024",
	.min = 0,
	.max = 1048576,
	.help =
	    "MiB that a worker may use above what it starts with; 0: no limit"},
    {.name = "workermessages",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, workermessages),
	.fallback = "1000",
	.min = 1,
	.max = 1000000000,
	.help = "parts of chains after which a worker is replaced"},
    {.name = "workernewprivs",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, workernewprivs),
	.fallback = "0",
	.min = 0,
	.max = 1,
	.help = "1: programs that filters start may be set-id"},
    {.name = "workersmax",
	.type = QF_CTL_NUMBER,
	.offset = offsetof(struct qf_frontend_config, workersmax),
	.fallback = "64",
	.min = 1,
	.max = 4096,
	.help = "workers of each kind that the daemon may have"},
    {0}};

static int check_log(const struct qf_frontend_config *config,
    const struct qf_ctl *ctl, struct qf_err *e)
{
	static const char *const targets[] = {"stderr", "syslog", "none"};

	for (size_t i = 0; config->log != NULL; i++) {
		if (i == sizeof targets / sizeof *targets)
			return qf_fail(e, QF_ECONF,
			    "%s/log:1: \"%s\": use stderr, syslog or none",
			    ctl->path, config->log);
		if (strcmp(config->log, targets[i]) == 0)
			break;
	}
	return 0;
}

int qf_frontend_config_load(struct qf_frontend_config *config,
    const struct qf_ctl *ctl, struct qf_err *e)
{
	if (qf_ctl_load(ctl, qf_frontend_items, config, e) < 0)
		return QF_ECONF;
	if (config->me == NULL)
		config->me = qf_hostname();
	if (config->authserv_id == NULL)
		config->authserv_id = qf_strdup(config->me);
	if (!qf_authres_is_id(config->authserv_id))
		return qf_fail(e, QF_ECONF,
		    "%s/authserv-id:1: \"%s\": use a name such as that of "
		    "this host",
		    ctl->path, config->authserv_id);
	if (qf_dialect_read(&config->dialect, config->caller, ctl, e) < 0)
		return QF_ECONF;
	return check_log(config, ctl, e);
}

void qf_frontend_config_free(struct qf_frontend_config *config)
{
	qf_ctl_unload(qf_frontend_items, config);
}
