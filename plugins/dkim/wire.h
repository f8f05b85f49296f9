/*
 * The message as the receiver will see it: with the line ends that the SMTP
 * client sends. A signature holds only if it is made over these bytes; a lone
 * CR, for example, ends a line there, and the header may end earlier than it
 * does in the queue.
 *
 * The header is held in memory, the body is passed on as it comes.
 */
#ifndef QFP_DKIM_WIRE_H
#define QFP_DKIM_WIRE_H

#include <qfront/plugin.h>

enum {
	WIRE_HEADER_MAX = 1 << 20, /* bytes of a whole header */
	WIRE_CHUNK = 65536         /* of the body at a time */
};

struct wire {
	const struct qf_host *h;
	struct qf_msg *m;
	struct qf_iter it;
	char *head;          /* what was read to find the header's end */
	size_t n, cap;       /* bytes in head, and room for */
	size_t header;       /* of these, bytes of the header's fields */
	size_t body;         /* where in head the body starts */
	struct qf_span rest; /* of the run that was read last */
	char *chunk;         /* where short runs of the body are joined */
};

struct wire_field {
	struct qf_span name;
	struct qf_span value; /* after the colon */
	struct qf_span raw;   /* all of it, without the last CR LF */
};

/* Reads the header: 0, QF_ETOOLONG, QF_ENOMEM or an error of the host. Close
 * it in any case. */
int32_t wire_open(struct wire *w, const struct qf_host *h, struct qf_msg *m);
void wire_close(struct wire *w);

/* The fields in order, from *at = 0: 1, 0 at the end, QF_EFORMAT for a line
 * that is no field (RFC 5322 section 2.2) or holds a zero byte. */
int32_t wire_field_next(const struct wire *w, size_t *at, struct wire_field *f);

/* The body, once: 1 and a run, valid until the next call; 0 at the end; or
 * QF_ENOMEM, an error of the host. Runs are long: the host may give a line at
 * a time, which costs more to hash. */
int32_t wire_body_next(struct wire *w, struct qf_span *out);

#endif
