/*
 * When the queue is run again and when a message is too old: pure functions
 * of their arguments, no clock (nullmailer-send(8): pausetime, maxpause,
 * queuelifetime).
 */
#ifndef QF_SEND_SCHEDULE_H
#define QF_SEND_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed memory starts one. */
struct qf_schedule {
	int64_t pause; /* the last one in seconds; 0: none since the reset */
};

/* The pause that follows a run which leaves messages: pausetime, then twice
 * the last one, never above maxpause. */
int64_t qf_schedule_next(
    const struct qf_schedule *s, int64_t pausetime, int64_t maxpause);
/* Takes that pause, or starts anew and takes maxpause when nothing is left. */
int64_t qf_schedule_pause(struct qf_schedule *s, int64_t pausetime,
    int64_t maxpause, bool messages_left);
/* New mail came. */
void qf_schedule_reset(struct qf_schedule *s);

/* Was it in the queue for longer than lifetime seconds? A lifetime of 0 gives
 * each message one run. Birth may lie in the future: a clock was set. */
bool qf_schedule_expired(int64_t born, int64_t now, int64_t lifetime);

#endif
