#include "lib/mail/dsn_original.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/mail/dsn.h"

enum {
	LINE_LIMIT = 998,       /* RFC 5322 section 2.1.1 */
	MSGID_MAX = 250,        /* of its Message-ID */
	BRIEF_FIELD_MAX = 1000, /* of a field when little is wanted */
};

static int read_start(int fd, struct qf_buf *out, struct qf_err *e)
{
	while (out->len <= QF_DSN_HEADER_MAX) {
		size_t want = QF_DSN_HEADER_MAX + 1 - out->len;
		ssize_t r;

		qf_buf_reserve(out, want);
		r = pread(fd, out->s + out->len, want, (off_t)out->len);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return qf_fail_sys(e, QF_EREAD, "reading the message");
		if (r == 0)
			return 0;
		out->len += (size_t)r;
		out->s[out->len] = '\0';
	}
	return 0;
}

/* One line of the header, without its end: long ones are folded. */
static void add_header_line(struct qf_buf *out, struct qf_span line)
{
	size_t col = 0;

	for (size_t i = 0; i < line.n; i++) {
		char c = line.p[i];
		unsigned char u = (unsigned char)c;

		if (col == LINE_LIMIT) {
			qf_buf_adds(out, "\n ");
			col = 1;
		}
		qf_buf_addc(out, (u < ' ' && c != '\t') || u == 127 ? '?' : c);
		col++;
	}
	qf_buf_addc(out, '\n');
}

/* The value of the first Message-ID field, when it is one plain <id>. */
static struct qf_span find_msgid(struct qf_span rest)
{
	static const char name[] = "message-id:";
	const struct qf_span none = {"", 0};
	struct qf_span line, id;

	while (qf_span_cut(&rest, '\n', &line)) {
		if (!qf_span_iis(
			qf_span_n(line.p,
			    line.n < strlen(name) ? line.n : strlen(name)),
			name))
			continue;
		id = qf_span_n(line.p + strlen(name), line.n - strlen(name));
		id = qf_span_trim(id);
		/* The id may stand on a line of its own. */
		if (id.n == 0 && rest.n > 0 && strchr(" \t", rest.p[0]) &&
		    qf_span_cut(&rest, '\n', &line))
			id = qf_span_trim(line);
		if (id.n < 3 || id.n > MSGID_MAX || id.p[0] != '<' ||
		    id.p[id.n - 1] != '>')
			return none;
		for (size_t i = 1; i < id.n - 1; i++) {
			if (id.p[i] <= ' ' || id.p[i] >= 127 ||
			    strchr("<>", id.p[i]) != NULL)
				return none;
		}
		return id;
	}
	return none;
}

/* Which lines are taken when little is wanted: the first of each field, with
 * as much of it as fits. */
struct brief {
	unsigned seen; /* a bit for each of `names` */
	size_t room;   /* for the field that is read; 0: it is not wanted */
};

static const char *const names[] = {
    "date", "from", "to", "cc", "subject", "message-id"};

static void begin_field(struct brief *b, struct qf_span line)
{
	struct qf_span name;

	b->room = 0;
	if (!qf_span_cut(&line, ':', &name))
		return;
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		if (!qf_span_iis(qf_span_trim(name), names[i]))
			continue;
		if ((b->seen & 1u << i) == 0)
			b->room = BRIEF_FIELD_MAX;
		b->seen |= 1u << i;
	}
}

static bool is_wanted(struct brief *b, struct qf_span line)
{
	if (line.p[0] != ' ' && line.p[0] != '\t')
		begin_field(b, line);
	if (line.n >= b->room) {
		b->room = 0;
		return false;
	}
	b->room -= line.n;
	return true;
}

int qf_dsn_original_read(
    struct qf_dsn_original *o, int fd, bool brief, struct qf_err *e)
{
	struct brief b = {0};
	struct qf_buf bytes = QF_BUF_INIT;
	struct qf_span rest, line;
	int rc = read_start(fd, &bytes, e);

	rest = qf_buf_span(&bytes);
	while (rc == 0 && rest.n > 0) {
		bool whole = qf_span_cut(&rest, '\n', &line);

		if (!whole) {
			line = rest;
			rest.n = 0;
		}
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			break;
		/* What follows may be more of the header. */
		o->cut = bytes.len > QF_DSN_HEADER_MAX && rest.n == 0;
		if ((whole || !o->cut || o->header.len == 0) &&
		    (!brief || is_wanted(&b, line)))
			add_header_line(&o->header, line);
	}
	o->msgid = find_msgid(qf_buf_span(&o->header));
	qf_buf_free(&bytes);
	return rc;
}
