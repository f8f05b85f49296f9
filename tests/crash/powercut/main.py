#!/usr/bin/python3
"""Cuts the power while programs take mail, and counts what is lost.

usage: dev/powercut [OPTION...]

Each program gets a queue on a disk of its own, clients put mail in and
remember what they are told, the power of the disk goes, the disk is mounted
again, and the program delivers what it has. What a client was told to be
accepted must come out, once at least, every byte as it went in.

  --cuts N      cuts of each program of ours (27), spread over all file
                systems and scenarios, one each at least
  --peer-cuts N the same for each peer (as --cuts)
  --fs LIST     of ext4, ext4-writeback, xfs (all that are possible here)
  --scenario LIST
                of idle (one message, then the cut), load (8 clients at
                once), delivery (the same while the sender delivers); all
  --only LIST   these programs (all; --list has the names)
  --peers       peers as well: they are unpacked from Debian's packages,
                which are downloaded if they are not there
  --cache DIR   where the peers are unpacked (below build/)
  --load N      most messages that are accepted before a cut (40)
  --seed N      chooses messages and moments (1)
  --json FILE   writes records as well
  --save DIR    keeps report and records there, as powercut.txt and .json
  --keep DIR    keeps there what a failed cut of ours leaves: the disk, what
                was lost, and the log
  --break KIND  loads a library into our programs that makes their syncs of
                files (`file`), folders (`dir`) or both (`all`) do nothing
  --strict      what is accepted after the cut must be there as well
  --list        only prints the programs
  --probe       only says whether this machine can do it

Ends with 0, with 1 when a program of ours has lost or spoiled a message,
with 2 when the test did not work, with 77 when it is not possible here.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
SOURCE = os.path.normpath(os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../../.."))
sys.path.append(SOURCE + "/bench")
import cut_system  # noqa: E402
import disk  # noqa: E402
import peers  # noqa: E402
import plan  # noqa: E402
import power  # noqa: E402
import report  # noqa: E402
import subjects  # noqa: E402
import table  # noqa: E402


def words(known):
    def split(value):
        some = value.split(",")
        for word in some:
            if word not in known:
                raise argparse.ArgumentTypeError(
                    f"{word!r} is none of: {', '.join(known)}")
        return some

    return split


def parse(kinds):
    parser = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].rstrip(), add_help=False)
    parser.add_argument("--help", action="store_true")
    parser.add_argument("--cuts", type=int, default=27)
    parser.add_argument("--peer-cuts", type=int)
    parser.add_argument("--fs", type=words(tuple(disk.KINDS)))
    parser.add_argument("--scenario", type=words(plan.SCENARIOS),
                        default=list(plan.SCENARIOS))
    parser.add_argument("--only", type=words([k.name for k in kinds]))
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--cache", default=os.path.join(
        os.environ.get("QF_BUILDDIR", "."), "peers"))
    parser.add_argument("--load", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json")
    parser.add_argument("--save")
    parser.add_argument("--keep")
    parser.add_argument("--break", dest="broken",
                        choices=("file", "dir", "all"))
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--probe", action="store_true")
    options = parser.parse_args()
    if options.peer_cuts is None:
        options.peer_cuts = options.cuts
    return options


def text(result, rows):
    o = result["origin"]
    yield (f"qfront {o['commit']}{' with changes' if o['changed'] else ''} "
           f"of {o['date']}, {o['cpus']} CPUs, {o['kernel']} {o['machine']}, "
           f"seed {result['seed']}")
    yield from result["notes"]
    yield ""
    yield from table.lines(rows)


def write(options, result, rows):
    report_text = "".join(line + "\n" for line in text(result, rows))
    record_text = json.dumps(result, indent=1) + "\n"
    print(report_text, end="")
    files = {options.json: record_text}
    if options.save:
        files[options.save + "/powercut.txt"] = report_text
        files[options.save + "/powercut.json"] = record_text
    for path, content in files.items():
        if path:
            with open(path, "w", encoding="ascii") as f:
                f.write(content)


def judge(rows, strict):
    """One line on what is ours, and the exit code."""
    ours = [row for row in rows if row.ours and row.scenario != plan.SYNCED]
    lost, corrupt = sum(r.lost for r in ours), sum(r.corrupt for r in ours)
    late = sum(r.late for r in ours)
    if ours:
        print(f"\nqfront: of {sum(r.accepted for r in ours):,} accepted "
              f"messages {lost} lost and {corrupt} corrupt, in "
              f"{sum(r.cuts for r in ours):,} cuts")
    if late:
        print(f"{late} more were accepted after the cut, and are gone")
    return 1 if lost or corrupt or (strict and late) else 0


def work(options, kinds, folder):
    """In the machine: all that was asked for."""
    wanted = options.fs or list(disk.KINDS)
    reasons = {fs: plan.why_not(fs, folder) for fs in wanted}
    notes = [f"not here: {why}" for why in reasons.values() if why]
    can = [fs for fs in wanted if not reasons[fs]]
    if not can or (options.fs and notes):
        print("\n".join(notes))
        return power.CAN_NOT
    if options.probe:
        print("\n".join([*notes, f"the power of {', '.join(can)} can be cut"]))
        return 0
    options.fs = can
    run = plan.Run(options, folder)
    try:
        run.all(kinds)
    except disk.Failed as e:
        print(f"dev/powercut: {e}", file=sys.stderr)
        return 2
    result = {"origin": report.origin(SOURCE), "seed": options.seed,
              "notes": notes + run.notes, "rows": table.records(run.rows)}
    write(options, result, run.rows)
    return judge(run.rows, options.strict)


def main():
    known = subjects.OURS + cut_system.PEERS
    options = parse(known)
    kinds = [k for k in known if (
        k.name in options.only if options.only else
        k.ours or options.peers)]
    if options.help:
        print(__doc__.partition("\n\n")[2].strip())
        return 0
    if options.list:
        print("\n".join(kind.name for kind in known))
        return 0
    if os.geteuid() != 0:
        print("only root can mount a disk and cut its power")
        return power.CAN_NOT
    folder = tempfile.mkdtemp(prefix="qfront-powercut-")
    os.chmod(folder, 0o711)  # for those of the peers who are not root
    options.packages = peers.Packages(options.cache)
    try:
        return power.run(lambda: work(options, kinds, folder))
    except power.NoMachine as e:
        print(e)
        return power.CAN_NOT
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
