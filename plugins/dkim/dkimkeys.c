#include "plugins/dkim/dkimkeys.h"

#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	LINE_MAX_BYTES = 8192,
	ENTRIES_MAX = 100000
};

struct place {
	const struct qf_host *h;
	const struct qf_conf *c;
	unsigned line;
};

__attribute__((format(printf, 2, 3))) static int32_t mistake(
    const struct place *at, const char *fmt, ...)
{
	char text[600];
	int n;
	va_list ap;

	n = snprintf(text, sizeof text,
	    at->line > 0 ? "dkimkeys:%u: " : "dkimkeys: ", at->line);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
	va_end(ap);
	at->h->conf_error(at->c, NULL, NULL, 0, text);
	return QF_ECONF;
}

/* What a line may set: the variables of signing. */
static bool is_known(const char *variable, size_t n)
{
	static const char *const names[] = {"DKIMSIGNOPTIONS", "DKIMIDENTITY",
	    "DKIMEXPIRE", "EXCLUDE_DKIMSIGN", "DKIMSIGNEXTRA",
	    "DKIMSIGNOPTIONSEXTRA"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i]) == n && memcmp(names[i], variable, n) == 0)
			return true;
	}
	return false;
}

/* A copy of the list with NULs in place of the commas. */
static int32_t copy_variables(
    const struct place *at, const char *list, char **out)
{
	size_t len = strlen(list);
	char *p = malloc(len + 2);

	if (p == NULL)
		return QF_ENOMEM;
	memcpy(p, list, len);
	p[len] = p[len + 1] = '\0';
	*out = p;
	while (*p != '\0') {
		size_t n = strcspn(p, ",");
		const char *eq = memchr(p, '=', n);

		if (eq == NULL || !is_known(p, (size_t)(eq - p)))
			return mistake(at,
			    "\"%.*s\" is no variable of signing with a value: "
			    "see qfront-dkim(8)",
			    (int)(n < 100 ? n : 100), p);
		p += n;
		if (*p == ',')
			*p++ = '\0';
	}
	return 0;
}

static int32_t parse(
    const struct place *at, char *line, struct dkimkeys_entry *out)
{
	char *path = strchr(line, ':'), *variables = NULL;

	if (path != NULL) {
		*path++ = '\0';
		variables = strchr(path, ':');
		if (variables != NULL)
			*variables++ = '\0';
	}
	if (path == NULL || *path == '\0' || *line == '\0')
		return mistake(at, "write DOMAIN:KEYFILE");
	out->line = at->line;
	out->pattern = strdup(line);
	out->path = strdup(path);
	if (out->pattern == NULL || out->path == NULL)
		return QF_ENOMEM;
	return copy_variables(
	    at, variables != NULL ? variables : "", &out->variables);
}

static int32_t add(const struct place *at, struct dkimkeys *k, char *line)
{
	struct dkimkeys_entry *p;

	if (k->n == ENTRIES_MAX)
		return mistake(at, "more than %d lines", ENTRIES_MAX);
	p = reallocarray(k->entry, k->n + 1, sizeof *p);
	if (p == NULL)
		return QF_ENOMEM;
	k->entry = p;
	p[k->n] = (struct dkimkeys_entry){0};
	return parse(at, line, &p[k->n++]);
}

/* Only root and the owner of CONTROLDIR may say what is signed. */
static int32_t check_file(
    const struct place *at, FILE *f, const char *controldir)
{
	struct stat dir, st;

	if (fstat(fileno(f), &st) < 0 || stat(controldir, &dir) < 0)
		return mistake(at, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return mistake(at, "it is no regular file");
	if ((st.st_uid != 0 && st.st_uid != dir.st_uid) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mistake(at,
		    "others than root and the owner of the control directory "
		    "can write it: chmod go-w it, or chown it");
	return 0;
}

static int32_t read_lines(struct place *at, FILE *f, struct dkimkeys *k)
{
	char line[LINE_MAX_BYTES];
	int32_t result = 0;

	while (fgets(line, sizeof line, f) != NULL) {
		size_t n = strlen(line);
		int32_t rc;

		at->line++;
		if (n + 1 == sizeof line)
			return mistake(at, "the line is too long");
		while (n > 0 && strchr(" \t\r\n", line[n - 1]) != NULL)
			line[--n] = '\0';
		if (n == 0 || line[0] == '#')
			continue;
		rc = add(at, k, line);
		if (rc == QF_ECONF)
			result = rc; /* and look for more mistakes */
		else if (rc < 0)
			return rc;
	}
	at->line = 0;
	return ferror(f) ? mistake(at, "can not be read") : result;
}

int32_t dkimkeys_load(
    struct dkimkeys *k, const struct qf_host *h, const struct qf_conf *c)
{
	static const struct qf_span name = {"dkimkeys", 8}, here = {".", 1};
	struct place at = {.h = h, .c = c};
	const char *path, *controldir;
	int32_t rc;
	FILE *f;

	*k = (struct dkimkeys){0};
	rc = h->conf_path(c, name, &path);
	if (rc == 0)
		rc = h->conf_path(c, here, &controldir);
	if (rc < 0)
		return rc;
	f = fopen(path, "re");
	if (f == NULL)
		return errno == ENOENT ? 0
				       : mistake(&at, "%s", strerror(errno));
	k->exists = true;
	rc = check_file(&at, f, controldir);
	if (rc == 0)
		rc = read_lines(&at, f, k);
	fclose(f);
	return rc;
}

void dkimkeys_free(struct dkimkeys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->entry[i].pattern);
		free(k->entry[i].path);
		free(k->entry[i].variables);
	}
	free(k->entry);
	*k = (struct dkimkeys){0};
}

/* One that is no regular expression fits nothing. */
static bool fits_regex(const char *pattern, const char *domain)
{
	regex_t re;
	bool fits;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
		return false;
	fits = regexec(&re, domain, 0, NULL, 0) == 0;
	regfree(&re);
	return fits;
}

const struct dkimkeys_entry *dkimkeys_find(
    const struct dkimkeys *k, const char *domain, bool regex)
{
	for (size_t i = 0; i < k->n; i++) {
		const char *pattern = k->entry[i].pattern;

		if (regex ? fits_regex(pattern, domain)
			  : fnmatch(pattern, domain, FNM_CASEFOLD) == 0)
			return &k->entry[i];
	}
	return NULL;
}

const char *dkimkeys_variable(const struct dkimkeys_entry *e, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = e->variables; *p != '\0'; p += strlen(p) + 1) {
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return p + n + 1;
	}
	return NULL;
}
