/*
 * qfrontd: the front end. One program, since its roles share the code; each
 * role is a process of its own.
 */
#include <stdio.h>
#include <string.h>

#include "daemon/deliver.h"
#include "daemon/once.h"
#include "daemon/roles.h"
#include "lib/base/alloc.h"
#include "lib/mail/qqguard.h"

static const char usage[] =
    "usage: qfrontd [--socket path] [--ready-fd n] [--store-workers n]\n"
    "       qfrontd --once [--as name] [--] [program [argument ...]]\n"
    "The first form is the daemon. The second runs the chain for one message:\n"
    "message on descriptor 0, envelope on 1. See qfrontd(8).\n";

static int run_once(int argc, char **argv)
{
	const char *as = NULL;
	int first = 2;

	if (argc > 3 && strcmp(argv[2], "--as") == 0) {
		as = argv[3];
		first = 4;
	}
	if (argc > first && strcmp(argv[first], "--") == 0)
		first++;
	return qf_once_main(as, argv + first);
}

static int run_role(int argc, char **argv)
{
	const char *role = argc == 3 ? argv[2] : "";

	if (strcmp(role, "dispatcher") == 0)
		return qf_dispatcher_main();
	if (strcmp(role, "filter") == 0)
		return qf_zygote_main(0);
	if (strcmp(role, "sign") == 0)
		return qf_zygote_main(1);
	if (strcmp(role, "pickup") == 0)
		return qf_pickup_main();
	fputs(usage, stderr);
	return 64;
}

int main(int argc, char **argv)
{
	qf_alloc_exit_code(51);
	qf_qqguard_log("qfrontd");
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--once") == 0)
		return run_once(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--deliver") == 0)
		return qf_deliver_main(argv + 2);
	if (argc > 1 && strcmp(argv[1], "--role") == 0)
		return run_role(argc, argv);
	return qf_master_main(argc, argv);
}
