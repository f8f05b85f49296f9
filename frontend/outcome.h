/*
 * From a verdict to an exit code of qmail-queue-clients(7).
 */
#ifndef QF_FRONTEND_OUTCOME_H
#define QF_FRONTEND_OUTCOME_H

#include <stdint.h>

#include <stdbool.h>

#include "frontend/judgement.h"

enum {
	QF_CATEGORIES = QF_CAT_TIMEOUT + 1
};

/* The name of a class, for the log. */
const char *qf_class_name(uint32_t class_);
const char *qf_category_name(uint32_t category);

/* Does a verdict of this class let the message go on? */
bool qf_class_goes_on(uint32_t class_);

/*
 * The code of a final verdict (REJECT, DEFER, and what this version can not
 * carry out, which is deferred). A code that the plugin asks for holds only
 * when it is documented and as permanent or temporary as the class: nothing
 * turns a DEFER into a permanent answer or a REJECT into another try.
 */
int qf_outcome_code(const struct qf_judgement *j);

#endif
