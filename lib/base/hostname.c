#include "lib/base/hostname.h"

#include <unistd.h>

#include "lib/base/alloc.h"

char *qf_hostname(void)
{
	char name[256];

	if (gethostname(name, sizeof name) < 0 || name[0] == '\0')
		return qf_strdup("localhost");
	name[sizeof name - 1] = '\0';
	return qf_strdup(name);
}
