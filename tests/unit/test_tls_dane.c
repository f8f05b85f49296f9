/*
 * What replaces authorities: TLSA records and fingerprints.
 */
#include "lib/net/tls.h"

#include <openssl/evp.h>

#include "tests/unit/tls_peer.h"

enum {
	WHOLE = 0,
	BY_SHA256 = 1,
	BY_SHA512 = 2
};

static struct {
	struct pki_id ca, host, old, other;
} pki;

static int setup(void **state)
{
	struct pki_spec host = {.cn = "x", .san = "DNS:mx.test"};

	(void)state;
	pki.ca =
	    pki_issue(&(struct pki_spec){.cn = "Unit CA", .is_ca = true}, NULL);
	pki.host = pki_issue(&host, &pki.ca);
	pki.other = pki_issue(&host, NULL);
	host.san = "DNS:elsewhere.test";
	host.from = -2 * PKI_DAY;
	host.to = -PKI_DAY;
	pki.old = pki_issue(&host, &pki.ca);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pki_free(&pki.ca);
	pki_free(&pki.host);
	pki_free(&pki.old);
	pki_free(&pki.other);
	return 0;
}

/* What is published of a certificate or its key. */
struct record {
	struct qf_tlsa r;
	unsigned char data[4096];
};

static void publish(
    struct record *to, int usage, int selector, int matching, X509 *cert)
{
	unsigned char *der = NULL;
	unsigned n;
	int len = selector == 0
		      ? i2d_X509(cert, &der)
		      : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

	assert_in_range(len, 1, sizeof to->data);
	to->r = (struct qf_tlsa){.usage = (uint8_t)usage,
	    .selector = (uint8_t)selector,
	    .matching = (uint8_t)matching,
	    .data = to->data,
	    .n = (size_t)len};
	if (matching == WHOLE) {
		memcpy(to->data, der, (size_t)len);
	} else {
		EVP_Digest(der, (size_t)len, to->data, &n,
		    matching == BY_SHA256 ? EVP_sha256() : EVP_sha512(), NULL);
		to->r.n = n;
	}
	OPENSSL_free(der);
}

/* A server with a certificate (and its authority's), and records of its
 * domain. */
static int try_records(const struct pki_id *id, const struct pki_id *along,
    const struct qf_tlsa *r, size_t n, const char *name)
{
	struct qf_tls_conf c = {.trust_dir = "/none",
	    .trust_file = "/none",
	    .trust_optional = true};
	struct qf_tls_peer to = {.mode = QF_TLS_DANE,
	    .name = name,
	    .tlsa = r,
	    .ntlsa = n,
	    .dane_base = "mx.test"};
	struct tls_peer peer;
	int rc;

	tls_peer_new(&peer, id, along);
	rc = tls_try(&peer, &c, &to);
	if (rc == 0)
		assert_string_equal("mx.test", peer.sni);
	tls_peer_free(&peer);
	return rc;
}

static void assert_dane(int rc)
{
	struct qf_buf line = QF_BUF_INIT;

	if (rc != 0)
		fail_msg("%s", met.e.text);
	assert_int_equal(QF_TLS_BY_DANE, met.info.verified);
	assert_false(met.info.dane_unusable);
	qf_tls_describe(&met.info, &line);
	assert_non_null(strstr(line.s, "verified=dane"));
	qf_buf_free(&line);
}

static void assert_no_match(int rc)
{
	tls_assert_failed(
	    rc, QF_EPERM, QF_TLS_UNTRUSTED, "no TLSA record of mx.test");
}

static void end_entities(void **state)
{
	struct record r;

	(void)state;
	for (int selector = 0; selector < 2; selector++) {
		for (int matching = WHOLE; matching <= BY_SHA512; matching++) {
			publish(&r, 3, selector, matching, pki.host.cert);
			assert_dane(
			    try_records(&pki.host, NULL, &r.r, 1, NULL));
			assert_no_match(
			    try_records(&pki.other, NULL, &r.r, 1, NULL));
		}
	}
}

/* Its name and its dates say less than the zone does. */
static void old_end_entity(void **state)
{
	struct record r;

	(void)state;
	publish(&r, 3, 1, BY_SHA256, pki.old.cert);
	assert_dane(try_records(&pki.old, NULL, &r.r, 1, NULL));
}

static void authorities(void **state)
{
	struct record r;

	(void)state;
	for (int selector = 0; selector < 2; selector++) {
		publish(&r, 2, selector, BY_SHA256, pki.ca.cert);
		assert_dane(try_records(&pki.host, &pki.ca, &r.r, 1, NULL));
		/* Not in what the server sends, and a digest is no key. */
		assert_no_match(try_records(&pki.host, NULL, &r.r, 1, NULL));
		assert_no_match(
		    try_records(&pki.other, &pki.ca, &r.r, 1, NULL));
		publish(&r, 2, selector, BY_SHA256, pki.other.cert);
		assert_no_match(try_records(&pki.host, &pki.ca, &r.r, 1, NULL));
	}
	/* The whole authority stands in the zone. */
	publish(&r, 2, 0, WHOLE, pki.ca.cert);
	assert_dane(try_records(&pki.host, NULL, &r.r, 1, NULL));
}

static void names_under_authorities(void **state)
{
	struct pki_id mail = pki_issue(
	    &(struct pki_spec){.cn = "x", .san = "DNS:domain.test"}, &pki.ca);
	struct record r;

	(void)state;
	publish(&r, 2, 0, BY_SHA256, pki.ca.cert);
	tls_assert_failed(try_records(&mail, &pki.ca, &r.r, 1, NULL), QF_EPERM,
	    QF_TLS_UNTRUSTED, "not for mx.test but for domain.test");
	/* The domain that the mail is for is a second name. */
	assert_dane(try_records(&mail, &pki.ca, &r.r, 1, "domain.test"));
	tls_assert_failed(
	    try_records(&pki.old, &pki.ca, &r.r, 1, "elsewhere.test"), QF_EPERM,
	    QF_TLS_UNTRUSTED, "expired");
	pki_free(&mail);
}

/* One that matches is enough, and those that can not be used do not count. */
static void several(void **state)
{
	struct record wrong, right, odd;
	struct qf_tlsa r[3];

	(void)state;
	publish(&wrong, 3, 1, BY_SHA256, pki.other.cert);
	publish(&right, 3, 1, BY_SHA256, pki.host.cert);
	publish(&odd, 1, 1, BY_SHA256, pki.host.cert);
	r[0] = wrong.r;
	r[1] = right.r;
	r[2] = odd.r;
	assert_dane(try_records(&pki.host, NULL, r, 3, NULL));
	r[1] = odd.r;
	assert_no_match(try_records(&pki.host, NULL, r, 3, NULL));
}

static void unusable(void **state)
{
	static const struct {
		int usage, selector, matching;
		size_t n;
	} cases[] = {
	    {0, 0, BY_SHA256, 32}, /* asks for authorities of all hosts */
	    {1, 1, BY_SHA256, 32}, {4, 1, BY_SHA256, 32}, {3, 2, BY_SHA256, 32},
	    {3, 1, 9, 32}, {3, 1, BY_SHA256, 31}, {3, 1, BY_SHA256, 0},
	    {3, 0, WHOLE, 20}, /* no certificate */
	    {2, 1, WHOLE, 20}, /* no key */
	};
	struct record all[UNIT_COUNT(cases)];
	struct qf_tlsa r[UNIT_COUNT(cases)];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		publish(&all[i], cases[i].usage, cases[i].selector, BY_SHA256,
		    pki.host.cert);
		r[i] = all[i].r;
		r[i].matching = (uint8_t)cases[i].matching;
		r[i].n = cases[i].n;
		assert_int_equal(
		    0, try_records(&pki.host, NULL, &r[i], 1, NULL));
		assert_true(met.info.dane_unusable);
		assert_int_equal(QF_TLS_BY_NONE, met.info.verified);
	}
	assert_int_equal(
	    0, try_records(&pki.host, NULL, r, UNIT_COUNT(cases), NULL));
	assert_true(met.info.dane_unusable);
}

static void without_records(void **state)
{
	static const char *const names[] = {NULL, "", "192.0.2.1"};
	struct qf_tls_conf c = {.insecure = true};
	struct tls_peer peer;
	struct record r;

	(void)state;
	tls_assert_failed(try_records(&pki.host, NULL, NULL, 0, NULL),
	    QF_EINVAL, QF_TLS_USAGE, "without TLSA records");
	publish(&r, 3, 1, BY_SHA256, pki.host.cert);
	for (size_t i = 0; i < UNIT_COUNT(names); i++) {
		struct qf_tls_peer to = {.mode = QF_TLS_DANE,
		    .tlsa = &r.r,
		    .ntlsa = 1,
		    .dane_base = names[i]};

		tls_peer_new(&peer, &pki.host, NULL);
		tls_assert_failed(
		    tls_try(&peer, &c, &to), QF_EINVAL, QF_TLS_USAGE, "DANE");
		tls_peer_free(&peer);
	}
}

/* What a user lets by for want of a name is not what a zone asks for. */
static void insecure_is_something_else(void **state)
{
	struct qf_tls_conf c = {.insecure = true};
	struct tls_peer peer;
	struct record r;
	struct qf_tls_peer to = {.mode = QF_TLS_DANE,
	    .tlsa = &r.r,
	    .ntlsa = 1,
	    .dane_base = "mx.test"};

	(void)state;
	publish(&r, 3, 1, BY_SHA256, pki.other.cert);
	tls_peer_new(&peer, &pki.host, NULL);
	assert_no_match(tls_try(&peer, &c, &to));
	tls_peer_free(&peer);
}

/* A session goes on as long as the records are the same. */
static void resumed(void **state)
{
	struct qf_tls_conf c = {.trust_optional = true};
	struct record r[2];
	struct qf_tlsa both[2];
	struct qf_tls_peer to = {.mode = QF_TLS_DANE,
	    .tlsa = both,
	    .ntlsa = 2,
	    .dane_base = "mx.test"};
	struct tls_peer peer;
	struct qf_tls *t;

	(void)state;
	publish(&r[0], 3, 1, BY_SHA256, pki.host.cert);
	publish(&r[1], 3, 1, BY_SHA256, pki.old.cert);
	both[0] = r[0].r;
	both[1] = r[1].r;
	tls_peer_new(&peer, &pki.host, NULL);
	assert_int_equal(0, qf_tls_new(&t, &c, &met.e));
	for (int i = 0; i < 3; i++) {
		if (i == 2) /* as long as before, and another one */
			publish(&r[1], 3, 1, BY_SHA256, pki.other.cert);
		assert_dane(tls_meet(&peer, t, &to));
		assert_int_equal(i == 1, met.info.resumed);
		tls_ping();
		tls_part(&peer);
	}
	qf_tls_free(&t);
	tls_peer_free(&peer);
}

/* Fingerprints. */

static void digest(char *out, X509 *cert, bool of_key, const char *between)
{
	struct record r;

	publish(&r, 3, of_key, BY_SHA256, cert);
	for (size_t i = 0; i < r.r.n; i++)
		out += sprintf(out, "%s%02X", i > 0 ? between : "", r.data[i]);
}

static enum qf_tls_mode pin_mode = QF_TLS_VERIFY;

static int try_pin(const struct pki_id *id, const char *prefix, const char *hex)
{
	char pin[128];
	struct qf_tls_conf c = {
	    .fingerprint = pin, .trust_dir = "/none", .trust_file = "/none"};
	struct qf_tls_peer to = {.mode = pin_mode, .name = "any.test"};
	struct tls_peer peer;
	int rc;

	snprintf(pin, sizeof pin, "%s%s", prefix, hex);
	tls_peer_new(&peer, id, NULL);
	rc = tls_try(&peer, &c, &to);
	if (rc == 0)
		assert_int_equal(QF_TLS_BY_FINGERPRINT, met.info.verified);
	tls_peer_free(&peer);
	return rc;
}

static void fingerprints(void **state)
{
	char hex[128], want[160];

	(void)state;
	digest(hex, pki.old.cert, false, ":");
	assert_int_equal(0, try_pin(&pki.old, "", hex));
	assert_int_equal(0, try_pin(&pki.old, "SHA256:", hex));
	digest(hex, pki.old.cert, false, "");
	assert_int_equal(0, try_pin(&pki.old, "sha256:", hex));
	tls_assert_failed(try_pin(&pki.old, "spki:", hex), QF_EPERM,
	    QF_TLS_UNTRUSTED, "another fingerprint than given: spki:");
	tls_assert_failed(try_pin(&pki.host, "", hex), QF_EPERM,
	    QF_TLS_UNTRUSTED, "another fingerprint than given: sha256:");
	digest(hex, pki.host.cert, true, "");
	assert_int_equal(0, try_pin(&pki.host, "spki:", hex));
	/* What is said can be given. */
	tls_assert_failed(try_pin(&pki.other, "spki:", hex), QF_EPERM,
	    QF_TLS_UNTRUSTED, "fingerprint");
	snprintf(want, sizeof want, "%s",
	    strstr(met.e.text, "spki:") + strlen("spki:"));
	assert_int_equal(0, try_pin(&pki.other, "spki:", want));
}

/* It is looked at whatever the connection asks for. */
static void fingerprint_is_for_all(void **state)
{
	char hex[128];

	(void)state;
	digest(hex, pki.old.cert, false, "");
	pin_mode = QF_TLS_VERIFY_NONE;
	assert_int_equal(0, try_pin(&pki.old, "", hex));
	tls_assert_failed(try_pin(&pki.host, "", hex), QF_EPERM,
	    QF_TLS_UNTRUSTED, "fingerprint");
	pin_mode = QF_TLS_VERIFY;
}

static void no_fingerprints(void **state)
{
	static const char *const texts[] = {"", "sha256:", "xyz", "00:11",
	    "spki",
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef",
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0",
	    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff:",
	    "0:0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	    "md5:00112233445566778899aabbccddeeff"};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(texts); i++) {
		struct qf_tls_conf c = {.fingerprint = texts[i]};
		struct qf_tls *t;

		assert_int_equal(QF_EINVAL, qf_tls_new(&t, &c, &met.e));
		assert_non_null(strstr(met.e.text, "64 hexadecimal digits"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(end_entities),
	    cmocka_unit_test(old_end_entity),
	    cmocka_unit_test(authorities),
	    cmocka_unit_test(names_under_authorities),
	    cmocka_unit_test(several),
	    cmocka_unit_test(unusable),
	    cmocka_unit_test(without_records),
	    cmocka_unit_test(insecure_is_something_else),
	    cmocka_unit_test(resumed),
	    cmocka_unit_test(fingerprints),
	    cmocka_unit_test(fingerprint_is_for_all),
	    cmocka_unit_test(no_fingerprints),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
