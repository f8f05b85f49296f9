"""Other mail systems' SMTP clients, to measure ours beside them.

As with peers.py they come from an installed Debian package, or from one that
is unpacked into a cache folder.
"""

import dataclasses
import glob
import os
import subprocess
import time

import peers

HOST = "127.0.0.1"
NAME = "bench.example"


@dataclasses.dataclass
class Start:
    """How a program is started that sends one message and ends. It may have
    the message on descriptor 0, or options there and on 3 the envelope, as
    protocol modules do."""

    argv: list
    environment: dict
    options: list = None  # None: 0 is the message

    @staticmethod
    def module(program, port, cafile=None):
        """nullmailer's protocol, which is ours, too."""
        return Start([program], {"PATH": "/usr/bin:/bin", "HELOHOST": NAME},
                     [f"host={HOST}", f"port={port}",
                      *(["starttls", f"x509cafile={cafile}"] if cafile
                        else []), ""])


class Client:
    """What sends one message each time that it is started."""

    def __init__(self, packages):
        self.packages = packages

    def start(self, port, cafile=None):
        """With a cafile by TLS. Raises peers.Missing."""
        raise NotImplementedError


class Nullmailer(Client):
    name = "nullmailer smtp"

    def start(self, port, cafile=None):
        program = "/usr/lib/nullmailer/smtp"
        program = self.packages.root("nullmailer", program) + program
        peers.need_libraries(program, {})
        return Start.module(program, port, cafile)


class Msmtp(Client):
    name = "msmtp"

    def start(self, port, cafile=None):
        program = "/usr/bin/msmtp"
        program = self.packages.root("msmtp", program) + program
        return Start(
            [program, "--file=/dev/null", f"--host={HOST}", f"--port={port}",
             f"--domain={NAME}", f"--from={peers.SENDER}",
             *(["--tls=on", "--tls-starttls=on",
                f"--tls-trust-file={cafile}"] if cafile else ["--tls=off"]),
             "--", peers.RECIPIENT], self._environment(program))

    def _environment(self, program):
        environment = {"PATH": "/usr/bin:/bin"}
        try:
            peers.need_libraries(program, environment)
        except peers.Missing:
            # The one that few systems have.
            pattern = "/usr/lib/*/libsecret-1.so.0"
            root = self.packages.root("libsecret-1-0", pattern)
            environment["LD_LIBRARY_PATH"] = os.path.dirname(
                glob.glob(root + pattern)[0])
            peers.need_libraries(program, environment)
        return environment


TICKS = os.sysconf("SC_CLK_TCK")


def cpu_us(pids):
    """Of processes and of those that they have waited for."""
    ticks = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks += sum(int(word) for word in fields[11:15])
    return ticks * 1e6 / TICKS


class PostfixSmtp(peers.PostfixSmtpd):
    """One smtp(8) that sends what was queued, over as few connections as it
    can. What comes in waits in `hold`, and then in `deferred` for a flush."""

    name = "postfix smtp"

    # As in Debian's master.cf, but for one smtp and the accounts' chroot.
    SERVICES = [
        "pickup unix n - n 60 1 pickup",
        "qmgr unix n - n 300 1 qmgr",
        "tlsmgr unix - - n 1000? 1 tlsmgr",
        "trace unix - - n - 0 bounce",
        "verify unix - - n - 1 verify",
        "flush unix n - n 1000? 0 flush",
        "proxymap unix - - n - - proxymap",
        "smtp unix - - n - 1 smtp -o smtp_tls_security_level=none",
        "smtptls unix - - n - 1 smtp",
        "showq unix n - n - - showq",
        "error unix - - n - - error",
        "retry unix - - n - - error",
        "discard unix - - n - - discard",
        "scache unix - - n - 1 scache",
        "tlsproxy unix - - n - 0 tlsproxy",
    ]

    def __init__(self, packages, scratch):
        super().__init__(packages, scratch)
        self.routes = {}  # domain: service, port
        self.cafile = None

    def _configure(self):
        super()._configure()
        with open(f"{self.scratch}/main.cf", "a", encoding="ascii") as f:
            f.write(
                "default_destination_concurrency_limit = 1\n"
                "initial_destination_concurrency = 1\n"
                "smtp_destination_concurrency_limit = 1\n"
                "smtp_tls_security_level = encrypt\n"
                f"smtp_tls_CAfile = {self.cafile}\n"
                "smtp_tls_connection_reuse = yes\n"
                "smtp_tls_session_cache_database = "
                f"btree:{self.scratch}/data/smtp_scache\n"
                "transport_maps = inline:{%s}\n" % " ".join(
                    f"{{{domain} = {service}:[{HOST}]:{port}}}"
                    for domain, (service, port) in self.routes.items()))

    def _services(self):
        return [*super()._services(), *self.SERVICES]

    def queued(self):
        """deferred has folders of its own."""
        return [f"{where}/{name}"
                for folder in ("incoming", "active", "deferred", "hold")
                for where, _, found in os.walk(f"{self.folder}/{folder}")
                for name in found]

    def _wait(self, what, is_done):
        end = time.monotonic() + peers.PATIENCE
        while not is_done():
            if time.monotonic() > end:
                raise peers.Missing(f"Postfix: {what} after {peers.PATIENCE} "
                                    "seconds")
            time.sleep(0.02)

    def _run(self, *argv):
        subprocess.run(argv, env=self.environment, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def preload(self, domain, messages, size):
        self._run(self.root + "/usr/sbin/smtp-source", "-s", "4", "-m",
                  str(messages), "-l", str(size), "-f", peers.SENDER, "-t",
                  f"rcpt@{domain}", f"inet:{HOST}:{self.port}")
        self._wait("not all is queued",
                   lambda: len(self.queued()) >= messages)
        self._run(self.program("postsuper"), "-H", "ALL")

    def send(self, sink, messages):
        """All that waits: what the sink has seen, and the microseconds of the
        processor."""
        before = cpu_us(self.pids())
        sink.ask(0)
        self._run(self.program("postqueue"), "-f")
        seen = sink.ask(messages)
        self._wait("not all is sent", lambda: not self.queued())
        return seen, cpu_us(self.pids()) - before
