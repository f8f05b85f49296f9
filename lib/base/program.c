#include "lib/base/program.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/paths.h"

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       access(path, X_OK) == 0;
}

int qf_program_words(struct qf_strv *argv, const char *text, struct qf_err *e)
{
	size_t before = argv->n;

	/* Without a slash it is no path: what lies in the folder where we
	 * happen to be does not count. */
	if (strchr(text, '/') != NULL && is_program(text)) {
		qf_strv_add(argv, text);
		return 0;
	}
	if (qf_strv_split(argv, qf_span(text), e) < 0)
		return e->rc;
	if (argv->n == before)
		return qf_fail(e, QF_EFORMAT, "names no program");
	return 0;
}

/* Appends FOLDER/name when that is a program. */
static bool is_in(struct qf_buf *path, struct qf_span folder, const char *name)
{
	size_t before = path->len;

	if (folder.n == 0)
		folder = qf_span("."); /* what PATH means by it */
	qf_buf_addspan(path, folder);
	qf_buf_addf(path, "/%s", name);
	if (is_program(path->s + before))
		return true;
	path->len = before;
	path->s[before] = '\0';
	return false;
}

int qf_program_find(struct qf_buf *path, const char *name, struct qf_err *e)
{
	const char *compat = qf_dir(QF_DIR_COMPAT), *env = qf_env("PATH");
	struct qf_span rest = qf_span(env != NULL ? env : "/usr/bin:/bin");
	struct qf_span folder;
	bool more = true;

	if (strchr(name, '/') != NULL) {
		qf_buf_adds(path, name);
		return 0;
	}
	if (name[0] != '\0' && is_in(path, qf_span(compat), name))
		return 0;
	while (name[0] != '\0' && more) {
		more = qf_span_cut(&rest, ':', &folder);
		if (is_in(path, more ? folder : rest, name))
			return 0;
	}
	return qf_fail(e, QF_EEXEC,
	    "there is no program \"%s\" in %s or PATH; give its path", name,
	    compat);
}
