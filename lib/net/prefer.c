#include "lib/net/prefer.h"

#include <string.h>
#include <unistd.h>

enum {
	DISCARD = 9, /* the port: any will do */
	LINK_LOCAL = 2,
	SITE_LOCAL = 5,
	GLOBAL = 14
};

/* Section 2.1. */
static const struct policy {
	unsigned char prefix[16];
	unsigned bits;
	int precedence, label;
} policies[] = {
    {{[15] = 1}, 128, 50, 0},
    {{[10] = 0xff, [11] = 0xff}, 96, 35, 4},
    {{0}, 96, 1, 3},
    {{0x20, 0x01, 0, 0}, 32, 5, 5},
    {{0x20, 0x02}, 16, 30, 2},
    {{0x3f, 0xfe}, 16, 1, 12},
    {{0xfe, 0xc0}, 10, 1, 11},
    {{0xfc}, 7, 3, 13},
    {{0}, 0, 40, 1},
};

static void as_ipv6(unsigned char out[16], const struct qf_ip *ip)
{
	if (ip->family == AF_INET6) {
		memcpy(out, ip->b, 16);
		return;
	}
	memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	memcpy(out + 12, ip->b, 4);
}

static bool matches(const unsigned char *b, const struct policy *p)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;
	unsigned char mask = (unsigned char)(0xff00 >> rest);

	return memcmp(b, p->prefix, whole) == 0 &&
	       (rest == 0 || ((b[whole] ^ p->prefix[whole]) & mask) == 0);
}

static const struct policy *policy_of(const struct qf_ip *ip)
{
	const struct policy *p = policies;
	unsigned char b[16];

	as_ipv6(b, ip);
	while (!matches(b, p))
		p++;
	return p;
}

static int scope_of(const struct qf_ip *ip)
{
	const unsigned char *b = ip->b;

	if (ip->family == AF_INET)
		return b[0] == 127 || (b[0] == 169 && b[1] == 254) ? LINK_LOCAL
								   : GLOBAL;
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return LINK_LOCAL;
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0xc0)
		return SITE_LOCAL;
	return policy_of(ip) == &policies[0] ? LINK_LOCAL : GLOBAL;
}

void qf_way_find(struct qf_way *way, const struct qf_ip *to)
{
	struct sockaddr_storage ss;
	socklen_t len = qf_ip_sockaddr(&ss, to, DISCARD);
	int fd = socket(to->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*way = (struct qf_way){.to = *to};
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&ss, len) == 0) {
		len = sizeof ss;
		way->usable =
		    getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
		    qf_ip_from_sockaddr(&way->from, (struct sockaddr *)&ss);
	}
	close(fd);
}

static bool same_scope(const struct qf_way *w)
{
	return scope_of(&w->to) == scope_of(&w->from);
}

static bool same_label(const struct qf_way *w)
{
	return policy_of(&w->to)->label == policy_of(&w->from)->label;
}

int qf_way_compare(const struct qf_way *a, const struct qf_way *b)
{
	int by;

	/* rule 1 */
	if (a->usable != b->usable)
		return a->usable ? -1 : 1;
	if (a->usable) {
		/* rules 2 and 5 */
		by = same_scope(b) - same_scope(a);
		if (by == 0)
			by = same_label(b) - same_label(a);
		if (by != 0)
			return by;
	}
	/* rules 6 and 8 */
	by = policy_of(&b->to)->precedence - policy_of(&a->to)->precedence;
	return by != 0 ? by : scope_of(&a->to) - scope_of(&b->to);
}
