#include "tests/unit/tls_peer.h"

#include <signal.h>
#include <sys/socket.h>

#include "lib/base/clock.h"

struct meeting met = {.st = QF_STREAM_NONE};

static int accept_any(int ok, X509_STORE_CTX *c)
{
	(void)ok;
	(void)c;
	return 1;
}

void tls_peer_new(
    struct tls_peer *p, const struct pki_id *id, const struct pki_id *along)
{
	*p = (struct tls_peer){
	    .ctx = SSL_CTX_new(TLS_server_method()), .fd = -1};
	assert_non_null(p->ctx);
	SSL_CTX_set_min_proto_version(p->ctx, TLS1_VERSION);
	SSL_CTX_set_security_level(p->ctx, 0);
	SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, accept_any);
	SSL_CTX_set_session_id_context(
	    p->ctx, (const unsigned char *)"unit", 4);
	if (id != NULL) {
		assert_int_equal(1, SSL_CTX_use_certificate(p->ctx, id->cert));
		assert_int_equal(1, SSL_CTX_use_PrivateKey(p->ctx, id->key));
	}
	if (along != NULL)
		assert_int_equal(
		    1, SSL_CTX_add1_chain_cert(p->ctx, along->cert));
}

void tls_peer_free(struct tls_peer *p)
{
	SSL_CTX_free(p->ctx);
	p->ctx = NULL;
}

void tls_peer_accept(struct tls_peer *p)
{
	const char *sni;
	X509 *cert;

	if (SSL_accept(p->ssl) != 1)
		return;
	p->has_shaken = true;
	sni = SSL_get_servername(p->ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(p->sni, sizeof p->sni, "%s", sni != NULL ? sni : "");
	cert = SSL_get0_peer_certificate(p->ssl);
	if (cert != NULL)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
		    NID_commonName, p->client, sizeof p->client);
}

void tls_peer_echo(struct tls_peer *p)
{
	char block[8192];
	int n;

	while ((n = SSL_read(p->ssl, block, sizeof block)) > 0) {
		p->received += (size_t)n;
		if (SSL_write(p->ssl, block, n) != n)
			return;
	}
	p->has_bye = SSL_get_shutdown(p->ssl) & SSL_RECEIVED_SHUTDOWN;
	if (p->has_bye)
		SSL_shutdown(p->ssl);
}

void tls_peer_must(bool ok)
{
	if (!ok)
		abort();
}

static void *run(void *arg)
{
	struct tls_peer *p = arg;
	sigset_t pipe;

	/* Of the server's own writes; the client must not need it. */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	p->ssl = SSL_new(p->ctx);
	SSL_set_fd(p->ssl, p->fd);
	if (p->instead != NULL)
		p->instead(p);
	else
		tls_peer_accept(p);
	if (p->has_shaken) {
		if (p->talk != NULL)
			p->talk(p);
		else
			tls_peer_echo(p);
	}
	SSL_free(p->ssl);
	p->ssl = NULL;
	qf_close(&p->fd);
	return NULL;
}

void tls_peer_dial(struct tls_peer *p, struct qf_stream *st)
{
	int fds[2];

	assert_int_equal(
	    0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	p->fd = fds[1];
	p->has_shaken = p->has_bye = false;
	p->client[0] = p->sni[0] = p->early[0] = '\0';
	p->received = 0;
	assert_int_equal(0, qf_stream_open(st, fds[0], NULL));
	assert_int_equal(0, pthread_create(&p->thread, NULL, run, p));
	p->is_running = true;
}

void tls_peer_join(struct tls_peer *p)
{
	if (p->is_running)
		assert_int_equal(0, pthread_join(p->thread, NULL));
	p->is_running = false;
}

int tls_meet(struct tls_peer *p, struct qf_tls *t, const struct qf_tls_peer *to)
{
	int rc;

	tls_peer_dial(p, &met.st);
	met.e = (struct qf_err){0};
	rc = qf_tls_connect(&met.st, t, to, QF_NEVER, &met.info, &met.e);
	if (rc < 0) {
		assert_int_equal(-1, met.st.fd);
		tls_peer_join(p);
	} else {
		assert_int_equal(QF_TLS_OK, met.info.fault);
	}
	return rc;
}

void tls_ping(void)
{
	char back[8];
	size_t n = 0;

	assert_int_equal(
	    5, qf_stream_write(&met.st, "hello", 5, QF_NEVER, &met.e));
	while (n < 5) {
		long r = qf_stream_read(
		    &met.st, back + n, sizeof back - n, QF_NEVER, &met.e);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal("hello", back, 5);
}

void tls_part(struct tls_peer *p)
{
	qf_stream_close(&met.st);
	tls_peer_join(p);
}

int tls_try(struct tls_peer *p, const struct qf_tls_conf *c,
    const struct qf_tls_peer *to)
{
	struct qf_tls *t;
	int rc;

	if (qf_tls_new(&t, c, &met.e) < 0)
		fail_msg("%s", met.e.text);
	rc = tls_meet(p, t, to);
	if (rc == 0) {
		tls_ping();
		tls_part(p);
		assert_true(p->has_bye);
	}
	qf_tls_free(&t);
	return rc;
}

void tls_assert_failed(
    int rc, int want_rc, enum qf_tls_fault fault, const char *text)
{
	if (rc != want_rc || met.info.fault != fault ||
	    strstr(met.e.text, text) == NULL)
		fail_msg(
		    "rc %d, fault %d: %s", rc, (int)met.info.fault, met.e.text);
	assert_int_equal(want_rc, met.e.rc);
}
