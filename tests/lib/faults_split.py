"""Scenario of faults.py: one message whose recipients go different ways."""

import os
import re

from faults_base import HARMLESS, MAKE, READ, Queue, read_file, run
from faults_intake import temporary_codes

# Recipient, what stands on top of its message, and where it belongs.
WAYS = {b"a@one.example": (b"", "todo"),
        b"b@two.example": (b"X-Judge: two\n", "todo"),
        b"hold-spam@one.example": (b"", "hold")}


class Split:
    """MESSAGE: what goes in for all of them; CODES: the table of exit codes.
    The chain is `judge` and `judge@two mark=two rcpt=@two.example`."""

    processes = ("qfront", "qfrontd", "qfront-queue")

    def __init__(self, directory, no_tmpfile):
        self.queue = Queue(directory + "/queue")
        self.env = dict(self.queue.env, QFRONT_LOG="stderr")
        if no_tmpfile:
            self.env["FAULT_NO_TMPFILE"] = "1"
        self.log = directory + "/log"
        self.envelope = directory + "/envelope"
        with open(self.envelope, "wb") as out:
            out.write(b"Fs@x.example\0" +
                      b"".join(b"T" + r + b"\0" for r in WAYS) + b"\0")
        self.message = read_file(os.environ["MESSAGE"])
        self.temporary = temporary_codes()

    def attempt(self, env):
        return run([os.environ["SBIN"] + "/qfront"], dict(self.env, **env),
                   {0: (os.environ["MESSAGE"], READ),
                    1: (self.envelope, READ), 2: (self.log, MAKE)})

    def read(self, name):
        return read_file(os.path.join(self.queue.path, name))

    def check(self, name):
        """The recipient of one that is seen, or a complaint in its place."""
        record = re.fullmatch(rb"u\d+\0p\d+\0Fs@x.example\0T([^\0]*)\0",
                              self.read(name))
        if not record or record[1] not in WAYS:
            return None, "the envelope of %s is not whole" % name
        top, place = WAYS[record[1]]
        ident = os.path.basename(name)
        mess = "mess/%d/%s" % (int(ident) % 23, ident)
        if name.startswith("hold/"):
            mess = name + ".mess"
        if not name.startswith(place):
            return None, "%s is in the wrong place" % name
        if self.read(mess).partition(b"\n")[2] != top + self.message:
            return None, "the message of %s is not whole" % name
        return record[1], None

    def judge(self, call, how, code):
        files = self.queue.files()
        self.queue_left = files
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        if code == 0 and call == "fsync" and how != "none":
            return "what could not be synced counts as queued"
        seen = []
        for name in files:
            if re.fullmatch(r"todo/\d+|hold/\d+/\d+", name):
                rcpt, complaint = self.check(name)
                if complaint:
                    return complaint
                seen.append(rcpt)
        if code == 0 and sorted(seen) != sorted(WAYS):
            return "only %r are queued" % seen
        if code > 0 and code not in self.temporary:
            return "not a temporary code"
        if code > 0 and files:
            return "left in the queue: " + " ".join(files)
        if code < 0 and len(set(seen)) != len(seen):
            return "a message is there twice"
        return None

    def clean(self):
        self.queue.clear(self.queue_left)
