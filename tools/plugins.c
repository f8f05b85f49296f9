/*
 * qfrontctl plugins: what stands in PLUGINDIR, what each plugin declares and
 * which settings it takes. A file that is no plugin of this host is a line
 * too.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/ctl.h"
#include "lib/base/json.h"
#include "lib/base/paths.h"
#include "tools/command.h"
#include "tools/describe.h"

/* For a terminal or for a program. */
struct output {
	bool json;
	struct qf_buf text;
	struct qf_json writer;
	struct qf_strv problems;
};

static void print_bits(const char *what, enum qf_bits set, uint64_t bits)
{
	struct qf_strv names = {0};

	qf_bit_names(&names, set, bits);
	if (names.n > 0)
		printf("  %-8s", what);
	for (size_t i = 0; i < names.n; i++)
		printf(" %s", names.v[i]);
	if (names.n > 0)
		putchar('\n');
	qf_strv_free(&names);
}

static void print_plugin(const struct qf_described *d)
{
	printf("%s %s (ABI %s%s): %s\n", d->name, d->version, d->abi,
	    d->noted ? "" : ", no note", d->summary);
	print_bits("needs", QF_BITS_GROUPS, d->needs);
	print_bits("wants", QF_BITS_GROUPS, d->wants);
	print_bits("effects", QF_BITS_EFFECTS, d->effects);
	print_bits("flags", QF_BITS_FLAGS, d->flags);
	for (size_t i = 0; i < d->nkinds; i++) {
		printf("  with %s=%s instead:\n", d->kind[i].key,
		    d->kind[i].value);
		print_bits("  effects", QF_BITS_EFFECTS, d->kind[i].effects);
		print_bits("  flags", QF_BITS_FLAGS, d->kind[i].flags);
	}
	for (size_t i = 0; i < d->nsettings; i++) {
		printf("  %s=: %s", d->setting[i].key, d->setting[i].help);
		if (d->setting[i].variable != NULL)
			printf(" (or %s)", d->setting[i].variable);
		putchar('\n');
	}
}

static void write_bits(
    struct qf_json *j, const char *what, enum qf_bits set, uint64_t bits)
{
	struct qf_strv names = {0};

	qf_bit_names(&names, set, bits);
	qf_json_array(j, what);
	for (size_t i = 0; i < names.n; i++)
		qf_json_text(j, NULL, names.v[i]);
	qf_json_end(j);
	qf_strv_free(&names);
}

static void write_kinds(struct qf_json *j, const struct qf_described *d)
{
	qf_json_array(j, "kinds");
	for (size_t i = 0; i < d->nkinds; i++) {
		qf_json_object(j, NULL);
		qf_json_text(j, "setting", d->kind[i].key);
		qf_json_text(j, "value", d->kind[i].value);
		write_bits(j, "effects", QF_BITS_EFFECTS, d->kind[i].effects);
		write_bits(j, "flags", QF_BITS_FLAGS, d->kind[i].flags);
		qf_json_end(j);
	}
	qf_json_end(j);
}

static void write_settings(struct qf_json *j, const struct qf_described *d)
{
	qf_json_array(j, "settings");
	for (size_t i = 0; i < d->nsettings; i++) {
		qf_json_object(j, NULL);
		qf_json_text(j, "name", d->setting[i].key);
		qf_json_text(j, "help", d->setting[i].help);
		qf_json_text(j, "variable", d->setting[i].variable);
		qf_json_end(j);
	}
	qf_json_end(j);
}

static void write_plugin(struct qf_json *j, const struct qf_described *d)
{
	qf_json_object(j, NULL);
	qf_json_text(j, "name", d->name);
	qf_json_text(j, "version", d->version);
	qf_json_text(j, "abi", d->abi);
	qf_json_text(j, "summary", d->summary);
	qf_json_bool(j, "note", d->noted);
	write_bits(j, "needs", QF_BITS_GROUPS, d->needs);
	write_bits(j, "wants", QF_BITS_GROUPS, d->wants);
	write_bits(j, "effects", QF_BITS_EFFECTS, d->effects);
	write_bits(j, "flags", QF_BITS_FLAGS, d->flags);
	write_kinds(j, d);
	write_settings(j, d);
	qf_json_end(j);
}

static void show(struct output *out, const char *name, uid_t owner)
{
	struct qf_described d;
	struct qf_err e;

	if (qf_describe(&d, name, owner, &e) < 0)
		qf_strv_add(&out->problems, e.text);
	else if (out->json)
		write_plugin(&out->writer, &d);
	else
		print_plugin(&d);
	qf_described_free(&d);
}

static int is_plugin(const struct dirent *de)
{
	size_t n = strlen(de->d_name);

	return n > 3 && de->d_name[0] != '.' &&
	       strcmp(de->d_name + n - 3, ".so") == 0;
}

/* 0, or -1 when the folder can not be read. */
static int show_all(struct output *out, uid_t owner)
{
	struct dirent **found;
	int n = scandir(qf_dir(QF_DIR_PLUGINS), &found, is_plugin, alphasort);

	for (int i = 0; i < n; i++) {
		char *name = found[i]->d_name;

		name[strlen(name) - 3] = '\0';
		show(out, name, owner);
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	return n < 0 ? -1 : 0;
}

static void finish(struct output *out)
{
	struct qf_json *j = &out->writer;

	if (out->json) {
		qf_json_end(j);
		qf_json_array(j, "problems");
	}
	for (size_t i = 0; i < out->problems.n; i++) {
		if (out->json)
			qf_json_text(j, NULL, out->problems.v[i]);
		else
			printf("%s\n", out->problems.v[i]);
	}
	if (out->json) {
		qf_json_end(j);
		qf_json_end(j);
		fwrite(out->text.s, 1, out->text.len, stdout);
	}
}

/* Who may own plugins besides root: the owner of CONTROLDIR, when there is
 * one. */
static uid_t find_owner(void)
{
	struct qf_ctl ctl;
	struct qf_err e;
	uid_t owner;

	if (qf_ctl_open(&ctl, qf_dir(QF_DIR_CONTROL), &e) < 0)
		return 0;
	owner = ctl.owner;
	qf_ctl_close(&ctl);
	return owner;
}

static int run(int argc, char **argv)
{
	struct output out = {.text = QF_BUF_INIT};
	int rc = QF_DONE;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--json") != 0))
		return QF_USAGE;
	out.json = argc == 2;
	out.writer.out = &out.text;
	if (out.json) {
		qf_json_object(&out.writer, NULL);
		qf_json_array(&out.writer, "plugins");
	}
	if (show_all(&out, find_owner()) < 0) {
		perror(qf_dir(QF_DIR_PLUGINS));
		rc = QF_TROUBLE;
	} else {
		finish(&out);
		rc = out.problems.n > 0 ? QF_FOUND : QF_DONE;
	}
	qf_buf_free(&out.text);
	qf_strv_free(&out.problems);
	return rc;
}

const struct qf_command qf_command_plugins = {
    .name = "plugins",
    .synopsis = "[--json]",
    .summary = "list the plugins, what they declare and their settings",
    .run = run,
};
