/*
 * qfront-send: delivers what is queued through protocol modules.
 *
 * This file is the loop around the runs: settings, signals, trigger, pauses.
 */
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/clock.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/base/paths.h"
#include "queue/store.h"
#include "send/check.h"
#include "send/config.h"
#include "send/run.h"
#include "send/schedule.h"
#include "send/wake.h"

enum {
	EXIT_START = 1,  /* the queue can not be opened, wrong usage */
	EXIT_CONFIG = 18 /* one run only, and a control file is wrong */
};

struct sender {
	bool once, check; /* asked for on the command line */
	struct qf_send_config cfg;
	struct qf_schedule schedule;
	struct qf_wake wake;
	struct qf_run run;
	bool exposed; /* and it was reported */
	bool deaf;    /* the trigger can not be read: do not wait for it */
};

static const char usage_text[] =
    "usage: qfront-send [--once] [--queue=DIR] [--control=DIR] "
    "[--protocols=DIR]\n"
    "       qfront-send --check [--control=DIR] [--protocols=DIR]\n"
    "       qfront-send --help\n";

/* A directory from the command line goes into the environment: the queue
 * program that takes bounces must use the same one. */
static int set_dir(const char *variable, const char *dir)
{
	if (dir[0] != '\0')
		return setenv(variable, dir, 1);
	fputs("qfront-send: the name of the directory is empty\n", stderr);
	return -1;
}

/* 0 to go on, or an exit code and 1. */
static int parse_options(int argc, char **argv, struct sender *s, int *code)
{
	static const struct option options[] = {
	    {"help", no_argument, NULL, 'h'},
	    {"check", no_argument, NULL, 'k'},
	    {"once", no_argument, NULL, '1'},
	    {"queue", required_argument, NULL, 'q'},
	    {"control", required_argument, NULL, 'c'},
	    {"protocols", required_argument, NULL, 'p'},
	    {NULL, 0, NULL, 0},
	};
	int c, rc = 0;

	while (rc == 0 &&
	       (c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			fputs(usage_text, stdout);
			*code = 0;
			return 1;
		case 'k':
			s->check = true;
			break;
		case '1':
			s->once = true;
			break;
		case 'q':
			rc = set_dir("QUEUEDIR", optarg);
			break;
		case 'c':
			rc = set_dir("CONTROLDIR", optarg);
			break;
		case 'p':
			rc = set_dir("PROTOCOLDIR", optarg);
			break;
		default:
			rc = -1;
		}
	}
	if (rc == 0 && optind == argc)
		return 0;
	if (rc == 0)
		fprintf(stderr, "qfront-send: unexpected argument: %s\n",
		    argv[optind]);
	fputs(usage_text, stderr);
	*code = EXIT_START;
	return 1;
}

/* Anybody may read the passwords: said once for each time it begins. */
static void warn_exposed(struct sender *s)
{
	if (s->cfg.remotes.exposed && !s->exposed)
		qf_log(QF_LOG_WARN,
		    "everybody can read this file, which may "
		    "hold passwords; chmod o-r it",
		    QF_KS("file", "remotes"));
	s->exposed = s->cfg.remotes.exposed;
}

static bool one_shot(const struct sender *s)
{
	return s->once || s->cfg.pausetime == 0;
}

/* One run with fresh settings: false when they are wrong, and mail waits. */
static bool run_queue(struct sender *s)
{
	const struct qf_send_config *cfg = &s->cfg;
	struct qf_err e;

	if (qf_send_config_load(&s->cfg, qf_dir(QF_DIR_CONTROL), &e) < 0) {
		qf_log_err("wrong configuration; mail waits", &e);
		return false;
	}
	warn_exposed(s);
	s->run.due = qf_clock_wall() + qf_schedule_next(&s->schedule,
					   cfg->pausetime, cfg->maxpause);
	qf_run_queue(&s->run);
	return true;
}

/* Until it is time for the next run, or for the end. */
static void pause_between(struct sender *s, bool left)
{
	const struct qf_store_ops *ops = s->run.ops;
	int64_t seconds = qf_schedule_pause(
	    &s->schedule, s->cfg.pausetime, s->cfg.maxpause, left);
	int64_t deadline = qf_deadline_in(seconds * 1000);
	struct pollfd p[2] = {
	    {.fd = s->wake.fd, .events = POLLIN},
	    {.fd = s->deaf ? -1 : ops->wait_fd(s->run.store), .events = POLLIN},
	};

	qf_log(QF_LOG_INFO, "waiting", QF_KD("seconds", seconds),
	    QF_KU("messages", s->run.left.n));
	while (
	    !s->wake.stop && !s->wake.run && qf_deadline_poll(deadline) != 0) {
		if (poll(p, 2, qf_deadline_poll(deadline)) < 0)
			continue;
		if (p[0].revents != 0)
			qf_wake_read(&s->wake);
		if (p[1].revents != 0) {
			qf_log(QF_LOG_INFO, "woken", QF_KS("by", "trigger"));
			qf_schedule_reset(&s->schedule);
			break;
		}
	}
	if (s->wake.run)
		qf_log(QF_LOG_INFO, "woken", QF_KS("by", "signal"));
	s->wake.run = false;
}

/* Before a run: what comes in from here on wakes us again. */
static void rearm(struct sender *s)
{
	struct qf_err e;
	bool was_deaf = s->deaf;

	s->deaf = s->run.ops->wait_reset(s->run.store, &e) < 0;
	if (s->deaf && !was_deaf)
		qf_log_err("no trigger; waiting for the time only", &e);
}

/* The program ends after this run: its bounces get their chance before. */
static int finish_once(struct sender *s)
{
	if (s->run.bounces == 0 || s->wake.stop)
		return 0;
	s->run.only_new = true;
	return run_queue(s) ? 0 : EXIT_CONFIG;
}

static int send_mail(struct sender *s)
{
	for (;;) {
		bool ran;

		rearm(s);
		ran = run_queue(s);
		qf_wake_read(&s->wake);
		if (one_shot(s))
			return ran ? finish_once(s) : EXIT_CONFIG;
		if (!s->wake.stop)
			pause_between(
			    s, !ran || s->run.failed || s->run.left.n > 0);
		if (s->wake.stop)
			return 0;
	}
}

static int start(struct sender *s)
{
	struct qf_run *run = &s->run;
	struct qf_err e;

	run->ops = &qf_store_dir;
	run->protocols = qf_dir(QF_DIR_PROTOCOLS);
	run->cfg = &s->cfg;
	run->wake = &s->wake;
	qf_send_config_init(&s->cfg);
	if (qf_wake_open(&s->wake, &e) == 0 &&
	    run->ops->open(&run->store, qf_dir(QF_DIR_QUEUE), QF_STORE_SEND,
		NULL, &e) == 0)
		return 0;
	qf_log_err("can not start", &e);
	return EXIT_START;
}

int main(int argc, char **argv)
{
	struct sender s = {.wake = QF_WAKE_NONE};
	int code = 0;

	qf_open_std();
	umask(077);
	qf_log_open("qfront-send", QF_LOG_TO_STDERR, QF_LOG_INFO);
	if (parse_options(argc, argv, &s, &code) != 0)
		return code;
	if (s.check)
		return !qf_send_check(
		    qf_dir(QF_DIR_CONTROL), qf_dir(QF_DIR_PROTOCOLS));
	code = start(&s);
	if (code == 0) {
		qf_log(QF_LOG_INFO, "started",
		    QF_KS("queue", qf_dir(QF_DIR_QUEUE)));
		code = send_mail(&s);
		qf_log(QF_LOG_INFO, "stopped", QF_KD("code", code));
	}
	if (s.run.store != NULL)
		s.run.ops->close(&s.run.store);
	qf_run_free(&s.run);
	qf_send_config_free(&s.cfg);
	qf_wake_close(&s.wake);
	return code;
}
