/*
 * Log lines of both kinds of stages.
 */
#ifndef QFP_DKIM_SAY_H
#define QFP_DKIM_SAY_H

#include <qfront/plugin.h>

__attribute__((format(printf, 4, 5))) void say(const struct qf_host *h,
    struct qf_msg *m, int32_t level, const char *fmt, ...);

#endif
