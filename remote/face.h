/*
 * What the mains of the protocol modules share: how they tell the result, and
 * what the exit code is when there is no connection.
 */
#ifndef QF_REMOTE_FACE_H
#define QF_REMOTE_FACE_H

#include "lib/net/dial.h"
#include "lib/net/tls.h"
#include "remote/module.h"

/* Writes `peer: text` as one printable line to descriptor 1, without the peer
 * when it is NULL; returns the code, which stands even if nobody reads it. */
int qf_face_finish(int code, const char *peer, const char *text);
/* The same of a session; what TLS came to stands behind the text. */
int qf_face_report(int code, const char *peer, const struct qf_buf *text,
    const struct qf_tls_info *tls);
/* The usage text of the options to fd; the program with what it needs before
 * it. */
void qf_face_usage(
    int fd, const struct qf_module_option *table, const char *program);
/* The exit code for what became of settings: 0, QF_EINVAL, another error. */
int qf_face_settings_exit(int rc);
int qf_face_dial_exit(enum qf_dial_fault fault);

#endif
