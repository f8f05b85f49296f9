#include "daemon/changes.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"

enum {
	QUIET_MS = 300 /* after the last one */
};

void qf_changes_watch(struct qf_changes *c)
{
	const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
				IN_DELETE | IN_CREATE;
	const char *control = qf_dir(QF_DIR_CONTROL);
	struct qf_buf plugins = QF_BUF_INIT;

	c->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	qf_buf_addf(&plugins, "%s/plugins", control);
	if (c->fd < 0 || inotify_add_watch(c->fd, control, events) < 0)
		qf_log(QF_LOG_WARN,
		    "changes are not seen; send SIGHUP after one",
		    QF_KS("error", strerror(errno)));
	if (c->fd >= 0) {
		inotify_add_watch(c->fd, plugins.s, events);
		inotify_add_watch(c->fd, qf_dir(QF_DIR_PLUGINS), events);
	}
	qf_buf_free(&plugins);
}

void qf_changes_see(struct qf_changes *c)
{
	char events[4096];

	while (read(c->fd, events, sizeof events) > 0)
		;
	c->at = qf_deadline_in(QUIET_MS);
}
