#include "lib/mail/attrs.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *key;
	bool ours;
} keys[] = {
    {"HOLD", true},
    {"STAGE", true},
    {"CATEGORY", true},
    {"ROUTE", true},
    {"NOTIFY", false},
    {"RET", false},
    {"ENVID", false},
    {"ORCPT", false},
    {"BODY", false},
    {"SMTPUTF8", false},
};
enum {
	NKEYS = sizeof keys / sizeof *keys,
	/* Of a list, for the front end: whatever a submitter asks for, a
	 * message can be held. */
	RESERVED = 16,
	RESERVED_BYTES = 16 << 10
};

void qf_attrs_free(struct qf_attrs *a)
{
	qf_strv_free(&a->list);
	a->bytes = 0;
}

void qf_attrs_copy(struct qf_attrs *to, const struct qf_attrs *from)
{
	qf_attrs_free(to);
	for (size_t i = 0; i < from->list.n; i++)
		qf_strv_add(&to->list, from->list.v[i]);
	to->bytes = from->bytes;
}

/* Does the record start with `KEY=`? */
static bool has_key(struct qf_span record, const char *key)
{
	size_t n = strlen(key);

	return record.n > n && memcmp(record.p, key, n) == 0 &&
	       record.p[n] == '=';
}

static int find_key(struct qf_span record)
{
	for (int i = 0; i < NKEYS; i++) {
		if (has_key(record, keys[i].key))
			return i;
	}
	return -1;
}

bool qf_attrs_is_known(struct qf_span record)
{
	return find_key(record) >= 0;
}

static bool has_control(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	}
	return false;
}

/* What stands in the place of `left` bytes. */
static int check(const struct qf_attrs *a, size_t entries, size_t left,
    struct qf_span record, struct qf_err *e)
{
	int k = find_key(record);
	struct qf_route route;
	size_t n, bytes;

	if (k < 0)
		return qf_fail(e, QF_EFORMAT, "unknown attribute");
	n = strlen(keys[k].key) + 1;
	if (has_control(record))
		return qf_fail(e, QF_EFORMAT,
		    "attribute %s holds a control character", keys[k].key);
	bytes = a->bytes - left + record.n;
	if (!keys[k].ours) {
		entries += RESERVED;
		bytes += RESERVED_BYTES;
	}
	if (entries > QF_ATTRS_MAX || bytes > QF_ATTRS_BYTES)
		return qf_fail(e, QF_EFORMAT,
		    "more than %d attributes, or longer than %d bytes",
		    QF_ATTRS_MAX, QF_ATTRS_BYTES);
	if (strcmp(keys[k].key, "ROUTE") == 0)
		return qf_route_parse(
		    &route, qf_span_n(record.p + n, record.n - n), e);
	return 0;
}

int qf_attrs_add(struct qf_attrs *a, struct qf_span record, struct qf_err *e)
{
	int rc = check(a, a->list.n + 1, 0, record, e);

	if (rc < 0)
		return rc;
	qf_strv_add_span(&a->list, record);
	a->bytes += record.n;
	return 0;
}

/* Frees all of that key; the entries behind them move up. */
static void remove_from(struct qf_attrs *a, const char *key, size_t first)
{
	size_t kept = first;

	for (size_t i = first; i < a->list.n; i++) {
		char *record = a->list.v[i];

		if (has_key(qf_span(record), key)) {
			a->bytes -= strlen(record);
			free(record);
		} else {
			a->list.v[kept++] = record;
		}
	}
	if (a->list.n > 0)
		a->list.v[kept] = NULL;
	a->list.n = kept;
}

static long find(const struct qf_attrs *a, const char *key)
{
	for (size_t i = 0; i < a->list.n; i++) {
		if (has_key(qf_span(a->list.v[i]), key))
			return (long)i;
	}
	return -1;
}

int qf_attrs_set(
    struct qf_attrs *a, const char *key, struct qf_span value, struct qf_err *e)
{
	struct qf_buf record = QF_BUF_INIT;
	long at = find(a, key);
	size_t old = at < 0 ? 0 : strlen(a->list.v[at]);
	int rc;

	qf_buf_adds(&record, key);
	qf_buf_addc(&record, '=');
	qf_buf_addspan(&record, value);
	rc = check(a, a->list.n + (at < 0), old, qf_buf_span(&record), e);
	if (rc == 0 && at < 0) {
		rc = qf_attrs_add(a, qf_buf_span(&record), e);
	} else if (rc == 0) {
		free(a->list.v[at]);
		a->bytes += record.len - old;
		a->list.v[at] = qf_buf_detach(&record);
		remove_from(a, key, (size_t)at + 1);
	}
	qf_buf_free(&record);
	return rc;
}

const char *qf_attrs_get(const struct qf_attrs *a, const char *key)
{
	long at = find(a, key);

	return at < 0 ? NULL : a->list.v[at] + strlen(key) + 1;
}

void qf_attrs_remove(struct qf_attrs *a, const char *key)
{
	remove_from(a, key, 0);
}

void qf_attrs_remove_ours(struct qf_attrs *a)
{
	for (int i = 0; i < NKEYS; i++) {
		if (keys[i].ours)
			qf_attrs_remove(a, keys[i].key);
	}
}

/* A name or an address, as a protocol module and a log line take it. */
static bool is_host(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
			     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%");

	return n > 0 && s[n] == '\0' && s[0] != '-';
}

/* What follows the host: nothing, or `:PORT`. */
static bool take_port(struct qf_span rest, unsigned *port)
{
	unsigned long long n = QF_ROUTE_DEFAULT_PORT;

	if (rest.n > 0 &&
	    (rest.p[0] != ':' ||
		!qf_span_u64(qf_span_n(rest.p + 1, rest.n - 1), 65535, &n)))
		return false;
	*port = (unsigned)n;
	return n > 0;
}

int qf_route_parse(struct qf_route *out, struct qf_span text, struct qf_err *e)
{
	struct qf_span rest = text, host;
	bool good;

	if (text.n > 0 && text.p[0] == '[') {
		rest = qf_span_n(text.p + 1, text.n - 1);
		good = qf_span_cut(&rest, ']', &host);
	} else {
		const char *colon =
		    text.n > 0 ? memchr(text.p, ':', text.n) : NULL;
		size_t n = colon != NULL ? (size_t)(colon - text.p) : text.n;

		host = qf_span_n(text.p, n);
		rest = qf_span_n(text.p + n, text.n - n);
		good = true;
	}
	*out = (struct qf_route){.port = 0};
	if (good && host.n < sizeof out->host)
		memcpy(out->host, host.p, host.n);
	if (!is_host(out->host) || !take_port(rest, &out->port))
		return qf_fail(e, QF_EFORMAT,
		    "\"%.*s\" is no host: use HOST, HOST:PORT or "
		    "[ADDRESS]:PORT",
		    text.n < 100 ? (int)text.n : 100, text.p);
	return 0;
}
