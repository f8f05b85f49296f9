/*
 * Whom a client of TLS believes, and what it says of whom it does not.
 */
#include "lib/net/tls.h"

#include <sys/stat.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "tests/unit/tls_peer.h"

static struct {
	char *dir;
	struct pki_id ca, other, between, host, deep, client;
	char cafile[64], otherfile[64];
} pki;

static struct qf_tls_peer host = {.mode = QF_TLS_VERIFY, .name = "mx.test"};

static const char *path(const char *name)
{
	static char buffers[8][128];
	static size_t next;
	char *at = buffers[next++ % 8];

	snprintf(at, sizeof buffers[0], "%s/%s", pki.dir, name);
	return at;
}

static int setup(void **state)
{
	(void)state;
	qf_log_open("test", QF_LOG_TO_NONE, QF_LOG_DEBUG);
	pki.dir = unit_dir();
	pki.ca =
	    pki_issue(&(struct pki_spec){.cn = "Unit CA", .is_ca = true}, NULL);
	pki.other = pki_issue(
	    &(struct pki_spec){.cn = "Other CA", .is_ca = true}, NULL);
	pki.between = pki_issue(
	    &(struct pki_spec){.cn = "Middle CA", .is_ca = true}, &pki.ca);
	pki.host = pki_issue(
	    &(struct pki_spec){.cn = "x",
		.san = "DNS:mx.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1"},
	    &pki.ca);
	pki.deep = pki_issue(
	    &(struct pki_spec){.cn = "x", .san = "DNS:mx.test"}, &pki.between);
	pki.client = pki_issue(&(struct pki_spec){.cn = "me"}, &pki.other);
	snprintf(pki.cafile, sizeof pki.cafile, "%s", path("ca.pem"));
	snprintf(pki.otherfile, sizeof pki.otherfile, "%s", path("other.pem"));
	pki_write_cert(pki.cafile, pki.ca.cert, false);
	pki_write_cert(pki.otherfile, pki.other.cert, false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pki_free(&pki.ca);
	pki_free(&pki.other);
	pki_free(&pki.between);
	pki_free(&pki.host);
	pki_free(&pki.deep);
	pki_free(&pki.client);
	unit_remove_dir(pki.dir);
	return 0;
}

/* One meeting with a server that has this certificate. */
static int try_id(const struct pki_id *id, const struct qf_tls_conf *c,
    const struct qf_tls_peer *to)
{
	struct tls_peer peer;
	int rc;

	tls_peer_new(&peer, id, NULL);
	rc = tls_try(&peer, c, to);
	tls_peer_free(&peer);
	return rc;
}

/* ... that is made for it, by the authority that is trusted. */
static int try_spec(const struct pki_spec *spec)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct pki_id id = pki_issue(spec, &pki.ca);
	int rc = try_id(&id, &c, &host);

	pki_free(&id);
	return rc;
}

static void assert_refused(int rc, const char *text)
{
	tls_assert_failed(rc, QF_EPERM, QF_TLS_UNTRUSTED, text);
}

static void assert_no_context(
    const struct qf_tls_conf *c, int want, const char *text)
{
	struct qf_tls *t;
	struct qf_err e = {0};
	int rc = qf_tls_new(&t, c, &e);

	assert_null(t);
	if (rc != want || strstr(e.text, text) == NULL)
		fail_msg("rc %d: %s", rc, e.text);
}

static void good(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct qf_buf line = QF_BUF_INIT;

	(void)state;
	assert_int_equal(0, try_id(&pki.host, &c, &host));
	assert_int_equal(QF_TLS_BY_CERTIFICATE, met.info.verified);
	assert_string_equal("CN=x", met.info.subject);
	assert_string_equal("CN=Unit CA", met.info.issuer);
	assert_string_equal("", met.info.problem);
	assert_int_equal(256, met.info.bits);
	qf_tls_describe(&met.info, &line);
	assert_string_equal("TLSv1.3 TLS_AES_256_GCM_SHA384 "
			    "verified=certificate resumed=no",
	    line.s);
	qf_buf_free(&line);
}

static void names(void **state)
{
	static const struct {
		const char *name, *sni;
		bool fits;
	} cases[] = {
	    {"mx.test", "mx.test", true},
	    {"MX.test.", "MX.test", true},
	    {"a.wild.test", "a.wild.test", true},
	    {"127.0.0.1", "", true},
	    {"[127.0.0.1]", "", true},
	    {"[IPv6:::1]", "", true},
	    {"::1", "", true},
	    {"a.b.wild.test", NULL, false},
	    {"wild.test", NULL, false},
	    {"test", NULL, false},
	    {"x", NULL, false}, /* the common name, beside others */
	    {"127.0.0.2", NULL, false},
	};
	struct qf_tls_conf c = {.cafile = pki.cafile};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_tls_peer to = {
		    .mode = QF_TLS_VERIFY, .name = cases[i].name};
		struct tls_peer peer;
		int rc;

		tls_peer_new(&peer, &pki.host, NULL);
		rc = tls_try(&peer, &c, &to);
		tls_peer_free(&peer);
		if (!cases[i].fits) {
			assert_refused(rc, "mx.test, *.wild.test, 127.0.0.1, "
					   "::1");
			continue;
		}
		assert_int_equal(0, rc);
		assert_string_equal(cases[i].sni, peer.sni);
	}
}

static void no_names_at_all(void **state)
{
	static const char *const names[] = {"", ".", ".test", "[]"};
	struct qf_tls_conf c = {.cafile = pki.cafile};
	char name[300];

	(void)state;
	memset(name, 'a', sizeof name);
	name[sizeof name - 1] = '\0';
	for (size_t i = 0; i <= UNIT_COUNT(names); i++) {
		struct qf_tls_peer to = {.mode = QF_TLS_VERIFY,
		    .name = i < UNIT_COUNT(names) ? names[i] : name};

		tls_assert_failed(try_id(&pki.host, &c, &to), QF_EINVAL,
		    QF_TLS_USAGE, "name of the peer");
	}
}

static void other_sni(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct qf_tls_peer to = host;
	struct tls_peer peer;

	(void)state;
	to.sni = "elsewhere.test";
	tls_peer_new(&peer, &pki.host, NULL);
	assert_int_equal(0, tls_try(&peer, &c, &to));
	assert_string_equal("elsewhere.test", peer.sni);
	to.sni = "192.0.2.1";
	to.name = NULL; /* the chain only */
	assert_int_equal(0, tls_try(&peer, &c, &to));
	assert_string_equal("", peer.sni);
	assert_int_equal(QF_TLS_BY_CERTIFICATE, met.info.verified);
	tls_peer_free(&peer);
}

static void no_names(void **state)
{
	(void)state;
	assert_int_equal(0, try_spec(&(struct pki_spec){.cn = "mx.test"}));
	assert_refused(try_spec(&(struct pki_spec){.cn = "odd\n.test"}),
	    "not for mx.test but for common name odd?.test");
	assert_refused(try_spec(&(struct pki_spec){.cn = "x",
			   .san = "DNS:a,DNS:b,DNS:c,DNS:d,DNS:e,"
				  "DNS:f,DNS:g"}),
	    "a, b, c, d, e and 2 more");
	assert_refused(
	    try_spec(&(struct pki_spec){.cn = "x", .san = "email:a@b"}),
	    "not for mx.test but for");
}

/* A part of a label is no wildcard. */
static void wildcards_in_words(void **state)
{
	struct pki_id id = pki_issue(
	    &(struct pki_spec){.cn = "x", .san = "DNS:m*.wild.test"}, &pki.ca);
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct qf_tls_peer to = {.mode = QF_TLS_VERIFY, .name = "mx.wild.test"};

	(void)state;
	assert_refused(
	    try_id(&id, &c, &to), "not for mx.wild.test but for m*.wild.test");
	pki_free(&id);
}

static void dates(void **state)
{
	struct pki_spec spec = {.cn = "x",
	    .san = "DNS:mx.test",
	    .from = -2 * PKI_DAY,
	    .to = -PKI_DAY};

	(void)state;
	assert_refused(try_spec(&spec), "the certificate expired on 2");
	spec.from = PKI_DAY;
	spec.to = 2 * PKI_DAY;
	assert_refused(try_spec(&spec), "is not valid before 2");
}

static int64_t next_week(int which)
{
	return which == 'w' ? time(NULL) + 7 * PKI_DAY : 0;
}

/* The clock is ours, not the library's. */
static void dates_by_our_clock(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	int rc;

	(void)state;
	qf_clock_source(next_week);
	rc = try_id(&pki.host, &c, &host);
	qf_clock_source(NULL);
	tls_assert_failed(rc, QF_EPERM, QF_TLS_UNTRUSTED, "expired on 2");
}

static void issuers(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct qf_tls_conf own = {.cafile = path("self.pem")};
	struct pki_spec spec = {.cn = "x", .san = "DNS:mx.test"};
	struct pki_id self = pki_issue(&spec, NULL);
	struct pki_id lost = pki_issue(&spec, &pki.other);

	(void)state;
	assert_refused(try_id(&self, &c, &host), "self-signed (CN=x)");
	assert_refused(try_id(&lost, &c, &host), "unknown here: CN=Other CA");
	/* One that is trusted by itself. */
	pki_write_cert(own.cafile, self.cert, false);
	assert_int_equal(0, try_id(&self, &own, &host));
	pki_free(&self);
	pki_free(&lost);
}

static void chains(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct qf_tls_conf middle = {.cafile = path("middle.pem")};
	struct tls_peer peer;

	(void)state;
	tls_peer_new(&peer, &pki.deep, &pki.between);
	assert_int_equal(0, tls_try(&peer, &c, &host));
	tls_peer_free(&peer);
	assert_refused(
	    try_id(&pki.deep, &c, &host), "unknown here: CN=Middle CA");
	/* What is given as an authority is one, though it is no root. */
	pki_write_cert(middle.cafile, pki.between.cert, false);
	assert_int_equal(0, try_id(&pki.deep, &middle, &host));
}

static void directory(void **state)
{
	char command[300], *dir = unit_dir();
	struct qf_tls_conf c = {.capath = dir};
	struct qf_tls_conf standard = {.trust_dir = dir, .trust_file = "/none"};

	(void)state;
	assert_no_context(&c, QF_ECONF, "openssl rehash");
	snprintf(command, sizeof command,
	    "cp %s %s && openssl rehash %s >/dev/null", pki.cafile, dir, dir);
	assert_int_equal(0, system(command));
	assert_int_equal(0, try_id(&pki.host, &c, &host));
	assert_int_equal(0, try_id(&pki.host, &standard, &host));
	standard.der = true; /* of the files that are given: there are none */
	assert_int_equal(0, try_id(&pki.host, &standard, &host));
	unit_remove_dir(dir);
}

static void default_bundle(void **state)
{
	struct qf_tls_conf c = {
	    .trust_dir = pki.dir, .trust_file = pki.cafile, .der = true};

	(void)state;
	assert_int_equal(0, try_id(&pki.host, &c, &host));
	c.trust_file = pki.otherfile;
	assert_refused(try_id(&pki.host, &c, &host), "unknown");
}

static void no_default(void **state)
{
	struct qf_tls_conf c = {.trust_dir = "/none", .trust_file = "/none/x"};
	struct qf_tls_peer to = host;

	(void)state;
	assert_no_context(&c, QF_ECONF, "install the package ca-certificates");
	c.trust_optional = true;
	tls_assert_failed(try_id(&pki.host, &c, &host), QF_ECONF, QF_TLS_USAGE,
	    "install the package ca-certificates");
	to.mode = QF_TLS_VERIFY_NONE;
	assert_int_equal(0, try_id(&pki.host, &c, &to));
	assert_int_equal(QF_TLS_BY_NONE, met.info.verified);
	assert_string_equal("nothing to verify it with", met.info.problem);
}

static void opportunistic(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct pki_id self = pki_issue(
	    &(struct pki_spec){.cn = "x", .san = "DNS:mx.test"}, NULL);
	struct qf_tls_peer to = {.mode = QF_TLS_VERIFY_NONE, .name = "mx.test"};

	(void)state;
	assert_int_equal(0, try_id(&pki.host, &c, &to));
	assert_int_equal(QF_TLS_BY_CERTIFICATE, met.info.verified);
	assert_int_equal(0, try_id(&self, &c, &to));
	assert_int_equal(QF_TLS_SELF_SIGNED, met.info.verified);
	assert_non_null(strstr(met.info.problem, "self-signed"));
	to.name = "other.test";
	assert_int_equal(0, try_id(&pki.host, &c, &to));
	assert_int_equal(QF_TLS_BY_NONE, met.info.verified);
	assert_non_null(strstr(met.info.problem, "not for other.test"));
	pki_free(&self);
}

static void insecure(void **state)
{
	struct qf_tls_conf c = {
	    .insecure = true, .trust_dir = "/none", .trust_file = pki.dir};
	struct qf_tls_peer to = {.mode = QF_TLS_VERIFY, .name = "other.test"};

	(void)state;
	assert_int_equal(0, try_id(&pki.host, &c, &to));
	assert_int_equal(QF_TLS_BY_NONE, met.info.verified);
}

static void anonymous(void **state)
{
	struct qf_tls_conf c = {.insecure = true, .anonymous = true};
	struct tls_peer peer;

	(void)state;
	tls_peer_new(&peer, NULL, NULL);
	SSL_CTX_set_cipher_list(peer.ctx, "aNULL:!eNULL:@SECLEVEL=0");
	SSL_CTX_set_verify(peer.ctx, SSL_VERIFY_NONE, NULL);
	assert_int_equal(0, tls_try(&peer, &c, &host));
	assert_int_equal(QF_TLS_BY_NONE, met.info.verified);
	assert_string_equal("", met.info.subject);
	assert_string_equal("TLSv1.2", met.info.version);
	assert_non_null(strstr(met.info.cipher, "AECDH"));
	c.anonymous = false;
	tls_assert_failed(tls_try(&peer, &c, &host), QF_EPROTO, QF_TLS_REFUSED,
	    "handshake failure (alert 40); no cipher in common");
	tls_peer_free(&peer);
	/* One with a certificate shows it all the same. */
	c.anonymous = true;
	assert_int_equal(0, try_id(&pki.host, &c, &host));
	assert_string_equal("CN=x", met.info.subject);
}

static void settings_that_do_not_fit(void **state)
{
	char pin[] = "00112233445566778899aabbccddeeff"
		     "00112233445566778899aabbccddeeff";

	(void)state;
	assert_no_context(&(struct qf_tls_conf){.anonymous = true}, QF_EINVAL,
	    "insecure only");
	assert_no_context(
	    &(struct qf_tls_conf){
		.anonymous = true, .insecure = true, .fingerprint = pin},
	    QF_EINVAL, "without a fingerprint");
	assert_no_context(
	    &(struct qf_tls_conf){
		.anonymous = true, .insecure = true, .min = QF_TLS_1_3},
	    QF_EINVAL, "tls-min");
	assert_no_context(&(struct qf_tls_conf){.keyfile = "/key"}, QF_EINVAL,
	    "x509certfile");
	assert_no_context(
	    &(struct qf_tls_conf){.certfile = "/cert", .der = true}, QF_EINVAL,
	    "x509keyfile");
}

static int try_versions(int server_min, int server_max, enum qf_tls_version min)
{
	struct qf_tls_conf c = {.cafile = pki.cafile, .min = min};
	struct tls_peer peer;
	int rc;

	tls_peer_new(&peer, &pki.host, NULL);
	SSL_CTX_set_min_proto_version(peer.ctx, server_min);
	SSL_CTX_set_max_proto_version(peer.ctx, server_max);
	rc = tls_try(&peer, &c, &host);
	tls_peer_free(&peer);
	return rc;
}

static void versions(void **state)
{
	(void)state;
	tls_assert_failed(
	    try_versions(TLS1_VERSION, TLS1_VERSION, QF_TLS_MIN_DEFAULT),
	    QF_EPROTO, QF_TLS_VERSION, "refused TLS 1.2 and later");
	tls_assert_failed(
	    try_versions(TLS1_VERSION, TLS1_1_VERSION, QF_TLS_1_2), QF_EPROTO,
	    QF_TLS_VERSION, "refused TLS 1.2 and later");
	tls_assert_failed(
	    try_versions(TLS1_VERSION, TLS1_2_VERSION, QF_TLS_1_3), QF_EPROTO,
	    QF_TLS_VERSION, "refused TLS 1.3 and later");
	tls_assert_failed(try_versions(TLS1_VERSION, TLS1_VERSION, QF_TLS_1_1),
	    QF_EPROTO, QF_TLS_VERSION, "refused TLS 1.1 and later");
	assert_int_equal(
	    0, try_versions(TLS1_VERSION, TLS1_VERSION, QF_TLS_1_0));
	assert_string_equal("TLSv1", met.info.version);
	assert_int_equal(
	    0, try_versions(TLS1_1_VERSION, TLS1_1_VERSION, QF_TLS_1_0));
	assert_int_equal(
	    0, try_versions(TLS1_2_VERSION, TLS1_2_VERSION, QF_TLS_1_2));
	assert_string_equal("TLSv1.2", met.info.version);
	assert_int_equal(
	    0, try_versions(TLS1_VERSION, TLS1_3_VERSION, QF_TLS_1_3));
	assert_string_equal("TLSv1.3", met.info.version);
}

/* One that was made before there was TLS 1.3 says which version it has. */
static void old_hello(struct tls_peer *p)
{
	static const char hello[] = "\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03"
				    "\x01random bytes, thirty-two of them"
				    "\x00\x00\x2f\x00";
	char b[1024];

	tls_peer_must(read(p->fd, b, sizeof b) > 0);
	tls_peer_must(write(p->fd, hello, sizeof hello - 1) > 0);
	while (read(p->fd, b, sizeof b) > 0)
		;
}

static void old_server(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct tls_peer peer;

	(void)state;
	tls_peer_new(&peer, &pki.host, NULL);
	peer.instead = old_hello;
	tls_assert_failed(tls_try(&peer, &c, &host), QF_EPROTO, QF_TLS_VERSION,
	    "the peer has only TLS 1.0, and at least TLS 1.2 is wanted");
	tls_peer_free(&peer);
}

static void version_names(void **state)
{
	enum qf_tls_version v;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_tls_version_parse("1.0", &v, &e));
	assert_int_equal(QF_TLS_1_0, v);
	assert_int_equal(0, qf_tls_version_parse("1.3", &v, &e));
	assert_int_equal(QF_TLS_1_3, v);
	assert_int_equal(QF_EINVAL, qf_tls_version_parse("", &v, &e));
	assert_int_equal(QF_EINVAL, qf_tls_version_parse("1", &v, &e));
	assert_non_null(strstr(e.text, "use 1.0, 1.1, 1.2 or 1.3"));
}

static void weak(void **state)
{
	struct pki_spec spec = {
	    .cn = "x", .san = "DNS:mx.test", .rsa_bits = 1024};
	struct qf_tls_conf old = {.cafile = pki.cafile, .min = QF_TLS_1_0};
	struct pki_id small = pki_issue(&spec, &pki.ca);
	struct pki_id sha1;
	struct qf_tls_peer to = host;

	(void)state;
	tls_assert_failed(try_spec(&spec), QF_EPERM, QF_TLS_WEAK,
	    "the certificate is too weak: EE certificate key too weak (key "
	    "of 1024 bits");
	/* That old versions are allowed makes no certificate better. */
	tls_assert_failed(
	    try_id(&small, &old, &host), QF_EPERM, QF_TLS_WEAK, "too weak");
	to.mode = QF_TLS_VERIFY_NONE;
	assert_int_equal(0, try_id(&small, &old, &to));
	old.min = QF_TLS_MIN_DEFAULT;
	assert_int_equal(0, try_id(&small, &old, &to));
	assert_non_null(strstr(met.info.problem, "too weak"));
	old.min = QF_TLS_1_0;
	spec.rsa_bits = 0;
	spec.is_sha1 = true;
	sha1 = pki_issue(&spec, &pki.ca);
	tls_assert_failed(try_id(&sha1, &old, &host), QF_EPERM, QF_TLS_WEAK,
	    "signed with ecdsa-with-SHA1");
	pki_free(&small);
	pki_free(&sha1);
}

/* Lists. */

static int try_list(X509_CRL *crl, bool der)
{
	struct qf_tls_conf c = {.cafile = path(der ? "ca.der" : "ca.pem"),
	    .crlfile = path("list"),
	    .der = der};

	pki_write_cert(path("ca.der"), pki.ca.cert, true);
	pki_write_list(path("list"), crl, der);
	X509_CRL_free(crl);
	return try_id(&pki.host, &c, &host);
}

static void lists(void **state)
{
	(void)state;
	for (int der = 0; der < 2; der++) {
		assert_int_equal(
		    0, try_list(pki_list(&pki.ca, NULL, PKI_DAY), der));
		assert_refused(
		    try_list(pki_list(&pki.ca, pki.host.cert, PKI_DAY), der),
		    "has been revoked by CN=Unit CA");
	}
	assert_refused(try_list(pki_list(&pki.ca, NULL, -PKI_DAY), false),
	    "the revocation list of CN=Unit CA expired on 2");
	assert_refused(try_list(pki_list(&pki.other, NULL, PKI_DAY), false),
	    "none of CN=Unit CA, which issued the certificate");
}

static void lists_of_a_chain(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile, .crlfile = path("lists")};
	X509_CRL *middle = pki_list(&pki.between, NULL, PKI_DAY);
	X509_CRL *root = pki_list(&pki.ca, pki.between.cert, PKI_DAY);
	struct tls_peer peer;
	char command[300];

	(void)state;
	tls_peer_new(&peer, &pki.deep, &pki.between);
	/* The root has none. */
	pki_write_list(c.crlfile, middle, false);
	assert_int_equal(0, tls_try(&peer, &c, &host));
	/* It has one, and the authority between is in it. */
	pki_write_list(path("root"), root, false);
	snprintf(
	    command, sizeof command, "cat %s >>%s", path("root"), c.crlfile);
	assert_int_equal(0, system(command));
	assert_refused(tls_try(&peer, &c, &host),
	    "the certificate of the authority CN=Middle CA has been revoked");
	tls_peer_free(&peer);
	X509_CRL_free(middle);
	X509_CRL_free(root);
}

/* Client certificates and files. */

static void client_certificates(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct tls_peer peer;
	char command[300];

	(void)state;
	tls_peer_new(&peer, &pki.host, NULL);
	assert_int_equal(0, tls_try(&peer, &c, &host));
	assert_string_equal("", peer.client);
	c.certfile = path("me.pem");
	c.keyfile = path("me.key");
	pki_write_cert(c.certfile, pki.client.cert, false);
	pki_write_key(c.keyfile, pki.client.key, false);
	assert_int_equal(0, tls_try(&peer, &c, &host));
	assert_string_equal("me", peer.client);
	/* The key stands beside the certificate. */
	snprintf(command, sizeof command, "cat %s >>%s", c.keyfile, c.certfile);
	assert_int_equal(0, system(command));
	c.keyfile = NULL;
	assert_int_equal(0, tls_try(&peer, &c, &host));
	assert_string_equal("me", peer.client);
	c = (struct qf_tls_conf){.cafile = path("ca.der"),
	    .certfile = path("me.der"),
	    .keyfile = path("me.key.der"),
	    .der = true};
	pki_write_cert(c.cafile, pki.ca.cert, true);
	pki_write_cert(c.certfile, pki.client.cert, true);
	pki_write_key(c.keyfile, pki.client.key, true);
	assert_int_equal(0, tls_try(&peer, &c, &host));
	assert_string_equal("me", peer.client);
	tls_peer_free(&peer);
}

/* In TLS 1.3 the client learns of it when it reads. */
static void client_certificate_is_missed(void **state)
{
	struct qf_tls_conf c = {.cafile = pki.cafile};
	struct tls_peer peer;
	struct qf_tls *t;
	char b[8];

	(void)state;
	tls_peer_new(&peer, &pki.host, NULL);
	SSL_CTX_set_verify(
	    peer.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	assert_int_equal(0, qf_tls_new(&t, &c, &met.e));
	assert_int_equal(0, tls_meet(&peer, t, &host));
	assert_int_equal(
	    QF_ENET, qf_stream_read(&met.st, b, sizeof b, QF_NEVER, &met.e));
	assert_non_null(strstr(met.e.text, "certificate required"));
	assert_int_equal(0, met.e.sys);
	tls_part(&peer);
	qf_tls_free(&t);
	SSL_CTX_set_max_proto_version(peer.ctx, TLS1_2_VERSION);
	tls_assert_failed(tls_try(&peer, &c, &host), QF_EPROTO, QF_TLS_REFUSED,
	    "client certificate");
	tls_peer_free(&peer);
}

static void write_text(const char *name, const char *text)
{
	FILE *f = fopen(path(name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void files(void **state)
{
	(void)state;
	pki_write_cert(path("me.pem"), pki.client.cert, false);
	pki_write_cert(path("ca.der"), pki.ca.cert, true);
	pki_write_key(path("wrong.key"), pki.ca.key, false);
	write_text("empty", "");
	write_text("text", "no certificate\n");
	write_text("cut", "-----BEGIN CERTIFICATE-----\nMIIB\n");
	write_text("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"
			     "-----END ENCRYPTED PRIVATE KEY-----\n");
	assert_no_context(&(struct qf_tls_conf){.cafile = "/none/x"}, QF_ECONF,
	    "authorities /none/x: No such file");
	assert_no_context(&(struct qf_tls_conf){.cafile = pki.dir}, QF_ECONF,
	    "no regular file");
	assert_no_context(&(struct qf_tls_conf){.cafile = path("empty")},
	    QF_ECONF, "is empty");
	assert_no_context(&(struct qf_tls_conf){.cafile = path("text")},
	    QF_ECONF, "is not PEM");
	assert_no_context(&(struct qf_tls_conf){.cafile = path("ca.der")},
	    QF_ECONF, "looks like DER");
	assert_no_context(
	    &(struct qf_tls_conf){.cafile = path("cut")}, QF_ECONF, "damaged");
	assert_no_context(
	    &(struct qf_tls_conf){.cafile = pki.cafile, .der = true}, QF_ECONF,
	    "is PEM, not DER");
	assert_no_context(
	    &(struct qf_tls_conf){.cafile = pki.cafile, .crlfile = pki.cafile},
	    QF_ECONF, "revocation list");
	assert_no_context(
	    &(struct qf_tls_conf){.insecure = true, .certfile = path("me.pem")},
	    QF_ECONF, "key ");
	assert_no_context(&(struct qf_tls_conf){.insecure = true,
			      .certfile = path("me.pem"),
			      .keyfile = "/none/key"},
	    QF_ECONF, "key /none/key: No such file");
	assert_no_context(&(struct qf_tls_conf){.insecure = true,
			      .certfile = path("me.pem"),
			      .keyfile = path("wrong.key")},
	    QF_ECONF, "does not belong to the certificate");
}

static void locked_key(void **state)
{
	struct qf_tls_conf c = {.insecure = true,
	    .certfile = path("me.pem"),
	    .keyfile = path("locked")};
	char command[300];

	(void)state;
	pki_write_cert(c.certfile, pki.client.cert, false);
	pki_write_key(path("me.key"), pki.client.key, false);
	snprintf(command, sizeof command,
	    "openssl pkey -in %s -aes128 -passout pass:word -out %s",
	    path("me.key"), c.keyfile);
	assert_int_equal(0, system(command));
	assert_no_context(&c, QF_ECONF, "needs a passphrase");
}

static void key_that_all_can_read(void **state)
{
	struct qf_tls_conf c = {.insecure = true,
	    .certfile = path("me.pem"),
	    .keyfile = path("open.key")};
	struct qf_buf log = QF_BUF_INIT;
	struct unit_capture capture;
	struct qf_tls *t;
	int rc;

	(void)state;
	pki_write_cert(c.certfile, pki.client.cert, false);
	pki_write_key(c.keyfile, pki.client.key, false);
	assert_int_equal(0, chmod(c.keyfile, 0644));
	capture = unit_capture_begin(2);
	qf_log_open("test", QF_LOG_TO_STDERR, QF_LOG_INFO);
	rc = qf_tls_new(&t, &c, &met.e);
	qf_log_open("test", QF_LOG_TO_NONE, QF_LOG_DEBUG);
	unit_capture_end(&capture, &log);
	assert_int_equal(0, rc);
	assert_non_null(strstr(log.s, "can be read by everybody"));
	assert_non_null(strstr(log.s, "open.key"));
	qf_tls_free(&t);
	qf_buf_free(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(names),
	    cmocka_unit_test(no_names_at_all),
	    cmocka_unit_test(other_sni),
	    cmocka_unit_test(no_names),
	    cmocka_unit_test(wildcards_in_words),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(dates_by_our_clock),
	    cmocka_unit_test(issuers),
	    cmocka_unit_test(chains),
	    cmocka_unit_test(directory),
	    cmocka_unit_test(default_bundle),
	    cmocka_unit_test(no_default),
	    cmocka_unit_test(opportunistic),
	    cmocka_unit_test(insecure),
	    cmocka_unit_test(anonymous),
	    cmocka_unit_test(settings_that_do_not_fit),
	    cmocka_unit_test(versions),
	    cmocka_unit_test(old_server),
	    cmocka_unit_test(version_names),
	    cmocka_unit_test(weak),
	    cmocka_unit_test(lists),
	    cmocka_unit_test(lists_of_a_chain),
	    cmocka_unit_test(client_certificates),
	    cmocka_unit_test(client_certificate_is_missed),
	    cmocka_unit_test(files),
	    cmocka_unit_test(locked_key),
	    cmocka_unit_test(key_that_all_can_read),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
