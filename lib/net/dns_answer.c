#include "lib/net/dns_answer.h"

#include <stdarg.h>
#include <stdio.h>

void qf_dns_forget(struct qf_dns_answer *a)
{
	qf_arena_free(&a->mem);
	*a = (struct qf_dns_answer){.status = QF_DNS_TEMPORARY};
}

void qf_dns_fail(struct qf_dns_answer *a, const char *fmt, ...)
{
	va_list args;

	qf_dns_forget(a);
	va_start(args, fmt);
	vsnprintf(a->why, sizeof a->why, fmt, args);
	va_end(args);
	for (char *p = a->why; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			*p = '?';
	}
}

const char *qf_dns_type_name(enum qf_dns_type type)
{
	switch (type) {
	case QF_DNS_A:
		return "A";
	case QF_DNS_CNAME:
		return "CNAME";
	case QF_DNS_MX:
		return "MX";
	case QF_DNS_AAAA:
		return "AAAA";
	case QF_DNS_TLSA:
		return "TLSA";
	}
	return "?";
}
