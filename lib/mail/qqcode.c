#include "lib/mail/qqcode.h"

#include "lib/mail/exitcodes.inc"

enum {
	NLISTED = sizeof listed / sizeof *listed,
	PERMANENT_FIRST = 11,
	PERMANENT_LAST = 40
};

const struct qf_qqcode *qf_qqcode_find(int code)
{
	for (size_t i = 0; i < NLISTED; i++) {
		if (listed[i].code == code)
			return &listed[i];
	}
	if (code >= PERMANENT_FIRST && code <= PERMANENT_LAST)
		return &permanent;
	return &other;
}

const struct qf_qqcode *qf_qqcode_at(size_t i)
{
	return i < NLISTED ? &listed[i] : NULL;
}

int qf_qqcode_of_error(int rc)
{
	if (rc == 0)
		return 0;
	for (size_t i = 0; i < NLISTED; i++) {
		if (listed[i].rc == rc)
			return listed[i].code;
	}
	return qf_qqcode_of_error(QF_EBUG);
}
