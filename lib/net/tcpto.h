/*
 * Which addresses did not answer lately: qmail's lock/tcpto (tcpto(5),
 * qmail-tcpto(8)), and lock/tcpto6 beside it for IPv6. It only saves time: what
 * goes wrong with it stops no mail, and a file that is damaged counts as empty.
 *
 * Each file holds 64 records. lock/tcpto has 16 bytes for one: the address in
 * bytes 0 to 3, how often it timed out in byte 4, when the last time was in
 * bytes 8 to 11, as seconds since 1970, the least byte first; the rest is 0.
 * lock/tcpto6 has 32 bytes for one: the address in bytes 0 to 15, then byte 16,
 * bytes 20 to 23 and the rest as above. A count of 0 means that it answered.
 */
#ifndef QF_NET_TCPTO_H
#define QF_NET_TCPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/ip.h"

enum {
	QF_TCPTO_RECORDS = 64,
	QF_TCPTO_MOST = 10,  /* where counting ends */
	QF_TCPTO_SKIP = 2,   /* the count from which on it is left out */
	QF_TCPTO_PAUSE = 120 /* seconds in which it counts once */
};

struct qf_tcpto {
	int dir; /* QUEUEDIR/lock; -1: nothing is known, nothing is kept */
};

/* clang-format off */
#define QF_TCPTO_NONE {.dir = -1}
/* clang-format on */

/* Files are made when they are needed and the folder lets us. 0; or QF_EQUEUE,
 * and t may be used all the same. */
int qf_tcpto_open(struct qf_tcpto *t, const char *queuedir, struct qf_err *e);
void qf_tcpto_close(struct qf_tcpto *t);

/* Did it time out so often and so lately that trying it is a waste? `chance`,
 * the process number in qmail, spreads the time: 64 to 97 minutes. */
bool qf_tcpto_is_dead(
    struct qf_tcpto *t, const struct qf_ip *ip, int64_t now, unsigned chance);
/* It timed out, or did anything else. */
void qf_tcpto_note(
    struct qf_tcpto *t, const struct qf_ip *ip, bool timed_out, int64_t now);

/* For people: */

struct qf_tcpto_entry {
	struct qf_ip ip;
	unsigned count;
	int64_t when;
};

/* Those of both files whose count is not 0: their number, or QF_EREAD when a
 * file is there and can not be read. */
int qf_tcpto_list(struct qf_tcpto *t,
    struct qf_tcpto_entry out[2 * QF_TCPTO_RECORDS], struct qf_err *e);
/* Forgets all of it: 0 or QF_EWRITE. */
int qf_tcpto_clear(struct qf_tcpto *t, struct qf_err *e);

#endif
