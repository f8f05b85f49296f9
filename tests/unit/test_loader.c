/* What a plugin says of itself, held against this host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "frontend/host.h"
#include "frontend/loader.h"

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	(void)h;
	(void)m;
	(void)state;
	return QF_PASS;
}

static const struct qf_plugin good = {
    .magic = QF_PLUGIN_MAGIC,
    .size = sizeof(struct qf_plugin),
    .abi_major = QF_ABI_MAJOR,
    .abi_minor = QF_ABI_MINOR,
    .name = "sample",
    .needs = QF_GROUP_MESSAGE,
    .message = message,
};

static void refused(const struct qf_plugin *p, const char *says)
{
	struct qf_plugin copy;
	struct qf_err e;

	assert_int_equal(qf_plugin_adopt(&copy, p, "sample", &e), QF_ESYMBOL);
	if (strstr(e.text, says) == NULL)
		fail_msg("%s: %s", says, e.text);
}

static void test_adopts(void **state)
{
	struct qf_plugin copy;
	struct qf_err e;

	(void)state;
	assert_int_equal(qf_plugin_adopt(&copy, &good, "sample", &e), 0);
	assert_memory_equal(&copy, &good, sizeof copy);
}

/* A plugin of a later minor version has a larger struct and wants more than
 * this host has; that is no reason to refuse it. */
static void test_adopts_later_minor(void **state)
{
	struct {
		struct qf_plugin p;
		void *later[4];
	} big = {.p = good, .later = {&big}};
	struct qf_plugin copy;
	struct qf_err e;

	(void)state;
	big.p.size = sizeof big;
	big.p.abi_minor = 7;
	big.p.wants = UINT64_C(1) << 63;
	assert_int_equal(qf_plugin_adopt(&copy, &big.p, "sample", &e), 0);
}

static void test_refuses(void **state)
{
	static const struct qf_setting loose[] = {
	    {.key = "mode", .flags = QF_SETTING_ENV}, {0}};
	static const struct qf_kind kinds[] = {
	    {.key = "mode", .value = "a"}, {0}};
	struct qf_plugin p;

	(void)state;
	p = good;
	p.magic = 0;
	refused(&p, "no qfront plugin");
	p = good;
	p.abi_major = 2;
	refused(&p, "ABI 2.");
	p = good;
	p.size = 24;
	refused(&p, "build it again");
	p = good;
	p.abi_minor_needed = 9;
	refused(&p, "update qfront");
	p = good;
	p.needs |= UINT64_C(1) << 40;
	refused(&p, "0x10000000000");
	p = good;
	p.name = "other";
	refused(&p, "calls itself \"other\"");
	p = good;
	p.name = NULL;
	refused(&p, "calls itself");
	p = good;
	p.settings = loose;
	p.kinds = kinds;
	refused(&p, "kind by \"mode\"");
	p = good;
	p.message = NULL;
	refused(&p, "no message function");
}

static void test_host_table(void **state)
{
	const struct qf_host *h = qf_host_table();

	(void)state;
	assert_int_equal(h->size, sizeof *h);
	assert_true(QF_HOST_HAS(h, size_of));
	assert_true(QF_HOST_HAS(h, log));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_adopts),
	    cmocka_unit_test(test_adopts_later_minor),
	    cmocka_unit_test(test_refuses),
	    cmocka_unit_test(test_host_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
