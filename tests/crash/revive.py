"""Starts the real sender on a disk that a power cut may have left."""

import collections
import os
import re
import stat
import subprocess

import disk
import judge
import repair
from world import World, read, write

MODULE = """#!/bin/sh
cat <&3 >"$OUT/$$.mail"
echo 250 ok
"""
KEEPER = """#!/bin/sh
cat >"$OUT/$$.bounce"
"""
# So many messages may lack their bytes.
SPARE = 50
NUMBERED = re.compile(r"(?!lost/)(\w+)/(?:(\d+)/)?(\d+)(.*)")


class Reviver:
    """A folder in which one disk after the other is made."""

    def __init__(self, folder, sbin):
        os.makedirs(folder)
        self.world = World(folder + "/world", sbin)
        self.queue, self.out = self.world.queue, self.world.env["OUT"]
        for name in "stub", "smtp":
            write("%s/world/protocols/%s" % (folder, name),
                            MODULE.encode(), 0o755)
        write(folder + "/world/bouncer", KEEPER.encode(), 0o755)
        self.parts = folder + "/parts"
        os.mkdir(self.parts)
        self.own, self.own_folders = set(self.files()), self.folders()
        # Numbers of files that are there: no message here gets one of them.
        self.spare = []
        for n in range(SPARE):
            path = "%s/spare.%d" % (folder, n)
            write(path, b"")
            self.spare.append(str(os.stat(path).st_ino))

    def files(self):
        for base, _, names in os.walk(self.queue):
            for name in names:
                yield os.path.join(base, name)

    def folders(self):
        return {os.path.relpath(os.path.join(base, name), self.queue)
                for base, names, _ in os.walk(self.queue) for name in names}

    def clear(self):
        for path in list(self.files()):
            if path not in self.own:
                os.unlink(path)
        for name in os.listdir(self.out):
            os.unlink(os.path.join(self.out, name))
        self.set_folders(self.own_folders)

    def set_folders(self, wanted):
        """The queue is empty."""
        there = self.folders()
        for name in sorted(there - wanted, reverse=True):
            os.rmdir(os.path.join(self.queue, name))
        for name in sorted(wanted - there):
            os.mkdir(os.path.join(self.queue, name))

    def build(self, files):
        """Writes the tree. A message gets the number of its file here, and
        all that belongs to it the same."""
        made, numbers = {}, {}
        for path in sorted(files):
            file = files[path]
            if path.startswith("lock/") and path != "lock/fixing":
                continue
            part = made.get(file.inode.ident)
            if part is None:
                part = "%s/%d" % (self.parts, file.inode.ident)
                made[file.inode.ident] = part
                self.make(part, file)
            match = repair.NAME.fullmatch(path)
            if match and repair.Name(match).bytes:
                numbers[str(file.inode.number or match[3])] = \
                    str(os.stat(part).st_ino)
        for path in sorted(files):
            part = made.get(files[path].inode.ident)
            if part:
                here = os.path.join(self.queue, self.rename(path, numbers))
                os.makedirs(os.path.dirname(here), exist_ok=True)
                os.link(part, here)
        for part in made.values():
            os.unlink(part)

    def make(self, path, file):
        write(path, file.data)
        # A stale time is that of this file here, which nothing else has.
        if file.time is not None and file.time is not disk.STALE:
            when = file.time[0] * 10 ** 9 + file.time[1]
            os.utime(path, ns=(os.stat(path).st_atime_ns, when))

    def rename(self, path, numbers):
        match = NUMBERED.fullmatch(path)
        if not match:
            return path
        place, split, number, tail = match.groups()
        # On its way to another number, which stands last.
        tail = re.sub(r"(?<=\.fix\.)\d+",
                      lambda m: self.number(m[0], numbers), tail)
        here = self.number(number, numbers)
        if split is None:
            return "%s/%s%s" % (place, here, tail)
        wrong = int(split) != int(number) % judge.SPLIT
        return "%s/%d/%s%s" % (place, (int(here) + wrong) % judge.SPLIT,
                               here, tail)

    def number(self, number, numbers):
        if number not in numbers:
            numbers[number] = self.spare[len(numbers)]
        return numbers[number]

    def program(self, name, *arguments):
        """Its exit code."""
        with open(self.world.folder + "/log", "ab") as log:
            return subprocess.run(
                [self.world.sbin + "/" + name, *arguments], stdout=log,
                env=self.world.env, stdin=subprocess.DEVNULL, stderr=log,
                timeout=60, check=False).returncode

    def run(self, folders, tree, delivery, judged, known):
        """What is wrong after a repair, where one is due, and a run of the
        sender, and one after all that is held was released."""
        self.clear()
        self.set_folders(folders)
        self.build(tree.files)
        write(self.world.folder + "/log", b"")
        wrong = []
        if known.broken:
            wrong += self.repair(tree, judged, known)
        wrong += self.send(delivery, judged)
        held = [path.rpartition("/")[2] for path in self.files()
                if re.search(r"/hold/\d+/\d+$", path)]
        if len(held) != len(delivery.held) and not delivery.remains:
            wrong.append("held are %s, not %s" % (held, delivery.held))
        if held and not wrong and not delivery.remains:
            code = self.program("qfrontctl", "queue", "release", *held)
            if code != 0:
                wrong.append("qfrontctl queue release ends with %d" % code)
            for name in os.listdir(self.out):
                os.unlink(os.path.join(self.out, name))
            wrong += self.send(delivery.later, judged)
        if wrong:
            wrong.append("its log:\n" + read(
                self.world.folder + "/log").decode(errors="replace"))
        return wrong

    def repair(self, tree, judged, known):
        """A repair, and what the judge says of its result."""
        code = self.program("qfrontctl", "queue", "fix")
        if code != 0:
            yield "qfrontctl queue fix ends with %d" % code
        after, there = known.copy(), {}
        after.broken = False
        for path in self.files():
            found = os.stat(path)
            inode = disk.Inode(found.st_ino, False, found.st_ino)
            there[os.path.relpath(path, self.queue)] = disk.File(
                inode, b"" if stat.S_ISFIFO(found.st_mode) else read(path),
                divmod(found.st_mtime_ns, 10 ** 9))
        for text in judged.judge(there, after, tree.ordered)[0]:
            yield "after a repair: " + text
        missing = self.own_folders - self.folders()
        if missing:
            yield "after a repair there is no " + " ".join(sorted(missing))

    def send(self, delivery, judged):
        code = self.program("qfront-send", "--once")
        if code != 0:
            yield "qfront-send ends with %d" % code
        yield from self.look(delivery, judged)

    def look(self, delivery, judged):
        got = collections.Counter()
        for data in self.kept(".mail"):
            head, _, message = data.partition(b"\n\n")
            sender, *rcpts = head.split(b"\n")
            mail = judged.whole(message)
            if mail is None or mail.sender != sender:
                yield "the sender delivers a damaged message: %r" % data
                continue
            got.update((mail.name, r) for r in rcpts)
        want = collections.Counter((m.name, r) for m, r in delivery.due)
        if got != want:
            yield "the sender delivers %s instead of %s" % (
                sorted(got.elements()), sorted(want.elements()))
        bounces = list(self.kept(".bounce"))
        failed = [read(p) for p in self.files()
                  if p.startswith(self.queue + "/failed/")]
        for mail, rcpts in delivery.failed:
            if mail.sender and not any(mail.token in b for b in bounces):
                yield "no bounce tells that %s failed" % mail.name
            if not any(mail.body in f and all(r + b"\n" in f for r in rcpts)
                       for f in failed):
                yield "%s is not kept in failed/" % mail.name
        left = [p for p in self.files()
                if re.search("/(todo|info)/", p[len(self.queue):])]
        if len(left) > delivery.remains:
            yield "left in the queue: " + " ".join(left)

    def kept(self, tail):
        for name in os.listdir(self.out):
            if name.endswith(tail):
                yield read(os.path.join(self.out, name))
