"""Peers whose places or accounts are compiled in: in our machine they get an
/etc of their own."""

import glob
import os
import re
import shutil

import cut_peers
import mail
import power
import subjects
import peers as others


class System(subjects.Subject):
    """Installed nowhere, run by root, its queue in one folder."""

    package = program = None

    def __init__(self, folder, options):
        super().__init__(folder, options)
        os.chmod(folder, 0o755)
        self.root = options.packages.root(self.package, self.program)
        self.environment = {"PATH": "/usr/bin:/bin"}
        power.private("/etc", folder)
        self.queue = None

    def make(self, top):
        super().make(top)
        self.queue = top + "/queue"
        os.mkdir(self.queue)
        self.configure()

    def configure(self):
        raise NotImplementedError

    def arguments(self):
        return []

    def submit(self, message):
        argv = [self.root + self.program, *self.arguments(), "-i", "-f",
                message.sender.decode(),
                *(rcpt.decode() for rcpt in message.rcpts)]
        return subjects.call(argv, self.environment, self.log,
                             [message.data, None])


def read(path):
    """What is there of a file that may be missing."""
    try:
        with open(path, "rb") as f:
            return f.read()
    except FileNotFoundError:
        return b""


def add(path, line):
    """A line at the end of a file, once."""
    if line.encode() not in read(path).splitlines():
        with open(path, "a", encoding="ascii") as f:
            f.write(line + "\n")


class Exim(System):
    name = "exim -odq"
    package, program = "exim4-daemon-light", "/usr/sbin/exim4"
    USER, ID = "Debian-exim", 199

    def configure(self):
        # A library of which other systems have another version.
        library = "/usr/lib/x86_64-linux-gnu/libidn.so.12"
        root = self.options.packages.root("libidn12", library)
        self.environment["LD_LIBRARY_PATH"] = root + os.path.dirname(library)
        others.need_libraries(self.root + self.program, self.environment)
        account = f"{self.USER}:x:{self.ID}:"
        add("/etc/passwd", f"{account}{self.ID}::/:/bin/false")
        add("/etc/group", account)
        os.chown(self.queue, self.ID, self.ID)
        os.mkdir(self.path("log.d"))
        os.chown(self.path("log.d"), self.ID, self.ID)
        with open(self.path("conf"), "w", encoding="ascii") as f:
            f.write(f"""\
spool_directory = {self.queue}
log_file_path = {self.path('log.d')}/%s
primary_hostname = cut.example
queue_only
split_spool_directory = false
keep_environment =
begin routers
all:
  driver = accept
  transport = none
begin transports
none:
  driver = appendfile
  file = /dev/null
  user = nobody
""")

    def arguments(self):
        return ["-C", self.path("conf"), "-odq"]

    def recover(self):
        copies = []
        for path in glob.glob(self.queue + "/input/*-H"):
            copies.append(self._copy(path))
            for name in path, path[:-1] + "D":
                if os.path.exists(name):
                    os.unlink(name)
        return copies

    @staticmethod
    def _copy(path):
        """-H has envelope and header, each field with its length, and -D the
        body below a line with its name."""
        head = read(path)
        found = re.match(
            rb"[^\n]*-H\n[^\n]*\n<([^\n]*)>\n[^\n]*\n(?:-[^\n]*\n)*XX\n"
            rb"[0-9]+\n((?:[^\n]+\n)*)\n", head)
        if not found:
            return mail.Copy(b"", (), head)
        data, at = b"", found.end()
        while field := re.match(rb"([0-9]{3,})(.) ", head[at:]):
            at += field.end()
            if field[2] != b"*":  # deleted
                data += head[at:at + int(field[1])]
            at += int(field[1])
        body = read(path[:-1] + "D").partition(b"\n")[2]
        return mail.Copy(found[1], tuple(found[2].split()),
                         data + b"\n" + body)


class Dma(System):
    name = "dma"
    package, program = "dma", "/usr/sbin/dma"

    def configure(self):
        others.need_libraries(self.root + self.program, self.environment)
        shutil.chown(self.queue, "root", "mail")
        os.chmod(self.queue, 0o2775)
        os.makedirs("/etc/dma", exist_ok=True)
        with open("/etc/dma/dma.conf", "w", encoding="ascii") as f:
            f.write(f"SPOOLDIR {self.queue}\nDEFER\nMAILNAME cut.example\n")
        with open("/etc/dma/auth.conf", "w", encoding="ascii"):
            pass

    def recover(self):
        """A file Q for each recipient, and another name of the message."""
        copies = []
        for path in glob.glob(self.queue + "/Q*"):
            message = f"{self.queue}/M{os.path.basename(path)[1:]}"
            fields = dict(line.split(b": ", 1) for line in
                          read(path).splitlines() if b": " in line)
            # It passes over one that is not complete.
            if b"Recipient" in fields and os.path.exists(message):
                copies.append(mail.Copy(fields.get(b"Sender", b""),
                                        (fields[b"Recipient"],),
                                        read(message)))
        for path in glob.glob(self.queue + "/*"):
            os.unlink(path)
        return copies


PEERS = (*cut_peers.PEERS, Exim, Dma)
