#include "tests/lib/randmail.h"

#include <string.h>

/* splitmix64: small, and good enough to meet everything. */
static uint64_t next(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 to n - 1. */
static size_t below(uint64_t *seed, size_t n)
{
	return (size_t)(next(seed) % n);
}

/* Small numbers more often than large ones. */
static size_t skewed(uint64_t *seed, unsigned bits)
{
	return below(seed, (size_t)1 << (1 + below(seed, bits)));
}

static void repeat(struct qf_buf *b, const char *s, size_t n)
{
	while (n-- > 0)
		qf_buf_adds(b, s);
}

static void add_bytes(struct qf_buf *b, uint64_t *seed, size_t n)
{
	qf_buf_reserve(b, n);
	for (; n >= 8; n -= 8) {
		uint64_t v = next(seed);

		qf_buf_add(b, &v, 8);
	}
	while (n-- > 0)
		qf_buf_addc(b, (char)next(seed));
}

/* What is between line ends: text, now and then with bytes that are none. */
static void add_text(struct qf_buf *b, uint64_t *seed, size_t n)
{
	static const char odd[] = "\0\r\t\v\x7f\x80\xff:. =";

	qf_buf_reserve(b, n);
	while (n-- > 0)
		qf_buf_addc(b, below(seed, 16) == 0
				   ? odd[below(seed, sizeof odd)]
				   : (char)(' ' + below(seed, 95)));
}

static void add_end(struct qf_buf *b, uint64_t *seed)
{
	static const char *const ends[] = {
	    "\n", "\n", "\n", "\n", "\r\n", "\r\n", "\r", "\n\r", "\r\r\n", ""};

	qf_buf_adds(b, ends[below(seed, sizeof ends / sizeof *ends)]);
}

static void add_field(struct qf_buf *b, uint64_t *seed)
{
	static const char *const names[] = {"Received", "From", "To", "Subject",
	    "Date", "Message-ID", "DKIM-Signature", "Authentication-Results",
	    "X-Spam-Status", "Content-Type", "subject", "A", "", " B", "C "};
	static const char *const values[] = {" multipart/mixed; boundary=x",
	    " multipart/mixed; boundary=\"", " message/rfc822",
	    " =?utf-8?q?=C3=A4?= <a@x.example>", ""};

	qf_buf_adds(b, names[below(seed, sizeof names / sizeof *names)]);
	if (below(seed, 50) != 0)
		qf_buf_addc(b, ':');
	if (below(seed, 4) == 0)
		qf_buf_adds(
		    b, values[below(seed, sizeof values / sizeof *values)]);
	else
		add_text(b, seed, skewed(seed, 9));
	while (below(seed, 4) == 0) {
		add_end(b, seed);
		qf_buf_addc(b, below(seed, 2) == 0 ? ' ' : '\t');
		add_text(b, seed, skewed(seed, 6));
	}
	add_end(b, seed);
}

static void add_body(struct qf_buf *b, uint64_t *seed, size_t n)
{
	static const char *const lines[] = {"--x", "--x--", ".", "..", "From x",
	    "Content-Type: message/rfc822", "Content-Transfer-Encoding: base64",
	    "=3D=", ""};
	size_t end = b->len + n;

	while (b->len < end) {
		if (below(seed, 4) == 0)
			qf_buf_adds(b,
			    lines[below(seed, sizeof lines / sizeof *lines)]);
		else
			add_text(b, seed, skewed(seed, 8));
		add_end(b, seed);
	}
}

static void make_mail(struct qf_buf *b, uint64_t *seed)
{
	for (size_t n = skewed(seed, 6); n > 0; n--)
		add_field(b, seed);
	if (below(seed, 8) != 0)
		qf_buf_adds(b, below(seed, 4) == 0 ? "\r\n" : "\n");
	if (below(seed, 8) != 0)
		add_body(b, seed, skewed(seed, 17));
}

static void make_random(struct qf_buf *b, uint64_t *seed)
{
	switch (below(seed, 8)) {
	case 0:
		add_bytes(b, seed, skewed(seed, 18));
		break;
	case 1:
		add_text(b, seed, skewed(seed, 12));
		break;
	default:
		make_mail(b, seed);
	}
	/* Cut anywhere. */
	if (below(seed, 4) == 0 && b->len > 0) {
		b->len = below(seed, b->len);
		b->s[b->len] = '\0';
	}
}

static void make_parts(struct qf_buf *b, size_t depth)
{
	for (size_t i = 0; i < depth; i++)
		qf_buf_addf(b,
		    "Content-Type: multipart/mixed; boundary=b%zu\n\n--b%zu\n",
		    i, i);
	qf_buf_adds(b, "\ntext\n");
	while (depth-- > 0)
		qf_buf_addf(b, "\n--b%zu--\n", depth);
}

static const struct {
	const char *bytes;
	size_t n;
} odd[] = {
#define BYTES(s)                                                               \
	{                                                                      \
		s, sizeof s - 1                                                \
	}
    BYTES(""),
    BYTES("\n"),
    BYTES("\0"),
    BYTES("\r"),
    BYTES("\r\n"),
    BYTES("A"),
    BYTES("A:"),
    BYTES("A: b"),
    BYTES("A: b\n"),
    BYTES("A: b\n\n"),
    BYTES("A: b\r\n\r\n"),
    BYTES("A: b\n \n\nbody"),
    BYTES("\nbody"),
    BYTES(" folded\nA: b\n\nbody\n"),
    BYTES("no field\n\nbody\n"),
    BYTES("A: b\r\r\n\r\r\nbody\r"),
    BYTES("A\0: \0\n\0\n\0"),
    BYTES("A: b\n\n\n\n\n\n"),
#undef BYTES
};

static void make_odd(size_t which, struct qf_buf *b, uint64_t *seed)
{
	enum {
		GIVEN = sizeof odd / sizeof *odd
	};

	if (which < GIVEN) {
		qf_buf_add(b, odd[which].bytes, odd[which].n);
		return;
	}
	switch (which - GIVEN) {
	case 0: /* 100,000 header fields */
		repeat(b, "X-A: b\n", 100000);
		qf_buf_adds(b, "\nbody\n");
		break;
	case 1: /* a header line of 1 MB, without an end */
		qf_buf_adds(b, "Subject: ");
		repeat(b, "0123456789abcdef", 65536);
		break;
	case 2: /* and one that is folded */
		qf_buf_adds(b, "Subject:");
		repeat(b, " 0123456789abcd\n", 65536);
		qf_buf_adds(b, "\nbody");
		break;
	case 3: /* a body that is one line */
		qf_buf_adds(b, "A: b\n\n");
		add_bytes(b, seed, 400000);
		break;
	case 4:
		make_parts(b, 200);
		break;
	default:
		repeat(b, "\n", 100000);
	}
}

static void add_address(struct qf_buf *b, uint64_t *seed)
{
	size_t n = below(seed, 100) == 0 ? 1002 : skewed(seed, 6);

	for (; n > 0; n--)
		qf_buf_addc(b, (char)(1 + below(seed, 255)));
	qf_buf_addc(b, '\0');
}

static void make_envelope(struct qf_buf *b, uint64_t *seed)
{
	size_t n = below(seed, 200) == 0 ? 3000 : skewed(seed, 4);

	qf_buf_addc(b, 'F');
	if (below(seed, 8) == 0)
		qf_buf_adds(b, below(seed, 2) == 0 ? "#@[]" : "");
	else
		qf_buf_adds(b, "a@x.example");
	qf_buf_addc(b, '\0');
	for (; n > 0; n--) {
		qf_buf_addc(b, 'T');
		if (below(seed, 4) == 0) {
			qf_buf_adds(b, "twice@y.example");
			qf_buf_addc(b, '\0');
		} else {
			add_address(b, seed);
		}
	}
	qf_buf_addc(b, '\0');
}

void randmail(uint64_t number, struct qf_buf *message, struct qf_buf *envelope)
{
	uint64_t seed = number;

	qf_buf_reset(message);
	qf_buf_reset(envelope);
	if (number < RANDMAIL_ODD)
		make_odd((size_t)number, message, &seed);
	else
		make_random(message, &seed);
	make_envelope(envelope, &seed);
}
