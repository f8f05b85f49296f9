/*
 * Submits the message on standard input as our own clients do:
 *
 *	submit SENDER RECIPIENT...
 *
 * Prints what the client would say; exits with the code of the answer, or 125
 * when nothing could be started.
 */
#include <stdio.h>
#include <unistd.h>

#include "lib/base/io.h"
#include "lib/mail/submit.h"

int main(int argc, char **argv)
{
	struct qf_envelope env = QF_ENVELOPE_INIT;
	struct qf_buf message = QF_BUF_INIT;
	struct qf_submit_result result;
	struct qf_submit *s;
	struct qf_err e;
	int code = 125;

	qf_envelope_set_sender(&env, qf_span(argc > 1 ? argv[1] : ""));
	for (int i = 2; i < argc; i++)
		qf_envelope_add_rcpt(&env, qf_span(argv[i]));
	if (qf_read_all(STDIN_FILENO, &message, &e) < 0 ||
	    qf_submit_open(&s, NULL, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
	} else {
		qf_submit_write(s, message.s, message.len);
		qf_submit_close(&s, &env, &result);
		printf("%c%s\n", result.letter, result.text);
		code = result.code;
	}
	qf_envelope_free(&env);
	qf_buf_free(&message);
	return code;
}
