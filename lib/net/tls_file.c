/*
 * Files of certificates, keys and lists: read whole before any connection is
 * made, and what is wrong with one is said with what to do about it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/net/tls_internal.h"

static int check(const struct stat *st, const char *what, const char *path,
    bool is_secret, struct qf_err *e)
{
	if (!S_ISREG(st->st_mode))
		return qf_fail(
		    e, QF_ECONF, "%s %.200s: no regular file", what, path);
	if (st->st_size > QF_TLS_FILE_MAX)
		return qf_fail(e, QF_ECONF,
		    "%s %.200s: larger than %d bytes, this is something else",
		    what, path, QF_TLS_FILE_MAX);
	if (is_secret && st->st_mode & S_IROTH)
		qf_log(QF_LOG_WARN, "key file can be read by everybody",
		    QF_KS("file", path), QF_KS("do", "chmod o-rwx"));
	return 0;
}

int qf_tls_file_read(struct qf_buf *b, const char *what, const char *path,
    bool is_secret, struct qf_err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n = 0;
	int rc;

	if (fd < 0)
		return qf_fail_sys(e, QF_ECONF, "%s %.200s", what, path);
	rc = fstat(fd, &st) < 0
		 ? qf_fail_sys(e, QF_ECONF, "%s %.200s", what, path)
		 : check(&st, what, path, is_secret, e);
	if (rc < 0)
		goto out;
	/* All of it at once: a buffer that grows leaves copies behind. */
	qf_buf_reserve(b, (size_t)st.st_size + 1);
	while (
	    b->len < (size_t)st.st_size &&
	    (n = qf_read(fd, b->s + b->len, (size_t)st.st_size - b->len)) > 0)
		b->len += (size_t)n;
	b->s[b->len] = '\0';
	if (n < 0)
		rc = qf_fail_sys(e, QF_ECONF, "%s %.200s", what, path);
out:
	qf_close(&fd);
	return rc;
}

void qf_tls_file_wipe(struct qf_buf *b)
{
	if (b->cap > 0)
		OPENSSL_cleanse(b->s, b->cap);
	qf_buf_free(b);
}

int qf_tls_file_bad(const char *what, const char *path, const struct qf_buf *b,
    bool der, struct qf_err *e)
{
	const char *reason = qf_tls_text_reason();
	bool is_pem = strstr(b->s, "-----BEGIN ") != NULL;

	if (b->len == 0)
		return qf_fail(
		    e, QF_ECONF, "%s %.200s: the file is empty", what, path);
	if (der && is_pem)
		return qf_fail(e, QF_ECONF,
		    "%s %.200s: the file is PEM, not DER: leave the option for "
		    "DER out",
		    what, path);
	if (!der && !is_pem)
		return qf_fail(e, QF_ECONF, "%s %.200s: the file is not PEM%s",
		    what, path,
		    b->s[0] == 0x30 ? " but looks like DER: convert it, or "
				      "use the option for DER"
				    : "");
	return qf_fail(e, QF_ECONF,
	    "%s %.200s: none in this file, or it is damaged "
	    "(%s)",
	    what, path, reason);
}

/* Was this the end, where nothing more is to be found? */
static bool is_end(BIO *b, bool der, size_t found)
{
	unsigned long code = ERR_peek_last_error();

	if (found == 0)
		return false;
	return der ? BIO_pending(b) == 0
		   : ERR_GET_LIB(code) == ERR_LIB_PEM &&
			 ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static int take_all(const struct qf_tls_kind *kind, const char *path,
    const struct qf_buf *bytes, bool der, void *to, struct qf_err *e)
{
	BIO *b = BIO_new_mem_buf(bytes->s, (int)bytes->len);
	void *object;
	size_t n = 0;
	int rc = 0;

	ERR_clear_error();
	while (rc == 0 && (!der || n == 0 || BIO_pending(b) > 0)) {
		object = kind->read(b, der);
		if (object == NULL)
			break;
		if (!kind->take(to, object, n++))
			rc = qf_fail(e, QF_ECONF, "%s %.200s: %s", kind->what,
			    path, qf_tls_text_reason());
		kind->free(object);
	}
	if (rc == 0 && !is_end(b, der, n))
		rc = qf_tls_file_bad(kind->what, path, bytes, der, e);
	ERR_clear_error();
	BIO_free(b);
	return rc;
}

int qf_tls_file_each(const struct qf_tls_kind *kind, const char *path, bool der,
    void *to, struct qf_err *e)
{
	struct qf_buf bytes = QF_BUF_INIT;
	int rc = qf_tls_file_read(&bytes, kind->what, path, false, e);

	if (rc == 0)
		rc = take_all(kind, path, &bytes, der, to, e);
	qf_buf_free(&bytes);
	return rc;
}
