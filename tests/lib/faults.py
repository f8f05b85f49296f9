#!/usr/bin/python3
"""Runs a program again and again, each time with another call to the C library
failing (tests/lib/fault.c), and looks at what is left.

usage: faults.py intake|split|groups|send|release|delete|hold|hold-tried|
                 delete-tried|release-tried|delete-held-tried|retry|
                 failed-retry|failed-delete|fix|smtp|qmqp|remote
                 [--no-tmpfile] [--sparse N] [--process PROCESS]
                 [--skip CALL,...] [--jobs N] DIRECTORY

  intake  qfront, qfrontd and qfront-queue take a message: exit 0 and the
          whole message is in the queue, or a temporary code and nothing is;
          after a SIGKILL nothing, the whole message, or litter that no
          sender sees.
  split   qfront and the others take a message whose recipients go different
          ways: exit 0 and all are there, or a temporary code and none is.
  groups  qfront-queue takes three messages, of which one is to be held: exit 0
          and all are there, or a temporary code and none is; after a SIGKILL
          each that is seen is whole.
  release qfrontctl releases a held message: whatever happens it is held or
          queued, whole, and in the end it is delivered and nothing is left.
  delete  the same for its deletion: it is held, whole, or gone.
  hold    qfrontctl holds a queued message: whatever happens it is held or
          queued, whole, and in the end it is released and delivered.
  hold-tried, delete-tried  the same for a queued message of which one
          recipient is served and one waits.
  release-tried, delete-held-tried  the same for one that was then held.
  retry   qfrontctl lets such a message be tried at once: it stays queued.
  failed-retry  qfrontctl queues again what has failed: whatever happens it is
          kept or queued, and in the end it is delivered.
  failed-delete  the same for its deletion: it is kept, or gone.
  fix     qfrontctl repairs the copy of a queue: whatever happens a second
          repair ends it, and the message is delivered with its attributes.
  send    qfront-send delivers to two recipients: after a run without faults
          each was served or the sender was told, and nothing is left.
  smtp    the module against a server (tests/lib/sink.py): 0 only when the
          server has the whole message, no other code is permanent.
  qmqp    the same by QMQP (tests/lib/fakeqmqp.py).
  remote  qfront-remote against such a server: it exits 0 with whole reports,
          says K only when the server has the whole message, and else that the
          mail waits; where reports can not be written its exit code says so.

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
import json
import multiprocessing
import os
import sys

from faults_base import Hangs, become_reaper, read_file
from faults_intake import Groups, Intake
from faults_remote import Remote
from faults_send import Delete, DeleteHeldTried, DeleteTried, FailedDelete, \
    FailedRetry, Fix, Hold, HoldTried, Qmqp, Release, ReleaseTried, Retry, \
    Send, Smtp
from faults_split import Split

# How calls fail. What is not worth an exit code of its own fails with one
# error: the programs do not tell them apart.
ERRORS = {
    "bind": ["EADDRINUSE"],
    "close": ["EIO"],
    "connect": ["ETIMEDOUT"],
    "create": ["EMFILE", "ENOSPC", "EDQUOT"],
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
    "fstatvfs": ["EIO"],
    "fsync": ["EIO", "ENOSPC"],
    "ftruncate": ["EIO"],
    "futimens": ["EIO"],
    "getsockopt": ["ENOBUFS"],
    "link": ["EEXIST", "ENOSPC", "EDQUOT"],
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
    "thread": ["EAGAIN"],
    "unlink": ["EIO"],
    "write": ["ENOSPC", "EDQUOT", "EINTR", "short"],
}
SCENARIOS = {"intake": Intake, "split": Split, "groups": Groups, "send": Send,
             "release": Release, "delete": Delete, "hold": Hold,
             "hold-tried": HoldTried, "delete-tried": DeleteTried,
             "release-tried": ReleaseTried,
             "delete-held-tried": DeleteHeldTried, "retry": Retry,
             "failed-retry": FailedRetry, "failed-delete": FailedDelete,
             "fix": Fix, "smtp": Smtp, "qmqp": Qmqp,
             "remote": Remote}
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
        n += max(1, n // options.sparse) if call == "malloc" else 1
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
    arguments.add_argument("--sparse", metavar="N", type=int,
                           default=sys.maxsize,
                           help="up to the N-th every malloc() is tried, then "
                           "ever fewer")
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
