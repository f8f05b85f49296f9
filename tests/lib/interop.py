#!/usr/bin/python3
"""Sends hard messages into a real mail server, and compares what it keeps.

usage: interop.py [--only WAY] [--letter NAME] SERVER FOLDER

SERVER is one of tests/lib/mailservers.py; FOLDER is empty. Packages come from
PACKAGES, certificates from CERTS. Every message of tests/lib/nasty.py that a
way can take goes by each way that the server has: both faces, DATA and BDAT,
in clear and by TLS. What was accepted has to be there, once, with its
envelope and its bytes, and nothing else; only what mailservers.py says that
a server changes or refuses may differ.

Prints a line for each way and for each difference. Exits 0, 1 when something
differs, or 77 with the reason when the server can not be had here.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import re
import signal
import sys
import threading

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
import mailservers  # noqa: E402
import nasty  # noqa: E402
import peers  # noqa: E402

TOGETHER = 4  # sessions at a time
PATIENCE = 60
SHOWN = 10  # differences of a way

CLEAR = ["no-chunking"]
TLS = ["starttls", f"x509cafile={os.environ.get('CERTS')}/ca.pem"]


@dataclasses.dataclass
class Way:
    name: str
    face: str  # "smtp" or "qfront-remote"
    options: list
    needs: set = dataclasses.field(default_factory=set)
    share: tuple = (0, 1)  # which ones of how many; (0, 1) is all of them

    def uses_bdat(self, server):
        return ("CHUNKING" in server.offers and
                "no-chunking" not in self.options)

    def carries(self, number, letter):
        """Each message goes by both faces, by DATA and BDAT, and by TLS; not
        by each combination of them."""
        which, of = self.share
        if self.face == "qfront-remote" and not letter.whole:
            return False
        return of == 1 or (number % of == which and letter.kind not in (
            "edges", "recipient", "sender"))


WAYS = [
    Way("smtp, DATA", "smtp", CLEAR),
    Way("smtp, DATA, one by one", "smtp", CLEAR + ["no-pipelining"],
        share=(0, 4)),
    Way("smtp, BDAT", "smtp", [], {"CHUNKING"}, (1, 4)),
    Way("smtp, BDAT, one by one", "smtp", ["no-pipelining"], {"CHUNKING"},
        (2, 4)),
    Way("smtp, TLS", "smtp", TLS, {"STARTTLS"}, (0, 3)),
    Way("smtp, TLS, login", "smtp", TLS + ["login"], {"AUTH"}, (1, 6)),
    Way("smtp, TLS, DATA", "smtp", TLS + CLEAR, {"STARTTLS"}, (1, 3)),
    Way("qfront-remote", "qfront-remote", []),
    Way("qfront-remote, DATA", "qfront-remote", CLEAR, {"CHUNKING"}, (3, 4)),
    Way("qfront-remote, TLS", "qfront-remote", TLS, {"STARTTLS"}, (2, 3)),
]


class Result:
    def __init__(self, sent, said):
        self.sent = sent
        # The texts are for everybody to read.
        self.readable = re.fullmatch(rb"[ -~\n]*", said) is not None
        self.text = said.decode("ascii", "backslashreplace")


class Client:
    """One way to one server."""

    def __init__(self, way, server, folder):
        self.way, self.server, self.folder = way, server, folder
        stage = os.environ["QF_STAGE"]
        self.module = (stage + os.environ["QF_LIBEXECDIR"] +
                       "/qfront/protocols/smtp")
        self.remote = stage + os.environ["QF_SBINDIR"] + "/qfront-remote"
        # The caller's own settings decide nothing.
        self.environment = {
            "PATH": "/usr/bin:/bin", "HELOHOST": "me.example",
            "CONTROLDIR": folder, "QUEUEDIR": folder + "/queue",
            "QFRONT_LOG": "none",
            **{name: value for name, value in os.environ.items()
               if name.endswith("SAN_OPTIONS")}}
        os.makedirs(folder + "/queue/lock", exist_ok=True)
        options = self._options()
        self._write("options", "host=127.0.0.1", f"port={server.port}",
                    *options, "")
        self._write("me", "me.example")
        self._write("smtproutes", " ".join(
            [f":[127.0.0.1]:{server.port}", *options]))

    def _options(self):
        if "login" not in self.way.options:
            return self.way.options
        self._write("password", mailservers.PASSWORD)
        return [o for o in self.way.options if o != "login"] + [
            f"user={mailservers.USER}", f"pass-file={self.folder}/password"]

    def _write(self, name, *lines):
        with open(f"{self.folder}/{name}", "w", encoding="ascii",
                  opener=lambda *a: os.open(*a, 0o600)) as f:
            f.writelines(line + "\n" for line in lines)

    def send(self, letter, rcpts):
        """The two faces read from a file each."""
        path = f"{self.folder}/letter.{rcpts[-1].decode()}"
        by_module = self.way.face == "smtp"
        with open(path, "wb") as f:
            if by_module:
                f.writelines(a + b"\n" for a in (letter.sender, *rcpts, b""))
            f.write(letter.data)
        try:
            if by_module:
                code, said = self._run([self.module], self.folder + "/options",
                                       path)
                return Result(code == 0, said)
            code, said = self._run(
                [self.remote, b"y.example", letter.sender, *rcpts], path)
            last = said.split(b"\0")[-2:-1]
            return Result(code == 0 and last != [] and last[0][:1] == b"K",
                          said.replace(b"\0", b"|"))
        finally:
            os.unlink(path)

    def _run(self, argv, stdin, letter=os.devnull):
        """Exit code and output, with these files on descriptors 0 and 3."""
        out, end = os.pipe()
        files = [(os.POSIX_SPAWN_OPEN, number, path, os.O_RDONLY, 0)
                 for number, path in ((0, stdin), (3, letter))]
        child = os.posix_spawn(argv[0], argv, self.environment, file_actions=[
            (os.POSIX_SPAWN_DUP2, end, 1), *files])
        os.close(end)
        timer = threading.Timer(PATIENCE, os.kill, (child, signal.SIGKILL))
        timer.start()
        with open(out, "rb") as f:
            said = f.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        timer.cancel()
        return code, said


def mailbox(address):
    """The same for "a b"@c and what a server makes of it inside."""
    local, at, domain = address.rpartition(b"@")
    if local[:1] == local[-1:] == b'"' and len(local) > 1:
        local = local[1:-1].replace(b"\\", b"")
    return local + at + domain


class Trial:
    """All messages by one way."""

    def __init__(self, client, letters):
        self.client, self.way = client, client.way
        self.server = client.server
        self.differences = []
        # By the last recipient, which no other message has.
        self.letters = {
            b"tag%d@y.example" % i: letter
            for i, letter in letters if self.way.carries(i, letter)}

    def _reaches(self, address):
        return self.server.takes_address(address) and (
            address.isascii() or "SMTPUTF8" in self.server.offers)

    def wanted(self, letter, tag):
        """What the server should keep, as a Kept; None: nothing."""
        server = self.server
        data = server.keeps(letter.wire.replace(b"\r\n", b"\n"),
                            self.way.uses_bdat(server))
        sender = nasty.wire_address(letter.sender)
        rcpts = [a for a in map(nasty.wire_address, (*letter.rcpts, tag))
                 if self._reaches(a)]
        refused = len(letter.rcpts) + 1 - len(rcpts)
        if (data is None or not self._reaches(sender) or
                (refused and self.way.face == "smtp")):
            return None
        return mailservers.Kept(
            mailbox(sender), tuple(sorted(map(mailbox, rcpts))), data)

    def differs(self, letter, text):
        self.differences.append(f"{self.way.name}: {letter.name}: {text}")

    def run(self):
        with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
            results = dict(zip(self.letters, pool.map(
                lambda item: self.client.send(
                    item[1], (*item[1].rcpts, item[0])),
                self.letters.items())))
        kept = collections.defaultdict(list)
        for message in self.server.take():
            tag = [a for a in message.rcpts if a.startswith(b"tag")]
            kept[tag[0] if len(tag) == 1 else None].append(message)
        sent = 0
        for tag, letter in self.letters.items():
            sent += results[tag].sent
            self._judge(letter, tag, results[tag], kept.pop(tag, []))
        for messages in kept.values():
            self.differences.append(
                f"{self.way.name}: nobody sent this: {messages!r:.2000}")
        return sent

    def _judge(self, letter, tag, result, messages):
        wanted = self.wanted(letter, tag)
        if not result.readable:
            self.differs(letter, f"no plain text: {result.text}")
        if result.sent != (wanted is not None):
            self.differs(letter, "it should be " + (
                "refused: " if wanted is None else "taken: ") + result.text)
        if len(messages) != result.sent:
            self.differs(letter, f"{len(messages)} messages are kept, "
                         f"said was: {result.text}")
        if result.sent:
            self._judge_session(letter, result.text)
        for message in messages:
            if wanted is not None:
                self._compare(letter, wanted, message)

    def _judge_session(self, letter, text):
        tls = "starttls" in self.way.options
        if tls != ("verified=certificate" in text):
            self.differs(letter, f"TLS is not as it was asked for: {text}")
        if self.server.took_by_bdat(text) != self.way.uses_bdat(
                self.server):
            self.differs(letter, f"BDAT is not as it was asked for: {text}")

    def _compare(self, letter, wanted, message):
        rcpts = tuple(sorted(map(mailbox, message.rcpts)))
        if message.login != ("login" in self.way.options):
            self.differs(letter, f"logged in: {message.login}")
        if mailbox(message.sender) != wanted.sender:
            self.differs(letter, f"sender {message.sender!r}")
        if rcpts != wanted.rcpts:
            self.differs(letter, f"recipients {rcpts!r:.500}, "
                         f"not {wanted.rcpts!r:.500}")
        if message.data != wanted.data:
            at = len(os.path.commonprefix([message.data, wanted.data]))
            self.differs(
                letter, f"byte {at} of {len(wanted.data)}: "
                f"{message.data[max(at - 20, 0):at + 40]!r} "
                f"({len(message.data)} bytes), not "
                f"{wanted.data[max(at - 20, 0):at + 40]!r}")


def check_offers(server):
    """Else a way would prove less than its name says."""
    clear, secure = server.offered()
    if "AUTH" in clear:
        return ["a login is offered in clear"]
    got = clear | secure
    known = {"8BITMIME", "PIPELINING", "SIZE", "STARTTLS", "SMTPUTF8", "AUTH",
             "CHUNKING"}
    if got & known != server.offers:
        return [f"it offers {sorted(got)}, not {sorted(server.offers)}"]
    return []


def run(server, options):
    letters = [(i, letter) for i, letter in enumerate(nasty.letters())
               if options.letter in ("", letter.name)]
    differences = check_offers(server)
    for way in WAYS:
        if not way.needs <= server.offers or options.only not in (
                "", way.name):
            continue
        folder = f"{options.folder}/client"
        os.makedirs(folder, exist_ok=True)
        trial = Trial(Client(way, server, folder), letters)
        sent = trial.run()
        print(f"{way.name}: {sent} of {len(trial.letters)} taken, "
              f"{len(trial.differences)} differences", flush=True)
        differences += trial.differences[:SHOWN]
    return differences


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("--only", default="")
    arguments.add_argument("--letter", default="")
    arguments.add_argument("server", choices=mailservers.SERVERS)
    arguments.add_argument("folder")
    options = arguments.parse_args()
    # No server stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options.folder = os.path.abspath(options.folder)
    packages = peers.Packages(os.environ["PACKAGES"])
    certificate = f"{os.environ['CERTS']}/good"
    try:
        with mailservers.running(
                mailservers.SERVERS[options.server], packages,
                options.folder, certificate + ".pem",
                certificate + ".key") as server:
            differences = run(server, options)
    except peers.NotUp as e:
        differences = [str(e)]
    except peers.Missing as e:
        print(e)
        return 77
    print("\n".join(differences))
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
