/*
 * Sessions that the next connection to the same peer goes on with: a round
 * trip less, and no signatures. What was verified then holds for an hour.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/net/tls_internal.h"

static void forget(struct qf_tls_saved *saved)
{
	SSL_SESSION_free(saved->session);
	saved->session = NULL;
	qf_buf_free(&saved->key);
}

static struct qf_tls_saved *find(struct qf_tls *t, const struct qf_buf *key)
{
	for (size_t i = 0; i < QF_TLS_RESUME_PEERS; i++) {
		struct qf_tls_saved *saved = &t->saved[i];

		if (saved->session != NULL &&
		    qf_span_eq(qf_buf_span(&saved->key), qf_buf_span(key)))
			return saved;
	}
	return NULL;
}

/* A place for this key: the one that it has, a free one, or that of another
 * that has been there for long. */
static struct qf_tls_saved *place(struct qf_tls *t, const struct qf_buf *key)
{
	struct qf_tls_saved *saved = find(t, key);

	if (saved == NULL) {
		saved = &t->saved[t->next_saved];
		t->next_saved = (t->next_saved + 1) % QF_TLS_RESUME_PEERS;
	}
	forget(saved);
	return saved;
}

int qf_tls_cache_put(SSL *ssl, SSL_SESSION *session)
{
	struct qf_tls_session *s = SSL_get_app_data(ssl);
	struct qf_tls_saved *saved;

	if (s->key.len == 0 || !SSL_SESSION_is_resumable(session))
		return 0;
	qf_tls_cache_adopt(s);
	saved = place(s->tls, &s->key);
	qf_buf_addspan(&saved->key, qf_buf_span(&s->key));
	saved->session = session;
	saved->info = s->info;
	saved->verified_at = s->verified_at;
	return 1;
}

static void add_word(struct qf_buf *key, const char *word)
{
	qf_buf_addz(key, word != NULL ? word : "");
}

/* All that decides what is accepted, and who the peer is. */
static void make_key(struct qf_buf *key, const struct qf_tls_session *s,
    const struct qf_tls_peer *p)
{
	qf_buf_addf(key, "%d %u %zu ", (int)s->mode, p->port, p->ntlsa);
	add_word(key, p->name);
	add_word(key, p->sni);
	add_word(key, p->dane_base);
	for (size_t i = 0; i < p->ntlsa; i++) {
		const struct qf_tlsa *r = &p->tlsa[i];

		qf_buf_addf(key, "%d %d %d %zu ", r->usage, r->selector,
		    r->matching, r->n);
		qf_buf_add(key, r->data, r->n);
	}
}

void qf_tls_cache_use(struct qf_tls_session *s, const struct qf_tls_peer *p)
{
	struct qf_tls_saved *saved;

	make_key(&s->key, s, p);
	saved = find(s->tls, &s->key);
	if (saved == NULL)
		return;
	if (qf_clock_mono() - saved->verified_at > QF_TLS_RESUME_MS) {
		forget(saved);
		return;
	}
	s->earlier = saved->info;
	s->earlier_at = saved->verified_at;
	SSL_set_session(s->ssl, saved->session);
	/* A ticket of TLS 1.3 is for one use: who sees both could tell that
	 * they are of one client. */
	if (SSL_SESSION_get_protocol_version(saved->session) >= TLS1_3_VERSION)
		forget(saved);
}

void qf_tls_cache_adopt(struct qf_tls_session *s)
{
	if (s->info.resumed || !SSL_session_reused(s->ssl))
		return;
	s->info = s->earlier;
	s->info.resumed = true;
	s->verified_at = s->earlier_at;
}

void qf_tls_cache_free(struct qf_tls *t)
{
	for (size_t i = 0; i < QF_TLS_RESUME_PEERS; i++)
		forget(&t->saved[i]);
}
