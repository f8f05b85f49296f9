/*
 * Taking up one message of drop/ (queue/drop.h): the dispatcher is asked on
 * behalf of who submitted it, and the file goes, stays or is set aside as the
 * answer says. It is removed only when the message, or a bounce of it, is
 * queued: a crash in between makes a duplicate, never a loss.
 */
#ifndef QF_DAEMON_TAKEUP_H
#define QF_DAEMON_TAKEUP_H

enum qf_takeup {
	QF_TAKEUP_OVER, /* the file is gone or set aside */
	QF_TAKEUP_LATER,
	QF_TAKEUP_STUCK /* it is done with, but can not be removed */
};

/* Logs what became of it. For a process of its own, with the dispatcher at
 * QF_ROLE_FD; in one that has gone without a word it is QF_TAKEUP_LATER. */
enum qf_takeup qf_takeup(int folder, const char *id);

#endif
