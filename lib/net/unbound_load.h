/*
 * libunbound, loaded when it is first needed: it and the libraries that it
 * brings take a fifth of the processor's time in which a program starts that
 * sends one message, and few of these prove answers themselves.
 */
#ifndef QF_NET_UNBOUND_LOAD_H
#define QF_NET_UNBOUND_LOAD_H

#include <unbound.h>

#include "lib/base/err.h"

/* Its functions that we call, without the `ub_`. */
#define QF_UNBOUND_CALLS(X)                                                    \
	X(cancel)                                                              \
	X(ctx_add_ta_file)                                                     \
	X(ctx_async)                                                           \
	X(ctx_create)                                                          \
	X(ctx_delete)                                                          \
	X(ctx_resolvconf)                                                      \
	X(ctx_set_fwd)                                                         \
	X(ctx_set_option)                                                      \
	X(fd)                                                                  \
	X(process)                                                             \
	X(resolve_async)                                                       \
	X(resolve_free)                                                        \
	X(strerror)

#define QF_UNBOUND_MEMBER(name) __typeof__(&ub_##name) name;

struct qf_unbound {
	QF_UNBOUND_CALLS(QF_UNBOUND_MEMBER)
};

/* Stays loaded. NULL with QF_ENET when it is not there, or another one. */
const struct qf_unbound *qf_unbound_load(struct qf_err *e);

#endif
