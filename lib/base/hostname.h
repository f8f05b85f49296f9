/*
 * What this host calls itself, where the control file `me` says nothing.
 */
#ifndef QF_BASE_HOSTNAME_H
#define QF_BASE_HOSTNAME_H

/* For the caller to free(); "localhost" when it has no name. */
char *qf_hostname(void);

#endif
