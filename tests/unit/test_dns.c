#include "lib/net/dns.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/base/clock.h"
#include "lib/net/dns_stub.h"
#include "lib/net/dns_wire.h"
#include "tests/unit/unit.h"

/* packets */

struct packet {
	unsigned char b[QF_DNS_ANSWER];
	size_t n;
};

static void add16(struct packet *p, unsigned v)
{
	p->b[p->n++] = (unsigned char)(v >> 8);
	p->b[p->n++] = (unsigned char)v;
}

static void add_bytes(struct packet *p, const void *bytes, size_t n)
{
	memcpy(p->b + p->n, bytes, n);
	p->n += n;
}

static void add_name(struct packet *p, const char *name)
{
	int n = qf_dns_pack_name(p->b + p->n, name);

	assert_true(n > 0);
	p->n += (size_t)n;
}

/* QR and RA are set. */
static void start(
    struct packet *p, const char *name, enum qf_dns_type type, unsigned rcode)
{
	p->n = 0;
	add16(p, 0x1234);
	add16(p, 0x8180 | rcode);
	add16(p, 1);
	add16(p, 0);
	add16(p, 0);
	add16(p, 0);
	add_name(p, name);
	add16(p, type);
	add16(p, 1);
}

/* A record of the answers; its data follow, and must be that long. */
static void record(struct packet *p, const char *name, enum qf_dns_type type,
    unsigned ttl, size_t n)
{
	p->b[7]++;
	add_name(p, name);
	add16(p, type);
	add16(p, 1);
	add16(p, ttl >> 16);
	add16(p, ttl);
	add16(p, (unsigned)n);
}

static void record_name(struct packet *p, const char *name,
    enum qf_dns_type type, unsigned ttl, const char *target)
{
	unsigned char wire[QF_DNS_WIRE_NAME];
	size_t n = (size_t)qf_dns_pack_name(wire, target);

	record(p, name, type, ttl, n + (type == QF_DNS_MX ? 2 : 0));
	if (type == QF_DNS_MX)
		add16(p, 10);
	add_bytes(p, wire, n);
}

static void record_a(struct packet *p, const char *name, unsigned last)
{
	record(p, name, QF_DNS_A, 60, 4);
	add16(p, 0xc000);
	add16(p, 0x0200 | last);
}

static struct qf_span span_of(const struct packet *p)
{
	return qf_span_n((const char *)p->b, p->n);
}

/* names */

static void names(void **state)
{
	static const struct {
		const char *name;
		int n;
		const char *wire;
	} cases[] = {
	    {"a.example", 11, "\1a\7example"},
	    {"a.example.", 11, "\1a\7example"},
	    {".", 1, ""},
	    {"_25._tcp.a", 12, "\3_25\4_tcp\1a"},
	    {"", QF_EFORMAT, NULL},
	    {"..", QF_EFORMAT, NULL},
	    {"a..b", QF_EFORMAT, NULL},
	    {".a", QF_EFORMAT, NULL},
	    {"a b", QF_EFORMAT, NULL},
	    {"a\\.b", QF_EFORMAT, NULL},
	    {"\xc3\xa4", QF_EFORMAT, NULL},
	};
	unsigned char wire[QF_DNS_WIRE_NAME];
	char name[300];

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		assert_int_equal(
		    cases[i].n, qf_dns_pack_name(wire, cases[i].name));
		if (cases[i].n > 0)
			assert_memory_equal(
			    cases[i].wire, wire, (size_t)cases[i].n);
	}
	memset(name, 'x', sizeof name);
	name[63] = '\0';
	assert_int_equal(65, qf_dns_pack_name(wire, name));
	name[63] = 'x';
	name[64] = '\0';
	assert_int_equal(QF_EFORMAT, qf_dns_pack_name(wire, name));
	name[64] = 'x';
	for (int i = 1; i < 300; i += 2)
		name[i] = '.';
	name[253] = '\0';
	assert_int_equal(255, qf_dns_pack_name(wire, name));
	name[253] = '.';
	name[254] = 'x';
	name[255] = '\0';
	assert_int_equal(QF_EFORMAT, qf_dns_pack_name(wire, name));
}

static void questions(void **state)
{
	unsigned char out[QF_DNS_QUESTION];
	static const char want[] = "\x12\x34\1\x20\0\1\0\0\0\0\0\1"
				   "\1a\7example\0\0\17\0\1"
				   "\0\0\x29\4\xd0\0\0\x80\0\0\0";

	(void)state;
	assert_int_equal(
	    sizeof want - 1, qf_dns_pack(out, "a.example", QF_DNS_MX, 0x1234,
				 QF_DNS_EDNS | QF_DNS_DO | QF_DNS_AD));
	assert_memory_equal(want, out, sizeof want - 1);
	assert_int_equal(
	    12 + 11 + 4, qf_dns_pack(out, "a.example", QF_DNS_A, 1, 0));
	assert_int_equal(1, out[2]);
	assert_int_equal(0, out[3]);
	assert_int_equal(0, out[11]);
}

/* answers */

/* `STATUS TTL [->CANONICAL] RECORD...` */
static void assert_reads(const struct packet *p, const char *name,
    enum qf_dns_type type, const char *want)
{
	struct qf_dns_answer a = {0};
	struct qf_buf got = QF_BUF_INIT;

	(void)qf_dns_unpack(&a, span_of(p), name, type);
	qf_buf_addf(&got, "%d %u", (int)a.status, (unsigned)a.ttl);
	if (a.alias)
		qf_buf_addf(&got, " ->%s", a.canonical);
	for (size_t i = 0; i < a.n; i++) {
		const struct qf_dns_record *r = &a.v[i];
		char text[QF_IP_TEXT] = "";

		if (type == QF_DNS_A || type == QF_DNS_AAAA)
			qf_ip_text(text, &r->ip);
		if (type == QF_DNS_TLSA)
			qf_buf_addf(&got, " %u%u%u-%zu", r->usage, r->selector,
			    r->matching, r->data.n);
		else
			qf_buf_addf(&got, " %u%s", r->preference,
			    r->name != NULL ? r->name : text);
	}
	if (a.why[0] != '\0')
		qf_buf_addf(&got, " %s", a.why);
	assert_string_equal(want, got.s);
	qf_buf_free(&got);
	qf_dns_forget(&a);
}

static void good_answers(void **state)
{
	static struct packet p;

	(void)state;
	start(&p, "D.example", QF_DNS_MX, 0);
	record_name(&p, "d.EXAMPLE", QF_DNS_MX, 300, "m1.example");
	record_name(&p, "d.example", QF_DNS_MX, 20, "M2.example");
	record_name(&p, "else.example", QF_DNS_MX, 1, "m3.example");
	record(&p, "d.example", QF_DNS_MX, 60, 4);
	add_bytes(&p, "\0\0\xc0\x0c", 4); /* compressed: the question's */
	record(&p, "d.example", QF_DNS_MX, 60, 3);
	add_bytes(&p, "\0\0\0", 3);
	assert_reads(&p, "d.example", QF_DNS_MX,
	    "0 20 10m1.example 10M2.example 0D.example 0.");

	start(&p, "d.example", QF_DNS_A, 0);
	record_a(&p, "d.example", 1);
	record_a(&p, "d.example", 2);
	assert_reads(&p, "d.example", QF_DNS_A, "0 60 0192.0.2.1 0192.0.2.2");

	start(&p, "d.example", QF_DNS_TLSA, 0);
	record(&p, "d.example", QF_DNS_TLSA, 60, 3 + 4);
	add_bytes(&p, "\3\1\1\0abc", 7);
	assert_reads(&p, "d.example", QF_DNS_TLSA, "0 60 311-4");

	/* bytes that are no letters */
	start(&p, "d.example", QF_DNS_MX, 0);
	record(&p, "d.example", QF_DNS_MX, 60, 2 + 6);
	add_bytes(&p, "\0\12\4.\\\0\xff\0", 8);
	assert_reads(&p, "d.example", QF_DNS_MX, "0 60 10\\046\\092\\000\\255");
}

static void aliases(void **state)
{
	static struct packet p;
	char a[40], b[40];

	(void)state;
	start(&p, "d.example", QF_DNS_A, 0);
	record_name(&p, "b.example", QF_DNS_CNAME, 30, "c.example");
	record_name(&p, "d.example", QF_DNS_CNAME, 90, "b.example");
	record_a(&p, "c.example", 7);
	assert_reads(&p, "d.example", QF_DNS_A, "0 30 ->c.example 0192.0.2.7");
	/* an alias of nothing, and of a name without such records */
	start(&p, "d.example", QF_DNS_A, 3);
	record_name(&p, "d.example", QF_DNS_CNAME, 90, "b.example");
	assert_reads(&p, "d.example", QF_DNS_A, "2 90 ->b.example");
	p.b[3] &= 0xf0;
	assert_reads(&p, "d.example", QF_DNS_A, "1 90 ->b.example");
	/* who asks for the alias gets it */
	start(&p, "d.example", QF_DNS_CNAME, 0);
	record_name(&p, "d.example", QF_DNS_CNAME, 90, "b.example");
	assert_reads(&p, "d.example", QF_DNS_CNAME, "0 90 0b.example");
	/* a circle */
	start(&p, "d.example", QF_DNS_A, 0);
	record_name(&p, "d.example", QF_DNS_CNAME, 90, "b.example");
	record_name(&p, "b.example", QF_DNS_CNAME, 90, "d.example");
	assert_reads(&p, "d.example", QF_DNS_A, "3 0 the answer is damaged");
	/* as many as are followed, and one more */
	for (int n = QF_DNS_ALIASES; n <= QF_DNS_ALIASES + 1; n++) {
		start(&p, "x0.example", QF_DNS_A, 0);
		for (int i = 0; i < n; i++) {
			snprintf(a, sizeof a, "x%d.example", i);
			snprintf(b, sizeof b, "x%d.example", i + 1);
			record_name(&p, a, QF_DNS_CNAME, 90, b);
		}
		record_a(&p, b, 1);
		assert_reads(&p, "x0.example", QF_DNS_A,
		    n == QF_DNS_ALIASES ? "0 60 ->x16.example 0192.0.2.1"
					: "3 0 the answer is damaged");
	}
}

static void no_answers(void **state)
{
	static struct packet p;

	(void)state;
	start(&p, "d.example", QF_DNS_MX, 0);
	assert_reads(&p, "d.example", QF_DNS_MX, "1 0");
	start(&p, "d.example", QF_DNS_MX, 3);
	assert_reads(&p, "d.example", QF_DNS_MX, "2 0");
	start(&p, "d.example", QF_DNS_MX, 2);
	assert_reads(
	    &p, "d.example", QF_DNS_MX, "3 0 the name server says SERVFAIL");
	start(&p, "d.example", QF_DNS_MX, 5);
	assert_reads(
	    &p, "d.example", QF_DNS_MX, "3 0 the name server says REFUSED");
	/* BADVERS, of which the header shows only half */
	start(&p, "d.example", QF_DNS_MX, 0);
	p.b[11] = 1;
	add_bytes(&p, "\0\0\x29\4\xd0\1\0\0\0\0\0", 11);
	assert_reads(
	    &p, "d.example", QF_DNS_MX, "3 0 the name server says BADVERS");
	/* one that knows nothing and asks nobody */
	start(&p, "d.example", QF_DNS_MX, 0);
	p.b[3] &= 0x7f;
	assert_reads(
	    &p, "d.example", QF_DNS_MX, "3 0 the name server does not resolve");
	/* one that knows it all */
	p.b[2] |= 0x04;
	assert_reads(&p, "d.example", QF_DNS_MX, "1 0");
}

static void assert_damaged(const struct packet *p)
{
	assert_reads(p, "d.example", QF_DNS_MX, "3 0 the answer is damaged");
}

static void damaged_answers(void **state)
{
	static struct packet p;
	size_t whole;

	(void)state;
	start(&p, "d.example", QF_DNS_MX, 0);
	record_name(&p, "d.example", QF_DNS_MX, 60, "m.example");
	whole = p.n;
	for (p.n = 0; p.n < whole; p.n++)
		assert_damaged(&p);
	p.n = whole;
	add_bytes(&p, "x", 1);
	assert_damaged(&p);
	/* data that go on behind the name, and end within it */
	start(&p, "d.example", QF_DNS_MX, 0);
	record(&p, "d.example", QF_DNS_MX, 60, 6);
	add_bytes(&p, "\0\12\1m\0x", 6);
	assert_damaged(&p);
	start(&p, "d.example", QF_DNS_MX, 0);
	record(&p, "d.example", QF_DNS_MX, 60, 4);
	add_bytes(&p, "\0\12\1m", 4);
	record_name(&p, "d.example", QF_DNS_MX, 60, "m.example");
	assert_damaged(&p);
	/* a pointer to itself, and one forward */
	start(&p, "d.example", QF_DNS_MX, 0);
	record(&p, "d.example", QF_DNS_MX, 60, 4);
	add16(&p, 10);
	add16(&p, 0xc000 | (unsigned)p.n);
	assert_damaged(&p);
	p.b[p.n - 1]++;
	assert_damaged(&p);
	/* and one forward to what would be a name */
	start(&p, "d.example", QF_DNS_MX, 0);
	record(&p, "d.example", QF_DNS_MX, 60, 4);
	add16(&p, 10);
	add16(&p, 0xc000 | (unsigned)(p.n + 2));
	record_name(&p, "d.example", QF_DNS_MX, 60, "m.example");
	assert_damaged(&p);
	/* another question */
	start(&p, "e.example", QF_DNS_MX, 0);
	assert_damaged(&p);
	start(&p, "d.example", QF_DNS_A, 0);
	assert_damaged(&p);
	start(&p, "d.example", QF_DNS_MX, 0);
	p.b[2] &= 0x7f; /* no answer at all */
	assert_damaged(&p);
}

static void kinds(void **state)
{
	static struct packet p;
	static const struct {
		unsigned rcode;
		enum qf_dns_kind kind;
	} cases[] = {
	    {0, QF_DNS_ANSWERED},
	    {1, QF_DNS_NO_EDNS},
	    {2, QF_DNS_UNABLE},
	    {3, QF_DNS_ANSWERED},
	    {4, QF_DNS_NO_EDNS},
	    {5, QF_DNS_UNABLE},
	};

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		start(&p, "d.example", QF_DNS_MX, cases[i].rcode);
		assert_int_equal(cases[i].kind,
		    qf_dns_look(span_of(&p), "d.example", QF_DNS_MX, 0x1234));
		assert_int_equal(QF_DNS_FOREIGN,
		    qf_dns_look(span_of(&p), "d.example", QF_DNS_MX, 0x1235));
		assert_int_equal(QF_DNS_FOREIGN,
		    qf_dns_look(span_of(&p), "d.example", QF_DNS_A, 0x1234));
	}
	start(&p, "d.example", QF_DNS_MX, 0);
	assert_false(qf_dns_says_proven(span_of(&p)));
	p.b[3] |= 0x20;
	assert_true(qf_dns_says_proven(span_of(&p)));
	p.b[2] |= 2;
	assert_int_equal(QF_DNS_CUT,
	    qf_dns_look(span_of(&p), "d.example", QF_DNS_MX, 0x1234));
	/* only a header */
	start(&p, "d.example", QF_DNS_MX, 5);
	p.b[5] = 0;
	p.n = 12;
	assert_int_equal(QF_DNS_UNABLE,
	    qf_dns_look(span_of(&p), "d.example", QF_DNS_MX, 0x1234));
	p.b[3] &= 0xf0;
	assert_int_equal(QF_DNS_FOREIGN,
	    qf_dns_look(span_of(&p), "d.example", QF_DNS_MX, 0x1234));
}

/* the stub */

/*
 * A name server that does as a script says, a letter for each question:
 * a, the answer with AD; by UDP: i, another number first, q, another question
 * first, d, a damaged one, s, SERVFAIL, f, FORMERR, which must be followed by a
 * question without EDNS, t, cut, -, nothing; by TCP: p, in two pieces, c, it
 * closes the connection, w, another number, h, the first half.
 */
struct server {
	int udp, tcp;
	pid_t child;
	struct qf_dns_conf conf;
};

static void answer_for(struct packet *p, const unsigned char *question)
{
	start(p, "d.example", QF_DNS_A, 0);
	memcpy(p->b, question, 2);
	p->b[3] |= 0x20;
	record_a(p, "d.example", 1);
}

static void by_udp(int fd, char how)
{
	static struct packet p;
	unsigned char q[600];
	struct sockaddr_storage from;
	socklen_t len = sizeof from;
	ssize_t n =
	    recvfrom(fd, q, sizeof q, 0, (struct sockaddr *)&from, &len);

	if (n < 12 || (how == 'a' && q[11] > 1))
		_exit(2);
	answer_for(&p, q);
	if (how == 'i')
		p.b[0] ^= 1;
	if (how == 'q')
		p.b[12 + 1] = 'e';
	if (how == 'd')
		p.n--;
	if (how == 's' || how == 'f')
		p.b[3] |= how == 's' ? 2 : 1;
	if (how == 't')
		p.b[2] |= 2;
	if (how == 'f' && q[11] != 1)
		_exit(3);
	if (how != '-')
		(void)sendto(fd, p.b, p.n, 0, (struct sockaddr *)&from, len);
	if (how == 'i' || how == 'q') {
		answer_for(&p, q);
		(void)sendto(fd, p.b, p.n, 0, (struct sockaddr *)&from, len);
	}
}

static void by_tcp(int listener, char how)
{
	static struct packet p;
	unsigned char q[600], len[2];
	int fd = accept(listener, NULL, NULL);

	if (read(fd, q, sizeof q) < 14)
		_exit(4);
	answer_for(&p, q + 2);
	if (how == 'w')
		p.b[0] ^= 1;
	len[0] = (unsigned char)(p.n >> 8);
	len[1] = (unsigned char)p.n;
	if (how != 'c') {
		(void)qf_write_all(fd, len, 2);
		(void)qf_write_all(fd, p.b, p.n / 2);
	}
	if (how != 'c' && how != 'h')
		(void)qf_write_all(fd, p.b + p.n / 2, p.n - p.n / 2);
	close(fd);
}

static void serve(const struct server *s, const char *script)
{
	for (; *script != '\0'; script++) {
		if (strchr("pcwh", *script) != NULL)
			by_tcp(s->tcp, *script);
		else
			by_udp(s->udp, *script);
	}
	_exit(0);
}

static void begin(struct server *s, const char *script)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof in;
	char text[40];

	s->conf = (struct qf_dns_conf){.trust_ad = true};
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(s->tcp, (struct sockaddr *)&in, len));
	assert_int_equal(0, listen(s->tcp, 4));
	assert_int_equal(0, getsockname(s->tcp, (struct sockaddr *)&in, &len));
	s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(0, bind(s->udp, (struct sockaddr *)&in, len));
	snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(in.sin_port));
	assert_true(qf_dns_conf_server(&s->conf, qf_span(text)));
	s->child = fork();
	if (s->child == 0)
		serve(s, script);
	qf_close(&s->tcp);
	qf_close(&s->udp);
}

/* All of the script was played. */
static void end(struct server *s)
{
	int status;

	assert_int_equal(s->child, waitpid(s->child, &status, 0));
	assert_int_equal(0, status);
}

static void scripts(void **state)
{
	static const char damaged[] =
	    "name server 127.0.0.1: the answer is damaged";
	static const struct {
		const char *script, *why; /* why NULL: answered */
	} cases[] = {
	    {"a", NULL},
	    {"i", NULL},
	    {"q", NULL},
	    {"sa", NULL}, /* it gets a second chance */
	    {"ss", "name server 127.0.0.1: SERVFAIL"},
	    {"dd", damaged},
	    {"fa", NULL},
	    {"tp", NULL},
	    {"tca", NULL},
	    {"twa", NULL},
	    {"thth", "name server 127.0.0.1: it closed the connection"},
	};

	(void)state;
	setenv("RES_OPTIONS", "attempts:2 timeout:30", 1);
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_dns_query q = {.name = "d.example", .type = QF_DNS_A};
		struct server s;
		struct qf_dns *dns;

		begin(&s, cases[i].script);
		dns = qf_dns_stub_open(&s.conf);
		qf_dns_lookup(dns, &q, 1, qf_deadline_in(60000));
		if ((q.answer.status == QF_DNS_OK) != (cases[i].why == NULL))
			fail_msg("%s: %s", cases[i].script, q.answer.why);
		if (cases[i].why == NULL)
			assert_true(q.answer.secure && q.answer.n == 1);
		else
			assert_string_equal(cases[i].why, q.answer.why);
		qf_dns_forget(&q.answer);
		qf_dns_close(&dns);
		end(&s);
	}
}

/* AD is worth nothing from somebody who is not believed. */
static void who_is_believed(void **state)
{
	struct qf_dns_query q = {.name = "d.example", .type = QF_DNS_A};
	struct server s;
	struct qf_dns *dns;

	(void)state;
	begin(&s, "a");
	s.conf.trust_ad = false;
	dns = qf_dns_stub_open(&s.conf);
	assert_false(dns->proves);
	qf_dns_lookup(dns, &q, 1, qf_deadline_in(60000));
	assert_int_equal(QF_DNS_OK, q.answer.status);
	assert_false(q.answer.secure);
	qf_dns_forget(&q.answer);
	qf_dns_close(&dns);
	end(&s);
}

/* Where the first one is not there, the second one is asked. */
static void next_server(void **state)
{
	struct qf_dns_query q = {.name = "d.example", .type = QF_DNS_A};
	struct qf_dns_server last;
	struct server s, gone;
	struct qf_dns *dns;

	(void)state;
	begin(&gone, "");
	end(&gone);
	begin(&s, "a");
	last = s.conf.server[0];
	s.conf.server[0] = gone.conf.server[0];
	s.conf.server[1] = last;
	s.conf.servers = 2;
	dns = qf_dns_stub_open(&s.conf);
	qf_dns_lookup(dns, &q, 1, qf_deadline_in(60000));
	assert_int_equal(QF_DNS_OK, q.answer.status);
	qf_dns_forget(&q.answer);
	qf_dns_close(&dns);
	end(&s);
}

static void nobody_answers(void **state)
{
	struct qf_dns_query q[3] = {{.name = "d.example", .type = QF_DNS_A},
	    {.name = "no..name", .type = QF_DNS_A},
	    {.name = "d.example", .type = QF_DNS_A}};
	struct server s;
	struct qf_dns *dns;

	(void)state;
	begin(&s, "--");
	dns = qf_dns_stub_open(&s.conf);
	qf_dns_lookup(dns, q, 3, qf_deadline_in(100));
	assert_int_equal(QF_DNS_TEMPORARY, q[0].answer.status);
	assert_string_equal(
	    "name server 127.0.0.1: no answer in time", q[0].answer.why);
	assert_int_equal(QF_DNS_NXDOMAIN, q[1].answer.status);
	assert_int_equal(QF_DNS_TEMPORARY, q[2].answer.status);
	assert_string_equal("d.example", q[2].answer.canonical);
	end(&s);
	/* and now nobody listens */
	qf_dns_lookup(dns, q, 1, qf_deadline_in(60000));
	assert_string_equal(
	    "name server 127.0.0.1: Connection refused", q[0].answer.why);
	qf_dns_lookup(dns, q, 1, 0);
	assert_string_equal(
	    "no name server was asked in time", q[0].answer.why);
	for (int i = 0; i < 3; i++)
		qf_dns_forget(&q[i].answer);
	qf_dns_close(&dns);
}

/* More than are asked at a time. */
static void many_questions(void **state)
{
	enum {
		MANY = 80
	};
	struct qf_dns_query q[MANY] = {0};
	char script[MANY + 1];
	struct server s;
	struct qf_dns *dns;
	int fds = unit_open_fds();

	(void)state;
	memset(script, 'a', MANY);
	script[MANY] = '\0';
	begin(&s, script);
	dns = qf_dns_stub_open(&s.conf);
	for (int i = 0; i < MANY; i++)
		q[i] = (struct qf_dns_query){
		    .name = "d.example", .type = QF_DNS_A};
	qf_dns_lookup(dns, q, MANY, qf_deadline_in(60000));
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(QF_DNS_OK, q[i].answer.status);
		qf_dns_forget(&q[i].answer);
	}
	qf_dns_close(&dns);
	end(&s);
	assert_int_equal(fds, unit_open_fds());
}

/* the control file */

static int load(struct qf_dns_conf *conf, const char *text, struct qf_err *e)
{
	struct qf_ctl ctl = QF_CTL_NONE;
	char *dir = unit_dir(), path[100];
	int rc, fd;

	snprintf(path, sizeof path, "%s/resolver", dir);
	if (text != NULL) {
		fd = open(path, O_WRONLY | O_CREAT, 0644);
		assert_int_equal(0, qf_write_all(fd, text, strlen(text)));
		close(fd);
	}
	assert_int_equal(0, qf_ctl_open(&ctl, dir, NULL));
	rc = qf_dns_conf_load(conf, &ctl, e);
	qf_ctl_close(&ctl);
	unit_remove_dir(dir);
	return rc;
}

static void settings(void **state)
{
	static const struct {
		const char *text, *wrong;
	} cases[] = {
	    {"nameserver localhost\n", "resolver:1: write nameserver ADDRESS"},
	    {"#\nnameserver\n", "resolver:2: write nameserver ADDRESS"},
	    {"nameserver 127.0.0.1:0\n", "resolver:1: write nameserver"},
	    {"trust-ad yes\n", "resolver:1: nothing may follow trust-ad"},
	    {"trust-anchor no such\n", "resolver:1: this file can not be"},
	    {"trust-anchor\n", "resolver:1: write trust-anchor FILE"},
	    {"name server\n", "resolver:1: use nameserver, trust-ad or"},
	    {"nameserver ::1\nnameserver ::1\nnameserver ::1\nnameserver ::1\n",
		"resolver:4: three name servers"},
	};
	struct qf_dns_conf conf;
	struct qf_err e;

	(void)state;
	assert_int_equal(0, load(&conf, NULL, &e));
	assert_int_equal(0, conf.servers);
	assert_int_equal(
	    0, load(&conf,
		   "nameserver 127.0.0.1:5399\nnameserver\t[::1]:53\n"
		   "trust-ad\ntrust-anchor /dev/null\n",
		   &e));
	assert_int_equal(2, conf.servers);
	assert_int_equal(AF_INET6, conf.server[1].addr.ss_family);
	assert_true(conf.trust_ad);
	assert_string_equal("/dev/null", conf.trust_anchor);
	qf_dns_conf_free(&conf);
	assert_int_equal(0, load(&conf, "trust-anchor resolver\n", &e));
	assert_non_null(strstr(conf.trust_anchor, "/resolver"));
	qf_dns_conf_free(&conf);
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		assert_int_equal(QF_ECONF, load(&conf, cases[i].text, &e));
		if (strstr(e.text, cases[i].wrong) == NULL)
			fail_msg("%s", e.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(questions),
	    cmocka_unit_test(good_answers),
	    cmocka_unit_test(aliases),
	    cmocka_unit_test(no_answers),
	    cmocka_unit_test(damaged_answers),
	    cmocka_unit_test(kinds),
	    cmocka_unit_test(scripts),
	    cmocka_unit_test(who_is_believed),
	    cmocka_unit_test(next_server),
	    cmocka_unit_test(nobody_answers),
	    cmocka_unit_test(many_questions),
	    cmocka_unit_test(settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
