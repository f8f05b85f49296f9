"""Which cuts are made: the controls first, then each program on each disk."""

import random
import sys
import tempfile

import disk
import peers
import subjects
import table
from trial import SYNCED, Trial

SCENARIOS = ("idle", "load", "delivery")
CONTROL_TRIES = 5


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
            rows = {s: self.row(trial, s) for s in scenarios}
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
            if not some:
                self.notes.append(f"not here: {kind.name} has no sender")
                continue
            each = -(-cuts // (len(some) * len(options.fs)))
            try:
                for fs in options.fs:
                    self.program(kind, fs, some, each)
            except peers.Missing as e:
                self.notes.append(f"not here: {kind.name}: {e}")
