#include "lib/base/utf8.h"

size_t qf_utf8_char(const char *p, size_t n, unsigned *point)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char c = (unsigned char)p[0];
	size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	unsigned v = c & (0x7fu >> len);

	*point = 0;
	if (c < 0x80) {
		*point = c;
		return 1;
	}
	if (c < 0xc2 || c > 0xf4 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		c = (unsigned char)p[i];
		if ((c & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (c & 0x3fu);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*point = v;
	return len;
}

bool qf_utf8_is_valid(struct qf_span s)
{
	unsigned point;
	size_t len;

	for (size_t i = 0; i < s.n; i += len) {
		len = qf_utf8_char(s.p + i, s.n - i, &point);
		if (len == 0)
			return false;
	}
	return true;
}

bool qf_utf8_is_control(unsigned point)
{
	return point < ' ' || (point >= 0x7f && point < 0xa0) ||
	       point == 0x2028 || point == 0x2029;
}
