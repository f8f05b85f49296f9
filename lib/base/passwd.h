/*
 * The accounts of this host as /etc/passwd has them: no more is there for a
 * static program, which starts once for each message and knows no NSS.
 */
#ifndef QF_BASE_PASSWD_H
#define QF_BASE_PASSWD_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/buf.h"

/* Appends the name of the first account that has this number. False when there
 * is none, and when the file can not be read. */
bool qf_passwd_name(uid_t uid, struct qf_buf *name);
/* Is there such an account? */
bool qf_passwd_has(const char *name);

#endif
