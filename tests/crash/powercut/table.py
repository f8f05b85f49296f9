"""The table of results, and the same as records."""

import dataclasses

COLUMNS = ("program", "file system", "scenario", "cuts", "accepted", "lost",
           "corrupt", "late", "twice", "extra")


@dataclasses.dataclass
class Row:
    program: str
    fs: str
    scenario: str
    ours: bool
    cuts: int = 0
    accepted: int = 0
    lost: int = 0
    corrupt: int = 0
    late: int = 0
    twice: int = 0
    extra: int = 0
    cuts_with_loss: int = 0

    def add(self, accepted, verdict):
        self.cuts += 1
        self.accepted += accepted
        self.lost += len(verdict.lost)
        self.corrupt += len(verdict.corrupt)
        self.late += len(verdict.late)
        self.twice += verdict.twice
        self.extra += verdict.extra
        self.cuts_with_loss += bool(verdict.lost or verdict.corrupt)

    def cells(self):
        return (self.program, self.fs, self.scenario, f"{self.cuts:,}",
                f"{self.accepted:,}", f"{self.lost:,}", f"{self.corrupt:,}",
                f"{self.late:,}", f"{self.twice:,}", f"{self.extra:,}")


def lines(rows):
    """Words to the left, numbers to the right."""
    cells = [COLUMNS, *(row.cells() for row in rows)]
    width = [max(len(line[i]) for line in cells)
             for i in range(len(COLUMNS))]
    for line in cells:
        yield "  ".join(
            cell.ljust(w) if i < 3 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, width))).rstrip()


def records(rows):
    return [dataclasses.asdict(row) for row in rows]
