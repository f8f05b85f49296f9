#include "plugins/dkim/keytab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum {
	FILE_MAX = 65536, /* bytes of a key file */
	BITS_MIN = 1024,  /* of an RSA key: RFC 8301 section 3.2 */
	BITS_GOOD = 2048,
	TEXT_MAX = 600
};

/* One key file; lines that name the same file share it. */
struct key {
	struct key *next;
	char *path;
	char *pem; /* PKCS #8, whatever the file held; NULL: it is no good */
	size_t n;
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

/* A key that others can read or change is not one's own. */
static int32_t check_mode(
    const struct place *at, const char *path, const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return mistake(at, "key file %s is no regular file", path);
	if (st->st_mode & S_IROTH)
		return mistake(at,
		    "key file %s can be read by everybody: chmod o-rwx it and "
		    "make a new key",
		    path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return mistake(at,
		    "key file %s can be written by others: chmod go-w it",
		    path);
	if (st->st_mode & S_IRGRP)
		advise(at, "key file %s can be read by its group", path);
	return 0;
}

/* The bytes of the file in buf: their number, or QF_ECONF. */
static int32_t read_file(
    const struct place *at, const char *path, char buf[FILE_MAX + 1])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t n = 0;
	ssize_t r = 0;
	int32_t rc;
	struct stat st;

	if (fd < 0)
		return mistake(at, "key file %s can not be opened: %s", path,
		    strerror(errno));
	if (fstat(fd, &st) < 0)
		rc = mistake(at, "key file %s: %s", path, strerror(errno));
	else
		rc = check_mode(at, path, &st);
	while (rc == 0 && n <= FILE_MAX) {
		r = read(fd, buf + n, FILE_MAX + 1 - n);
		if (r == 0 || (r < 0 && errno != EINTR))
			break;
		if (r > 0)
			n += (size_t)r;
	}
	if (rc == 0 && r < 0)
		rc = mistake(at, "key file %s can not be read: %s", path,
		    strerror(errno));
	if (rc == 0 && n > FILE_MAX)
		rc = mistake(at, "key file %s is too large for a key", path);
	close(fd);
	return rc < 0 ? rc : (int32_t)n;
}

/* An encrypted key must not make OpenSSL ask for a passphrase. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

/* libopendkim takes any key for any algorithm and signs garbage when they do
 * not fit, so the kind of key is looked at here. */
static int32_t check_kind(
    const struct place *at, const char *path, const EVP_PKEY *pkey)
{
	int bits = EVP_PKEY_get_bits(pkey);

	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		break;
	case EVP_PKEY_ED25519:
		return mistake(at,
		    "key file %s holds an Ed25519 key: signing with it is not "
		    "available in this version: use an RSA key",
		    path);
	default:
		return mistake(at,
		    "key file %s holds a key that DKIM has no use for: use an "
		    "RSA key",
		    path);
	}
	if (bits < BITS_MIN)
		return mistake(at,
		    "key file %s holds an RSA key of %d bits: %d are the "
		    "least that receivers accept: make a new key",
		    path, bits, BITS_MIN);
	if (bits < BITS_GOOD)
		advise(at, "key file %s: %d bits are few, better use %d", path,
		    bits, BITS_GOOD);
	return 0;
}

/* libopendkim tells PEM from DER by the first byte of a text, so what it
 * will get is written anew. */
static int32_t keep_pem(struct key *k, const EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *p;
	long n;
	int32_t rc = QF_ENOMEM;

	if (bio == NULL)
		return QF_ENOMEM;
	if (PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL) ==
	    1) {
		n = BIO_get_mem_data(bio, &p);
		k->pem = malloc((size_t)n + 1);
		if (k->pem != NULL) {
			memcpy(k->pem, p, (size_t)n);
			k->pem[n] = '\0';
			k->n = (size_t)n;
			rc = 0;
		}
	}
	BIO_free(bio);
	return rc;
}

static int32_t parse_key(
    const struct place *at, struct key *k, const char *bytes, int32_t n)
{
	bool asked = false;
	BIO *bio = BIO_new_mem_buf(bytes, n);
	EVP_PKEY *pkey;
	int32_t rc;

	if (bio == NULL)
		return QF_ENOMEM;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (pkey != NULL)
		rc = check_kind(at, k->path, pkey);
	else if (asked)
		rc = mistake(at,
		    "key file %s is encrypted: store it without passphrase",
		    k->path);
	else
		rc = mistake(at, "key file %s holds no private key in PEM form",
		    k->path);
	if (rc == 0)
		rc = keep_pem(k, pkey);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

static int32_t load_key(const struct place *at, struct key *k)
{
	static char bytes[FILE_MAX + 1];
	int32_t rc = read_file(at, k->path, bytes);

	if (rc >= 0)
		rc = parse_key(at, k, bytes, rc);
	OPENSSL_cleanse(bytes, sizeof bytes);
	return rc;
}

/* The key of that path, loaded when it is new. */
static int32_t get_key(const struct place *at, struct keytab *t,
    const char *path, const struct key **out)
{
	struct key *k;

	for (k = t->keys; k != NULL; k = k->next) {
		if (strcmp(k->path, path) == 0) {
			*out = k;
			return k->pem != NULL ? 0 : QF_ECONF;
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
	*out = k;
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
	out->pem = out->key->pem;
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
    const struct qf_conf *c, bool advise_too)
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
		struct key *k = t->keys;

		t->keys = k->next;
		if (k->pem != NULL)
			OPENSSL_cleanse(k->pem, k->n);
		free(k->pem);
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
