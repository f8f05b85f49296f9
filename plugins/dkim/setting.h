/*
 * Settings of a stage: words, numbers and texts, with the mistakes that can
 * be made in them.
 */
#ifndef QFP_DKIM_SETTING_H
#define QFP_DKIM_SETTING_H

#include <stdbool.h>

#include <qfront/plugin.h>

enum {
	SETTING_TEXT_SIZE = 1024
};

/* Each: 0 with *out set, or with *out as it was when the setting is absent;
 * QF_ECONF, with the mistake reported. */

/* One of the words; *out is its place in the list, which ends with NULL. */
int32_t setting_word(const struct qf_host *h, const struct qf_conf *c,
    const char *key, const char *const *words, int *out);
int32_t setting_flag(const struct qf_host *h, const struct qf_conf *c,
    const char *key, bool *out);
int32_t setting_number(const struct qf_host *h, const struct qf_conf *c,
    const char *key, unsigned min, unsigned max, unsigned *out);
int32_t setting_text(const struct qf_host *h, const struct qf_conf *c,
    const char *key, char out[SETTING_TEXT_SIZE]);

/* A variable of the caller in `out`, cut where it does not fit: is it set? */
bool setting_env(const struct qf_host *h, struct qf_msg *m, const char *name,
    char out[SETTING_TEXT_SIZE]);

#endif
