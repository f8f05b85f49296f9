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

/* 1, or QF_ESYMBOL. */
static int take(
    struct qf_declared *out, const void *p, size_t n, struct qf_err *e)
{
	struct qf_plugin_note note = {0};

	memcpy(&note, p, n < sizeof note ? n : sizeof note);
	if (n < NOTE_SIZE_1_1 || note.size < NOTE_SIZE_1_1 || note.size > n)
		return qf_fail(e, QF_ESYMBOL,
		    "its note of %zu bytes is damaged; build it again", n);
	*out = (struct qf_declared){
	    .abi_major = note.abi_major,
	    .abi_minor = note.abi_minor,
	    .needs = join(note.needs),
	    .wants = join(note.wants),
	    .effects = join(note.effects),
	    .flags = join(note.flags),
	};
	return 1;
}

/* Looks for ours among the notes of one section: 1, 0, QF_ESYMBOL. */
static int search_section(
    struct qf_declared *out, Elf_Data *data, struct qf_err *e)
{
	size_t at = 0, name, desc;
	GElf_Nhdr n;

	while ((at = gelf_getnote(data, at, &n, &name, &desc)) > 0) {
		const char *p = data->d_buf;

		if (n.n_type == QF_NOTE_TYPE &&
		    n.n_namesz == sizeof QF_NOTE_NAME &&
		    memcmp(p + name, QF_NOTE_NAME, n.n_namesz) == 0)
			return take(out, p + desc, n.n_descsz, e);
	}
	return 0;
}

static int search(struct qf_declared *out, Elf *elf, struct qf_err *e)
{
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
			rc = search_section(out, data, e);
	}
	return rc;
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
		rc = search(out, elf, e);
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
	qf_buf_free(&path);
	return rc;
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
	return 0;
}
