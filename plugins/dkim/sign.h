/*
 * The stage that signs: which key signs for which domain, and how.
 */
#ifndef QFP_DKIM_SIGN_H
#define QFP_DKIM_SIGN_H

#include <qfront/plugin.h>

struct sign;

/* As init(), message(), fini() and checkconf() of a plugin. */
int32_t sign_open(
    const struct qf_host *h, const struct qf_conf *c, struct sign **out);
int32_t sign_message(
    const struct qf_host *h, struct qf_msg *m, const struct sign *s);
void sign_close(struct sign *s);
int32_t sign_check(const struct qf_host *h, const struct qf_conf *c);

#endif
