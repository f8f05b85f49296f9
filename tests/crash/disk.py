"""A file system, as a power cut may leave it.

A Log is what happened to a tree of files: operations, syncs, and facts that
somebody learned. disks() gives the trees that may be found after the power
went between any two of them. What holds:

  - fsync(file) that returned 0 keeps all that was written to the file, and
    its time, before the call began; fdatasync() keeps no time; neither keeps
    a name of the file;
  - fsync(folder) keeps all names that were made, removed or moved in it;
  - what is not kept may be there or not, each operation on its own, whatever
    its order; two on the same name or the same bytes stay in order;
  - a write that is not kept may be there in part: up to or from a border of
    512 bytes, or as a longer file of zeros;
  - rename() is there or not, never half.
"""

import itertools
import random

SECTOR = 512
NEVER = 1 << 60
# The time of a file that was changed later: it equals no other.
STALE = ("stale",)


class Inode:
    def __init__(self, ident, folder, number=None, data=b"", time=None):
        self.ident, self.folder, self.number = ident, folder, number
        self.data, self.time = data, time
        self.ops = []        # on its bytes
        self.time_ops = []
        self.path = None     # of a folder: they never move
        self.cell = None     # of a folder: where its name is


class Step:
    """Something that happened; `text` says it to a person."""

    def __init__(self, text):
        self.text = text
        self.at = None


class Op(Step):
    """A change. variants[0] is none of it, variants[1] all of it."""

    def __init__(self, text, inodes, ended):
        super().__init__(text)
        self.inodes = inodes # whose sync keeps it
        self.ended = ended   # where in the trace its call ended
        self.variants = (None, None)

    def describe(self, variant):
        """What of it is there, of one that is not whole."""
        if variant == 0:
            return ""
        size, patches = self.variants[variant]
        return ": only %s; the file has %d bytes" % (
            "its size" if not patches else "bytes %d to %d" % (
                patches[0][0], patches[0][0] + len(patches[0][1]) - 1), size)


class NameOp(Op):
    """cells: ((folder, name), inode or None), ..."""

    def __init__(self, text, cells, ended):
        super().__init__(text, {cell[0] for cell, _ in cells}, ended)
        self.cells = cells


class TimeOp(Op):
    def __init__(self, text, inode, value, ended):
        super().__init__(text, {inode.ident}, ended)
        self.inode, self.value = inode, value


class WriteOp(Op):
    """variants: (size that the file has at least, ((offset, bytes), ...))"""

    def __init__(self, text, inode, offset, data, ended):
        super().__init__(text, {inode.ident}, ended)
        self.inode = inode
        self.variants = tuple(torn(offset, data))


class SizeOp(Op):
    def __init__(self, text, inode, size, ended):
        super().__init__(text, {inode.ident}, ended)
        self.inode, self.size = inode, size


class Sync(Step):
    """It returned 0: what it covers is kept from here on."""

    def __init__(self, text, covers):
        super().__init__(text)
        self.covers = covers


class Fact(Step):
    """Somebody knows something now (judge.py)."""

    def __init__(self, text, what):
        super().__init__(text)
        self.what = what


def torn(offset, data):
    end = offset + len(data)
    yield None
    yield end, ((offset, data),)
    yield end, ()
    first = (offset // SECTOR + 1) * SECTOR
    borders = list(range(first, end, SECTOR))
    for border in sorted(set(borders[:1] + borders[-1:])):
        head, tail = data[:border - offset], data[border - offset:]
        yield border, ((offset, head),)
        yield end, ((offset, head),)
        yield end, ((border, tail),)


def change(data, op, variant):
    if variant == 0:
        return data
    if isinstance(op, SizeOp):
        return data[:op.size].ljust(op.size, b"\0")
    size, patches = op.variants[variant]
    data = bytearray(data.ljust(size, b"\0"))
    for offset, piece in patches:
        data[offset:offset + len(piece)] = piece
    return bytes(data)


class File:
    """What a name leads to on a disk."""

    __slots__ = ("inode", "data", "time")

    def __init__(self, inode, data, time):
        self.inode, self.data, self.time = inode, data, time


class Disk:
    """A tree that may be found: path -> File, and how it came about."""

    __slots__ = ("files", "cut", "choice", "ordered", "names")

    def missing(self, log):
        """The operations that are not there, or not whole."""
        return [(log.steps[at], variant) for at, variant in
                sorted(self.choice.items()) if variant != 1]

    def folders(self, log):
        """Below the top, without the slash at the end."""
        cut, made = log.cut(self.cut), set(self.names.values())
        return {cut.path_of(inode, self.names)[:-1] for inode in log.inodes
                if inode.folder and inode.path and
                (inode.cell is None or inode.ident in made) and
                cut.path_of(inode, self.names)}


class Log:
    """What was recorded. `names` is the tree as it was at first."""

    def __init__(self):
        self.inodes = []
        self.names = {}
        self.steps = []
        self.kept_at = {}

    def new_inode(self, *args, **more):
        self.inodes.append(Inode(len(self.inodes), *args, **more))
        return self.inodes[-1]

    def add(self, step):
        step.at = len(self.steps)
        self.steps.append(step)
        if isinstance(step, (WriteOp, SizeOp)):
            step.inode.ops.append(step)
        if isinstance(step, TimeOp):
            step.inode.time_ops.append(step)

    def files_at_first(self):
        """Without the folders, which stay, and what is in lock/."""
        return {cell: inode for cell, inode in self.names.items()
                if not self.inodes[inode].folder and
                self.inodes[cell[0]].path != "lock/"}

    def gives_a_number_again(self):
        """Did two messages have the same name one after the other?"""
        cells = [cell for s in self.steps if isinstance(s, NameOp)
                 for cell, inode in s.cells if inode is not None and
                 self.inodes[cell[0]].path.startswith("mess/")]
        return len(set(cells)) < len(cells)

    def syncs(self):
        return [s for s in self.steps if isinstance(s, Sync)]

    def count_ops(self):
        return sum(isinstance(s, Op) for s in self.steps)

    def set_syncs(self, left_out=()):
        """From which step on each operation is kept."""
        self.kept_at = {}
        for sync in self.syncs():
            if sync not in left_out:
                for op in sync.covers:
                    self.kept_at.setdefault(op.at, sync.at)

    def cut(self, at):
        return Cut(self, at)


class Cut:
    """The power goes after the first `at` steps."""

    def __init__(self, log, at):
        self.log, self.at = log, at
        self.ops = [s for s in log.steps[:at] if isinstance(s, Op)]
        self.open = [op for op in self.ops
                     if log.kept_at.get(op.at, NEVER) >= at]
        self.is_open = {op.at for op in self.open}
        self.base = log.files_at_first()
        self.later = []  # open operations on names, and their cells
        for op in self.ops:
            if not isinstance(op, NameOp):
                continue
            if op.at in self.is_open:
                self.later.append((op, op.cells))
                continue
            for cell, inode in op.cells:
                put(self.base, cell, inode)
            # Of what came before on the same name nothing is to be seen.
            kept = {cell for cell, _ in op.cells}
            self.later = [
                (o, tuple(c for c in cells if c[0] not in kept))
                for o, cells in self.later]
        self.by_inode = {}
        for op in self.ops:
            if isinstance(op, (WriteOp, SizeOp)):
                self.by_inode.setdefault(op.inode.ident, []).append(op)
        self.bytes = {}

    def disk(self, choice, ordered):
        """choice: at of an open operation -> variant; none: left out."""
        d = Disk()
        d.cut, d.choice, d.ordered = self.at, choice, ordered
        names = d.names = dict(self.base)
        for op, cells in self.later:
            if choice[op.at]:
                for cell, inode in cells:
                    put(names, cell, inode)
        d.files = {}
        inodes = self.log.inodes
        for (folder, name), inode in names.items():
            path = self.path_of(inodes[folder], names)
            if path is not None and not inodes[inode].folder:
                d.files[path + name] = self.file(inodes[inode], choice)
        return d

    def path_of(self, folder, names):
        """With the slash at its end; None when no name leads there."""
        if folder.cell is None:
            return folder.path
        if names.get(folder.cell) != folder.ident or \
                self.path_of(self.log.inodes[folder.cell[0]], names) is None:
            return None
        return folder.path

    def file(self, inode, choice):
        ops = self.by_inode.get(inode.ident, ())
        key = (inode.ident,) + tuple(choice.get(op.at, 1) for op in ops)
        data = self.bytes.get(key)
        if data is None:
            data = inode.data
            for op, variant in zip(ops, key[1:]):
                data = change(data, op, variant)
            self.bytes[key] = data
        time = inode.time
        for op in inode.time_ops:
            if op.at < self.at:
                time = op.value if choice.get(op.at, 1) else time or STALE
        return File(inode, data, time)

    def combinations(self):
        return count(self.open)

    def choices(self, limits, rng):
        """(choice, ordered): what may become of the open operations. First
        those of a file system with a journal, which keeps the order of all
        but bytes: what came before something that is kept is kept."""
        ats = [op.at for op in self.open]
        last = max((op.at for op in self.ops if op.at not in self.is_open),
                   default=-1)
        names = [op.at for op in self.open if not isinstance(op, WriteOp)]
        sure = sum(at < last for at in names)
        writes = [op for op in self.open if isinstance(op, WriteOp)]
        for n in range(len(names), sure - 1, -1):
            first = dict.fromkeys(names[:n], 1)
            first.update(dict.fromkeys(names[n:], 0))
            for variants in flips(writes, 1, limits.k, limits.full):
                yield {**first, **variants}, True
        if self.combinations() <= limits.full:
            for variants in itertools.product(
                    *(range(len(op.variants)) for op in self.open)):
                yield dict(zip(ats, variants)), False
            return
        for base in 1, 0:
            for variants in flips(self.open, base, limits.k, 0):
                yield variants, False
        for _ in range(limits.sample):
            yield {op.at: rng.randrange(len(op.variants))
                   for op in self.open}, False


def put(names, cell, inode):
    if inode is None:
        names.pop(cell, None)
    else:
        names[cell] = inode


def count(ops):
    """How many combinations there are."""
    product = 1
    for op in ops:
        product *= len(op.variants)
    return product


def flips(ops, base, k, full):
    """All applied (base 1) or none (0), but for up to k operations; with few
    of them all that there is."""
    if count(ops) <= full:
        for variants in itertools.product(
                *(range(len(op.variants)) for op in ops)):
            yield {op.at: v for op, v in zip(ops, variants)}
        return
    all_same = {op.at: base for op in ops}
    for n in range(k + 1):
        for some in itertools.combinations(ops, n):
            others = ([v for v in range(len(op.variants)) if v != base]
                      for op in some)
            for variants in itertools.product(*others):
                choice = dict(all_same)
                choice.update(zip((op.at for op in some), variants))
                yield choice


class Limits:
    """k: how many operations differ from all or none. full: with so many
    combinations all are tried. sample: how many beyond at each cut."""

    def __init__(self, k, full, sample):
        self.k, self.full, self.sample = k, full, sample


def disks(log, limits, seed=0, first=0):
    """Each tree once for all that is known when the power goes, after that
    many steps or more. Returns (built, Disk) pairs, built being how many there
    were so far."""
    built, seen, all_tried = 0, set(), False
    for at in range(first, len(log.steps) + 1):
        step = log.steps[at - 1] if at > first else None
        # After a sync there is less, and after an operation what is without
        # it, as it was before.
        if isinstance(step, Sync) and all_tried:
            continue
        if not isinstance(step, (Sync, Op)):
            seen = set()
        cut = log.cut(at)
        all_tried = cut.combinations() <= limits.full
        new = step.at if isinstance(step, Op) else None
        for choice, ordered in cut.choices(limits, random.Random(
                "%d/%d" % (seed, at))):
            if choice.get(new) == 0:
                continue
            built += 1
            disk = cut.disk(choice, ordered)
            key = frozenset((path, f.inode.ident, f.data, f.time)
                            for path, f in disk.files.items())
            if key not in seen:
                seen.add(key)
                yield built, disk
