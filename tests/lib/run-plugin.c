/*
 * Runs messages through one plugin, for tests in other languages:
 *
 *	run-plugin [-f sender] [-r recipient] [-x key=value] [-n times]
 *	    PLUGIN.so CONTROLDIR [key=value]... <message >message-after-it
 *
 * Prints the log, mistakes and the verdict on standard error; exits with the
 * class of the verdict, 100 when init() fails, 101 when message() fails. With
 * -c it only checks the settings: 0, or 100. -x says something of where the
 * message comes from; its caller's variables are ours. -n runs it again and
 * again in the one stage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/lib/fakehost.h"

static void print_all(const char *what, const struct qf_strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		fprintf(stderr, "%s: %s\n", what, v->v[i]);
}

static int run(
    struct qf_conf *c, const char *from, const char *const *rcpt, long times)
{
	int rc = 0;

	while (times-- > 0) {
		struct qf_msg m;

		fakehost_run_fd(&m, c, STDIN_FILENO, from, rcpt);
		rc = m.class_ < 0 ? 101 : m.class_;
		if (times == 0) {
			fprintf(stderr, "class: %d category: %u text: %s\n",
			    (int)m.class_, (unsigned)m.verdict.category,
			    m.text);
			qf_message_write(&m.message, STDOUT_FILENO, NULL);
		}
		fakehost_forget(&m);
	}
	return rc;
}

int main(int argc, char **argv)
{
	const char *from = "";
	struct qf_strv rcpt = {0}, context = {0};
	bool check = false;
	long times = 1;
	struct qf_conf c;
	int rc, opt;

	while ((opt = getopt(argc, argv, "cf:n:r:x:")) != -1) {
		if (opt == 'c')
			check = true;
		else if (opt == 'f')
			from = optarg;
		else if (opt == 'n')
			times = atol(optarg);
		else if (opt == 'r')
			qf_strv_add(&rcpt, optarg);
		else if (opt == 'x')
			qf_strv_add(&context, optarg);
		else
			return 102;
	}
	if (argc - optind < 2)
		return 102;
	if (rcpt.n == 0)
		qf_strv_add(&rcpt, "someone@else.example");
	rc = (check ? fakehost_load : fakehost_open)(&c, argv[optind],
	    argv[optind + 1], (const char *const *)argv + optind + 2);
	c.context = context;
	for (char **variable = environ; *variable != NULL; variable++)
		qf_strv_add(&c.env, *variable);
	if (rc == 0 && check && c.plugin->checkconf != NULL)
		rc = c.plugin->checkconf(&fakehost, &c);
	if (rc < 0)
		rc = 100;
	else if (!check)
		rc = run(&c, from, (const char *const *)rcpt.v, times);
	print_all("mistake", &c.mistakes);
	print_all("log", &c.log);
	print_all("taken", &c.taken);
	print_all("waited", &c.waited);
	print_all("authres", &c.authres);
	fakehost_close(&c);
	qf_strv_free(&rcpt);
	return rc;
}
