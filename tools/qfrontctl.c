/*
 * qfrontctl: what an administrator types.
 */
#include <stdio.h>
#include <string.h>

#include "lib/base/log.h"
#include "tools/command.h"

static const struct qf_command *const commands[] = {
    &qf_command_check,
    &qf_command_codes,
    &qf_command_explain,
    &qf_command_metrics,
    &qf_command_plugins,
    &qf_command_quarantine,
    &qf_command_queue,
    &qf_command_status,
    &qf_command_tcpto,
    &qf_command_test,
};

enum {
	NCOMMANDS = sizeof commands / sizeof *commands
};

static void usage(FILE *to)
{
	fputs("usage: qfrontctl command [argument ...]\n"
	      "       qfrontctl --version\n\n",
	    to);
	for (size_t i = 0; i < NCOMMANDS; i++)
		fprintf(to, "  %s %s\n      %s\n", commands[i]->name,
		    commands[i]->synopsis, commands[i]->summary);
	fputs("\nSee qfrontctl(8).\n", to);
}

int main(int argc, char **argv)
{
	qf_log_open("qfrontctl", QF_LOG_TO_STDERR, QF_LOG_INFO);
	if (argc > 1 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return QF_DONE;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("qfront " PACKAGE_VERSION);
		return QF_DONE;
	}
	for (size_t i = 0; argc > 1 && i < NCOMMANDS; i++) {
		int rc;

		if (strcmp(argv[1], commands[i]->name) != 0)
			continue;
		rc = commands[i]->run(argc - 1, argv + 1);
		if (rc == QF_USAGE)
			fprintf(stderr, "usage: qfrontctl %s %s\n",
			    commands[i]->name, commands[i]->synopsis);
		return rc;
	}
	if (argc > 1)
		fprintf(stderr, "qfrontctl: no command \"%s\"\n", argv[1]);
	usage(stderr);
	return QF_USAGE;
}
