/*
 * What queue/store.h promises, as cases that any engine must pass: they know
 * the table of operations and its comments, and nothing else of an engine.
 *
 * A case ends with the first thing that is not as promised: contract_run()
 * hands back the complaint, and the program that called decides what that
 * means. Whatever a case took through the functions below is given back after
 * it, so cases clean up only where that is what they look at.
 */
#ifndef QF_TESTS_STORE_CONTRACT_H
#define QF_TESTS_STORE_CONTRACT_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "queue/store.h"

/* An engine that is held against it. */
struct contract_backend {
	const char *name;
	const struct qf_store_ops *ops;
	/* A new queue without messages, and its end. False: can not be made. */
	bool (*make)(char *dir, size_t size);
	void (*remove)(const char *dir);
	/* As if the process that has the store open had died in this moment:
	 * nothing is undone, the system closes what was open. Frees *st. */
	void (*crash)(struct qf_store **st);

	/* What the table of operations can not say. */

	/* As if it had been queued, held or released then. */
	void (*set_born)(const char *dir, const char *id, int64_t born);
	/* While on, publish() fails with any message that is to be queued. */
	void (*refuse)(const char *dir, bool on);
	/* No message, and nothing that one left. */
	bool (*is_empty)(const char *dir);
	/* Appends what fail() kept of a message; false without it. */
	bool (*failed)(const char *dir, const char *id, struct qf_buf *out);
};

enum {
	CONTRACT_STORES = 8,
	CONTRACT_INTAKES = 32,
	CONTRACT_ITEMS = 32,
	CONTRACT_WALKS = 4
};

/* What a case is given. */
struct contract {
	const struct contract_backend *backend;
	const struct qf_store_ops *ops;
	char dir[128];
	const struct qf_store_settings *settings; /* of all stores */
	struct qf_err e;                          /* of the last call */

	/* What it took. */
	struct qf_store *store[CONTRACT_STORES];
	struct qf_intake *intake[CONTRACT_INTAKES];
	struct qf_item item[CONTRACT_ITEMS];
	struct contract_walk {
		struct qf_store *st;
		struct qf_walk place;
	} walk[CONTRACT_WALKS];
	struct qf_envelope env;
	struct qf_buf bytes, scratch;
	int fd;

	const char *name; /* of the case */
	char at[64];      /* where in the case, if it says so */
	jmp_buf end;
	char complaint[1000];
};

struct contract_case {
	const char *name;
	void (*run)(struct contract *c);
};

/* The cases by theme, each list and the list of lists with a zeroed end. */
extern const struct contract_case contract_intake[], contract_walking[],
    contract_state[], contract_holding[], contract_random[];
extern const struct contract_case *const contract_themes[];

/* Runs a case over a new queue: NULL, or what it complains of, which lasts
 * until the next one. */
const char *contract_run(
    const struct contract_backend *b, const struct contract_case *one);

/* For the cases, in which c is the contract. */

void contract_complain(struct contract *c, const char *where, int line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5), noreturn));
void contract_same(struct contract *c, const char *where, int line,
    const char *what, long long want, long long got);
void contract_same_text(struct contract *c, const char *where, int line,
    const char *what, const char *want, const char *got);
void contract_ok(
    struct contract *c, const char *where, int line, const char *what, int rc);

#define MUST(condition)                                                        \
	((condition) ? (void)0                                                 \
		     : contract_complain(                                      \
			   c, __func__, __LINE__, "not so: %s", #condition))
#define SAME(want, got)                                                        \
	contract_same(                                                         \
	    c, __func__, __LINE__, #got, (long long)(want), (long long)(got))
#define SAME_TEXT(want, got)                                                   \
	contract_same_text(c, __func__, __LINE__, #got, want, got)
/* A call of an operation with &c->e must not fail. */
#define OK(call) contract_ok(c, __func__, __LINE__, #call, call)

/* A message: n bytes, or a text. */
struct contract_letter {
	const char *bytes;
	size_t n;
	const char *sender;
	const char *const *rcpt, *const *attr; /* NULL at the end */
};

extern const struct contract_letter contract_plain, contract_routed,
    contract_spam, contract_virus;

struct qf_store *contract_open(struct contract *c, enum qf_store_use use);
/* The queue must be refused with this code. */
void contract_is_refused(
    struct contract *c, const char *dir, enum qf_store_use use, int rc);
void contract_close(struct contract *c, struct qf_store *st);
/* All stores: items, walks and what comes in go with them. */
void contract_crash(struct contract *c);

/* A message that is written, or prepared as well; its slot. Slots of one after
 * the other are neighbours, so that publish() takes several. */
struct qf_intake **contract_begin(struct contract *c, struct qf_store *st,
    const struct contract_letter *letter);
struct qf_intake **contract_prepare(struct contract *c, struct qf_store *st,
    const struct contract_letter *letter);
/* c->env becomes that of the letter. */
void contract_envelope(
    struct contract *c, const struct contract_letter *letter);
/* All of it, by a store of its own, published. */
void contract_put(struct contract *c, const struct contract_letter *letter,
    char id[QF_ID_SIZE]);

/* In a slot; contract_drop() gives it free. */
struct qf_item *contract_load(
    struct contract *c, struct qf_store *st, const char *id);
void contract_drop(struct contract *c, struct qf_item *item);
/* Must be what was put in, of which nobody got it yet. */
void contract_is_fresh(struct contract *c, const struct qf_item *item,
    const struct contract_letter *letter);
/* load() and message() say that it is not there. */
void contract_is_gone(struct contract *c, struct qf_store *st, const char *id);

/* Of the message, into c->bytes. */
void contract_read(struct contract *c, struct qf_store *st, const char *id);
void contract_has_bytes(struct contract *c, struct qf_store *st, const char *id,
    const struct contract_letter *letter);

struct contract_walk *contract_walk(
    struct contract *c, struct qf_store *st, bool held);
/* 1 and an id, or 0. */
int contract_next(
    struct contract *c, struct contract_walk *w, char id[QF_ID_SIZE]);
void contract_walk_end(struct contract *c, struct contract_walk *w);
/* How many ids a whole walk names, how often this one. */
size_t contract_count(struct contract *c, struct qf_store *st, bool held);
size_t contract_names(
    struct contract *c, struct qf_store *st, bool held, const char *id);

bool contract_is_readable(struct contract *c, struct qf_store *st);

#endif
