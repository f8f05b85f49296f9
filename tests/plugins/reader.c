/*
 * A plugin that looks at all there is to see of a message and edits nothing:
 * what the host shows must agree with itself, and the message leaves as it
 * came.
 */
#include <stdbool.h>
#include <unistd.h>

#include <qfront/plugin.h>

static bool read_spans(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_iter it = {0}, crlf = {0};
	uint64_t n = 0, lines = 0;
	struct qf_span s;

	while (h->span_next(m, &it, &s) == 1)
		n += s.n;
	while (h->crlf_next(m, &crlf, &s) == 1)
		lines += s.n;
	return n == h->size_of(m) && lines >= n;
}

static bool read_whole(const struct qf_host *h, struct qf_msg *m)
{
	struct qf_span s;
	int32_t fd = h->fd(m);

	return fd >= 0 && h->flat(m, &s) == 0 && s.n == h->size_of(m) &&
	       lseek(fd, 0, SEEK_END) == (off_t)s.n;
}

static bool read_header(const struct qf_host *h, struct qf_msg *m)
{
	int32_t n = h->header_count(m);
	uint64_t size = 0;

	for (int32_t i = 0; i < n; i++) {
		struct qf_field f = {.size = sizeof f};

		if (h->header_get(m, (uint32_t)i, &f) < 0)
			return false;
		size += f.raw.n;
	}
	return n >= 0 && size <= h->size_of(m) &&
	       h->header_find(m, "No-Such-Field", 0) == QF_ENOENT;
}

static bool read_envelope(const struct qf_host *h, struct qf_msg *m)
{
	int32_t n = h->rcpt_count(m);
	struct qf_span s;

	for (int32_t i = 0; i < n; i++) {
		if (h->rcpt_get(m, (uint32_t)i, &s) < 0)
			return false;
	}
	return h->sender(m, &s) == 0 && h->context(m, "path", &s) == 0;
}

static bool read_parts(const struct qf_host *h, struct qf_msg *m)
{
	int32_t n;

	if (!(h->groups & QF_GROUP_MIME) || !QF_HOST_HAS(h, part_decoded))
		return true;
	n = h->part_count(m);
	for (int32_t i = 0; i < n; i++) {
		struct qf_part p = {.size = sizeof p};
		struct qf_span s;

		if (h->part_get(m, (uint32_t)i, &p) < 0)
			return false;
		/* It may be none that can be decoded. */
		h->part_decoded(m, (uint32_t)i, &s);
	}
	return n > 0;
}

static int32_t message(const struct qf_host *h, struct qf_msg *m, void *state)
{
	static bool (*const looks[])(
	    const struct qf_host *h, struct qf_msg *m) = {
	    read_spans, read_whole, read_header, read_envelope, read_parts};

	(void)state;
	for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
		if (!looks[i](h, m)) {
			h->log(m, NULL, QF_LOG_ERROR,
			    "the host contradicts itself");
			return QF_BROKEN;
		}
	}
	return QF_PASS;
}

#define NEEDS                                                                  \
	(QF_GROUP_MESSAGE | QF_GROUP_HEADER | QF_GROUP_ENVELOPE |              \
	    QF_GROUP_CONTEXT | QF_GROUP_LOG)
#define WANTS QF_GROUP_MIME
QF_PLUGIN_NOTE(NEEDS, WANTS, 0, 0);

QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1 = {
    QF_PLUGIN_HEAD,
    .name = "reader",
    .version = "1",
    .summary = "reads everything, edits nothing",
    .needs = NEEDS,
    .wants = WANTS,
    .message = message,
};
