#!/usr/bin/python3
"""A client of qfrontd that does not keep to the rules.

usage: attacker.py SOCKET ATTACK [ARGUMENT...]

The bytes of the protocol are spelled out here, from lib/mail/ask.h as version 1
was published; nothing is taken from the code. What it learns it prints: the
answer's kind and code, `closed` when there was none, or `cold`.

  frozen MESSAGE       a request as a client of version 1 makes it
  version N            one of another version, with a longer header
  silent N             N connections that say nothing; prints `ready` and waits
                       for the end of its standard input
  leave MESSAGE        asks and goes away, without reading the answer
  half MESSAGE         no end of file: a request that is cut in the middle
  garbage SEED         a hundred records of anything, each on its own connection
  change MESSAGE       keeps a writable mapping of an unsealed message, and
                       writes into it until the answer is there
  truncate MESSAGE     the same with a file, which becomes shorter and longer
  unsealed MESSAGE     a memfd with no seals at all, and nothing else wrong
  file PATH            this file as the message, as it is
  many-fds             more descriptors than a request has
  linger [MESSAGE]     sends a connection whose last close waits for hours, with
                       something that is no request, or in a second record
                       behind a request; prints `ready` and keeps the other end
                       until its standard input ends
  recipients N         an envelope of so many bytes, in sealed memory
"""

import array
import fcntl
import mmap
import os
import random
import socket
import struct
import sys
import tempfile
import threading

ENVELOPE = b"Fs@test.example\0Tr@test.example\0\0"
WORDS = b"qfront\0"
HEAD = struct.Struct("=4sHHIIiIII")  # magic version size kind flags code, lengths
ANSWER = struct.Struct("=4sHHIiI")  # magic version size kind code dialect
KINDS = {1: "done", 2: "refused", 3: "queue", 4: "cold"}
F_ADD_SEALS, SEALS = 1033, 1 | 2 | 4 | 8


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(sys.argv[1])
    return s


def request(envelope=ENVELOPE, words=WORDS, environment=b"", version=1,
            extra=b"", kind=1, flags=0):
    return HEAD.pack(b"QFrq", version, HEAD.size + len(extra), kind, flags, 0,
                     len(envelope), len(words), len(environment)) + \
        extra + envelope + words + environment


def send(s, record, fds=()):
    try:
        s.sendmsg([record], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                              array.array("i", fds))] if fds else [])
    except (BrokenPipeError, ConnectionResetError):
        pass


def receive(s):
    try:
        record, ancillary, _, _ = s.recvmsg(65536, 4096)
    except ConnectionResetError:
        record, ancillary = b"", []
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            for fd in array.array("i", data[:len(data) // 4 * 4]):
                os.close(fd)
    if not record:
        return "closed"
    magic, version, size, kind, code, _ = ANSWER.unpack_from(record)
    assert magic == b"QFan" and version == 1 and size <= len(record)
    return "%s %d" % (KINDS[kind], code)


def sealed(data, seals=SEALS):
    fd = os.memfd_create("message", os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def read(path):
    with open(path, "rb") as f:
        return f.read()


def frozen(path):
    with connect() as s:
        send(s, request(environment=b"TZ=UTC\0"), [sealed(read(path))])
        print(receive(s))


def version(number):
    with connect() as s:
        send(s, request(version=int(number), extra=b"future" * 4),
             [sealed(b"Subject: x\n\nx\n")])
        print(receive(s))


def silent(number):
    held = [connect() for _ in range(int(number))]
    print("ready", flush=True)
    sys.stdin.read()
    for s in held:
        s.close()


def leave(path):
    with connect() as s:
        send(s, request(), [sealed(read(path))])
    print("gone")


def half(path):
    record = request()
    for n in 1, 4, HEAD.size - 1, HEAD.size, len(record) - 1:
        with connect() as s:
            send(s, record[:n], [sealed(read(path))])
            print(receive(s))


def garbage(seed):
    choose = random.Random(int(seed))
    for _ in range(100):
        record = bytearray(request())
        for _ in range(choose.randrange(1, 8)):
            record[choose.randrange(len(record))] = choose.randrange(256)
        if choose.random() < 0.2:
            record += choose.randbytes(choose.randrange(3000))
        fds = [choose.choice([0, 1]) for _ in range(choose.randrange(5))]
        with connect() as s:
            send(s, bytes(record), fds)
            s.settimeout(300)
            receive(s)
    print("survived")


def change(path):
    data = read(path)
    fd = sealed(data, 0)
    memory = mmap.mmap(fd, len(data))
    over = threading.Event()

    def write():
        letter = 0
        while not over.is_set():
            letter = (letter + 1) % 26
            memory[len(data) - 200:len(data) - 1] = bytes([65 + letter]) * 199

    writer = threading.Thread(target=write)
    writer.start()
    with connect() as s:
        send(s, request(), [fd])
        print(receive(s))
    over.set()
    writer.join()


def truncate(path):
    data = read(path)
    over = threading.Event()
    with tempfile.TemporaryFile() as f:
        f.write(data)
        f.flush()

        def cut():
            while not over.is_set():
                os.ftruncate(f.fileno(), len(data) // 2)
                os.pwrite(f.fileno(), data, 0)

        cutter = threading.Thread(target=cut)
        cutter.start()
        with connect() as s:
            send(s, request(), [f.fileno()])
            print(receive(s))
        over.set()
        cutter.join()


def unsealed(path):
    with connect() as s:
        send(s, request(), [sealed(read(path), 0)])
        print(receive(s))


def file(path):
    with connect() as s, open(path, "rb") as f:
        send(s, request(), [f.fileno()])
        print(receive(s))


def many_fds():
    with connect() as s:
        send(s, request(), [0] * 40)
        print(receive(s))


def lingering():
    """A connection whose last close waits for hours, and its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
    client.setblocking(False)
    try:
        while True:
            client.send(bytes(65536))
    except BlockingIOError:
        pass
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                      struct.pack("ii", 1, 7200))
    return client, peer


def linger(*message):
    client, peer = lingering()
    with connect() as s:
        if message:
            send(s, request(), [sealed(read(message[0]))])
            send(s, b"unread", [client.fileno()])
        else:
            send(s, request(kind=7), [client.fileno()])
        # Ours may be the last one: then it is us who wait.
        threading.Thread(target=client.close, daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()
    peer.close()


def recipients(number):
    one = b"Tr@test.example\0"
    envelope = b"Fs@test.example\0" + one * (int(number) // len(one)) + b"\0"
    with connect() as s:
        send(s, request(envelope=b"", flags=1),
             [sealed(b"Subject: x\n\nx\n"), sealed(envelope)])
        print(receive(s))


globals()[sys.argv[2].replace("-", "_")](*sys.argv[3:])
