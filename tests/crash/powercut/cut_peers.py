"""Other mail systems under the same cut: bench/peers.py starts them, and this
reads back what they have."""

import os
import socket

import load
import mail
import subjects
from disk import Failed
# In bench/, see main.py.
import peers as others


class Peer(subjects.Subject):
    kind = None  # of bench/peers.py

    def __init__(self, folder, options):
        super().__init__(folder, options)
        # Some of its processes are nobody in particular.
        os.chmod(folder, 0o711)
        self.peer = self.kind(options.packages, folder)

    def make(self, top):
        super().make(top)
        self.start()

    def start(self):
        self.peer.prepare(self.top + "/queue")

    def powered_off(self):
        self.peer.stop()

    def recover(self):
        """What its daemons would take up."""
        copies = []
        for path in self.peer.queued():
            copies += self.read(path)
            os.unlink(path)
        return copies

    def read(self, path):
        """The message of a queue file: one copy, or none when it does not
        count yet."""
        raise NotImplementedError


class Nullmailer(Peer):
    """Delivered by nullmailer-send: the same module, since the interface is
    the same."""

    name = "nullmailer-queue"
    kind = others.Nullmailer
    delivers = True

    def __init__(self, folder, options):
        super().__init__(folder, options)
        self.records = subjects.Records(self.path("records"))

    def make(self, top):
        super().make(top)
        queue = self.peer.folder
        os.makedirs(queue + "/protocols")
        os.symlink(subjects.Places().record, queue + "/protocols/record")
        self._configure("remotes", "sink.example record\n")

    def _configure(self, name, content):
        with open(f"{self.peer.folder}/conf/{name}", "w",
                  encoding="ascii") as f:
            f.write(content)

    def submit(self, message):
        command = self.peer.command
        data = b"".join(line + b"\n" for line in (
            message.sender, *message.rcpts, b"")) + message.data
        return subjects.call(command.argv, command.environment, self.log,
                             [data, None])

    def _sender(self, events):
        root = self.options.packages.root(
            "nullmailer", "/usr/sbin/nullmailer-send")
        return [root + "/usr/sbin/nullmailer-send"], {
            **self.peer.command.environment, "EVENTS": events,
            "RECORDS": self.records.folder}

    def start_sender(self, events):
        self._configure("pausetime", "1\n")
        subjects.spawn(*self._sender(events), self.log, [None, None])

    def recover(self):
        self._configure("pausetime", "0\n")  # it ends when it has tried all
        code = subjects.call(*self._sender(os.devnull), self.log,
                             [None, None])
        if code != 0:
            raise Failed(f"nullmailer-send: exit code {code}:\n"
                         f"{subjects.tail(self.log)}")
        return self.records.take()


class Postfix(Peer):
    def read(self, path):
        found = others.postfix_message(path)
        return [] if found is None else [mail.Copy(*found)]


class PostfixSendmail(Postfix):
    name = "postfix sendmail"
    kind = others.PostfixSendmail

    def submit(self, message):
        command = self.peer.command
        argv = [command.argv[0], "-i", "-f", message.sender.decode(),
                *(rcpt.decode() for rcpt in message.rcpts)]
        return subjects.call(argv, command.environment, self.log,
                             [message.data, None])


class PostfixSmtpd(Postfix):
    name = "postfix smtpd"
    kind = others.PostfixSmtpd

    def submit(self, message):
        try:
            with socket.create_connection(("127.0.0.1", self.peer.port),
                                          load.PATIENCE) as s:
                return self._talk(s, message)
        except OSError:
            return 1

    @staticmethod
    def _talk(s, message):
        text = message.data.replace(b"\n", b"\r\n")
        replies = s.makefile("rb")
        steps = [(None, b"220"), (b"HELO client.example", b"250"),
                 (b"MAIL FROM:<%s>" % message.sender, b"250"),
                 *((b"RCPT TO:<%s>" % r, b"250") for r in message.rcpts),
                 (b"DATA", b"354"), (text + b".", b"250")]
        for command, wanted in steps:
            if command is not None:
                s.sendall(command + b"\r\n")
            if not replies.readline().startswith(wanted):
                return 1
        return 0


PEERS = (Nullmailer, PostfixSendmail, PostfixSmtpd)
