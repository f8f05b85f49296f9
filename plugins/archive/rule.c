#include "plugins/archive/rule.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static struct qf_span span_n(const char *p, size_t n)
{
	return (struct qf_span){.p = p, .n = n};
}

/* Cuts at the last `@`: the domain is empty without one. */
static void split(
    struct qf_span s, struct qf_span *user, struct qf_span *domain)
{
	const char *at = s.n > 0 ? memrchr(s.p, '@', s.n) : NULL;
	size_t n = at != NULL ? (size_t)(at - s.p) : s.n;

	*user = span_n(s.p, n);
	*domain = at != NULL ? span_n(at + 1, s.n - n - 1) : span_n("", 0);
}

static bool matches_pattern(const char *pattern, struct qf_span s)
{
	char copy[ADDRESS_MAX + 1];

	if (s.n > ADDRESS_MAX)
		return false;
	if (s.n > 0)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return fnmatch(pattern, copy, FNM_CASEFOLD) == 0;
}

bool rule_matches(const struct rule *r, struct qf_span address)
{
	struct qf_span user, domain;

	if (r->pattern == NULL)
		return !r->negated;
	split(address, &user, &domain);
	return matches_pattern(r->pattern, r->domain ? domain : address) !=
	       r->negated;
}

/* Can it stand in an envelope and be sent to? */
static bool is_address(struct qf_span s)
{
	struct qf_span user, domain;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c == 127 || c == '<' || c == '>')
			return false;
	}
	split(s, &user, &domain);
	if (user.n == 0 || domain.n == 0 || domain.p[domain.n - 1] == '.')
		return false;
	for (size_t i = 0; i < domain.n; i++) {
		if (domain.p[i] == ' ' ||
		    (domain.p[i] == '.' && (i == 0 || domain.p[i - 1] == '.')))
			return false;
	}
	return true;
}

bool rule_expand(
    const struct rule *r, struct qf_span address, char out[ADDRESS_MAX + 1])
{
	struct qf_span part[3];
	size_t n = 0;

	split(address, &part[PIECE_USER], &part[PIECE_DOMAIN]);
	for (size_t i = 0; i < r->npieces; i++) {
		const struct piece *p = &r->piece[i];
		struct qf_span s = p->kind == PIECE_TEXT
				       ? span_n(p->text, strlen(p->text))
				       : part[p->kind];

		if (s.n > ADDRESS_MAX - n)
			return false;
		if (s.n > 0)
			memcpy(out + n, s.p, s.n);
		n += s.n;
	}
	out[n] = '\0';
	return is_address(span_n(out, n));
}

/* What stands for %u and %d while an address is taken apart: NULL when it is
 * not known yet. */
struct parts {
	struct qf_span part[3];
};

static bool starts_with(struct qf_span s, struct qf_span head)
{
	return s.n >= head.n && strncasecmp(s.p, head.p, head.n) == 0;
}

/* Does the rule match the address that was found for its %u and %d? What is
 * not in the archive address can be anything. */
static bool could_match(const struct rule *r, const struct parts *p)
{
	struct qf_span user = p->part[PIECE_USER],
		       domain = p->part[PIECE_DOMAIN];
	char address[ADDRESS_MAX + 1];

	if (domain.p == NULL || (user.p == NULL && !r->domain))
		return true;
	if (user.n + 1 + domain.n > ADDRESS_MAX)
		return false;
	if (user.n > 0)
		memcpy(address, user.p, user.n);
	address[user.n] = '@';
	memcpy(address + user.n + 1, domain.p, domain.n);
	return rule_matches(r, span_n(address, user.n + 1 + domain.n));
}

/* Do the pieces from i on give what is left of the address? */
static bool leads(const struct rule *r, size_t i, struct qf_span rest,
    const struct parts *known)
{
	const struct piece *piece = &r->piece[i];
	struct parts p = *known;
	struct qf_span s;

	if (i == r->npieces)
		return rest.n == 0 && could_match(r, known);
	s = piece->kind == PIECE_TEXT ? span_n(piece->text, strlen(piece->text))
				      : p.part[piece->kind];
	if (s.p != NULL)
		return starts_with(rest, s) &&
		       leads(r, i + 1, span_n(rest.p + s.n, rest.n - s.n), &p);
	for (size_t n = 0; n <= rest.n; n++) {
		if (n > 0 && piece->kind == PIECE_DOMAIN &&
		    rest.p[n - 1] == '@')
			break;
		p.part[piece->kind] = span_n(rest.p, n);
		if (leads(r, i + 1, span_n(rest.p + n, rest.n - n), &p))
			return true;
	}
	return false;
}

bool rule_leads_to(const struct rule *r, struct qf_span address)
{
	static const struct parts none;
	const struct piece *last = &r->piece[r->npieces - 1];

	/* Most addresses differ at their end. */
	if (last->kind == PIECE_TEXT) {
		size_t n = strlen(last->text);

		if (address.n < n ||
		    strncasecmp(address.p + address.n - n, last->text, n) != 0)
			return false;
	}
	return address.n > 0 && leads(r, 0, address, &none);
}

/* Reading the list */

static int32_t add_piece(struct rule *r, int kind, struct qf_span text)
{
	struct piece *p = reallocarray(r->piece, r->npieces + 1, sizeof *p);

	if (p == NULL)
		return QF_ENOMEM;
	r->piece = p;
	p += r->npieces++;
	*p = (struct piece){.kind = kind};
	if (kind != PIECE_TEXT)
		return 0;
	p->text = strndup(text.p, text.n);
	return p->text == NULL ? QF_ENOMEM : 0;
}

/* %u, %d, %e, %%. */
static int32_t add_percent(
    const struct rules_place *at, struct rule *r, struct qf_span s)
{
	int32_t rc;

	switch (s.n > 1 ? s.p[1] : '\0') {
	case 'u':
		return add_piece(r, PIECE_USER, s);
	case 'd':
		return add_piece(r, PIECE_DOMAIN, s);
	case 'e':
		rc = add_piece(r, PIECE_USER, s);
		if (rc == 0)
			rc = add_piece(r, PIECE_TEXT, span_n("@", 1));
		return rc < 0 ? rc : add_piece(r, PIECE_DOMAIN, s);
	case '%':
		return add_piece(r, PIECE_TEXT, span_n("%", 1));
	default:
		return rules_mistake(at,
		    "a %% stands for nothing here: write %%u, %%d, %%e, or "
		    "%%%% for a percent sign");
	}
}

static int32_t read_pieces(
    const struct rules_place *at, struct rule *r, struct qf_span s)
{
	int32_t rc = 0;

	while (rc == 0 && s.n > 0) {
		const char *percent = memchr(s.p, '%', s.n);
		size_t n = percent != NULL ? (size_t)(percent - s.p) : s.n;

		if (n == 0) {
			n = 2;
			rc = add_percent(at, r, s);
		} else {
			rc = add_piece(r, PIECE_TEXT, span_n(s.p, n));
		}
		if (rc == 0)
			s = span_n(s.p + n, s.n - n);
	}
	return rc;
}

/* Is anything in it besides %u, %d and the at-sign? Otherwise every address
 * would be an archive. */
static bool has_text(const struct rule *r)
{
	for (size_t i = 0; i < r->npieces; i++) {
		if (r->piece[i].kind == PIECE_TEXT &&
		    strspn(r->piece[i].text, "@.") < strlen(r->piece[i].text))
			return true;
	}
	return false;
}

static int32_t read_destination(
    const struct rules_place *at, struct rule *r, struct qf_span s)
{
	static const char sample[] = "user@example.org";
	char out[ADDRESS_MAX + 1];
	int32_t rc;

	if (s.n == 0)
		return rules_mistake(at, "the archive address is missing");
	rc = read_pieces(at, r, s);
	if (rc < 0)
		return rc;
	if (r->side == RULE_ANY && (r->npieces > 1 || r->piece->text == NULL))
		return rules_mistake(at,
		    "\"%.*s\": in \"any\" there is no address that %%u, %%d "
		    "or %%e could stand for",
		    RULES_QUOTE(s));
	if (!rule_expand(r, span_n(sample, sizeof sample - 1), out))
		return rules_mistake(at,
		    "\"%.*s\" is no address: write one such as "
		    "archive@example.org or %%u@archive.example.org",
		    RULES_QUOTE(s));
	if (!has_text(r))
		return rules_mistake(at,
		    "\"%.*s\" is the same address again: an archive needs "
		    "one of its own",
		    RULES_QUOTE(s));
	return 0;
}

static int32_t read_pattern(
    const struct rules_place *at, struct rule *r, struct qf_span s)
{
	if (s.n > 0 && s.p[0] == '!') {
		r->negated = true;
		s = span_n(s.p + 1, s.n - 1);
	}
	if (s.n > 1 && s.p[0] == '@') {
		r->domain = true;
		s = span_n(s.p + 1, s.n - 1);
	}
	if (s.n == 0 || (s.n == 1 && s.p[0] == '@'))
		return rules_mistake(at,
		    "the pattern is missing: write an address, @domain, or * "
		    "for all");
	r->pattern = strndup(s.p, s.n);
	return r->pattern == NULL ? QF_ENOMEM : 0;
}

/* F:pattern:address, T:pattern:address, and :pattern:address or
 * *:pattern:address, which mean T; an empty pattern matches all. */
static int32_t read_indimail(
    const struct rules_place *at, struct rule *r, struct qf_span line)
{
	const char *colon = memchr(line.p, ':', line.n), *next;
	size_t n = (size_t)(colon - line.p) + 1;
	int32_t rc = 0;

	r->side = line.p[0] == 'F' ? RULE_FROM : RULE_TO;
	line = span_n(line.p + n, line.n - n);
	next = memchr(line.p, ':', line.n);
	if (next == NULL)
		return rules_mistake(at,
		    "a second colon is missing: write %c:PATTERN:ADDRESS",
		    r->side == RULE_FROM ? 'F' : 'T');
	n = (size_t)(next - line.p);
	if (n > 0)
		rc = read_pattern(at, r, span_n(line.p, n));
	if (rc == 0)
		rc = read_destination(at, r, span_n(next + 1, line.n - n - 1));
	return rc;
}

static bool is_indimail(struct qf_span line)
{
	return line.p[0] == ':' || (line.n > 1 && line.p[1] == ':' &&
				       memchr("FT*", line.p[0], 3) != NULL);
}

static int32_t parse_rule(
    const struct rules_place *at, struct qf_span line, struct rule *r)
{
	struct qf_span word, address;
	int32_t rc = 0;

	if (is_indimail(line))
		return read_indimail(at, r, line);
	word = rules_word(&line);
	if (rules_is(word, "any"))
		r->side = RULE_ANY;
	else if (rules_is(word, "from") || rules_is(word, "to"))
		r->side = word.p[0] == 'f' ? RULE_FROM : RULE_TO;
	else
		return rules_mistake(at,
		    "\"%.*s\": a rule is from PATTERN ADDRESS, to PATTERN "
		    "ADDRESS or any ADDRESS",
		    RULES_QUOTE(word));
	if (r->side != RULE_ANY)
		rc = read_pattern(at, r, rules_word(&line));
	if (rc < 0)
		return rc;
	address = rules_word(&line);
	if (line.n > 0)
		return rules_mistake(at,
		    "\"%.*s\": there is more than the rule needs",
		    RULES_QUOTE(line));
	return read_destination(at, r, address);
}

static int32_t add_rule(
    const struct rules_place *at, struct qf_span line, void *arg)
{
	struct ruleset *set = arg;
	struct rule *p = reallocarray(set->rule, set->n + 1, sizeof *p);

	if (p == NULL)
		return QF_ENOMEM;
	set->rule = p;
	p[set->n] = (struct rule){0};
	return parse_rule(at, line, &p[set->n++]);
}

int32_t ruleset_load(
    struct ruleset *r, const struct qf_host *h, const struct qf_conf *c)
{
	*r = (struct ruleset){0};
	return rules_read(h, c, "rules", add_rule, r);
}

void ruleset_free(struct ruleset *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct rule *rule = &r->rule[i];

		for (size_t k = 0; k < rule->npieces; k++)
			free(rule->piece[k].text);
		free(rule->piece);
		free(rule->pattern);
	}
	free(r->rule);
	*r = (struct ruleset){0};
}
