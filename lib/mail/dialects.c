#include "lib/mail/dialects.h"

#include <string.h>

#include "lib/mail/qqcode.h"

/* A code of ours, and the number that means the same to somebody else. */
struct number {
	unsigned char ours, theirs;
};

/* What all callers know that descend from qmail-1.03, 0 at the end. */
static const unsigned char common[] = {11, 31, 51, 52, 53, 54, 55, 56, 61, 62,
    63, 64, 65, 66, 71, 72, 73, 74, 81, 91, 115, 120, 0};

/* What some of them know besides, {0} at the end. SPAMCONTROL and its heirs
 * have virus and spam the other way round; sagredo's 32 is a missing key, and
 * its 58 and 59 are no plugins. */
static const struct number sqmail_numbers[] = {
    {32, 33}, {33, 32}, {34, 34}, {0, 0}};
static const struct number sagredo_numbers[] = {
    {35, 32}, {70, 70}, {122, 122}, {123, 123}, {0, 0}};
static const struct number no_numbers[] = {{0, 0}};

/* Numbers for those who do not know one of ours: 31 or 71 where none is
 * nearer. */
static const struct number nearest[] = {
    {57, 55}, {58, 55}, {59, 55}, {87, 55}, {0, 0}};

/* What a caller is called, and its numbers; NULL: it gets ours as they are. */
static const struct {
	const char *name;
	const struct number *numbers;
} callers[] = {
    [QF_DIALECT_AUTO] = {"auto", NULL},
    [QF_DIALECT_INDIMAIL] = {"indimail", NULL},
    [QF_DIALECT_NOTQMAIL] = {"notqmail", no_numbers},
    [QF_DIALECT_SQMAIL] = {"sqmail", sqmail_numbers},
    [QF_DIALECT_NETQMAIL] = {"netqmail", no_numbers},
    [QF_DIALECT_LDAP] = {"ldap", no_numbers},
    [QF_DIALECT_SAGREDO] = {"sagredo", sagredo_numbers},
};

const char *qf_dialect_name(enum qf_dialect d)
{
	return callers[d].name;
}

bool qf_dialect_find(const char *name, enum qf_dialect *out)
{
	for (int d = 0; d < QF_DIALECTS; d++) {
		if (strcmp(name, callers[d].name) == 0) {
			*out = (enum qf_dialect)d;
			return true;
		}
	}
	return false;
}

int qf_dialect_read(enum qf_dialect *out, const char *name,
    const struct qf_ctl *ctl, struct qf_err *e)
{
	if (qf_dialect_find(name, out))
		return 0;
	return qf_fail(e, QF_ECONF,
	    "%s/dialect:1: \"%s\": use auto, indimail, notqmail, sqmail, "
	    "netqmail, ldap or sagredo",
	    ctl->path, name);
}

static int find_number(const struct number *list, int code)
{
	for (; list->ours != 0; list++) {
		if (list->ours == code)
			return list->theirs;
	}
	return 0;
}

int qf_dialect_number(enum qf_dialect d, int code)
{
	int theirs;

	if (callers[d].numbers == NULL || code == 0)
		return code;
	theirs = find_number(callers[d].numbers, code);
	if (theirs != 0)
		return theirs;
	for (size_t i = 0; common[i] != 0; i++) {
		if (common[i] == code)
			return code;
	}
	theirs = find_number(nearest, code);
	if (theirs != 0)
		return theirs;
	return qf_qqcode_find(code)->letter == 'D' ? 31 : 71;
}
