#include "tools/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"

static bool set_variable(char *assignment)
{
	char *value = strchr(assignment, '=');

	if (value == NULL || value == assignment) {
		fprintf(stderr,
		    "qfrontctl: -e %s: give NAME=VALUE, as the caller would "
		    "set it\n",
		    assignment);
		return false;
	}
	*value++ = '\0';
	return setenv(assignment, value, 1) == 0;
}

/* The value of --NAME=VALUE, or NULL. */
static const char *value_of(const char *word, const char *name)
{
	size_t n = strlen(name);

	return strncmp(word, name, n) == 0 ? word + n : NULL;
}

/* Takes an option that stands alone: false when it is none. */
static bool take_option(struct qf_request *r, const char *word)
{
	const char *v;

	if ((v = value_of(word, "--chain=")) != NULL)
		return setenv("QFRONT_CHAIN", v, 1) == 0;
	if ((v = value_of(word, "--as=")) != NULL)
		r->as = v;
	else if ((v = value_of(word, "--size=")) != NULL)
		r->size = v;
	else if (strcmp(word, "--json") == 0)
		r->json = true;
	else if (strcmp(word, "--diff") == 0)
		r->diff = true;
	else
		return false;
	return true;
}

bool qf_request_parse(
    struct qf_request *r, bool with_message, int argc, char **argv)
{
	size_t n = 0;

	*r = (struct qf_request){0};
	r->rcpt = qf_alloc(((size_t)argc + 1) * sizeof *r->rcpt);
	for (int i = 1; i < argc; i++) {
		char *word = argv[i];
		bool more = i + 1 < argc;

		if (strcmp(word, "-f") == 0 && more)
			r->sender = argv[++i];
		else if (strcmp(word, "-e") == 0 && more) {
			if (!set_variable(argv[++i]))
				return false;
		} else if (word[0] == '-' && word[1] != '\0') {
			if (!take_option(r, word))
				return false;
		} else if (with_message && r->message == NULL) {
			r->message = word;
		} else {
			r->rcpt[n++] = word;
		}
	}
	return !with_message || r->message != NULL;
}

int qf_request_envelope(const struct qf_request *r, const char *me,
    struct qf_envelope *env, struct qf_err *e)
{
	struct qf_buf postmaster = QF_BUF_INIT;
	const char *sender = r->sender;
	int rc;

	qf_buf_addf(&postmaster, "postmaster@%s", me);
	if (sender == NULL)
		sender = postmaster.s;
	rc = qf_envelope_set_sender(env, qf_span(sender));
	if (r->rcpt[0] == NULL && rc == 0)
		rc = qf_envelope_add_rcpt(env, qf_buf_span(&postmaster));
	for (char **rcpt = r->rcpt; *rcpt != NULL && rc == 0; rcpt++)
		rc = qf_envelope_add_rcpt(env, qf_span(*rcpt));
	qf_buf_free(&postmaster);
	if (rc < 0)
		return qf_fail(e, rc, "an address is too long");
	return 0;
}
