#!/usr/bin/python3
"""A scripted SMTP server for tests; it says what the script says, no more.

usage: fakesmtp.py [--connections N] [--record FILE] [--timeout SECONDS]
                   [--bind ADDRESS] SCRIPT

Listens on an ephemeral loopback port, prints the port number and a newline
on standard output, plays the script once for each connection, and exits
after N connections (default: the number of scripts in the file).

Exit code: 0 when every `expect` and `data` of every connection was met, 1
when one was not (the reason is on standard error), 2 when it ran longer than
--timeout (default 60). What connection K sent is recorded, byte for byte, in
FILE.K (K counts from 1); the file is complete when this program has exited.

SCRIPT is a file, or `-` for standard input. One step a line; empty lines and
lines that start with `#` are skipped. TEXT runs to the end of the line and
takes the escapes \\r \\n \\t \\0 \\\\ \\xHH.

  say TEXT         send TEXT and CR LF
  raw TEXT         send TEXT as it is
  slowly TEXT      send TEXT and CR LF, one byte a segment
  repeat N TEXT    send TEXT N times, without line ends of its own
  forever TEXT     send TEXT until the client goes away
  expect REGEX     read one line; it must match in full, without its CR LF
  data             read up to and including CR LF . CR LF
  bytes N          read N bytes of whatever comes
  hang             send nothing more, read until the client closes
  close            close at once, whatever the client is sending
  reset            the same, with a TCP reset
  connection       the next connection plays what follows

At the end of its script a connection is closed for sending, and what the
client still sends is read and recorded up to its end. When there are more
connections than scripts, the last script is played again.

Example, a session that succeeds:

  say 220 fake.example ESMTP
  expect EHLO .*
  say 250 fake.example
  expect MAIL FROM:<.*>.*
  say 250 ok
  expect RCPT TO:<.*>
  say 250 ok
  expect DATA
  say 354 go
  data
  say 250 queued
  expect QUIT
  say 221 bye
"""

import argparse
import os
import re
import socket
import struct
import sys
import threading

TAKES_TEXT = ("say", "raw", "slowly", "forever", "expect")
TAKES_NUMBER = ("repeat", "bytes")
TAKES_NOTHING = ("data", "hang", "close", "reset", "connection")


class Mismatch(Exception):
    """The client did not do what the script expects."""


class Closed(Exception):
    """The connection is finished before the end of its script."""


def unescape(text):
    plain = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}

    def one(match):
        what = match.group(1)
        if what[:1] == b"x":
            return bytes([int(what[1:], 16)])
        return plain[what.decode()]

    return re.sub(rb"\\(x[0-9A-Fa-f]{2}|[rnt0\\])", one, text.encode())


def parse(lines):
    """Scripts of the file: lists of (line number, step, number, text)."""
    scripts = [[]]
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\n")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        step, _, text = line.strip(" ").partition(" ")
        count = None
        if step in TAKES_NUMBER:
            count, _, text = text.partition(" ")
            if not count.isdigit():
                sys.exit(f"fakesmtp: line {number}: {step} needs a number")
            count = int(count)
        elif step not in TAKES_TEXT + TAKES_NOTHING:
            sys.exit(f"fakesmtp: line {number}: unknown step {step!r}")
        if step == "connection":
            scripts.append([])
        else:
            scripts[-1].append((number, step, count, text))
    return scripts


class Connection:
    def __init__(self, sock, record):
        self.sock = sock
        self.record = record
        self.pending = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def more(self):
        try:
            got = self.sock.recv(65536)
        except OSError:
            got = b""
        self.pending += got
        if self.record:
            self.record.write(got)
        return bool(got)

    def take(self, end):
        out, self.pending = self.pending[:end], self.pending[end:]
        return out

    def until(self, mark):
        while True:
            at = self.pending.find(mark)
            if at >= 0:
                return self.take(at + len(mark))
            if not self.more():
                raise Mismatch(f"client closed, last bytes {self.pending!r}")

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as gone:
            raise Closed from gone

    def say(self, count, text):
        self.send(unescape(text) + b"\r\n")

    def raw(self, count, text):
        self.send(unescape(text))

    def slowly(self, count, text):
        for byte in unescape(text) + b"\r\n":
            self.send(bytes([byte]))

    def repeat(self, count, text):
        data = unescape(text)
        block = max(1, 65536 // max(1, len(data)))
        while count > 0:
            self.send(data * min(block, count))
            count -= block

    def forever(self, count, text):
        data = unescape(text)
        data *= max(1, 65536 // max(1, len(data)))
        while True:
            self.send(data)

    def expect(self, count, text):
        line = self.until(b"\n").decode("latin-1")
        if not re.fullmatch(text, line[:-1].removesuffix("\r")):
            raise Mismatch(f"wanted {text!r}, got {line!r}")

    def data(self, count, text):
        if self.pending.startswith(b".\r\n"):
            self.take(3)
            return
        while len(self.pending) < 3 and self.more():
            pass
        if self.pending.startswith(b".\r\n"):
            self.take(3)
            return
        self.until(b"\r\n.\r\n")

    def bytes(self, count, text):
        while len(self.pending) < count:
            if not self.more():
                raise Mismatch(f"client closed before {count} bytes")
        self.take(count)

    def hang(self, count, text):
        while self.more():
            self.pending = b""
        raise Closed

    def close(self, count, text):
        self.sock.close()
        raise Closed

    def reset(self, count, text):
        linger = struct.pack("ii", 1, 0)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close(count, text)

    def finish(self):
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return
        while self.more():
            self.pending = b""

    def play(self, script):
        for number, step, count, text in script:
            try:
                getattr(self, step)(count, text)
            except Mismatch as why:
                raise Mismatch(f"line {number}: {step}: {why}") from None


def serve(sock, script, number, options, failures):
    record = None
    if options.record:
        record = open(f"{options.record}.{number}", "wb")
    connection = Connection(sock, record)
    try:
        connection.play(script)
        connection.finish()
    except Closed:
        pass
    except Mismatch as why:
        failures.append(f"connection {number}: {why}")
    finally:
        sock.close()
        if record:
            record.close()


def too_long():
    print("fakesmtp: timeout", file=sys.stderr, flush=True)
    os._exit(2)


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("--connections", type=int)
    arguments.add_argument("--record")
    arguments.add_argument("--timeout", type=float, default=60)
    arguments.add_argument("--bind", default="127.0.0.1")
    arguments.add_argument("script")
    options = arguments.parse_args()

    if options.script == "-":
        scripts = parse(sys.stdin)
    else:
        with open(options.script, encoding="utf-8") as lines:
            scripts = parse(lines)
    watchdog = threading.Timer(options.timeout, too_long)
    watchdog.daemon = True
    watchdog.start()

    family = socket.AF_INET6 if ":" in options.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind((options.bind, 0))
    listener.listen(64)
    print(listener.getsockname()[1], flush=True)

    failures, threads = [], []
    for number in range(1, (options.connections or len(scripts)) + 1):
        sock, _ = listener.accept()
        script = scripts[min(number, len(scripts)) - 1]
        threads.append(threading.Thread(
            target=serve, args=(sock, script, number, options, failures)))
        threads[-1].start()
    listener.close()
    for thread in threads:
        thread.join()
    for failure in failures:
        print(f"fakesmtp: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
