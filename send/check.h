/*
 * The sender's part of `qfrontctl check`: its control files and the modules
 * that they name, without touching mail.
 */
#ifndef QF_SEND_CHECK_H
#define QF_SEND_CHECK_H

#include <stdbool.h>

/* Prints each problem as a line on standard output: true when there is none. */
bool qf_send_check(const char *control, const char *protocols);

#endif
