#include "plugins/dkim/keytab.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_MAX = KEY_WHY_SIZE
};

/* One key file; lines that name the same file share it. */
struct table_key {
	struct table_key *next;
	char *path;
	struct key key; /* without pem: it is no good */
};

/* Where in the configuration we are, for reports. */
struct place {
	const struct qf_host *h;
	const struct qf_conf *c;
	uint32_t line; /* of dkim.keys */
	bool advise;
};

__attribute__((format(printf, 2, 3))) static int32_t mistake(
    const struct place *at, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	at->h->conf_error(at->c, NULL, "keys", at->line, text);
	return QF_ECONF;
}

__attribute__((format(printf, 2, 3))) static void advise(
    const struct place *at, const char *fmt, ...)
{
	char text[TEXT_MAX];
	int n;
	va_list ap;

	if (!at->advise)
		return;
	n = snprintf(text, sizeof text, "dkim.keys:%u: ", (unsigned)at->line);
	va_start(ap, fmt);
	vsnprintf(text + n, sizeof text - (size_t)n, fmt, ap);
	va_end(ap);
	at->h->log(NULL, at->c, QF_LOG_WARN, text);
}

static int32_t load_key(const struct place *at, struct table_key *k)
{
	char why[KEY_WHY_SIZE];
	int32_t rc = key_read(&k->key, k->path, why);

	if (rc == QF_ECONF || rc == QF_ENOENT)
		return mistake(at, "%s", why);
	if (rc < 0)
		return rc;
	if (k->key.group_reads)
		advise(at, "key file %s can be read by its group", k->path);
	if (!k->key.ed25519 && k->key.bits < KEY_BITS_GOOD)
		advise(at, "key file %s: %d bits are few, better use %d",
		    k->path, k->key.bits, KEY_BITS_GOOD);
	return 0;
}

/* The key of that path, loaded when it is new. */
static int32_t get_key(const struct place *at, struct keytab *t,
    const char *path, const struct key **out)
{
	struct table_key *k;

	for (k = t->keys; k != NULL; k = k->next) {
		if (strcmp(k->path, path) == 0) {
			*out = &k->key;
			return k->key.pem != NULL ? 0 : QF_ECONF;
		}
	}
	k = calloc(1, sizeof *k);
	if (k == NULL)
		return QF_ENOMEM;
	k->path = strdup(path);
	if (k->path == NULL) {
		free(k);
		return QF_ENOMEM;
	}
	k->next = t->keys;
	t->keys = k;
	*out = &k->key;
	return load_key(at, k);
}

/* The next word of the line, or an empty one. */
static struct qf_span next_word(struct qf_span *line)
{
	struct qf_span w;

	while (line->n > 0 && (*line->p == ' ' || *line->p == '\t')) {
		line->p++;
		line->n--;
	}
	w = (struct qf_span){.p = line->p};
	while (line->n > 0 && *line->p != ' ' && *line->p != '\t') {
		line->p++;
		line->n--;
		w.n++;
	}
	return w;
}

/* `domain`, `*.domain` or `*`. */
static bool copy_pattern(char out[DOMAIN_SIZE + 2], struct qf_span s)
{
	if (s.n == 1 && s.p[0] == '*') {
		strcpy(out, "*");
		return true;
	}
	if (s.n > 2 && s.p[0] == '*' && s.p[1] == '.') {
		out[0] = '*';
		out[1] = '.';
		s.p += 2;
		s.n -= 2;
		return domain_copy(out + 2, s, 1);
	}
	return domain_copy(out, s, 2);
}

static int32_t parse_line(const struct place *at, struct keytab *t,
    struct qf_span line, struct keytab_entry *out)
{
	struct qf_span domain = next_word(&line);
	struct qf_span selector = next_word(&line);
	struct qf_span path = next_word(&line);
	struct qf_span option = next_word(&line);
	const char *absolute;
	int32_t rc;

	if (path.n == 0)
		return mistake(at, "too few words: write domain, selector and "
				   "key file");
	if (!copy_pattern(out->pattern, domain))
		return mistake(at,
		    "\"%.*s\" is no domain: write one such as example.org, "
		    "*.example.org for those below it, or * for all",
		    (int)(domain.n < 300 ? domain.n : 300), domain.p);
	if (!domain_copy(out->selector, selector, 1))
		return mistake(at,
		    "\"%.*s\" is no selector: use letters, digits, hyphens and "
		    "dots",
		    (int)(selector.n < 300 ? selector.n : 300), selector.p);
	if (option.n > 0)
		return mistake(at,
		    "option \"%.*s\": options are not available in this "
		    "version: remove it",
		    (int)(option.n < 300 ? option.n : 300), option.p);
	rc = at->h->conf_path(at->c, path, &absolute);
	if (rc == 0)
		rc = get_key(at, t, absolute, &out->key);
	if (rc < 0)
		return rc;
	out->line = at->line;
	return 0;
}

static int32_t add_entry(struct keytab *t, const struct keytab_entry *e)
{
	if (t->n == t->cap) {
		size_t cap = t->cap == 0 ? 16 : t->cap * 2;
		struct keytab_entry *p = reallocarray(t->entry, cap, sizeof *p);

		if (p == NULL)
			return QF_ENOMEM;
		t->entry = p;
		t->cap = cap;
	}
	t->entry[t->n++] = *e;
	return 0;
}

static int by_pattern_then_line(const void *a, const void *b)
{
	const struct keytab_entry *x = a, *y = b;
	int d = strcmp(x->pattern, y->pattern);

	return d != 0 ? d : (x->line > y->line) - (x->line < y->line);
}

int32_t keytab_load(struct keytab *t, const struct qf_host *h,
    const struct qf_conf *c, bool optional, bool advise_too)
{
	struct place at = {.h = h, .c = c, .advise = advise_too};
	struct qf_iter it = {0};
	struct qf_span line;
	int32_t rc, result = 0;

	*t = (struct keytab){0};
	while ((rc = h->conf_list_next(c, "keys", &it, &line, &at.line)) > 0) {
		struct keytab_entry e = {0};

		rc = parse_line(&at, t, line, &e);
		if (rc == 0)
			rc = add_entry(t, &e);
		if (rc == QF_ECONF)
			result = rc; /* and look for more mistakes */
		else if (rc < 0)
			return rc;
	}
	at.line = 0;
	if (rc == QF_ENOENT && optional)
		return 0;
	if (rc == QF_ENOENT)
		return mistake(&at, "there is no such file, so nothing can be "
				    "signed: make it, one line a domain: "
				    "domain selector path");
	if (rc < 0)
		return rc;
	if (t->n == 0 && result == 0)
		return mistake(&at, "it is empty, so nothing can be signed: "
				    "write one line a domain: domain selector "
				    "path");
	if (t->n > 0)
		qsort(t->entry, t->n, sizeof *t->entry, by_pattern_then_line);
	return result;
}

void keytab_free(struct keytab *t)
{
	while (t->keys != NULL) {
		struct table_key *k = t->keys;

		t->keys = k->next;
		key_free(&k->key);
		free(k->path);
		free(k);
	}
	free(t->entry);
	*t = (struct keytab){0};
}

/* The first entry with exactly that pattern. */
static const struct keytab_entry *find_pattern(
    const struct keytab *t, const char *pattern)
{
	size_t from = 0, to = t->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (strcmp(t->entry[mid].pattern, pattern) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	if (from == t->n || strcmp(t->entry[from].pattern, pattern) != 0)
		return NULL;
	return &t->entry[from];
}

const struct keytab_entry *keytab_find(
    const struct keytab *t, const char *domain)
{
	const struct keytab_entry *e = find_pattern(t, domain);
	const char *dot = domain;
	char pattern[DOMAIN_SIZE + 2];

	while (e == NULL && (dot = strchr(dot, '.')) != NULL) {
		snprintf(pattern, sizeof pattern, "*%s", dot++);
		e = find_pattern(t, pattern);
	}
	return e != NULL ? e : find_pattern(t, "*");
}
