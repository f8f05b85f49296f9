#include "lib/base/environ.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"

extern char **environ;

static struct qf_environ *entered;
static char **own; /* the process's, while another is entered */

static void append(struct qf_environ *env, char *string)
{
	if (env->n + 2 > env->cap) {
		env->cap = env->cap == 0 ? 64 : env->cap * 2;
		env->v = qf_realloc_array(env->v, env->cap, sizeof *env->v);
	}
	env->v[env->n++] = string;
	env->v[env->n] = NULL;
}

void qf_environ_add(struct qf_environ *env, struct qf_span block)
{
	struct qf_span one;

	while (qf_span_cut(&block, '\0', &one)) {
		const char *equals = memchr(one.p, '=', one.n);

		if (equals != NULL && equals > one.p)
			append(
			    env, qf_arena_strndup(&env->strings, one.p, one.n));
	}
}

static char **find(struct qf_environ *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], name, len) == 0 && env->v[i][len] == '=')
			return &env->v[i];
	}
	return NULL;
}

void qf_environ_set(struct qf_environ *env, const char *name, const char *value)
{
	struct qf_buf b = QF_BUF_INIT;
	char **at, *string;

	qf_environ_recount(env);
	at = find(env, name);
	qf_buf_addf(&b, "%s=%s", name, value);
	string = qf_arena_strdup(&env->strings, b.s);
	qf_buf_free(&b);
	if (at != NULL)
		*at = string;
	else
		append(env, string);
	if (env == entered)
		environ = env->v;
}

void qf_environ_recount(struct qf_environ *env)
{
	env->n = 0;
	while (env->v != NULL && env->v[env->n] != NULL)
		env->n++;
}

void qf_environ_free(struct qf_environ *env)
{
	free(env->v);
	qf_arena_free(&env->strings);
	*env = (struct qf_environ){0};
}

void qf_environ_enter(struct qf_environ *env)
{
	static char *none[] = {NULL};

	if (entered == NULL)
		own = environ;
	entered = env;
	if (env == NULL)
		environ = own;
	else
		environ = env->v != NULL ? env->v : none;
}

void qf_environ_put(const char *name, const char *value)
{
	if (entered != NULL)
		qf_environ_set(entered, name, value);
	else
		setenv(name, value, 1);
}
