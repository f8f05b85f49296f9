#include "plugins/dkim/status.h"

#include <stddef.h>

/* The best results first. B, D, M and T are indimail's too, but nothing here
 * comes to them. */
static const struct status statuses[] = {
    {STATUS_GOOD, "pass", "good        ", "7.0"},
    {STATUS_EXTRA, "pass",
	"signature result: signature verified but it did not include all of "
	"the body",
	"7.21"},
    {STATUS_PARTIAL, "pass",
	"verify result: at least one but not all signatures verified", "7.22"},
    {STATUS_THIRD_PARTY, "pass",
	"verify result: signed by another domain than the author's", "7.22"},
    {STATUS_DNS_TEMP, "temperror",
	"signature error: temporary dns failure requesting selector", "7.20"},
    {STATUS_BAD_TESTING, "neutral",
	"signature error: verify failed but testing", "7.20"},
    {STATUS_UNSIGNED, "policy",
	"signature error: not all of the header that must be is signed",
	"7.21"},
    {STATUS_BODY, "fail",
	"signature verify error: message body does not hash to bh value",
	"7.20"},
    {STATUS_BAD, "fail", "signature error: verify failed", "7.20"},
    {STATUS_EXPIRED, "fail", "signature error: x= is old", "7.20"},
    {STATUS_ALGORITHM, "permerror",
	"signature error: selector h= or k= doesn't match signature a=",
	"7.21"},
    {STATUS_REVOKED, "permerror", "signature error: selector p= empty", "7.20"},
    {STATUS_BAD_KEY, "permerror",
	"signature error: selector p= value invalid or wrong format", "7.20"},
    {STATUS_SELECTOR, "permerror",
	"signature error: selector doesn't parse or contains invalid values",
	"7.20"},
    {STATUS_DNS_PERM, "permerror",
	"signature error: permanent dns failure requesting selector", "7.20"},
    {STATUS_LONG_NAME, "permerror",
	"signature error: selector domain name too long to request", "7.20"},
    {STATUS_IDENTITY, "permerror", "signature error: bad d= or i=", "7.20"},
    {STATUS_VERSION, "permerror", "signature error: incompatible v=", "7.20"},
    {STATUS_SYNTAX, "neutral",
	"signature error: DKIM-Signature could not parse or has bad "
	"tags/values",
	"7.20"},
    {STATUS_FAIL, "permerror", "DKIM Signature verification failed", "7.20"},
    {STATUS_NONE, "none", "no signatures", "7.20"},
};

enum {
	N = sizeof statuses / sizeof *statuses
};

static size_t find(char letter)
{
	size_t i = 0;

	while (i < N - 1 && statuses[i].letter != letter)
		i++;
	return i;
}

const struct status *status_of(char letter)
{
	return &statuses[find(letter)];
}

int status_rank(char letter)
{
	return (int)(N - find(letter));
}
