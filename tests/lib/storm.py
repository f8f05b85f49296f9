#!/usr/bin/python3
"""Many callers at once, and trouble meanwhile; then says what came of it.

usage: storm.py [OPTION...] QUEUEDIR PROGRAM [ARGUMENT...]

Each caller calls PROGRAM as qmail-smtpd does, message by message, each with a
body of its own. The storm ends after --messages, or when what --kill, --signal
or --until has to do is done. Then every message is looked for in the queue:

  * one that got exit code 0 is there, whole, once;
  * one that got another is not there, but for those in --may-be-queued
    (a list of exit codes), which are counted.

Prints `name value` lines: messages, code.N, marked, lost, spoiled, extra (not
allowed), doubtful (queued with an allowed code), kills, peak_ms. Exit code 1
when something is lost, spoiled or extra.

  --kill ROLE:N   kills N processes of the role (`filter`, `sign`: workers;
                  `store`), one by one, each after a message was answered
  --signal N      sends N times SIGHUP to the daemon in the same way
  --daemon PID    whose processes these are
"""

import argparse
import collections
import os
import random
import signal
import sys
import tempfile
import threading
import time

MARK = b"X-Qfront-Tag: "


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid),
                  encoding="ascii") as f:
            return [int(word) for word in f.read().split()]
    except OSError:
        return []


def command(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().split(b"\0")[:-1]
    except OSError:
        return []


def processes(daemon, role):
    """Those that may be killed."""
    found = []
    for pid in children(daemon):
        words = command(pid)
        if role == "store" and words[1:] == [b"--serve"]:
            found.append(pid)
        elif words[1:] == [b"--role", role.encode()]:
            found += children(pid)
    return found


class Storm:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.answered = threading.Condition(self.lock)
        self.codes = {}
        self.times = []
        self.next = 0
        self.over = False
        self.kills = 0

    def take_number(self):
        with self.lock:
            if self.over or (self.options.messages and
                             self.next >= self.options.messages):
                return None
            self.next += 1
            return self.next

    def message(self, number):
        fill = random.Random(number).randbytes(self.options.size // 2).hex()
        lines = "\n".join(fill[i:i + 76] for i in range(0, len(fill), 76))
        return ("From: <s@test.example>\nTo: <r@test.example>\n"
                "Subject: storm\nX-Number: %d\n\n%s\n.\n" %
                (number, lines)).encode()

    def call(self, number, folder):
        """Two pipes, as a server has them; the program may end early."""
        message, feed = os.pipe()
        envelope, tell = os.pipe()
        for fd in feed, tell:
            os.set_inheritable(fd, False)
        null = os.open(os.path.join(folder, "log"),
                       os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = [(os.POSIX_SPAWN_DUP2, message, 0),
                   (os.POSIX_SPAWN_DUP2, envelope, 1),
                   (os.POSIX_SPAWN_DUP2, null, 2)]
        start = time.monotonic()
        pid = os.posix_spawn(self.options.program[0], self.options.program,
                             os.environ, file_actions=actions)
        for fd in message, envelope, null:
            os.close(fd)
        with open(feed, "wb") as f, open(tell, "wb") as g:
            try:
                f.write(self.message(number))
                f.close()
                g.write(b"Fs@test.example\0Tr@test.example\0\0")
                g.close()
            except BrokenPipeError:
                pass
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code, time.monotonic() - start

    def caller(self, folder):
        while (number := self.take_number()) is not None:
            code, took = self.call(number, folder)
            with self.answered:
                self.codes[number] = code
                self.times.append(took)
                self.answered.notify_all()

    def wait_for_answer(self):
        with self.answered:
            seen = len(self.codes)
            self.answered.wait_for(lambda: len(self.codes) > seen,
                                   timeout=self.options.patience)

    def trouble(self):
        role, _, times = self.options.kill.partition(":")
        choose = random.Random(self.options.seed)
        end = time.monotonic() + self.options.patience
        while self.kills < int(times or 0) and time.monotonic() < end:
            self.wait_for_answer()
            victims = processes(self.options.daemon, role)
            if not victims:
                continue
            try:
                os.kill(choose.choice(victims), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass
        for _ in range(self.options.signal):
            self.wait_for_answer()
            os.kill(self.options.daemon, signal.SIGHUP)
        if not self.options.messages:
            with self.lock:
                self.over = True

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            threads = [threading.Thread(target=self.caller, args=(folder,))
                       for _ in range(self.options.callers)]
            for t in threads:
                t.start()
            self.trouble()
            for t in threads:
                t.join()
            with open(os.path.join(folder, "log"), "rb") as f:
                sys.stderr.buffer.write(f.read()[-20000:])

    # What came of it.

    def queued(self):
        """number -> messages, without what the queue put on top"""
        found = collections.defaultdict(list)
        queue = self.options.queue
        for folder, _, names in os.walk(os.path.join(queue, "mess")):
            for name in names:
                if not os.path.exists(os.path.join(queue, "todo", name)) and \
                        not os.path.exists(os.path.join(
                            queue, "todo", str(int(name) % 23), name)):
                    continue
                with open(os.path.join(folder, name), "rb") as f:
                    text = f.read()
                received, _, text = text.partition(b"\n")
                assert received.startswith(b"Received: "), received
                while text.startswith((b" ", b"\t")):
                    text = text.partition(b"\n")[2]
                number = int(text.partition(b"X-Number: ")[2].split(b"\n")[0])
                found[number].append(text)
        return found

    def judge(self):
        count = collections.Counter(messages=len(self.codes),
                                    kills=self.kills)
        for name in "marked", "lost", "spoiled", "extra", "doubtful":
            count[name] = 0
        found = self.queued()
        for number, code in self.codes.items():
            texts = found.pop(number, [])
            want = self.message(number)
            count["code.%d" % code] += 1
            if code == 0 and not texts:
                count["lost"] += 1
            elif code == 0:
                count["extra"] += len(texts) - 1
            elif code in self.options.may_be_queued:
                count["doubtful"] += len(texts)
            else:
                count["extra"] += len(texts)
            for text in texts:
                while text.startswith(MARK) and text != want:
                    text = text.partition(b"\n")[2]
                    count["marked"] += 1
                count["spoiled"] += self.spoiled(text, want)
        count["extra"] += len(found)
        count["peak_ms"] = round(1000 * max(self.times, default=0))
        return count

    def spoiled(self, text, want):
        """The chain may sign: one more field on top."""
        if self.options.signed and text.startswith(b"DKIM-Signature:"):
            text = text.partition(b"\n")[2]
            while text.startswith((b" ", b"\t")):
                text = text.partition(b"\n")[2]
        return text != want


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("--callers", type=int, default=8)
    arguments.add_argument("--messages", type=int, default=0)
    arguments.add_argument("--size", type=int, default=4096)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--patience", type=float, default=300)
    arguments.add_argument("--kill", default="")
    arguments.add_argument("--signal", type=int, default=0)
    arguments.add_argument("--daemon", type=int)
    arguments.add_argument("--signed", action="store_true")
    arguments.add_argument("--may-be-queued", default=[],
                           type=lambda s: [int(n) for n in s.split(",")])
    arguments.add_argument("queue")
    arguments.add_argument("program", nargs="+")
    options = arguments.parse_args()
    storm = Storm(options)
    storm.run()
    count = storm.judge()
    for name in sorted(count):
        print(name, count[name])
    sys.exit(1 if count["lost"] + count["spoiled"] + count["extra"] else 0)


main()
