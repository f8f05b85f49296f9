"""Real mail servers that keep what they are sent: aiosmtpd, and Debian's
Postfix, Exim and OpenSMTPD as bench/peers.py has them.

None of them delivers: what they keep is read out of their queues, so that no
transport touches it.
"""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import smtplib
import sys

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../../bench"))

# pylint: disable=wrong-import-position
import peers  # noqa: E402

NAME = "interop.example"
USER, PASSWORD = "user", "pass word"
SIZE = 64 << 20


@dataclasses.dataclass
class Kept:
    """A message that a server keeps, without what it put on top."""

    sender: bytes
    rcpts: tuple
    data: bytes  # with LF
    login: bool = False  # by one who has logged in


def read(path):
    with open(path, "rb") as f:
        return f.read()


def without_trace(data):
    """Without the one Received field on top."""
    field = re.match(rb"Received: [^\n]*\n(?:[ \t][^\n]*\n)*", data)
    if field is None or NAME.encode() not in field.group():
        raise ValueError(f"no trace on top: {data[:300]!r}")
    return data[field.end():]


def split_header(data, name):
    """The header fields on top, and what follows them: nothing, or an empty
    line and the body, or a line that is none. name: a pattern for that of a
    field with its colon."""
    fields = re.match(rb"(?:%s[^\n]*\n(?:[ \t][^\n]*\n)*)*" % name, data)
    return fields.group(), data[fields.end():]


class Server:
    """Beside a class of bench/peers.py."""

    # What it offers, as we have set it up.
    offers = {"8BITMIME", "PIPELINING", "SIZE", "STARTTLS"}
    cert = key = None  # set before prepare()

    def offered(self):
        """The keywords of EHLO, without TLS and with it."""
        with smtplib.SMTP("127.0.0.1", self.port) as client:
            client.ehlo("me.example")
            clear = {word.upper() for word in client.esmtp_features}
            if "STARTTLS" in clear:
                client.starttls()
                client.ehlo("me.example")
            return clear, {word.upper() for word in client.esmtp_features}

    def take(self):
        """What came since the last time, as Kept."""
        raise NotImplementedError

    def keeps(self, data, _by_bdat):
        """What it makes of this message, whose line ends are LF; None: it
        refuses it. By default nothing is changed."""
        return data

    def takes_address(self, _address):
        return True

    def took_by_bdat(self, _reply):
        """Does its reply to the end of a message say so?"""
        return False


class Aiosmtpd(Server, peers.Listener):
    """tests/lib/sink.py; it keeps the bytes of DATA."""

    name = "aiosmtpd"
    offers = {"8BITMIME", "SIZE", "STARTTLS", "SMTPUTF8", "AUTH"}

    def _prepare(self):
        sink = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            "sink.py")
        self._launch([sys.executable, sink, "--port", str(self.port),
                      "--size", str(SIZE), "--line", str(1 << 20),
                      "--cert", self.cert, "--key", self.key,
                      "--user", USER, "--password", PASSWORD,
                      "--timeout", str(peers.HOURS * 3600), self.folder],
                     os.environ)

    def queued(self):
        return [path for path in peers.names(self.folder)
                if path.endswith(".json")]

    def take(self):
        kept = []
        for path in self.queued():
            said = json.loads(read(path))
            eml = path[:-len("json")] + "eml"
            kept.append(Kept(
                said["mail_from"].encode(),
                tuple(rcpt.encode() for rcpt in said["rcpt_tos"]),
                read(eml).replace(b"\r\n", b"\n"), said["authenticated"]))
            os.unlink(eml)
            os.unlink(path)
        return kept


class Postfix(Server, peers.PostfixSmtpd):
    name = "Postfix"
    offers = Server.offers | {"CHUNKING", "SMTPUTF8"}

    def _services(self):
        return super()._services() + ["tlsmgr unix - - n 1000? 1 tlsmgr"]

    def _settings(self):
        return [
            f"smtpd_tls_cert_file = {self.cert}",
            f"smtpd_tls_key_file = {self.key}",
            "smtpd_tls_security_level = may",
            f"myhostname = {NAME}",
            f"message_size_limit = {SIZE}",
            "smtputf8_enable = yes",
            # It is here to keep, not to mend.
            "header_size_limit = 2000000",
            "local_header_rewrite_clients =",
            "message_drop_headers =",
            "allow_percent_hack = no",
            "swap_bangpath = no",
            "allow_min_user = yes",
            "smtpd_recipient_limit = 1000",
        ]

    def keeps(self, data, by_bdat):
        """What it takes for no mail, it mends: a line of an mbox file on top
        gets a name, or the header ends there, as it does before a folded line
        without a field. With BDAT there is no such check, and that folded
        line continues the trace. Fields end at a NUL, and have no space before
        the colon. Where a header ends in a line that is none, an empty line
        comes in between."""
        if by_bdat:
            data = re.sub(rb"\A(?:[ \t][^\n]*\n)+", b"", data)
        else:
            data = re.sub(rb"\A(?=>*From )", b"X-Mailbox-Line: ", data)
            data = re.sub(rb"\A(?=[ \t])", b"\n", data)
        fields, rest = split_header(data, rb"[!-9;-~]+[ \t]*:")
        fields = re.sub(rb"(?m)^([!-9;-~]+)[ \t]+:", rb"\1:", fields)
        fields = re.sub(rb"\0[^\n]*", b"", fields)
        if rest and not rest.startswith(b"\n"):
            rest = b"\n" + rest
        return fields + rest

    def take(self):
        kept = []
        for path in self.queued():
            sender, rcpts, data = peers.postfix_message(path)
            kept.append(Kept(sender, rcpts, without_trace(data)))
            os.unlink(path)
        return kept

    def took_by_bdat(self, reply):
        return " bytes queued as " in reply


class Enclosed(Server, peers.Listener):
    """A server that is made for certain places and accounts: it gets a view
    of the file system in which they are there."""

    package = program = None
    accounts = ()  # besides those of the host

    def _prepare(self):
        if os.geteuid() != 0:
            raise peers.Missing(f"{self.name} runs as root only")
        if peers.run(["unshare", "--mount", "true"]).returncode:
            raise peers.Missing("no mount namespace can be made here")
        self.root = self.packages.root(self.package, self.program)
        self.environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "LD_LIBRARY_PATH": ":".join(peers.library_folders(self.root))}
        peers.need_libraries(self.root + self.program, self.environment)
        # No name server is asked.
        with open(self.scratch + "/resolv.conf", "w", encoding="ascii") as f:
            f.write("lookup file\n")
        self._add_accounts("passwd", "{}:x:{}:{}::/nonexistent:/bin/false\n")
        self._add_accounts("group", "{0}:x:{2}:\n")
        self._configure()
        self._launch(["unshare", "--mount", "sh", "-ec", "; ".join(
            self._mounts()) + '; exec "$0" "$@"', *self._command()],
            self.environment)

    def _add_accounts(self, file, form):
        shutil.copyfile(f"/etc/{file}", f"{self.scratch}/{file}")
        with open(f"{self.scratch}/{file}", "a", encoding="ascii") as f:
            for name, number in self.accounts:
                if f"\n{name}:" not in read(f"/etc/{file}").decode():
                    f.write(form.format(name, number, number))

    def _mounts(self):
        """Commands that make the view."""
        return [f"if test -e /etc/{name}; then "
                f"mount --bind '{self.scratch}/{name}' /etc/{name}; fi"
                for name in ("passwd", "group", "resolv.conf")]

    def _write(self, lines):
        with open(f"{self.scratch}/conf", "w", encoding="ascii") as f:
            f.writelines(line + "\n" for line in lines)

    def _configure(self):
        raise NotImplementedError

    def _command(self):
        raise NotImplementedError


class Exim(Enclosed):
    name = "Exim"
    offers = Server.offers | {"CHUNKING", "SMTPUTF8", "AUTH"}
    package, program = "exim4-daemon-light", "/usr/sbin/exim4"
    accounts = (("Debian-exim", 8),)

    def _configure(self):
        for name in ("spool", "log"):
            os.makedirs(f"{self.folder}/{name}", exist_ok=True)
            os.chown(f"{self.folder}/{name}", *2 * self.accounts[0][1:])
        # Those who are not root read it, too.
        for name in ("cert", "key"):
            shutil.copyfile(getattr(self, name), f"{self.folder}/{name}")
            os.chown(f"{self.folder}/{name}", *2 * self.accounts[0][1:])
        self._write([
            f"primary_hostname = {NAME}",
            f"exim_path = {self.root}{self.program}",
            "keep_environment = LD_LIBRARY_PATH",
            "add_environment = PATH=/usr/bin:/bin",
            f"spool_directory = {self.folder}/spool",
            f"log_file_path = {self.folder}/log/%slog",
            f"local_interfaces = <; 127.0.0.1.{self.port}",
            "tls_advertise_hosts = *",
            f"tls_certificate = {self.folder}/cert",
            f"tls_privatekey = {self.folder}/key",
            "chunking_advertise_hosts = *",
            f"message_size_limit = {SIZE}",
            "queue_only",
            "host_lookup =",
            "rfc1413_hosts =",
            "smtp_accept_max = 100",
            "allow_utf8_domains",
            "allow_domain_literals",
            "delivery_date_remove = false",
            "envelope_to_remove = false",
            "return_path_remove = false",
            "acl_smtp_rcpt = take",
            "begin acl",
            "take:",
            "  accept",
            "begin authenticators",
            "plain:",
            "  driver = plaintext",
            "  public_name = PLAIN",
            "  server_advertise_condition = ${if def:tls_in_cipher}",
            f"  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}"
            f"{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}",
        ])

    def _command(self):
        return [self.root + self.program, "-C", self.scratch + "/conf",
                "-bdf", "-oX", f"127.0.0.1.{self.port}",
                "-oP", self.folder + "/pid"]

    def keeps(self, data, _by_bdat):
        """Its spool has fields and a body: it does not tell whether there was
        an empty line after the header. A NUL in the header is a question mark,
        and a folded line without any text goes away."""
        fields, rest = split_header(data, rb"[!-9;-~\x80-\xff]*[ \t]*:")
        fields = re.sub(rb"\n[ \t]+(?=\n)", b"", fields)
        return (fields.replace(b"\0", b"?") + b"\n" +
                rest.removeprefix(b"\n"))

    def queued(self):
        return [path for path in peers.names(self.folder + "/spool/input")
                if path.endswith("-H")]

    def take(self):
        kept = []
        for path in self.queued():
            body = path[:-1] + "D"
            kept.append(self._read(read(path), read(body)))
            os.unlink(body)
            os.unlink(path)
        return kept

    @staticmethod
    def _read(head, body):
        """The files of its spool: -H has the envelope and each header field
        with its length, -D the body after a line with the name."""
        envelope, _, fields = head.partition(b"\n\n")
        lines = envelope.split(b"\n")
        count = next(i for i, line in enumerate(lines)
                     if line.isdigit() and i > 3)
        found, at = [], 0
        while at < len(fields):
            size = re.match(rb"(\d+)(.) ", fields[at:], re.S)
            start = at + size.end()
            at = start + int(size.group(1))
            if size.group(2) != b"*":
                found.append(fields[start:at])
        return Kept(lines[2].strip(b"<>"), tuple(lines[count + 1:]),
                    without_trace(b"".join(found) + b"\n" +
                                  body.partition(b"\n")[2]),
                    b"-host_auth plain" in lines)

    def took_by_bdat(self, reply):
        return " byte chunk" in reply


class OpenSmtpd(Enclosed):
    """Without TLS: Debian's version can not use a key with OpenSSL 3."""

    name = "OpenSMTPD"
    package, program = "opensmtpd", "/usr/sbin/smtpd"
    accounts = (("opensmtpd", 1), ("opensmtpq", 2))
    offers = {"8BITMIME", "SIZE"}

    def _configure(self):
        for name in ("lib/opensmtpd/empty", "spool"):
            os.makedirs(f"{self.folder}/{name}", exist_ok=True)
        self._write([
            f"smtp max-message-size {SIZE}",
            f"listen on 127.0.0.1 port {self.port} hostname {NAME}",
            'action "keep" relay',
            'match from any for any action "keep"',
        ])
        os.chmod(self.scratch + "/conf", 0o600)

    def _mounts(self):
        return super()._mounts() + [
            f"mount --bind '{self.folder}/lib' /var/lib",
            f"mount --bind '{self.folder}/spool' /var/spool",
            "mount -t tmpfs tmpfs /run",
        ]

    def _command(self):
        # Nothing is sent on.
        return [self.root + self.program, "-d", "-P", "mta", "-P", "mda",
                "-f", self.scratch + "/conf"]

    def queued(self):
        found = []
        for bucket in peers.names(self.folder + "/spool/smtpd/queue"):
            found += peers.names(bucket)
        return found

    def keeps(self, data, _by_bdat):
        """It refuses what has no header, or lines that with their end have
        more than 65535 bytes. A line ends at a NUL, and Bcc goes away."""
        data = re.sub(rb"\0[^\n]*", b"", data)
        fields, rest = split_header(data, rb"[^\n:]*:")
        if ((rest and not rest.startswith(b"\n")) or
                any(len(line) > 65533 for line in data.split(b"\n"))):
            return None
        return re.sub(rb"(?m)^Bcc:[^\n]*\n(?:[ \t][^\n]*\n)*", b"",
                      fields) + rest

    def takes_address(self, address):
        """It knows no quoted local parts."""
        return re.fullmatch(
            rb"(?:[^][\s\"\\()<>,;:@.]+\.?)*[^][\s\"\\()<>,;:@.]@[^@]*|",
            address) is not None

    def take(self):
        kept = []
        for path in self.queued():
            fields = [self._envelope(read(file)) for file in peers.names(path)
                      if not file.endswith("/message")]
            data = without_trace(read(path + "/message"))
            # Who sends to the loopback is one of its own, and gets these.
            data = re.sub(rb"(?m)^Date: \w{3}, [^\n]*\n"
                          rb"Message-ID: <[0-9a-f]+@%s>\n" % NAME.encode(),
                          b"", data, count=1)
            sender = fields[0][b"sender"]
            kept.append(Kept(sender if sender != b"@" else b"",
                             tuple(f[b"rcpt"] for f in fields), data))
            shutil.rmtree(path)
        return kept

    @staticmethod
    def _envelope(text):
        return dict(line.split(b": ", 1) for line in text.splitlines()
                    if b": " in line)


SERVERS = {kind.name: kind for kind in (Aiosmtpd, Postfix, Exim, OpenSmtpd)}


@contextlib.contextmanager
def running(kind, packages, folder, cert, key):
    """A server that is there; raises peers.Missing."""
    server = kind(packages, folder + "/scratch")
    server.cert, server.key = cert, key
    try:
        for attempts_left in (2, 1, 0):
            try:
                server.prepare(folder + "/" + kind.__name__)
                break
            except peers.NotUp:
                if not attempts_left:
                    raise
                server.port = peers.free_port()
        yield server
    finally:
        server.stop()
