#include "send/check.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "send/config.h"

/* Can the module that a remote names be run? */
static bool check_module(
    const struct qf_remote *r, const char *control, const char *protocols)
{
	struct qf_buf path = QF_BUF_INIT;
	bool good;

	qf_buf_addf(&path, "%s/%s", protocols, r->protocol);
	good = access(path.s, X_OK) == 0;
	if (!good)
		printf("%s/remotes:%u: there is no protocol module %s; "
		       "correct the name, or install it\n",
		    control, r->line, path.s);
	qf_buf_free(&path);
	return good;
}

bool qf_send_check(const char *control, const char *protocols)
{
	struct qf_send_config cfg;
	struct qf_err e;
	bool good = true;

	qf_send_config_init(&cfg);
	if (qf_send_config_load(&cfg, control, &e) < 0) {
		printf("%s\n", e.text);
		good = false;
	} else if (cfg.remotes.n == 0) {
		printf("remotes: none; queued mail waits\n");
	} else {
		printf("remotes: %zu, tried in order\n", cfg.remotes.n);
	}
	for (size_t i = 0; i < cfg.remotes.n; i++)
		good &= check_module(&cfg.remotes.v[i], control, protocols);
	if (cfg.remotes.exposed)
		printf("%s/remotes: everybody can read it, and it may hold "
		       "passwords; chmod o-r it\n",
		    control);
	qf_send_config_free(&cfg);
	return good;
}
