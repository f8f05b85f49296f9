/*
 * qfrontctl codes: the exit codes of the qmail-queue interface.
 */
#include <stdio.h>

#include "lib/mail/qqcode.h"
#include "tools/command.h"

static const char *class_name(char letter)
{
	switch (letter) {
	case 'K':
		return "accepted";
	case 'D':
		return "permanent";
	default:
		return "temporary";
	}
}

static int run(int argc, char **argv)
{
	const struct qf_qqcode *q;

	(void)argv;
	if (argc > 1)
		return QF_USAGE;
	printf("CODE  CLASS      STATUS  TEXT\n");
	for (size_t i = 0; (q = qf_qqcode_at(i)) != NULL; i++)
		printf("%4d  %-9s  %-6s  %s\n", q->code, class_name(q->letter),
		    q->status, q->text);
	return QF_DONE;
}

const struct qf_command qf_command_codes = {
    .name = "codes",
    .synopsis = "",
    .summary = "print the exit codes and the text that each becomes",
    .run = run,
};
