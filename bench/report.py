"""From the times of messages to a table and to records."""

import os
import platform
import statistics
import subprocess


class Batch:
    """Messages of some callers: the microseconds of each, where they are
    known, and of all together. more: what else there is to say of a message,
    by name."""

    def __init__(self, messages, us, times, **more):
        self.times, self.more = times, more
        # Until the last one is done. What some callers would have gained by
        # being served first is no throughput.
        self.rate = messages * 1e6 / us
        self.messages = messages

    @classmethod
    def of_lines(cls, lines):
        """From one run of the driver."""
        times = []
        last = 0
        for row in lines:
            _, us, *each = (int(word) for word in row.split())
            times += each
            last = max(last, us)
        return cls(len(times), last, times)

    def median(self):
        return statistics.median(self.times)


def percentile(times, part):
    """Of sorted times: the least that so many do not exceed."""
    if not times:
        return None
    return times[max(0, -(-len(times) * part // 100) - 1)]


def ratio(ours, theirs, value):
    """The median of the pairs of one round each."""
    return statistics.median(
        value(a) / value(b) for a, b in zip(ours, theirs))


def record(batches):
    times = sorted(t for batch in batches for t in batch.times)
    return {
        "messages": sum(b.messages for b in batches),
        "rate": round(statistics.median(b.rate for b in batches), 1),
        "p50": percentile(times, 50),
        "p90": percentile(times, 90),
        "p99": percentile(times, 99),
        "max": percentile(times, 100),
        **{name: round(statistics.median(b.more[name] for b in batches), 3)
           for name in batches[0].more},
    }


def git(source, *arguments):
    done = subprocess.run(["git", "-C", source, *arguments], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip() if done.returncode == 0 else None


def origin(source):
    """What was measured, and on what."""
    return {
        "commit": git(source, "rev-parse", "--short=12", "HEAD") or "unknown",
        "changed": bool(git(source, "status", "--porcelain",
                            "--untracked-files=no", "--", ".",
                            ":!bench/results")),
        "date": git(source, "log", "-1", "--format=%cs") or "unknown",
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        # Of others: the benchmark itself has not begun.
        "load": round(os.getloadavg()[0], 1),
    }


def size_name(size):
    for unit, name in ((1 << 20, "MB"), (1 << 10, "KB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def cell(value, digits=None):
    if value is None:
        return ""
    return value if digits is None else f"{value:.{digits}f}"


def columns(first, ratios):
    """Heading, format and cell of each column: first is that of the row's
    name, ratios are headings and the fields of the records."""
    return (
        first,
        ("msg/s", ">9", lambda r: cell(r["rate"], 1)),
        ("p50 us", ">9", lambda r: cell(r["p50"])),
        ("p90 us", ">9", lambda r: cell(r["p90"])),
        ("p99 us", ">9", lambda r: cell(r["p99"])),
        ("max us", ">9", lambda r: cell(r["max"])),
        *((f"x {name}", f">{max(9, len(name) + 4)}",
           lambda r, field=field: cell(r[field], 2))
          for name, field in ratios),
        ("messages", ">10", lambda r: cell(r["messages"])),
    )


def table(title, head, rows):
    """head: the columns."""
    def line(cells):
        return "".join(
            f"{c:{h[1]}}" for h, c in zip(head, cells)).rstrip()

    yield ""
    yield title
    yield line([h[0] for h in head])
    for row in rows:
        yield line([h[2](row) for h in head])


def rows_text(rows, head):
    """A table for each size and number of callers."""
    cells = {}
    for row in rows:
        cells.setdefault((row["size"], row["callers"]), []).append(row)
    for (size, callers), some in cells.items():
        yield from table(
            f"{size_name(size)}, {callers} caller"
            f"{'s' if callers > 1 else ''}, {some[0]['rounds']} rounds",
            head, some)


def head_text(result):
    o = result["origin"]
    yield (f"qfront {o['commit']}{' with changes' if o['changed'] else ''} "
           f"of {o['date']}, {o['cpus']} CPUs, load {o['load']}, "
           f"{o['kernel']} {o['machine']}, seed {result['seed']}")
    if result["quick"]:
        yield "Quick: these numbers mean nothing."


def target(name, value, limit, met):
    """met: of a value that was measured, is it good? None: no target."""
    return {"name": name, "value": value, "limit": limit,
            "met": None if value is None or met is None else met(value)}


def targets_text(result):
    yield ""
    for t in result["targets"]:
        value = t["value"]
        met = {True: "met", False: "NOT MET", None: ""}[t["met"]]
        yield (f"{t['name']}: "
               f"{'not measured' if value is None else value} "
               f"(target {t['limit']}) {met}").rstrip()
