/*
 * Telling the service manager how far we are: sd_notify(3) without its
 * library, and the descriptor that s6 and others wait for.
 */
#ifndef QF_BASE_NOTIFY_H
#define QF_BASE_NOTIFY_H

/* Sends lines such as "READY=1\nSTATUS=..." to NOTIFY_SOCKET, where that is
 * set. Nobody who does not hear it stops us. */
void qf_notify(const char *state);

#endif
