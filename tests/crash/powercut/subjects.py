"""What has its power cut: programs that say "accepted", and what belongs to
them. Peers are in cut_peers.py."""

import glob
import json
import os
import signal
import subprocess
import time

import load
import mail
from disk import Failed

def tail(path):
    try:
        with open(path, "rb") as f:
            return f.read()[-3000:].decode(errors="replace")
    except FileNotFoundError:
        return ""


class Places:
    """The programs, from the variables that `make check` sets as well."""

    def __init__(self):
        try:
            stage = os.environ["QF_STAGE"]
            self.sbin = stage + os.environ["QF_SBINDIR"]
            self.libexec = stage + os.environ["QF_LIBEXECDIR"] + "/qfront"
            own = os.environ["QF_BUILDDIR"] + "/tests/crash/powercut"
        except KeyError as e:
            raise Failed(f"{e.args[0]} is not set: run dev/powercut") from None
        self.record = own + "/record"
        self.nosync = own + "/.libs/nosync.so"


def spawn(argv, environment, log, feeds, more=None):
    """Starts a program whose descriptors 0, 1... read these bytes; those that
    are None are /dev/null, and the next one is the log. `more` are ours by
    their number there. Returns the process and the ends of pipes that still
    want their bytes."""
    actions, ends, left = [], [], []
    for fd, data in enumerate(feeds):
        if data is None:
            actions.append((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0))
            continue
        readable, writable = os.pipe()
        ends.append(readable)
        left.append((writable, data))
        actions.append((os.POSIX_SPAWN_DUP2, readable, fd))
    actions.append((os.POSIX_SPAWN_OPEN, len(feeds), log,
                    os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
    actions += [(os.POSIX_SPAWN_DUP2, fd, number)
                for number, fd in (more or {}).items()]
    try:
        pid = os.posix_spawn(argv[0], argv, environment, file_actions=actions)
    finally:
        for fd in ends:
            os.close(fd)
    return pid, left


def feed(left):
    for fd, data in left:
        try:
            while data:
                data = data[os.write(fd, data):]
        except BrokenPipeError:
            pass
        finally:
            os.close(fd)


def call(argv, environment, log, feeds):
    """One run: its exit code."""
    pid, left = spawn(argv, environment, log, feeds)
    feed(left)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Subject:
    name = None
    ours = False
    delivers = False        # it has a sender to be cut while it delivers
    fates = (mail.PLAIN,)
    binary = False          # its messages may hold any byte

    def __init__(self, folder, options):
        self.folder = folder  # not on the disk
        self.options = options
        self.log = os.path.join(folder, "log")
        self.top = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, top):
        """Makes an empty queue on a new disk."""
        self.top = top

    def start(self):
        """What has to run before messages are taken."""

    def submit(self, message):
        """Puts one in: 0 when the program says that it is accepted."""
        raise NotImplementedError

    def start_sender(self, events):
        """Delivers from now on; events: a FIFO that gets a line each."""

    def powered_off(self):
        """All of its processes are gone: lets go of the disk as well."""

    def recover(self):
        """After the cut, or after the clients have ended: delivers what is
        there, and returns the copies of all since start()."""
        raise NotImplementedError


class Unsynced(Subject):
    """A program that never syncs: the cut must take its messages, or there
    was none."""

    name = "(no sync)"

    def submit(self, message):
        new = f"{self.top}/.{message.number}"
        try:
            with open(new, "wb") as f:
                f.write(message.envelope() + message.data)
            os.rename(new, f"{self.top}/{message.number}")
        except OSError:
            return 1
        return 0

    def recover(self):
        copies = []
        for path in glob.glob(f"{self.top}/[0-9]*"):
            with open(path, "rb") as f:
                envelope, _, data = f.read().partition(b"\0\0")
            os.unlink(path)
            sender, *rcpts = (part[1:] for part in envelope.split(b"\0"))
            copies.append(mail.Copy(sender, tuple(rcpts), data))
        return copies


class Records:
    """What the module `record` has kept, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)

    def take(self, held=False):
        copies = []
        for name in os.listdir(self.folder):
            path = f"{self.folder}/{name}"
            with open(path, "rb") as f:
                head, _, data = f.read().partition(b"\n\n")
            os.unlink(path)
            if name.startswith("."):
                continue  # it was still being delivered
            sender, *rcpts = head.split(b"\n")
            copies.append(mail.Copy(sender, tuple(rcpts), data,
                                    name.partition("@")[0], held))
        return copies


class Ours(Subject):
    """A queue of qfront, emptied by qfront-send and the module `record`."""

    ours = True
    delivers = True
    fates = (mail.PLAIN, mail.REFUSED)
    binary = True

    def __init__(self, folder, options):
        super().__init__(folder, options)
        self.places = Places()
        self.control = self.path("control")
        self.records = Records(self.path("records"))
        self.environment = {}
        self._write_control()

    def _write_control(self):
        os.makedirs(self.control + "/plugins")
        os.makedirs(self.path("protocols"))
        for name in "record", "smtp":
            os.symlink(self.places.record, self.path(f"protocols/{name}"))
        files = {"me": ["cut.example"], "remotes": ["sink.example record"],
                 # One user for all, as it is where nobody is root.
                 "daemonusers": [f"{role} 0" for role in (
                     "dispatcher", "filter", "sign", "store")]}
        for name, lines in files.items():
            with open(f"{self.control}/{name}", "w", encoding="ascii") as f:
                f.writelines(line + "\n" for line in lines)
            os.chmod(f"{self.control}/{name}", 0o600)

    def make(self, top):
        super().make(top)
        self.environment = {
            "PATH": "/usr/bin:/bin", "CONTROLDIR": self.control,
            "QUEUEDIR": top + "/queue", "QFRONT_LOG": "stderr",
            "QFRONT_SOCKET": self.path("socket"),
            "QFRONT_METRICS": self.path("metrics"),
            "PROTOCOLDIR": self.path("protocols"),
            "QMAILQUEUE": self.places.sbin + "/qfront-queue",
            "RECORDS": self.records.folder, "EVENTS": os.devnull}
        self._run("qfrontctl", "queue", "init")

    def _intake(self):
        """The environment of who queues: maybe without syncs."""
        if not self.options.broken:
            return self.environment
        return {**self.environment, "LD_PRELOAD": self.places.nosync,
                "NOSYNC": self.options.broken}

    def _run(self, name, *arguments, codes=(0,)):
        """A program of ours that ends with one of these: what it prints."""
        with open(self.log, "ab") as log:
            done = subprocess.run(
                [f"{self.places.sbin}/{name}", *arguments], check=False,
                env=self.environment, stdin=subprocess.DEVNULL, stderr=log,
                stdout=subprocess.PIPE, timeout=load.PATIENCE * 5)
        if done.returncode not in codes:
            raise Failed(f"{name} {' '.join(arguments)}: exit code "
                         f"{done.returncode}:\n{tail(self.log)}")
        return done.stdout

    def start_sender(self, events):
        spawn([self.places.sbin + "/qfront-send"],
              {**self.environment, "EVENTS": events}, self.log, [None, None])

    def recover(self):
        self._run("qfront-send", "--once")
        copies = self.records.take()
        held = self._held()
        if held:
            self._run("qfrontctl", "quarantine", "release", *held)
            self._run("qfront-send", "--once")
            copies += self.records.take(held=True)
        return copies

    def _held(self):
        """1: it has found something damaged, and says nothing of the rest."""
        said = self._run("qfrontctl", "quarantine", "list", "--json",
                         codes=(0, 1))
        return [m["id"] for m in json.loads(said or b"[]")]


class Queue(Ours):
    name = "qfront-queue"
    fates = (mail.PLAIN, mail.REFUSED, mail.HELD, mail.ROUTED)

    def submit(self, message):
        return call([self.places.sbin + "/qfront-queue"], self._intake(),
                    self.log, [message.data, message.envelope()])


class Cold(Ours):
    """qfront without a daemon."""

    name = "qfront cold"

    def submit(self, message):
        return call([self.places.sbin + "/qfront"], self._intake(),
                    self.log, [message.data, message.envelope()])


class Warm(Cold):
    """qfront, whose daemon queues the message."""

    name = "qfront warm"
    READY = 9

    def start(self):
        self._start_daemon()

    def _start_daemon(self):
        readable, writable = os.pipe()
        pid, _ = spawn(
            [self.places.sbin + "/qfrontd", "--socket", self.path("socket"),
             "--ready-fd", str(self.READY)],
            self._intake(), self.log, [None, None], {self.READY: writable})
        os.close(writable)
        ready = os.read(readable, 1)
        os.close(readable)
        if not ready:
            raise Failed(f"qfrontd does not start:\n{tail(self.log)}")
        return pid


class Drop(Warm):
    """qfront-drop while there is no daemon, which comes when power is back."""

    name = "qfront-drop"
    fates = (mail.PLAIN, mail.REFUSED)
    delivers = False

    def make(self, top):
        super().make(top)
        self.drop = top + "/queue/drop"
        os.mkdir(self.drop)
        os.chmod(self.drop, 0o1777)

    def start(self):
        pass

    def submit(self, message):
        return call([self.places.libexec + "/qfront-drop"], self._intake(),
                    self.log, [message.data, message.envelope()])

    def recover(self):
        pid = self._start_daemon()
        end = time.monotonic() + load.PATIENCE
        while glob.glob(self.drop + "/*") and time.monotonic() < end:
            time.sleep(0.01)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        return super().recover()


OURS = (Queue, Cold, Warm, Drop)
