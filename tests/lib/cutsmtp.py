#!/usr/bin/python3
"""Cuts the session of a program with an SMTP server everywhere.

usage: cutsmtp.py [--certs FOLDER] PROGRAM FACE CUT WAY...

PROGRAM is run once for each cut, against a server in this process that plays
a session up to there, says nothing more and closes the connection; what the
program makes of it must be what follows from the replies that it had by then.

FACE is `module`, the protocol module smtp, or `remote`, qfront-remote; for
that the name servers of the control file `resolver` in CONTROLDIR must say
that both.test.example has the exchangers 127.0.0.2 and, worse, 127.0.0.3.

CUT says where:

  said    after each byte that the server says
  heard   after each byte that it hears, all that came by then unanswered
  ends    of these at the ends of commands and one byte before and after
  shake   inside of its part of a TLS handshake, at each 101st byte

WAY is words of `starttls`, `tls`, `pipelining` and `chunking`.

With TLS the connection ends with close_notify and without by turns.

The last line of output says how many cuts there were; lines before it tell
what was wrong, and then the exit code is 1.
"""

import argparse
import fcntl
import os
import re
import select
import shutil
import socket
import sys
import tempfile
import threading
import types

import fakesmtp

PATIENCE = 60  # seconds, met only by a failure
WORKERS = 3
NOWHERE = 1 << 30
# Short, as each byte of them may be a cut.
HELLO = "EHLO me"
SENDER = "s@x"
RCPTS = ("a@y", "b@y")
BODY = b"x: y\n\n.\n"
# How the module names steps, and qfront-remote recipients before them.
NAMES = {"greeting": "greeting", "ehlo": "EHLO", "starttls": "STARTTLS",
         "mail": f"MAIL FROM:<{SENDER}>", "rcpt": f"RCPT TO:<{RCPTS[0]}>",
         "rcpt2": f"RCPT TO:<{RCPTS[1]}>", "data": "DATA",
         "end": "end of message"}
DIED = "connection died. {}(#4.4.2)\n"
TAKEN = " accepted message.\nRemote host said: 250-e\n250 taken\n"


class Over(Exception):
    """Here the server goes away."""


class Cut:
    """After how many bytes: said, heard, or said in the handshake."""

    def __init__(self, said=NOWHERE, heard=NOWHERE, shake=NOWHERE):
        self.said, self.heard, self.shake = said, heard, shake
        self.is_polite = (said + heard + shake) % 2 == 0

    def __str__(self):
        parts = [f"{name} {number}" for name, number in vars(self).items()
                 if name != "is_polite" and number != NOWHERE]
        return "cut at " + (" ".join(parts) or "the end")


class Short:
    """A socket to which only so many bytes can be sent."""

    def __init__(self, sock, left):
        self.sock, self.left = sock, left

    def sendall(self, data):
        self.sock.sendall(data[:self.left])
        if len(data) > self.left:
            raise Over
        self.left -= len(data)

    def recv(self, size):
        return self.sock.recv(size)


class Session:
    """One connection: what was said and heard, and what was answered."""

    def __init__(self, sock, way, cut, context):
        self.sock = self.stream = sock
        self.way, self.cut, self.context = way, cut, context
        self.said = self.heard = 0
        self.ends = []  # of commands, in bytes heard
        self.answered = []
        self.shaken = False
        self.pending = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, step, *lines):
        text = b"".join(line.encode() + b"\r\n" for line in lines)
        part = text[:self.cut.said - self.said]
        if part:
            self.stream.sendall(part)
        self.said += len(part)
        if part == text:
            self.answered.append(step)
        if self.said == self.cut.said:
            raise Over

    def more(self):
        # What is not heard stays in the socket: then a reset is what follows.
        size = self.cut.heard - self.heard
        if size == 0:
            raise Over
        got = self.stream.recv(min(size, 65536))[:size]
        if not got:
            raise ConnectionError("the client closed")
        self.heard += len(got)
        self.pending += got
        if self.heard == self.cut.heard:
            raise Over

    def take(self, end):
        out, self.pending = self.pending[:end], self.pending[end:]
        self.ends.append(self.heard - len(self.pending))
        return out

    def until(self, mark):
        while mark not in self.pending:
            self.more()
        return self.take(self.pending.index(mark) + len(mark))

    def expect(self, wanted):
        got = self.until(b"\r\n").decode().rstrip()
        if not re.fullmatch(wanted, got):
            raise ValueError(f"wanted {wanted}, got {got}")
        return got

    def shake(self):
        first, self.pending = self.pending, b""
        tls = fakesmtp.Tls(
            Short(self.sock, self.cut.shake), self.context, first)
        self.stream = tls
        try:
            tls.handshake()
        finally:
            # It may be done, and only the tickets behind it are cut.
            self.shaken = tls.session.version() is not None
            tls.sock = self.sock

    def hello(self, offers):
        self.expect(re.escape(HELLO))
        self.say("ehlo", "250-x", *(f"250-{word}" for word in offers),
                 "250 OK")

    def message(self):
        if "chunking" not in self.way:
            self.expect("DATA")
            self.say("data", "354 go")
            self.until(b"\r\n.\r\n")
        else:
            size = int(self.expect("BDAT [0-9]+ LAST").split()[1])
            while len(self.pending) < size:
                self.more()
            self.take(size)
        self.say("end", "250-e", "250 taken")

    def play(self):
        offers = [word.upper() for word in ("pipelining", "chunking")
                  if word in self.way]
        if "tls" in self.way:
            self.shake()
        self.say("greeting", "220-g", "220 g")
        if "starttls" in self.way:
            self.hello(["STARTTLS"])
            self.expect("STARTTLS")
            self.say("starttls", "220 go")
            self.shake()
        self.hello(offers)
        self.expect(f"MAIL FROM:<{SENDER}>.*")
        self.say("mail", "250 ok")
        self.expect(f"RCPT TO:<{RCPTS[0]}>")
        self.say("rcpt", "250 ok")
        self.expect(f"RCPT TO:<{RCPTS[1]}>")
        self.say("rcpt2", "250-very", "250 ok")
        self.message()
        self.expect("QUIT")

    def run(self):
        try:
            self.play()
        except Over:
            pass
        if self.shaken and self.cut.is_polite:
            try:
                self.stream.say_goodbye()
            except OSError:
                pass
        self.sock.close()


class Face:
    """What both faces have in common."""

    def __init__(self, program, way, certs, folder):
        self.program, self.way, self.certs = program, way, certs
        self.folder = folder
        self.order = ["greeting"] + ["ehlo"] * (1 + ("starttls" in way))
        if "starttls" in way:
            self.order.insert(2, "starttls")
        self.opening = len(self.order)
        self.order += ["mail", "rcpt", "rcpt2"]
        self.order += ["end"] if "chunking" in way else ["data", "end"]

    def file(self, name, *lines, rest=b""):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(b"".join(line.encode() + b"\n" for line in lines))
            out.write(rest)
        return path

    def needs_shake(self, session):
        """Is the session where a handshake should be?"""
        return not session.shaken and (
            "tls" in self.way or "starttls" in session.answered)

    def start(self, arguments, environment, *files):
        """Runs the program with these on descriptors 0, 1 and so on."""
        fds = []
        for path in files:
            flags = os.O_RDONLY
            if path.endswith("out"):
                flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
            fd = os.open(path, flags | os.O_CLOEXEC)
            # Past those that they become.
            fds.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10))
            os.close(fd)
        pid = os.posix_spawn(
            self.program, [self.program, *arguments],
            {**os.environ, **environment},
            file_actions=[(os.POSIX_SPAWN_DUP2, fd, number)
                          for number, fd in enumerate(fds)])
        for fd in fds:
            os.close(fd)
        return pid


class Module(Face):
    ADDRESSES = ("127.0.0.1",)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.mail = self.file("mail", SENDER, *RCPTS, "", rest=BODY)
        self.out = os.path.join(self.folder, "out")

    def know(self, port):
        options = [word for word in ("tls", "starttls") if word in self.way]
        if options:
            options.append(f"x509cafile={self.certs}/ca.pem")
        self.options = self.file(
            "options", "host=127.0.0.1", f"port={port}", *options, "")

    def run(self):
        return self.start([], {"HELOHOST": "me"}, self.options, self.out,
                          "/dev/null", self.mail)

    def again(self, session):
        """At which address there will be another connection, or None."""
        return None

    def sends_end_after(self):
        return "rcpt2" if "chunking" in self.way else "data"

    def wrong(self, session, code):
        """What is wrong with what it made of the session, or None."""
        with open(self.out, encoding="ascii") as file:
            text = file.read()
        if "end" in session.answered:
            wanted, step = 0, "end of message: 250 e taken"
        elif self.needs_shake(session):
            wanted, step = 16, "" if "tls" in self.way else "STARTTLS: "
        else:
            step = NAMES[self.order[len(session.answered)]] + ": "
            wanted = 11
        maybe = wanted == 11 and self.sends_end_after() in session.answered
        found = re.fullmatch(r"\[127\.0\.0\.1\]:[0-9]+: (.*)\n", text)
        if (code == wanted and found and found.group(1).startswith(step) and
                ("possible duplicate" in text) == maybe):
            return None
        return f"code {code}, text {text!r}, wanted {wanted}, {step!r}"


class Remote(Face):
    ADDRESSES = ("127.0.0.2", "127.0.0.3")

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.message = self.file("message", rest=BODY)
        self.out = os.path.join(self.folder, "out")
        os.makedirs(f"{self.folder}/queue/lock")
        self.file("me", "me")
        shutil.copy(f"{os.environ['CONTROLDIR']}/resolver", self.folder)

    def know(self, port):
        tls = ""
        if "tls" in self.way:
            tls = f" tls x509cafile={self.certs}/ca.pem"
        self.file("smtproutes", f": port={port}{tls}")

    def run(self):
        return self.start(
            ["both.test.example", SENDER, *RCPTS],
            {"CONTROLDIR": self.folder, "QUEUEDIR": f"{self.folder}/queue"},
            self.message, self.out)

    def again(self, session):
        if ("starttls" in self.way and "ehlo" in session.answered and
                len(session.answered) < self.opening):
            return "127.0.0.2"  # in clear
        if len(session.answered) < self.opening:
            return "127.0.0.3"
        return None

    def sends_end_after(self):
        if "chunking" not in self.way:
            return "data"
        return "ehlo" if "pipelining" in self.way else "rcpt2"

    def wrong(self, session, code):
        with open(self.out, encoding="ascii") as file:
            text = file.read()
        address = self.again(session)
        if address or "end" in session.answered:
            address = address or "127.0.0.2"
            wanted = f"r\0r\0K{address}{TAKEN}"
        else:
            maybe = self.sends_end_after() in session.answered
            wanted = "r\0" * sum(step.startswith("rcpt")
                                 for step in session.answered)
            wanted += "ZConnected to 127.0.0.2 but " + DIED.format(
                "Possible duplicate! " if maybe else "")
        got = re.sub("TLS: [^\n]*\n", "", text)
        if code == 0 and got == wanted + "\0":
            return None
        return f"code {code}, reports {text!r}, wanted {wanted!r}"


class Runs:
    """The program, with listeners and files of its own."""

    def __init__(self, face, options, context):
        self.folder = tempfile.mkdtemp()
        self.way, self.context = options.way, context
        self.face = face(
            options.program, options.way, options.certs, self.folder)
        self.listeners = {}
        while not self.listeners:
            self.listen()
        self.face.know(self.port)

    def listen(self):
        port = 0
        for address in self.face.ADDRESSES:
            listener = socket.socket()
            listener.settimeout(PATIENCE)
            try:
                listener.bind((address, port))
            except OSError:  # somebody has the port at this address
                self.close()
                return
            listener.listen(4)
            port = listener.getsockname()[1]
            self.listeners[address] = listener
        self.port = port

    def close(self):
        for listener in self.listeners.values():
            listener.close()
        self.listeners = {}

    def end(self):
        self.close()
        shutil.rmtree(self.folder)

    def serve(self, address, end, cut, way):
        """One connection, if it comes before the program's end."""
        listener = self.listeners[address]
        ready, _, _ = select.select([listener, end], [], [], PATIENCE)
        if listener not in ready:
            raise ValueError(f"there was no connection to {address}")
        sock, _ = listener.accept()
        sock.settimeout(PATIENCE)
        session = Session(sock, way, cut, self.context)
        session.run()
        return session

    def sessions(self, end, cut):
        first = self.serve(self.face.ADDRESSES[0], end, cut, self.way)
        again = self.face.again(first)
        if again:
            way = self.way
            if again == self.face.ADDRESSES[0]:
                way = [word for word in way if word != "starttls"]
            self.serve(again, end, Cut(), way)
        return first

    def one(self, cut):
        """What is wrong, or None; and the session."""
        pid = self.face.run()
        end = os.pidfd_open(pid)
        session = problem = None
        try:
            session = self.sessions(end, cut)
        except (ValueError, OSError) as why:
            problem = str(why)
        finally:
            os.close(end)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        problem = problem or self.face.wrong(session, code)
        for address, listener in self.listeners.items():
            while select.select([listener], [], [], 0)[0]:
                listener.accept()[0].close()
                problem = problem or f"one more connection to {address}"
        return problem and f"{cut}: {problem}", session


def cuts(options, whole):
    """All cuts, after a session that came to its end."""
    if options.cut == "said":
        return [Cut(said=k) for k in range(whole.said + 1)]
    if options.cut == "shake":
        return [Cut(shake=k) for k in range(0, 1200, 101)]
    places = range(whole.heard + 1)
    if options.cut == "ends":
        places = sorted({place for end in [0] + whole.ends
                         for place in (end - 1, end, end + 1)
                         if place in places})
    return [Cut(heard=k) for k in places]


def work(runs, todo, lock, problems):
    while True:
        with lock:
            if not todo:
                return
            cut = todo.pop()
        problem, _ = runs.one(cut)
        if problem:
            problems.append(problem)


def make_context(certs):
    if not certs:
        return None
    options = types.SimpleNamespace(
        ciphers=None, tls_min="1.2", tls_max="1.3", ca=None)
    return fakesmtp.make_context(
        options, f"{certs}/good.pem", f"{certs}/good.key")


def main():
    parser = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    parser.add_argument("--certs")
    parser.add_argument("program")
    parser.add_argument("face", choices=("module", "remote"))
    parser.add_argument("cut", choices=("said", "heard", "ends", "shake"))
    parser.add_argument("way", nargs="*")
    options = parser.parse_args()
    face = {"module": Module, "remote": Remote}[options.face]
    context = make_context(options.certs)
    workers = [Runs(face, options, context) for _ in range(WORKERS)]
    problems, lock = [], threading.Lock()
    problem, whole = workers[0].one(Cut())
    if problem:
        problems.append(problem)
        todo = []
    else:
        todo = cuts(options, whole)
    count = len(todo)
    threads = [threading.Thread(target=work, args=(runs, todo, lock, problems))
               for runs in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for runs in workers:
        runs.end()
    for problem in problems:
        print(problem)
    print(f"{count} cuts, {len(problems)} wrong")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
