/*
 * Structs of plugins that know less or more than this host: what they do not
 * have counts as zero, what the host does not know is not looked at, and
 * nothing is read or written beyond the size that a struct gives.
 */
#include "tests/unit/unit.h"

#include "frontend/host.h"
#include "frontend/loader.h"

/* clang-format off */
/* The sizes of version 1.0 on this machine: SIZE_qf_verdict ... */
enum {
#define PICK(wide, narrow) (sizeof(void *) == 8 ? (wide) : (narrow))
#define QF_OFFSET(s, m, wide, narrow)
#define QF_SIZE(s, wide, narrow) SIZE_##s = PICK(wide, narrow),
#include "tests/abi/offsets-1.0.h"
};
/* clang-format on */

/* What stands behind a struct that is larger than the host's. */
static const char later[] = "later fields";

/* The struct with another size, at the end of its memory: reading further is
 * an error that the sanitizers and valgrind see. */
static void *resized(const void *from, size_t have, size_t size)
{
	char *p = malloc(size);
	uint32_t first = (uint32_t)size;

	assert_non_null(p);
	memcpy(p, from, have < size ? have : size);
	if (size > have)
		memcpy(p + have, later, size - have);
	memcpy(p, &first, sizeof first);
	return p;
}

static int32_t pass(const struct qf_host *h, struct qf_msg *m, void *state)
{
	(void)h;
	(void)m;
	(void)state;
	return QF_PASS;
}

static void test_old_plugin(void **state)
{
	static const struct qf_kind kinds[] = {{0}};
	const struct qf_plugin full = {.magic = 1,
	    .abi_major = 1,
	    .name = "sample",
	    .message = pass,
	    .kinds = kinds};
	struct qf_plugin copy, *p;
	struct qf_err e;

	(void)state;
	/* Its magic stands where other structs have their size. */
	p = resized(&full, sizeof full, SIZE_qf_plugin);
	p->magic = QF_PLUGIN_MAGIC;
	p->size = SIZE_qf_plugin;
	assert_int_equal(0, qf_plugin_adopt(&copy, p, "sample", &e));
	assert_null(copy.kinds);
	assert_int_equal(SIZE_qf_plugin, copy.size);
	/* One that is smaller than any is not read further. */
	p->size = SIZE_qf_plugin - 1;
	assert_int_equal(QF_ESYMBOL, qf_plugin_adopt(&copy, p, "sample", &e));
	free(p);
}

/* What a later version appends is not looked at. */
static void test_later_plugin(void **state)
{
	struct {
		struct qf_plugin plugin;
		uint64_t later[3];
	} big = {.plugin = {.magic = QF_PLUGIN_MAGIC,
		     .size = sizeof big,
		     .abi_major = 1,
		     .abi_minor = 99,
		     .name = "sample",
		     .wants = UINT64_C(1) << 60,
		     .message = pass},
	    .later = {1, 2, 3}};
	struct qf_plugin copy;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, qf_plugin_adopt(&copy, &big.plugin, "sample", &e));
	big.plugin.abi_minor_needed = 99;
	assert_int_equal(
	    QF_ESYMBOL, qf_plugin_adopt(&copy, &big.plugin, "sample", &e));
}

/* A message in the real host. */
static struct qf_txn txn;
static struct qf_msg msg = {.txn = &txn};
static int fd;

static int open_message(void **state)
{
	static const char text[] = "Subject: a\nX: b\n\nHello.\n";
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_share share = {0};
	struct qf_context context;
	struct qf_err e;

	(void)state;
	fd = unit_file(text, strlen(text));
	qf_envelope_set_sender(&env, qf_span("a@test.example"));
	qf_envelope_add_rcpt(&env, qf_span("b@test.example"));
	qf_context_init(&context, &env);
	assert_int_equal(0, qf_txn_open(&txn, fd, &env, &context, &share, &e));
	qf_envelope_free(&env);
	return 0;
}

static int close_message(void **state)
{
	(void)state;
	qf_txn_close(&txn);
	close(fd);
	return 0;
}

static void test_verdict(void **state)
{
	const struct qf_verdict full = {.class_ = QF_REJECT,
	    .category = QF_CAT_VIRUS,
	    .text = "no",
	    .target = "never@read.example"};
	struct qf_verdict *v;

	(void)state;
	/* Of version 1.0: without a target. */
	v = resized(&full, sizeof full, SIZE_qf_verdict);
	assert_int_equal(QF_REJECT, qf_host_table()->verdict(&msg, v));
	assert_int_equal(QF_CAT_VIRUS, msg.judgement.category);
	assert_string_equal("no", msg.judgement.text);
	assert_string_equal("", msg.judgement.target);
	free(v);
	/* Of a later version. */
	v = resized(&full, sizeof full, sizeof full + sizeof later);
	assert_int_equal(QF_REJECT, qf_host_table()->verdict(&msg, v));
	free(v);
	assert_null(msg.offence);
	/* Of none. */
	v = resized(&full, sizeof full, SIZE_qf_verdict - 1);
	assert_int_equal(QF_EINVAL, qf_host_table()->verdict(&msg, v));
	assert_non_null(msg.offence);
	msg.offence = NULL;
	free(v);
}

static void test_rcpt_verdict(void **state)
{
	const struct qf_verdict full = {.class_ = QF_REJECT, .text = "no"};
	const size_t sizes[] = {
	    SIZE_qf_verdict, sizeof full, sizeof full + sizeof later};
	struct qf_verdict *v;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		v = resized(&full, sizeof full, sizes[i]);
		assert_true(qf_host_table()->rcpt_verdict(&msg, 0, v) >= 0);
		free(v);
	}
	assert_null(msg.offence);
	v = resized(&full, sizeof full, SIZE_qf_verdict - 1);
	assert_int_equal(QF_EINVAL, qf_host_table()->rcpt_verdict(&msg, 0, v));
	free(v);
	qf_msg_rollback(&msg);
	msg.offence = NULL;
}

static void test_header_get(void **state)
{
	const struct qf_field empty = {0};
	struct qf_field *f;

	(void)state;
	f = resized(&empty, sizeof empty, SIZE_qf_field);
	assert_int_equal(0, qf_host_table()->header_get(&msg, 1, f));
	assert_int_equal(SIZE_qf_field, f->size);
	assert_int_equal(1, f->name.n);
	free(f);
	/* The host says how much of a later one it filled. */
	f = resized(&empty, sizeof empty, sizeof empty + sizeof later);
	assert_int_equal(0, qf_host_table()->header_get(&msg, 0, f));
	assert_int_equal(sizeof empty, f->size);
	assert_memory_equal(f + 1, later, sizeof later);
	free(f);
	f = resized(&empty, sizeof empty, SIZE_qf_field - 1);
	assert_int_equal(QF_EINVAL, qf_host_table()->header_get(&msg, 0, f));
	free(f);
}

/* Structs of version 1.1 that the host fills: no byte behind them is written,
 * and one that is too small is not written at all. */
static void fills(int32_t (*get)(void *out), size_t size)
{
	const char zeros[512] = {0};
	char *p = resized(zeros, size, size + sizeof later);

	assert_true(get(p) >= 0);
	assert_memory_equal(p + size, later, sizeof later);
	free(p);
	p = resized(zeros, size, size);
	assert_true(get(p) >= 0);
	free(p);
	p = resized(zeros, size, size - 1);
	assert_int_equal(QF_EINVAL, get(p));
	free(p);
}

static int32_t get_part(void *out)
{
	return qf_host_table()->part_get(&msg, 0, out);
}

static void test_part_get(void **state)
{
	(void)state;
	if (!QF_HOST_HAS(qf_host_table(), part_get))
		return; /* not in this host */
	fills(get_part, sizeof(struct qf_part));
}

static int32_t get_result(void *out)
{
	struct qf_iter it = {{0}};

	return qf_host_table()->authres_next(&msg, &it, out);
}

static void test_authres(void **state)
{
	const struct qf_authres full = {.method = "spf", .result = "pass"};
	const size_t sizes[] = {sizeof full, sizeof full + sizeof later};
	struct qf_authres *r;

	(void)state;
	if (!QF_HOST_HAS(qf_host_table(), authres_next))
		return; /* not in this host */
	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		r = resized(&full, sizeof full, sizes[i]);
		assert_int_equal(0, qf_host_table()->authres_add(&msg, r));
		free(r);
	}
	r = resized(&full, sizeof full, sizeof full - 1);
	assert_int_equal(QF_EINVAL, qf_host_table()->authres_add(&msg, r));
	free(r);
	msg.offence = NULL;
	qf_msg_commit(&msg);
	fills(get_result, sizeof full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_old_plugin),
	    cmocka_unit_test(test_later_plugin),
	    cmocka_unit_test(test_verdict),
	    cmocka_unit_test(test_rcpt_verdict),
	    cmocka_unit_test(test_header_get),
	    cmocka_unit_test(test_part_get),
	    cmocka_unit_test(test_authres),
	};

	return cmocka_run_group_tests(tests, open_message, close_message);
}
