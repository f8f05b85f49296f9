"""Messages and addresses that are hard to carry, the same ones in each run."""

import dataclasses
import random
import re

SENDER = b"s@x.example"
HEAD = b"From: <s@x.example>\nTo: <r@y.example>\nSubject: nasty\n\n"
EVIL = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<evil@y.example>\r\nDATA\r\n"

# What a server that is lax about line ends might take for the end of data.
ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\n", b"\r\n.\n", b"\r\n.\r",
    b"\r.\r\n", b"\n\r.\r\n", b"\r\r\n.\r\n", b"\r\n.\r\n", b"\n.\r",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n.\r.\n", b"\r\n\r.\n\r", b"\n\r\n.\n",
]
# Of buffers: the client's and the servers'.
EDGES = (4096, 8192, 16384, 65536)
LINES = (997, 998, 999, 1000, 1001, 2047, 2048, 2049, 4096, 65534, 65535,
         65536)
ADDRESSES = [
    b'"two words"@y.example', b"two words@y.example", b"a%b@y.example",
    b"a!b@y.example", b"a!b%c.example@y.example", b'"a@b"@y.example',
    b'"a\\"b"@y.example', b"a.b..c.@y.example", b".@y.example",
    b"(a)@y.example", b"a,b;c:d@y.example", b"!#$%&'*+-/=?^_`{|}~@y.example",
    b"a@[192.0.2.1]", b"a@[IPv6:2001:db8::1]", b"-a@y.example",
    b"A.MixED@Y.Example", b"l" * 64 + b"@" + b"d" * 63 + b".example",
    "b\u00fccher@y.example".encode(), "r@b\u00fccher.example".encode(),
]


def wire_address(address):
    """As it has to arrive: a domain goes in ASCII if nothing else is in the
    way of that."""
    local, at, domain = address.rpartition(b"@")
    if local.isascii() and not domain.isascii():
        domain = domain.decode().encode("idna")
    return local + at + domain


@dataclasses.dataclass
class Letter:
    name: str
    data: bytes  # as it is in a queue
    sender: bytes = SENDER
    rcpts: tuple = (b"r@y.example",)

    @property
    def kind(self):
        return self.name.partition(" ")[0]

    @property
    def wire(self):
        """What has to arrive: the three line ends are one."""
        data = re.sub(rb"\r\n|\r|\n", b"\r\n", self.data)
        return data + b"\r\n" if data and data[-1:] != b"\n" else data

    @property
    def whole(self):
        """Does it end as a message in a queue should?"""
        return not self.data or self.data.endswith(b"\n")


def bodies():
    yield from (b".\n", b"..\n", b"...\n", b".a\n", b"a.\n", b". \n", b".\t\n")
    yield from (b"a\n.\nb\n", b".\n.\n.\n", b"..\n.\n..\n", b"\n.\n\n.\n")
    yield from (b".\r\n", b".\r", b"\r.\r\n", b"a\r.\rb\n", b"\0.\n", b".\0\n")
    yield from (b"", b"\n", b"\n\n\n", b"\r", b"\r\r", b"\n\r", b"\r\n\r\n")
    yield from (b"a\rb\n", b"a\r\r\n", b"a\r\r\nb\n", b"\r\r\n\r\r\n")
    yield from (b"a\0b\n", b"\0\n", b"\0", b"\377\n", b"\377\376.\n.\200\n")
    yield from (b"no end", b"a\n.", b"a\n..", b"a\r.", b"a\n.\r", b" ")
    yield from (b"QUIT\n", b"RSET\r\nQUIT\r\n", b"BDAT 5 LAST\r\nabcde\r\n")
    yield b"caf\xc3\xa9 \xe2\x82\xac\n"
    yield bytes(range(256)) + b"\n" + bytes(range(255, -1, -1))
    yield b"From here\n>From there\nFrom\n"


def structures():
    """Whole messages that have not both a header and a body."""
    yield from (b"", b"\n", b"\n\n", b".\n", b"..\n", b"\r", b"hello\n")
    yield from (b"A: b\n", b"A: b\n\n", b"A: b\r\rc\n", b"A: b", b"\nA: b\n")
    yield from (b" folded\n\nb\n", b"A: b\nno header\n", b"A : b\n\nc\n")
    yield from (b"From s Sun Nov 29\nA: b\n\nc\n", b">From s\nA: b\n\nc\n")
    yield from (b"A: b\n.\n\nc\n", b".A: b\n\nc\n", b"A: b\r.B: c\n\nd\n")
    yield from (b"A: b\n c\n\td\n\ne\n", b"A:\n\nb\n", b"A: \n \n\nb\n")
    yield from (b":\n\na\n", b"A: b\n: c\n\nd\n", b"\0\n", b"A: b\0c\n\nd\n")
    yield b"Subject: caf\xc3\xa9 \xe2\x82\xac\nX-\xc3\xa9: b\n\nc\n"
    yield b"Subject: caf\xe9\n\nb\n"
    yield (b"Return-Path: <e@x>\nBcc: <e@y>\nContent-Length: 3\nReceived: x\n"
           b"Delivered-To: e@y\nEnvelope-To: <e@y>\nDelivery-Date: x\n"
           b"Message-ID: <1>\nDate: x\nResent-Bcc: e@y\nStatus: R\n\nb\n")
    yield b"".join(b"X-%d: %d\n" % (i, i) for i in range(2000)) + b"\nb\n"
    for n in (998, 1000, 2048, 5000, 70000):
        yield b"X: " + b"h" * (n - 3) + b"\n\nb\n"
    yield b"X: y\n" + b"".join(b" %s\n" % (b"f" * 70) for _ in range(200))


def random_bytes(rng, alphabet, n):
    return bytes(rng.choice(alphabet) for _ in range(n))


def at_edges(size, end, shift, doubled):
    """So many bytes of lines, in which a dot begins one at shift bytes beside
    each multiple of the smallest edge: of the file, or of what goes out, where
    each dot before was doubled."""
    step, out, seen = EDGES[0], bytearray(HEAD.replace(b"\n", end)), 0
    while len(out) < size:
        at = len(out) + seen * doubled
        gap = (at // step + 1) * step + shift - at
        if gap < 200:
            gap += step
        while gap > 100:
            out += b"x" * (60 - len(end)) + end
            gap -= 60
        out += b"x" * (gap - len(end)) + end
        out += (b".", b"..", b".a")[seen % 3] + end
        seen += 1
    return bytes(out)


def dots(n, shift):
    """Nothing but dots, which double on the way."""
    return HEAD + b"x" * shift + b"\n" + b".\n" * (n // 2)


def large():
    for shift in range(-2, 3):
        size = 1 << (18 if shift else 20)
        yield at_edges(size, b"\r\n", shift, True)
        yield at_edges(size, b"\r\n", shift, False)
        yield at_edges(size, b"\n", shift, False)
    yield from (dots(1 << 17, 0), dots(1 << 17, 1))
    for edge in EDGES:
        # A CR at the end of a buffer, and what may follow it.
        for tail in (b"\n.\n", b".\n", b"\r\n.\n"):
            yield b"".join(
                HEAD + b"y" * (edge - len(HEAD) - 3 + shift) + b"\r" + tail
                for shift in range(5))


def letters():
    rng = random.Random(20261129)
    made = []

    def add(name, data, **more):
        made.append(Letter(f"{name} {len(made)}", data, **more))

    for body in bodies():
        add("body", HEAD + body)
    for data in structures():
        add("structure", data)
    for end in ENDS:
        add("smuggling", HEAD + b"first" + end + EVIL + b"\nevil" + end)
        add("smuggling", HEAD[:-1] + end + EVIL + b"\nevil" + end)
    for n in LINES:
        add("line", HEAD + b"x" * n + b"\n." + b"y" * (n - 1) + b"\nz\n")
    for alphabet in (b"\r\n.", b"\r\n.a", b"\r\n.\0 \xff:", b"\n.ab",
                     bytes(range(256))):
        for n in (7, 100, 5000):
            add("random", HEAD + random_bytes(rng, alphabet, n))
    add("binary", HEAD + rng.randbytes(1 << 16) + b"\n")
    for data in large():
        add("edges", data)
    for address in ADDRESSES:
        add("recipient", HEAD + b"a\n", rcpts=(address, b"r@y.example"))
        add("sender", HEAD + b"a\n", sender=address)
    add("null sender", HEAD + b"a\n", sender=b"")
    add("recipients", HEAD + b".\n",
        rcpts=tuple(b"r%d@y.example" % i for i in range(200)))
    return made
