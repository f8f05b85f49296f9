#include "tests/unit/store_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/alloc.h"
#include "lib/base/clock.h"
#include "lib/base/io.h"

/* A message that was published. */
struct message {
	struct message *next;
	struct qf_item item; /* as load() gives it */
	int bytes;           /* a file in memory; its lock is the claim */
};

struct qf_intake {
	struct qf_intake *next;
	struct qf_store *st;
	struct message *message;
};

/* What fail() kept. */
struct kept {
	struct kept *next;
	char id[QF_ID_SIZE];
	struct qf_buf bytes;
};

struct queue {
	struct queue *next;
	char *dir;
	unsigned long long last_id;
	struct message *messages; /* in the order of their ids */
	struct kept *failed;
	int wake; /* of the sender that has it open, or -1 */
	unsigned nintakes;
	bool refuses;
};

struct qf_store {
	struct queue *q;
	enum qf_store_use use;
	struct qf_intake *intakes;
};

static struct queue *queues;

static struct queue *find_queue(const char *dir)
{
	struct queue *q = queues;

	while (q != NULL && strcmp(q->dir, dir) != 0)
		q = q->next;
	return q;
}

static struct message **find(struct queue *q, const char *id)
{
	struct message **at = &q->messages;

	while (*at != NULL && strcmp((*at)->item.id, id) != 0)
		at = &(*at)->next;
	return at;
}

static void free_message(struct message *m)
{
	qf_item_free(&m->item);
	qf_close(&m->bytes);
	free(m);
}

static void remove_message(struct message **at)
{
	struct message *m = *at;

	*at = m->next;
	free_message(m);
}

static void add_message(struct queue *q, struct message *m)
{
	struct message **at = &q->messages;

	while (*at != NULL)
		at = &(*at)->next;
	*at = m;
}

static void wake(struct queue *q)
{
	uint64_t one = 1;

	if (q->wake >= 0)
		qf_write_all(q->wake, &one, sizeof one);
}

static int is_gone(const char *id, struct qf_err *e)
{
	return qf_fail(e, QF_ENOENT, "message %s is not there", id);
}

static int open_store(struct qf_store **out, const char *dir,
    enum qf_store_use use, const struct qf_store_settings *settings,
    struct qf_err *e)
{
	struct queue *q = find_queue(dir);

	(void)settings; /* nothing survives the process */
	*out = NULL;
	if (q == NULL)
		return qf_fail(e, QF_EQUEUE, "there is no queue %s", dir);
	if (use == QF_STORE_SEND && q->wake >= 0)
		return qf_fail(e, QF_EPERM, "another sender has %s", dir);
	if (use == QF_STORE_SEND)
		q->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*out = qf_alloc(sizeof **out);
	**out = (struct qf_store){.q = q, .use = use};
	return 0;
}

static void close_store(struct qf_store **st)
{
	if (*st == NULL)
		return;
	if ((*st)->use == QF_STORE_SEND)
		qf_close(&(*st)->q->wake);
	free(*st);
	*st = NULL;
}

static int begin(struct qf_store *st, struct qf_intake **out, struct qf_err *e)
{
	struct qf_intake *in = qf_alloc(sizeof *in);
	struct message *m = qf_alloc(sizeof *m);

	(void)e;
	*m = (struct message){.item = QF_ITEM_INIT,
	    .bytes = memfd_create("message", MFD_CLOEXEC)};
	*in = (struct qf_intake){.next = st->intakes, .st = st, .message = m};
	st->intakes = in;
	st->q->nintakes++;
	*out = in;
	return 0;
}

static int write_bytes(
    struct qf_intake *in, const void *p, size_t n, struct qf_err *e)
{
	if (qf_write_all(in->message->bytes, p, n) < 0)
		return qf_fail_sys(e, QF_EWRITE, "can not write a message");
	in->message->item.size += n;
	return 0;
}

static void add_rcpt(struct qf_item *item, const char *addr, bool done)
{
	size_t n = item->rcpt.n;

	item->done = qf_realloc_array(item->done, n + 1, sizeof *item->done);
	item->done[n] = done;
	qf_strv_add(&item->rcpt, addr);
}

static int prepare(struct qf_intake *in, const struct qf_envelope *env,
    long uid, long pid, struct qf_err *e)
{
	struct qf_item *item = &in->message->item;

	(void)uid;
	(void)pid;
	(void)e;
	qf_buf_adds(&item->sender, qf_envelope_sender(env));
	for (size_t i = 0; i < env->nrcpt; i++)
		add_rcpt(item, qf_envelope_rcpt(env, i), false);
	qf_attrs_copy(&item->attrs, &env->attrs);
	item->held = qf_attrs_get(&env->attrs, "HOLD") != NULL;
	item->fresh = true;
	return 0;
}

/* Takes the message out of it. */
static struct message *end_intake(struct qf_intake **inp)
{
	struct qf_intake *in = *inp, **at = &in->st->intakes;
	struct message *m = in->message;

	while (*at != in)
		at = &(*at)->next;
	*at = in->next;
	in->st->q->nintakes--;
	free(in);
	*inp = NULL;
	return m;
}

static void abort_intake(struct qf_intake **in)
{
	if (*in != NULL)
		free_message(end_intake(in));
}

static int publish(
    struct qf_intake **in, size_t n, char (*id)[QF_ID_SIZE], struct qf_err *e)
{
	struct queue *q = in[0]->st->q;

	if (q->refuses) {
		for (size_t i = 0; i < n; i++)
			abort_intake(&in[i]);
		return qf_fail(e, QF_EWRITE, "%s is full", q->dir);
	}
	for (size_t i = 0; i < n; i++) {
		struct message *m = end_intake(&in[i]);

		snprintf(m->item.id, QF_ID_SIZE, "%llu", ++q->last_id);
		memcpy(id[i], m->item.id, QF_ID_SIZE);
		m->item.born = qf_clock_wall();
		add_message(q, m);
		if (!m->item.held)
			wake(q);
	}
	return 0;
}

/* walk->split is how many messages were passed, as their ids count. */
static int next(struct qf_store *st, struct qf_walk *walk, char id[QF_ID_SIZE],
    struct qf_err *e)
{
	(void)e;
	for (struct message *m = st->q->messages; m != NULL; m = m->next) {
		int number = (int)strtol(m->item.id, NULL, 10);

		if (number <= walk->split || m->item.held != walk->held)
			continue;
		walk->split = number;
		memcpy(id, m->item.id, QF_ID_SIZE);
		return 1;
	}
	return 0;
}

static void walk_end(struct qf_store *st, struct qf_walk *walk)
{
	(void)st;
	*walk = (struct qf_walk){.held = walk->held};
}

static void copy_item(struct qf_item *to, const struct qf_item *from)
{
	bool pending = false;

	memcpy(to->id, from->id, QF_ID_SIZE);
	to->born = from->born;
	to->size = from->size;
	to->fresh = from->fresh;
	to->held = from->held;
	qf_buf_addspan(&to->sender, qf_buf_span(&from->sender));
	qf_buf_addspan(&to->notes, qf_buf_span(&from->notes));
	for (size_t i = 0; i < from->rcpt.n; i++) {
		add_rcpt(to, from->rcpt.v[i], from->done[i]);
		pending = pending || !from->done[i];
	}
	to->due = pending && !from->fresh ? from->due : 0;
	qf_attrs_copy(&to->attrs, &from->attrs);
}

static int load(
    struct qf_store *st, const char *id, struct qf_item *out, struct qf_err *e)
{
	struct message *m = *find(st->q, id);

	qf_item_free(out);
	if (m == NULL)
		return is_gone(id, e);
	copy_item(out, &m->item);
	return 0;
}

/* Opened anew: with an offset and a lock of its own. */
static int open_bytes(const struct message *m, int flags)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", m->bytes);
	return open(path, flags | O_CLOEXEC);
}

static int message(struct qf_store *st, const char *id, struct qf_err *e)
{
	struct message *m = *find(st->q, id);
	int fd;

	if (m == NULL)
		return is_gone(id, e);
	fd = open_bytes(m, O_RDONLY);
	if (fd < 0)
		return qf_fail_sys(e, QF_EREAD, "can not open %s", id);
	return fd;
}

/* The message behind item, if it has that recipient. */
static int find_rcpt(struct qf_store *st, const struct qf_item *item, size_t i,
    struct message **m, struct qf_err *e)
{
	*m = *find(st->q, item->id);
	if (*m == NULL)
		return is_gone(item->id, e);
	if (i >= item->rcpt.n)
		return qf_fail(e, QF_EINVAL, "there is no recipient %zu", i);
	return 0;
}

static int mark(
    struct qf_store *st, struct qf_item *item, size_t i, struct qf_err *e)
{
	struct message *m;
	int rc = find_rcpt(st, item, i, &m, e);

	if (rc < 0)
		return rc;
	item->done[i] = true;
	if (!item->fresh)
		m->item.done[i] = true;
	return 0;
}

/* From now on the message has a state of its own. */
static void settle(struct message *m, struct qf_item *item)
{
	if (!item->fresh)
		return;
	for (size_t i = 0; i < item->rcpt.n; i++)
		m->item.done[i] = item->done[i];
	m->item.due = item->born;
	m->item.fresh = item->fresh = false;
}

static int note(struct qf_store *st, struct qf_item *item, size_t i,
    const char *reason, struct qf_err *e)
{
	struct message *m;
	int rc = find_rcpt(st, item, i, &m, e);

	if (rc < 0)
		return rc;
	if (item->done[i])
		return qf_fail(e, QF_EINVAL, "recipient %zu is done", i);
	settle(m, item);
	qf_note_add(&item->notes, item->rcpt.v[i], reason);
	qf_note_add(&m->item.notes, item->rcpt.v[i], reason);
	item->done[i] = m->item.done[i] = true;
	return 0;
}

static int defer(
    struct qf_store *st, struct qf_item *item, int64_t due, struct qf_err *e)
{
	struct message *m = *find(st->q, item->id);

	if (m == NULL)
		return is_gone(item->id, e);
	settle(m, item);
	item->due = m->item.due = due;
	return 0;
}

static void add_line(struct qf_buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		qf_buf_addc(b, *s == '\n' || *s == '\r' ? '_' : *s);
	qf_buf_addc(b, '\n');
}

static struct kept *keep(struct queue *q, const char *id)
{
	struct kept *k = q->failed;

	while (k != NULL && strcmp(k->id, id) != 0)
		k = k->next;
	if (k != NULL)
		return k;
	k = qf_alloc(sizeof *k);
	*k = (struct kept){.next = q->failed, .bytes = QF_BUF_INIT};
	memcpy(k->id, id, QF_ID_SIZE);
	q->failed = k;
	return k;
}

static int fail(struct qf_store *st, const struct qf_item *item,
    const struct qf_strv *rcpt, struct qf_err *e)
{
	int fd = message(st, item->id, e), rc;
	struct kept *k;

	if (fd < 0)
		return fd;
	k = keep(st->q, item->id);
	qf_buf_reset(&k->bytes);
	add_line(&k->bytes, item->sender.s);
	for (size_t i = 0; i < rcpt->n; i++)
		add_line(&k->bytes, rcpt->v[i][0] == '\0' ? "<>" : rcpt->v[i]);
	qf_buf_addc(&k->bytes, '\n');
	rc = qf_read_all(fd, &k->bytes, e);
	close(fd);
	return rc;
}

static int lock(const struct message *m, struct qf_err *e)
{
	int fd = open_bytes(m, O_RDONLY);

	if (fd < 0)
		return qf_fail_sys(e, QF_EQUEUE, "can not open %s", m->item.id);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	close(fd);
	return qf_fail(e, QF_EPERM, "%s is claimed", m->item.id);
}

static int claim(struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	struct message *m = *find(st->q, item->id);
	int fd;

	if (item->claim >= 0)
		return 0;
	if (m == NULL || m->item.held != item->held)
		return is_gone(item->id, e);
	fd = lock(m, e);
	if (fd < 0)
		return fd;
	qf_item_free(item);
	copy_item(item, &m->item);
	item->claim = fd;
	return 0;
}

static int hold(struct qf_store *st, struct qf_item *item, const char *reason,
    struct qf_err *e)
{
	struct qf_attrs attrs = {0};
	struct message *m;
	int rc = item->held ? qf_fail(e, QF_EINVAL, "%s is held", item->id)
			    : claim(st, item, e);

	if (rc < 0)
		return rc;
	qf_attrs_copy(&attrs, &item->attrs);
	qf_attrs_remove(&attrs, "STAGE");
	qf_attrs_remove(&attrs, "CATEGORY");
	rc = qf_attrs_set(&attrs, "HOLD", qf_span(reason), e);
	if (rc == 0) {
		m = *find(st->q, item->id);
		qf_attrs_copy(&m->item.attrs, &attrs);
		qf_attrs_copy(&item->attrs, &attrs);
		m->item.held = item->held = true;
		m->item.born = item->born = qf_clock_wall();
	}
	qf_attrs_free(&attrs);
	return rc;
}

static int finish(struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	struct message **at;
	int rc = item->held ? claim(st, item, e) : 0;

	if (rc < 0)
		return rc;
	at = find(st->q, item->id);
	if (*at != NULL)
		remove_message(at);
	return 0;
}

static int release(struct qf_store *st, struct qf_item *item, struct qf_err *e)
{
	struct message *m;
	int rc = item->held ? claim(st, item, e) : is_gone(item->id, e);

	if (rc < 0)
		return rc;
	m = *find(st->q, item->id);
	m->item.held = item->held = false;
	m->item.born = m->item.due = qf_clock_wall();
	qf_close(&item->claim);
	wake(st->q);
	return 0;
}

static void wake_sender(struct qf_store *st)
{
	wake(st->q);
}

static int wait_fd(struct qf_store *st)
{
	return st->use == QF_STORE_SEND ? st->q->wake : -1;
}

static int wait_reset(struct qf_store *st, struct qf_err *e)
{
	uint64_t count;

	if (wait_fd(st) >= 0 &&
	    qf_read(wait_fd(st), &count, sizeof count) < 0 && errno != EAGAIN)
		return qf_fail_sys(e, QF_EREAD, "can not reset");
	return 0;
}

const struct qf_store_ops store_mem = {
    .name = "mem",
    .open = open_store,
    .close = close_store,
    .begin = begin,
    .write = write_bytes,
    .prepare = prepare,
    .publish = publish,
    .abort = abort_intake,
    .next = next,
    .walk_end = walk_end,
    .load = load,
    .message = message,
    .mark = mark,
    .note = note,
    .defer = defer,
    .fail = fail,
    .finish = finish,
    .claim = claim,
    .hold = hold,
    .release = release,
    .wake = wake_sender,
    .wait_fd = wait_fd,
    .wait_reset = wait_reset,
};

bool store_mem_make(char *dir, size_t size)
{
	static unsigned count;
	struct queue *q = qf_alloc(sizeof *q);

	snprintf(dir, size, "mem-%u", ++count);
	*q = (struct queue){.next = queues, .dir = qf_strdup(dir), .wake = -1};
	queues = q;
	return true;
}

void store_mem_remove(const char *dir)
{
	struct queue *q = find_queue(dir), **at = &queues;

	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	while (q->messages != NULL)
		remove_message(&q->messages);
	while (q->failed != NULL) {
		struct kept *k = q->failed;

		q->failed = k->next;
		qf_buf_free(&k->bytes);
		free(k);
	}
	free(q->dir);
	free(q);
}

void store_mem_crash(struct qf_store **st)
{
	struct qf_intake *in;

	while ((in = (*st)->intakes) != NULL)
		abort_intake(&in);
	close_store(st);
}

void store_mem_set_born(const char *dir, const char *id, int64_t born)
{
	(*find(find_queue(dir), id))->item.born = born;
}

void store_mem_refuse(const char *dir, bool on)
{
	find_queue(dir)->refuses = on;
}

bool store_mem_is_empty(const char *dir)
{
	const struct queue *q = find_queue(dir);

	return q->messages == NULL && q->nintakes == 0;
}

bool store_mem_failed(const char *dir, const char *id, struct qf_buf *out)
{
	const struct kept *k = find_queue(dir)->failed;

	while (k != NULL && strcmp(k->id, id) != 0)
		k = k->next;
	if (k != NULL)
		qf_buf_addspan(out, qf_buf_span(&k->bytes));
	return k != NULL;
}
