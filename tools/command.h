/*
 * The commands of qfrontctl: one file and one constant entry each.
 */
#ifndef QF_TOOLS_COMMAND_H
#define QF_TOOLS_COMMAND_H

/* What a command returns, and qfrontctl exits with. */
enum {
	QF_DONE = 0,
	QF_FOUND = 1,  /* it did its work and found something wrong */
	QF_USAGE = 64, /* EX_USAGE of sysexits.h */
	QF_TROUBLE = 111
};

struct qf_command {
	const char *name;
	const char *synopsis; /* what follows the name */
	const char *summary;  /* one line */
	/* argv[0] is the command's name. QF_USAGE: the caller prints the
	 * synopsis. */
	int (*run)(int argc, char **argv);
};

extern const struct qf_command qf_command_check;
extern const struct qf_command qf_command_codes;
extern const struct qf_command qf_command_explain;
extern const struct qf_command qf_command_metrics;
extern const struct qf_command qf_command_plugins;
extern const struct qf_command qf_command_quarantine;
extern const struct qf_command qf_command_queue;
extern const struct qf_command qf_command_status;
extern const struct qf_command qf_command_tcpto;
extern const struct qf_command qf_command_test;

#endif
