"""System calls and syncs of a message, as strace(1) sees them: of a program
and all that it starts, or of daemons that are there."""

import dataclasses
import os
import re
import shutil
import signal
import subprocess

import world

SYNCS = ("fsync", "fdatasync", "sync", "syncfs")
# Each sync takes at least so long, so that those that other threads begin
# meanwhile are seen to be under way at the same time.
DELAY = "inject=" + ",".join(SYNCS) + ":delay_enter=20000"

BEGIN = re.compile(r"(\d+) +([\d.]+) (\w+)\(.*?(?:<([\d.]+)>)?$")
RESUMED = re.compile(r"(\d+) +([\d.]+) <\.\.\. (\w+) resumed>.*<([\d.]+)>$")


@dataclasses.dataclass
class Look:
    calls: float
    syncs: float
    # Syncs that overlap are one wait; None where messages share them.
    waits: int = None


def why_not():
    if shutil.which("strace") is None:
        return "there is no strace"
    return None


def groups(spans):
    """How many there are of spans of time that overlap."""
    n, last = 0, 0.0
    for begin, end in sorted(spans):
        if begin >= last:
            n += 1
        last = max(last, end)
    return n


def parse(lines):
    calls, spans, open_at = 0, [], {}
    for line in lines:
        m = BEGIN.match(line)
        if m:
            pid, at, name, took = m.groups()
            calls += 1
            if name in SYNCS and took is None:
                open_at[pid] = float(at)
            elif name in SYNCS:
                spans.append((float(at), float(at) + float(took)))
            continue
        m = RESUMED.match(line)
        if m and m.group(3) in SYNCS:
            spans.append((open_at.pop(m.group(1)), float(m.group(2))))
    return Look(calls, len(spans), groups(spans))


def read_trace(path):
    with open(path, encoding="ascii", errors="replace") as f:
        return parse(f)


def of_message(w, variant, size):
    """One message, from the exec of the program on."""
    path = w.path("trace")
    w.run_driver({**variant.options, "size": size},
                 [shutil.which("strace"), "-f", "-ttt", "-T", "-o", path,
                  "-e", DELAY, *variant.command], variant.environment)
    return read_trace(path)


def of_daemons(w, pids, send):
    """send() gives messages to processes, and returns how many: the mean of
    them, and of what these processes start meanwhile."""
    path = w.path("trace")
    readable, writable = os.pipe()
    tracer = subprocess.Popen(
        ["strace", "-f", "-ttt", "-T", "-o", path,
         *(word for pid in pids for word in ("-p", str(pid)))],
        stderr=writable)
    os.close(writable)
    try:
        with open(readable, encoding="ascii", errors="replace") as said:
            for _ in pids:
                line = said.readline()
                if "attached" not in line:
                    raise world.Failed(f"strace: {line}")
            sent = send()
            tracer.send_signal(signal.SIGINT)
            said.read()
    finally:
        tracer.kill()
        tracer.wait()
    look = read_trace(path)
    return Look(round(look.calls / sent, 1), round(look.syncs / sent, 2))
