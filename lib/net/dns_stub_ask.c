#include "lib/net/dns_stub_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"

static void next(struct qf_dns_ask *ask);

static void done(struct qf_dns_ask *ask)
{
	qf_close(&ask->fd);
	qf_buf_free(&ask->in);
}

/* Which server this attempt is about. */
static const struct qf_dns_server *server_of(const struct qf_dns_ask *ask)
{
	return &ask->stub->server[(ask->attempt - 1) % ask->stub->servers];
}

/* Keeps why this server did not answer, and goes on to the next one. */
static void failed(struct qf_dns_ask *ask, const char *reason)
{
	char text[QF_IP_TEXT] = "?";
	struct qf_ip ip;

	if (qf_ip_from_sockaddr(
		&ip, (const struct sockaddr *)&server_of(ask)->addr))
		qf_ip_text(text, &ip);
	snprintf(ask->why, sizeof ask->why, "name server %s: %s", text, reason);
	next(ask);
}

/* A question with a number that nobody can guess. */
static int pack(struct qf_dns_ask *ask)
{
	unsigned char id[2];
	int n;

	if (getrandom(id, sizeof id, 0) != sizeof id)
		return QF_EREAD;
	ask->id = (unsigned)id[0] << 8 | id[1];
	n = qf_dns_pack(
	    ask->out + 2, ask->q->name, ask->q->type, ask->id, ask->flags);
	if (n < 0)
		return n;
	ask->out[0] = (unsigned char)(n >> 8);
	ask->out[1] = (unsigned char)n;
	ask->out_n = (size_t)n + 2;
	ask->sent = 0;
	return 0;
}

/* False when it can not be made: errno. */
static bool open_socket(struct qf_dns_ask *ask)
{
	const struct qf_dns_server *to = server_of(ask);
	int kind = ask->tcp ? SOCK_STREAM : SOCK_DGRAM;

	qf_close(&ask->fd);
	qf_buf_reset(&ask->in);
	if (pack(ask) < 0)
		return false;
	ask->fd =
	    socket(to->addr.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ask->fd < 0)
		return false;
	if (connect(ask->fd, (const struct sockaddr *)&to->addr, to->len) < 0 &&
	    errno != EINPROGRESS)
		return false;
	return ask->tcp || send(ask->fd, ask->out + 2, ask->out_n - 2, 0) >= 0;
}

/* The time that this attempt has. */
static int64_t attempt_until(const struct qf_dns_ask *ask)
{
	unsigned round = (ask->attempt - 1) / ask->stub->servers;
	int64_t until = qf_deadline_in(ask->stub->each_ms << (round & 7));

	return until < ask->deadline ? until : ask->deadline;
}

/* To the next server, unless all of them had their turns. */
static void next(struct qf_dns_ask *ask)
{
	ask->tcp = false;
	while (ask->attempt < ask->stub->servers * ask->stub->rounds &&
	       qf_deadline_poll(ask->deadline) != 0) {
		ask->attempt++;
		ask->until = attempt_until(ask);
		if (open_socket(ask))
			return;
		snprintf(ask->why, sizeof ask->why, "name server: %m");
	}
	qf_dns_fail(&ask->q->answer, "%s",
	    ask->why[0] != '\0' ? ask->why
				: "no name server was asked in time");
	done(ask);
}

void qf_dns_ask_begin(struct qf_dns_ask *ask)
{
	ask->fd = -1;
	ask->in = (struct qf_buf)QF_BUF_INIT_MAX(QF_DNS_ANSWER + 2);
	ask->flags = QF_DNS_EDNS | (ask->stub->trust_ad ? QF_DNS_AD : 0);
	next(ask);
}

short qf_dns_ask_events(const struct qf_dns_ask *ask)
{
	return ask->tcp && ask->sent < ask->out_n ? POLLOUT : POLLIN;
}

/* The same server again, by other means. */
static void again(struct qf_dns_ask *ask)
{
	ask->until = attempt_until(ask);
	if (!open_socket(ask))
		failed(ask, strerror(errno));
}

static void take(struct qf_dns_ask *ask, struct qf_span packet)
{
	struct qf_dns_answer *a = &ask->q->answer;
	const struct qf_dns_query *q = ask->q;
	unsigned rcode;

	switch (qf_dns_look(packet, q->name, q->type, ask->id)) {
	case QF_DNS_FOREIGN:
		if (ask->tcp)
			failed(ask, "an answer to another question");
		return;
	case QF_DNS_CUT:
		if (ask->tcp) {
			failed(ask, "an answer that is cut");
			return;
		}
		ask->tcp = true;
		again(ask);
		return;
	case QF_DNS_NO_EDNS:
		if (ask->flags & QF_DNS_EDNS) {
			ask->flags &= ~QF_DNS_EDNS;
			again(ask);
			return;
		}
		/* fall through */
	case QF_DNS_UNABLE:
		rcode = (unsigned char)packet.p[3] & 0x0f;
		failed(ask, qf_dns_rcode_name(rcode));
		return;
	case QF_DNS_ANSWERED:
		break;
	}
	if (qf_dns_unpack(a, packet, q->name, q->type) < 0) {
		failed(ask, a->why);
		return;
	}
	a->secure = ask->stub->trust_ad && qf_dns_says_proven(packet);
	done(ask);
}

static void read_udp(struct qf_dns_ask *ask)
{
	char *p = ask->stub->packet;
	ssize_t n = recv(ask->fd, p, sizeof ask->stub->packet, 0);

	if (n >= 0)
		take(ask, qf_span_n(p, (size_t)n));
	else if (errno != EAGAIN && errno != EINTR)
		failed(ask, strerror(errno));
}

static void write_tcp(struct qf_dns_ask *ask)
{
	ssize_t n = send(ask->fd, ask->out + ask->sent, ask->out_n - ask->sent,
	    MSG_NOSIGNAL);

	if (n >= 0)
		ask->sent += (size_t)n;
	else if (errno != EAGAIN && errno != EINTR)
		failed(ask, strerror(errno));
}

/* How many bytes the answer takes, with the length in front of it. */
static size_t whole(const struct qf_buf *in)
{
	const unsigned char *p = (const unsigned char *)in->s;

	return in->len < 2 ? 2 : 2 + ((size_t)p[0] << 8 | p[1]);
}

static void read_tcp(struct qf_dns_ask *ask)
{
	size_t want = whole(&ask->in) - ask->in.len;
	ssize_t n;

	qf_buf_reserve(&ask->in, want);
	n = recv(ask->fd, ask->in.s + ask->in.len, want, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		failed(
		    ask, n < 0 ? strerror(errno) : "it closed the connection");
		return;
	}
	ask->in.len += (size_t)n;
	ask->in.s[ask->in.len] = '\0';
	if (ask->in.len > 2 && ask->in.len == whole(&ask->in)) {
		/* taking it may begin another attempt */
		memcpy(ask->stub->packet, ask->in.s + 2, ask->in.len - 2);
		take(ask, qf_span_n(ask->stub->packet, ask->in.len - 2));
	}
}

void qf_dns_ask_ready(struct qf_dns_ask *ask)
{
	if (!ask->tcp)
		read_udp(ask);
	else if (ask->sent < ask->out_n)
		write_tcp(ask);
	else
		read_tcp(ask);
}

void qf_dns_ask_expired(struct qf_dns_ask *ask)
{
	failed(ask, "no answer in time");
}
