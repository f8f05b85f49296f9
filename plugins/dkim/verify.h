/*
 * The stage that verifies: what its signatures make of a message, and whether
 * that refuses it.
 */
#ifndef QFP_DKIM_VERIFY_H
#define QFP_DKIM_VERIFY_H

#include <qfront/plugin.h>

struct verify;

/* As init(), message(), fini() and checkconf() of a plugin. */
int32_t verify_open(
    const struct qf_host *h, const struct qf_conf *c, struct verify **out);
int32_t verify_message(
    const struct qf_host *h, struct qf_msg *m, const struct verify *v);
void verify_close(struct verify *v);
int32_t verify_check(const struct qf_host *h, const struct qf_conf *c);

#endif
