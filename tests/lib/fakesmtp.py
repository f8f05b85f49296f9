#!/usr/bin/python3
"""A scripted SMTP server for tests; it says what the script says, no more.

usage: fakesmtp.py [--connections N] [--record FILE] [--timeout SECONDS]
                   [--bind ADDRESS] [--port PORT]
                   [--cert FILE [--key FILE]] [--ca FILE]
                   [--tls-min VERSION] [--tls-max VERSION] [--ciphers LIST]
                   SCRIPT

Listens on an ephemeral loopback port, or PORT, prints the port number and a
newline on standard output, plays the script once for each connection, and
exits after N connections (default: the number of scripts in the file).

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
  drip SECONDS TEXT
                   the same with SECONDS between
  repeat N TEXT    send TEXT N times, without line ends of its own
  forever TEXT     send TEXT until the client goes away
  expect REGEX     read one line; it must match in full, without its CR LF
  data             read up to and including CR LF . CR LF
  bytes N          read N bytes of whatever comes
  hang             send nothing more, read until the client closes
  close            close at once, whatever the client is sending
  reset            the same, with a TCP reset
  tell TEXT        print TEXT and a newline on standard output
  connection       the next connection plays what follows

In TEXT and REGEX, {base64 TEXT} stands for the base64 of TEXT, which ends at
the first }: `expect AUTH PLAIN {base64 \\0user\\0pass}`.

TLS, as the server, with the options below:

  tls              the handshake, now; as the first step: implicit TLS
  starttls         expect STARTTLS, say `220 go ahead`, tls
  tls-fails REGEX  the handshake, which must fail; what OpenSSL says about it
                   must match somewhere, as `(?i)alert unknown ca`
  cert PATH        PATH.pem with PATH.key instead of --cert, in this script
  end-tls          close_notify, and the client's; what follows is plain

What comes inside of TLS is recorded in FILE.K.tls, so FILE.K is all that
could be read on the way. FILE.K.json says of the last handshake: "version",
"cipher", "sni", "reused" (bool), "client" (the common name of the client's
certificate). A record starts where the handshake does: what the client had
sent before it in the same segment is part of the handshake, and what the
server sends before it, with `raw`, is not protected.
`close` and `reset` send no close_notify, as an attacker would cut it; the end
of the script does.

  --cert, --key    PEM; the key is in the first one unless the second is given
  --ca             ask for a certificate of these authorities, and require it
  --tls-min/-max   1.0 1.1 1.2 1.3; below 1.2 with all that OpenSSL still has
  --ciphers        OpenSSL's list for up to TLS 1.2, as AECDH:@SECLEVEL=0 for
                   anonymous ones, which need no certificate

Logging in, with secrets that can not be written down beforehand:

  scram HASH USER PASS [WORD...]
                   from AUTH SCRAM-SHA-1 or -SHA-256 (HASH is sha1 or sha256)
                   to the answer to the server's proof, not including 235.
                   Words: rounds=N; nonce=wrong, proof=wrong and proof=none,
                   after which the step is over

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
import base64
import hashlib
import hmac
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
import warnings

TAKES_TEXT = ("say", "raw", "slowly", "drip", "forever", "expect", "tell",
              "tls-fails", "scram", "cert")
TAKES_NUMBER = ("repeat", "bytes")
TAKES_NOTHING = ("data", "hang", "close", "reset", "connection", "tls",
                 "starttls", "end-tls")

TLS_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


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


def with_base64(text, quote=lambda encoded: encoded):
    """TEXT with its {base64 ...} in place."""
    def one(match):
        return quote(base64.b64encode(unescape(match.group(1))).decode())

    return re.sub(r"\{base64 ([^}]*)\}", one, text)


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


def make_context(options, cert, key):
    """What the options say about TLS, with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    old = "1.0" <= options.tls_max < "1.2"
    # Old versions and weak certificates are what some tests are about.
    context.set_ciphers(options.ciphers or
                        ("ALL" if old else "DEFAULT") + ":@SECLEVEL=0")
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = TLS_VERSIONS[
            options.tls_min or ("1.0" if old else "1.2")]
        context.maximum_version = TLS_VERSIONS[options.tls_max]
    if cert:
        context.load_cert_chain(cert, key)
    if options.ca:
        context.load_verify_locations(options.ca)
        context.verify_mode = ssl.CERT_REQUIRED

    def note_name(session, name, context):
        session.asked_for = name

    context.sni_callback = note_name
    return context


class Tls:
    """TLS over a socket of which `first` was read already."""

    def __init__(self, sock, context, first):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.incoming.write(first)
        self.session = context.wrap_bio(
            self.incoming, self.outgoing, server_side=True)
        self.session.asked_for = None

    def flush(self):
        data = self.outgoing.read()
        if data:
            self.sock.sendall(data)

    def run(self, call, *arguments):
        """The call, with all that it wants from the peer before."""
        while True:
            try:
                result = call(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if data:
                    self.incoming.write(data)
                else:
                    self.incoming.write_eof()
            except ssl.SSLError:
                self.flush()
                raise

    def handshake(self):
        self.run(self.session.do_handshake)

    def facts(self):
        subject = (self.session.getpeercert() or {}).get("subject", ())
        names = dict(pair for group in subject for pair in group)
        return {
            "version": self.session.version(),
            "cipher": self.session.cipher()[0],
            "sni": self.session.asked_for,
            "reused": self.session.session_reused,
            "client": names.get("commonName"),
        }

    def recv(self, size):
        try:
            return self.run(self.session.read, size)
        except ssl.SSLError:
            return b""

    def sendall(self, data):
        while data:
            data = data[self.run(self.session.write, data[:65536]):]

    def say_goodbye(self):
        """close_notify; what the peer still sends can be read."""
        rest = b""
        try:
            while True:
                got = self.session.read(65536)
                if not got:
                    return rest
                rest += got
        except ssl.SSLError:
            pass
        try:
            self.session.unwrap()
        except ssl.SSLError:
            pass
        self.flush()
        return rest

    def end(self):
        """close_notify of both; what follows it."""
        self.run(self.session.unwrap)
        return self.incoming.read()


class Scram:
    """A server that knows one password (RFC 5802)."""

    def __init__(self, algorithm, user, password, words):
        self.algorithm = algorithm
        self.user = user
        self.rounds = int(words.get("rounds", "4096"))
        self.nonce = words.get("nonce")
        self.salt = b"salt of a test"
        self.salted = hashlib.pbkdf2_hmac(
            algorithm, password, self.salt, self.rounds)

    def hmac(self, key, text):
        return hmac.new(key, text, self.algorithm).digest()

    def first(self, message):
        """The answer to the client's first message."""
        found = re.fullmatch(rb"n,,(n=([^,]*),r=([!-+\--~]+))", message)
        if not found or found.group(2) != self.user:
            raise Mismatch(f"SCRAM: {message!r}")
        self.bare, _, nonce = found.groups()
        if self.nonce == "wrong":
            nonce = b"x" * len(nonce)
        self.all = nonce + b"FAKE"
        self.answer = b"r=%b,s=%b,i=%d" % (
            self.all, base64.b64encode(self.salt), self.rounds)
        return self.answer

    def final(self, message):
        """The same for its last one, which must prove the password."""
        plain, _, proof = message.rpartition(b",p=")
        if plain != b"c=biws,r=" + self.all:
            raise Mismatch(f"SCRAM: {message!r}")
        text = b",".join([self.bare, self.answer, plain])
        key = self.hmac(self.salted, b"Client Key")
        stored = hashlib.new(self.algorithm, key).digest()
        mask = self.hmac(stored, text)
        wanted = bytes(one ^ other for one, other in zip(key, mask))
        if base64.b64decode(proof) != wanted:
            raise Mismatch("SCRAM: the client does not know the password")
        server = self.hmac(self.salted, b"Server Key")
        return b"v=" + base64.b64encode(self.hmac(server, text))


class Contexts:
    """One for each certificate, for all connections: sessions go on."""

    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.made = {}
        self.default = self.of(options.cert, options.key)

    def of(self, cert, key):
        with self.lock:
            if cert not in self.made:
                self.made[cert] = make_context(self.options, cert, key)
            return self.made[cert]


class Connection:
    def __init__(self, sock, contexts, record):
        self.sock = sock
        self.stream = sock
        self.contexts = contexts
        self.context = contexts.default
        self.name = record
        self.record = record and open(record, "wb")
        self.pending = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def end(self):
        self.sock.close()
        if self.record:
            self.record.close()

    def keep(self, got):
        self.pending += got
        if self.record:
            self.record.write(got)

    def more(self):
        try:
            got = self.stream.recv(65536)
        except OSError:
            got = b""
        self.keep(got)
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
            self.stream.sendall(data)
        except OSError as gone:
            raise Closed from gone

    @staticmethod
    def bytes_of(text):
        return unescape(with_base64(text))

    def say(self, count, text):
        self.send(self.bytes_of(text) + b"\r\n")

    def raw(self, count, text):
        self.send(self.bytes_of(text))

    def slowly(self, count, text):
        for byte in self.bytes_of(text) + b"\r\n":
            self.send(bytes([byte]))

    def drip(self, count, text):
        seconds, _, text = text.partition(" ")
        for byte in self.bytes_of(text) + b"\r\n":
            select.select([], [], [], float(seconds))
            self.send(bytes([byte]))

    def tell(self, count, text):
        print(text, flush=True)

    def repeat(self, count, text):
        data = self.bytes_of(text)
        block = max(1, 65536 // max(1, len(data)))
        while count > 0:
            self.send(data * min(block, count))
            count -= block

    def forever(self, count, text):
        data = self.bytes_of(text)
        data *= max(1, 65536 // max(1, len(data)))
        while True:
            self.send(data)

    def expect(self, count, text):
        text = with_base64(text, re.escape)
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

    def cert(self, count, text):
        self.context = self.contexts.of(f"{text}.pem", f"{text}.key")

    def handshake(self):
        first, self.pending = self.pending, b""
        tls = Tls(self.sock, self.context, first)
        tls.handshake()
        self.stream = tls
        if self.record:
            with open(f"{self.name}.json", "w", encoding="utf-8") as out:
                json.dump(tls.facts(), out)
            self.record.close()
            self.record = open(f"{self.name}.tls", "ab")

    def tls(self, count, text):
        try:
            self.handshake()
        except OSError as why:
            raise Mismatch(f"handshake: {why}") from None

    def starttls(self, count, text):
        self.expect(None, "STARTTLS")
        self.say(None, "220 go ahead")
        self.tls(None, "")

    def tls_fails(self, count, text):
        try:
            self.handshake()
        except OSError as why:
            if not re.search(text, str(why)):
                raise Mismatch(f"wanted {text!r}, got {why}") from None
            if self.record:
                self.record.close()
                self.record = None
            self.drain()
            raise Closed from None
        raise Mismatch("the handshake succeeded")

    def end_tls(self, count, text):
        try:
            self.pending += self.stream.end()
        except OSError as why:
            raise Mismatch(f"no close_notify: {why}") from None
        self.stream = self.sock
        if self.record:
            self.record.close()
            self.record = open(self.name, "ab")

    def answer_to(self, challenge):
        encoded = base64.b64encode(challenge).decode()
        self.say(None, f"334 {encoded}")
        line = self.until(b"\n").rstrip(b"\r\n")
        return base64.b64decode(line, validate=True)

    def scram(self, count, text):
        algorithm, user, password, *rest = text.split()
        words = dict(word.split("=", 1) for word in rest)
        name = {"sha1": b"SHA-1", "sha256": b"SHA-256"}[algorithm]
        server = Scram(
            algorithm, unescape(user), unescape(password), words)
        line = self.until(b"\n").rstrip(b"\r\n")
        start = b"AUTH SCRAM-" + name + b" "
        if not line.startswith(start):
            raise Mismatch(f"wanted {start!r}, got {line!r}")
        first = server.first(
            base64.b64decode(line[len(start):], validate=True))
        if "nonce" in words:
            encoded = base64.b64encode(first).decode()
            self.say(None, f"334 {encoded}")
            return
        final = server.final(self.answer_to(first))
        proof = words.get("proof")
        if proof == "none":
            return
        if proof == "wrong":
            encoded = base64.b64encode(final[:4] + b"AAAA" + final[8:])
            self.say(None, f"334 {encoded.decode()}")
            return
        answer = self.answer_to(final)
        if answer:
            raise Mismatch(f"wanted an empty line, got {answer!r}")

    def drain(self):
        """Closes for sending, and reads up to the client's end."""
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return
        while self.more():
            self.pending = b""

    def finish(self):
        if self.stream is not self.sock:
            try:
                self.keep(self.stream.say_goodbye())
            except OSError:
                return
        self.drain()

    def play(self, script):
        for number, step, count, text in script:
            try:
                getattr(self, step.replace("-", "_"))(count, text)
            except Mismatch as why:
                raise Mismatch(f"line {number}: {step}: {why}") from None


def serve(connection, script, number, failures):
    try:
        connection.play(script)
        connection.finish()
    except Closed:
        pass
    except Mismatch as why:
        failures.append(f"connection {number}: {why}")
    except Exception as why:  # what the client sent can not be taken
        failures.append(f"connection {number}: {why!r}")
    finally:
        connection.end()


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
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--cert")
    arguments.add_argument("--key")
    arguments.add_argument("--ca")
    arguments.add_argument("--tls-min", choices=TLS_VERSIONS)
    arguments.add_argument("--tls-max", choices=TLS_VERSIONS, default="1.3")
    arguments.add_argument("--ciphers")
    arguments.add_argument("script")
    options = arguments.parse_args()
    contexts = Contexts(options)

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
    if options.port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.bind, options.port))
    listener.listen(64)
    print(listener.getsockname()[1], flush=True)

    failures, threads = [], []
    for number in range(1, (options.connections or len(scripts)) + 1):
        sock, _ = listener.accept()
        script = scripts[min(number, len(scripts)) - 1]
        record = options.record and f"{options.record}.{number}"
        connection = Connection(sock, contexts, record)
        threads.append(threading.Thread(
            target=serve, args=(connection, script, number, failures)))
        threads[-1].start()
    listener.close()
    for thread in threads:
        thread.join()
    for failure in failures:
        print(f"fakesmtp: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
