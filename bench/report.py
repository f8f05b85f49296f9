"""From the times of messages to a table and to records."""

import os
import platform
import statistics
import subprocess


class Batch:
    """One run of the driver: its callers' messages."""

    def __init__(self, lines):
        self.times = []
        last = 0
        for row in lines:
            _, us, *each = (int(word) for word in row.split())
            self.times += each
            last = max(last, us)
        # Until the last one is done. What some callers would have gained by
        # being served first is no throughput.
        self.rate = len(self.times) * 1e6 / last

    def median(self):
        return statistics.median(self.times)


def percentile(times, part):
    """Of sorted times: the least that so many do not exceed."""
    return times[max(0, -(-len(times) * part // 100) - 1)]


def ratio(ours, theirs, value):
    """The median of the pairs of one round each."""
    return statistics.median(
        value(a) / value(b) for a, b in zip(ours, theirs))


def record(batches):
    times = sorted(t for batch in batches for t in batch.times)
    return {
        "messages": len(times),
        "rate": round(statistics.median(b.rate for b in batches), 1),
        "p50": percentile(times, 50),
        "p90": percentile(times, 90),
        "p99": percentile(times, 99),
        "max": times[-1],
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
    }


def size_name(size):
    for unit, name in ((1 << 20, "MB"), (1 << 10, "KB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def times_text(value):
    return "" if value is None else f"{value:.2f}"


COLUMNS = (
    ("", "<14", lambda r: f"{r['filter']} {r['way']}"),
    ("msg/s", ">9", lambda r: f"{r['rate']:.1f}"),
    ("p50 us", ">9", lambda r: r["p50"]),
    ("p90 us", ">9", lambda r: r["p90"]),
    ("p99 us", ">9", lambda r: r["p99"]),
    ("max us", ">9", lambda r: r["max"]),
    ("x floor", ">9", lambda r: times_text(r["vs_floor"])),
    ("x cold", ">9", lambda r: times_text(r["vs_cold"])),
    ("x exec", ">9", lambda r: times_text(r["vs_exec"])),
    ("messages", ">10", lambda r: r["messages"]),
)


def line(cells):
    return "".join(f"{cell:{c[1]}}" for c, cell in zip(COLUMNS, cells)).rstrip()


def cell_table(rows):
    """The rows of one size and number of callers."""
    head = rows[0]
    callers = head["callers"]
    yield ""
    yield (f"{size_name(head['size'])}, {callers} "
           f"caller{'s' if callers > 1 else ''}, {head['rounds']} rounds")
    yield line([c[0] for c in COLUMNS])
    for row in rows:
        yield line([c[2](row) for c in COLUMNS])


def text(result):
    o = result["origin"]
    yield (f"qfront {o['commit']}{' with changes' if o['changed'] else ''} "
           f"of {o['date']}, {o['cpus']} CPUs, {o['kernel']} {o['machine']}, "
           f"seed {result['seed']}")
    if result["quick"]:
        yield "Quick: these numbers mean nothing."
    cells = {}
    for row in result["rows"]:
        cells.setdefault((row["size"], row["callers"]), []).append(row)
    for rows in cells.values():
        yield from cell_table(rows)
    yield ""
    for target in result["targets"]:
        value = target["value"]
        met = {True: "met", False: "NOT MET", None: ""}[target["met"]]
        yield (f"{target['name']}: "
               f"{'not measured' if value is None else value} "
               f"(target {target['limit']}) {met}").rstrip()
