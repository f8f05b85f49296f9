#!/usr/bin/python3
"""Verifies the DKIM signatures of a message with dkimpy, which shares no code
with libopendkim.

usage: dkimverify.py [--crlf] SELECTOR DOMAIN PUBLIC-KEY-FILE <MESSAGE

The public key is a PEM file, as `openssl pkey -pubout` writes it; it stands
for the DNS record SELECTOR._domainkey.DOMAIN, and no other record exists.
Prints a line for each signature: its number, `pass` or `fail`, its domain,
and for one that passes `h=` and the names that it signs. Exits 0 when there is a signature and all of them pass, else 1. With --crlf each line
end, LF or CR alone too, becomes CR LF first, as an SMTP client sends them.
"""

import base64
import re
import sys

import dkim


def main():
    arguments = sys.argv[1:]
    crlf = arguments[:1] == ["--crlf"]
    if len(arguments) != 3 + crlf:
        sys.exit(__doc__.split("\n\n")[1])
    selector, domain, path = arguments[crlf:]
    with open(path, encoding="ascii") as pem:
        key = re.sub(r"-----[^-]+-----|\s", "", pem.read())
    base64.b64decode(key, validate=True)
    records = {f"{selector}._domainkey.{domain}.": f"v=DKIM1; k=rsa; p={key}"}

    def lookup(name, timeout=5):
        return records.get(name.decode("ascii"), "").encode("ascii")

    message = sys.stdin.buffer.read()
    if crlf:
        message = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    verifier = dkim.DKIM(message)
    count = sum(1 for name, _ in verifier.headers
                if name.lower() == b"dkim-signature")
    bad = 0 if count else 1
    for i in range(count):
        try:
            good = verifier.verify(idx=i, dnsfunc=lookup)
        except dkim.DKIMException as error:
            good = False
            print(f"{i + 1} error: {error}")
        if good:
            names = b":".join(verifier.include_headers).decode("ascii")
            print(i + 1, "pass", domain, "h=" + names.lower())
        else:
            bad += 1
            print(i + 1, "fail", domain)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
