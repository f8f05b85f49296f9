/*
 * A plugin that does what plugins should not do: one thing per value of its
 * setting `do`. The host must survive each of them with the message as it
 * was.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <qfront/plugin.h>

struct state {
	char act[32];
};

static const struct qf_conf *conf; /* of the stage that was opened last */

static int32_t judge(const struct qf_host *h, struct qf_msg *m, uint32_t class_,
    uint32_t category, uint32_t code)
{
	struct qf_verdict v = {.size = sizeof v,
	    .class_ = class_,
	    .category = category,
	    .code = code,
	    .text = "said\r\nmisbehave"};

	return h->verdict(m, &v);
}

static int32_t crash(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "crash");
	raise(SIGSEGV);
	return QF_PASS;
}

static int32_t hang(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "hang");
	for (;;)
		pause();
	return QF_PASS;
}

/* Leaves a process behind that holds all descriptors. */
static int32_t brood(const struct qf_host *h, struct qf_msg *m)
{
	pid_t pid = fork();

	if (pid < 0)
		return QF_BROKEN;
	while (pid == 0)
		pause();
	h->log(m, NULL, QF_LOG_INFO, "brooding");
	return QF_PASS;
}

static int32_t brood_and_hang(const struct qf_host *h, struct qf_msg *m)
{
	brood(h, m);
	return hang(h, m);
}

static int32_t brood_and_crash(const struct qf_host *h, struct qf_msg *m)
{
	brood(h, m);
	return crash(h, m);
}

static int32_t leave(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "leave");
	_exit(0);
}

static int32_t leave_politely(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "leave-politely");
	exit(0);
}

static int32_t close_all(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "close-all");
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	return QF_PASS;
}

static int32_t fail(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "fail");
	return QF_ENET;
}

static int32_t nonsense(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "nonsense");
	return 4711;
}

static int32_t trespass(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_span s = {"spoiled", 7};

	h->header_insert(m, 0, "X-Trace", "trespass");
	h->body_replace(m, s);
	return QF_PASS;
}

static int32_t drop(const struct qf_host *h, struct qf_msg *m)
{
	(void)h;
	(void)m;
	return QF_DISCARD;
}

static int32_t two_verdicts(const struct qf_host *h, struct qf_msg *m)
{
	judge(h, m, QF_REJECT, QF_CAT_SPAM, 0);
	return QF_PASS;
}

static int32_t drop_all(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "drop-all");
	h->rcpt_drop(m, 0);
	return QF_PASS;
}

static int32_t no_size(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_verdict v = {.class_ = QF_REJECT, .category = QF_CAT_VIRUS};

	h->header_insert(m, 0, "X-Trace", "no-size");
	return h->verdict(m, &v);
}

/* The first field by a host call whose struct has no size. */
static int32_t no_field_size(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_field f = {0};

	return h->header_get(m, 0, &f);
}

/* A list that can not be read, and takes it for an empty one. */
static int32_t late_list(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_iter it = {0};
	struct qf_span line;

	(void)m;
	while (h->conf_list_next(conf, "list", &it, &line, NULL) == 1)
		;
	return QF_PASS;
}

/* Writes to all descriptors that it can find, and leaks one. */
/* Keeps every descriptor that there is. */
static int32_t leak(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "leak");
	while (open("/dev/null", O_RDONLY) >= 0)
		;
	return QF_PASS;
}

static int32_t scribble(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "scribble");
	for (int fd = 0; fd < 64; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (fd == 2 || flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
			continue;
		if (write(fd, "F\0T\0", 4) < 0)
			errno = 0;
	}
	return open("/dev/null", O_RDONLY) < 0 ? QF_BROKEN : QF_PASS;
}

static int32_t defer_as_31(const struct qf_host *h, struct qf_msg *m)
{
	return judge(h, m, QF_DEFER, QF_CAT_NONE, 31);
}

static int32_t reject_as_71(const struct qf_host *h, struct qf_msg *m)
{
	return judge(h, m, QF_REJECT, QF_CAT_VIRUS, 71);
}

static int32_t reject_key(const struct qf_host *h, struct qf_msg *m)
{
	return judge(h, m, QF_REJECT, QF_CAT_KEY, 0);
}

static int32_t quarantine(const struct qf_host *h, struct qf_msg *m)
{
	return judge(h, m, QF_QUARANTINE, QF_CAT_VIRUS, 0);
}

static int32_t accept_all(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "accept");
	return QF_ACCEPT;
}

static int32_t readdress(const struct qf_host *h, struct qf_msg *m)
{
	h->rcpt_add(m, "added@y.example");
	h->rcpt_drop(m, 0);
	h->sender_set(m, "new@x.example");
	return QF_PASS;
}

static int32_t mark(const struct qf_host *h, struct qf_msg *m)
{
	h->header_insert(m, 0, "X-Trace", "mark");
	return QF_PASS;
}

/* Takes back what `mark` did. */
static int32_t unmark(const struct qf_host *h, struct qf_msg *m)
{
	int32_t i = h->header_find(m, "X-Trace", 0);

	return i < 0 || h->header_delete(m, (uint32_t)i) < 0 ? QF_BROKEN
							     : QF_PASS;
}

static int32_t nothing(const struct qf_host *h, struct qf_msg *m)
{
	(void)h;
	(void)m;
	return QF_PASS;
}

static const struct act {
	const char *name;
	int32_t (*run)(const struct qf_host *h, struct qf_msg *m);
} acts[] = {
    {"crash", crash},
    {"hang", hang},
    {"brood", brood},
    {"brood-and-hang", brood_and_hang},
    {"brood-and-crash", brood_and_crash},
    {"leave", leave},
    {"leave-politely", leave_politely},
    {"close-all", close_all},
    {"leak", leak},
    {"fini-hangs", mark},
    {"fail", fail},
    {"nonsense", nonsense},
    {"trespass", trespass},
    {"drop", drop},
    {"drop-all", drop_all},
    {"no-size", no_size},
    {"no-field-size", no_field_size},
    {"late-list", late_list},
    {"two-verdicts", two_verdicts},
    {"scribble", scribble},
    {"defer-as-31", defer_as_31},
    {"reject-as-71", reject_as_71},
    {"reject-key", reject_key},
    {"quarantine", quarantine},
    {"accept", accept_all},
    {"readdress", readdress},
    {"mark", mark},
    {"unmark", unmark},
    {"nothing", nothing},
};

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	const struct state *s = state;

	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		if (strcmp(s->act, acts[i].name) == 0)
			return acts[i].run(h, m);
	}
	return QF_BROKEN;
}

static int32_t init(
    const struct qf_host *h, const struct qf_conf *c, void **state)
{
	struct state *s = calloc(1, sizeof *s);
	struct qf_span act;

	if (s == NULL)
		return QF_ENOMEM;
	if (h->conf_get(c, "do", &act) == 0 && act.n < sizeof s->act)
		memcpy(s->act, act.p, act.n);
	conf = c;
	if (strcmp(s->act, "init-fails") == 0) {
		free(s);
		return QF_ENET;
	}
	if (strcmp(s->act, "init-too-long") == 0) {
		free(s);
		return QF_ETOOLONG;
	}
	if (strcmp(s->act, "init-crashes") == 0)
		raise(SIGSEGV);
	*state = s;
	return 0;
}

static void fini(const struct qf_host *h, void *state)
{
	const struct state *s = state;

	(void)h;
	while (strcmp(s->act, "fini-hangs") == 0)
		pause();
	free(state);
}

static const struct qf_setting settings[] = {
    {"do", "what to do", QF_SETTING_ENV, 0},
    {"kind", "\"open\" for a stage without flags", 0, 0}, {NULL, NULL, 0, 0}};

/* Whatever flags the variant has, a stage of this kind has none. */
#define KINDS(kind) kind("kind", "open", QF_EFFECT_HEADER, 0)
QF_PLUGIN_KINDS(kinds, KINDS);

#define NEEDS   (QF_GROUP_EDIT | QF_TEST_NEEDS)
#define EFFECTS (QF_EFFECT_HEADER | QF_EFFECT_RCPT | QF_EFFECT_SENDER)
QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, QF_TEST_FLAGS);

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    .magic = QF_PLUGIN_MAGIC,
    .size = sizeof(struct qf_plugin),
    .abi_major = QF_ABI_MAJOR,
    .abi_minor = QF_ABI_MINOR,
    .name = QF_TEST_NAME,
    .version = "1",
    .summary = "misbehaves",
    .needs = NEEDS,
    .effects = EFFECTS,
    .flags = QF_TEST_FLAGS,
    .settings = settings,
    .init = init,
    .message = message,
    .fini = fini,
    .kinds = kinds,
};
