/*
 * Recipients of one message that are treated alike: they are at the same place
 * of the chain, with the same bytes and the same notes.
 *
 * A message starts as one group. It is split where a condition or a verdict
 * tells recipients apart, and groups that became alike again are joined, so
 * that what is the same for all is done once. Every recipient remembers its
 * place in the envelope as it came: joined groups have that order again.
 */
#ifndef QF_FRONTEND_GROUP_H
#define QF_FRONTEND_GROUP_H

#include "frontend/host.h"

/* Bytes of a message that stages edited. Groups share them. */
struct qf_version {
	int fd;
	unsigned users;
};

struct qf_group {
	size_t from;   /* the stage that is next */
	bool accepted; /* a stage said ACCEPT */
	bool ended;    /* judgement holds: PASS means that it is queued */
	size_t stage;  /* that ended it */
	struct qf_judgement judgement;
	struct qf_version *version; /* NULL: as it came */
	struct qf_envelope envelope;
	uint32_t *place; /* per recipient, where it was; QF_PLACE_ADDED */
	struct qf_share share;
	int *preset; /* per stage of the chain: qf_work.preset */
};

#define QF_PLACE_ADDED UINT32_MAX

struct qf_groups {
	struct qf_group **v;
	size_t n, cap;
	size_t nstages;
};

/* Makes the first group, of all recipients. */
void qf_groups_start(
    struct qf_groups *gs, const struct qf_envelope *env, size_t nstages);
void qf_groups_free(struct qf_groups *gs);

/* A new group beside g, at the same place of the chain, with the recipients i
 * that have take[i]; g keeps the others. */
struct qf_group *qf_group_split(
    struct qf_groups *gs, struct qf_group *g, const bool *take);
/* A new group beside g with recipients that are no longer in its envelope. */
struct qf_group *qf_group_branch(struct qf_groups *gs, const struct qf_group *g,
    const struct qf_envelope *rcpts);

/* Would a and b be treated alike from here on? */
bool qf_group_is_like(const struct qf_group *a, const struct qf_group *b);
/* Joins b, which ends to be, to a. */
void qf_group_join(
    struct qf_groups *gs, struct qf_group *a, struct qf_group *b);
void qf_group_remove(struct qf_groups *gs, struct qf_group *g);

/* Takes over what a worker edited. The descriptor becomes the group's. */
void qf_group_set_message(struct qf_group *g, int fd);
/* The envelope is emptied. */
void qf_group_set_envelope(struct qf_group *g, struct qf_envelope *env);

#endif
