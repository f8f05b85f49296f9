/* Several syncs at once. */
#include "lib/base/syncs.h"

#include <errno.h>

#include "tests/unit/unit.h"

enum {
	MANY = 40
};

static void test_each_has_its_result(void **state)
{
	struct qf_sync v[MANY];
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	for (size_t n = 0; n <= MANY; n++) {
		for (size_t i = 0; i < n; i++)
			v[i] = (struct qf_sync){
			    i % 3 == 1   ? p[0]
			    : i % 3 == 2 ? -1
					 : open(".", O_RDONLY | O_CLOEXEC),
			    .error = -1};
		qf_sync_all(v, n);
		for (size_t i = 0; i < n; i++) {
			if (i % 3 == 0) {
				assert_int_equal(v[i].error, 0);
				close(v[i].fd);
			} else {
				assert_true(v[i].error == EINVAL ||
					    v[i].error == EBADF);
			}
		}
	}
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_has_its_result),
	};

	return cmocka_run_group_tests_name("syncs", tests, NULL, NULL);
}
