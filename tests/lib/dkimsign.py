#!/usr/bin/python3
"""Signs a message with dkimpy, which shares no code with libopendkim, and as
badly as it is told to.

usage: dkimsign.py [-a ALGORITHM] [-c HEADER/BODY] [-l] [-t TAG=VALUE]...
           SELECTOR DOMAIN KEY-FILE <MESSAGE >SIGNED

-a: rsa-sha256 (the default), rsa-sha1 or ed25519-sha256. -l: with the length
of the body. -t sets a tag to a value before signing, whatever it does to the
signature; without `=` it is left out. The key is a PEM file (PKCS #8). The
message has LF line ends, and is signed with CR LF.
"""

import argparse
import base64
import re
import sys

import dkim


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("-a", default="rsa-sha256")
    parser.add_argument("-c", default="relaxed/relaxed")
    parser.add_argument("-l", action="store_true")
    parser.add_argument("-t", action="append", default=[])
    parser.add_argument("selector")
    parser.add_argument("domain")
    parser.add_argument("key")
    return parser.parse_args()


def read_key(path, algorithm):
    with open(path, "rb") as pem:
        key = pem.read()
    if algorithm != "ed25519-sha256":
        return key
    # The seed is the end of the structure.
    der = base64.b64decode(re.sub(rb"-----[^-]+-----|\s", b"", key))
    return base64.b64encode(der[-32:])


class Signer(dkim.DKIM):
    """Changes the tags when all are known."""

    tags = []

    def gen_header(self, fields, include_headers, *rest, **options):
        for tag in self.tags:
            name, sign, value = (x.encode() for x in tag.partition("="))
            fields = [f for f in fields if f[0] != name]
            if sign:
                fields.insert(len(fields) - 1, (name, value))
            if name == b"h":
                include_headers = [x.strip() for x in value.split(b":")]
        return super().gen_header(fields, include_headers, *rest, **options)


def main():
    args = arguments()
    message = sys.stdin.buffer.read()
    signer = Signer(message.replace(b"\n", b"\r\n"),
                    signature_algorithm=args.a.encode())
    signer.tags = args.t
    field = signer.sign(
        args.selector.encode(), args.domain.encode(),
        read_key(args.key, args.a), length=args.l,
        canonicalize=tuple(c.encode() for c in args.c.split("/")))
    sys.stdout.buffer.write(field.replace(b"\r\n", b"\n") + message)


if __name__ == "__main__":
    main()
