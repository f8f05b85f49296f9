/*
 * The text of a refusal: whatever a plugin says, a caller gets one line of
 * printable ASCII that is not too long and tells the same class as the number.
 */
#include <string.h>

#include "frontend/dialect.h"
#include "lib/mail/qqcode.h"
#include "tests/fuzz/fuzz.h"

static void check_text(const struct qf_reply *r)
{
	size_t n = strlen(r->text);

	FUZZ_CHECK(n <= QF_REPLY_MAX);
	if (n == 0)
		return;
	FUZZ_CHECK(r->text[0] == r->letter && r->letter != 'K');
	FUZZ_CHECK(n > 8 && r->text[n - 1] == ')');
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(r->text[i] >= ' ' && r->text[i] < 127);
}

/* What a caller makes of a number alone. */
static char letter_of(int code)
{
	if (code == 0)
		return 'K';
	return (code >= 11 && code <= 40) || code == 115 ? 'D' : 'Z';
}

static void check_reply(
    enum qf_dialect d, const struct qf_judgement *j, int code)
{
	char letter = qf_qqcode_find(code)->letter;
	struct qf_reply r;

	qf_dialect_preview(d, j, code, &r);
	check_text(&r);
	FUZZ_CHECK(r.letter == letter);
	FUZZ_CHECK(r.code >= 0 && r.code <= 255);
	if (r.text[0] == '\0')
		FUZZ_CHECK(letter == letter_of(r.code));
}

/* The first byte is the code, a line the status; the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct qf_span in = qf_span_n((const char *)data, size), status;
	struct qf_judgement j = {.class_ = QF_REJECT};
	int code;

	if (size == 0)
		return 0;
	code = data[0];
	in.p++;
	in.n--;
	if (qf_span_cut(&in, '\n', &status))
		memcpy(j.status, status.p,
		    status.n < sizeof j.status ? status.n : sizeof j.status);
	/* without its NUL when it is too long: nobody may look further */
	if (in.n > 0)
		memcpy(
		    j.text, in.p, in.n < sizeof j.text ? in.n : sizeof j.text);
	for (int d = 0; d < QF_DIALECTS; d++)
		check_reply((enum qf_dialect)d, &j, code);
	return 0;
}
