/*
 * The names of hosts as the DNS has them: letters that are not ASCII become
 * A-labels (UTS 46, non-transitional).
 */
#ifndef QF_NET_IDN_H
#define QF_NET_IDN_H

#include <qfront/span.h>
#include "lib/base/err.h"

enum {
	QF_HOST_NAME = 254 /* bytes of a host name, with its NUL */
};

/*
 * The name (UTF-8) in ASCII, without a dot at its end; letters of names that
 * are ASCII stay as they are. QF_EINVAL when it can not be the name of a host:
 * empty labels, labels of more than 63 bytes, names of more than 253, bytes
 * other than letters, digits, hyphens and underscores, what Unicode forbids;
 * and addresses, which qf_ip_literal() knows.
 */
int qf_idn_host(char out[QF_HOST_NAME], struct qf_span name, struct qf_err *e);

#endif
