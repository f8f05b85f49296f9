#include "lib/base/paths.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/alloc.h"

static const struct place {
	const char *variable; /* NULL: can not be moved */
	const char *compiled;
	bool moves; /* with the program */
} places[] = {
    [QF_DIR_CONTROL] = {"CONTROLDIR", QF_CONTROLDIR, false},
    [QF_DIR_QUEUE] = {"QUEUEDIR", QF_QUEUEDIR, false},
    [QF_DIR_PLUGINS] = {"PLUGINDIR", QF_PLUGINDIR, true},
    [QF_DIR_PROTOCOLS] = {"PROTOCOLDIR", QF_PROTOCOLDIR, true},
    [QF_DIR_COMPAT] = {NULL, QF_COMPATDIR, true},
    [QF_DIR_LIBEXEC] = {NULL, QF_LIBEXECDIR, true},
    [QF_DIR_SBIN] = {NULL, QF_SBINDIR, true},
};

/* Where a program of ours may be started from. */
static const char *const program_dirs[] = {
    QF_SBINDIR, QF_BINDIR, QF_PROTOCOLDIR};

static bool vouched;

bool qf_env_trusted(void)
{
	return getauxval(AT_SECURE) == 0;
}

const char *qf_env(const char *name)
{
	return vouched || qf_env_trusted() ? getenv(name) : NULL;
}

void qf_env_vouch(void)
{
	vouched = true;
}

static bool is_same_dir(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* What stands before the compiled-in folder in the folder that this program
 * runs from: its length, or 0. Where /sbin is a link to /usr/sbin, a program
 * of /sbin seems to stand below /usr, but does not. */
static size_t root_length(const char *dir)
{
	size_t n = strlen(dir);

	for (size_t i = 0; i < sizeof program_dirs / sizeof *program_dirs;
	     i++) {
		size_t tail = strlen(program_dirs[i]);

		if (n > tail && strcmp(dir + n - tail, program_dirs[i]) == 0 &&
		    !is_same_dir(dir, program_dirs[i]))
			return n - tail;
	}
	return 0;
}

static char *find_root(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	char *slash;

	if (n <= 0 || !qf_env_trusted())
		return qf_strdup("");
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash == NULL)
		return qf_strdup("");
	*slash = '\0';
	return qf_strndup(exe, root_length(exe));
}

/* What qf_dir() has found, kept. */
static char *root;
static char *found[sizeof places / sizeof *places];

/* A plugin that holds this file forgets it when it is unloaded. */
__attribute__((destructor)) static void forget(void)
{
	free(root);
	root = NULL;
	for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
		free(found[i]);
		found[i] = NULL;
	}
}

const char *qf_dir(enum qf_dir dir)
{
	const struct place *p = &places[dir];
	struct qf_buf b = QF_BUF_INIT;
	const char *env;

	if (found[dir] != NULL)
		return found[dir];
	env = p->variable != NULL && qf_env_trusted() ? getenv(p->variable)
						      : NULL;
	if (env != NULL && env[0] == '/') {
		qf_buf_adds(&b, env);
	} else if (env != NULL && env[0] != '\0') {
		char *cwd = getcwd(NULL, 0);

		qf_buf_addf(&b, "%s/%s", cwd != NULL ? cwd : "", env);
		free(cwd);
	} else {
		if (p->moves && root == NULL)
			root = find_root();
		qf_buf_addf(&b, "%s%s", p->moves ? root : "", p->compiled);
	}
	found[dir] = qf_buf_detach(&b);
	return found[dir];
}

void qf_dir_settle(void)
{
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		qf_dir((enum qf_dir)i);
}

void qf_dir_join(struct qf_buf *out, enum qf_dir dir, const char *name)
{
	qf_buf_addf(out, "%s/%s", qf_dir(dir), name);
}

bool qf_places_moved(void)
{
	return qf_env_trusted() &&
	       (getenv("CONTROLDIR") != NULL || getenv("QUEUEDIR") != NULL);
}

/* What the variable says, or what was compiled in where nobody has moved the
 * other places. */
static const char *runtime_path(const char *variable, const char *compiled)
{
	const char *path;

	if (!qf_env_trusted())
		return compiled;
	path = getenv(variable);
	if (path != NULL && path[0] != '\0')
		return strcmp(path, "none") != 0 ? path : NULL;
	return qf_places_moved() ? NULL : compiled;
}

const char *qf_socket_path(void)
{
	return runtime_path("QFRONT_SOCKET", QF_RUNDIR "/qfrontd.sock");
}

const char *qf_metrics_path(void)
{
	return runtime_path("QFRONT_METRICS", QF_RUNDIR "/metrics");
}
