#!/usr/bin/python3
"""qmail's queue, read and written as notqmail's programs do it.

Written from what is known of qmail-queue, qmail-send, qmail-clean and
qmail-qread, and not from our code: what both agree on is the format.

usage: qmailqueue.py judge QUEUE
       qmailqueue.py show QUEUE
       qmailqueue.py preprocess QUEUE [--local DOMAIN]
       qmailqueue.py deliver QUEUE [--fail RCPT=TEXT] [--defer RCPT]
       qmailqueue.py write QUEUE [OPTION...] SENDER [RCPT...]

judge       prints what one of those programs would stumble over, and what
            they would never have left, a line each; exit code 1 when there is
            something.
show        prints each message as qmail-send sees it.
preprocess  takes every message out of todo, as qmail-send does.
deliver     delivers all that was preprocessed, as qmail-send does; says to
            whom, and what it would bounce; removes what is finished as
            qmail-clean does.
write       queues a message and prints its number. Options:
  --state S    fresh (as qmail-queue leaves it; the default), preprocessed,
               stale (fresh, with state of a crash), todo-left (preprocessed,
               with intd and todo), or litter of qmail-queue: pid, mess, intd
  --local N    the first N recipients are local ones
  --done RCPT  is marked
  --bounce RCPT=TEXT  and noted
  --birth T, --due T  times, in seconds since 1970
  --age T      all times of what qmail-queue makes
  --message FILE, --uid N, --pid N, --by WORDS
  --todo BYTES the content of todo in the place of the right one, with \\0
"""

import argparse
import os
import pathlib
import re
import stat
import sys
import time

SPLIT = 23
FOLDERS = {
    "pid": (0o700, False), "mess": (0o750, True), "intd": (0o700, False),
    "todo": (0o750, False), "info": (0o700, True), "local": (0o700, True),
    "remote": (0o700, True), "bounce": (0o700, False),
    "lock": (0o750, False)}
# What the makers' umasks leave: 033 of qmail-queue, 077 of qmail-send.
MODES = {"mess": 0o644, "todo": 0o644, "intd": 0o644, "info": 0o600,
         "local": 0o600, "remote": 0o600, "bounce": 0o600}
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
RECEIVED = re.compile(
    rb"Received: \(qmail [1-9][0-9]* invoked "
    rb"(?:by alias|from network|for bounce|by uid (?:0|[1-9][0-9]*))\); "
    rb"[1-9][0-9]? (?:" + "|".join(MONTHS).encode() + rb") [0-9]{4} "
    rb"[0-9]{2}:[0-9]{2}:[0-9]{2} -0000\n")


class Poison(Exception):
    """A record at which qmail-send stops."""


def records(data, letters, where):
    """The (letter, value) of each record."""
    if data and not data.endswith(b"\0"):
        raise Poison(f"{where}: the last record has no end")
    out = []
    for record in data.split(b"\0")[:-1]:
        letter = record[:1].decode("latin-1")
        if letter == "" or letter not in letters:
            raise Poison(f"{where}: unknown record type")
        out.append((letter, record[1:]))
    return out


def paragraphs(data, where):
    """The (recipient, text) of each failure in a bounce file."""
    if data and not data.endswith(b"\n\n"):
        raise Poison(f"{where}: does not end with an empty line")
    out = []
    for part in data.split(b"\n\n")[:-1]:
        head, _, text = part.partition(b"\n")
        if not head.startswith(b"<") or not head.endswith(b">:"):
            raise Poison(f"{where}: no recipient in {head!r}")
        if text == b"":
            raise Poison(f"{where}: no reason in {part!r}")
        out.append((head[1:-2], text))
    return out


def paragraph(rcpt, text):
    """One of them: no line of the text may end it before its end."""
    text = text.rstrip(b"\n") + b"\n"
    text = re.sub(rb"(?<=\n)\n", b"/", text)
    return b"<" + rcpt.replace(b"\n", b"_") + b">:\n" + text + b"\n"


class Queue:
    """The folders of one queue."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def path(self, folder, number):
        """Where a message's file of this folder is."""
        place = self.root / folder
        if FOLDERS[folder][1]:
            place /= str(int(number) % SPLIT)
        return place / str(number)

    def has(self, folder, number):
        """Is it there?"""
        return self.path(folder, number).exists()

    def read(self, folder, number):
        """Its bytes; none when it is not there."""
        path = self.path(folder, number)
        return path.read_bytes() if path.exists() else b""

    def remove(self, folder, number):
        """unlink(), when it is there."""
        self.path(folder, number).unlink(missing_ok=True)

    def write(self, folder, number, data, when=None):
        """A whole file."""
        path = self.path(folder, number)
        path.write_bytes(data)
        path.chmod(MODES[folder])
        if when is not None:
            os.utime(path, (when, when))

    def numbers(self, *folders):
        """All numbers that have a file in one of the folders."""
        found = set()
        for folder in folders:
            pattern = "*/*" if FOLDERS[folder][1] else "*"
            for path in (self.root / folder).glob(pattern):
                if path.name.isdigit() and not path.is_dir():
                    found.add(int(path.name))
        return sorted(found)

    def todo(self, number):
        """uid, pid, sender and recipients of a new message."""
        where = f"todo/{number}"
        items = records(self.read("todo", number), "upFT", where)
        sender = [v for letter, v in items if letter == "F"]
        uid = [v for letter, v in items if letter == "u"]
        pid = [v for letter, v in items if letter == "p"]
        if not sender:
            raise Poison(f"{where}: no sender")
        return (b"".join(uid[-1:]), b"".join(pid[-1:]), sender[0],
                [v for letter, v in items if letter == "T"])

    def sender(self, number):
        """Of a message that was preprocessed."""
        where = f"info/{number}"
        items = records(self.read("info", number), "F", where)
        if len(items) != 1:
            raise Poison(f"{where}: {len(items)} senders")
        return items[0][1]

    def channel(self, folder, number):
        """Its recipients there: [letter, address] each."""
        return records(self.read(folder, number), "TD",
                       f"{folder}/{number}")


class Judge:
    """Says what is wrong with a queue."""

    def __init__(self, queue):
        self.queue = queue
        self.owner = queue.root.stat().st_uid
        self.found = []

    def say(self, text):
        """One complaint."""
        self.found.append(text)

    def node(self, path, kind, mode):
        """One file, folder or FIFO: its stat() where it is right."""
        name = path.relative_to(self.queue.root)
        try:
            st = path.lstat()
        except FileNotFoundError:
            self.say(f"{name}: missing")
            return None
        if stat.S_IFMT(st.st_mode) != kind:
            self.say(f"{name}: not of its kind")
        elif stat.S_IMODE(st.st_mode) != mode:
            self.say(f"{name}: mode {stat.S_IMODE(st.st_mode):o}, "
                     f"not {mode:o}")
        if st.st_uid != self.owner:
            self.say(f"{name}: belongs to {st.st_uid}")
        return st

    def layout(self):
        """The folders, and what is in them and should not."""
        root = self.queue.root
        for folder, (mode, split) in FOLDERS.items():
            self.node(root / folder, stat.S_IFDIR, mode)
            names = [str(i) for i in range(SPLIT)] if split else []
            for name in names:
                self.node(root / folder / name, stat.S_IFDIR, mode)
            for path in (root / folder).iterdir():
                name = path.relative_to(root)
                if split and path.name not in names:
                    self.say(f"{name}: stray")
            for path in (root / folder).glob("*/*" if split else "*"):
                self.name(folder, path)
        self.node(root / "lock/trigger", stat.S_IFIFO, 0o622)
        self.node(root / "lock/sendmutex", stat.S_IFREG, 0o600)
        self.node(root / "lock/tcpto", stat.S_IFREG, 0o644)

    def name(self, folder, path):
        """A file must be where its number belongs."""
        name = path.relative_to(self.queue.root)
        if folder == "pid":
            self.say(f"{name}: left over")
        elif folder != "lock" and (
                not re.fullmatch("[1-9][0-9]*", path.name) or
                self.queue.path(folder, path.name) != path):
            self.say(f"{name}: no number that belongs there")

    def file(self, folder, number, links):
        """One file of a message; None when it is not there."""
        path = self.queue.path(folder, number)
        if not path.is_symlink() and not path.exists():
            return None
        st = self.node(path, stat.S_IFREG, MODES[folder])
        if st.st_nlink != links:
            self.say(f"{folder}/{number}: {st.st_nlink} links")
        return st

    def files(self, number):
        """The files of a message, as files."""
        mess = self.file("mess", number, 1)
        if mess is None:
            self.say(f"mess/{number}: missing")
        else:
            if mess.st_ino != number:
                self.say(f"mess/{number}: inode {mess.st_ino}")
            with self.queue.path("mess", number).open("rb") as file:
                if not RECEIVED.fullmatch(file.readline()):
                    self.say(f"mess/{number}: no Received line")
        first = self.queue.has("intd", number)
        todo = self.file("todo", number, 1 + first)
        intd = self.file("intd", number, 1 + (todo is not None))
        if intd is not None and todo is None:
            self.say(f"intd/{number}: without todo")
        elif intd is not None and intd.st_ino != todo.st_ino:
            self.say(f"intd/{number}: not the file that todo is")
        for folder in ("info", "local", "remote", "bounce"):
            self.file(folder, number, 1)

    def fresh(self, number):
        """One that is in todo."""
        uid, pid, _, _ = self.queue.todo(number)
        data = self.queue.read("todo", number)
        letters = [letter for letter, _ in records(data, "upFT", "")]
        if not re.fullmatch("upFT*", "".join(letters)):
            self.say(f"todo/{number}: records {''.join(letters)}")
        if not re.fullmatch(rb"0|[1-9][0-9]*", uid) or \
                not re.fullmatch(rb"[1-9][0-9]*", pid):
            self.say(f"todo/{number}: uid {uid!r}, pid {pid!r}")

    def settled(self, number):
        """One that was preprocessed."""
        self.queue.sender(number)
        rcpts = set()
        for folder in ("local", "remote"):
            items = self.queue.channel(folder, number)
            if self.queue.has(folder, number) and not items:
                self.say(f"{folder}/{number}: empty")
            rcpts.update(address.replace(b"\n", b"_")
                         for letter, address in items if letter == "D")
        noted = paragraphs(self.queue.read("bounce", number),
                           f"bounce/{number}")
        for rcpt, _ in noted:
            if rcpt not in rcpts:
                self.say(f"bounce/{number}: {rcpt!r} is not done")

    def message(self, number):
        """All of one message."""
        todo = self.queue.has("todo", number)
        info = self.queue.has("info", number)
        self.files(number)
        try:
            if todo:
                self.fresh(number)
            if info:
                self.settled(number)
        except Poison as e:
            self.say(str(e))
        if not todo and not info:
            self.say(f"mess/{number}: litter")

    def run(self):
        """The complaints."""
        self.layout()
        for number in self.queue.numbers(*MODES):
            self.message(number)
        return self.found


def text_of(data):
    """For people, one line."""
    return data.decode("utf-8", "backslashreplace").replace("\n", "/")


def show(queue):
    """What qmail-send makes of it."""
    for number in queue.numbers("todo", "info"):
        if queue.has("todo", number):
            uid, pid, sender, rcpts = queue.todo(number)
            print(f"new {number} uid {uid.decode()} pid {pid.decode()} "
                  f"<{text_of(sender)}>")
            for rcpt in rcpts:
                print(f"  {text_of(rcpt)}")
            continue
        print(f"old {number} <{text_of(queue.sender(number))}>")
        for folder in ("local", "remote"):
            for letter, rcpt in queue.channel(folder, number):
                print(f"  {folder} {letter} {text_of(rcpt)}")
        for rcpt, text in paragraphs(queue.read("bounce", number), "bounce"):
            print(f"  <{text_of(rcpt)}> {text_of(text)}")


def preprocess(queue, local):
    """todo to info, local and remote; qmail-clean removes intd and todo."""
    for number in queue.numbers("todo"):
        _, _, sender, rcpts = queue.todo(number)
        born = int(queue.path("todo", number).stat().st_mtime)
        for folder in ("info", "local", "remote", "bounce"):
            queue.remove(folder, number)
        lists = {"local": b"", "remote": b""}
        for rcpt in rcpts:
            is_local = rcpt.rpartition(b"@")[2] == os.fsencode(local)
            lists["local" if is_local else "remote"] += b"T" + rcpt + b"\0"
        queue.write("info", number, b"F" + sender + b"\0", born)
        for folder, data in lists.items():
            if data:
                queue.write(folder, number, data)
        queue.remove("intd", number)
        queue.remove("todo", number)


def attempt(queue, number, fail, defer):
    """One delivery to each recipient that has none: is one left?"""
    left = False
    for folder in ("local", "remote"):
        items = queue.channel(folder, number)
        at = 0
        for letter, rcpt in items:
            if letter == "T" and rcpt in defer:
                print(f"deferred {number} {text_of(rcpt)}")
                left = True
            elif letter == "T":
                with queue.path(folder, number).open("r+b") as file:
                    file.seek(at)
                    file.write(b"D")
                if rcpt in fail:
                    with queue.path("bounce", number).open("ab") as file:
                        os.fchmod(file.fileno(), MODES["bounce"])
                        file.write(paragraph(rcpt, fail[rcpt]))
                else:
                    print(f"delivered {number} {text_of(rcpt)}")
            at += len(rcpt) + 2
    return left


def deliver(queue, fail, defer):
    """What was preprocessed, to its end."""
    for number in queue.numbers("info"):
        if queue.has("todo", number) or \
                attempt(queue, number, fail, defer):
            continue
        for rcpt, text in paragraphs(queue.read("bounce", number), "bounce"):
            print(f"bounced {number} <{text_of(rcpt)}> {text_of(text)}")
        for folder in ("local", "remote", "bounce", "info", "intd", "mess"):
            queue.remove(folder, number)


def received(pid, by, when):
    """The line on top."""
    t = time.gmtime(when)
    return (f"Received: (qmail {pid} invoked {by}); {t.tm_mday} "
            f"{MONTHS[t.tm_mon - 1]} {t.tm_year} {t.tm_hour:02}:"
            f"{t.tm_min:02}:{t.tm_sec:02} -0000\n").encode()


def write_state(queue, number, args):
    """info, local, remote and bounce."""
    lists = {"local": args.rcpt[:args.local],
             "remote": args.rcpt[args.local:]}
    queue.write("info", number, b"F" + args.sender + b"\0", args.birth)
    for folder, rcpts in lists.items():
        data = b"".join((b"D" if rcpt in args.done else b"T") + rcpt + b"\0"
                        for rcpt in rcpts)
        if data:
            queue.write(folder, number, data, args.due)
    if args.bounce:
        queue.write("bounce", number, b"".join(
            paragraph(rcpt, text) for rcpt, text in args.bounce.items()))


def write(queue, args):
    """qmail-queue, and as much of qmail-send as the state says."""
    when = args.age if args.age is not None else time.time()
    first = queue.root / "pid" / f"{args.pid}.{int(when)}.1"
    first.touch(exist_ok=False)
    number = first.stat().st_ino
    mess, intd = queue.path("mess", number), queue.path("intd", number)
    first.chmod(MODES["mess"])
    first.write_bytes(received(args.pid, args.by, when) + args.message)
    os.utime(first, (when, when))
    print(number)
    if args.state == "pid":
        return
    mess.hardlink_to(first)
    first.unlink()
    if args.state == "mess":
        return
    data = args.todo
    if data is None:
        data = b"u%d\0p%d\0F%s\0" % (args.uid, args.pid, args.sender)
        data += b"".join(b"T" + rcpt + b"\0" for rcpt in args.rcpt)
    queue.write("intd", number, data, when)
    if args.state == "intd":
        return
    queue.path("todo", number).hardlink_to(intd)
    if args.state != "fresh":
        write_state(queue, number, args)
    if args.state == "preprocessed":
        queue.remove("intd", number)
        queue.remove("todo", number)


def pair(text):
    """RCPT=TEXT"""
    rcpt, _, why = os.fsencode(text).partition(b"=")
    return rcpt, why.decode("unicode_escape").encode("latin-1")


def parse():
    """The command line."""
    p = argparse.ArgumentParser(usage=__doc__)
    sub = p.add_subparsers(dest="command", required=True)
    for name in ("judge", "show", "preprocess", "deliver", "write"):
        sub.add_parser(name).add_argument("queue", type=Queue)
    sub.choices["preprocess"].add_argument("--local", default="localhost")
    d = sub.choices["deliver"]
    d.add_argument("--fail", type=pair, action="append", default=[])
    d.add_argument("--defer", type=os.fsencode, action="append", default=[])
    w = sub.choices["write"]
    w.add_argument("--state", default="fresh", choices=(
        "fresh", "preprocessed", "stale", "todo-left", "pid", "mess",
        "intd"))
    for name, default in (("uid", 7791), ("pid", 4711), ("local", 0),
                          ("birth", None), ("due", None), ("age", None)):
        w.add_argument(f"--{name}", type=int, default=default)
    w.add_argument("--done", type=os.fsencode, action="append", default=[])
    w.add_argument("--bounce", type=pair, action="append", default=[])
    w.add_argument("--by", default="from network")
    w.add_argument("--message", default=b"Subject: test\n\nHello.\n",
                   type=lambda name: pathlib.Path(name).read_bytes())
    w.add_argument("--todo", type=lambda text: pair("=" + text)[1])
    w.add_argument("sender", type=os.fsencode)
    w.add_argument("rcpt", nargs="*", type=os.fsencode)
    return p.parse_args()


def main():
    """One command."""
    args = parse()
    found = []
    try:
        if args.command == "judge":
            found = Judge(args.queue).run()
        elif args.command == "show":
            show(args.queue)
        elif args.command == "preprocess":
            preprocess(args.queue, args.local)
        elif args.command == "deliver":
            deliver(args.queue, dict(args.fail), args.defer)
        else:
            args.bounce = dict(args.bounce)
            write(args.queue, args)
    except Poison as e:
        found.append(str(e))
    for text in found:
        print(text)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
