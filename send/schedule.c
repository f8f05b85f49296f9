#include "send/schedule.h"

int64_t qf_schedule_next(
    const struct qf_schedule *s, int64_t pausetime, int64_t maxpause)
{
	int64_t next = s->pause;

	/* Not doubled first: that could overflow. */
	if (next > maxpause / 2)
		return maxpause;
	next *= 2;
	if (next < pausetime)
		next = pausetime;
	return next < maxpause ? next : maxpause;
}

int64_t qf_schedule_pause(struct qf_schedule *s, int64_t pausetime,
    int64_t maxpause, bool messages_left)
{
	if (!messages_left) {
		qf_schedule_reset(s);
		return maxpause;
	}
	s->pause = qf_schedule_next(s, pausetime, maxpause);
	return s->pause;
}

void qf_schedule_reset(struct qf_schedule *s)
{
	s->pause = 0;
}

bool qf_schedule_expired(int64_t born, int64_t now, int64_t lifetime)
{
	return lifetime == 0 || (born <= now && now - born > lifetime);
}
