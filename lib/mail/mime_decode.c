#include "lib/mail/mime_decode.h"

#include <string.h>

enum qf_encoding qf_encoding_find(struct qf_span name)
{
	static const struct {
		const char *name;
		enum qf_encoding encoding;
	} known[] = {
	    {"", QF_ENCODING_NONE},
	    {"7bit", QF_ENCODING_NONE},
	    {"8bit", QF_ENCODING_NONE},
	    {"binary", QF_ENCODING_NONE},
	    {"base64", QF_ENCODING_BASE64},
	    {"quoted-printable", QF_ENCODING_QP},
	};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (qf_span_iis(name, known[i].name))
			return known[i].encoding;
	}
	return QF_ENCODING_OTHER;
}

/* Bytes on their way into a buffer that may have a limit. */
struct sink {
	struct qf_buf *out;
	char bytes[4096];
	size_t n;
	int rc;
};

static void flush(struct sink *s)
{
	if (s->rc == 0)
		s->rc = qf_buf_add(s->out, s->bytes, s->n);
	s->n = 0;
}

static void put(struct sink *s, unsigned byte)
{
	if (s->n == sizeof s->bytes)
		flush(s);
	s->bytes[s->n++] = (char)byte;
}

enum {
	SKIP = 64, /* not of the alphabet */
	PAD = 65
};

/* The value of each byte, SKIP or PAD. */
static void fill_alphabet(unsigned char value[256])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789+/";

	memset(value, SKIP, 256);
	for (unsigned char i = 0; i < 64; i++)
		value[(unsigned char)alphabet[i]] = i;
	value['='] = PAD;
}

int qf_base64_decode(struct qf_span in, struct qf_buf *out)
{
	unsigned char value[256];
	struct sink s = {.out = out};
	unsigned bits = 0, n = 0;

	fill_alphabet(value);
	for (size_t i = 0; i < in.n && s.rc == 0; i++) {
		unsigned v = value[(unsigned char)in.p[i]];

		if (v == PAD)
			break;
		if (v == SKIP)
			continue;
		bits = bits << 6 | v;
		if (++n == 4) {
			put(&s, bits >> 16 & 255);
			put(&s, bits >> 8 & 255);
			put(&s, bits & 255);
			n = 0;
		}
	}
	if (n == 3) {
		put(&s, bits >> 10 & 255);
		put(&s, bits >> 2 & 255);
	} else if (n == 2) {
		put(&s, bits >> 4 & 255);
	}
	flush(&s);
	return s.rc;
}

int qf_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static size_t count_blanks(struct qf_span s, size_t from)
{
	size_t n = 0;

	while (
	    from + n < s.n && (s.p[from + n] == ' ' || s.p[from + n] == '\t'))
		n++;
	return n;
}

/* The length of the line end at s.p[at], 0 when there is none. */
static size_t line_end(struct qf_span s, size_t at)
{
	if (at < s.n && s.p[at] == '\n')
		return 1;
	if (at + 1 < s.n && s.p[at] == '\r' && s.p[at + 1] == '\n')
		return 2;
	return 0;
}

/* What starts with the `=` at in.p[at]: how many bytes of it were taken. */
static size_t unquote(struct sink *s, struct qf_span in, size_t at)
{
	size_t blanks = count_blanks(in, at + 1);
	size_t end = at + 1 + blanks;

	if (end == in.n || line_end(in, end) > 0)
		return 1 + blanks + line_end(in, end);
	if (at + 2 < in.n) {
		int high = qf_hex_digit(in.p[at + 1]);
		int low = qf_hex_digit(in.p[at + 2]);

		if (high >= 0 && low >= 0) {
			put(s, (unsigned)(high << 4 | low));
			return 3;
		}
	}
	put(s, '=');
	return 1;
}

/* A run of blanks, kept unless the line ends with it. */
static size_t take_blanks(struct sink *s, struct qf_span in, size_t at)
{
	size_t n = count_blanks(in, at);

	if (at + n == in.n || line_end(in, at + n) > 0)
		return n;
	for (size_t i = 0; i < n; i++)
		put(s, (unsigned char)in.p[at + i]);
	return n;
}

int qf_qp_decode(struct qf_span in, struct qf_buf *out)
{
	struct sink s = {.out = out};

	for (size_t i = 0; i < in.n && s.rc == 0;) {
		if (in.p[i] == ' ' || in.p[i] == '\t')
			i += take_blanks(&s, in, i);
		else if (in.p[i] == '=')
			i += unquote(&s, in, i);
		else
			put(&s, (unsigned char)in.p[i++]);
	}
	flush(&s);
	return s.rc;
}
