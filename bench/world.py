"""What a run of a benchmark needs around it: places, keys, daemons, and the
driver. Everything is below one temporary folder, and ends with it."""

import glob
import os
import random
import shlex
import signal
import subprocess
import tempfile
import time

PATIENCE = 120  # seconds after which something has failed


class Failed(Exception):
    pass


def need(name):
    if name not in os.environ:
        raise Failed(f"{name} is not set: run it with make, see "
                     "bench/README.md")
    return os.environ[name]


def read(path):
    with open(path, "rb") as f:
        return f.read()


class Places:
    """The programs as `make check` has installed them."""

    def __init__(self):
        stage, build = need("QF_STAGE"), need("QF_BUILDDIR")
        self.source = need("QF_SRCDIR")
        self.sbin = stage + need("QF_SBINDIR")
        self.compat = stage + need("QF_LIBEXECDIR") + "/qfront/compat"
        self.driver = build + "/bench/driver"
        self.noop = build + "/bench/noop"
        self.preload = build + "/bench/preload"
        self.smtp = stage + need("QF_LIBEXECDIR") + "/qfront/protocols/smtp"
        self.build = build
        self.qfront = self.sbin + "/qfront"


class World:
    def __init__(self, places, folder=None, quick=False):
        """All of it is made in this folder, else in that of TMPDIR."""
        self.quick = quick
        self.places = places
        self._folder = tempfile.TemporaryDirectory(prefix="qfront-bench-",
                                                   dir=folder)
        self.top = os.path.abspath(self._folder.name)
        # Others' daemons give up root, and have to find their files.
        os.chmod(self.top, 0o711)
        self.daemons = {}
        self._processes = []
        self._closers = []
        self.log = self.path("log")
        self.queue = self.make_queue("queue")

    def path(self, name):
        return os.path.join(self.top, name)

    def write(self, name, *lines):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as f:
            f.writelines(line + "\n" for line in lines)

    def write_message(self, name, size, envelope=""):
        """Lines of text that do not repeat soon, the same in each run."""
        chance = random.Random(1)
        head = ("From: Sender <sender@bench.example>\n"
                "To: Recipient <rcpt@else.example>\n"
                "Subject: a message of the benchmark\n\n")
        lines = ("".join(chance.choices("etaoin shrdlu", k=71)) + "\n"
                 for _ in range(size // 72 + 1))
        with open(self.path(name), "w", encoding="ascii") as f:
            f.write(envelope + (head + "".join(lines))[:size - 1] + "\n")

    def control(self, name, files=None):
        """A control directory; files: a list of lines by name."""
        os.makedirs(self.path(f"{name}/plugins"), exist_ok=True)
        self.write(f"{name}/me", "bench.example")
        if os.geteuid() == 0:
            # One user for all, as it is where nobody is root.
            self.write(f"{name}/daemonusers", *(
                f"{role} 0" for role in
                ("dispatcher", "filter", "sign", "store")))
        for file, lines in (files or {}).items():
            self.write(f"{name}/{file}", *lines)
        return self.path(name)

    def make_key(self, name):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        subprocess.run(
            ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt",
             "rsa_keygen_bits:2048", "-out", path],
            check=True, stderr=subprocess.DEVNULL)
        os.chmod(path, 0o600)

    def make_queue(self, name):
        subprocess.run([self.places.sbin + "/qfrontctl", "queue", "init"],
                       check=True, stdout=subprocess.DEVNULL,
                       env=self.environment(CONTROLDIR=self.control("ours"),
                                            QUEUEDIR=self.path(name)))
        return self.path(name)

    @staticmethod
    def environment(**more):
        """What qmail-smtpd has under tcpserver."""
        return {"PATH": "/usr/bin:/bin", "PROTO": "TCP",
                "TCPREMOTEIP": "192.0.2.1", "TCPREMOTEPORT": "40000",
                "TCPREMOTEHOST": "client.example",
                "TCPLOCALIP": "192.0.2.2", "TCPLOCALPORT": "25",
                "TCPLOCALHOST": "bench.example", **more}

    def run_driver(self, options, command, environment, stdin=None,
                   third=None):
        """The driver's lines. stdin and third: what it has on descriptors 0
        and 3."""
        argv = [self.places.driver]
        for name, value in options.items():
            argv += [f"--{name}", str(value)]
        if third is not None:
            argv = ["sh", "-c", 'exec "$@" 3<"$0"', third, *argv]
        with open(self.log, "wb") as log, open(stdin or os.devnull,
                                               "rb") as first:
            done = subprocess.run(
                argv + command, env=environment, stdout=subprocess.PIPE,
                stderr=log, stdin=first, check=False)
        if done.returncode != 0:
            tail = read(self.log).decode(errors="replace")[-3000:]
            raise Failed(f"{shlex.join(command)}: failed; the end of what it "
                         f"said:\n{tail}")
        return done.stdout.decode().splitlines()

    def time(self, argv, environment):
        """The seconds that a command takes."""
        begin = time.monotonic()
        with open(self.log, "wb") as log:
            code = subprocess.run(argv, env=environment, check=False,
                                  stdout=log, stderr=log).returncode
        took = time.monotonic() - begin
        if code != 0:
            raise Failed(f"{shlex.join(argv)}: exit code {code}:\n" +
                         read(self.log).decode(errors="replace")[-3000:])
        return took

    def settle(self):
        """What was done so far is no work for what comes next."""
        if not self.quick:
            subprocess.run(["sync", "-f", self.top], check=True)

    # Daemons.

    def on_close(self, function):
        self._closers.append(function)

    def start_daemon(self, name, control):
        """qfrontd for this control directory: its socket."""
        socket = self.path(f"{name}.sock")
        readable, writable = os.pipe()
        log = self.path(f"{name}.log")
        with open(log, "wb") as err:
            daemon = subprocess.Popen(
                [self.places.sbin + "/qfrontd", "--socket", socket,
                 "--ready-fd", str(writable)],
                env=self.environment(CONTROLDIR=control,
                                     QUEUEDIR=self.queue,
                                     TMPDIR=self.top),
                stderr=err, pass_fds=[writable])
        self._processes.append(daemon)
        self.daemons[name] = daemon
        os.close(writable)
        ready = os.read(readable, 1)
        os.close(readable)
        if not ready:
            raise Failed("qfrontd does not start:\n" +
                         read(log).decode(errors="replace"))
        return socket

    def close(self):
        for function in self._closers:
            function()
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        found += [int(word) for word in read(path).split()]
    return found


def descendants(pid):
    """A process and all below it."""
    found = [pid]
    for child in children(pid):
        found += descendants(child)
    return found


def workers(daemon, role):
    """The workers of one kind: children of their zygote."""
    found = []
    for pid in children(daemon.pid):
        if read(f"/proc/{pid}/cmdline").split(b"\0")[1:3] == [
                b"--role", role.encode()]:
            found += children(pid)
    return found


def private_kib(pid):
    """Memory that nobody shares with this process."""
    fields = dict(
        line.split(b":", 1)
        for line in read(f"/proc/{pid}/smaps_rollup").splitlines()[1:])
    return sum(int(fields[name].split()[0])
               for name in (b"Private_Clean", b"Private_Dirty"))
