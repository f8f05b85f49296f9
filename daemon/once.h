/*
 * The whole front end for one message, without a daemon.
 */
#ifndef QF_DAEMON_ONCE_H
#define QF_DAEMON_ONCE_H

/* Message on descriptor 0, envelope on 1. `name` is what the client was called
 * by, or NULL; argv the words of the next program, NULL-terminated. The exit
 * code; returns only when no other program took over. */
int qf_once_main(const char *name, char *const *argv);

#endif
