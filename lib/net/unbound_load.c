#include "lib/net/unbound_load.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static struct qf_unbound unbound;

#define PLACE(name) {"ub_" #name, offsetof(struct qf_unbound, name)},

static const struct {
	const char *name;
	size_t at;
} places[] = {QF_UNBOUND_CALLS(PLACE)};

static int find_calls(void *library, struct qf_err *e)
{
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		void *call = dlsym(library, places[i].name);

		if (call == NULL)
			return qf_fail(e, QF_ENET, "resolver: %s", dlerror());
		memcpy((char *)&unbound + places[i].at, &call, sizeof call);
	}
	return 0;
}

const struct qf_unbound *qf_unbound_load(struct qf_err *e)
{
	static void *library;
	void *found;

	if (library != NULL)
		return &unbound;
	found = dlopen(QF_UNBOUND_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (found == NULL) {
		qf_fail(e, QF_ENET, "resolver: %s", dlerror());
		return NULL;
	}
	if (find_calls(found, e) < 0) {
		dlclose(found);
		return NULL;
	}
	library = found;
	return &unbound;
}
