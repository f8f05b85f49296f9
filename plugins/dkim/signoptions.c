#include "plugins/dkim/signoptions.h"

#include <stdio.h>
#include <string.h>

enum {
	WORD_SIZE = IDENTITY_SIZE
};

static const char *skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

bool signoptions_seconds(uint64_t *out, const char *text)
{
	uint64_t n = 0;

	if (*text == '\0')
		return false;
	for (; *text >= '0' && *text <= '9'; text++) {
		n = n * 10 + (uint64_t)(*text - '0');
		if (n > UINT64_C(100) * 366 * 86400)
			return false;
	}
	*out = n;
	return *text == '\0';
}

static bool set_canon(struct signoptions *o, const char *word)
{
	static const struct {
		char letter;
		bool header, body;
	} canons[] = {{'r', false, false}, {'s', true, true},
	    {'t', false, true}, {'u', true, false}};

	for (size_t i = 0; i < sizeof canons / sizeof *canons; i++) {
		if (word[0] == canons[i].letter) {
			o->simple_header = canons[i].header;
			o->simple_body = canons[i].body;
			return true;
		}
	}
	return false;
}

static bool set_identity(struct signoptions *o, const char *word)
{
	snprintf(
	    o->identity, sizeof o->identity, "%s", word[0] == '-' ? "" : word);
	return true;
}

static bool set_lifetime(struct signoptions *o, const char *word)
{
	if (word[0] != '-')
		return signoptions_seconds(&o->lifetime, word);
	o->lifetime = 0;
	return true;
}

static bool set_algorithm(struct signoptions *o, const char *word)
{
	o->sha1 = word[0] == '1' || word[0] == '3';
	o->ed25519 = word[0] == '4';
	return word[0] >= '1' && word[0] <= '4';
}

static bool set_nothing(struct signoptions *o, const char *word)
{
	(void)o;
	(void)word;
	return true;
}

static const struct option {
	char letter;
	bool (*set)(struct signoptions *o, const char *word);
} with_word[] = {{'b', set_nothing}, {'c', set_canon}, {'i', set_identity},
    {'x', set_lifetime}, {'z', set_algorithm}};

static bool set_flag(struct signoptions *o, char letter)
{
	o->body_length |= letter == 'l';
	o->copied_headers |= letter == 'h';
	return strchr("lhqt", letter) != NULL;
}

/* The word at *p, which moves behind it. */
static bool take_word(const char **p, char word[WORD_SIZE])
{
	size_t n;

	*p = skip_space(*p);
	n = strcspn(*p, " \t");
	if (n == 0 || n >= WORD_SIZE)
		return false;
	memcpy(word, *p, n);
	word[n] = '\0';
	*p += n;
	return true;
}

/* One option, at its letter; its word may follow at once. */
static bool take_option(struct signoptions *o, const char **p)
{
	char letter = *(*p)++, word[WORD_SIZE];

	for (size_t i = 0; i < sizeof with_word / sizeof *with_word; i++) {
		if (with_word[i].letter == letter)
			return take_word(p, word) && with_word[i].set(o, word);
	}
	return set_flag(o, letter);
}

bool signoptions_parse(struct signoptions *o, const char *text)
{
	const char *p = skip_space(text);

	while (*p != '\0') {
		if (*p++ != '-')
			return false;
		do {
			if (*p == '\0' || !take_option(o, &p))
				return false;
		} while (*p != '\0' && *p != ' ' && *p != '\t');
		p = skip_space(p);
	}
	return true;
}
