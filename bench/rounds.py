"""Variants of a thing, measured in turns: what else the machine does meets
them all."""

import random
import sys

import report


class Variant:
    """What the driver starts for each message. Labels: its cells in the
    table and its fields in the records."""

    def __init__(self, labels, command, environment, **options):
        self.labels = labels
        self.command, self.environment = command, environment
        self.options = options  # for the driver

    def run(self, w, **options):
        """The driver's lines."""
        return w.run_driver({**self.options, **options}, self.command,
                            self.environment)

    def batch(self, w, **options):
        return report.Batch.of_lines(self.run(w, **options))

    def after(self, w):
        """What has to be done after each batch and is not timed."""


def speed(own, other):
    """Messages a second by those of another: more is better."""
    return report.ratio(own, other, lambda b: b.rate)


def slowness(own, other):
    """The time of a message by that of another: less is better."""
    return report.ratio(own, other, report.Batch.median)


class Run:
    def __init__(self, w, variants, seed, comparisons):
        """comparisons: for a variant, a field of the record, the variant to
        compare with or None, and speed or slowness."""
        self.world, self.variants = w, variants
        self.comparisons = comparisons
        self.random = random.Random(seed)

    @staticmethod
    def progress(text):
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def cell(self, name, options, rounds):
        """The batches by variant."""
        batches = {v: [] for v in self.variants}
        for n in range(rounds):
            order = list(self.variants)
            self.random.shuffle(order)
            self.progress(f"{name}, round {n + 1} of {rounds}")
            for v in order:
                batches[v].append(v.batch(self.world, **options))
                v.after(self.world)
        self.progress("")
        return batches

    def rows(self, size, callers, options, rounds):
        """The records of one size and number of callers."""
        batches = self.cell(
            f"{report.size_name(size)}, {callers} callers",
            {"size": size, "callers": callers, **options}, rounds)
        for v, own in batches.items():
            ratios = {
                field: (None if other not in batches else
                        round(compare(own, batches[other]), 3))
                for field, other, compare in self.comparisons(v)}
            yield {**v.labels, "size": size, "callers": callers,
                   "rounds": rounds, **report.record(own), **ratios}
