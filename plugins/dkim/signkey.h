/*
 * The key for a message: from the key table, from indimail's dkimkeys, or from
 * a file that DKIMSIGN, DKIMKEY or a setting names.
 */
#ifndef QFP_DKIM_SIGNKEY_H
#define QFP_DKIM_SIGNKEY_H

#include "plugins/dkim/dkimkeys.h"
#include "plugins/dkim/keytab.h"
#include "plugins/dkim/setting.h"
#include "plugins/dkim/signer.h"

/* What a stage knows of keys. */
struct keyring {
	const struct qf_conf *c;
	struct keytab table;
	struct dkimkeys control;
	char file[SETTING_TEXT_SIZE]; /* when nothing else says one, or "" */
	int missing;                  /* KEY_MISSING_... */
};

/* What becomes of a message whose key file is not there. */
enum {
	KEY_MISSING_DEFER,
	KEY_MISSING_REJECT,
	KEY_MISSING_PASS
};

/* One message, and what was chosen for it. */
struct signkey {
	const struct keyring *ring;
	const struct qf_host *h;
	struct qf_msg *m;
	char domain[2][DOMAIN_SIZE]; /* of From and envelope sender, or "" */
	struct key own;              /* a key that was read for this message */
	const struct dkimkeys_entry
	    *entry; /* the line that chose it, or NULL */
};

/*
 * Both give 1 with key, selector and domain of *plan set; 0 when the message
 * goes on unsigned, which was logged; a class above QF_ACCEPT when the verdict
 * was given; or an error.
 */
int32_t signkey_find(struct signkey *k, struct signature_plan *plan);
/* The key in a file, in whose name `%` stands for the domain. */
int32_t signkey_file(
    struct signkey *k, const char *name, struct signature_plan *plan);

/* Forgets the key that was read. */
void signkey_close(struct signkey *k);

/* A variable of signing: of the line of dkimkeys, else of the caller. */
bool signkey_variable(
    struct signkey *k, const char *name, char out[SETTING_TEXT_SIZE]);

/* Gives the verdict for a message that can not be signed as it should. */
int32_t signkey_refuse(
    struct signkey *k, uint32_t class_, uint32_t category, const char *text);

#endif
