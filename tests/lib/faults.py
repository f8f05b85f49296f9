#!/usr/bin/python3
"""Runs a program again and again, each time with another call to the C library
failing (tests/lib/fault.c), and looks at what is left.

usage: faults.py intake|send|smtp [--no-tmpfile] [--sparse]
                 [--process PROCESS] [--skip CALL,...] [--jobs N] DIRECTORY

  intake  qfront, qfrontd and qfront-queue take a message: exit 0 and the
          whole message is in the queue, or a temporary code and nothing is;
          after a SIGKILL nothing, the whole message, or litter that no
          sender sees.
  send    qfront-send delivers to two recipients: after a run without faults
          each was served or the sender was told, and nothing is left.
  smtp    the module against a server (tests/lib/sink.py): 0 only when the
          server has the whole message, no other code is permanent.

The world comes from the environment: SBIN, PROTOCOLS, FAULT_SO, CODES (the
table of exit codes), CONTROLDIR, and what each of them says below. DIRECTORY
is for scratch.

Every call that a first run makes is tried with its errors, the first time it
is made, the second, and so on until it is not made so often. A point is
named as PROCESS CALL:N:HOW, and FAULT_PROCESS=PROCESS FAULT=CALL:N:HOW sets
it off by hand. Prints a line for each broken promise, and last how many
points there were; exits 1 if any was broken.
"""

import argparse
import ctypes
import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import dkim

# How calls fail. What is not worth an exit code of its own fails with one
# error: the programs do not tell them apart.
ERRORS = {
    "bind": ["EADDRINUSE"],
    "close": ["EIO"],
    "connect": ["ETIMEDOUT"],
    "create": ["EMFILE", "ENOSPC"],
    "dup": ["EBUSY"],
    "exec": ["ENOMEM"],
    "faccess": ["EIO"],
    "fchmod": ["EPERM"],
    "fchown": ["EPERM"],
    "fcntl": ["EMFILE"],
    "fdatasync": ["EIO"],
    "fdopendir": ["ENOMEM"],
    "flock": ["ENOLCK"],
    "fork": ["EAGAIN"],
    "fstat": ["EIO"],
    "fstatat": ["EIO"],
    "fsync": ["EIO", "ENOSPC"],
    "ftruncate": ["EIO"],
    "futimens": ["EIO"],
    "getsockopt": ["ENOBUFS"],
    "link": ["EEXIST", "ENOSPC"],
    "lseek": ["EIO"],
    "malloc": ["ENOMEM"],
    "memfd": ["EMFILE"],
    "mmap": ["ENOMEM"],
    "open": ["EMFILE"],
    "pipe": ["EMFILE"],
    "poll": ["ENOMEM", "EINTR"],
    "pread": ["EIO", "EINTR", "short"],
    "pwrite": ["ENOSPC"],
    "read": ["EIO", "EINTR", "short"],
    "readlink": ["EIO"],
    "recv": ["ECONNRESET", "EINTR", "short"],
    "recvmsg": ["ENOMEM", "EINTR"],
    "rename": ["ENOSPC"],
    "send": ["EPIPE", "EINTR", "short"],
    "sendmsg": ["ENOBUFS", "EINTR"],
    "setenv": ["ENOMEM"],
    "socket": ["EMFILE"],
    "socketpair": ["EMFILE"],
    "stat": ["EIO"],
    "unlink": ["EIO"],
    "write": ["ENOSPC", "EINTR", "short"],
}
# After these a program goes on as if nothing had been.
HARMLESS = ("EINTR", "short")
# Seconds after which a run hangs.
PATIENCE = 60
# With --sparse: up to this one every malloc() is tried, then ever fewer.
SPARSE = 32
PR_SET_CHILD_SUBREAPER = 36


class Hangs(Exception):
    """A run did not end, or left a process that did not."""


def on_alarm(number, frame):
    raise Hangs


def become_reaper():
    """Children of a killed program become ours: run() waits for them."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    signal.signal(signal.SIGALRM, on_alarm)


def kill_children():
    """All that run() left: a child of one that dies becomes ours in turn."""
    path = "/proc/self/task/%d/children" % os.getpid()
    try:
        while True:
            for pid in read_file(path).split():
                os.kill(int(pid), signal.SIGKILL)
            os.waitpid(-1, 0)
    except ChildProcessError:
        return


def run(argv, env, files):
    """Exit code or -signal, once all processes have ended. files: descriptor
    -> (path, flags)."""
    actions = [(os.POSIX_SPAWN_OPEN, fd, path, flags, 0o600)
               for fd, (path, flags) in files.items()]
    signal.alarm(PATIENCE)
    try:
        pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        return code
    except Hangs:
        kill_children()
        raise
    finally:
        signal.alarm(0)


READ = os.O_RDONLY
MAKE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def write_file(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


class Queue:
    """A queue of our own, and what is in it."""

    def __init__(self, path):
        self.path = path
        self.env = dict(os.environ, QUEUEDIR=path)
        subprocess.run([os.environ["SBIN"] + "/qfrontctl", "queue", "init"],
                       env=self.env, check=True, stdout=subprocess.DEVNULL)

    def files(self, *folders):
        found = []
        for folder in folders or ("",):
            for base, _, names in os.walk(os.path.join(self.path, folder)):
                found += [os.path.relpath(os.path.join(base, n), self.path)
                          for n in names]
        return sorted(n for n in found if not n.startswith("lock/"))

    def clear(self, names):
        for name in names:
            os.unlink(os.path.join(self.path, name))

    def age(self, names):
        """What is left becomes old enough to be swept."""
        old = time.time() - 3 * 86400
        for name in names:
            os.utime(os.path.join(self.path, name), (old, old))


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
        self.temporary = set()
        with open(os.environ["CODES"], encoding="ascii") as table:
            for line in table:
                row = [word.strip() for word in line.split("|")]
                if row[0].isdigit() and row[1] == "Z":
                    self.temporary.add(int(row[0]))

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


class Send:
    """PROTOCOLDIR and CONTROLDIR name a module that notes in RECORD/rcpts
    whom it serves, and QMAILQUEUE a program that keeps each bounce as
    RECORD/N.message and RECORD/N.envelope. SERVED and REFUSED: the
    recipients, one word each."""

    processes = ("qfront-send",)

    def __init__(self, directory, no_tmpfile):
        self.queue = Queue(directory + "/queue")
        self.record = directory + "/record"
        self.log = directory + "/log"
        self.env = dict(self.queue.env, RECORD=self.record)
        if no_tmpfile:
            self.env["FAULT_NO_TMPFILE"] = "1"
        self.served = os.environ["SERVED"].split()
        self.refused = os.environ["REFUSED"].split()

    def send(self, env, log):
        return run([os.environ["SBIN"] + "/qfront-send", "--once"],
                   dict(self.env, **env),
                   {0: ("/dev/null", READ), 1: ("/dev/null", MAKE),
                    2: (log, MAKE)})

    def attempt(self, env):
        shutil.rmtree(self.record, ignore_errors=True)
        os.mkdir(self.record)
        code = run([os.environ["SBIN"] + "/qfront-queue"], self.env,
                   {0: (os.environ["MESSAGE"], READ),
                    1: (os.environ["ENVELOPE"], READ),
                    2: ("/dev/null", MAKE)})
        if code != 0:
            raise RuntimeError("qfront-queue: exit code %d" % code)
        return self.send(env, self.log)

    def bounces(self):
        """The recipients that whole bounces tell of."""
        told = set()
        for name in os.listdir(self.record):
            base, _, kind = os.path.join(self.record, name).rpartition(".")
            if kind != "envelope" or \
                    read_file(base + ".envelope") != b"F\0Ts@test.example\0\0":
                continue
            text = read_file(base + ".message").decode()
            boundary = re.search(r'boundary="(.*)"', text)
            if not boundary or not text.endswith("--%s--\n" % boundary[1]):
                raise ValueError("a bounce was cut: %r" % text)
            told |= set(re.findall(r"Final-Recipient: rfc822; (.*)", text))
        return told

    def state(self):
        """What is wrong, or None."""
        path = self.record + "/rcpts"
        served = read_file(path).decode().split() \
            if os.path.exists(path) else []
        if set(served) != set(self.served):
            return "served: " + " ".join(served)
        try:
            told = self.bounces()
        except ValueError as error:
            return str(error)
        if told != set(self.refused):
            return "the bounces tell of: " + " ".join(told)
        failed = self.queue.files("failed")
        if len(failed) != (1 if self.refused else 0):
            return "failed: " + " ".join(failed)
        if failed and not read_file(os.path.join(
                self.queue.path, failed[0])).endswith(self.message()):
            return "what failed was not kept whole"
        return None

    def message(self):
        return b"\n" + read_file(os.environ["MESSAGE"])

    def sweep(self):
        """What no message names any more goes when it is old."""
        litter = self.left()
        if litter and not any(re.match("todo|info", f) for f in litter):
            self.queue.age(litter)
            self.send({}, self.log + ".after")

    def left(self):
        return [name for name in self.queue.files()
                if not name.startswith("failed/")]

    def judge(self, call, how, code):
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        for _ in range(2):
            if not any(re.match("todo|info", f) for f in self.left()):
                break
            again = self.send({}, self.log + ".after")
            if again != 0:
                return "a run without faults ended with %d" % again
        if how == "kill" or call == "unlink":
            self.sweep()
        wrong, left = self.state(), self.left()
        self.queue_left = self.queue.files()
        if wrong is None and left:
            wrong = "left in the queue: " + " ".join(left)
        return wrong

    def clean(self):
        self.queue.clear(self.queue_left)


class Smtp:
    """PORT and SINK: the server and what it keeps. MESSAGE: what is sent, with
    an @ID@ that becomes another one for each run."""

    processes = ("smtp",)
    runs = itertools.count()

    def __init__(self, directory, no_tmpfile):
        self.directory = directory
        self.log = directory + "/log"
        self.text = directory + "/text"
        self.mail = directory + "/mail"
        self.options = directory + "/options"
        write_file(self.options, b"host=127.0.0.1\nport=%s\n\n"
                   % os.environ["PORT"].encode())
        self.template = read_file(os.environ["MESSAGE"])

    def attempt(self, env):
        ident = b"%d.%d" % (os.getpid(), next(self.runs))
        self.message = self.template.replace(b"@ID@", ident)
        write_file(self.mail, b"s@x.example\nr@y.example\n\n" + self.message)
        return run([os.environ["PROTOCOLS"] + "/smtp"],
                   dict(os.environ, HELOHOST="me.example", **env),
                   {0: (self.options, READ), 1: (self.text, MAKE),
                    2: (self.log, MAKE), 3: (self.mail, READ)})

    def kept(self):
        """Did the server keep it whole? The text need not be there."""
        want = self.message.replace(b"\n", b"\r\n")
        for name in os.listdir(os.environ["SINK"]):
            if name.endswith(".eml") and want == read_file(
                    os.path.join(os.environ["SINK"], name)):
                return True
        return False

    def judge(self, call, how, code):
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        if code == 0 and not self.kept():
            return "the server does not have the message"
        if code > 31 or (code < 0 and how != "kill"):
            return "not a temporary code"
        return None

    def clean(self):
        pass


SCENARIOS = {"intake": Intake, "send": Send, "smtp": Smtp}
# Of each process that tries points.
options = lane = world = None


def start_worker(*shared):
    global options, lane
    options, lane = shared
    become_reaper()


def get_world():
    """The scenario and its folder, made at first use: an error of an
    initializer would be lost."""
    global world
    if world is None:
        with lane.get_lock():
            lane.value += 1
            directory = os.path.join(options.directory, str(lane.value))
        os.mkdir(directory)
        world = SCENARIOS[options.scenario](directory,
                                            options.no_tmpfile), directory
    return world


def fault(point, mark):
    process, call, n, how = point
    return {"LD_PRELOAD": os.environ["FAULT_SO"], "FAULT_PROCESS": process,
            "FAULT": "%s:%d:%s" % (call, n, how), "FAULT_MARK": mark}


def try_point(point):
    """(fired, exit code, complaint)"""
    scenario, directory = get_world()
    mark = directory + "/mark"
    if os.path.exists(mark):
        os.unlink(mark)
    try:
        code = scenario.attempt(fault(point, mark))
    except Hangs:
        return True, None, "it hangs"
    fired = os.path.exists(mark)
    complaint = scenario.judge(point[1], point[3] if fired else "none", code)
    scenario.clean()
    return fired, code, complaint


def try_series(series):
    """All n of one way to fail: how many points, and the complaints."""
    process, call, how = series
    complaints = []
    n = tried = 0
    while True:
        n += max(1, n // SPARSE) if options.sparse and call == "malloc" else 1
        point = (process, call, n, how)
        fired, code, complaint = try_point(point)
        if complaint:
            log = read_file(get_world()[0].log).decode(errors="replace")
            complaints.append("%s %s:%d:%s: exit code %s: %s\n%s" % (
                *point, code, complaint, log))
        if not fired or code is None:
            return tried, complaints
        tried += 1


def calls_made(unused):
    """One run without faults: the processes and their calls."""
    scenario, directory = get_world()
    trace = directory + "/trace"
    code = scenario.attempt({"LD_PRELOAD": os.environ["FAULT_SO"],
                             "FAULT_TRACE": trace})
    complaint = scenario.judge("any", "none", code)
    scenario.clean()
    if complaint:
        raise RuntimeError("without faults: exit code %d: %s\n%s" % (
            code, complaint, read_file(scenario.log).decode()))
    made = {tuple(line.split()) for line in open(trace, encoding="ascii")}
    return sorted(pair for pair in made
                  if pair[0].split("+")[0] in scenario.processes)


def all_series(made):
    for process, call in made:
        for how in ERRORS[call]:
            yield process, call, how
    for process in sorted({process for process, _ in made}):
        yield process, "change", "kill"


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("scenario", choices=SCENARIOS)
    arguments.add_argument("--no-tmpfile", action="store_true")
    arguments.add_argument("--process", help="try this one only")
    arguments.add_argument("--skip", default="", metavar="CALL,...",
                           help="do not try these")
    arguments.add_argument("--sparse", action="store_true",
                           help="do not try every malloc()")
    arguments.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments.add_argument("directory")
    given = arguments.parse_args()
    points, broken, per_process = 0, 0, {}
    with multiprocessing.Pool(given.jobs, start_worker, (
            given, multiprocessing.Value("i", 0))) as pool:
        made = pool.map(calls_made, [None])[0]
        made = [(process, call) for process, call in made
                if given.process in (None, process)
                and call not in given.skip.split(",")]
        todo = list(all_series(made))
        for series, (n, complaints) in zip(
                todo, pool.imap(try_series, todo)):
            points += n
            per_process[series[0]] = per_process.get(series[0], 0) + n
            broken += len(complaints)
            for complaint in complaints:
                print(complaint, flush=True)
    print("%d points, %d broken:" % (points, broken), json.dumps(per_process))
    return 1 if broken or not points else 0


if __name__ == "__main__":
    sys.exit(main())
