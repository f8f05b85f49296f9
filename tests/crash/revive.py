"""Starts the real sender on a disk that a power cut may have left."""

import collections
import os
import re
import subprocess

import disk
import judge
import scenarios

MODULE = """#!/bin/sh
cat <&3 >"$OUT/$$.mail"
echo 250 ok
"""
KEEPER = """#!/bin/sh
cat >"$OUT/$$.bounce"
"""
# So many messages may lack their bytes.
SPARE = 50
NUMBERED = re.compile(r"(\w+)/(?:(\d+)/)?(\d+)(\.mess)?")


class Reviver:
    """A folder in which one disk after the other is made."""

    def __init__(self, folder, sbin):
        os.makedirs(folder)
        self.world = scenarios.World(folder + "/world", sbin)
        self.queue, self.out = self.world.queue, self.world.env["OUT"]
        for name in "stub", "smtp":
            scenarios.write("%s/world/protocols/%s" % (folder, name),
                            MODULE.encode(), 0o755)
        scenarios.write(folder + "/world/bouncer", KEEPER.encode(), 0o755)
        self.own = set(self.files())
        # Numbers of files that are there: no message here gets one of them.
        self.spare = []
        for n in range(SPARE):
            path = "%s/spare.%d" % (folder, n)
            scenarios.write(path, b"")
            self.spare.append(str(os.stat(path).st_ino))

    def files(self):
        for base, _, names in os.walk(self.queue):
            for name in names:
                yield os.path.join(base, name)

    def clear(self):
        for path in list(self.files()):
            if path not in self.own:
                os.unlink(path)
        for name in os.listdir(self.out):
            os.unlink(os.path.join(self.out, name))

    def build(self, files):
        """Writes the tree. A message gets the number of its file here, and
        all that belongs to it the same."""
        made, numbers = {}, {}
        for path in sorted(files, key=lambda p: (
                not p.startswith("mess/"), not p.endswith(".mess"), p)):
            if path.startswith("lock/"):
                continue
            first = made.get(files[path].inode.ident)
            if first is None:
                first = self.queue + "/new"
                scenarios.write(first, files[path].data)
            else:
                os.link(first, self.queue + "/new")
            path_here = os.path.join(self.queue, self.rename(path, numbers))
            os.rename(self.queue + "/new", path_here)
            made[files[path].inode.ident] = path_here
        for path in files.values():
            if path.inode.ident in made and path.time is not None:
                when = 10 ** 9 if path.time is disk.STALE else \
                    path.time[0] * 10 ** 9 + path.time[1]
                here = made[path.inode.ident]
                os.utime(here, ns=(os.stat(here).st_atime_ns, when))

    def rename(self, path, numbers):
        match = NUMBERED.fullmatch(path)
        if not match:
            return path
        place, split, number, tail = match.groups()
        if number not in numbers:
            numbers[number] = str(os.stat(self.queue + "/new").st_ino) \
                if place == "mess" or tail else self.spare[len(numbers)]
        number = numbers[number]
        if split is None:
            return "%s/%s" % (place, number)
        return "%s/%d/%s%s" % (place, int(number) % judge.SPLIT, number,
                               tail or "")

    def run(self, tree, delivery, judged):
        """What is wrong after one run of the sender."""
        self.clear()
        self.build(tree.files)
        with open(self.world.folder + "/log", "wb") as log:
            code = subprocess.run(
                [self.world.sbin + "/qfront-send", "--once"],
                env=self.world.env, stdin=subprocess.DEVNULL, stderr=log,
                timeout=60, check=False).returncode
        wrong = list(self.look(delivery, judged))
        if code != 0:
            wrong.append("qfront-send ends with %d" % code)
        if wrong:
            wrong.append("its log:\n" + scenarios.read(
                self.world.folder + "/log").decode(errors="replace"))
        return wrong

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
        failed = [scenarios.read(p) for p in self.files()
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
                yield scenarios.read(os.path.join(self.out, name))
