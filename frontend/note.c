#include "frontend/note.h"

#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/ctl.h"
#include "lib/base/io.h"
#include "lib/base/paths.h"

/* The fields that the note had in version 1.1: none can be smaller. */
#define NOTE_SIZE_1_1                                                          \
	(offsetof(struct qf_plugin_note, flags) +                              \
	    sizeof(((struct qf_plugin_note *)0)->flags))

static uint64_t join(const uint32_t words[2])
{
	return (uint64_t)words[1] << 32 | words[0];
}

static int damaged(size_t n, struct qf_err *e)
{
	return qf_fail(e, QF_ESYMBOL,
	    "its note of %zu bytes is damaged; build it again", n);
}

static int take_plugin(
    struct qf_declared *out, const void *p, size_t n, struct qf_err *e)
{
	struct qf_plugin_note note = {0};

	memcpy(&note, p, n < sizeof note ? n : sizeof note);
	if (note.size < NOTE_SIZE_1_1 || note.size > n)
		return damaged(n, e);
	out->abi_major = note.abi_major;
	out->abi_minor = note.abi_minor;
	out->needs = join(note.needs);
	out->wants = join(note.wants);
	out->effects = join(note.effects);
	out->flags = join(note.flags);
	return 0;
}

/* The size of one, then all of them. */
static int take_kinds(
    struct qf_declared *out, const char *p, size_t n, struct qf_err *e)
{
	struct qf_kind_note note;
	uint32_t size = 0;

	memcpy(&size, p, n < sizeof size ? n : sizeof size);
	if (n < sizeof size || size < sizeof note ||
	    (n - sizeof size) % size != 0 ||
	    (n - sizeof size) / size > QF_KINDS_MAX)
		return damaged(n, e);
	for (size_t at = sizeof size; at < n; at += size) {
		struct qf_declared_kind *k = &out->kind[out->nkinds++];

		memcpy(&note, p + at, sizeof note);
		memcpy(k->key, note.key, sizeof note.key);
		memcpy(k->value, note.value, sizeof note.value);
		k->effects = join(note.effects);
		k->flags = join(note.flags);
	}
	return 0;
}

/* Whatever there was, as a set of 1 << type. */
struct search {
	struct qf_declared *out;
	unsigned found;
};

static int take(
    struct search *s, const GElf_Nhdr *n, const char *desc, struct qf_err *e)
{
	if (n->n_type != QF_NOTE_PLUGIN && n->n_type != QF_NOTE_KINDS)
		return 0;
	if ((s->found & 1u << n->n_type) != 0)
		return qf_fail(e, QF_ESYMBOL,
		    "it has two notes of type %u; put QF_PLUGIN_NOTE and "
		    "QF_PLUGIN_KINDS once",
		    (unsigned)n->n_type);
	s->found |= 1u << n->n_type;
	return n->n_type == QF_NOTE_PLUGIN
		   ? take_plugin(s->out, desc, n->n_descsz, e)
		   : take_kinds(s->out, desc, n->n_descsz, e);
}

static int search_section(struct search *s, Elf_Data *data, struct qf_err *e)
{
	size_t at = 0, name, desc;
	GElf_Nhdr n;
	int rc = 0;

	while (rc == 0 && (at = gelf_getnote(data, at, &n, &name, &desc)) > 0) {
		const char *p = data->d_buf;

		if (n.n_namesz == sizeof QF_NOTE_NAME &&
		    memcmp(p + name, QF_NOTE_NAME, n.n_namesz) == 0)
			rc = take(s, &n, p + desc, e);
	}
	return rc;
}

/* 1, 0 without the note of a plugin, QF_ESYMBOL. */
static int search_all(struct qf_declared *out, Elf *elf, struct qf_err *e)
{
	struct search s = {.out = out};
	Elf_Scn *section = NULL;
	int rc = 0;

	while (rc == 0 && (section = elf_nextscn(elf, section)) != NULL) {
		GElf_Shdr head;
		Elf_Data *data;

		if (gelf_getshdr(section, &head) == NULL ||
		    head.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(section, NULL);
		if (data != NULL)
			rc = search_section(&s, data, e);
	}
	return rc < 0 ? rc : (s.found & 1u << QF_NOTE_PLUGIN) != 0;
}

/* Notes are read as numbers of this machine. */
static bool is_native(Elf *elf)
{
	static const uint16_t one = 1;
	int order = *(const uint8_t *)&one == 1 ? ELFDATA2LSB : ELFDATA2MSB;
	size_t n;
	const char *ident = elf_getident(elf, &n);

	return elf_kind(elf) == ELF_K_ELF && n > EI_DATA &&
	       ident[EI_DATA] == order;
}

static int read_note(
    struct qf_declared *out, int fd, const char *path, struct qf_err *e)
{
	Elf *elf;
	int rc;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return qf_fail(e, QF_EPLUGIN, "libelf: %s", elf_errmsg(-1));
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf == NULL || !is_native(elf))
		rc = qf_fail(e, QF_EPLUGIN,
		    "%s is no shared object of this machine", path);
	else
		rc = search_all(out, elf, e);
	elf_end(elf);
	return rc;
}

/* Who can write a plugin runs in our name: the rule of control files. */
static int open_file(const char *path, uid_t owner, struct qf_err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		qf_fail_sys(e, QF_EPLUGIN, "%s", path);
	} else if (qf_ctl_check_modes(&st, owner, path, e) < 0) {
		e->rc = QF_EPLUGIN;
	} else {
		return fd;
	}
	qf_close(&fd);
	return e->rc;
}

int qf_note_read(
    const char *name, uid_t owner, struct qf_declared *out, struct qf_err *e)
{
	struct qf_buf path = QF_BUF_INIT;
	int fd, rc;

	*out = (struct qf_declared){0};
	qf_dir_join(&path, QF_DIR_PLUGINS, name);
	qf_buf_adds(&path, ".so");
	rc = fd = open_file(path.s, owner, e);
	if (fd >= 0)
		rc = read_note(out, fd, path.s, e);
	qf_close(&fd);
	if (rc < 0)
		qf_err_context(e, "plugin %s", name);
	if (rc <= 0)
		*out = (struct qf_declared){0};
	qf_buf_free(&path);
	return rc;
}

int qf_note_stage(const struct qf_ctl *ctl, const struct qf_chain *chain,
    const struct qf_stage *stage, struct qf_declared *out, struct qf_err *e)
{
	struct qf_setting known[QF_KINDS_MAX + 1] = {0};
	struct qf_problems unheard = {0};
	int rc = qf_note_read(stage->plugin, ctl->owner, out, e);
	struct qf_conf conf;

	if (rc <= 0 || out->nkinds == 0)
		return rc;
	for (size_t i = 0; i < out->nkinds; i++)
		known[i].key = out->kind[i].key;
	qf_conf_load(&conf, ctl, chain, stage, known, &unheard);
	for (size_t i = 0; i < out->nkinds; i++) {
		const struct qf_declared_kind *k = &out->kind[i];
		const struct qf_conf_value *v = qf_conf_find(&conf, k->key);

		if (v == NULL || !qf_span_is(v->value, k->value))
			continue;
		out->effects = k->effects;
		out->flags = k->flags;
		break;
	}
	qf_conf_free(&conf);
	return rc;
}

static bool same_kind(const struct qf_declared_kind *a, const struct qf_kind *b)
{
	return b->key != NULL && strcmp(a->key, b->key) == 0 &&
	       strcmp(a->value, b->value) == 0 && a->effects == b->effects &&
	       a->flags == b->flags;
}

static bool same_kinds(
    const struct qf_declared *note, const struct qf_kind *kinds)
{
	for (size_t i = 0; i < note->nkinds; i++) {
		if (kinds == NULL || !same_kind(&note->kind[i], &kinds[i]))
			return false;
	}
	return kinds == NULL || kinds[note->nkinds].key == NULL;
}

int qf_note_compare(const struct qf_declared *note,
    const struct qf_plugin *plugin, struct qf_err *e)
{
	const struct {
		const char *name;
		uint64_t note, plugin;
	} field[] = {
	    {"abi_major", note->abi_major, plugin->abi_major},
	    {"abi_minor", note->abi_minor, plugin->abi_minor},
	    {"needs", note->needs, plugin->needs},
	    {"wants", note->wants, plugin->wants},
	    {"effects", note->effects, plugin->effects},
	    {"flags", note->flags, plugin->flags},
	};

	for (size_t i = 0; i < sizeof field / sizeof *field; i++) {
		if (field[i].note != field[i].plugin)
			return qf_fail(e, QF_ESYMBOL,
			    "plugin %s says %s %#" PRIx64 " in its note and "
			    "%#" PRIx64 " in %s; use the same constant for "
			    "both",
			    plugin->name, field[i].name, field[i].note,
			    field[i].plugin, QF_PLUGIN_SYMBOL);
	}
	if (!same_kinds(note, plugin->kinds))
		return qf_fail(e, QF_ESYMBOL,
		    "plugin %s says other kinds in its note than in %s; make "
		    "both with QF_PLUGIN_KINDS",
		    plugin->name, QF_PLUGIN_SYMBOL);
	return 0;
}
