#include "remote/routes.h"

#include <string.h>

#include "lib/base/paths.h"
#include "remote/auth/secret.h"

/* The last line whose name is key. */
static const struct qf_line *find(
    const struct qf_lines *lines, struct qf_span key)
{
	for (size_t i = lines->n; i-- > 0;) {
		struct qf_span rest = lines->v[i].s, name;

		if (qf_span_cut(&rest, ':', &name) && qf_span_ieq(name, key))
			return &lines->v[i];
	}
	return NULL;
}

/* ... of the host, or of what it belongs to. The dot of the root says nothing
 * new. */
static const struct qf_line *find_best(
    const struct qf_lines *lines, const char *host)
{
	struct qf_span name = qf_span(host);
	const struct qf_line *line;

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	line = find(lines, name);
	while (line == NULL && name.n > 0) {
		name = qf_span_n(name.p + 1, name.n - 1);
		if (name.n > 0 && name.p[0] == '.')
			line = find(lines, name);
	}
	return line != NULL ? line : find(lines, qf_span(""));
}

/* Cuts the port off a word: HOST:PORT, HOST;PORT, [ADDRESS]:PORT; an IPv6
 * address without brackets has one behind a semicolon only. */
static char *cut_port(char *word)
{
	char *end = strchr(word, ']');
	char *at = strchr(word, ';');

	if (at == NULL)
		at = strchr(end != NULL ? end : word, ':');
	if (at == NULL || (*at == ':' && strchr(at + 1, ':') != NULL))
		return NULL;
	*at = '\0';
	return at + 1;
}

static int take_relay(struct qf_route_to *out, char *word, struct qf_err *e)
{
	const char *port;
	unsigned long long n = 0;

	/* What stands there may be a password, so it is not quoted. */
	if (strchr(word, '|') != NULL)
		return qf_fail(e, QF_ECONF,
		    "a relay with |: user and password are options, as "
		    "user=NAME pass-file=FILE");
	port = cut_port(word);
	out->is_relay = true;
	out->options.host = word;
	if (word[0] == '\0')
		return qf_fail(e, QF_ECONF, "a port without a relay");
	if (port != NULL && (!qf_span_u64(qf_span(port), 65535, &n) || n == 0))
		return qf_fail(e, QF_ECONF,
		    "the port of a relay is no number: use 1 to 65535");
	out->options.port = (unsigned)n;
	return 0;
}

static int take_option(struct qf_route_to *out, size_t i, struct qf_err *e)
{
	const char *word = out->words.v[i];

	/* It may be a password where none belongs: not quoted. */
	if (!qf_module_knows(qf_smtp_options, word))
		return qf_fail(e, QF_ECONF,
		    "word %zu behind the colon is no option: qfront-smtp(8) "
		    "has them all",
		    i + 1);
	return qf_module_word(qf_smtp_options, &out->options, word, e);
}

static int parse(
    struct qf_route_to *out, struct qf_span relay, struct qf_err *e)
{
	const char *host;
	int rc = qf_strv_split(&out->words, relay, e);

	if (rc < 0)
		return rc;
	/* Options alone are for the host's mail exchangers. */
	if (out->words.n > 0 && strchr(" \t", relay.p[0]) == NULL)
		rc = take_relay(out, out->words.v[0], e);
	host = out->options.host;
	for (size_t i = out->is_relay; rc == 0 && i < out->words.n; i++)
		rc = take_option(out, i, e);
	if (rc == 0 && out->options.host != host)
		return qf_fail(e, QF_ECONF,
		    "option host: the relay stands right behind the colon");
	if (rc == 0 && out->options.proxy != NULL)
		return qf_fail(e, QF_ECONF,
		    "option proxy: only the module smtp can use one; name "
		    "the host in remotes");
	return rc == 0 ? qf_smtp_options_check(&out->options, e) : rc;
}

void qf_route_context(struct qf_err *e, unsigned line)
{
	qf_err_context(e, "%s/smtproutes:%u", qf_dir(QF_DIR_CONTROL), line);
}

int qf_route_of_line(struct qf_route_to *out, const struct qf_line *line,
    const char *host, struct qf_err *e)
{
	struct qf_span relay = line->s, name;
	int rc;

	*out = (struct qf_route_to){
	    .options = {.host = host}, .line = line->number};
	if (qf_span_cut(&relay, ':', &name))
		rc = parse(out, relay, e);
	else
		rc = qf_fail(e, QF_ECONF, "no colon: write DOMAIN:RELAY");
	if (rc == 0)
		return 0;
	qf_route_free(out);
	qf_route_context(e, line->number);
	return QF_ECONF;
}

int qf_route_find(struct qf_route_to *out, const struct qf_lines *lines,
    const char *host, struct qf_err *e)
{
	const struct qf_line *line = find_best(lines, host);

	if (line != NULL)
		return qf_route_of_line(out, line, host, e);
	*out = (struct qf_route_to){.options = {.host = host}};
	return qf_smtp_options_check(&out->options, e);
}

void qf_route_free(struct qf_route_to *r)
{
	qf_secret_wipe_words(&r->words);
	*r = (struct qf_route_to){0};
}
