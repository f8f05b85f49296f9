#include "remote/auth/auth.h"
#include "remote/report.h"
#include "tests/unit/smtp_world.h"

/*
 * A connection that ends anywhere: a server that would play the whole session
 * goes away after each byte that it says, and after each that it hears. What
 * becomes of the message depends on what had been said and heard by then, and
 * on nothing else. The server here knows SMTP and nothing of the engine.
 */

enum {
	PIPELINING = 1,
	CHUNKING = 2,
	TLS = 4,
	AUTH = 8,
	LMTP = 16,
	EACH = 32,  /* recipient for itself; some are not accepted */
	AGAIN = 64, /* another message follows */
	LONG = 128, /* it goes out in several pieces */
	HOW_MAX = 256,

	COMMANDS_MAX = 40,
	LONG_SIZE = 200000
};

/* Rooms for commands: how a server answers what comes together. */
enum pace {
	PROMPT, /* each command when its last byte is there */
	LAZY,   /* when the client has nothing more to send */
	PACES
};

enum end {
	CLOSED,
	BROKEN,
	EXPIRED,
	ENDS
};

/* A reply of the server, and what it is to. */
struct heard {
	enum qf_smtp_step step;
	size_t mail; /* of which message it is */
	size_t end;  /* bytes of the client, with the command */
	size_t said; /* bytes of the server, with the reply */
	int code;
};

struct server {
	int how;
	struct heard heard[COMMANDS_MAX];
	size_t n;
	size_t parsed; /* bytes of the client that are commands or message */
	size_t mail, accepted;
	bool secure, in_data;
	struct qf_buf says;
};

/* After how many bytes of either side it is over. */
struct cut {
	size_t said, heard;
	enum pace pace;
	enum end end;
};

static void reply(
    struct server *v, enum qf_smtp_step step, size_t end, const char *text)
{
	assert_true(v->n < COMMANDS_MAX);
	qf_buf_adds(&v->says, text);
	v->heard[v->n++] = (struct heard){.step = step,
	    .mail = v->mail,
	    .end = end,
	    .said = v->says.len,
	    .code = atoi(text)};
	v->parsed = end;
}

static void say_offers(struct server *v, size_t end)
{
	struct qf_buf text = QF_BUF_INIT;

	qf_buf_adds(&text, "250-x\r\n");
	if (v->how & PIPELINING)
		qf_buf_adds(&text, "250-PIPELINING\r\n");
	if (v->how & CHUNKING)
		qf_buf_adds(&text, "250-CHUNKING\r\n");
	if (v->how & TLS && !v->secure)
		qf_buf_adds(&text, "250-STARTTLS\r\n");
	if (v->how & AUTH)
		qf_buf_adds(&text, "250-AUTH PLAIN\r\n");
	qf_buf_adds(&text, "250 OK\r\n");
	reply(v, QF_SMTP_EHLO, end, text.s);
	qf_buf_free(&text);
}

static void say_recipient(struct server *v, struct qf_span line, size_t end)
{
	const char *text = "250 b\r\n";

	if (qf_span_is(line, "RCPT TO:<no@y>"))
		text = "550-no\r\n550 b\r\n";
	else if (qf_span_is(line, "RCPT TO:<later@y>"))
		text = "450 b\r\n";
	else
		v->accepted++;
	reply(v, QF_SMTP_RCPT, end, text);
}

static void say_end(struct server *v, size_t end)
{
	size_t replies = v->how & LMTP ? v->accepted : 1;

	while (replies-- > 0)
		reply(v, QF_SMTP_END, end, "250-e\r\n250 e\r\n");
	v->mail++;
	v->accepted = 0;
	v->in_data = false;
}

/* What must come before a reply to the line, in all; the line's end is at
 * `end`. */
static size_t wanted(struct qf_span line, size_t end)
{
	return line.n > 5 && memcmp(line.p, "BDAT ", 5) == 0
		   ? end + strtoul(line.p + 5, NULL, 10)
		   : end;
}

static void answer(struct server *v, struct qf_span line, size_t end)
{
	char c = line.p[0];

	if (c == 'E' || c == 'L') {
		say_offers(v, end);
	} else if (c == 'S') {
		reply(v, QF_SMTP_STARTTLS, end, "220 s\r\n");
		v->secure = true;
	} else if (c == 'A') {
		reply(v, QF_SMTP_AUTH, end, "235 l\r\n");
	} else if (c == 'M') {
		reply(v, QF_SMTP_MAIL, end, "250 a\r\n");
	} else if (c == 'R') {
		say_recipient(v, line, end);
	} else if (c == 'D') {
		reply(v, QF_SMTP_DATA, end, "354 d\r\n");
		v->in_data = true;
	} else if (c == 'B' && line.p[line.n - 1] == 'T') {
		say_end(v, end);
	} else if (c == 'B') {
		reply(v, QF_SMTP_BODY, end, "250 p\r\n");
	} else {
		assert_true(qf_span_is(line, "QUIT"));
		v->parsed = end;
	}
}

/* The next command or message that is there as a whole: false if none is. */
static bool listen_once(struct server *v, const struct qf_buf *wire)
{
	const char *from = wire->s + v->parsed, *end;
	size_t left = wire->len - v->parsed, upto;
	struct qf_span line;

	if (left == 0)
		return false;
	end = memmem(
	    from, left, v->in_data ? "\r\n.\r\n" : "\r\n", v->in_data ? 5 : 2);
	if (end == NULL)
		return false;
	if (v->in_data) {
		say_end(v, (size_t)(end + 5 - wire->s));
		return true;
	}
	line = qf_span_n(from, (size_t)(end - from));
	upto = wanted(line, (size_t)(end + 2 - wire->s));
	if (upto > wire->len)
		return false;
	answer(v, line, upto);
	return true;
}

/* A session whose way is chosen by the bits of `how`. */
struct session {
	struct world w;
	struct server v;
	struct qf_auth_spec spec;
	struct qf_smtp_result first; /* outcome of the first message */
	size_t delivered;
	bool again;
};

static const char *message(int how)
{
	static char text[LONG_SIZE + 1];

	if (!(how & LONG))
		return ".hi\n\n.";
	memset(text, 'x', LONG_SIZE);
	text[LONG_SIZE / 2] = '\n';
	return text;
}

static void start(struct session *x, int how)
{
	*x = (struct session){.v = {.how = how, .says = QF_BUF_INIT},
	    .spec = {.user = "u", .pass = "p", .cleartext = true},
	    .again = how & AGAIN};
	world_prepare(&x->w, how & EACH ? "a@y no@y b@y later@y" : "a@y b@y",
	    message(how));
	x->w.text.step = how & LONG ? 1000 : 7;
	x->w.mail.together = !(how & EACH);
	x->w.mail.size = how & LONG ? LONG_SIZE + 3 : 10;
	x->w.setup.lmtp = how & LMTP;
	x->w.setup.once = !(how & AGAIN);
	x->w.setup.tls = how & TLS ? QF_SMTP_TLS_MUST : QF_SMTP_TLS_NEVER;
	x->w.setup.auth = how & AUTH ? qf_auth_new(&x->spec) : NULL;
	world_open(&x->w);
	reply(&x->v, QF_SMTP_GREETING, 0, "220-g\r\n220 g\r\n");
}

static void stop(struct session *x)
{
	world_end(&x->w);
	qf_auth_free(&x->w.setup.auth);
	qf_buf_free(&x->v.says);
}

/* What the session wants besides bytes, as its driver does it. */
static void serve(struct session *x)
{
	if (qf_smtp_wants(x->w.s) == QF_SMTP_WANTS_HANDSHAKE) {
		qf_smtp_secured(x->w.s, x->w.now);
	} else if (qf_smtp_wants(x->w.s) == QF_SMTP_WANTS_MAIL && x->again) {
		assert_int_equal(QF_SMTP_SENT, qf_smtp_result(x->w.s)->outcome);
		x->again = false;
		world_next(&x->w, message(x->v.how));
	} else if (qf_smtp_wants(x->w.s) == QF_SMTP_WANTS_MAIL) {
		qf_smtp_quit(x->w.s, x->w.now);
	}
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The client sends, as far as the server hears it. */
static void hear(struct session *x, const struct cut *c)
{
	size_t before, most = c->pace == PROMPT ? 1 : SIZE_MAX;

	/* A long message takes long when it comes in single bytes. */
	if (x->v.how & LONG && c->pace == PROMPT)
		most = 5000;
	do {
		before = x->w.wire.len;
		world_send_some(&x->w, least(most, c->heard - before));
	} while (c->pace == LAZY && x->w.wire.len > before);
	while (x->w.wire.len < c->heard && listen_once(&x->v, &x->w.wire))
		;
}

/* Plays until the cut, or the end of it all. */
static void play(struct session *x, const struct cut *c)
{
	while (!world_is_done(&x->w)) {
		size_t sent = x->w.wire.len, n;

		hear(x, c);
		n = least(x->v.says.len, c->said) - x->delivered;
		qf_smtp_received(
		    x->w.s, qf_span_n(x->v.says.s + x->delivered, n), x->w.now);
		x->delivered += n;
		if (x->delivered == c->said || x->w.wire.len == c->heard)
			break;
		serve(x);
		assert_true(n > 0 || x->w.wire.len > sent);
	}
}

static void finish(struct session *x, enum end end)
{
	if (qf_smtp_wants(x->w.s) == QF_SMTP_WANTS_HANDSHAKE)
		qf_smtp_not_secured(x->w.s, "no handshake");
	else if (qf_smtp_wants(x->w.s) == QF_SMTP_WANTS_MAIL)
		serve(x);
	if (end == EXPIRED)
		qf_smtp_expired(x->w.s);
	else
		qf_smtp_closed(x->w.s, end == BROKEN ? "Broken pipe" : NULL);
	assert_true(world_is_done(&x->w));
	assert_false(qf_smtp_wants_write(x->w.s));
}

/* What must come of it. */
struct verdict {
	enum qf_smtp_outcome outcome;
	enum qf_smtp_step step;
	bool maybe_taken, stale;
};

/* The last reply of the n-th message. */
static size_t last_of(const struct server *all, size_t mail)
{
	size_t i = all->n - 1;

	while (all->heard[i].mail != mail)
		i--;
	return i;
}

/* What had been answered when so many bytes were said. */
static size_t answered(const struct server *all, size_t said)
{
	size_t i = 0;

	while (i < all->n && all->heard[i].said <= said)
		i++;
	return i;
}

/* all is the server of a session that came to its end. */
static struct verdict judge(
    const struct server *all, size_t said, size_t heard, enum end end)
{
	size_t next = answered(all, said);
	const struct heard *h = &all->heard[next], *last;
	struct verdict v = {QF_SMTP_SENT, QF_SMTP_END, false, false};

	if (next == all->n)
		return v;
	last = &all->heard[last_of(all, h->mail)];
	v.outcome = end == EXPIRED ? QF_SMTP_TIMED_OUT : QF_SMTP_CLOSED;
	v.step = h->step;
	v.maybe_taken = last->end <= heard;
	v.stale = h->mail > 0 && h[-1].mail < h->mail;
	if (h->step == QF_SMTP_END && h->end > heard)
		v.step = QF_SMTP_BODY;
	if (v.step == QF_SMTP_BODY && end != EXPIRED)
		v.outcome = QF_SMTP_UNSENT;
	if (next > 0 && h[-1].step == QF_SMTP_STARTTLS && h[-1].end == heard) {
		v.outcome = QF_SMTP_NO_TLS;
		v.step = QF_SMTP_STARTTLS;
	}
	return v;
}

static enum qf_smtp_outcome meaning(int code)
{
	return code / 100 == 2   ? QF_SMTP_SENT
	       : code / 100 == 5 ? QF_SMTP_REFUSED
				 : QF_SMTP_DEFERRED;
}

/* Each recipient has what was said of it, and no other has anything. */
static void check_recipients(
    const struct server *all, size_t said, const struct qf_smtp_result *r)
{
	size_t next = answered(all, said), rcpt = 0, ends = 0, i;
	size_t mail = all->heard[least(next, all->n - 1)].mail;

	for (i = 0; i < next; i++) {
		const struct heard *h = &all->heard[i];

		if (h->mail != mail || h->step < QF_SMTP_RCPT)
			continue;
		if (h->step == QF_SMTP_RCPT)
			assert_int_equal(
			    meaning(h->code), r->rcpt[rcpt++].outcome);
		ends += h->step == QF_SMTP_END;
	}
	for (; rcpt < r->nrcpt; rcpt++)
		assert_int_equal(QF_SMTP_PENDING, r->rcpt[rcpt].outcome);
	if (!(all->how & LMTP) && ends > 0)
		ends = r->nrcpt;
	for (i = 0; i < r->nrcpt; i++) {
		bool accepted = r->rcpt[i].outcome == QF_SMTP_SENT;

		assert_int_equal(accepted && ends > 0, r->rcpt[i].delivered);
		ends -= accepted && ends > 0;
	}
}

/* What qmail-remote would say of it. */
static void check_report(const struct qf_smtp_result *r)
{
	struct qf_buf out = QF_BUF_INIT;

	qf_report_message(&out, r, "192.0.2.1", "");
	assert_int_equal(r->outcome == QF_SMTP_SENT ? 'K' : 'Z', out.s[0]);
	assert_int_equal(r->maybe_taken,
	    strstr(out.s, "connection died. Possible duplicate! (#4.4.2)") !=
		NULL);
	qf_buf_free(&out);
}

static void check_cut(int how, const struct server *all, const struct cut *c)
{
	const struct qf_smtp_result *r;
	struct verdict want;
	struct session x;

	start(&x, how);
	play(&x, c);
	finish(&x, c->end);
	r = qf_smtp_result(x.w.s);
	want = judge(all, x.delivered, x.w.wire.len, c->end);
	if (want.outcome != r->outcome || want.step != r->step ||
	    want.maybe_taken != r->maybe_taken || want.stale != r->stale)
		print_error("# way %d, %zu said, %zu heard, pace %d: %s\n", how,
		    x.delivered, x.w.wire.len, (int)c->pace, r->text.s);
	assert_int_equal(want.outcome, r->outcome);
	assert_int_equal(want.step, r->step);
	assert_int_equal(want.maybe_taken, r->maybe_taken);
	assert_int_equal(want.stale, r->stale);
	check_recipients(all, x.delivered, r);
	check_report(r);
	stop(&x);
}

/* Of a long message the bytes at the ends of commands must do. */
static bool is_worth_it(const struct server *all, size_t heard)
{
	if (!(all->how & LONG))
		return true;
	for (size_t i = 0; i < all->n; i++) {
		if (heard + 1 >= all->heard[i].end &&
		    heard <= all->heard[i].end + 1)
			return true;
	}
	return false;
}

static size_t check_way(int how)
{
	struct session all;
	struct cut c = {SIZE_MAX, SIZE_MAX, LAZY, CLOSED};
	size_t count = 0;

	start(&all, how);
	play(&all, &c);
	assert_int_equal(QF_SMTP_SENT, qf_smtp_result(all.w.s)->outcome);
	for (c.pace = PROMPT; c.pace < PACES; c.pace++) {
		for (c.said = 0; c.said <= all.v.says.len; c.said++) {
			for (c.end = CLOSED; c.end < ENDS; c.end++, count++)
				check_cut(how, &all.v, &c);
		}
		c.said = SIZE_MAX;
		for (c.heard = 0; c.heard <= all.w.wire.len; c.heard++) {
			c.end = c.heard % ENDS;
			if (is_worth_it(&all.v, c.heard)) {
				check_cut(how, &all.v, &c);
				count++;
			}
		}
		c.heard = SIZE_MAX;
	}
	stop(&all);
	return count;
}

static bool makes_sense(int how)
{
	bool once_more = how & (TLS | AUTH) && how & (LMTP | AGAIN | LONG);

	return !(how & LMTP && !(how & EACH)) && !once_more;
}

static void short_messages(void **state)
{
	size_t count = 0;

	(void)state;
	for (int how = 0; how < LONG; how++) {
		if (makes_sense(how))
			count += check_way(how);
	}
	print_message("# %zu cuts\n", count);
	assert_true(count > 10000);
}

static void long_messages(void **state)
{
	(void)state;
	check_way(LONG);
	check_way(LONG | PIPELINING | EACH);
	check_way(LONG | CHUNKING | PIPELINING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(short_messages),
	    cmocka_unit_test(long_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
