#include "lib/net/tls_wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void qf_tls_wire_init(struct qf_tls_wire *w, int fd)
{
	*w = (struct qf_tls_wire){.fd = fd, .out = QF_BUF_INIT};
}

void qf_tls_wire_free(struct qf_tls_wire *w)
{
	qf_buf_free(&w->out);
}

static void remember_first(struct qf_tls_wire *w)
{
	size_t n = sizeof w->first - w->nfirst;

	if (n > w->n)
		n = w->n;
	memcpy(w->first + w->nfirst, w->in, n);
	w->nfirst += n;
}

void qf_tls_wire_fill(struct qf_tls_wire *w)
{
	ssize_t n;

	if (w->at < w->n || w->is_at_end || w->read_sys != 0)
		return;
	do
		n = recv(w->fd, w->in, sizeof w->in, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	w->is_dry = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
	w->is_at_end = n == 0;
	if (n < 0 && !w->is_dry)
		w->read_sys = errno;
	/* Nobody answers what was lost. */
	if (w->is_dry && w->write_sys != 0) {
		w->is_dry = false;
		w->read_sys = w->write_sys;
	}
	w->at = 0;
	w->n = n > 0 ? (size_t)n : 0;
	remember_first(w);
}

/* How many of the bytes are gone, which is all of them once the socket is
 * broken: what the peer said before may still be read. */
static size_t send_some(struct qf_tls_wire *w, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n && w->write_sys == 0) {
		ssize_t r = send(
		    w->fd, p + done, n - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r >= 0)
			done += (size_t)r;
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return done;
		else if (errno != EINTR)
			w->write_sys = errno;
	}
	return n;
}

bool qf_tls_wire_flush(struct qf_tls_wire *w)
{
	w->sent += send_some(w, w->out.s + w->sent, w->out.len - w->sent);
	if (w->sent < w->out.len)
		return false;
	qf_buf_reset(&w->out);
	w->sent = 0;
	return true;
}

static int bio_write(BIO *b, const char *p, int n)
{
	struct qf_tls_wire *w = BIO_get_data(b);
	size_t done = 0, all = n > 0 ? (size_t)n : 0;

	BIO_clear_retry_flags(b);
	if (qf_tls_wire_flush(w))
		done = send_some(w, p, all);
	qf_buf_add(&w->out, p + done, all - done);
	return n;
}

static int bio_read(BIO *b, char *p, int n)
{
	struct qf_tls_wire *w = BIO_get_data(b);
	size_t some = n > 0 ? (size_t)n : 0;

	BIO_clear_retry_flags(b);
	qf_tls_wire_fill(w);
	if (some > w->n - w->at)
		some = w->n - w->at;
	if (some > 0) {
		memcpy(p, w->in + w->at, some);
		w->at += some;
		return (int)some;
	}
	if (w->is_dry)
		BIO_set_retry_read(b);
	return w->is_at_end ? 0 : -1;
}

static long bio_ctrl(BIO *b, int what, long arg, void *p)
{
	(void)b;
	(void)arg;
	(void)p;
	return what == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

BIO_METHOD *qf_tls_wire_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "qfront socket");

	if (m != NULL) {
		BIO_meth_set_create(m, bio_create);
		BIO_meth_set_read(m, bio_read);
		BIO_meth_set_write(m, bio_write);
		BIO_meth_set_ctrl(m, bio_ctrl);
	}
	return m;
}
