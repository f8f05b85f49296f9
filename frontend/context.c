#include "frontend/context.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/paths.h"

/* The first variable that is set gives the value. */
static const struct source {
	const char *key;
	bool flag;          /* being set is all that counts */
	const char *env[6]; /* ends with NULL */
} sources[] = {
    {"client.ip", false, {"TCPREMOTEIP", "TCP6REMOTEIP"}},
    {"client.name", false, {"TCPREMOTEHOST", "TCP6REMOTEHOST"}},
    {"client.port", false, {"TCPREMOTEPORT", "TCP6REMOTEPORT"}},
    {"client.info", false, {"TCPREMOTEINFO", "TCP6REMOTEINFO"}},
    {"server.ip", false, {"TCPLOCALIP", "TCP6LOCALIP"}},
    {"server.port", false, {"TCPLOCALPORT", "TCP6LOCALPORT"}},
    {"helo", false, {"HELO"}},
    {"auth.user", false,
	{"AUTHINFO", "AUTHENTICATED", "QMAILAUTHENTICATED", "SMTP_AUTH_USER"}},
    {"auth.method", false, {"SMTP_AUTH_METHOD"}},
    {"relay", true, {"RELAYCLIENT"}},
    {"tls.version", false, {"TLS_PROTOCOL", "SSL_PROTOCOL"}},
    {"tls.cipher", false, {"TLS_CIPHER", "SSL_CIPHER"}},
    {"spf.result", false, {"SPFRESULT"}},
};

static const char path_smtp[] = "smtp", path_inject[] = "inject",
		  path_bounce[] = "bounce", path_local[] = "local";

static const char *from_environment(const struct source *s)
{
	for (const char *const *name = s->env; *name != NULL; name++) {
		const char *v = qf_env(*name);

		if (v != NULL && s->flag)
			return "1";
		if (v != NULL && v[0] != '\0')
			return v;
	}
	return NULL;
}

/* A number that no other run has: the same for all workers of this one. */
static void set_run(struct qf_context *c)
{
	uint64_t n;

	if (getrandom(&n, sizeof n, GRND_NONBLOCK) != (ssize_t)sizeof n)
		n = (uint64_t)getpid() << 40 ^ (uint64_t)qf_clock_wall() << 20 ^
		    (uint64_t)qf_clock_mono_us();
	snprintf(c->run, sizeof c->run, "%016" PRIx64, n);
}

bool qf_context_is_bounce(const struct qf_envelope *env)
{
	const char *sender = qf_envelope_sender(env);

	return sender[0] == '\0' || strcmp(sender, "#@[]") == 0;
}

void qf_context_init(struct qf_context *c, const struct qf_envelope *env)
{
	snprintf(c->uid, sizeof c->uid, "%ld", (long)getuid());
	snprintf(c->pid, sizeof c->pid, "%ld", (long)getppid());
	set_run(c);
	c->bounce = qf_context_is_bounce(env);
	/* Strangers send mail without a sender too. */
	if (qf_context_get(c, "client.ip") != NULL)
		c->path = path_smtp;
	else if (c->bounce)
		c->path = path_bounce;
	else
		c->path = path_inject;
}

void qf_context_set_pid(struct qf_context *c, long pid)
{
	snprintf(c->pid, sizeof c->pid, "%ld", pid);
}

void qf_context_set_caller(struct qf_context *c, uid_t uid, bool believed)
{
	snprintf(c->uid, sizeof c->uid, "%ld", (long)uid);
	if (!believed)
		c->path = path_local;
}

bool qf_context_is_own_bounce(const struct qf_context *c)
{
	return c->path == path_bounce;
}

bool qf_context_is_path(struct qf_span name)
{
	return qf_context_path(name) != NULL;
}

const char *qf_context_path(struct qf_span name)
{
	static const char *const paths[] = {
	    path_smtp, path_inject, path_bounce, path_local};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		if (qf_span_is(name, paths[i]))
			return paths[i];
	}
	return NULL;
}

const char *qf_context_get(const struct qf_context *c, const char *key)
{
	if (strcmp(key, "submit.uid") == 0)
		return c->uid;
	if (strcmp(key, "submit.pid") == 0)
		return c->pid;
	if (strcmp(key, "run.id") == 0)
		return c->run;
	if (strcmp(key, "path") == 0)
		return c->path;
	for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
		if (strcmp(key, sources[i].key) == 0)
			return from_environment(&sources[i]);
	}
	return NULL;
}

bool qf_context_is(const struct qf_context *c, const char *key)
{
	return qf_context_get(c, key) != NULL;
}
