#include "frontend/policy.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/check.h"
#include "lib/base/paths.h"

static const char prefix[] = "chain-";

static void add_chain(struct qf_policy *policy, const char *name)
{
	struct qf_named_chain *c;

	policy->named = qf_realloc_array(
	    policy->named, policy->n + 1, sizeof *policy->named);
	c = &policy->named[policy->n++];
	*c = (struct qf_named_chain){
	    .name = name != NULL ? qf_strdup(name) : NULL};
}

/* `chain`, and every chain-NAME. */
static int find_chains(struct qf_policy *policy, struct qf_err *e)
{
	int fd = dup(policy->ctl.fd);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *d;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return qf_fail_sys(e, QF_ECONF, "%s", policy->ctl.path);
	}
	rewinddir(dir);
	add_chain(policy, NULL);
	while ((d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, prefix, sizeof prefix - 1) == 0)
			add_chain(policy, d->d_name + sizeof prefix - 1);
	}
	closedir(dir);
	return 0;
}

static void complete_chain(
    const struct qf_policy *policy, struct qf_chain *c, struct qf_problems *p)
{
	c->warm = true;
	qf_check_read_notes(&policy->ctl, c);
	qf_check_chain(c, policy->config.timeoutchain * 1000, p);
}

/* The chain, and what the notes said of its stages. */
static uint64_t digest_chain(const struct qf_named_chain *named)
{
	const struct qf_chain *c = &named->chain;
	const char *name = named->name != NULL ? named->name : "";
	uint64_t h = qf_digest(QF_DIGEST, name, strlen(name) + 1);

	h = qf_digest(h, &c->is_there, sizeof c->is_there);
	h = qf_digest(h, &c->digest, sizeof c->digest);
	for (size_t i = 0; i < c->n; i++) {
		const struct qf_stage *s = &c->stage[i];

		h = qf_digest(h, &s->noted, sizeof s->noted);
		h = qf_digest(h, &s->effects, sizeof s->effects);
		h = qf_digest(h, &s->flags, sizeof s->flags);
		h = qf_digest(h, &s->groups, sizeof s->groups);
	}
	return h;
}

static uint64_t digest(const struct qf_policy *p)
{
	uint64_t h = qf_ctl_digest(QF_DIGEST, qf_frontend_items, &p->config);

	h = qf_digest(h, p->split.of, sizeof p->split.of);
	if (p->trust.n > 0)
		h = qf_digest(h, p->trust.v, p->trust.n * sizeof *p->trust.v);
	/* The folder has no order. */
	for (size_t i = 0; i < p->n; i++)
		h += digest_chain(&p->named[i]);
	return h;
}

int qf_policy_load(struct qf_policy *policy, struct qf_problems *p)
{
	struct qf_err e;

	if (qf_ctl_open(&policy->ctl, qf_dir(QF_DIR_CONTROL), &e) < 0 ||
	    qf_frontend_config_load(&policy->config, &policy->ctl, &e) < 0 ||
	    qf_trust_load(&policy->trust, &policy->ctl, &e) < 0 ||
	    find_chains(policy, &e) < 0) {
		qf_problem_err(p, &e);
		return e.rc;
	}
	qf_split_load(&policy->split, &policy->ctl, p);
	for (size_t i = 0; i < policy->n; i++) {
		struct qf_named_chain *c = &policy->named[i];

		qf_chain_load(&c->chain, &policy->ctl, c->name, p);
		complete_chain(policy, &c->chain, p);
	}
	policy->digest = digest(policy);
	return p->count > 0 ? p->first.rc : 0;
}

void qf_policy_free(struct qf_policy *policy)
{
	for (size_t i = 0; i < policy->n; i++) {
		free(policy->named[i].name);
		qf_chain_free(&policy->named[i].chain);
	}
	free(policy->named);
	qf_trust_free(&policy->trust);
	qf_frontend_config_free(&policy->config);
	qf_ctl_close(&policy->ctl);
	*policy = (struct qf_policy)QF_POLICY_INIT;
}

static const struct qf_chain *find(
    const struct qf_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->n; i++) {
		const char *have = policy->named[i].name;

		if (name == NULL ? have == NULL
				 : have != NULL && strcmp(have, name) == 0)
			return &policy->named[i].chain;
	}
	return NULL;
}

int qf_policy_chain(const struct qf_policy *policy,
    const struct qf_personality *as, char *const *argv, struct qf_chain *own,
    const struct qf_chain **out, struct qf_problems *p)
{
	const char *name = qf_env("QFRONT_CHAIN");

	*own = (struct qf_chain){0};
	*out = as == NULL ? find(policy, name) : NULL;
	if (*out != NULL && (name != NULL || (*out)->is_there))
		return 0;
	*out = own;
	/* A file that is new, or it says that there is none. */
	if (as == NULL && name != NULL)
		qf_chain_load(own, &policy->ctl, name, p);
	else
		qf_builtin_make(own, as, argv, p);
	if (p->count == 0)
		complete_chain(policy, own, p);
	return p->count > 0 ? p->first.rc : 0;
}
