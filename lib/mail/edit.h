/*
 * Edits as a transaction: staged one by one, checked at once, applied
 * together or not at all.
 *
 * Header positions name the fields as they stand before the first edit of the
 * transaction; staging does not move them. Inserts at one position keep the
 * order in which they were staged. When several edits replace or delete one
 * field, the last of them counts; so it is with the sender. Body edits are
 * done in order: a replacement takes earlier additions with it. Recipients
 * that are added come after those that stay.
 *
 * A first line that begins with white space, and so is no field, stays before
 * what is inserted: it would continue it.
 *
 * What follows an edit needs a line end before it: a last field without one
 * gets it when a field or body comes behind it, and a message without an empty
 * line gets one when it gets a body.
 */
#ifndef QF_MAIL_EDIT_H
#define QF_MAIL_EDIT_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mail/envelope.h"
#include "lib/mail/message.h"

enum qf_edit_kind {
	QF_EDIT_HEADER_INSERT,  /* before field `index`; at nfields: as last */
	QF_EDIT_HEADER_REPLACE, /* the whole field `index` */
	QF_EDIT_HEADER_DELETE,
	QF_EDIT_BODY_REPLACE,
	QF_EDIT_BODY_APPEND,
	QF_EDIT_RCPT_ADD,
	QF_EDIT_RCPT_DROP,
	QF_EDIT_SENDER_SET
};

struct qf_edit {
	enum qf_edit_kind kind;
	uint32_t index;
	struct qf_span bytes; /* a whole field, body bytes, an address */
};

/* Zeroed memory is an empty list. */
struct qf_edits {
	struct qf_edit *v;
	size_t n, cap;
	struct qf_arena arena; /* holds what the edits bring */
};

/*
 * Each returns 0 or QF_EINVAL, and stages nothing then:
 *   a field name must be printable ASCII without colon and space (RFC 5322
 *   section 2.2); a value may fold (LF, then space or tab) and must not hold
 *   NUL, CR or another LF; an index must be there; a malformed line can be
 *   deleted but, having no name, not replaced; an address must hold no NUL, CR
 *   or LF and be no longer than QF_ADDR_MAX.
 * The field that is built is `name: value` and LF (no space is added when the
 * value is empty or starts with white space).
 */
int qf_edit_header_insert(struct qf_edits *ed, const struct qf_message *m,
    uint32_t before, const char *name, const char *value);
int qf_edit_header_replace(struct qf_edits *ed, const struct qf_message *m,
    uint32_t index, const char *value);
int qf_edit_header_delete(
    struct qf_edits *ed, const struct qf_message *m, uint32_t index);
int qf_edit_body_replace(struct qf_edits *ed, struct qf_span bytes);
int qf_edit_body_append(struct qf_edits *ed, struct qf_span bytes);
int qf_edit_rcpt_add(struct qf_edits *ed, const char *address);
int qf_edit_rcpt_drop(
    struct qf_edits *ed, const struct qf_envelope *env, uint32_t index);
int qf_edit_sender_set(struct qf_edits *ed, const char *address);

/* Would they take the last recipient of a message that has some? */
bool qf_edits_drop_all(
    const struct qf_edits *ed, const struct qf_envelope *env);

/* Applies all and empties the list, in time linear in fields and edits. The
 * message takes the bytes over. m and env are those that the edits were staged
 * against. */
void qf_edits_apply(
    struct qf_edits *ed, struct qf_message *m, struct qf_envelope *env);
/* Forgets all. */
void qf_edits_clear(struct qf_edits *ed);

#endif
