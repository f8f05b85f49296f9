/*
 * The interface between qfront and its plugins, ABI version 1.
 *
 * A plugin is a shared object that exports one data symbol, qf_plugin_v1, and
 * imports nothing from the host: every service comes in the struct qf_host
 * that each callback receives. The host calls message() once for each
 * message; the plugin looks at it through the host table, stages edits, sets
 * a verdict and returns its class. Edits are a transaction: they are applied
 * only when message() returns a verdict in time, and all of them or none.
 *
 * Rules of growth, which every later header keeps:
 *   1. Fields and table slots are only appended; within major version 1
 *      nothing is removed, reordered or given another meaning.
 *   2. A new slot is a new minor version.
 *   3. Every struct starts with its size. The reader copies at most that many
 *      bytes and takes the rest as zero.
 *   4. A `needs` bit that the host does not know: the plugin is refused at
 *      load, by name. A `wants` bit may be absent; ask QF_HOST_HAS().
 *   5. Reserved fields are zero.
 *   6. Only fixed-width integers, size_t and pointers cross the border.
 *      Numbers of classes, categories and errors are open-ended.
 *
 * Ownership: what a host call hands out is borrowed. Spans of a message are
 * valid until message() returns; configuration spans until fini() returns.
 * Errors: every int32_t below is 0 (or the documented positive number) on
 * success and a negative QF_E code of <qfront/err.h> otherwise.
 */
#ifndef QFRONT_PLUGIN_H
#define QFRONT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include <qfront/err.h>
#include <qfront/span.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QF_PLUGIN_MAGIC  0x31504651u /* "QFP1", little-endian */
#define QF_ABI_MAJOR     1
#define QF_ABI_MINOR     1
#define QF_PLUGIN_SYMBOL "qf_plugin_v1"

/* Opaque to plugins. */
struct qf_msg;  /* one message during one message() call */
struct qf_conf; /* the settings of one stage */

/* Owned by the caller; all zero means: from the start. */
struct qf_iter {
	uint64_t w[8];
};

/* Groups of host services: bits of qf_host.groups, .needs and .wants. */
#define QF_GROUP_MESSAGE  (UINT64_C(1) << 0)
#define QF_GROUP_HEADER   (UINT64_C(1) << 1)
#define QF_GROUP_ENVELOPE (UINT64_C(1) << 2)
#define QF_GROUP_CONTEXT  (UINT64_C(1) << 3)
#define QF_GROUP_EDIT     (UINT64_C(1) << 4)
#define QF_GROUP_VERDICT  (UINT64_C(1) << 5)
#define QF_GROUP_CONFIG   (UINT64_C(1) << 6)
#define QF_GROUP_LOG      (UINT64_C(1) << 7)
/* since 1.1 */
#define QF_GROUP_RCPT    (UINT64_C(1) << 8)  /* verdicts per recipient */
#define QF_GROUP_SHARE   (UINT64_C(1) << 9)  /* score and notes */
#define QF_GROUP_AUTHRES (UINT64_C(1) << 10) /* authentication results */
#define QF_GROUP_MIME    (UINT64_C(1) << 11)
#define QF_GROUP_ROUTE   (UINT64_C(1) << 12)
#define QF_GROUP_RUN     (UINT64_C(1) << 13) /* time and environment */

/* Effects: what a plugin may change. An edit not declared is refused. */
#define QF_EFFECT_HEADER (UINT64_C(1) << 0) /* header fields */
#define QF_EFFECT_BODY   (UINT64_C(1) << 1) /* the body */
#define QF_EFFECT_RCPT   (UINT64_C(1) << 2) /* recipients */
#define QF_EFFECT_SENDER (UINT64_C(1) << 3) /* envelope sender */
#define QF_EFFECT_SEAL   (UINT64_C(1) << 4) /* signs: no edits after it */
#define QF_EFFECT_DROP   (UINT64_C(1) << 5) /* may DISCARD, drop all rcpts */
#define QF_EFFECT_ROUTE  (UINT64_C(1) << 6) /* the next hop (1.1) */

/* Flags: what the host must know before it runs a plugin. */
#define QF_FLAG_WARM    (UINT64_C(1) << 0) /* only inside the daemon */
#define QF_FLAG_SECRET  (UINT64_C(1) << 1) /* holds keys */
#define QF_FLAG_PARSER  (UINT64_C(1) << 2) /* reads hostile formats */
#define QF_FLAG_NETWORK (UINT64_C(1) << 3) /* waits for the network */

/* Classes of a verdict: what message() returns. */
#define QF_PASS       0 /* no objection: on to the next stage */
#define QF_ACCEPT     1 /* accept; skip all later stages but `always` ones */
#define QF_REJECT     2 /* permanent refusal */
#define QF_DEFER      3 /* temporary refusal */
#define QF_DISCARD    4 /* accept, and drop in silence */
#define QF_QUARANTINE 5 /* accept, and hold for a person */
#define QF_REDIRECT   6 /* accept, for another recipient */
#define QF_BROKEN     7 /* the stage failed: its `onerror` decides */
#define QF_AGAIN      8 /* reserved */

/* Categories: what a verdict is about. They choose the exit code and text. */
#define QF_CAT_NONE       0
#define QF_CAT_SPAM       1
#define QF_CAT_VIRUS      2
#define QF_CAT_ATTACHMENT 3
#define QF_CAT_KEY        4 /* signing key missing */
#define QF_CAT_POLICY     5
#define QF_CAT_SIZE       6
#define QF_CAT_AUTH       7
#define QF_CAT_CONFIG     8
#define QF_CAT_NETWORK    9
#define QF_CAT_RESOURCE   10
#define QF_CAT_TIMEOUT    11

struct qf_verdict {
	uint32_t size;      /* sizeof(struct qf_verdict) */
	uint32_t class_;    /* QF_PASS ... */
	uint32_t category;  /* QF_CAT_... */
	uint32_t code;      /* a documented exit code, or 0: by category */
	const char *status; /* enhanced status (RFC 3463) or NULL */
	const char *text;   /* one line for the sender, or NULL */
	/* since 1.1 */
	const char *target; /* QF_REDIRECT: the address; else NULL */
};

/* A header field as it stands in the message. */
struct qf_field {
	uint32_t size;        /* sizeof(struct qf_field) */
	uint32_t flags;       /* QF_FIELD_... */
	struct qf_span name;  /* without the colon; empty when malformed */
	struct qf_span value; /* after the colon, as it stands: folded, raw */
	struct qf_span raw;   /* the whole field with its line ends */
};
#define QF_FIELD_MALFORMED 1u /* a line of the header that is no field */

/* A part of a MIME message (RFC 2045, 2046) as the host found it: part 0 is
 * the message itself, a multipart comes before its parts, an attached message
 * before its own. Spans are bytes of the message; names are decoded (RFC 2047,
 * 2231) to UTF-8. Since 1.1. */
struct qf_part {
	uint32_t size;       /* sizeof(struct qf_part) */
	uint32_t flags;      /* QF_PART_... */
	uint32_t parent;     /* of part 0: 0 */
	uint32_t depth;      /* of part 0: 0 */
	struct qf_span type; /* "text/plain", lower case, default filled in */
	struct qf_span charset;  /* as given, or empty */
	struct qf_span encoding; /* lower case; empty: none is given */
	struct qf_span name;     /* file name, decoded, or empty */
	struct qf_span id;       /* Content-ID without <>, or empty */
	struct qf_span header;   /* raw */
	struct qf_span body;     /* raw: as encoded */
};
#define QF_PART_MULTIPART  1u  /* has parts; its body is theirs */
#define QF_PART_MESSAGE    2u  /* message/rfc822: its one part is the message */
#define QF_PART_ATTACHMENT 4u  /* Content-Disposition says so */
#define QF_PART_MALFORMED  8u  /* no end boundary, a broken header, ... */
#define QF_PART_LIMIT      16u /* something inside it was not indexed: limits */

/* One result of an authentication method (RFC 8601). Since 1.1. */
struct qf_authprop {
	const char *type;     /* "header", "smtp", "policy", ... */
	const char *property; /* "d", "mailfrom", ... */
	const char *value;
};
struct qf_authres {
	uint32_t size; /* sizeof(struct qf_authres) */
	uint32_t nprops;
	const char *method;              /* "dkim", "spf", ... */
	const char *result;              /* "pass", "fail", "none", ... */
	const char *reason;              /* or NULL */
	const struct qf_authprop *props; /* nprops of them */
};

/* Severity of a log line. */
#define QF_LOG_ERROR 0
#define QF_LOG_WARN  1
#define QF_LOG_INFO  2
#define QF_LOG_DEBUG 3

/*
 * What the host offers. Header positions count from 0, malformed lines
 * included, and name the fields as message() found them: staging an edit does
 * not move them. Bytes have LF line ends, as qmail keeps them.
 */
struct qf_host {
	uint32_t size; /* of the table that the host has */
	uint16_t abi_major, abi_minor;
	uint64_t groups; /* QF_GROUP_... that work in this run */

	/* message: all bytes, header included */
	uint64_t (*size_of)(struct qf_msg *m);
	/* Next run of bytes: 1, 0 at the end. */
	int32_t (*span_next)(
	    struct qf_msg *m, struct qf_iter *it, struct qf_span *out);
	/* The same with every line end as CR LF: a lone CR or LF becomes one,
	 * and a last line without an end gets one, as the SMTP client sends
	 * it (RFC 5321 section 2.3.8). A span is valid until the next call. */
	int32_t (*crlf_next)(
	    struct qf_msg *m, struct qf_iter *it, struct qf_span *out);
	/* All bytes as one span. */
	int32_t (*flat)(struct qf_msg *m, struct qf_span *out);
	/* A read-only descriptor at offset 0, the host's to close; >= 0. */
	int32_t (*fd)(struct qf_msg *m);

	/* header (RFC 5322 section 2.2) */
	int32_t (*header_count)(struct qf_msg *m);
	/* Set out->size before the call. */
	int32_t (*header_get)(
	    struct qf_msg *m, uint32_t index, struct qf_field *out);
	/* The first field of that name (no case) at or after `from`: its
	 * index, or QF_ENOENT. */
	int32_t (*header_find)(
	    struct qf_msg *m, const char *name, uint32_t from);

	/* envelope */
	int32_t (*sender)(struct qf_msg *m, struct qf_span *out);
	int32_t (*rcpt_count)(struct qf_msg *m);
	int32_t (*rcpt_get)(
	    struct qf_msg *m, uint32_t index, struct qf_span *out);

	/* context: "client.ip", "relay", ...: qfront-chain(5). An absent key
	 * is QF_ENOENT; a flag that is set is "1". */
	int32_t (*context)(
	    struct qf_msg *m, const char *key, struct qf_span *out);
	/* A variable of the caller's environment, or QF_ENOENT. */
	int32_t (*env)(struct qf_msg *m, const char *name, struct qf_span *out);

	/* edit: staged. `value` may be folded (LF, then space or tab); bare
	 * CR, NUL or an LF that does not fold: QF_EINVAL. Not declared in
	 * `effects`: QF_EPERM. */
	int32_t (*header_insert)(struct qf_msg *m, uint32_t before,
	    const char *name, const char *value);
	int32_t (*header_replace)(
	    struct qf_msg *m, uint32_t index, const char *value);
	int32_t (*header_delete)(struct qf_msg *m, uint32_t index);
	int32_t (*body_replace)(struct qf_msg *m, struct qf_span bytes);
	int32_t (*body_append)(struct qf_msg *m, struct qf_span bytes);
	int32_t (*rcpt_add)(struct qf_msg *m, const char *address);
	int32_t (*rcpt_drop)(struct qf_msg *m, uint32_t index);
	int32_t (*sender_set)(struct qf_msg *m, const char *address);

	/* verdict: the details of the class that message() returns. The host
	 * copies them. Returns v->class_, so that `return h->verdict(m, &v)`
	 * ends message(). One without its size is QF_EINVAL, and the stage is
	 * broken. */
	int32_t (*verdict)(struct qf_msg *m, const struct qf_verdict *v);

	/* config: one setting of the stage, or QF_ENOENT. */
	int32_t (*conf_get)(
	    const struct qf_conf *c, const char *key, struct qf_span *out);
	/* The lines of the list CONTROLDIR/plugins/PLUGIN.LIST, without
	 * comments and empty lines: 1, 0 at the end, QF_ENOENT without file.
	 * `line` (may be NULL) receives the line's number. */
	int32_t (*conf_list_next)(const struct qf_conf *c, const char *list,
	    struct qf_iter *it, struct qf_span *out, uint32_t *line);
	/* The absolute form of a file name that a setting or list holds:
	 * relative ones count from CONTROLDIR. Borrowed like a setting. */
	int32_t (*conf_path)(
	    const struct qf_conf *c, struct qf_span name, const char **out);
	/* Reports a mistake in the configuration from init() or checkconf():
	 * what is wrong and what to do. `list` NULL: the setting `key`, or the
	 * stage when that is NULL too; else line `line` of the list, or the
	 * list when that is 0. */
	void (*conf_error)(const struct qf_conf *c, const char *key,
	    const char *list, uint32_t line, const char *text);

	/* log: one line; either of m and c may be NULL. */
	void (*log)(struct qf_msg *m, const struct qf_conf *c, int32_t level,
	    const char *text);

	/* since 1.1 */

	/* rcpt: a verdict for recipient `index` alone, staged like an edit.
	 * message() returns the class for those that get none. ACCEPT is not
	 * for single recipients: QF_EINVAL. The last one for an index
	 * counts. */
	int32_t (*rcpt_verdict)(
	    struct qf_msg *m, uint32_t index, const struct qf_verdict *v);

	/* share: what stages leave for later ones; staged. A score adds up
	 * along the chain, in thousandths of a point; `why` is for the log. */
	int32_t (*score_add)(
	    struct qf_msg *m, int64_t millipoints, const char *why);
	/* The sum so far, without what this call added. */
	int64_t (*score)(struct qf_msg *m);
	/* A note: key [a-z0-9._-]+, "PLUGIN.WHAT" by custom; the last value
	 * counts. QF_ENOMEM when all notes of a message exceed 64 KiB. */
	int32_t (*note_set)(
	    struct qf_msg *m, const char *key, struct qf_span value);
	/* One that an earlier stage left, or QF_ENOENT. */
	int32_t (*note_get)(
	    struct qf_msg *m, const char *key, struct qf_span *out);

	/* authres: adds a result; the host writes all of them as one
	 * Authentication-Results field on top of the message and removes
	 * fields that claim to be ours before the first stage that needs this
	 * group. QF_EINVAL for what RFC 8601 does not allow. */
	int32_t (*authres_add)(struct qf_msg *m, const struct qf_authres *r);
	/* What earlier stages added: 1, 0 at the end. Set out->size. */
	int32_t (*authres_next)(
	    struct qf_msg *m, struct qf_iter *it, struct qf_authres *out);

	/* mime: the number of parts, at least 1; indexed when first asked. */
	int32_t (*part_count)(struct qf_msg *m);
	/* Set out->size before the call. */
	int32_t (*part_get)(
	    struct qf_msg *m, uint32_t index, struct qf_part *out);
	/* The body without its transfer encoding. QF_EFORMAT when it can not
	 * be decoded, QF_ETOOLONG above the limit on decoded bytes. */
	int32_t (*part_decoded)(
	    struct qf_msg *m, uint32_t index, struct qf_span *out);

	/* route: where the sender shall deliver this message, HOST or
	 * HOST:PORT, whatever its own control files say; staged. Only our own
	 * queue keeps it. NULL takes an earlier one back. */
	int32_t (*route_set)(struct qf_msg *m, const char *route);

	/* run: milliseconds that the stage has left. */
	int64_t (*time_left)(struct qf_msg *m);
	/* Tells what was waited for ("dns example.org", "exec spamc"), for the
	 * log and `qfrontctl test`. */
	void (*waited)(
	    struct qf_msg *m, const char *what, int64_t microseconds);
	/* All variables of the caller, NAME=VALUE: 1, 0 at the end. */
	int32_t (*env_next)(
	    struct qf_msg *m, struct qf_iter *it, struct qf_span *out);
	/* The variable did its work here: the next program must not see it.
	 * A filter variable (SPAMFILTER, ...) that no stage takes stops mail
	 * before our own queue, so that it is never unscanned in silence. */
	int32_t (*env_take)(struct qf_msg *m, const char *name);
};

/* Does the host that we run in have the call f? */
#define QF_HOST_HAS(h, f)                                                      \
	((h)->size >= offsetof(struct qf_host, f) + sizeof((h)->f) &&          \
	    (h)->f != NULL)

/* A setting that a plugin understands: qfrontctl check refuses others. */
struct qf_setting {
	const char *key;
	const char *help; /* one line: meaning, unit, default */
	uint32_t flags;   /* QF_SETTING_... */
	uint32_t reserved;
};
#define QF_SETTING_ENV 1u /* QF_<PLUGIN>_<KEY> may override it */

/* Another kind of stage that a plugin makes when its setting `key` is `value`:
 * these effects and flags are the stage's, in place of the plugin's. They hold
 * before init() is called, so that a stage without QF_FLAG_SECRET is never in
 * one process with a stage that has it. The setting is none that the
 * environment may override (QF_SETTING_ENV). Since 1.1. */
struct qf_kind {
	const char *key, *value;
	uint64_t effects; /* QF_EFFECT_... */
	uint64_t flags;   /* QF_FLAG_... */
	uint64_t reserved[2];
};

struct qf_plugin {
	uint32_t magic; /* QF_PLUGIN_MAGIC */
	uint32_t size;  /* sizeof(struct qf_plugin) */
	uint16_t abi_major, abi_minor;
	uint16_t abi_minor_needed; /* the oldest host that will do */
	uint16_t reserved;
	const char *name; /* [a-z][a-z0-9-]*, as in the chain file */
	const char *version;
	const char *summary;   /* one line */
	uint64_t needs, wants; /* QF_GROUP_... */
	uint64_t effects;      /* QF_EFFECT_... */
	uint64_t flags;        /* QF_FLAG_... */
	/* The settings it knows, ended by a NULL key; may be NULL. */
	const struct qf_setting *settings;

	/* Makes the state of one stage from its settings, once per process;
	 * opens what the messages will need. May be NULL. */
	int32_t (*init)(
	    const struct qf_host *h, const struct qf_conf *c, void **state);
	/* Judges one message: a class, or a negative code: BROKEN. */
	int32_t (*message)(
	    const struct qf_host *h, struct qf_msg *m, void *state);
	/* Frees the state. May be NULL. */
	void (*fini)(const struct qf_host *h, void *state);
	/* Checks the settings and the files they name without touching mail,
	 * reporting each mistake by conf_error: 0 or QF_ECONF. May be NULL. */
	int32_t (*checkconf)(const struct qf_host *h, const struct qf_conf *c);

	/* since 1.1 */
	/* The first that fits a stage counts; ended by a NULL key; may be
	 * NULL. */
	const struct qf_kind *kinds;
};

/* Put before the definition of qf_plugin_v1. */
#if defined(__GNUC__)
#define QF_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define QF_PLUGIN_EXPORT
#endif
extern QF_PLUGIN_EXPORT const struct qf_plugin qf_plugin_v1;

/*
 * What a plugin is, to be read without loading it: an ELF note that says what
 * qf_plugin_v1 says, and one more when it has kinds. Where they differ from
 * qf_plugin_v1 the plugin is refused. A plugin may have none. Bit sets are two
 * words, the low one first, so that notes are aligned to 4 bytes on every
 * machine. Since 1.1.
 */
#define QF_NOTE_NAME   "qfront"
#define QF_NOTE_PLUGIN 1 /* type: a struct qf_plugin_note */
#define QF_NOTE_KINDS  2 /* type: sizeof(struct qf_kind_note), then those */

struct qf_plugin_note {
	uint32_t size; /* sizeof(struct qf_plugin_note) */
	uint16_t abi_major, abi_minor;
	uint32_t needs[2], wants[2], effects[2], flags[2];
};
struct qf_kind_note {
	char key[32], value[32];
	uint32_t effects[2], flags[2];
};

/* clang-format off */
#define QF_NOTE_WORDS(bits)                                                    \
	{ (uint32_t)(bits), (uint32_t)((uint64_t)(bits) >> 32) }
#if defined(__GNUC__) && defined(__ELF__)
#define QF_NOTE(id, type_, members, ...)                                       \
	static const struct {                                                  \
		uint32_t namesz, descsz, type;                                 \
		char name[(sizeof QF_NOTE_NAME + 3) / 4 * 4];                  \
		struct { members } desc;                                       \
	} id __attribute__((                                                   \
	    used, section(".note." QF_NOTE_NAME), aligned(4))) = {             \
	    sizeof QF_NOTE_NAME, sizeof id.desc, type_, QF_NOTE_NAME,          \
	    { __VA_ARGS__ } }
#else
#define QF_NOTE(id, type_, members, ...)                                       \
	extern const struct qf_plugin qf_plugin_v1
#endif

/* The note; put it once, with the constants that qf_plugin_v1 is made of:
 *
 *	#define NEEDS (QF_GROUP_EDIT | QF_GROUP_CONFIG)
 *	#define EFFECTS QF_EFFECT_HEADER
 *	QF_PLUGIN_NOTE(NEEDS, 0, EFFECTS, 0);
 */
#define QF_PLUGIN_NOTE(needs_, wants_, effects_, flags_)                       \
	QF_NOTE(qf_note_of_plugin, QF_NOTE_PLUGIN,                             \
	    struct qf_plugin_note plugin;,                                     \
	    { sizeof(struct qf_plugin_note), QF_ABI_MAJOR, QF_ABI_MINOR,       \
		QF_NOTE_WORDS(needs_), QF_NOTE_WORDS(wants_),                  \
		QF_NOTE_WORDS(effects_), QF_NOTE_WORDS(flags_) })

/* The kinds of a plugin that has some: the table for qf_plugin_v1, and their
 * note. Put it once:
 *
 *	#define KINDS(kind) kind("mode", "verify", 0, QF_FLAG_NETWORK)
 *	QF_PLUGIN_KINDS(kinds, KINDS);
 */
#define QF_PLUGIN_KINDS(table, list)                                           \
	static const struct qf_kind table[] = {                                \
	    list(QF_KIND_ENTRY) { NULL, NULL, 0, 0, { 0, 0 } } };              \
	QF_NOTE(qf_kinds_of_plugin, QF_NOTE_KINDS,                             \
	    uint32_t size; struct qf_kind_note kind[0 list(QF_KIND_COUNT)];,   \
	    sizeof(struct qf_kind_note), { list(QF_KIND_NOTE) })
#define QF_KIND_ENTRY(key, value, effects, flags)                              \
	{ key, value, effects, flags, { 0, 0 } },
#define QF_KIND_COUNT(key, value, effects, flags) +1
#define QF_KIND_NOTE(key, value, effects, flags)                               \
	{ key, value, QF_NOTE_WORDS(effects), QF_NOTE_WORDS(flags) },
/* clang-format on */

/* The first members of qf_plugin_v1, of the header it is built with. */
/* clang-format off */
#define QF_PLUGIN_HEAD                                                         \
	.magic = QF_PLUGIN_MAGIC, .size = sizeof(struct qf_plugin),            \
	.abi_major = QF_ABI_MAJOR, .abi_minor = QF_ABI_MINOR
/* clang-format on */

#ifdef __cplusplus
}
#endif

#endif
