/*
 * qfrontctl queue init: makes the folders of a queue.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/paths.h"
#include "queue/layout.h"
#include "tools/command.h"

struct owner {
	uid_t uid;
	gid_t gid;
};

/* USER or USER:GROUP. */
static int find_owner(const char *text, struct owner *out)
{
	struct qf_buf user = QF_BUF_INIT;
	const char *colon = strchr(text, ':');
	const struct passwd *pw;
	const struct group *gr;
	int rc = -1;

	qf_buf_add(
	    &user, text, colon != NULL ? (size_t)(colon - text) : strlen(text));
	pw = getpwnam(user.s);
	if (pw == NULL) {
		fprintf(stderr, "qfrontctl: no user \"%s\"\n", user.s);
		goto out;
	}
	*out = (struct owner){pw->pw_uid, pw->pw_gid};
	if (colon != NULL) {
		gr = getgrnam(colon + 1);
		if (gr == NULL) {
			fprintf(
			    stderr, "qfrontctl: no group \"%s\"\n", colon + 1);
			goto out;
		}
		out->gid = gr->gr_gid;
	}
	rc = 0;
out:
	qf_buf_free(&user);
	return rc;
}

static int init(const char *dir, const struct owner *owner)
{
	struct qf_err e;

	if (qf_layout_init(dir, owner->uid, owner->gid, &e) < 0 ||
	    qf_layout_check(dir, &e) < 0) {
		fprintf(stderr, "qfrontctl: %s\n", e.text);
		return QF_TROUBLE;
	}
	printf("queue %s is ready (uid %ld, gid %ld)\n", dir, (long)owner->uid,
	    (long)owner->gid);
	return QF_DONE;
}

static int run(int argc, char **argv)
{
	struct owner owner = {geteuid(), getegid()};
	const char *dir = NULL;

	if (argc < 2 || strcmp(argv[1], "init") != 0)
		return QF_USAGE;
	for (int i = 2; i < argc; i++) {
		if (strncmp(argv[i], "--owner=", 8) == 0) {
			if (find_owner(argv[i] + 8, &owner) < 0)
				return QF_TROUBLE;
		} else if (argv[i][0] == '-' || dir != NULL) {
			return QF_USAGE;
		} else {
			dir = argv[i];
		}
	}
	return init(dir != NULL ? dir : qf_dir(QF_DIR_QUEUE), &owner);
}

const struct qf_command qf_command_queue = {
    .name = "queue",
    .synopsis = "init [--owner=USER[:GROUP]] [DIRECTORY]",
    .summary = "make the queue (QUEUEDIR); changes nothing that is there",
    .run = run,
};
