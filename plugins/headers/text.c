#include "plugins/headers/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum part_kind {
	PART_LITERAL,
	PART_CONTEXT,
	PART_SENDER,
	PART_RCPT,
	PART_NOTE
};

struct text_part {
	enum part_kind kind;
	bool optional; /* an absent key is an empty string */
	char *s;       /* the text; the key for context and note */
};

/* What %{...} may name; all keys of the host's context among them. */
static const struct {
	const char *name;
	enum part_kind kind;
	const char *key;
} names[] = {
    {"sender", PART_SENDER, NULL},
    {"rcpt", PART_RCPT, NULL},
    {"uid", PART_CONTEXT, "submit.uid"},
    {"client.ip", PART_CONTEXT, NULL},
    {"client.name", PART_CONTEXT, NULL},
    {"client.port", PART_CONTEXT, NULL},
    {"client.info", PART_CONTEXT, NULL},
    {"server.ip", PART_CONTEXT, NULL},
    {"server.port", PART_CONTEXT, NULL},
    {"helo", PART_CONTEXT, NULL},
    {"auth.user", PART_CONTEXT, NULL},
    {"auth.method", PART_CONTEXT, NULL},
    {"relay", PART_CONTEXT, NULL},
    {"tls.version", PART_CONTEXT, NULL},
    {"tls.cipher", PART_CONTEXT, NULL},
    {"spf.result", PART_CONTEXT, NULL},
    {"submit.uid", PART_CONTEXT, NULL},
    {"submit.pid", PART_CONTEXT, NULL},
    {"run.id", PART_CONTEXT, NULL},
    {"path", PART_CONTEXT, NULL},
};

static int32_t add_part(
    struct text *t, enum part_kind kind, bool optional, struct qf_span s)
{
	struct text_part *p = reallocarray(t->part, t->n + 1, sizeof *p);

	if (p == NULL)
		return QF_ENOMEM;
	t->part = p;
	p[t->n] = (struct text_part){
	    .kind = kind, .optional = optional, .s = strndup(s.p, s.n)};
	return p[t->n++].s == NULL ? QF_ENOMEM : 0;
}

/* The key of a note: what note_set() takes. */
static bool is_note_key(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return s.n > 0;
}

static bool has_notes(const struct qf_host *h)
{
	return (h->groups & QF_GROUP_SHARE) != 0 && QF_HOST_HAS(h, note_get);
}

static int32_t add_note(struct text *t, const struct rules_place *at,
    bool optional, struct qf_span key)
{
	if (!is_note_key(key))
		return rules_mistake(at,
		    "\"%.*s\" is no key of a note: it has small letters, "
		    "digits and . _ - only",
		    RULES_QUOTE(key));
	if (!has_notes(at->h))
		return rules_mistake(
		    at, "this version of qfront has no notes: remove %%{note:");
	return add_part(t, PART_NOTE, optional, key);
}

/* What stands between %{ and }. */
static int32_t add_place(
    struct text *t, const struct rules_place *at, struct qf_span s)
{
	static const char note[] = "note:";
	size_t n = sizeof note - 1;
	bool optional = s.n > 0 && s.p[0] == '?';

	if (optional) {
		s.p++;
		s.n--;
	}
	if (s.n > n && memcmp(s.p, note, n) == 0)
		return add_note(t, at, optional,
		    (struct qf_span){.p = s.p + n, .n = s.n - n});
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *key = names[i].key;

		if (!rules_is(s, names[i].name))
			continue;
		if (key != NULL)
			s = (struct qf_span){.p = key, .n = strlen(key)};
		return add_part(t, names[i].kind, optional, s);
	}
	return rules_mistake(at,
	    "there is no %%{%.*s}: use sender, rcpt, uid, note:KEY or a key of "
	    "qfront-chain(5) such as client.ip",
	    RULES_QUOTE(s));
}

/* From a percent sign on; *used is how much of it was taken. */
static int32_t parse_percent(struct text *t, const struct rules_place *at,
    struct qf_span s, size_t *used)
{
	const char *end;

	if (s.n >= 2 && s.p[1] == '%') {
		*used = 2;
		return add_part(
		    t, PART_LITERAL, false, (struct qf_span){.p = s.p, .n = 1});
	}
	if (s.n < 2 || s.p[1] != '{')
		return rules_mistake(at,
		    "a %% stands for nothing here: write %%{KEY}, or %%%% for "
		    "a percent sign");
	end = memchr(s.p, '}', s.n);
	if (end == NULL)
		return rules_mistake(at, "%%{ without its }");
	*used = (size_t)(end - s.p) + 1;
	return add_place(t, at, (struct qf_span){.p = s.p + 2, .n = *used - 3});
}

static int32_t check_bytes(const struct rules_place *at, struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c > 126)
			return rules_mistake(at,
			    "a header field holds ASCII only: write the value "
			    "as RFC 2047 encodes it, =?UTF-8?Q?...?=");
		if (c < ' ' && c != '\t')
			return rules_mistake(
			    at, "the value holds a control character");
	}
	return 0;
}

int32_t text_parse(
    struct text *t, const struct rules_place *at, struct qf_span s)
{
	int32_t rc = check_bytes(at, s);

	while (rc == 0 && s.n > 0) {
		const char *percent = memchr(s.p, '%', s.n);
		struct qf_span head = s;
		size_t used = 0;

		if (percent == s.p) {
			rc = parse_percent(t, at, s, &used);
		} else {
			used = percent != NULL ? (size_t)(percent - s.p) : s.n;
			head.n = used;
			rc = add_part(t, PART_LITERAL, false, head);
		}
		if (rc == 0) {
			s.p += used;
			s.n -= used;
		}
	}
	return rc;
}

void text_free(struct text *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->part[i].s);
	free(t->part);
	*t = (struct text){0};
}

size_t text_literals(const struct text *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->part[i].kind == PART_LITERAL ? strlen(t->part[i].s) : 0;
	return n;
}

/* What a part stands for: 0, QF_ENOENT when there is none, or a code. */
static int32_t look_up(const struct text_part *p, const struct qf_host *h,
    struct qf_msg *m, struct qf_span *out)
{
	switch (p->kind) {
	case PART_LITERAL:
		*out = (struct qf_span){.p = p->s, .n = strlen(p->s)};
		return 0;
	case PART_CONTEXT:
		return h->context(m, p->s, out);
	case PART_SENDER:
		return h->sender(m, out);
	case PART_RCPT:
		/* Of several, none: they are not to know of each other. */
		return h->rcpt_count(m) == 1 ? h->rcpt_get(m, 0, out)
					     : QF_ENOENT;
	case PART_NOTE:
		return h->note_get(m, p->s, out);
	}
	return QF_EBUG;
}

/* Where to cut so that no UTF-8 character is broken. */
static size_t cut_at(const char *s, size_t n)
{
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	return n;
}

int32_t text_fill(const struct text *t, const struct qf_host *h,
    struct qf_msg *m, size_t room, char out[TEXT_LINE_MAX + 1])
{
	size_t at = 0;

	for (size_t i = 0; i < t->n; i++) {
		struct qf_span s = {.n = 0};
		int32_t rc = look_up(&t->part[i], h, m, &s);

		if (rc == QF_ENOENT && !t->part[i].optional)
			return 0;
		if (rc < 0 && rc != QF_ENOENT)
			return rc;
		if (s.n > room - at)
			s.n = cut_at(s.p, room - at);
		for (size_t k = 0; k < s.n; k++) {
			unsigned char c = (unsigned char)s.p[k];

			out[at++] =
			    (c < ' ' && c != '\t') || c == 127 ? '?' : s.p[k];
		}
	}
	out[at] = '\0';
	return 1;
}
