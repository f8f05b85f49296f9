"""What a queue does that has many messages already."""

import os
import shutil
import statistics
import subprocess
import time

import report
import rounds
import world

BASE = 1000  # what the other depths are compared with
# Of a message: half of them have two files, the others three.
INODES, BYTES = 2.5, 2.5 * 4096 + 256
SPARE = 1 << 30  # bytes that stay free
# Up to here a queue is made anew for each batch: what came in would count.
SHALLOW = BASE


def why_not(folder, depth):
    """Is there no place for so many messages?"""
    free = os.statvfs(folder)
    inodes, size = int(depth * INODES), int(depth * BYTES)
    if free.f_files and free.f_favail < inodes:
        return f"{free.f_favail} inodes are free of {inodes}"
    if free.f_bavail * free.f_frsize < size + SPARE:
        return (f"{free.f_bavail * free.f_frsize >> 20} MiB are free of "
                f"{size + SPARE >> 20}")
    return None


class Queue(rounds.Variant):
    """A queue of so many messages, and a caller of qfront-queue."""

    def __init__(self, w, name, depth):
        self.world, self.name, self.depth = w, name, depth
        self.folder = None
        self.control = w.control(name + "-control")
        super().__init__({}, [w.places.sbin + "/qfront-queue"], {})
        self.preload_seconds = self.fill()

    def fill(self):
        self.remove()
        self.folder = self.world.make_queue(self.name)
        self.environment = self.world.environment(
            CONTROLDIR=self.control, QUEUEDIR=self.folder)
        begin = time.monotonic()
        subprocess.run([self.world.places.preload, self.folder,
                        str(self.depth)], check=True)
        self.world.settle()
        return time.monotonic() - begin

    def remove(self):
        if self.folder is not None:
            shutil.rmtree(self.folder)

    def after(self, w):
        if self.depth <= SHALLOW:
            self.fill()
        else:
            w.settle()


def rates(w, queue, base, callers, options, repeat, seed):
    """Messages a second, and that by what the base takes."""
    run = rounds.Run(w, [queue, base], seed, None)
    batches = run.cell(f"{queue.depth} queued, {callers} callers",
                       {"callers": callers, **options}, repeat)
    own = batches[queue]
    return {"callers": callers,
            "rate": round(statistics.median(b.rate for b in own), 1),
            "vs_base": round(rounds.speed(own, batches[base]), 3)}


def first_line_ms(queue):
    """Of `qfrontctl queue list | head -1`: until it has its line. What is not
    read any more must not be listed."""
    begin = time.monotonic()
    lister = subprocess.Popen(
        [queue.world.places.sbin + "/qfrontctl", "queue", "list"],
        env=queue.environment, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL)
    with lister.stdout:
        line = lister.stdout.readline()
        took = time.monotonic() - begin
    try:
        lister.wait(world.PATIENCE)
    except subprocess.TimeoutExpired:
        lister.kill()
        lister.wait()
        raise world.Failed("qfrontctl queue list does not see that nobody "
                           "reads it") from None
    if not line:
        raise world.Failed("qfrontctl queue list says nothing")
    return round(took * 1000, 1)


def look(queue, *command):
    """Seconds and the most memory of a program; what it says is in the log."""
    words = queue.world.run_driver(
        # Nothing but a message, which it does not read: it may write.
        {"trace": 2, "feed": 2, "size": 1},
        [f"{queue.world.places.sbin}/{command[0]}", *command[1:]],
        queue.environment)[0].split()
    return round(int(words[1]) / 1e6, 3), round(int(words[3]) / 1024, 1)


def list_all(queue):
    """All of `qfrontctl queue list`, into a file."""
    seconds, mib = look(queue, "qfrontctl", "queue", "list")
    with open(queue.world.log, "rb") as log:
        lines = sum(1 for _ in log) - 1
    if lines != queue.depth:
        raise world.Failed(f"qfrontctl queue list has {lines} messages of "
                           f"{queue.depth}")
    return {"list_s": seconds, "list_mib": mib}


def scan(queue):
    """The sender looks at each message once, and finds no server for it."""
    seconds, mib = look(queue, "qfront-send", "--once")
    if f"messages={queue.depth} ".encode() not in world.read(queue.world.log):
        raise world.Failed(f"qfront-send does not find {queue.depth} messages")
    return {"scan_s": seconds, "peak_mib": mib}


def disk_mib(folder):
    said = subprocess.run(["du", "-sk", folder], check=True,
                          stdout=subprocess.PIPE).stdout
    return round(int(said.split()[0]) / 1024, 1)


def measure_one(w, base, depth, callers, options, repeat, seed):
    why = why_not(w.top, depth)
    if why is not None:
        return {"depth": depth, "why_not": why}
    queue = Queue(w, "deep", depth)
    record = {"depth": depth, "why_not": None,
              "preload_s": round(queue.preload_seconds, 2),
              "disk_mib": disk_mib(queue.folder),
              "first_line_ms": first_line_ms(queue), **list_all(queue),
              **scan(queue),
              "accept": [rates(w, queue, base, n, options, repeat, seed)
                         for n in callers]}
    queue.remove()
    return record


def measure(w, depths, callers, options, repeat, seed):
    base = Queue(w, "base", BASE)
    records = [measure_one(w, base, depth, callers, options, repeat, seed)
               for depth in depths]
    base.remove()
    return records


def columns(callers):
    def of(field, n):
        return lambda r: next(a[field] for a in r["accept"]
                              if a["callers"] == n)

    yield "queued", ">9", lambda r: r["depth"]
    for n in callers:
        yield (f"msg/s, {n}", ">11",
               lambda r, value=of("rate", n): f"{value(r):.1f}")
        yield (f"x {BASE}", ">9",
               lambda r, value=of("vs_base", n): f"{value(r):.2f}")
    yield "head ms", ">9", lambda r: r["first_line_ms"]
    yield "list s", ">9", lambda r: f"{r['list_s']:.3f}"
    yield "list MiB", ">10", lambda r: r["list_mib"]
    yield "scan s", ">9", lambda r: f"{r['scan_s']:.3f}"
    yield "scan MiB", ">10", lambda r: r["peak_mib"]
    yield "disk MiB", ">10", lambda r: r["disk_mib"]
    yield "made in s", ">11", lambda r: f"{r['preload_s']:.2f}"


def text(records, callers):
    yield from report.table(
        f"Messages that are queued already: qfront-queue, 4 KB, {callers[0]} "
        f"and {callers[-1]} callers", list(columns(callers)),
        [r for r in records if r["why_not"] is None])
    for r in records:
        if r["why_not"] is not None:
            yield f"{r['depth']} queued: not measured: {r['why_not']}"


def targets(records, callers):
    deepest = records[-1] if records else None

    def value(field):
        if deepest is None or deepest["why_not"] is not None:
            return None
        return deepest.get(field)

    name = f"{deepest['depth'] if deepest else 'many'} queued"
    for n in callers:
        yield report.target(
            f"{name}, {n} caller{'s' if n > 1 else ''}: messages/s x that "
            f"with {BASE}",
            next((a["vs_base"] for a in value("accept") or []
                  if a["callers"] == n), None),
            "at least 0.7", lambda v: v >= 0.7)
    yield report.target(
        f"{name}: qfrontctl queue list | head -1, ms",
        value("first_line_ms"), "below 1000", lambda v: v < 1000)
    yield report.target(
        f"{name}: qfront-send looks at all, most memory, MiB",
        value("peak_mib"), "below 200", lambda v: v < 200)
