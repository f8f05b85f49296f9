#include "lib/mail/mime.h"

#include "lib/mail/mime_param.h"
#include "tests/unit/unit.h"

/*
 * The index, written out, a line a part:
 *
 *	DEPTH TYPE FLAGS NAME ENCODING CHARSET ID {HEADER}{BODY}
 *
 * indented by depth, without what is empty; line ends as `/`, a CR as `^`.
 * Flags: + multipart, = message, @ attachment, ! malformed, ~ limit. A body of
 * a multipart or message is left out: its parts show it.
 */
static void dump_bytes(struct qf_buf *out, struct qf_span s)
{
	qf_buf_addc(out, '{');
	for (size_t i = 0; i < s.n; i++)
		qf_buf_addc(out, s.p[i] == '\n'   ? '/'
				 : s.p[i] == '\r' ? '^'
						  : s.p[i]);
	qf_buf_addc(out, '}');
}

static void dump_word(struct qf_buf *out, const char *name, struct qf_span s)
{
	if (s.n > 0)
		qf_buf_addf(out, " %s=%.*s", name, (int)s.n, s.p);
}

static void dump_part(
    struct qf_buf *out, const struct qf_mime *m, const struct qf_part *p)
{
	static const char letters[] = "+=@!~";

	assert_int_equal(sizeof *p, p->size);
	assert_true(p->depth == 0 || m->part[p->parent].depth + 1 == p->depth);
	for (uint32_t i = 0; i < p->depth; i++)
		qf_buf_addc(out, ' ');
	qf_buf_addf(out, "%.*s", (int)p->type.n, p->type.p);
	for (size_t i = 0; letters[i] != '\0'; i++) {
		if (p->flags & (1u << i))
			qf_buf_addc(out, letters[i]);
	}
	dump_word(out, "name", p->name);
	dump_word(out, "enc", p->encoding);
	dump_word(out, "cs", p->charset);
	dump_word(out, "id", p->id);
}

static void dump(struct qf_buf *out, const struct qf_mime *m)
{
	const uint32_t inner = QF_PART_MULTIPART | QF_PART_MESSAGE;

	qf_buf_reset(out);
	for (size_t i = 0; i < m->n; i++) {
		dump_part(out, m, &m->part[i]);
		if (!(m->part[i].flags & inner)) {
			qf_buf_addc(out, ' ');
			dump_bytes(out, m->part[i].body);
		}
		qf_buf_addc(out, '\n');
	}
}

#define CT   "Content-Type: "
#define CTE  "Content-Transfer-Encoding: "
#define CD   "Content-Disposition: "
#define MP   CT "multipart/mixed; boundary=b\n\n"
#define TEXT CT "text/plain\n\n"

static const struct index_case {
	const char *message, *index;
} index_cases[] = {
    /* no multipart */
    {"", "text/plain {}\n"},
    {"\n", "text/plain {}\n"},
    {"\nbody\n", "text/plain {body/}\n"},
    {"Subject: x\n\nbody", "text/plain {body}\n"},
    {"Subject: x\n", "text/plain {}\n"},
    {"no header\n\nbody\n", "text/plain! {body/}\n"},
    {"a: b\r\n\r\nbody\r\n", "text/plain {body^/}\n"},
    {"a: b\r\rbody\r", "text/plain! {body^}\n"},
    {CT "TEXT/Html; Charset=UTF-8\n" CTE "Base64\nContent-Id: <a@b>\n\nx",
	"text/html enc=base64 cs=UTF-8 id=a@b {x}\n"},
    {CT "(c) text (d) / (e) plain (f) ; charset = us-ascii (Plain)\n\n",
	"text/plain cs=us-ascii {}\n"},
    {CT "text/plain;\n charset=\"iso-8859-1\";\n\n",
	"text/plain cs=iso-8859-1 {}\n"},

    /* the fields that can not be read */
    {CT "text\n\nx", "text/plain! {x}\n"},
    {CT "/html\n\nx", "text/plain! {x}\n"},
    {CT "\n\nx", "text/plain! {x}\n"},
    {CT "text/html (open\n\nx", "text/html! {x}\n"},
    {CT "text/html charset=a\n\nx", "text/html! {x}\n"},
    {CT "text/html\n" CT "text/plain\n\nx", "text/html! {x}\n"},
    {CT "text/plain; charset=a b\n\nx", "text/plain! cs=a {x}\n"},
    {CT "text/plain; charset=\"a b\"\n\nx", "text/plain! {x}\n"},
    {CT "text/plain; charset=\"a\n\nx", "text/plain! cs=a {x}\n"},
    {CTE "base64, binary\n\nx", "text/plain! enc=base64, binary {x}\n"},
    {CTE "\"base64\"\n\nx", "text/plain! enc=\"base64\" {x}\n"},
    {CTE "8BIT (really)\n\nx", "text/plain enc=8bit {x}\n"},
    {CTE "\n\nx", "text/plain! {x}\n"},
    {"Content-ID: x@y\n\n", "text/plain id=x@y {}\n"},
    {"Content-ID: (c) <x y>\n\n", "text/plain! {}\n"},

    /* multiparts */
    {MP "--b\n" TEXT "one\n--b\n\ntwo\n--b--\n", "multipart/mixed+\n"
						 " text/plain {one}\n"
						 " text/plain {two}\n"},
    {CT "multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n\r\n"
	"--b  \t\r\n\r\n--b--\r\nepilogue",
	"multipart/mixed+\n"
	" text/plain {one^/}\n"
	" text/plain {}\n"},
    {MP "--b\n" TEXT "one\n--b--", "multipart/mixed+\n"
				   " text/plain {one}\n"},
    {MP "--b\n" TEXT "one\n", "multipart/mixed+!\n"
			      " text/plain {one/}\n"},
    {MP "--b", "multipart/mixed+!\n text/plain {}\n"},
    {MP "--b--", "multipart/mixed+!\n"},
    {MP "nothing\n", "multipart/mixed+!\n"},
    {MP, "multipart/mixed+!\n"},
    {MP "--b\n--b\n\n--b\n" CT "text/html\n--b--", "multipart/mixed+\n"
						   " text/plain {}\n"
						   " text/plain {}\n"
						   " text/html {}\n"},
    {MP "--b\nnot a field\n\nx\n--b--\n", "multipart/mixed+\n"
					  " text/plain! {x}\n"},
    /* the boundary in other lines */
    {MP " --b\n--b\n\n-b\n--\n--c\n--b--\n", "multipart/mixed+\n"
					     " text/plain {-b/--/--c}\n"},
    {MP "--b\n\none\n--bc\ntwo\n--b--\n", "multipart/mixed+!\n"
					  " text/plain {one/--bc/two}\n"},
    {MP "--b\n\none\n--b--\n\n--b\n\nhidden\n", "multipart/mixed+!\n"
						" text/plain {one}\n"},
    {MP "--b\n\none\r--b\r\rtwo\r--b--", "multipart/mixed+\n"
					 " text/plain {one}\n"
					 " text/plain {two}\n"},
    {CT "multipart/mixed\n\n--b\n\n--b--\n",
	"multipart/mixed! {--b//--b--/}\n"},
    {CT "multipart/mixed; boundary=\"\"\n\n--\n\n----\n",
	"multipart/mixed! {--//----/}\n"},
    {CT "multipart/mixed; boundary=\"a b \"\n\n--a b\n\nx\n--a b--\n",
	"multipart/mixed+\n"
	" text/plain {x}\n"},
    {CT "multipart/mixed; boundary=a b\n\n--a\n\nx\n--a--\n",
	"multipart/mixed+!\n"
	" text/plain {x}\n"},
    {CT "multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nx\n--ab--\n",
	"multipart/mixed+\n"
	" text/plain {x}\n"},
    {CT "multipart/mixed; boundary=b--\n\n--b--\n\nx\n--b----\n",
	"multipart/mixed+\n"
	" text/plain {x}\n"},
    {CT "multipart/mixed; boundary=b\n" CTE "base64\n\n--b\n\nx\n--b--\n",
	"multipart/mixed+! enc=base64\n"
	" text/plain {x}\n"},

    /* multiparts in multiparts; one boundary the start of the other */
    {MP "--b\n" CT "multipart/alternative; boundary=bb\n\n"
	"--bb\n\none\n--bb--\n--b\n\ntwo\n--b--\n",
	"multipart/mixed+\n"
	" multipart/alternative+\n"
	"  text/plain {one}\n"
	" text/plain {two}\n"},
    {MP "--b\n" CT "multipart/alternative; boundary=c\n\n"
	"--c\n\none\n--b\n\ntwo\n--b--\n",
	"multipart/mixed+\n"
	" multipart/alternative+!\n"
	"  text/plain {one}\n"
	" text/plain {two}\n"},
    {MP "--b\n" CT "multipart/alternative; boundary=b\n\n"
	"--b\n\none\n--b--\n--b\n\ntwo\n--b--\n",
	"multipart/mixed+\n"
	" multipart/alternative+\n"
	"  text/plain {one}\n"
	" text/plain {two}\n"},

    /* messages */
    {MP "--b\n" CT "message/rfc822\n\n" CT "text/html\n\nhi\n--b--\n",
	"multipart/mixed+\n"
	" message/rfc822=\n"
	"  text/html {hi}\n"},
    {CT "message/rfc822\n\n" CT "message/rfc822\n\nSubject: x\n\nhi\n",
	"message/rfc822=\n"
	" message/rfc822=\n"
	"  text/plain {hi/}\n"},
    {CT "message/rfc822\n\n" MP "--b\n\none\n--b--\n", "message/rfc822=\n"
						       " multipart/mixed+\n"
						       "  text/plain {one}\n"},
    {CT "message/rfc822\n" CTE "base64\n\nU3ViamVjdA==\n",
	"message/rfc822!~ enc=base64 {U3ViamVjdA==/}\n"},
    {CT "multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\none\n"
	"--b\n" TEXT "two\n--b--\n",
	"multipart/digest+\n"
	" message/rfc822=\n"
	"  text/plain {one}\n"
	" text/plain {two}\n"},
    {MP "--b\n" CT "message/rfc822\n--b--\n", "multipart/mixed+\n"
					      " message/rfc822=\n"
					      "  text/plain {}\n"},
    {CT "message/delivery-status\n\nx", "message/delivery-status {x}\n"},

    /* names */
    {CT "a/b; name=x.txt\n\n", "a/b name=x.txt {}\n"},
    {CD "attachment; filename=\"a \\\"b\\\".exe\"\n" CT "a/b; name=c\n\n",
	"a/b@ name=a \"b\".exe {}\n"},
    {CD "inline; filename=a\n\n", "text/plain name=a {}\n"},
    {CD "ATTACHMENT (c)\n\n", "text/plain@ {}\n"},
    {CD "; filename=a\n\n", "text/plain! name=a {}\n"},
    {CD "attachment; filename=a\n" CD "inline; filename=b\n\n",
	"text/plain@! name=a {}\n"},
};

static void test_index(void **state)
{
	struct qf_buf got = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(index_cases); i++) {
		struct qf_mime m = {0};

		qf_mime_index(&m, qf_span(index_cases[i].message));
		dump(&got, &m);
		assert_string_equal(index_cases[i].index, got.s);
		qf_mime_free(&m);
	}
	qf_buf_free(&got);
}

/* The raw spans: what stands where. */
static void test_spans(void **state)
{
	static const char message[] =
	    "Subject: x\n" MP "pre\n--b\nX: y\nZ:\n w\n"
	    "\none\n--b\nX: z\n--b--\nepi\n";
	static const struct {
		const char *header, *body;
	} parts[] = {
	    {"Subject: x\n" CT "multipart/mixed; boundary=b\n",
		"pre\n--b\nX: y\nZ:\n w\n\none\n--b\nX: z\n--b--\nepi\n"},
	    {"X: y\nZ:\n w\n", "one"},
	    {"X: z\n", ""},
	};
	struct qf_mime m = {0};

	(void)state;
	qf_mime_index(&m, qf_span(message));
	assert_int_equal(UNIT_COUNT(parts), m.n);
	for (size_t i = 0; i < m.n; i++) {
		assert_true(qf_span_is(m.part[i].header, parts[i].header));
		assert_true(qf_span_is(m.part[i].body, parts[i].body));
		assert_true(m.part[i].header.p >= message);
	}
	qf_mime_free(&m);
	assert_int_equal(0, m.n);
	qf_mime_free(&m);
}

/* n times the text, as a boundary line or what else. */
static void repeat(struct qf_buf *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		qf_buf_adds(out, text);
}

static void index_buf(struct qf_mime *m, const struct qf_buf *b)
{
	*m = (struct qf_mime){0};
	qf_mime_index(m, qf_buf_span(b));
}

static void test_depth_limit(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_mime m;

	(void)state;
	repeat(&b, CT "message/rfc822\n\n", 1000);
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_DEPTH_MAX + 1, m.n);
	for (size_t i = 0; i < m.n; i++) {
		assert_int_equal(i, m.part[i].depth);
		assert_true(m.part[i].flags & QF_PART_LIMIT);
	}
	assert_false(m.part[m.n - 1].flags & QF_PART_MESSAGE);
	qf_mime_free(&m);

	qf_buf_reset(&b);
	for (int i = 0; i < 1000; i++)
		qf_buf_addf(
		    &b, CT "multipart/mixed; boundary=b%d.\n\n--b%d.\n", i, i);
	for (int i = 1000; i-- > 0;)
		qf_buf_addf(&b, "--b%d.--\n", i);
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_DEPTH_MAX + 1, m.n);
	for (size_t i = 0; i + 1 < m.n; i++)
		assert_int_equal(
		    QF_PART_LIMIT | QF_PART_MULTIPART, m.part[i].flags);
	assert_int_equal(QF_PART_LIMIT, m.part[m.n - 1].flags);
	qf_mime_free(&m);

	/* as deep as it may be */
	qf_buf_reset(&b);
	repeat(&b, CT "message/rfc822\n\n", QF_MIME_DEPTH_MAX);
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_DEPTH_MAX + 1, m.n);
	assert_int_equal(QF_PART_MESSAGE, m.part[0].flags);
	assert_int_equal(0, m.part[m.n - 1].flags);
	qf_mime_free(&m);
	qf_buf_free(&b);
}

static void test_part_limit(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_mime m;

	(void)state;
	qf_buf_adds(&b, MP);
	repeat(&b, "--b\n", QF_MIME_PARTS_MAX - 1);
	qf_buf_adds(&b, "--b--\n");
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_PARTS_MAX, m.n);
	assert_int_equal(QF_PART_MULTIPART, m.part[0].flags);
	qf_mime_free(&m);

	qf_buf_reset(&b);
	qf_buf_adds(&b, CT "message/rfc822\n\n" MP);
	repeat(&b, "--b\n\nx\n", 100000);
	qf_buf_adds(&b, "--b--\n");
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_PARTS_MAX, m.n);
	assert_int_equal(QF_PART_MESSAGE | QF_PART_LIMIT, m.part[0].flags);
	assert_int_equal(QF_PART_MULTIPART | QF_PART_LIMIT, m.part[1].flags);
	assert_int_equal(0, m.part[m.n - 1].flags);
	assert_true(qf_span_is(m.part[m.n - 1].body, "x"));
	qf_mime_free(&m);

	/* containers that would be one too many stay closed */
	qf_buf_reset(&b);
	qf_buf_adds(&b, MP);
	repeat(&b, "--b\n", QF_MIME_PARTS_MAX - 2);
	qf_buf_adds(&b, "--b\n" CT "message/rfc822\n\na: b\n\n--b--\n");
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_PARTS_MAX, m.n);
	assert_int_equal(QF_PART_MULTIPART | QF_PART_LIMIT, m.part[0].flags);
	assert_int_equal(QF_PART_LIMIT, m.part[m.n - 1].flags);
	qf_mime_free(&m);
	qf_buf_free(&b);
}

static void test_header_limit(void **state)
{
	struct qf_buf b = QF_BUF_INIT;
	struct qf_mime m;

	(void)state;
	/* one long line, many fields */
	for (int fields = 0; fields < 2; fields++) {
		qf_buf_reset(&b);
		qf_buf_adds(&b, MP "--b\nX:");
		repeat(&b, fields ? "\nX:" : "xxx", 1000000 / 3);
		qf_buf_adds(&b, "\n" CT "text/html; name=x\n\nx\n--b--\n");
		index_buf(&m, &b);
		assert_int_equal(2, m.n);
		assert_true(
		    qf_span_is(m.part[1].type, "application/octet-stream"));
		assert_int_equal(QF_PART_LIMIT, m.part[1].flags);
		assert_int_equal(
		    QF_PART_LIMIT | QF_PART_MULTIPART, m.part[0].flags);
		assert_true(qf_span_is(m.part[1].body, "x"));
		qf_mime_free(&m);
	}
	/* too many parameters */
	qf_buf_reset(&b);
	qf_buf_adds(&b, CT "text/html");
	repeat(&b, ";a=b", QF_PARAMS_MAX);
	qf_buf_adds(&b, ";name=x\n\nx");
	index_buf(&m, &b);
	assert_int_equal(QF_PART_LIMIT | QF_PART_MALFORMED, m.part[0].flags);
	assert_int_equal(0, m.part[0].name.n);
	qf_mime_free(&m);
	/* a boundary that is too long */
	for (int extra = 0; extra < 2; extra++) {
		qf_buf_reset(&b);
		qf_buf_adds(&b, CT "multipart/mixed; boundary=");
		repeat(&b, "b", (size_t)(QF_MIME_BOUNDARY_MAX + extra));
		qf_buf_adds(&b, "\n\n--");
		repeat(&b, "b", (size_t)(QF_MIME_BOUNDARY_MAX + extra));
		qf_buf_adds(&b, "--\n");
		index_buf(&m, &b);
		assert_int_equal(1, m.n);
		assert_int_equal(extra == 0
				     ? QF_PART_MULTIPART | QF_PART_MALFORMED
				     : QF_PART_LIMIT,
		    m.part[0].flags);
		qf_mime_free(&m);
	}
	qf_buf_free(&b);
}

/* Each would take minutes if it were read again and again. */
static void test_hostile_bytes(void **state)
{
	static const struct {
		const char *head, *text;
		size_t n;
	} cases[] = {
	    {MP, "--b-\n", 500000},
	    {MP, "\r", 2000000},
	    {MP, "--", 1000000},
	    {MP, "--b \t \t ", 300000},
	    {MP "--b\n", "\n\n--b--\n", 300000},
	    {MP "--b\n" CT "a/b; name=\"", "=?", 120000},
	    {MP "--b\n" CT "a/b; name=\"", "=?a?q?", 40000},
	    {MP "--b\n" CT "a/b; name=\"", "=?utf-7?q?+?= ", 18000},
	    {MP "--b\n" CT "a/b; name=\"",
		"=?utf-16?b?AAA?==?gb2312?q?=ff?=", 8000},
	    {MP "--b\n" CT "a/b; name=", "(", 250000},
	    {MP "--b\n" CT "a/b; name=", " (", 120000},
	    {MP "--b\n" CT "a/b; name*=", "'", 250000},
	    {MP "--b\n" CT "a/b; name*=utf-8''", "%f", 120000},
	    {MP "--b\n" CT "a/b", ";", 250000},
	    {MP "--b\n" CT "a/b", ";*", 120000},
	    {MP "--b\n" CT, "(", 250000},
	    {MP "--b\n" CT, "()", 120000},
	};
	struct qf_buf b = QF_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct qf_mime m;

		qf_buf_reset(&b);
		qf_buf_adds(&b, cases[i].head);
		repeat(&b, cases[i].text, cases[i].n);
		index_buf(&m, &b);
		assert_true(m.n <= 2);
		qf_mime_free(&m);
	}
	qf_buf_free(&b);
}

/* 32 boundaries, each the start of the next, against lines of their kind. */
static void test_hostile_prefixes(void **state)
{
	struct qf_buf b = QF_BUF_INIT, boundary = QF_BUF_INIT;
	struct qf_mime m;

	(void)state;
	for (int i = 0; i < QF_MIME_DEPTH_MAX; i++) {
		repeat(&boundary, "x", 7);
		qf_buf_addf(&b, CT "multipart/mixed; boundary=%s\n\n--%s\n",
		    boundary.s, boundary.s);
	}
	qf_buf_adds(&boundary, "y\n");
	for (int i = 0; i < 5000; i++)
		qf_buf_addf(&b, "--%s", boundary.s);
	index_buf(&m, &b);
	assert_int_equal(QF_MIME_DEPTH_MAX + 1, m.n);
	assert_true(m.part[0].flags & QF_PART_MALFORMED);
	qf_mime_free(&m);
	qf_buf_free(&boundary);
	qf_buf_free(&b);
}

static void test_decoded(void **state)
{
	static const char message[] =
	    MP "--b\n" CTE "base64\n\naGVsbG8g\nd29ybGQ=\n"
	       "--b\n" CTE "quoted-printable\n\na=3Db =\nc\n"
	       "--b\n" CTE "binary\n\nx=3D\n"
	       "--b\n" CTE "x-uuencode\n\nx\n"
	       "--b\n" CTE "base64\n\n\n--b--\n";
	static const struct {
		int rc;
		const char *bytes;
	} parts[] = {{0, NULL}, {0, "hello world"}, {0, "a=b c"}, {0, "x=3D"},
	    {QF_EFORMAT, NULL}, {0, ""}};
	struct qf_mime m = {0};
	struct qf_span s, again;

	(void)state;
	qf_mime_index(&m, qf_span(message));
	assert_int_equal(UNIT_COUNT(parts), m.n);
	for (size_t i = 0; i < m.n; i++) {
		assert_int_equal(parts[i].rc, qf_mime_decoded(&m, i, &s));
		if (parts[i].bytes != NULL)
			assert_true(qf_span_is(s, parts[i].bytes));
	}
	assert_int_equal(QF_EINVAL, qf_mime_decoded(&m, m.n, &s));
	/* raw ones are not copied, others are decoded once */
	assert_int_equal(0, qf_mime_decoded(&m, 3, &s));
	assert_ptr_equal(m.part[3].body.p, s.p);
	assert_int_equal(0, qf_mime_decoded(&m, 0, &s));
	assert_ptr_equal(m.part[0].body.p, s.p);
	assert_int_equal(0, qf_mime_decoded(&m, 1, &s));
	assert_int_equal(0, qf_mime_decoded(&m, 1, &again));
	assert_ptr_equal(s.p, again.p);
	assert_int_equal(16, m.decoded_total);
	qf_mime_free(&m);
}

static void test_decoded_limit(void **state)
{
	struct qf_mime m = {0};
	struct qf_span s;

	(void)state;
	qf_mime_index(&m, qf_span(MP "--b\n" CTE "base64\n\nYWJj\n"
				     "--b\n" CTE "base64\n\nYWJj\n--b--\n"));
	m.decoded_total = QF_MIME_DECODED_MAX - 5;
	assert_int_equal(0, qf_mime_decoded(&m, 1, &s));
	assert_int_equal(QF_ETOOLONG, qf_mime_decoded(&m, 2, &s));
	m.decoded_total = QF_MIME_DECODED_MAX;
	assert_int_equal(QF_ETOOLONG, qf_mime_decoded(&m, 2, &s));
	assert_int_equal(0, qf_mime_decoded(&m, 1, &s));
	assert_true(qf_span_is(s, "abc"));
	m.decoded_total = QF_MIME_DECODED_MAX - 3;
	assert_int_equal(0, qf_mime_decoded(&m, 2, &s));
	qf_mime_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_index),
	    cmocka_unit_test(test_spans),
	    cmocka_unit_test(test_depth_limit),
	    cmocka_unit_test(test_part_limit),
	    cmocka_unit_test(test_header_limit),
	    cmocka_unit_test(test_hostile_bytes),
	    cmocka_unit_test(test_hostile_prefixes),
	    cmocka_unit_test(test_decoded),
	    cmocka_unit_test(test_decoded_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
