"""Scenarios of faults.py: messages on their way into the queue."""

import os
import re

import dkim

from faults_base import HARMLESS, MAKE, READ, Queue, read_file, \
    run, write_file


def temporary_codes():
    codes = set()
    with open(os.environ["CODES"], encoding="ascii") as table:
        for line in table:
            row = [word.strip() for word in line.split("|")]
            if row[0].isdigit() and row[1] == "Z":
                codes.add(int(row[0]))
    return codes


class Intake:
    """MESSAGE and ENVELOPE: what goes in; WANT and WANT_ENVELOPE: what must be
    in the queue, but for the Received line; CODES: the table of exit codes.
    PUBLIC_KEY, if set: on top there is a signature that this key verifies."""

    processes = ("qfront", "qfrontd", "qfront-queue")

    def __init__(self, directory, no_tmpfile):
        self.queue = Queue(directory + "/queue")
        self.env = dict(self.queue.env, QFRONT_LOG="stderr")
        if no_tmpfile:
            self.env["FAULT_NO_TMPFILE"] = "1"
        self.log = directory + "/log"
        self.want = read_file(os.environ["WANT"])
        self.envelope = read_file(os.environ["WANT_ENVELOPE"])
        self.key = None
        if "PUBLIC_KEY" in os.environ:
            self.key = b"v=DKIM1; k=rsa; p=" + b"".join(
                read_file(os.environ["PUBLIC_KEY"]).splitlines()[1:-1])
        self.temporary = temporary_codes()

    def attempt(self, env):
        return run([os.environ["SBIN"] + "/qfront"], dict(self.env, **env),
                   {0: (os.environ["MESSAGE"], READ),
                    1: (os.environ["ENVELOPE"], READ), 2: (self.log, MAKE)})

    def whole(self, files):
        """What is wrong with the only message, or None."""
        todo = [f for f in files if f.startswith("todo/")]
        if len(todo) != 1:
            return "the queue holds %d messages" % len(todo)
        ident = todo[0][len("todo/"):]
        mess = "mess/%d/%s" % (int(ident) % 23, ident)
        if set(files) - {"intd/" + ident} != {todo[0], mess}:
            return "the queue holds " + " ".join(files)
        data = read_file(os.path.join(self.queue.path, mess))
        received, _, rest = data.partition(b"\n")
        match = re.fullmatch(rb"Received: \(qmail (\d+) invoked by uid \d+\);"
                             rb" .*", received)
        if self.key:
            rest = self.without_signature(rest)
        if not match or rest != self.want:
            return "the message is not whole: %r" % data
        data = read_file(os.path.join(self.queue.path, todo[0]))
        if data != self.record(match[1]):
            return "the envelope is not whole: %r" % data
        return None

    def without_signature(self, data):
        """What it signs, or None where it does not verify."""
        field = re.match(rb"DKIM-Signature:.*\n([ \t].*\n)*", data)
        wire = data.replace(b"\n", b"\r\n")
        if field and dkim.verify(wire, dnsfunc=lambda *_, **__: self.key):
            return data[field.end():]
        return None

    def record(self, pid):
        return b"u%d\0p%s\0%s" % (os.getuid(), pid, self.envelope[:-1])

    def judge(self, call, how, code):
        files = self.queue.files()
        queued = any(f.startswith("todo/") for f in files)
        self.queue_left = files
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        if code == 0 and call == "fsync" and how != "none":
            return "what could not be synced counts as queued"
        if code == 0:
            return self.whole(files)
        if code < 0 and how == "kill":
            return self.whole(files) if queued else None
        if code not in self.temporary:
            return "not a temporary code"
        if files:
            return "left in the queue: " + " ".join(files)
        return None

    def clean(self):
        self.queue.clear(self.queue_left)


class Groups:
    """MESSAGE: what goes in three times; CODES: the table of exit codes."""

    processes = ("qfront-queue",)
    attributes = ([], [b"HOLD=why", b"STAGE=spam"], [b"ROUTE=mx.example:26"])

    def __init__(self, directory, no_tmpfile):
        self.queue = Queue(directory + "/queue")
        self.env = dict(self.queue.env, QFRONT_LOG="stderr")
        if no_tmpfile:
            self.env["FAULT_NO_TMPFILE"] = "1"
        self.log = directory + "/log"
        self.message = read_file(os.environ["MESSAGE"])
        self.files = {0: ("/dev/null", READ), 2: (self.log, MAKE)}
        for k, attributes in enumerate(self.attributes):
            path = "%s/e%d" % (directory, k)
            write_file(path, b"Fs%d@x.example\0Tr@y.example\0\0" % k +
                       b"".join(a + b"\0" for a in attributes))
            self.files[3 + 2 * k] = (os.environ["MESSAGE"], READ)
            self.files[4 + 2 * k] = (path, READ)
        self.temporary = temporary_codes()

    def attempt(self, env):
        return run([os.environ["SBIN"] + "/qfront-queue", "--groups", "3"],
                   dict(self.env, **env), self.files)

    def read(self, name):
        return read_file(os.path.join(self.queue.path, name))

    def check(self, name, files):
        """One that is seen: which it is, and its files; or a complaint."""
        ident = os.path.basename(name)
        split = "%d/%s" % (int(ident) % 23, ident)
        mess = "mess/" + split
        if name.startswith("hold/"):
            mess = name + ".mess"
        record = re.fullmatch(rb"u\d+\0p\d+\0Fs(\d)@x.example\0Tr@y.example\0",
                              self.read(name))
        if not record or mess not in files:
            return "an envelope is not whole", None
        k = int(record[1])
        if self.read(mess).partition(b"\n")[2] != self.message:
            return "a message is not whole", None
        mine = {name, mess}
        if self.attributes[k]:
            mine.add("attr/" + split)
            kept = self.read("attr/" + split) if "attr/" + split in files \
                else b""
            if kept.split(b"\n")[1:-1] != self.attributes[k]:
                return "the attributes are not whole", None
        if name.startswith("hold/") != (k == 1):
            return "a message is in the wrong place", None
        return k, mine | ({"intd/" + ident} & set(files)
                          if name.startswith("todo/") else set())

    def seen(self, files):
        """Which messages are seen, and the files that are of none."""
        which, rest = [], set(files)
        for name in files:
            if re.fullmatch(r"todo/\d+|hold/\d+/\d+", name):
                k, mine = self.check(name, files)
                if mine is None:
                    return k, None
                which.append(k)
                rest -= mine
        return sorted(which), rest

    def judge(self, call, how, code):
        files = self.queue.files()
        self.queue_left = files
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        if code == 0 and call == "fsync" and how != "none":
            return "what could not be synced counts as queued"
        which, rest = self.seen(files)
        if rest is None:
            return which
        if call == "unlink":  # a first name, which is swept
            rest = {name for name in rest if not name.startswith("intd/")}
        if code == 0 and (which != [0, 1, 2] or rest):
            return "messages %s and files %s" % (which, sorted(rest))
        if code > 0 and code not in self.temporary:
            return "not a temporary code"
        if code > 0 and files:
            return "left in the queue: " + " ".join(files)
        if code < 0 and len(set(which)) != len(which):
            return "a message is there twice"
        return None

    def clean(self):
        self.queue.clear(self.queue_left)
