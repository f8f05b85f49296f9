"""The messages of the test, and the judgement on what came of them.

Each message has a number, and all of it follows from the number and the seed:
what is delivered can be compared byte for byte without keeping anything.
"""

import collections
import dataclasses
import random
import re

MARK = b"X-Cut: "

# What is to become of a message.
PLAIN = "plain"      # delivered
REFUSED = "refused"  # delivered, but to the last recipient: that one bounces
HELD = "held"        # held, and delivered when it is released
ROUTED = "routed"    # delivered by way of HOST

HOST = "relay.cut.example"
ATTRIBUTES = {HELD: b"HOLD=for the test\0", ROUTED: b"ROUTE=%s:2525\0" %
              HOST.encode()}


@dataclasses.dataclass(frozen=True)
class Mail:
    number: int
    fate: str
    sender: bytes
    rcpts: tuple
    data: bytes

    def envelope(self):
        """As qmail-queue reads it, with our attributes behind."""
        return (b"F%s\0" % self.sender + b"".join(
            b"T%s\0" % rcpt for rcpt in self.rcpts) + b"\0" +
            ATTRIBUTES.get(self.fate, b""))


@dataclasses.dataclass(frozen=True)
class Copy:
    """A message as it left the queue."""

    sender: bytes
    rcpts: tuple
    data: bytes
    host: str = ""
    held: bool = False  # it had to be released


def size_of_body(choose):
    """Mostly small, sometimes more than a pipe holds."""
    kind = choose.random()
    if kind < 0.7:
        return choose.randrange(0, 6000)
    if kind < 0.95:
        return choose.randrange(6000, 40000)
    return choose.randrange(100000, 300000)


def text(choose, size):
    """Lines that every mail system leaves as they are."""
    letters = choose.randbytes(size).hex().encode()
    return b"".join(letters[i:i + 76] + b"\n"
                    for i in range(0, size, 76))


class Maker:
    def __init__(self, seed, fates=(PLAIN,), binary=False):
        self.seed, self.fates, self.binary = seed, fates, binary

    def make(self, number):
        choose = random.Random(f"{self.seed}/{number}")
        fate = PLAIN
        if choose.random() < 0.4:
            fate = choose.choice(self.fates)
        rcpts = [b"r%d.%d@else.example" % (number, i)
                 for i in range(choose.choice((1, 1, 1, 2, 5)))]
        if fate == REFUSED:
            rcpts[-1] = b"refused%d@else.example" % number
        head = (MARK + b"%d\n"
                b"From: <s%d@cut.example>\n"
                b"To: <r%d.0@else.example>\n"
                b"Date: Sun, 29 Nov 2026 00:00:00 +0000\n"
                b"Message-Id: <%d@cut.example>\n"
                b"Subject: %s\n\n" % (
                    number, number, number, number, fate.encode()))
        size = size_of_body(choose)
        body = choose.randbytes(size) if self.binary else text(choose, size)
        return Mail(number, fate, b"s%d@cut.example" % number, tuple(rcpts),
                    head + body)


def number_of(data):
    """Whose message this is, by its own word."""
    found = re.search(rb"^X-Cut: ([0-9]+)$", data, re.MULTILINE)
    return int(found[1]) if found else None


def without_trace(data):
    """Without the header fields that were put on top."""
    at = data.find(MARK)
    top = data[:at]
    if at < 0 or (top and not re.fullmatch(
            rb"(?:[\x20-\x7e\t]+\n)*", top)):
        return None
    return data[at:]


@dataclasses.dataclass
class Verdict:
    lost: list = dataclasses.field(default_factory=list)
    corrupt: list = dataclasses.field(default_factory=list)
    late: list = dataclasses.field(default_factory=list)
    twice: int = 0  # deliveries more than one
    extra: int = 0  # there, though nobody was told so


class Judge:
    """Of one cut: what clients began and were told (load.Load), and what was
    delivered before and after it."""

    def __init__(self, maker, work):
        self.maker, self.begun = maker, work.begun
        self.accepted, self.late = work.accepted, work.late
        self.delivered = collections.defaultdict(collections.Counter)
        self.bounces = collections.Counter()
        self.verdict = Verdict()

    def look(self, copies):
        for copy in copies:
            wrong = self._bounce(copy) if copy.sender == b"" else \
                self._message(copy)
            if wrong:
                self.verdict.corrupt.append(wrong)
        for number in sorted(self.begun):
            self._count(number)
        for number in self.delivered.keys() - self.begun:
            self.verdict.twice += 1  # it was there before the last cut
        return self.verdict

    def _message(self, copy):
        number = number_of(copy.data)
        if number is None or number > max(self.begun, default=0):
            return f"nobody's message: {copy.data[:200]!r}"
        mail = self.maker.make(number)
        if without_trace(copy.data) != mail.data:
            return (f"message {number}: {len(copy.data)} bytes that are not "
                    f"its {len(mail.data)}")
        if copy.sender != mail.sender or not copy.rcpts or \
                not set(copy.rcpts) <= set(mail.rcpts):
            return (f"message {number}: envelope {copy.sender!r} "
                    f"{copy.rcpts!r}")
        if mail.fate == HELD and not copy.held:
            return f"message {number}: delivered, though it was held"
        if mail.fate == ROUTED and copy.host != HOST:
            return f"message {number}: delivered by {copy.host!r}"
        self.delivered[number].update(copy.rcpts)
        return None

    def _bounce(self, copy):
        found = re.fullmatch(rb"s([0-9]+)@cut\.example", b"".join(copy.rcpts))
        if not found:
            return f"nobody's bounce, to {copy.rcpts!r}"
        number = int(found[1])
        mail = self.maker.make(number)
        if mail.fate != REFUSED:
            return f"bounce of message {number}, which nobody has refused"
        if b"\0" in copy.data or not re.search(
                rb"^Final-Recipient:.*\b%s$" % re.escape(mail.rcpts[-1]),
                copy.data, re.MULTILINE) or not copy.data.endswith(b"--\n"):
            return f"bounce of message {number}: damaged"
        self.bounces[number] += 1
        return None

    def _count(self, number):
        mail = self.maker.make(number)
        got = self.delivered[number]
        wanted = list(mail.rcpts)
        if mail.fate == REFUSED:
            wanted.pop()
        whole = all(got[rcpt] for rcpt in wanted) and (
            mail.fate != REFUSED or self.bounces[number] > 0)
        if number in self.accepted and not whole:
            self.verdict.lost.append(number)
        if number in self.late and not whole:
            self.verdict.late.append(number)
        if number not in self.accepted | self.late and whole:
            self.verdict.extra += 1
        self.verdict.twice += max(
            [0, self.bounces[number] - 1, *(n - 1 for n in got.values())])
