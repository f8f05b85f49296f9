#include "daemon/changes.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"

enum {
	QUIET_MS = 300,  /* after the last one */
	LATEST_MS = 3000 /* after the first one, even if there are ever more */
};

static void watch(const struct qf_changes *c, const char *folder)
{
	/* A new mode, or another folder in its place, may be what was wrong
	 * before. */
	const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
				IN_DELETE | IN_CREATE | IN_ATTRIB |
				IN_MOVE_SELF | IN_DELETE_SELF;

	if (inotify_add_watch(c->fd, folder, events) < 0 && errno != ENOENT)
		qf_log(QF_LOG_WARN,
		    "changes are not seen; send SIGHUP after one",
		    QF_KS("folder", folder), QF_KS("error", strerror(errno)));
}

void qf_changes_watch(struct qf_changes *c)
{
	struct qf_buf plugins = QF_BUF_INIT;

	c->at = c->latest = QF_NEVER;
	qf_close(&c->fd);
	c->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	qf_buf_addf(&plugins, "%s/plugins", qf_dir(QF_DIR_CONTROL));
	watch(c, qf_dir(QF_DIR_CONTROL));
	watch(c, plugins.s);
	watch(c, qf_dir(QF_DIR_PLUGINS));
	qf_buf_free(&plugins);
}

void qf_changes_see(struct qf_changes *c)
{
	char events[4096];

	while (read(c->fd, events, sizeof events) > 0)
		;
	if (c->at == QF_NEVER)
		c->latest = qf_deadline_in(LATEST_MS);
	c->at = qf_deadline_in(QUIET_MS);
	if (c->at > c->latest)
		c->at = c->latest;
}
