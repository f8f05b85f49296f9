#!/usr/bin/python3
"""A scripted QMQP server for tests: fakesmtp.py with two more steps.

usage: fakeqmqp.py OPTION... SCRIPT

Options, other steps and exit codes are those of fakesmtp.py.

  package        read a message with its envelope: one netstring
  reply TEXT     send TEXT as a netstring

With --record FILE, package I (from 1) of connection K becomes
FILE.K.I.eml, the message as it came, and FILE.K.I.json with "sender" and
"recipients". They are read by code that shares none with ours.

Example, a message that is taken:

  package
  reply Kok 1700000000 qp 4711
"""

import json
import sys

sys.dont_write_bytecode = True

import fakesmtp  # noqa: E402, from the same folder


def netstring(data):
    """The netstring that data starts with, and the rest."""
    length, colon, rest = data.partition(b":")
    if not colon or not length.isdigit() or str(int(length)) != \
            length.decode():
        raise fakesmtp.Mismatch(f"no netstring: {data[:40]!r}")
    size = int(length)
    if rest[size:size + 1] != b",":
        raise fakesmtp.Mismatch(f"netstring without its end: {data[:40]!r}")
    return rest[:size], rest[size + 1:]


class Connection(fakesmtp.Connection):
    packages = 0

    def package(self, count, text):
        length = self.until(b":")
        if not length[:-1].isdigit() or len(length) > 20:
            raise fakesmtp.Mismatch(f"no netstring: {length!r}")
        size = int(length[:-1]) + 1
        while len(self.pending) < size:
            if not self.more():
                raise fakesmtp.Mismatch("client closed inside its package")
        body, _ = netstring(length + self.take(size))
        message, rest = netstring(body)
        sender, rest = netstring(rest)
        recipients = []
        while rest:
            recipient, rest = netstring(rest)
            recipients.append(recipient.decode("latin-1"))
        if not recipients:
            raise fakesmtp.Mismatch("no recipients")
        self.packages += 1
        self.store(message, sender.decode("latin-1"), recipients)

    def store(self, message, sender, recipients):
        if not self.name:
            return
        base = f"{self.name}.{self.packages}"
        with open(f"{base}.eml", "wb") as out:
            out.write(message)
        with open(f"{base}.json", "w", encoding="utf-8") as out:
            json.dump({"sender": sender, "recipients": recipients}, out)

    def reply(self, count, text):
        data = self.bytes_of(text)
        self.send(b"%d:%b," % (len(data), data))


if __name__ == "__main__":
    fakesmtp.TAKES_NOTHING += ("package",)
    fakesmtp.TAKES_TEXT += ("reply",)
    fakesmtp.Connection = Connection
    sys.exit(fakesmtp.main())
