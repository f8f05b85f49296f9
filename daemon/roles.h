/*
 * The roles of qfrontd, and what the master and the dispatcher say to each
 * other.
 *
 * The master is the process that was started. It reads no mail and no chain:
 * it makes the socket, starts a process for each role with its own user, starts
 * it again when it ends, and hands the dispatcher the sockets of the others.
 * Only it can, when it was started as root.
 *
 *	master -+- dispatcher         owns requests; no plugins, no keys
 *	        +- zygote filter --- workers  (a new pair with
 *	        +- zygote sign ----- workers   each generation)
 *	        +- qfront-queue --serve       the store, several
 *	        +- pickup --- takes up drop/, a process for each message
 *
 * What a terminal or a service manager tells all of them (HUP, INT, TERM) only
 * the master hears: the others end when their sockets do.
 *
 * All are `qfrontd --role NAME`, but the store. A record between master and
 * dispatcher is a struct qf_role_note over a SOCK_SEQPACKET pair; the
 * dispatcher's end is QF_ROLE_FD, the listening socket QF_LISTEN_FD. A
 * zygote's, store worker's or the pickup's end of its pair with the dispatcher
 * is QF_ROLE_FD too.
 */
#ifndef QF_DAEMON_ROLES_H
#define QF_DAEMON_ROLES_H

#include <stdint.h>

enum {
	QF_ROLE_FD = 3,
	QF_LISTEN_FD = 4
};

enum qf_role_note_kind {
	/* Master to dispatcher. */
	QF_NOTE_GENERATION = 1, /* load `generation`; with it two descriptors:
				 * the zygotes for filter and for sign */
	QF_NOTE_STORE,          /* one more store worker: one descriptor */
	QF_NOTE_PICKUP,         /* the pickup: one descriptor */
	QF_NOTE_STOP,           /* finish what has begun, then exit 0 */
	/* Dispatcher to master. */
	QF_NOTE_READY,  /* `generation` serves mail from now on */
	QF_NOTE_FAILED, /* it does not load, and `text` says why */
	QF_NOTE_AGAIN,  /* the same, but the next try may do */
	QF_NOTE_WANT    /* a zygote of the serving generation is gone (text):
			 * start a new one */
};

struct qf_role_note {
	uint32_t kind;
	uint32_t generation;
	uint32_t store_uid; /* with a generation: whom the queue belongs to */
	char text[512];
};

/* Pickup to dispatcher, with a connection to take as if it came by the socket:
 * what it brings is a message of this user, or a bounce of this host. */
struct qf_pickup_note {
	uint32_t uid;
	uint32_t bounce;
};

/* The whole life of the dispatcher: its exit code. */
int qf_dispatcher_main(void);
/* The whole life of a zygote, for workers that hold keys or for the others. */
int qf_zygote_main(int secret);
/* The whole life of the pickup. */
int qf_pickup_main(void);
/* The whole life of the master: its exit code. */
int qf_master_main(int argc, char **argv);

#endif
