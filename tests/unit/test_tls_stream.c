/*
 * The bytes of TLS: whatever the socket does with them, in whatever pieces
 * they come, and wherever they end. recv() and send() are the test's own
 * (--wrap), so that pieces are what the test says.
 */
#include "lib/net/tls.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/base/clock.h"
#include "tests/unit/tls_peer.h"

static struct {
	char *dir, cafile[64];
	struct pki_id ca, host;
} pki;

static struct qf_tls_peer host = {.mode = QF_TLS_VERIFY, .name = "mx.test"};

/* What the client's socket does. */
static struct {
	bool is_slow;  /* a byte at a time, and every second call none */
	bool is_stuck; /* for what is sent */
	unsigned receives, sends;
	size_t received, receive_max; /* 0: no limit; else then the end */
	const char *answer; /* to the first that is sent, from far_end */
	int far_end;
} wire;

ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __real_send(int fd, const void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_send(int fd, const void *p, size_t n, int flags);

static bool is_nothing_now(unsigned *calls)
{
	if (!wire.is_slow || ++*calls % 2 == 0)
		return false;
	errno = EAGAIN;
	return true;
}

ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	ssize_t r;

	if (is_nothing_now(&wire.receives))
		return -1;
	if (wire.is_slow)
		n = 1;
	if (wire.receive_max > 0 && n > wire.receive_max - wire.received)
		n = wire.receive_max - wire.received;
	if (n == 0)
		return 0;
	r = __real_recv(fd, p, n, flags);
	if (r > 0)
		wire.received += (size_t)r;
	return r;
}

ssize_t __wrap_send(int fd, const void *p, size_t n, int flags)
{
	assert_true(flags & MSG_NOSIGNAL);
	if (wire.is_stuck) {
		errno = EAGAIN;
		return -1;
	}
	if (is_nothing_now(&wire.sends))
		return -1;
	if (wire.answer != NULL) {
		assert_true(
		    write(wire.far_end, wire.answer, strlen(wire.answer)) > 0);
		wire.answer = NULL;
	}
	return __real_send(fd, p, wire.is_slow ? 1 : n, flags);
}

static struct tls_peer peer;
static struct qf_tls *tls;

static int setup(void **state)
{
	(void)state;
	pki.dir = unit_dir();
	pki.ca =
	    pki_issue(&(struct pki_spec){.cn = "Unit CA", .is_ca = true}, NULL);
	pki.host = pki_issue(
	    &(struct pki_spec){.cn = "x", .san = "DNS:mx.test"}, &pki.ca);
	snprintf(pki.cafile, sizeof pki.cafile, "%s/ca.pem", pki.dir);
	pki_write_cert(pki.cafile, pki.ca.cert, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pki_free(&pki.ca);
	pki_free(&pki.host);
	unit_remove_dir(pki.dir);
	return 0;
}

static int begin(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};

	(void)state;
	memset(&wire, 0, sizeof wire);
	tls_peer_new(&peer, &pki.host, NULL);
	return qf_tls_new(&tls, &c, NULL);
}

static int end(void **state)
{
	(void)state;
	qf_tls_free(&tls);
	tls_peer_free(&peer);
	return 0;
}

static void only(int version)
{
	SSL_CTX_set_min_proto_version(peer.ctx, version);
	SSL_CTX_set_max_proto_version(peer.ctx, version);
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

/* Sends n bytes and takes them back, as an engine does: both ways at once. */
static void exchange(size_t n)
{
	unsigned char *out = malloc(n), *in = malloc(n);
	size_t sent = 0, got = 0;

	assert_true(out != NULL && in != NULL);
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(i * 7 + i / 251);
	while (got < n) {
		int want = QF_STREAM_READ | (sent < n ? QF_STREAM_WRITE : 0);
		int can = qf_stream_wait(&met.st, want, QF_NEVER, &met.e);
		long r;

		assert_true(can > 0 && (can & ~want) == 0);
		if (can & QF_STREAM_READ) {
			r = qf_stream_read(&met.st, in + got, n - got, 0, NULL);
			assert_true(r > 0 || r == QF_ETIME);
			got += r > 0 ? (size_t)r : 0;
		}
		if (can & QF_STREAM_WRITE) {
			r = qf_stream_write(
			    &met.st, out + sent, n - sent, 0, NULL);
			assert_true(r > 0 || r == QF_ETIME);
			sent += r > 0 ? (size_t)r : 0;
		}
	}
	assert_memory_equal(out, in, n);
	free(out);
	free(in);
}

static void byte_by_byte(void **state)
{
	(void)state;
	wire.is_slow = true;
	for (size_t i = 0; i < UNIT_COUNT(versions); i++) {
		only(versions[i]);
		assert_int_equal(0, tls_meet(&peer, tls, &host));
		tls_ping();
		exchange(2000);
		tls_part(&peer);
	}
}

static void small_buffers(void)
{
	int size = 1; /* the kernel's least */

	setsockopt(met.st.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	setsockopt(peer.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static void much_data(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(versions); i++) {
		only(versions[i]);
		assert_int_equal(0, tls_meet(&peer, tls, &host));
		small_buffers();
		exchange(1 << 20);
		tls_part(&peer);
		assert_int_equal(1 << 20, peer.received);
		assert_true(peer.has_bye);
	}
}

/* What was accepted goes out, whatever the caller does next: also when it only
 * reads, or writes something else. */
static void held_back(void **state)
{
	int both = QF_STREAM_READ | QF_STREAM_WRITE;
	char back[32];
	size_t n = 0;

	(void)state;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	wire.is_stuck = true;
	assert_int_equal(5, qf_stream_write(&met.st, "first", 5, 0, &met.e));
	assert_int_equal(
	    QF_ETIME, qf_stream_write(&met.st, "second", 6, 0, &met.e));
	wire.is_stuck = false;
	assert_int_equal(5, qf_stream_write(&met.st, "third", 5, 0, &met.e));
	wire.is_stuck = true;
	assert_int_equal(6, qf_stream_write(&met.st, "fourth", 6, 0, &met.e));
	wire.is_stuck = false;
	while (n < 16) {
		long r;

		assert_int_equal(QF_STREAM_READ,
		    qf_stream_wait(&met.st, QF_STREAM_READ, QF_NEVER, NULL));
		r = qf_stream_read(&met.st, back + n, sizeof back - n, 0, NULL);
		assert_true(r > 0 || r == QF_ETIME);
		n += r > 0 ? (size_t)r : 0;
	}
	assert_memory_equal("firstthirdfourth", back, 16);
	assert_int_equal(
	    QF_STREAM_WRITE, qf_stream_wait(&met.st, both, QF_NEVER, &met.e));
	tls_part(&peer);
}

static void send_two_lines(struct tls_peer *p)
{
	char go;

	SSL_write(p->ssl, "one\r\ntwo\r\n", 10);
	SSL_read(p->ssl, &go, 1);
	SSL_shutdown(p->ssl);
	tls_peer_echo(p);
}

/* Bytes that TLS has taken from the socket already do not wait for others. */
static void buffered(void **state)
{
	char b[8];

	(void)state;
	peer.talk = send_two_lines;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	assert_int_equal(5, qf_stream_read(&met.st, b, 5, QF_NEVER, &met.e));
	assert_memory_equal("one\r\n", b, 5);
	assert_int_equal(QF_STREAM_READ,
	    qf_stream_wait(&met.st, QF_STREAM_READ, QF_NEVER, &met.e));
	assert_int_equal(5, qf_stream_read(&met.st, b, 8, 0, &met.e));
	assert_memory_equal("two\r\n", b, 5);
	assert_int_equal(1, qf_stream_write(&met.st, "x", 1, 0, &met.e));
	assert_int_equal(0, qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e));
	assert_false(qf_tls_is_truncated(&met.st));
	/* The end stays the end, and is there at once. */
	assert_int_equal(QF_STREAM_READ,
	    qf_stream_wait(&met.st, QF_STREAM_READ, QF_NEVER, &met.e));
	assert_int_equal(0, qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e));
	/* The other direction is open. */
	assert_int_equal(3, qf_stream_write(&met.st, "bye", 3, 0, &met.e));
	tls_part(&peer);
	assert_int_equal(3, peer.received);
}

static void nothing_yet(void **state)
{
	char b[8];

	(void)state;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	/* Tickets may have come, but no data. */
	assert_int_equal(QF_ETIME, qf_stream_read(&met.st, b, 8, 0, &met.e));
	tls_ping();
	tls_part(&peer);
}

static void drop(struct tls_peer *p)
{
	char b[16];

	SSL_read(p->ssl, b, sizeof b);
	SSL_write(p->ssl, "half", 4);
}

static void end_without_bye(void **state)
{
	static char block[65536];
	char b[8];
	long n;

	(void)state;
	peer.talk = drop;
	for (size_t i = 0; i < UNIT_COUNT(versions); i++) {
		only(versions[i]);
		assert_int_equal(0, tls_meet(&peer, tls, &host));
		assert_int_equal(
		    1, qf_stream_write(&met.st, "x", 1, QF_NEVER, NULL));
		assert_int_equal(
		    4, qf_stream_read(&met.st, b, 8, QF_NEVER, NULL));
		assert_int_equal(
		    0, qf_stream_read(&met.st, b, 8, QF_NEVER, NULL));
		assert_true(qf_tls_is_truncated(&met.st));
		assert_int_equal(QF_ENET,
		    qf_stream_write(&met.st, "x", 1, QF_NEVER, &met.e));
		tls_part(&peer);
		/* The same for who only writes: no SIGPIPE. */
		assert_int_equal(0, tls_meet(&peer, tls, &host));
		do
			n = qf_stream_write(
			    &met.st, block, sizeof block, QF_NEVER, &met.e);
		while (n > 0);
		assert_int_equal(QF_ENET, n);
		assert_true(met.e.sys == EPIPE || met.e.sys == ECONNRESET);
		tls_part(&peer);
	}
}

/* A record that was changed on its way. */
static void damage(struct tls_peer *p)
{
	static const char record[] = "\x17\x03\x03\x00\x20"
				     "this is not what it ought to be.";

	tls_peer_must(write(p->fd, record, 37) == 37);
	SSL_read(p->ssl, (char[8]){0}, 8);
}

static void damaged(void **state)
{
	char b[8];

	(void)state;
	peer.talk = damage;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	assert_int_equal(
	    QF_ENET, qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e));
	assert_non_null(strstr(met.e.text, "TLS: the session broke: "));
	assert_int_equal(
	    QF_ENET, qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e));
	assert_int_equal(
	    QF_ENET, qf_stream_write(&met.st, "x", 1, QF_NEVER, &met.e));
	tls_part(&peer);
}

/* The peer asks for new keys again and again. */
static void ask_for_keys(struct tls_peer *p, int times)
{
	for (int i = 0; i < times; i++) {
		SSL_key_update(p->ssl, SSL_KEY_UPDATE_REQUESTED);
		if (SSL_do_handshake(p->ssl) != 1)
			return;
	}
	SSL_write(p->ssl, "done", 4);
	tls_peer_echo(p);
}

static void ask_some(struct tls_peer *p)
{
	ask_for_keys(p, 30);
}

static void ask_much(struct tls_peer *p)
{
	ask_for_keys(p, 10000);
}

static void new_keys(void **state)
{
	char b[8];

	(void)state;
	peer.talk = ask_some;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	assert_int_equal(4, qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e));
	assert_memory_equal("done", b, 4);
	tls_ping();
	tls_part(&peer);
}

/* ... and takes none of the answers, which must not pile up. */
static void unwanted_answers(void **state)
{
	char b[8];

	(void)state;
	peer.talk = ask_much;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	wire.is_stuck = true;
	assert_int_equal(
	    QF_ENET, qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e));
	assert_non_null(strstr(met.e.text, "does not take them"));
	tls_part(&peer);
}

static void ask_to_negotiate(struct tls_peer *p)
{
	SSL_renegotiate(p->ssl);
	SSL_do_handshake(p->ssl);
	tls_peer_echo(p);
}

static void renegotiation(void **state)
{
	char b[8];

	(void)state;
	only(TLS1_2_VERSION);
	peer.talk = ask_to_negotiate;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	assert_true(qf_stream_read(&met.st, b, 8, QF_NEVER, &met.e) <= 0);
	tls_part(&peer);
}

/* Handshakes that do not come to their end. */

/* How many bytes the server sends for one. */
static size_t handshake_size(void)
{
	size_t n;

	wire.received = 0;
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	n = wire.received;
	tls_part(&peer);
	return n;
}

static void closed_anywhere(void **state)
{
	(void)state;
	SSL_CTX_set_options(peer.ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(peer.ctx, SSL_SESS_CACHE_OFF);
	for (size_t i = 0; i < UNIT_COUNT(versions); i++) {
		size_t all;

		only(versions[i]);
		all = handshake_size();
		assert_in_range(all, 300, 4000);
		for (size_t at = 1; at < all; at += 1 + at / 4) {
			int rc;

			wire.received = 0;
			wire.receive_max = at;
			rc = tls_meet(&peer, tls, &host);
			tls_assert_failed(rc, QF_ENET, QF_TLS_CLOSED,
			    "closed the connection in the handshake");
		}
		wire.receive_max = 0;
	}
}

static void close_at_once(struct tls_peer *p)
{
	(void)p;
}

static void closed_at_once(void **state)
{
	int rc;

	(void)state;
	peer.instead = close_at_once;
	rc = tls_meet(&peer, tls, &host);
	assert_int_equal(QF_ENET, rc);
	assert_int_equal(QF_TLS_CLOSED, met.info.fault);
}

/* Nobody is at the other end. */
static int meet_nobody(int64_t deadline, const char *text)
{
	int fds[2], rc;

	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	assert_int_equal(0, qf_stream_open(&met.st, fds[0], NULL));
	wire.far_end = fds[1];
	assert_int_equal(strlen(text), write(fds[1], text, strlen(text)));
	rc = qf_tls_connect(&met.st, tls, &host, deadline, &met.info, &met.e);
	assert_int_equal(-1, met.st.fd);
	close(fds[1]);
	return rc;
}

static void stalled(void **state)
{
	(void)state;
	tls_assert_failed(meet_nobody(0, ""), QF_ETIME, QF_TLS_TIMEOUT,
	    "timed out: the peer did not answer");
}

/* The peer answers the first message and then no more. */
static void stalled_in_the_middle(void **state)
{
	(void)state;
	wire.answer = "\x16\x03\x03";
	tls_assert_failed(meet_nobody(0, ""), QF_ETIME, QF_TLS_TIMEOUT,
	    "timed out: the peer began it and then was silent");
	wire.answer = "500";
	tls_assert_failed(
	    meet_nobody(0, ""), QF_EPROTO, QF_TLS_NOT_TLS, "it sent \"500\"");
}

static void plain_peers(void **state)
{
	(void)state;
	tls_assert_failed(meet_nobody(QF_NEVER, "220 mx.test ESMTP\r\n250 x"),
	    QF_EPROTO, QF_TLS_NOT_TLS,
	    "does not speak TLS here: it sent \"220 mx.test ESMTP\"");
	tls_assert_failed(meet_nobody(QF_NEVER, "\033[2J\xff\r\n"), QF_EPROTO,
	    QF_TLS_NOT_TLS, "it sent \"?[2J?\"");
	/* Not even TLS may come before the handshake. */
	tls_assert_failed(meet_nobody(QF_NEVER, "\x16\x03\x03"), QF_EPROTO,
	    QF_TLS_NOT_TLS, "");
}

static void answer_in_clear(struct tls_peer *p)
{
	tls_peer_must(read(p->fd, p->early, sizeof p->early) > 0);
	tls_peer_must(write(p->fd, "500 what\n", 9) == 9);
	while (read(p->fd, (char[64]){0}, 64) > 0)
		;
}

static void plain_answer(void **state)
{
	(void)state;
	peer.instead = answer_in_clear;
	tls_assert_failed(tls_meet(&peer, tls, &host), QF_EPROTO,
	    QF_TLS_NOT_TLS, "it sent \"500 what\"");
	assert_memory_equal("\x16\x03", peer.early, 2);
}

/* Text in clear behind which a good handshake follows is no part of it. */
static void inject(struct tls_peer *p)
{
	tls_peer_must(write(p->fd, "250 believe me\r\n", 16) == 16);
	tls_peer_accept(p);
}

static void injected(void **state)
{
	(void)state;
	peer.instead = inject;
	tls_assert_failed(tls_meet(&peer, tls, &host), QF_EPROTO,
	    QF_TLS_NOT_TLS, "it sent \"250 believe me\"");
	assert_false(peer.has_shaken);
}

static void huge_chain(void **state)
{
	(void)state;
	for (int i = 0; i < QF_TLS_CHAIN_MAX / 300; i++)
		SSL_CTX_add1_chain_cert(peer.ctx, pki.ca.cert);
	tls_assert_failed(tls_meet(&peer, tls, &host), QF_EPROTO, QF_TLS_FAILED,
	    "certificates are larger than any should be");
}

/* Sessions that go on. */

static void meet_again(const struct qf_tls_peer *to, bool resumed)
{
	assert_int_equal(0, tls_meet(&peer, tls, to));
	tls_ping();
	tls_part(&peer);
	assert_int_equal(resumed, met.info.resumed);
	if (to->mode != QF_TLS_VERIFY)
		return;
	assert_int_equal(QF_TLS_BY_CERTIFICATE, met.info.verified);
	assert_string_equal("CN=x", met.info.subject);
}

static void resumed(void **state)
{
	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(versions); i++) {
		struct qf_tls_peer to = host;
		struct qf_buf line = QF_BUF_INIT;

		only(versions[i]);
		to.port = (unsigned)versions[i];
		meet_again(&to, false);
		meet_again(&to, true);
		meet_again(&to, true);
		qf_tls_describe(&met.info, &line);
		assert_non_null(
		    strstr(line.s, "verified=certificate resumed=yes"));
		qf_buf_free(&line);
	}
}

/* A ticket of TLS 1.3 is not shown twice. */
static void used_up(void **state)
{
	(void)state;
	meet_again(&host, false);
	assert_int_equal(0, tls_meet(&peer, tls, &host));
	assert_true(met.info.resumed);
	tls_part(&peer); /* without reading, so no new one came */
	meet_again(&host, false);
	/* Nor after a handshake that failed. */
	wire.received = 0;
	wire.receive_max = 10;
	assert_int_equal(QF_ENET, tls_meet(&peer, tls, &host));
	wire.receive_max = 0;
	meet_again(&host, false);
}

/* Without tickets there are numbers of sessions in TLS 1.2. */
static void resumed_by_number(void **state)
{
	(void)state;
	only(TLS1_2_VERSION);
	SSL_CTX_set_options(peer.ctx, SSL_OP_NO_TICKET);
	meet_again(&host, false);
	meet_again(&host, true);
}

static void resumed_by_the_same_only(void **state)
{
	struct qf_tls_peer to = host;

	(void)state;
	meet_again(&to, false);
	to.port = 465;
	meet_again(&to, false);
	to.sni = "other.test";
	meet_again(&to, false);
	to.name = NULL;
	meet_again(&to, false);
	to.mode = QF_TLS_VERIFY_NONE;
	meet_again(&to, false);
	meet_again(&host, true);
	/* Another server that knows nothing of it. */
	tls_peer_free(&peer);
	tls_peer_new(&peer, &pki.host, NULL);
	meet_again(&host, false);
	meet_again(&host, true);
}

/* What an unverified meeting left is of no use to one that verifies. */
static void unverified_first(void **state)
{
	struct pki_id self = pki_issue(
	    &(struct pki_spec){.cn = "x", .san = "DNS:mx.test"}, NULL);
	struct qf_tls_peer to = host;

	(void)state;
	tls_peer_free(&peer);
	tls_peer_new(&peer, &self, NULL);
	to.mode = QF_TLS_VERIFY_NONE;
	meet_again(&to, false);
	meet_again(&to, true);
	assert_int_equal(QF_TLS_SELF_SIGNED, met.info.verified);
	tls_assert_failed(tls_meet(&peer, tls, &host), QF_EPERM,
	    QF_TLS_UNTRUSTED, "self-signed");
	pki_free(&self);
}

static int64_t skew; /* milliseconds */

static int64_t late_clock(int which)
{
	struct timespec ts;

	clock_gettime(which == 'w' ? CLOCK_REALTIME : CLOCK_MONOTONIC, &ts);
	if (which == 'w')
		return ts.tv_sec;
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + skew * 1000;
}

static void resumed_for_an_hour(void **state)
{
	(void)state;
	skew = 0;
	qf_clock_source(late_clock);
	meet_again(&host, false);
	skew = QF_TLS_RESUME_MS / 2;
	meet_again(&host, true);
	/* Going on does not make it younger. */
	skew = QF_TLS_RESUME_MS + 1000;
	meet_again(&host, false);
	qf_clock_source(NULL);
}

static void resumed_within_bounds(void **state)
{
	struct qf_tls_peer to = host;

	(void)state;
	for (to.port = 1; to.port <= QF_TLS_RESUME_PEERS + 1; to.port++)
		meet_again(&to, false);
	to.port = 2;
	meet_again(&to, true);
	to.port = 1;
	meet_again(&to, false);
}

static void plain_is_not_truncated(void **state)
{
	struct qf_stream st = QF_STREAM_NONE;

	(void)state;
	assert_false(qf_tls_is_truncated(&st));
	assert_int_equal(
	    QF_ENET, qf_stream_wait(&st, QF_STREAM_READ, QF_NEVER, &met.e));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(byte_by_byte),
	    CASE(much_data),
	    CASE(held_back),
	    CASE(buffered),
	    CASE(nothing_yet),
	    CASE(end_without_bye),
	    CASE(damaged),
	    CASE(new_keys),
	    CASE(unwanted_answers),
	    CASE(renegotiation),
	    CASE(closed_anywhere),
	    CASE(closed_at_once),
	    CASE(stalled),
	    CASE(stalled_in_the_middle),
	    CASE(plain_peers),
	    CASE(plain_answer),
	    CASE(injected),
	    CASE(huge_chain),
	    CASE(resumed),
	    CASE(used_up),
	    CASE(resumed_by_number),
	    CASE(resumed_by_the_same_only),
	    CASE(unverified_first),
	    CASE(resumed_for_an_hour),
	    CASE(resumed_within_bounds),
	    CASE(plain_is_not_truncated),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
