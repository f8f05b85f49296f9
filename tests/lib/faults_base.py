"""What the scenarios of faults.py share: running programs, and a queue."""

import ctypes
import os
import signal
import subprocess
import time

# After these a program goes on as if nothing had been.
HARMLESS = ("EINTR", "short")
# Seconds after which a run hangs.
PATIENCE = 60
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


def run(argv, env, files, program=None):
    """Exit code or -signal, once all processes have ended. files: descriptor
    -> (path, flags)."""
    actions = [(os.POSIX_SPAWN_OPEN, fd, path, flags, 0o600)
               for fd, (path, flags) in files.items()]
    signal.alarm(PATIENCE)
    try:
        pid = os.posix_spawn(program or argv[0], argv, env, file_actions=actions)
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
