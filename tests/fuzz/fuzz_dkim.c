/*
 * Verifying DKIM signatures: the first line of the input is the text of every
 * key record, the rest the message. Results are clean, whatever comes in, and
 * what is good is so no more when From or body are changed.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "plugins/dkim/verifier.h"
#include "tests/fuzz/fuzz.h"
#include "tests/lib/fakehost.h"

static int32_t find(void *arg, const char *name, char *out, size_t size)
{
	const struct qf_span *record = arg;

	FUZZ_CHECK(strlen(name) < DOMAIN_SIZE);
	if (record->n >= size)
		return QF_ETOOLONG;
	if (record->n == 0)
		return QF_ENOENT;
	memcpy(out, record->p, record->n);
	out[record->n] = '\0';
	return 0;
}

static void verify(
    struct qf_span record, struct qf_span bytes, struct verified *out)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct qf_msg m = {.envelope = QF_ENVELOPE_INIT};
	struct verifier_rules rules = {
	    .max = 4, .min_bits = 1024, .find = find, .arg = &record};
	struct verifier *v;
	struct wire w;
	int32_t rc;

	FUZZ_CHECK(fd >= 0 && qf_write_all(fd, bytes.p, bytes.n) == 0);
	FUZZ_CHECK(qf_message_open(&m.message, fd, NULL) == 0);
	FUZZ_CHECK(verifier_open(&v) == 0);
	rc = wire_open(&w, &fakehost, &m);
	FUZZ_CHECK(rc == 0 || rc == QF_ETOOLONG);
	FUZZ_CHECK(verifier_run(v, rc == 0 ? &w : NULL, &rules, out) == 0);
	wire_close(&w);
	verifier_close(v);
	qf_message_close(&m.message);
	close(fd);
}

static void check_plain(const char *s)
{
	for (; *s != '\0'; s++)
		FUZZ_CHECK(*s > ' ' && *s < 127 && *s != ';' && *s != '"');
}

static void check_results(const struct verified *all)
{
	FUZZ_CHECK(all->n <= 4);
	for (unsigned i = 0; i < all->n; i++) {
		const struct signature *s = &all->v[i];

		FUZZ_CHECK(status_of(s->letter)->letter == s->letter);
		FUZZ_CHECK(s->letter != STATUS_NONE && s->why != NULL);
		check_plain(s->domain);
		check_plain(s->selector);
		check_plain(s->algorithm);
		check_plain(s->b);
	}
}

static bool is_good(const struct verified *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		if (all->v[i].letter == STATUS_GOOD)
			return true;
	}
	return false;
}

static void check_changed(struct qf_span record, const char *before,
    struct qf_span bytes, const char *after)
{
	static struct verified all;
	struct qf_buf b = QF_BUF_INIT;

	qf_buf_adds(&b, before);
	qf_buf_addspan(&b, bytes);
	qf_buf_adds(&b, after);
	verify(record, qf_buf_span(&b), &all);
	FUZZ_CHECK(!is_good(&all));
	qf_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct verified all;
	struct qf_span in = qf_span_n((const char *)data, size), record = {0};

	if (!qf_span_cut(&in, '\n', &record))
		return 0;
	/* A record that the resolver's part lets through. */
	if (memchr(record.p, '\0', record.n) != NULL)
		return 0;
	verify(record, in, &all);
	check_results(&all);
	if (is_good(&all)) {
		check_changed(record, "From: x@x.example\n", in, "");
		check_changed(record, "From: x@x.example\r", in, "");
		check_changed(record, "", in, "\nx");
		check_changed(record, "x\n", in, "");
	}
	return 0;
}
