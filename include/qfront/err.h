/*
 * Error codes: 0 is success, negative numbers are errors. They cross the
 * plugin border, so a number never changes its meaning; new ones are
 * appended. Where a code ends a program that speaks the qmail-queue interface
 * its exit code is the one in the comment (qfront-exitcodes(7)).
 */
#ifndef QFRONT_ERR_H
#define QFRONT_ERR_H

#define QF_OK       0
#define QF_ENOMEM   (-1)  /* out of memory (51) */
#define QF_ETIME    (-2)  /* a deadline passed (52) */
#define QF_EWRITE   (-3)  /* write error, disk full (53) */
#define QF_EREAD    (-4)  /* read error, input that ends early (54) */
#define QF_ECONF    (-5)  /* configuration unreadable or wrong (55) */
#define QF_ENET     (-6)  /* trouble making a network connection (56) */
#define QF_EPLUGIN  (-7)  /* plugin can not be opened (57) */
#define QF_ESYMBOL  (-8)  /* plugin symbol missing, ABI refused (58) */
#define QF_ECLOSE   (-9)  /* plugin can not be closed (59) */
#define QF_EPIPE    (-10) /* trouble making pipes or sockets (60) */
#define QF_EHOME    (-11) /* queue: home directory (61) */
#define QF_EQUEUE   (-12) /* queue: queue directory (62) */
#define QF_EPID     (-13) /* queue: pid (63) */
#define QF_EMESS    (-14) /* queue: mess (64) */
#define QF_EINTD    (-15) /* queue: intd (65) */
#define QF_ETODO    (-16) /* queue: todo (66) */
#define QF_EEXEC    (-17) /* a program can not be executed (120) */
#define QF_EFORK    (-18) /* no new process (121) */
#define QF_EBUG     (-19) /* a bug of ours (81) */
#define QF_EFORMAT  (-20) /* bad syntax in what was read (91) */
#define QF_ETOOLONG (-21) /* longer than allowed: an address (11) */
#define QF_ENOENT   (-22) /* not there (81) */
#define QF_EINVAL   (-23) /* an argument is wrong (81) */
#define QF_EPERM    (-24) /* not allowed: an undeclared edit, file modes (81) */
#define QF_ENOSYS   (-25) /* the host or plugin does not have this call (81) */
#define QF_EPROTO   (-26) /* the peer does not keep to the protocol (74) */
#define QF_ECRASH   (-27) /* a child was killed by a signal (123) */

#endif
