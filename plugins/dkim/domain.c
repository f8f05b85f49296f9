#include "plugins/dkim/domain.h"

#include <string.h>

/* ASCII only, whatever the locale. */
static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

bool domain_copy(char out[DOMAIN_SIZE], struct qf_span s, size_t min_labels)
{
	size_t labels = 1, label = 0;

	if (s.n == 0 || s.n >= DOMAIN_SIZE)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = lower(s.p[i]);

		out[i] = c;
		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			labels++;
		} else if (!is_label_char(c) || ++label > 63) {
			return false;
		}
	}
	out[s.n] = '\0';
	return label > 0 && labels >= min_labels;
}

bool domain_of_address(char out[DOMAIN_SIZE], struct qf_span address)
{
	const char *at =
	    address.n > 0 ? memrchr(address.p, '@', address.n) : NULL;
	struct qf_span s;

	if (at == NULL)
		return false;
	s.p = at + 1;
	s.n = address.n - (size_t)(s.p - address.p);
	return domain_copy(out, s, 2);
}

/* The end of the comment that opens at i: after its `)`, or n. */
static size_t skip_comment(const char *p, size_t n, size_t i)
{
	size_t depth = 0;

	for (; i < n; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '(')
			depth++;
		else if (p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return n;
}

/* The end of the quoted string that opens at i: after its quote, or n. */
static size_t skip_quoted(const char *p, size_t n, size_t i)
{
	for (i++; i < n; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '"')
			return i + 1;
	}
	return n;
}

/* What was read of a mailbox so far. */
struct scan {
	char domain[DOMAIN_SIZE];
	size_t n;
	bool angle;    /* after `<` */
	bool after_at; /* the bytes belong to a domain */
	bool gap;      /* white space or a comment follows a domain's bytes */
	bool bad;      /* more than one word, or too long */
};

static void restart(struct scan *sc)
{
	*sc = (struct scan){.angle = sc->angle};
}

static void take(struct scan *sc, char c)
{
	if (!sc->after_at)
		return;
	/* `a . b` is the domain a.b, `a b` is none. */
	if (sc->gap && sc->n > 0 && c != '.' && sc->domain[sc->n - 1] != '.')
		sc->bad = true;
	sc->gap = false;
	if (sc->n + 1 >= DOMAIN_SIZE)
		sc->bad = true;
	else
		sc->domain[sc->n++] = c;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One character with a meaning of its own; false ends the mailbox. */
static bool take_special(struct scan *sc, char c)
{
	switch (c) {
	case '<':
		restart(sc);
		sc->angle = true;
		return true;
	case '@':
		restart(sc);
		sc->after_at = true;
		return true;
	case ',':
		if (sc->after_at && !sc->angle)
			return false;
		restart(sc); /* within a route, or an unquoted name */
		return true;
	case ':': /* ends the name of a group, or a route */
		restart(sc);
		return true;
	default: /* `>`, `;` */
		return false;
	}
}

bool domain_of_from(char out[DOMAIN_SIZE], struct qf_span value)
{
	struct scan sc = {0};
	struct qf_span domain;
	size_t i = 0;

	while (i < value.n) {
		char c = value.p[i];

		if (c == '(') {
			i = skip_comment(value.p, value.n, i);
			sc.gap = true;
		} else if (c == '"') {
			i = skip_quoted(value.p, value.n, i);
			sc.bad = sc.bad || sc.after_at;
		} else if (c == '\0') {
			return false;
		} else if (is_space(c)) {
			i++;
			sc.gap = true;
		} else if (strchr("<>,;:@", c) == NULL) {
			i++;
			take(&sc, c);
		} else if (take_special(&sc, c)) {
			i++;
		} else {
			break;
		}
	}
	domain.p = sc.domain;
	domain.n = sc.n;
	return sc.after_at && !sc.bad && domain_copy(out, domain, 2);
}

/* Is `top` the domain itself or above it? */
static bool is_at_or_above(const char *top, const char *domain)
{
	size_t n = strlen(top), m = strlen(domain);

	if (n > m || strchr(top, '.') == NULL)
		return false;
	return strcmp(domain + m - n, top) == 0 &&
	       (n == m || domain[m - n - 1] == '.');
}

bool domain_aligned(const char *a, const char *b)
{
	return is_at_or_above(a, b) || is_at_or_above(b, a);
}
