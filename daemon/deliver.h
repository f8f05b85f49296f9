/*
 * qfrontd --deliver: what a client of the daemon becomes when more than one
 * message comes out of its own, for a queue program of its own, or when the
 * daemon keeps some of them.
 */
#ifndef QF_DAEMON_DELIVER_H
#define QF_DAEMON_DELIVER_H

/* Words: the descriptor of the connection to the daemon, behind which message
 * and envelope of each follow; how many these are, how many the daemon keeps,
 * the dialect, `--`, the queue program. The exit code. */
int qf_deliver_main(char *const *argv);

#endif
