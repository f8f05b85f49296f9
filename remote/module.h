/*
 * What a program that runs protocol modules and its modules agree on
 * (nullmailer-send(8), PROTOCOL OPTIONS): options on descriptor 0, the
 * message with its envelope on descriptor 3 (module_mail.h), the text of the
 * result on descriptor 1, and the exit codes.
 */
#ifndef QF_REMOTE_MODULE_H
#define QF_REMOTE_MODULE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

/* 0 is success, 1 to 31 are temporary, 32 to 63 permanent. */
enum qf_module_exit {
	QF_MODULE_SENT = 0,
	QF_MODULE_USAGE = 1,      /* option wrong or missing, no HELOHOST */
	QF_MODULE_NO_HOST = 2,    /* no such name */
	QF_MODULE_NO_ADDRESS = 3, /* the name has no address */
	QF_MODULE_RESOLVER = 5,   /* temporary trouble with names */
	QF_MODULE_SOCKET = 6,
	QF_MODULE_REFUSED = 7,     /* connection refused */
	QF_MODULE_TIMEOUT = 8,     /* connecting, or a step of the session */
	QF_MODULE_UNREACHABLE = 9, /* host or network */
	QF_MODULE_CONNECT = 10,    /* any other trouble with connecting */
	QF_MODULE_PROTOCOL = 11,   /* no reply, or one not understood */
	QF_MODULE_NO_MESSAGE = 12, /* the message can not be opened */
	QF_MODULE_READ = 13,       /* the message can not be read */
	QF_MODULE_WRITE = 14,      /* the connection broke in the message */
	QF_MODULE_TEMPORARY = 16,  /* the server said: later */
	QF_MODULE_SOME_LATER = 17, /* ... to some of several recipients */
	QF_MODULE_CONFIG = 18,     /* the options can not be read */
	QF_MODULE_BIND = 19,       /* the source address can not be used */
	QF_MODULE_AUTH = 20,       /* no way to log in, or refused */
	QF_MODULE_MEMORY = 21,     /* out of memory */
	QF_MODULE_PERMANENT = 35   /* the server refused the message */
};

/* Options: one table gives names, kinds, storage and help. A NULL name ends
 * it. */
struct qf_module_option {
	const char *name;
	char letter; /* short form on the command line, or 0 */
	enum {
		QF_MODULE_TEXT,
		QF_MODULE_SECRET, /* text, never on the command line */
		QF_MODULE_PORT,
		QF_MODULE_FLAG
	} kind;
	/* Where it goes in the settings: char *, unsigned, bool. */
	size_t offset;
	/* Not NULL: known, but this version lacks what it needs. */
	const char *lacks;
	const char *arg; /* name of the value in the help, or NULL */
	const char *help;
};

/*
 * Takes options from the command line: -x VALUE, -xVALUE, --name=VALUE,
 * --name VALUE, and flags. 0; 1 when help was asked for; QF_EINVAL, also for
 * a secret, which everybody on the host could read there. Text values are
 * borrowed from argv.
 */
int qf_module_args(const struct qf_module_option *table, void *settings,
    int argc, char **argv, struct qf_err *e);
/*
 * Takes options from fd, one a line as name=VALUE, --name=VALUE or a bare
 * flag, up to an empty line. Text values point into bytes. QF_EINVAL for a
 * wrong option; QF_EREAD when fd can not be read or ends without the empty
 * line, as part of the options may be missing then. Nothing at all is no
 * options.
 */
int qf_module_options(const struct qf_module_option *table, void *settings,
    int fd, struct qf_buf *bytes, struct qf_err *e);
/* Does this begin with the name of an option, as such a line does? */
bool qf_module_knows(const struct qf_module_option *table, const char *word);
/* Takes one option as a line of descriptor 0 has it; the value points into
 * it. QF_EINVAL. */
int qf_module_word(const struct qf_module_option *table, void *settings,
    const char *word, struct qf_err *e);
/* Appends a usage text. */
void qf_module_usage(const struct qf_module_option *table, const char *program,
    struct qf_buf *out);

#endif
