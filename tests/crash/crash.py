#!/usr/bin/python3
"""Records what the queue's programs do to the disk, and looks at every disk
that a power cut could leave (README.md).

usage: crash.py [--wide] [--all-orders] [--leave-out-syncs]
                [--queue-program FILE] [--control-program FILE]
                [--scenario NAME]... [--seed N] [--jobs N] FOLDER
       crash.py --list

  --wide             more of everything; takes minutes
  --all-orders       shows what is wrong where names are reordered also for
                     scenarios.IN_ORDER, where it is not promised
  --leave-out-syncs  of what was recorded each sync is ignored in turn: each
                     must be missed (scenarios.SYNCS)
  --queue-program    instead of the installed qfront-queue
  --control-program  instead of the installed qfrontctl, but for its repairs
                     of what a power cut left

SBIN names the folder of the programs; FOLDER, which must not be there, is for
scratch. Prints a line for each scenario, and what is wrong; exits 1 if
anything is.
"""

import argparse
import collections
import multiprocessing
import os
import random
import re
import sys
import time

import disk
import judge
import revive
import scenarios
from world import World, read

SMALL = disk.Limits(k=3, full=256, sample=20), 12
WIDE = disk.Limits(k=3, full=20000, sample=3000), 250
# Findings that are printed of one scenario.
SHOWN = 3


class Finding:
    def __init__(self, tree, complaints):
        self.tree, self.complaints = tree, complaints

    def text(self, log, name):
        missing = self.tree.missing(log)
        lines = ["%s: WRONG: %s" % (name, "; ".join(self.complaints))]
        lines.append("  the power goes after step %d of %d%s" % (
            self.tree.cut, len(log.steps), ":" if self.tree.cut else ""))
        for at in range(max(0, self.tree.cut - 3), self.tree.cut):
            lines.append("    %d: %s" % (at + 1, log.steps[at].text))
        lines.append("  not on the disk:" if missing else
                     "  everything before it is on the disk")
        for op, variant in missing:
            lines.append("    %d: %s%s" % (
                op.at + 1, op.text, op.describe(variant)))
        lines.append("  " + (
            "a journaling file system may leave this" if self.tree.ordered
            else "only a file system that reorders names may leave this"))
        return "\n".join(lines)


def learn(known, fact, judged, world):
    """What is known after a fact."""
    word, *names = fact.split()
    if word.isdigit():
        told(known, judged, world, world.numbers[word], names)
    elif word == "taken":
        known.taken.update(names)
    elif word == "give-up":
        known.given_up.update(names)
    elif word in ("hold", "release"):
        known.place.update((name, judge.EITHER) for name in names)
    elif word == "recorded":
        known.recorded.update(known.served)
    elif word == "repaired":
        known.broken = False
    elif word == "served":
        head, _, message = read(names[0]).partition(b"\n\n")
        mail = judged.whole(message)
        if mail is None:
            raise RuntimeError("a damaged message was delivered: " + names[0])
        known.served.update((mail.name, r) for r in head.split(b"\n")[1:])


def told(known, judged, world, name, words):
    """What qfrontctl says of a message when it is done."""
    if words[0] in ("held", "released"):
        known.place[name] = judge.HELD if words[0] == "held" else judge.FREE
    elif words[0] == "deleted":
        known.deleted.add(name)
    elif words[0] == "due":
        known.due[name] = world.changed_at
    elif words[0] == "queued": # again; its bounce tells of what was before
        known.retried.add(name)
        known.taken -= judged.bounce_of.get(name, set())
    else:
        raise RuntimeError("%s: %s" % (name, " ".join(words)))


class Check:
    """All disks of one log."""

    def __init__(self, world, limits, seed, in_order=False):
        self.world, self.limits, self.seed = world, limits, seed
        self.in_order = in_order # what reordered names leave does not count
        self.log = world.recorder.log
        self.judged = judge.Judge(world.mails(), world.evidence)

    def known_at(self):
        """At each cut."""
        known = self.world.at_first.copy()
        yield known
        for step in self.log.steps:
            if isinstance(step, disk.Fact):
                learn(known, step.what, self.judged, self.world)
            yield known

    def run(self, without=()):
        """Sets built, checked, remains, findings, interesting. Without syncs
        only what is new is looked at, up to the first finding."""
        self.built = self.checked = self.remains = self.wrong = 0
        self.not_counted = 0
        self.findings, self.interesting = {}, {}
        at_cut, at = self.known_at(), -1
        self.log.set_syncs(without)
        for self.built, tree in disk.disks(
                self.log, self.limits, self.seed,
                min((s.at + 1 for s in without), default=0)):
            while at < tree.cut:
                known, at = next(at_cut), at + 1
            complaints, delivery = self.judged.judge(tree.files, known,
                                                     tree.ordered)
            self.checked += 1
            self.remains += delivery.remains > 0
            if complaints and self.in_order and not tree.ordered:
                self.not_counted += 1
            elif complaints:
                self.wrong += 1
                self.keep(Finding(tree, complaints))
                if without:
                    return
            else:
                self.interest(tree, delivery, known)

    def keep(self, finding):
        """Of each kind the one that misses least."""
        kind = tuple(sorted({re.sub(r"\d+|: .*", "", text)
                             for text in finding.complaints}))
        size = not finding.tree.ordered, len(finding.tree.missing(self.log))
        if kind not in self.findings or size < self.findings[kind][0]:
            self.findings[kind] = size, finding

    def interest(self, tree, delivery, known):
        """One of each kind that a sender has to do with."""
        kind = (frozenset(tree.files),
                tuple(sorted((m.name, r) for m, r in delivery.due)),
                tuple(sorted(m.name for m, _ in delivery.failed)),
                known.broken)
        if kind not in self.interesting:
            self.interesting[kind] = tree, delivery, known.copy()

    def revive(self, count, reviver):
        """Runs the sender on some; texts of what is wrong."""
        some = list(self.interesting.values())
        random.Random(self.seed).shuffle(some)
        self.revived = some[:count]
        for tree, delivery, known in self.revived:
            wrong = reviver.run(tree.folders(self.log), tree, delivery,
                                self.judged, known)
            if wrong:
                self.wrong += 1
                self.keep(Finding(tree, wrong))

    def texts(self, name):
        found = sorted(self.findings.values(), key=lambda f: f[0])
        texts = [f.text(self.log, name) for _, f in found[:SHOWN]]
        if len(found) > SHOWN:
            texts.append("%s: and %d more kinds" % (
                name, len(found) - SHOWN))
        return texts


def record(name, options):
    world = World(os.path.join(options.folder, name), options.sbin,
                  options.queue_program, options.control_program)
    scenarios.WIDE[name](world)
    world.recorder.check()
    return world


def try_scenario(task):
    """(text, whether it is good, disks, operations, combinations)"""
    name, options = task
    begun = time.monotonic()
    world = record(name, options)
    limits, count = WIDE if options.wide else SMALL
    # It can not be helped where it happens within one run.
    again = name in scenarios.IN_ORDER or \
        world.recorder.log.gives_a_number_again()
    check = Check(world, limits, options.seed,
                  again and not options.all_orders)
    check.run()
    check.revive(count, revive.Reviver(
        os.path.join(options.folder, name, "revived"), options.sbin))
    log = check.log
    lines = ["%s: %d operations, %d syncs, %d disks of %d combinations, "
             "%d revived, %d wrong%s%s; %.1f s" % (
                 name, log.count_ops(), len(log.syncs()), check.checked,
                 check.built, len(check.revived), check.wrong,
                 ", %d with remains of what is gone" % check.remains
                 if check.remains else "",
                 ", %d wrong for reordered names" % check.not_counted
                 if check.not_counted else "", time.monotonic() - begun)]
    return ("\n".join(lines + check.texts(name)), check.wrong == 0,
            check.checked, log.count_ops(), check.built)


def name_syncs(syncs):
    """(name, sync): without numbers, but for which one of its kind it is."""
    seen = collections.Counter()
    for sync in syncs:
        name = re.sub(r"\d+", "N", sync.text.split(" ", 1)[1])
        seen[name] += 1
        yield "%s #%d" % (name, seen[name]), sync


def try_syncs(task):
    """The same without one sync after the other, and without all that are
    spared."""
    name, options = task
    world = record(name, options)
    check = Check(world, (WIDE if options.wide else SMALL)[0], options.seed)
    lines, good, checked, built, spared = [], True, 0, 0, []
    tries = [(what, [sync]) for what, sync in name_syncs(check.log.syncs())]
    if name in scenarios.TOGETHER:
        tries.append(("all of these", spared))
    for what, syncs in tries:
        check.run(without=syncs)
        checked, built = checked + check.checked, built + check.built
        if check.wrong:
            text = "caught"
        elif re.search(scenarios.SYNCS[name], what):
            spared += syncs
            text = "not missed, nor is it needed here"
        else:
            text, good = "NOT MISSED", False
        lines.append("%s: without %s: %s" % (name, what, text))
        for _, finding in check.findings.values():
            lines.append("    " + "; ".join(finding.complaints))
    return ("\n".join(lines), good, checked, check.log.count_ops(), built)


def arguments():
    parser = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    parser.add_argument("--wide", action="store_true")
    parser.add_argument("--all-orders", action="store_true")
    parser.add_argument("--leave-out-syncs", action="store_true")
    parser.add_argument("--queue-program")
    parser.add_argument("--control-program")
    parser.add_argument("--scenario", action="append",
                        choices=scenarios.WIDE)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true")
    parser.add_argument("folder", nargs="?")
    options = parser.parse_args()
    if options.folder is None and not options.list:
        parser.error("which folder?")
    return options


def main():
    options = arguments()
    names = options.scenario or list(
        scenarios.SYNCS if options.leave_out_syncs else
        scenarios.WIDE if options.wide else scenarios.SMALL)
    if options.list:
        print("\n".join(names))
        return 0
    options.sbin = os.environ["SBIN"]
    options.folder = os.path.realpath(options.folder)
    os.makedirs(options.folder)
    work = try_syncs if options.leave_out_syncs else try_scenario
    all_good, sums = True, (0, 0, 0)
    with multiprocessing.Pool(options.jobs) as pool:
        for text, good, *numbers in pool.imap(
                work, [(name, options) for name in names]):
            print(text, flush=True)
            all_good = all_good and good
            sums = [a + b for a, b in zip(sums, numbers)]
    print("%d scenarios, %d disks checked, %d operations recorded, %d "
          "combinations: %s" % (len(names), *sums,
                                "good" if all_good else "WRONG"))
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(main())
