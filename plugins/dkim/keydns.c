#include "plugins/dkim/keydns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

#include <qfront/err.h>

enum {
	ANSWER_MAX = 16384,
	TRIES = 2
};

bool keydns_server(struct keydns *k, const char *text)
{
	const char *colon = strchr(text, ':');
	size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);
	char address[INET_ADDRSTRLEN];
	unsigned long port = 53;

	if (n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (colon != NULL) {
		char *end;

		port = strtoul(colon + 1, &end, 10);
		if (colon[1] < '0' || colon[1] > '9' || *end != '\0' ||
		    port == 0 || port > 65535)
			return false;
	}
	k->own = true;
	k->server = (struct sockaddr_in){.sin_family = AF_INET};
	k->server.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, address, &k->server.sin_addr) == 1;
}

/* The strings of a TXT record, joined. */
static int32_t join(ns_rr *rr, char *out, size_t size)
{
	const unsigned char *p = ns_rr_rdata(*rr);
	size_t left = ns_rr_rdlen(*rr), n = 0;

	while (left > 0) {
		size_t len = *p;

		if (len + 1 > left || memchr(p + 1, '\0', len) != NULL)
			return QF_EFORMAT;
		if (n + len >= size)
			return QF_ETOOLONG;
		memcpy(out + n, p + 1, len);
		n += len;
		p += len + 1;
		left -= len + 1;
	}
	out[n] = '\0';
	return 0;
}

static int32_t read_answer(
    const unsigned char *answer, int n, char *out, size_t size)
{
	ns_msg msg;
	int found = 0;
	int32_t rc = QF_ENOENT;

	if (ns_initparse(answer, n, &msg) < 0)
		return QF_EFORMAT;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		ns_rr rr;

		if (ns_parserr(&msg, ns_s_an, i, &rr) < 0)
			return QF_EFORMAT;
		if (ns_rr_type(rr) != ns_t_txt || ns_rr_class(rr) != ns_c_in)
			continue;
		if (++found > 1)
			return QF_EFORMAT;
		rc = join(&rr, out, size);
	}
	return rc;
}

/* Makes all tries together fit the time: each asks every server. */
static void limit(res_state st, int64_t ms)
{
	int64_t seconds = ms / 1000;
	int servers = st->nscount > 0 ? st->nscount : 1;

	st->retry = seconds >= (int64_t)TRIES * servers ? TRIES : 1;
	seconds /= (int64_t)st->retry * servers;
	st->retrans = seconds < 1 ? 1 : seconds > 30 ? 30 : (int)seconds;
}

static int32_t ask(res_state st, const char *name, unsigned char *answer,
    char *out, size_t size)
{
	int n = res_nquery(st, name, ns_c_in, ns_t_txt, answer, ANSWER_MAX);

	if (n > ANSWER_MAX)
		return QF_ETOOLONG;
	if (n >= 0)
		return read_answer(answer, n, out, size);
	return st->res_h_errno == HOST_NOT_FOUND || st->res_h_errno == NO_DATA
		   ? QF_ENOENT
		   : QF_ENET;
}

int32_t keydns_find(const struct keydns *k, const char *name, int64_t ms,
    char *out, size_t size)
{
	struct __res_state st;
	unsigned char *answer;
	int32_t rc;

	if (ms <= 0)
		return QF_ENET;
	memset(&st, 0, sizeof st);
	if (res_ninit(&st) < 0)
		return QF_ENET;
	answer = malloc(ANSWER_MAX);
	if (answer == NULL) {
		res_nclose(&st);
		return QF_ENOMEM;
	}
	if (k->own) {
		st.nsaddr_list[0] = k->server;
		st.nscount = 1;
	}
	st.options |= RES_USE_EDNS0;
	limit(&st, ms);
	rc = ask(&st, name, answer, out, size);
	free(answer);
	res_nclose(&st);
	return rc;
}
