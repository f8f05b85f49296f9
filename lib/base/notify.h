/*
 * Telling the service manager how far we are: sd_notify(3) without its
 * library, and the descriptor that s6 and others wait for.
 */
#ifndef QF_BASE_NOTIFY_H
#define QF_BASE_NOTIFY_H

/* Takes NOTIFY_SOCKET out of the environment: no child speaks for us. */
void qf_notify_open(void);
/* Sends lines such as "READY=1\nSTATUS=..." there, where that was
 * set. Nobody who does not hear it stops us. */
void qf_notify(const char *state);

#endif
