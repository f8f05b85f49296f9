/*
 * What the dispatcher and a zygote say to each other. A zygote is the process
 * that loads the plugins of a generation, for stages that hold keys or for the
 * others, and forks the workers, which share what it has loaded.
 *
 * Records are a struct qf_zygote_note. At the end of the socket the zygote
 * ends, and its workers with it.
 */
#ifndef QF_DAEMON_ZYGOTE_H
#define QF_DAEMON_ZYGOTE_H

#include <stdint.h>

enum qf_zygote_note_kind {
	/* Dispatcher to zygote. */
	QF_ZYGOTE_FORK = 1, /* worker `id`, which is new */
	QF_ZYGOTE_STOP,     /* kill worker `id`, if it is still there */
	/* Zygote to dispatcher. */
	QF_ZYGOTE_READY,  /* it has loaded all; uid is its user, digest that
			   * of its policy */
	QF_ZYGOTE_FAILED, /* it has not: text; it ends */
	QF_ZYGOTE_WORKER, /* worker `id` runs: pid, and its socket */
	QF_ZYGOTE_GONE    /* worker `id` has ended: status of wait(2) */
};

struct qf_zygote_note {
	uint32_t kind, id;
	int32_t pid, status;
	uint32_t uid;
	uint64_t digest;
	char text[512];
};

#endif
