#include "lib/mail/authres.h"

#include <string.h>

static void add_string(struct qf_buf *out, const char *s)
{
	qf_buf_add(out, s, strlen(s) + 1);
}

/* Strings, each with its NUL: method, result, `-` or `+` and the reason, then
 * type, property and value of each property. */
void qf_authres_pack(const struct qf_authres *r, struct qf_buf *out)
{
	add_string(out, r->method);
	add_string(out, r->result);
	qf_buf_addc(out, r->reason != NULL ? '+' : '-');
	add_string(out, r->reason != NULL ? r->reason : "");
	for (uint32_t i = 0; i < r->nprops; i++) {
		add_string(out, r->props[i].type);
		add_string(out, r->props[i].property);
		add_string(out, r->props[i].value);
	}
}

static const char *take_string(struct qf_span *s)
{
	struct qf_span head;

	return qf_span_cut(s, '\0', &head) ? head.p : NULL;
}

/* A string that was cut off is NULL, which the check refuses. */
int qf_authres_unpack(struct qf_authres_record *out, struct qf_span bytes)
{
	struct qf_authres *r = &out->result;
	const char *reason;

	*r = (struct qf_authres){.size = sizeof *r, .props = out->props};
	r->method = take_string(&bytes);
	r->result = take_string(&bytes);
	reason = take_string(&bytes);
	if (reason == NULL || (reason[0] != '+' && reason[0] != '-'))
		return QF_EFORMAT;
	r->reason = reason[0] == '+' ? reason + 1 : NULL;
	while (bytes.n > 0) {
		struct qf_authprop *p = &out->props[r->nprops];

		if (r->nprops++ == QF_AUTHRES_PROPS_MAX)
			return QF_EFORMAT;
		p->type = take_string(&bytes);
		p->property = take_string(&bytes);
		p->value = take_string(&bytes);
		if (p->value == NULL)
			return QF_EFORMAT;
	}
	return qf_authres_check(r) == 0 ? 0 : QF_EFORMAT;
}
