#!/usr/bin/python3
"""Many callers queue mail at once and some of them are killed; then says what
came of it.

usage: kills.py [OPTION...] FOLDER

Each caller hands its messages to a program of SBIN, one after the other. All
of a call follows from the seed and its number: a body of 0 bytes to 70 KB, an
envelope, whether the envelope is a bad one, and whether the program is killed
(SIGKILL) after so many bytes of the message or of the envelope, or when it has
all. Others are killed wherever they are, one after every few answers. No
sender runs. Then each message in the queue is looked at with what
qmailqueue.py knows of the formats:

  * what got exit code 0 is there, whole, once;
  * what was refused is not there, and neither is what was killed before it
    had its whole envelope;
  * of what was killed later some may be there, each whole, once.

What the killed left is made old, and removed by `qfrontctl queue fix`: nothing
but whole messages remains. The sender then delivers exactly these.

Prints `name value` lines, and before them a line for each thing that is wrong;
exit code 1 when there is one.

  --program NAME   which one they call (qfront-queue); or its path
  --chain LINE     the chain of the front end
  --fault-so FILE  some are also killed at a system call, with this library
                   loaded (fault.c): SBIN must have programs that load it
  --named          with it: no file system has nameless files
"""

import argparse
import collections
import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

import qmailqueue
from faults_base import become_reaper, read_file, write_file

LARGEST = 70 * 1024
LONGEST = 1002  # bytes of an address
PIPE = 4096  # the least: all but so much of what was written has been read
CHANGES = 13  # calls that change something; some runs have less, or more
ANSWERS = 8  # after half to twice as many somebody else is killed
OLD = 3 * 86400
PATIENCE = 1800
SHOWN = 20

# Takes all that it is given. Numbers of processes come again.
MODULE = """#!/bin/sh
n=0
while [ -e "$OUT/$$.$n" ]; do
	n=$((n + 1))
done
exec cat <&3 >"$OUT/$$.$n"
"""


class Call:
    """What is done. at: after how many bytes, or at which system call."""

    def __init__(self, seed, number, at_calls):
        dice = random.Random(f"{seed}/{number}")
        self.body = dice.randbytes(int((LARGEST + 1) ** dice.random()) - 1)
        self.rcpts = [b"r%d.%d@test.example" % (number, i)
                      for i in range(dice.choice((0, 1, 1, 1, 2, 3, 300)))]
        self.sender = b""
        if not self.rcpts or dice.random() < 0.9:
            self.sender = b"s%d@test.example" % number
        self.envelope = b"F%s\0%s\0" % (
            self.sender, b"".join(b"T%s\0" % r for r in self.rcpts))
        self.code = 0
        if dice.random() < 0.1:
            self.spoil(dice)
        self.how = dice.choices(
            ("", "message", "envelope", "whole", "change"),
            (75, 6, 3, 8, 30 if at_calls else 0))[0]
        self.at = None
        if self.how == "message":
            self.at = dice.randint(0, len(self.body))
        elif self.how == "envelope":
            self.at = dice.randint(0, max(0, len(self.envelope) - 1))
        elif self.how == "change":
            self.at = dice.randint(1, CHANGES)

    def spoil(self, dice):
        """An envelope that is refused."""
        self.code = dice.choice((11, 54, 91))
        if self.code == 11:
            self.envelope = b"F%s\0\0" % self.sender.ljust(LONGEST + 1, b"x")
        elif self.code == 54:
            self.envelope = self.envelope[:dice.randrange(len(self.envelope))]
        else:
            self.envelope = b"F%s\0X\0" % self.sender


class Answer:
    """given: the program was handed everything."""

    def __init__(self, pid, given, status):
        self.pid, self.given, self.status = pid, given, status


class World:
    """A queue, and the environment of all programs."""

    def __init__(self, options):
        self.folder, self.sbin = options.folder, os.environ["SBIN"]
        self.queue, self.out = self.folder + "/queue", self.folder + "/out"
        for name in "control", "out", "protocols":
            os.makedirs(os.path.join(self.folder, name))
        self.env = {
            "PATH": os.environ["PATH"], "LC_ALL": "C", "SBIN": self.sbin,
            "QUEUEDIR": self.queue, "CONTROLDIR": self.folder + "/control",
            "PROTOCOLDIR": self.folder + "/protocols", "OUT": self.out,
            "QFRONT_SOCKET": "none", "QFRONT_LOG": "stderr"}
        for name, line in (("me", "test.example"), ("chain", options.chain),
                           ("remotes", "mx.example stub")):
            write_file(f"{self.folder}/control/{name}", line.encode() + b"\n")
        write_file(self.folder + "/protocols/stub", MODULE.encode(), 0o755)
        subprocess.run([self.sbin + "/qfrontctl", "queue", "init"],
                       env=self.env, check=True, stdout=subprocess.DEVNULL)


class Storm:
    """All calls."""

    def __init__(self, world, options):
        self.world, self.options = world, options
        self.lock = threading.Lock()
        self.running = {}  # pid -> number; nobody has waited for it
        self.answers, self.hit = {}, set()
        self.dice = random.Random(options.seed)
        self.pause = ANSWERS
        self.hangs = False

    def numbers(self):
        """Of all calls."""
        return range(self.options.callers * self.options.messages)

    def call(self, number):
        """What this one is to do."""
        return Call(self.options.seed, number, self.options.fault_so)

    def start(self, number, call, log):
        """The pid, and where the message and the envelope go."""
        path = os.path.join(self.world.sbin, self.options.program)
        env = dict(self.world.env)
        if self.options.fault_so:
            env["LD_PRELOAD"] = self.options.fault_so
        if self.options.named:
            env["FAULT_NO_TMPFILE"] = "1"
        if call.how == "change":
            env["FAULT"] = f"change:{call.at}:kill"
        message, feed = os.pipe()
        envelope, tell = os.pipe()
        if call.at is not None:
            fcntl.fcntl(feed, fcntl.F_SETPIPE_SZ, PIPE)
            fcntl.fcntl(tell, fcntl.F_SETPIPE_SZ, PIPE)
        pid = os.posix_spawn(
            path, [path], env, setsigdef=[signal.SIGPIPE], file_actions=[
                (os.POSIX_SPAWN_DUP2, message, 0),
                (os.POSIX_SPAWN_DUP2, envelope, 1),
                (os.POSIX_SPAWN_DUP2, log, 2)])
        os.close(message)
        os.close(envelope)
        with self.lock:
            self.running[pid] = number
        return pid, feed, tell

    def hand_over(self, call, pid, feed, tell):
        """False: not all of it, as it was killed or has ended."""
        with open(feed, "wb", 0) as message, open(tell, "wb", 0) as envelope:
            for name, file, data in (("message", message, call.body),
                                     ("envelope", envelope, call.envelope)):
                part = data[:call.at] if call.how == name else data
                try:
                    while part:
                        part = part[file.write(part):]
                except BrokenPipeError:
                    return False
                if call.how == name:
                    os.kill(pid, signal.SIGKILL)
                    return False
                file.close()
        if call.how == "whole":
            os.kill(pid, signal.SIGKILL)
        return True

    def answered(self, number, pid, given):
        """It has ended. From time to time another one is killed."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        with self.lock:
            del self.running[pid]
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            self.answers[number] = Answer(pid, given, status)
            self.pause -= 1
            if self.pause > 0 or not self.running:
                return
            self.pause = self.dice.randint(ANSWERS // 2, ANSWERS * 2)
            pid = self.dice.choice(list(self.running))
            os.kill(pid, signal.SIGKILL)
            self.hit.add(self.running[pid])

    def caller(self, which, log):
        """One after the other."""
        for i in range(self.options.messages):
            if self.hangs:
                return
            number = which * self.options.messages + i
            call = self.call(number)
            pid, feed, tell = self.start(number, call, log)
            self.answered(number, pid,
                          self.hand_over(call, pid, feed, tell))

    def run(self):
        """Until no process of theirs is left."""
        end = time.monotonic() + PATIENCE
        with open(self.world.folder + "/callers.log", "ab") as log:
            threads = [threading.Thread(target=self.caller,
                                        args=(i, log.fileno()))
                       for i in range(self.options.callers)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(max(0, end - time.monotonic()))
            with self.lock:
                self.hangs = any(t.is_alive() for t in threads)
                for pid in self.running:
                    os.kill(pid, signal.SIGKILL)
            for t in threads:
                t.join()
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass


class Inspection:
    """What is in the queue after a storm, and what is wrong with it."""

    def __init__(self, storm):
        self.storm, self.world = storm, storm.world
        self.queue = qmailqueue.Queue(self.world.queue)
        self.count = collections.Counter(dict.fromkeys((
            "calls", "zero", "refused", "killed", "killed_with_all", "found",
            "found_of_killed", "whole", "litter", "delivered"), 0))
        self.wrong = []
        self.found = {}  # id, as a word -> number of the call
        self.there = set()  # these numbers

    def say(self, text):
        """Something is wrong."""
        self.wrong.append(text)

    def run(self, name, *arguments):
        """What a program says."""
        done = subprocess.run(
            [f"{self.world.sbin}/{name}", *arguments], env=self.world.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, check=False, timeout=PATIENCE)
        if done.returncode != 0:
            self.say(f"{name} {' '.join(arguments)} ends with "
                     f"{done.returncode}: {done.stderr[-200:]!r}")
        return done.stdout

    def look(self):
        """Everything, in order."""
        if self.storm.hangs:
            self.say("it hangs")
        for number in self.queue.numbers("todo", "info"):
            self.inspect(number)
        self.compare()
        self.sweep()
        self.deliver()

    def inspect(self, ident):
        """One message of the queue."""
        self.count["found"] += 1
        judge = qmailqueue.Judge(self.queue)
        judge.message(ident)
        todo = self.queue.read("todo", ident)
        match = re.match(rb"u\d+\0p\d+\0(?:Fs|F\0Tr)(\d+)", todo)
        answer = self.storm.answers.get(int(match[1])) if match else None
        if answer is None:
            self.say(f"todo/{ident} is of no call: {todo!r}")
            return
        number = int(match[1])
        call = self.storm.call(number)
        if todo != b"u%d\0p%d\0%s" % (os.getuid(), answer.pid,
                                      call.envelope[:-1]):
            judge.say(f"todo/{ident}: not the envelope of call {number}")
        top, _, body = self.queue.read("mess", ident).partition(b"\n")
        if b" %d invoked " % answer.pid not in top or body != call.body:
            judge.say(f"mess/{ident}: not the message of call {number}")
        if number in self.there:
            judge.say(f"call {number} has two messages")
        self.wrong += judge.found
        self.count["whole"] += not judge.found
        self.found[str(ident)] = number
        self.there.add(number)

    def compare(self):
        """Exit codes with what is there."""
        for number in self.storm.numbers():
            answer = self.storm.answers.get(number)
            if answer is None:
                self.say(f"call {number} has no answer")
            else:
                self.compare_one(number, self.storm.call(number), answer)
        if self.count["found"] != \
                self.count["zero"] + self.count["found_of_killed"]:
            self.say("the numbers of messages and of answers do not agree")

    def compare_one(self, number, call, answer):
        """One of them."""
        there = number in self.there
        good = call.code == 0 and answer.given
        self.count["calls"] += 1
        if answer.status == -signal.SIGKILL and (
                call.how or number in self.storm.hit):
            self.count["killed"] += 1
            self.count["killed_with_all"] += good
            self.count["found_of_killed"] += there
            right = good or not there
        elif answer.status == 0:
            self.count["zero"] += 1
            right = good and there
        else:
            self.count["refused"] += 1
            right = answer.status == call.code and not there
        if not right:
            self.say(f"call {number}: status {answer.status}, "
                     f"{'' if there else 'not '}queued; it was given "
                     f"{'all' if answer.given else 'a part'}, its code is "
                     f"{call.code}, killed at: {call.how} {call.at}")

    def check_list(self):
        """Does qfrontctl see what we see?"""
        listed = [m["id"] for m in json.loads(
            self.run("qfrontctl", "queue", "list", "--json"))]
        if sorted(listed) != sorted(self.found):
            self.say(f"qfrontctl queue list has {len(listed)} messages")

    def files(self):
        """All but those of the whole queue."""
        return {os.path.join(base, name)
                for base, _, names in os.walk(self.world.queue)
                for name in names if os.path.basename(base) != "lock"}

    def sweep(self):
        """What the killed left does not count, and goes in time."""
        litter = {path for path in self.files()
                  if os.path.basename(path) not in self.found}
        # One has a name in pid, or its files have its number.
        left = len({os.path.basename(path) for path in litter})
        self.count["litter"] = left
        if left > self.count["killed"] - self.count["found_of_killed"]:
            self.say(f"{left} messages are left, more than were killed")
        self.check_list()
        old = time.time() - OLD
        for path in litter:
            os.utime(path, (old, old))
        self.run("qfrontctl", "queue", "fix")
        self.wrong += qmailqueue.Judge(self.queue).run()
        self.check_list()

    def deliver(self):
        """The sender, with a module that keeps what it gets."""
        want = collections.Counter()
        for ident, number in self.found.items():
            call = self.storm.call(number)
            data = self.queue.read("mess", ident)
            want.update((number, call.sender, r, hash(data))
                        for r in call.rcpts)
        self.run("qfront-send", "--once")
        got = collections.Counter()
        for name in os.listdir(self.world.out):
            head, _, data = read_file(
                os.path.join(self.world.out, name)).partition(b"\n\n")
            sender, *rcpts = head.split(b"\n")
            got.update((int(re.match(rb"r(\d+)", r)[1]), sender, r,
                        hash(data)) for r in rcpts)
        self.count["delivered"] = len({key[0] for key in got})
        for key in (want - got) + (got - want):
            self.say(f"to be delivered {want[key]} times, and was {got[key]} "
                     f"times: {key[:3]}")
        left = self.files()
        if left:
            self.say("left after delivery: " + " ".join(sorted(left)))


def parse():
    """The command line."""
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--callers", type=int, default=32)
    p.add_argument("--messages", type=int, default=30)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--program", default="qfront-queue")
    p.add_argument("--chain", default="")
    p.add_argument("--fault-so")
    p.add_argument("--named", action="store_true")
    p.add_argument("folder", type=os.path.realpath)
    return p.parse_args()


def main():
    """The storm, and what came of it."""
    options = parse()
    become_reaper()
    storm = Storm(World(options), options)
    begin = time.monotonic()
    storm.run()
    took = time.monotonic() - begin
    inspection = Inspection(storm)
    inspection.look()
    for text in inspection.wrong[:SHOWN]:
        print("WRONG:", text)
    if len(inspection.wrong) > SHOWN:
        print(f"WRONG: {len(inspection.wrong)} in all")
    for name, value in inspection.count.items():
        print(name, value)
    print(f"seconds {took:.1f}")
    return 1 if inspection.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
