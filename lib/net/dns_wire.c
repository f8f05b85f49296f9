#include "lib/net/dns_wire.h"

#include <stdio.h>
#include <string.h>

enum {
	HEADER = 12,
	CLASS_IN = 1,
	TYPE_OPT = 41,
	RR_FIXED = 10, /* type, class, TTL, length */
	LABEL_MAX = 63,
	LABELS_MAX = 127
};

enum {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4
};

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(unsigned char *p, unsigned value)
{
	p[0] = (unsigned char)(value >> 8);
	p[1] = (unsigned char)value;
}

/* questions */

int qf_dns_pack_name(unsigned char *out, const char *name)
{
	size_t n = 0, label = 0; /* where the length of the label stands */

	if (strcmp(name, ".") == 0)
		name = "";
	else if (name[0] == '\0')
		return QF_EFORMAT;
	for (; *name != '\0'; name++) {
		unsigned char c = (unsigned char)*name;

		if (n == label)
			n++;
		if (n >= QF_DNS_WIRE_NAME - 1 || c <= ' ' || c > '~' ||
		    c == '\\')
			return QF_EFORMAT;
		if (c != '.') {
			out[n++] = c;
			continue;
		}
		if (n - label - 1 == 0 || n - label - 1 > LABEL_MAX)
			return QF_EFORMAT;
		out[label] = (unsigned char)(n - label - 1);
		label = n;
	}
	if (n > label) {
		if (n - label - 1 > LABEL_MAX)
			return QF_EFORMAT;
		out[label] = (unsigned char)(n - label - 1);
	}
	out[n++] = 0;
	return (int)n;
}

int qf_dns_pack(unsigned char *out, const char *name, enum qf_dns_type type,
    unsigned id, int flags)
{
	/* Recursion is desired. */
	unsigned head = 0x0100 | (flags & QF_DNS_AD ? 0x0020 : 0);
	int n = qf_dns_pack_name(out + HEADER, name);
	unsigned char *p;

	if (n < 0)
		return n;
	memset(out, 0, HEADER);
	put16(out, id);
	put16(out + 2, head);
	put16(out + 4, 1);
	p = out + HEADER + n;
	put16(p, type);
	put16(p + 2, CLASS_IN);
	p += 4;
	if (flags & QF_DNS_EDNS) {
		put16(out + 10, 1);
		memset(p, 0, 11);
		put16(p + 1, TYPE_OPT);
		put16(p + 3, QF_DNS_UDP);
		put16(p + 7, flags & QF_DNS_DO ? 0x8000 : 0);
		p += 11;
	}
	return (int)(p - out);
}

/* answers */

struct packet {
	const unsigned char *p;
	size_t n;
};

static struct packet packet_of(struct qf_span s)
{
	return (struct packet){(const unsigned char *)s.p, s.n};
}

/*
 * The name at `at`, as bytes without compression: their number, and in *end
 * where what follows it begins; or QF_EFORMAT. A pointer only leads to before
 * the place where this part of the name began, so there is an end.
 */
static int expand(struct packet m, size_t at, unsigned char *out, size_t *end)
{
	size_t n = 0, start = at;
	int jumps = 0;

	for (;;) {
		unsigned c;

		if (at >= m.n)
			return QF_EFORMAT;
		c = m.p[at];
		if (c >= 0xc0) {
			size_t to;

			if (m.n - at < 2)
				return QF_EFORMAT;
			to = get16(m.p + at) & 0x3fff;
			if (jumps == 0)
				*end = at + 2;
			if (to >= start || to < HEADER || ++jumps > LABELS_MAX)
				return QF_EFORMAT;
			at = start = to;
			continue;
		}
		if (c > LABEL_MAX || m.n - at < c + 1 ||
		    n + c + 1 > QF_DNS_WIRE_NAME)
			return QF_EFORMAT;
		memcpy(out + n, m.p + at, c + 1);
		n += c + 1;
		at += c + 1;
		if (c == 0)
			break;
	}
	if (jumps == 0)
		*end = at;
	return (int)n;
}

static unsigned char lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

/* Lengths of labels are below 'A', so bytes can be compared as letters. */
static bool same_name(
    const unsigned char *a, int an, const unsigned char *b, int bn)
{
	if (an != bn)
		return false;
	for (int i = 0; i < an; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

/* The name as text. */
static char *name_text(struct qf_arena *mem, const unsigned char *wire)
{
	char out[QF_DNS_NAME], *p = out;

	while (*wire != 0) {
		if (p > out)
			*p++ = '.';
		for (unsigned n = *wire++; n > 0; n--, wire++) {
			if (*wire <= ' ' || *wire > '~' || *wire == '.' ||
			    *wire == '\\')
				p += snprintf(p, 5, "\\%03u", *wire);
			else
				*p++ = (char)*wire;
		}
	}
	if (p == out)
		*p++ = '.';
	return qf_arena_strndup(mem, out, (size_t)(p - out));
}

/* Header and question: where the answers begin, or 0. */
static size_t match_question(
    struct packet m, const char *name, enum qf_dns_type type)
{
	unsigned char want[QF_DNS_WIRE_NAME], got[QF_DNS_WIRE_NAME];
	int wn = qf_dns_pack_name(want, name), gn;
	size_t end;

	/* QR is set, and it is a standard query; one question. */
	if (wn < 0 || m.n < HEADER || (m.p[2] & 0xf8) != 0x80 ||
	    get16(m.p + 4) != 1)
		return 0;
	gn = expand(m, HEADER, got, &end);
	if (gn < 0 || !same_name(want, wn, got, gn) || m.n - end < 4 ||
	    get16(m.p + end) != type || get16(m.p + end + 2) != CLASS_IN)
		return 0;
	return end + 4;
}

/* Some that refuse a question leave it out of what they say. */
static bool is_bare_refusal(struct packet m)
{
	return m.n == HEADER && (m.p[2] & 0xf8) == 0x80 &&
	       get16(m.p + 4) == 0 && (m.p[3] & 0x0f) != RCODE_NOERROR;
}

enum qf_dns_kind qf_dns_look(
    struct qf_span packet, const char *name, enum qf_dns_type type, unsigned id)
{
	struct packet m = packet_of(packet);
	unsigned rcode;

	if (m.n < HEADER || get16(m.p) != id ||
	    (match_question(m, name, type) == 0 && !is_bare_refusal(m)))
		return QF_DNS_FOREIGN;
	rcode = m.p[3] & 0x0f;
	if (rcode == RCODE_FORMERR || rcode == RCODE_NOTIMP)
		return QF_DNS_NO_EDNS;
	if (rcode != RCODE_NOERROR && rcode != RCODE_NXDOMAIN)
		return QF_DNS_UNABLE;
	return m.p[2] & 0x02 ? QF_DNS_CUT : QF_DNS_ANSWERED;
}

bool qf_dns_says_proven(struct qf_span packet)
{
	return packet.n >= HEADER && (packet.p[3] & 0x20) != 0;
}

/* A record within the packet. */
struct rr {
	unsigned char owner[QF_DNS_WIRE_NAME];
	int owner_n;
	unsigned type, class_;
	uint32_t ttl;
	size_t data, n;
};

static int read_rr(struct packet m, size_t *at, struct rr *rr)
{
	size_t end;

	rr->owner_n = expand(m, *at, rr->owner, &end);
	if (rr->owner_n < 0 || m.n - end < RR_FIXED)
		return QF_EFORMAT;
	rr->type = get16(m.p + end);
	rr->class_ = get16(m.p + end + 2);
	rr->ttl = get32(m.p + end + 4);
	rr->n = get16(m.p + end + 8);
	rr->data = end + RR_FIXED;
	if (rr->n > m.n - rr->data)
		return QF_EFORMAT;
	*at = rr->data + rr->n;
	return 0;
}

/* What reading needs to know. */
struct reading {
	struct packet m;
	size_t answers; /* where they begin */
	unsigned count;
	unsigned rcode;
	unsigned char name[QF_DNS_WIRE_NAME]; /* where the aliases led so far */
	int name_n;
	enum qf_dns_type type;
	struct qf_dns_answer *a;
};

/* Walks over all sections: is each record whole, and what does EDNS add? */
static int check_all(struct reading *r)
{
	unsigned n = get16(r->m.p + 6) + get16(r->m.p + 8);
	unsigned more = get16(r->m.p + 10);
	size_t at = r->answers;
	struct rr rr;

	for (unsigned i = 0; i < n + more; i++) {
		if (read_rr(r->m, &at, &rr) < 0)
			return QF_EFORMAT;
		if (i >= n && rr.type == TYPE_OPT)
			r->rcode |= (rr.ttl >> 24) << 4;
	}
	return at == r->m.n ? 0 : QF_EFORMAT;
}

static void note_ttl(struct reading *r, uint32_t ttl)
{
	/* RFC 2181 section 8: a negative one is 0 */
	if (ttl > INT32_MAX)
		ttl = 0;
	if (ttl < r->a->ttl)
		r->a->ttl = ttl;
}

static bool is_about(
    const struct reading *r, const struct rr *rr, unsigned type)
{
	return rr->type == type && rr->class_ == CLASS_IN &&
	       same_name(rr->owner, rr->owner_n, r->name, r->name_n);
}

/* The name in the data of a record, which ends with it. */
static int data_name(
    struct packet m, const struct rr *rr, size_t skip, unsigned char *out)
{
	size_t end;
	int n;

	if (rr->n <= skip)
		return QF_EFORMAT;
	n = expand(m, rr->data + skip, out, &end);
	return n > 0 && end == rr->data + rr->n ? n : QF_EFORMAT;
}

/* One alias on: 1, 0 when the name is none, QF_EFORMAT. */
static int follow_once(struct reading *r)
{
	unsigned char target[QF_DNS_WIRE_NAME];
	size_t at = r->answers;
	struct rr rr;
	int n;

	for (unsigned i = 0; i < r->count; i++) {
		if (read_rr(r->m, &at, &rr) < 0)
			return QF_EFORMAT;
		if (!is_about(r, &rr, QF_DNS_CNAME))
			continue;
		n = data_name(r->m, &rr, 0, target);
		if (n < 0)
			return QF_EFORMAT;
		memcpy(r->name, target, (size_t)n);
		r->name_n = n;
		note_ttl(r, rr.ttl);
		return 1;
	}
	return 0;
}

static int follow(struct reading *r)
{
	int rc = 1;

	if (r->type == QF_DNS_CNAME)
		return 0;
	for (int i = 0; rc == 1; i++) {
		if (i > QF_DNS_ALIASES)
			return QF_EFORMAT;
		rc = follow_once(r);
		if (rc == 1)
			r->a->alias = true;
	}
	if (r->a->alias)
		r->a->canonical = name_text(&r->a->mem, r->name);
	return rc;
}

static int read_name(
    struct reading *r, const struct rr *rr, size_t skip, const char **out)
{
	unsigned char wire[QF_DNS_WIRE_NAME];

	if (data_name(r->m, rr, skip, wire) < 0)
		return QF_EFORMAT;
	*out = name_text(&r->a->mem, wire);
	return 0;
}

static int read_data(
    struct reading *r, const struct rr *rr, struct qf_dns_record *out)
{
	const unsigned char *p = r->m.p + rr->data;

	switch (r->type) {
	case QF_DNS_A:
	case QF_DNS_AAAA:
		if (rr->n != (r->type == QF_DNS_A ? 4 : 16))
			return QF_EFORMAT;
		out->ip = qf_ip_from(p, rr->n);
		return 0;
	case QF_DNS_MX:
		if (rr->n < 3)
			return QF_EFORMAT;
		out->preference = get16(p);
		return read_name(r, rr, 2, &out->name);
	case QF_DNS_CNAME:
		return read_name(r, rr, 0, &out->name);
	case QF_DNS_TLSA:
		if (rr->n < 4)
			return QF_EFORMAT;
		out->usage = p[0];
		out->selector = p[1];
		out->matching = p[2];
		out->data = qf_span_n(qf_arena_strndup(&r->a->mem,
					  (const char *)p + 3, rr->n - 3),
		    rr->n - 3);
		return 0;
	}
	return QF_EFORMAT;
}

static int take_records(struct reading *r)
{
	struct qf_dns_answer *a = r->a;
	size_t at = r->answers;
	struct rr rr;

	a->v = qf_arena_alloc(
	    &a->mem, (r->count < QF_DNS_RECORDS ? r->count : QF_DNS_RECORDS) *
			     sizeof *a->v +
			 1);
	for (unsigned i = 0; i < r->count && a->n < QF_DNS_RECORDS; i++) {
		if (read_rr(r->m, &at, &rr) < 0)
			return QF_EFORMAT;
		if (!is_about(r, &rr, r->type))
			continue;
		if (read_data(r, &rr, &a->v[a->n]) < 0)
			return QF_EFORMAT;
		a->n++;
		note_ttl(r, rr.ttl);
	}
	return 0;
}

/* A server that neither knows nor asks others: its "nothing" says nothing. */
static bool is_referral(const struct reading *r)
{
	return r->count == 0 && (r->m.p[2] & 0x04) == 0 &&
	       (r->m.p[3] & 0x80) == 0;
}

static int read_all(struct reading *r)
{
	if (check_all(r) < 0 || follow(r) < 0 || take_records(r) < 0)
		return QF_EFORMAT;
	if (r->rcode == RCODE_NXDOMAIN) {
		r->a->status = QF_DNS_NXDOMAIN;
		r->a->n = 0;
	} else {
		r->a->status = r->a->n > 0 ? QF_DNS_OK : QF_DNS_NODATA;
	}
	if (r->a->n == 0 && !r->a->alias)
		r->a->ttl = 0;
	return 0;
}

int qf_dns_unpack(struct qf_dns_answer *a, struct qf_span packet,
    const char *name, enum qf_dns_type type)
{
	struct reading r = {.m = packet_of(packet), .type = type, .a = a};

	qf_dns_forget(a);
	a->canonical = name;
	r.answers = match_question(r.m, name, type);
	if (r.answers != 0) {
		r.name_n = qf_dns_pack_name(r.name, name);
		r.count = get16(r.m.p + 6);
		r.rcode = r.m.p[3] & 0x0f;
		a->ttl = UINT32_MAX;
	}
	if (r.answers == 0 || read_all(&r) < 0) {
		qf_dns_fail(a, "the answer is damaged");
	} else if (r.rcode != RCODE_NOERROR && r.rcode != RCODE_NXDOMAIN) {
		qf_dns_fail(
		    a, "the name server says %s", qf_dns_rcode_name(r.rcode));
	} else if (is_referral(&r)) {
		qf_dns_fail(a, "the name server does not resolve");
	} else {
		return 0;
	}
	a->canonical = name;
	return QF_EFORMAT;
}

const char *qf_dns_rcode_name(unsigned rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL",
	    "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
	    "NOTAUTH", "NOTZONE"};

	if (rcode == 16)
		return "BADVERS";
	return rcode < sizeof names / sizeof *names ? names[rcode]
						    : "an unknown error";
}
