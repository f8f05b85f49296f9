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
  --list        only prints the programs
  --probe       only says whether this machine can do it

Ends with 0, with 1 when a program of ours has lost or spoiled a message,
with 2 when the test did not work, with 77 when it is not possible here.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time

import disk
import load
import mail
import power
import subjects
import table

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.normpath(os.path.join(HERE, "../../.."))
sys.path.append(SOURCE + "/bench")
import report  # noqa: E402
import cut_peers  # noqa: E402
import peers  # noqa: E402

SCENARIOS = ("idle", "load", "delivery")
SYNCED = "synced"  # the clients end and all is synced before the cut
CLIENTS = 8
CONTROL_TRIES = 5
GRACE = 1  # seconds
TOLD = 10  # losses of one cut that are printed


class Trial:
    """One program on one disk: its queue lives through many cuts."""

    def __init__(self, options, subject, a_disk, choose):
        self.options, self.subject, self.disk = options, subject, a_disk
        self.choose = choose
        self.maker = mail.Maker(options.seed, subject.fates, subject.binary)
        self.next = 1

    def __enter__(self):
        self.disk.format()
        self.disk.mount()
        self.subject.make(self.disk.top)
        power.off()
        self.subject.powered_off()
        self.disk.sync()
        return self

    def __exit__(self, *_):
        power.off()
        self.subject.powered_off()
        self.disk.unmount()

    def cut(self, scenario):
        """One cut: how many messages were accepted, and the verdict."""
        subject = self.subject
        clients, most = (1, 1) if scenario == "idle" else (
            CLIENTS, self.options.load)
        work = load.Load(subject.submit, self.maker, self.next, clients, most)
        self.next += most
        events = load.Events(subject.path("events"))
        events.start()
        subject.start()
        if scenario == "delivery":
            subject.start_sender(events.path)
        work.start()
        self._wait(scenario, work, events.seen)
        self.disk.cut()
        self._end(work)
        events.close()
        self.disk.unmount()
        kept = self._keep()
        self.disk.mount()
        copies = subject.recover()
        power.off()
        verdict = mail.Judge(self.maker, work.begun, work.accepted).look(
            copies)
        self.disk.sync()
        self._tell(verdict, kept, work)
        return len(work.accepted), verdict

    def _wait(self, scenario, work, delivered):
        """Until the moment of the cut."""
        if scenario == SYNCED:
            work.join(load.PATIENCE)
            self.disk.sync()
            return
        most = work.most
        counter, over = work.acknowledged, work.over
        if scenario == "delivery":
            counter, over = delivered, lambda: False
        n = self.choose.randrange(1, most + 1)
        if not counter.wait_for(n, over) or not work.begun:
            raise disk.Failed(
                f"{self.subject.name}: waited for {n} of its messages, there "
                f"are {counter.n}; exit codes {work.codes}:\n"
                f"{subjects.tail(self.subject.log)}")
        # Somewhere in what goes on now, and not always just behind it.
        time.sleep(self.choose.choice((0, self.choose.random() * 0.005)))

    def _end(self, work):
        """No power: nobody lives on. But who is about to hear that a message
        is accepted does hear it; some programs would try for ever."""
        work.stop()
        work.join(GRACE)
        power.kill()
        while not work.join(0.1):
            power.kill()  # what a client had still started
        power.off()
        self.subject.powered_off()

    def _keep(self):
        if not self.options.keep or not self.subject.ours:
            return None
        kept = self.subject.path("kept.image")
        self.disk.keep(kept)
        return kept

    def _tell(self, verdict, kept, work):
        """What a cut has shown, for those who look for the reason."""
        if not (verdict.lost or verdict.corrupt):
            return
        lines = [f"message {n} ({self.maker.make(n).fate}): accepted and lost"
                 for n in verdict.lost] + verdict.corrupt
        if self.subject.ours:
            for line in lines[:TOLD]:
                print(f"{self.subject.name}, {self.disk.kind}: {line}")
            if len(lines) > TOLD:
                print(f"and {len(lines) - TOLD} more")
        if kept:
            folder = tempfile.mkdtemp(dir=self.options.keep)
            shutil.move(kept, folder + "/disk.image")
            shutil.copy(self.subject.log, folder + "/log")
            with open(folder + "/report", "w", encoding="ascii") as f:
                f.writelines(line + "\n" for line in lines)
                f.write(f"exit codes: {work.codes}\n")


class Run:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.choose = random.Random(options.seed)
        self.rows, self.notes = [], []

    def progress(self, text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def subject(self, kind):
        folder = tempfile.mkdtemp(dir=self.folder)
        return kind(folder, self.options)

    def trial(self, kind, fs):
        return Trial(self.options, self.subject(kind),
                     disk.Disk(fs, self.folder), self.choose)

    def row(self, trial, scenario):
        row = table.Row(trial.subject.name, trial.disk.kind, scenario,
                        trial.subject.ours)
        self.rows.append(row)
        return row

    def control(self, fs):
        """Does the cut take what is not synced, and leave what is?"""
        trial = self.trial(subjects.Unsynced, fs)
        with trial:
            for scenario in ("idle", "load"):
                row = self.row(trial, scenario)
                while row.lost == 0 and row.cuts < CONTROL_TRIES:
                    row.add(*trial.cut(scenario))
                if row.lost == 0:
                    raise disk.Failed(
                        f"{fs}: a program that never syncs has lost nothing "
                        f"in {row.cuts} cuts, so the cut does nothing here")
            self.synced(trial)
        trial.disk.examine()

    def synced(self, trial):
        """What was synced is there: else the test can not see it."""
        row = self.row(trial, SYNCED)
        row.add(*trial.cut(SYNCED))
        if row.accepted == 0 or row.lost or row.corrupt:
            raise disk.Failed(
                f"{trial.subject.name}, {row.fs}: of {row.accepted} messages "
                f"that were synced, {row.lost} are lost, {row.corrupt} "
                f"corrupt:\n{subjects.tail(trial.subject.log)}")

    def program(self, kind, fs, scenarios, cuts):
        trial = self.trial(kind, fs)
        with trial:
            self.synced(trial)
            rows = {s: self.row(trial, s) for s in scenarios
                    if s != "delivery" or kind.delivers}
            order = [s for s in rows for _ in range(cuts)]
            self.choose.shuffle(order)
            for n, scenario in enumerate(order):
                self.progress(f"{trial.subject.name}, {fs}: cut {n + 1} of "
                              f"{len(order)}")
                rows[scenario].add(*trial.cut(scenario))
        self.progress("")
        trial.disk.examine()

    def all(self, kinds):
        options = self.options
        for fs in options.fs:
            self.control(fs)
        for kind in kinds:
            cuts = options.cuts if kind.ours else options.peer_cuts
            some = [s for s in options.scenario
                    if s != "delivery" or kind.delivers]
            each = -(-cuts // (len(some) * len(options.fs)))
            try:
                for fs in options.fs:
                    self.program(kind, fs, some, each)
            except peers.Missing as e:
                self.notes.append(f"not here: {kind.name}: {e}")


def why_not(fs, folder):
    """Why the power of such a disk can not be cut here; None: it can."""
    lacks = disk.missing(fs)
    if lacks:
        return f"{fs}: there is no {', '.join(lacks)}"
    try:
        a_disk = disk.Disk(fs, folder)
        a_disk.format()
        a_disk.mount()
        try:
            a_disk.cut()
        finally:
            a_disk.unmount()
    except disk.Failed as e:
        return str(e)
    return None


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
    parser.add_argument("--scenario", type=words(SCENARIOS),
                        default=list(SCENARIOS))
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


def judge(rows):
    """One line on what is ours, and the exit code."""
    ours = [row for row in rows if row.ours and row.scenario != SYNCED]
    lost, corrupt = sum(r.lost for r in ours), sum(r.corrupt for r in ours)
    if ours:
        print(f"\nqfront: of {sum(r.accepted for r in ours):,} accepted "
              f"messages {lost} lost and {corrupt} corrupt, in "
              f"{sum(r.cuts for r in ours):,} cuts")
    return 1 if lost or corrupt else 0


def work(options, kinds, folder):
    """In the machine: all that was asked for."""
    wanted = options.fs or list(disk.KINDS)
    reasons = {fs: why_not(fs, folder) for fs in wanted}
    notes = [f"not here: {why}" for why in reasons.values() if why]
    can = [fs for fs in wanted if not reasons[fs]]
    if not can or (options.fs and notes):
        print("\n".join(notes))
        return power.CAN_NOT
    if options.probe:
        print("\n".join([*notes, f"the power of {', '.join(can)} can be cut"]))
        return 0
    options.fs = can
    run = Run(options, folder)
    try:
        run.all(kinds)
    except disk.Failed as e:
        print(f"dev/powercut: {e}", file=sys.stderr)
        return 2
    result = {"origin": report.origin(SOURCE), "seed": options.seed,
              "notes": notes + run.notes, "rows": table.records(run.rows)}
    write(options, result, run.rows)
    return judge(run.rows)


def main():
    known = subjects.OURS + cut_peers.PEERS
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
