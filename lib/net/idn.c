#include "lib/net/idn.h"

#include <stdbool.h>
#include <string.h>

#include <idn2.h>

#include "lib/base/buf.h"
#include "lib/net/ip.h"

enum {
	LABEL_MAX = 63
};

static bool is_ascii(struct qf_span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] > 127)
			return false;
	}
	return true;
}

static bool is_host_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* What is wrong with an ASCII name, or NULL. */
static const char *wrong(struct qf_span name)
{
	size_t label = 0;

	if (name.n == 0)
		return "it is empty";
	if (name.n >= QF_HOST_NAME)
		return "it is longer than 253 bytes";
	for (size_t i = 0; i <= name.n; i++) {
		if (i < name.n && name.p[i] != '.') {
			if (!is_host_byte(name.p[i]))
				return "only letters, digits, hyphens and dots "
				       "may be in it";
			label++;
			continue;
		}
		if (label == 0)
			return "there is nothing before or after a dot";
		if (label > LABEL_MAX)
			return "a part of it is longer than 63 bytes";
		label = 0;
	}
	return NULL;
}

static int refuse(struct qf_err *e, struct qf_span name, const char *why)
{
	char shown[100];
	size_t n = name.n < sizeof shown ? name.n : sizeof shown - 1;

	for (size_t i = 0; i < n; i++)
		shown[i] =
		    name.p[i] >= ' ' && name.p[i] <= '~' ? name.p[i] : '?';
	shown[n] = '\0';
	return qf_fail(e, QF_EINVAL, "%s is no host name: %s", shown, why);
}

static int accept_ascii(
    char *out, struct qf_span name, struct qf_span shown, struct qf_err *e)
{
	const char *why;

	if (name.n > 0 && name.p[name.n - 1] == '.')
		name.n--;
	why = wrong(name);
	if (why != NULL)
		return refuse(e, shown, why);
	memcpy(out, name.p, name.n);
	out[name.n] = '\0';
	return 0;
}

int qf_idn_host(char out[QF_HOST_NAME], struct qf_span name, struct qf_err *e)
{
	char utf8[4 * QF_HOST_NAME], *ascii = NULL;
	struct qf_ip ip;
	int rc;

	if (qf_ip_literal(&ip, name))
		return refuse(e, name, "it is an address");
	if (is_ascii(name))
		return accept_ascii(out, name, name, e);
	if (name.n >= sizeof utf8 || memchr(name.p, '\0', name.n) != NULL)
		return refuse(e, name, "it is too long or has a zero byte");
	memcpy(utf8, name.p, name.n);
	utf8[name.n] = '\0';
	rc = idn2_to_ascii_8z(
	    utf8, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
	if (rc != IDN2_OK)
		return refuse(e, name, idn2_strerror(rc));
	/* Unicode has other ways to write an address. */
	rc = qf_ip_literal(&ip, qf_span(ascii))
		 ? refuse(e, name, "it is an address")
		 : accept_ascii(out, qf_span(ascii), name, e);
	idn2_free(ascii);
	return rc;
}
