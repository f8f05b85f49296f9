#include "lib/mail/mime_text.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/utf8.h"
#include "lib/mail/mime_decode.h"

/* U+FFFD */
#define REPLACEMENT "\xef\xbf\xbd"

/*
 * The charsets of mail and the converter for each. A name from outside never
 * reaches iconv_open(): it would load whatever module has that name. Where
 * senders mean a larger set than they say, it is taken.
 */
static const struct {
	const char *name, *converter;
} charsets[] = {
    {"iso-8859-1", "WINDOWS-1252"},
    {"latin1", "WINDOWS-1252"},
    {"windows-1252", "WINDOWS-1252"},
    {"cp1252", "WINDOWS-1252"},
    {"iso-8859-2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"},
    {"iso-8859-4", "ISO-8859-4"},
    {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"},
    {"iso-8859-8", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "WINDOWS-1254"},
    {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-11", "CP874"},
    {"iso-8859-13", "ISO-8859-13"},
    {"iso-8859-14", "ISO-8859-14"},
    {"iso-8859-15", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"},
    {"tis-620", "CP874"},
    {"windows-874", "CP874"},
    {"windows-1250", "WINDOWS-1250"},
    {"cp1250", "WINDOWS-1250"},
    {"windows-1251", "WINDOWS-1251"},
    {"cp1251", "WINDOWS-1251"},
    {"windows-1253", "WINDOWS-1253"},
    {"windows-1254", "WINDOWS-1254"},
    {"windows-1255", "WINDOWS-1255"},
    {"windows-1256", "WINDOWS-1256"},
    {"windows-1257", "WINDOWS-1257"},
    {"windows-1258", "WINDOWS-1258"},
    {"koi8-r", "KOI8-R"},
    {"koi8-u", "KOI8-U"},
    {"cp437", "CP437"},
    {"cp850", "CP850"},
    {"cp852", "CP852"},
    {"cp866", "CP866"},
    {"ibm866", "CP866"},
    {"macintosh", "MACINTOSH"},
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"cp936", "GB18030"},
    {"gb18030", "GB18030"},
    {"big5", "CP950"},
    {"cp950", "CP950"},
    {"big5-hkscs", "BIG5-HKSCS"},
    {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"cp949", "CP949"},
    {"iso-2022-kr", "ISO-2022-KR"},
    {"euc-jp", "EUC-JP"},
    {"shift_jis", "CP932"},
    {"windows-31j", "CP932"},
    {"cp932", "CP932"},
    {"iso-2022-jp", "ISO-2022-JP"},
    {"utf-7", "UTF-7"},
    {"utf-16", "UTF-16"},
    {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},
};

enum {
	CHARSETS = sizeof charsets / sizeof *charsets
};

#define NO_CONVERTER ((iconv_t)-1)

/* The converter, opened once; NO_CONVERTER when there is none. */
static iconv_t converter(struct qf_charsets *c, struct qf_span charset)
{
	size_t i = 0;

	while (i < CHARSETS && !qf_span_iis(charset, charsets[i].name))
		i++;
	if (i == CHARSETS)
		return NO_CONVERTER;
	if (c->open == NULL)
		c->open = qf_alloc(CHARSETS * sizeof *c->open);
	if (c->open[i] == NULL)
		c->open[i] = iconv_open("UTF-8", charsets[i].converter);
	return c->open[i];
}

void qf_charsets_free(struct qf_charsets *c)
{
	for (size_t i = 0; c->open != NULL && i < CHARSETS; i++) {
		if (c->open[i] != NULL && c->open[i] != NO_CONVERTER)
			iconv_close(c->open[i]);
	}
	free(c->open);
	c->open = NULL;
}

static void add_clean(struct qf_span bytes, struct qf_buf *out)
{
	unsigned point;
	size_t len;

	for (size_t i = 0; i<bytes.n; i += len> 0 ? len : 1) {
		len = qf_utf8_char(bytes.p + i, bytes.n - i, &point);
		if (point == '\t')
			qf_buf_addc(out, ' ');
		else if (len == 0 || qf_utf8_is_control(point))
			qf_buf_adds(out, REPLACEMENT);
		else
			qf_buf_add(out, bytes.p + i, len);
	}
}

/* Appends what the converter makes of `in`. */
static void convert(iconv_t cd, struct qf_span in, struct qf_buf *out)
{
	char *from = (char *)in.p;
	size_t left = in.n, room;
	char some[512], *to;
	int why;

	iconv(cd, NULL, NULL, NULL, NULL);
	do {
		to = some;
		room = sizeof some;
		why = 0;
		if (iconv(cd, &from, &left, &to, &room) == (size_t)-1)
			why = errno;
		qf_buf_add(out, some, (size_t)(to - some));
		if (why == EILSEQ && left > 0) {
			from++;
			left--;
		}
		if (why == EILSEQ || why == EINVAL)
			qf_buf_adds(out, REPLACEMENT);
	} while (why == EILSEQ || (why == E2BIG && to > some));
	/* what a stateful charset still holds */
	to = some;
	room = sizeof some;
	iconv(cd, NULL, NULL, &to, &room);
	qf_buf_add(out, some, (size_t)(to - some));
}

void qf_mime_text_add(struct qf_charsets *c, struct qf_span charset,
    struct qf_span bytes, struct qf_buf *out)
{
	iconv_t cd = converter(c, charset);
	struct qf_buf utf8 = QF_BUF_INIT;

	if (cd == NO_CONVERTER) {
		add_clean(bytes, out);
		return;
	}
	convert(cd, bytes, &utf8);
	add_clean(qf_buf_span(&utf8), out);
	qf_buf_free(&utf8);
}

/* An encoded word: =?CHARSET*LANGUAGE?ENCODING?TEXT?= */
struct word {
	struct qf_span charset, text;
	char encoding; /* B or Q */
	size_t length; /* of all */
};

/* Is there a word at the start of s, which begins with `=?`? Looks no further
 * than the third question mark. */
static bool parse_word(struct qf_span s, struct word *w)
{
	struct qf_span rest = qf_span_n(s.p + 2, s.n - 2);
	struct qf_span encoding, charset;

	if (!qf_span_cut(&rest, '?', &w->charset) || w->charset.n == 0 ||
	    rest.n < 2 || rest.p[1] != '?' ||
	    !qf_span_cut(&rest, '?', &encoding) ||
	    !qf_span_cut(&rest, '?', &w->text) || rest.n == 0 ||
	    rest.p[0] != '=')
		return false;
	if (qf_span_cut(
		&(struct qf_span){w->charset.p, w->charset.n}, '*', &charset))
		w->charset = charset;
	w->encoding = (char)(encoding.p[0] & ~0x20);
	w->length = (size_t)(rest.p - s.p) + 1;
	return w->encoding == 'B' || w->encoding == 'Q';
}

/* The Q encoding of a word (RFC 2047 section 4.2). */
static void decode_q(struct qf_span s, struct qf_buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		int high = -1, low = -1;

		if (s.p[i] == '=' && s.n - i > 2) {
			high = qf_hex_digit(s.p[i + 1]);
			low = qf_hex_digit(s.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			qf_buf_addc(out, (char)(high << 4 | low));
			i += 2;
		} else {
			qf_buf_addc(out, s.p[i] == '_' ? ' ' : s.p[i]);
		}
	}
}

/* Words that follow each other in one charset are decoded as one: some
 * programs cut within a character. */
struct run {
	struct qf_span charset;
	struct qf_buf bytes;
};

static void end_run(struct qf_charsets *c, struct run *run, struct qf_buf *out)
{
	if (run->bytes.len == 0)
		return;
	qf_mime_text_add(c, run->charset, qf_buf_span(&run->bytes), out);
	qf_buf_reset(&run->bytes);
}

static void add_word(struct qf_charsets *c, struct run *run,
    const struct word *w, struct qf_buf *out)
{
	if (!qf_span_ieq(run->charset, w->charset))
		end_run(c, run, out);
	run->charset = w->charset;
	if (w->encoding == 'B')
		qf_base64_decode(w->text, &run->bytes);
	else
		decode_q(w->text, &run->bytes);
}

/* The next encoded word in s: where it begins, or s.n. */
static size_t find_word(struct qf_span s, size_t from, struct word *w)
{
	while (from < s.n) {
		const char *at = memmem(s.p + from, s.n - from, "=?", 2);

		if (at == NULL)
			break;
		from = (size_t)(at - s.p);
		if (parse_word(qf_span_n(at, s.n - from), w))
			return from;
		from += 2;
	}
	return s.n;
}

void qf_mime_words_add(
    struct qf_charsets *c, struct qf_span text, struct qf_buf *out)
{
	struct run run = {.bytes = QF_BUF_INIT};
	struct word w;
	bool after_word = false;

	for (size_t i = 0; i < text.n;) {
		size_t at = find_word(text, i, &w);
		struct qf_span gap = qf_span_n(text.p + i, at - i);

		/* Blanks between two words only keep them apart. */
		if (!after_word || at == text.n || qf_span_trim(gap).n > 0) {
			end_run(c, &run, out);
			add_clean(gap, out);
		}
		if (at == text.n)
			break;
		add_word(c, &run, &w, out);
		after_word = true;
		i = at + w.length;
	}
	end_run(c, &run, out);
	qf_buf_free(&run.bytes);
}
