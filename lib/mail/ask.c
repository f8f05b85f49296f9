#include "lib/mail/ask.h"

#include <string.h>

#include "lib/base/buf.h"

static int nonsense(struct qf_err *e, const char *what)
{
	return qf_fail(e, QF_EPROTO, "%s that is none", what);
}

/* Copies a header that may be shorter or longer than ours, and cuts it off the
 * record. */
static int take_head(void *head, size_t size, const char *magic,
    struct qf_span *rest, const char *what, struct qf_err *e)
{
	uint16_t version, claimed;

	if (rest->n < 8 || memcmp(rest->p, magic, 4) != 0)
		return nonsense(e, what);
	memcpy(&version, rest->p + 4, sizeof version);
	memcpy(&claimed, rest->p + 6, sizeof claimed);
	if (version != QF_ASK_VERSION)
		return qf_fail(e, QF_ENOSYS, "%s of version %u; this is %d",
		    what, version, QF_ASK_VERSION);
	if (claimed < 8 || claimed > rest->n)
		return nonsense(e, what);
	memset(head, 0, size);
	memcpy(head, rest->p, claimed < size ? claimed : size);
	rest->p += claimed;
	rest->n -= claimed;
	return 0;
}

/* Cuts a section off: it fits, and its last string has an end. */
static bool take_section(
    struct qf_span *rest, uint32_t n, bool strings, struct qf_span *out)
{
	if (n > rest->n || (strings && n > 0 && rest->p[n - 1] != '\0'))
		return false;
	*out = qf_span_n(rest->p, n);
	rest->p += n;
	rest->n -= n;
	return true;
}

int qf_ask_parse(
    struct qf_asked *out, const void *record, size_t n, struct qf_err *e)
{
	struct qf_span rest = qf_span_n(record, n);
	struct qf_ask *h = &out->head;
	bool envelope, words;
	int rc;

	*out = (struct qf_asked){0};
	rc = take_head(h, sizeof *h, QF_ASK_MAGIC, &rest, "a request", e);
	if (rc < 0)
		return rc;
	envelope = (h->flags & QF_ASK_ENVELOPE_FD) == 0;
	words = (h->flags & QF_ASK_WORDS_FD) == 0;
	if (!take_section(
		&rest, envelope ? h->envelope : 0, false, &out->envelope) ||
	    !take_section(&rest, words ? h->words : 0, true, &out->words) ||
	    !take_section(
		&rest, words ? h->environment : 0, true, &out->environment) ||
	    rest.n > 0)
		return nonsense(e, "a request");
	return 0;
}

int qf_answer_parse(
    struct qf_answered *out, const void *record, size_t n, struct qf_err *e)
{
	struct qf_span rest = qf_span_n(record, n);
	struct qf_answer *h = &out->head;
	int rc;

	*out = (struct qf_answered){0};
	rc = take_head(h, sizeof *h, QF_ANSWER_MAGIC, &rest, "an answer", e);
	if (rc < 0)
		return rc;
	h->status[sizeof h->status - 1] = '\0';
	h->text[sizeof h->text - 1] = '\0';
	if (!take_section(&rest, h->words, true, &out->words) ||
	    !take_section(&rest, h->unset, true, &out->unset) ||
	    !take_section(&rest, h->set, true, &out->set) || rest.n > 0)
		return nonsense(e, "an answer");
	return 0;
}

bool qf_ask_next(struct qf_span *section, const char **out)
{
	struct qf_span one;

	if (!qf_span_cut(section, '\0', &one))
		return false;
	*out = one.p;
	return true;
}
