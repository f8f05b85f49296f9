"""Other mail systems' queues, to measure ours beside them.

They come from an installed Debian package, or from one that is downloaded and
unpacked, not installed, into a cache folder, with the libraries that it needs
and this host has not. Nothing of the host changes:
configuration, queue and processes are the caller's, on loopback only, under
accounts that each Debian has.

	packages = peers.Packages(cache)
	for peer in peers.all_peers(packages, scratch):
		try:
			peer.prepare(folder)      # its queue is made there
		except peers.Missing as e:
			...                       # why it can not be had
		peer.command                  # that queues one message
		peer.queued()                 # files of the messages taken
		peer.stop()
"""

import contextlib
import dataclasses
import glob
import grp
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import time

PATIENCE = 60  # seconds
HOURS = 12     # after which a server ends by itself

SENDER, RECIPIENT = "sender@bench.example", "rcpt@else.example"


class Missing(Exception):
    """Why a peer can not be had here."""


class NotUp(Missing):
    """It is there and does not start; maybe another one took its port."""


@dataclasses.dataclass
class Command:
    """What queues one message."""

    argv: list
    environment: dict
    # What the command reads. "qmail": the message on descriptor 0 and the
    # envelope on 1. "nullmailer": on 0 the sender and the recipients, a line
    # each, an empty line, the message. "message": that on 0, alone. "":
    # nothing.
    takes: str


def run(argv, **more):
    return subprocess.run(argv, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False, timeout=PATIENCE, **more)


class Packages:
    """Where a package's files are: installed, or below the cache."""

    def __init__(self, cache, download=True):
        self.cache, self.download = cache, download

    def root(self, package, file):
        """What stands before the absolute names of a package's files, one of
        which is given, or a pattern of it."""
        if glob.glob(file):
            return ""
        root = os.path.join(os.path.abspath(self.cache), package)
        if not glob.glob(root + file):
            self._fetch(package, root)
        return root

    def _fetch(self, package, root):
        if not self.download:
            raise Missing(f"{package} is neither installed nor in "
                          f"{self.cache}")
        for tool in ("apt-get", "dpkg"):
            if shutil.which(tool) is None:
                raise Missing(f"{package} is not installed, and there is no "
                              f"{tool} to unpack it with")
        folder = root + ".new"
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder + "/files")
        try:
            self._unpack(package, folder)
            shutil.rmtree(root, ignore_errors=True)
            os.rename(folder + "/files", root)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _unpack(self, package, folder):
        """With the libraries that it needs and this host has not."""
        wanted, seen = [package], set()
        while wanted:
            name = wanted.pop()
            if name in seen:
                continue
            seen.add(name)
            deb = self._download(name, folder)
            if run(["dpkg", "-x", deb, "files"], cwd=folder).returncode:
                raise Missing(f"{name} can not be unpacked")
            os.unlink(f"{folder}/{deb}")
            wanted += self._libraries(name)

    @staticmethod
    def _libraries(package):
        """Those of its dependencies that are not installed; what is installed
        has all of its own."""
        said = run(["apt-cache", "depends", package]).stdout.decode()
        found = [line.split()[1] for line in said.splitlines()
                 if line.strip().startswith(("Depends: lib",
                                             "PreDepends: lib"))]
        return [name for name in found if
                run(["dpkg-query", "-W", "-f", "${db:Status-Status}",
                     name]).stdout != b"installed"]

    @staticmethod
    def _download(package, folder):
        try:
            # A folder below /root or /tmp is nothing for apt's own user.
            said = run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root",
                        "download", package], cwd=folder).stdout
        except subprocess.TimeoutExpired:
            raise Missing(f"{package} is not downloaded within {PATIENCE} "
                          "seconds") from None
        files = [f for f in os.listdir(folder) if f.endswith(".deb")]
        if not files:
            why = said.decode(errors="replace").strip().splitlines()
            raise Missing(f"{package} is not installed and can not be "
                          f"downloaded: {why[-1] if why else 'no reason'}")
        return files[0]


def library_folders(root):
    """Of the libraries that were unpacked along."""
    return [path for pattern in ("/usr/lib/*-linux-*", "/lib/*-linux-*")
            for path in glob.glob(root + pattern) if root]


def need_libraries(program, environment):
    missing = [line.split()[0]
               for line in run(["ldd", program], env={
                   "PATH": "/usr/bin:/bin", **environment}
               ).stdout.decode().splitlines() if "not found" in line]
    if missing:
        raise Missing(f"{os.path.basename(program)} lacks "
                      f"{', '.join(missing)}")


def names(folder):
    """Files of a folder that may be gone."""
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except FileNotFoundError:
        return []


class Peer:
    name = None

    def __init__(self, packages, scratch):
        self.packages = packages
        # Configuration, and programs that are copied.
        self.scratch = os.path.join(os.path.abspath(scratch),
                                    type(self).__name__)
        self.folder = None
        self.command = None

    def prepare(self, folder):
        """Makes an empty queue in this folder, and starts what has to run.
        Raises Missing."""
        self.folder = os.path.abspath(folder)
        os.makedirs(self.folder, exist_ok=True)
        os.makedirs(self.scratch, exist_ok=True)
        self._prepare()

    def _prepare(self):
        raise NotImplementedError

    def queued(self):
        """The files of all messages that were taken."""
        raise NotImplementedError

    def empty(self):
        for path in self.queued():
            os.unlink(path)

    def stop(self):
        """Nothing of it runs afterwards."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Listener(Peer):
    """One that takes mail by SMTP: a group of processes that ends with the one
    that started it."""

    def __init__(self, packages, scratch):
        super().__init__(packages, scratch)
        self.port = free_port()
        self._leader = None

    def _launch(self, argv, environment):
        """Starts it, and waits until it listens; argv stays in front."""
        if shutil.which("setpriv") is None:
            raise Missing(f"there is no setpriv to end {self.name} with")
        with open(self.scratch + "/said", "wb") as said:
            self._leader = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *argv],
                env=environment, stdin=subprocess.DEVNULL,
                stdout=said, stderr=said, start_new_session=True)
        self._await_greeting()

    def _await_greeting(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._leader.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port),
                                              PATIENCE) as s:
                    if s.recv(4) == b"220 ":
                        return
            except ConnectionRefusedError:
                pass
            time.sleep(0.05)
        self.stop()
        with open(self.scratch + "/said", encoding="utf-8",
                  errors="replace") as said:
            why = said.read()[-500:].strip()
        raise NotUp(f"{self.name} does not start: "
                    f"{why or 'the log of the system may say why'}")

    def pids(self):
        """The processes of its group."""
        return [int(word) for word in run(
            ["pgrep", "-g", str(self._leader.pid)]).stdout.split()]

    def stop(self):
        if self._leader is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._leader.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._leader.wait(PATIENCE)
                break
        self._leader = None


class Nullmailer(Peer):
    name = "nullmailer-queue"

    def _prepare(self):
        root = self.packages.root("nullmailer", "/usr/sbin/nullmailer-queue")
        # With its set-user-id bit it would use the system's queue.
        program = self.scratch + "/nullmailer-queue"
        shutil.copyfile(root + "/usr/sbin/nullmailer-queue", program)
        os.chmod(program, 0o755)
        need_libraries(program, {})
        for name in ("conf", "queue/queue", "queue/tmp", "queue/failed"):
            os.makedirs(os.path.join(self.folder, name), exist_ok=True)
        with open(self.folder + "/conf/me", "w", encoding="ascii") as f:
            f.write("bench.example\n")
        if not os.path.exists(self.folder + "/queue/trigger"):
            os.mkfifo(self.folder + "/queue/trigger", 0o600)
        self.command = Command(
            [program], {"PATH": "/usr/bin:/bin",
                        "NULLMAILER_TEST_PREFIX": self.folder}, "nullmailer")

    def queued(self):
        return names(self.folder + "/queue/queue")


def account(preferred, others, look_up):
    for name in (preferred, *others):
        try:
            look_up(name)
            return name
        except KeyError:
            pass
    raise Missing(f"no account {preferred} nor another for it")


class Postfix(Peer):
    """What both ways into Postfix share: an instance of its own."""

    DAEMONS = "/usr/lib/postfix/sbin"
    LIBRARIES = "/usr/lib/postfix"
    # Whose and how: "owner" is mail_owner, who alone has to read it.
    FOLDERS = {name: ("owner", 0o700) for name in (
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
        "incoming", "private", "saved", "trace")}
    FOLDERS.update({"maildrop": ("group", 0o730), "public": ("group", 0o710),
                    "pid": ("root", 0o755)})

    def __init__(self, packages, scratch):
        super().__init__(packages, scratch)
        self.root = self.owner = self.group = self.environment = None
        self._trigger = -1

    def program(self, name):
        return f"{self.root}/usr/sbin/{name}"

    def _prepare(self):
        self.root = self.packages.root("postfix", "/usr/sbin/postdrop")
        if os.geteuid() == 0:
            self.owner = account("postfix", ["daemon", "bin"], pwd.getpwnam)
            self.group = account("postdrop", ["mail", "games"], grp.getgrnam)
        else:
            # Postfix wants another group than the owner's, to no effect.
            self.owner = pwd.getpwuid(os.geteuid()).pw_name
            self.group = next(g.gr_name for g in grp.getgrall()
                              if g.gr_gid not in (0, os.getegid()))
        self.environment = {"PATH": "/usr/bin:/bin",
                            "MAIL_CONFIG": self.scratch}
        if self.root:
            self.environment["LD_LIBRARY_PATH"] = ":".join(
                [self.root + self.LIBRARIES, *library_folders(self.root)])
        need_libraries(self.program("postdrop"), self.environment)
        need_libraries(self.root + self.DAEMONS + "/smtpd", self.environment)
        for folder in (self.folder, self.scratch, self.root):
            self._need_way(folder)
        self._make_queue()
        self._configure()
        self._start()

    @staticmethod
    def _need_way(folder):
        """Processes of the owner look for files by their whole names."""
        while os.geteuid() == 0 and folder not in ("", "/"):
            if not os.stat(folder).st_mode & 0o001:
                raise Missing(f"only its owner may enter {folder}")
            folder = os.path.dirname(folder)

    def _make_queue(self):
        for name, (who, mode) in self.FOLDERS.items():
            path = f"{self.folder}/{name}"
            os.makedirs(path, exist_ok=True)
            os.chmod(path, mode)
            if os.geteuid() == 0 and who != "root":
                shutil.chown(path, self.owner,
                             self.group if who == "group" else None)
        os.makedirs(self.scratch + "/data", exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.scratch + "/data", self.owner)

    def _write(self, name, lines):
        with open(f"{self.scratch}/{name}", "w", encoding="ascii") as f:
            f.writelines(line + "\n" for line in lines)

    def _configure(self):
        spare = "nobody" if self.owner != "nobody" else "games"
        self._write("main.cf", [
            "compatibility_level = 3.6",
            f"config_directory = {self.scratch}",
            f"queue_directory = {self.folder}",
            f"data_directory = {self.scratch}/data",
            f"daemon_directory = {self.root}{self.DAEMONS}",
            f"command_directory = {self.root}/usr/sbin",
            f"shlib_directory = {self.root}{self.LIBRARIES}",
            f"mail_owner = {self.owner}",
            f"setgid_group = {self.group}",
            f"default_privs = {spare}",
            "import_environment = MAIL_CONFIG LD_LIBRARY_PATH",
            "export_environment = MAIL_CONFIG LD_LIBRARY_PATH",
            "myhostname = bench.example",
            "mydestination =",
            "local_recipient_maps =",
            "alias_maps =",
            "alias_database =",
            "inet_interfaces = loopback-only",
            "inet_protocols = ipv4",
            "mynetworks = 127.0.0.0/8",
            # No name server is asked.
            "smtpd_peername_lookup = no",
            # Nothing is sent: it is queued durably, and stays.
            "smtpd_client_restrictions = check_client_access static:HOLD",
            *self._settings(),
        ])
        self._write("master.cf", self._services())

    def _settings(self):
        """What else stands in main.cf."""
        return ["smtpd_tls_security_level = none"]

    def _services(self):
        """What runs, besides sendmail."""
        return []

    def _start(self):
        raise NotImplementedError

    def queued(self):
        return [path for folder in ("maildrop", "incoming", "active",
                                    "deferred", "hold")
                for path in names(f"{self.folder}/{folder}")]


def records_of(data):
    """Of a Postfix queue file: the type and the bytes of each."""
    at = 0
    while at < len(data):
        kind, size, shift = data[at:at + 1], 0, 0
        at += 1
        while at < len(data):
            byte = data[at]
            at += 1
            size |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        value = data[at:at + size]
        at += size
        if kind == b"p" and value.strip() not in (b"", b"0"):
            at = int(value)  # goes on there
            continue
        yield kind, value
        if kind == b"E":
            return


def postfix_message(path):
    """Sender, recipients and content of a queue file; None when it is not
    written to its end."""
    if not os.stat(path).st_mode & stat.S_IXUSR:
        return None
    with open(path, "rb") as f:
        content = f.read()
    sender, rcpts, lines, ended = b"", {}, [], False
    for kind, value in records_of(content):
        if kind == b"S":
            sender = value
        elif kind == b"R":
            rcpts[value] = True
        elif kind in (b"N", b"L"):
            lines.append(value + (b"\n" if kind == b"N" else b""))
        ended = kind == b"E"
    data = b"".join(lines) if ended else b"a queue file without an end"
    return sender, tuple(rcpts), data


class PostfixSendmail(Postfix):
    """sendmail starts postdrop, and the message is safe in maildrop."""

    name = "postfix sendmail"

    def _start(self):
        # What postdrop wakes is there, and takes no processor.
        path = self.folder + "/public/pickup"
        if not os.path.exists(path):
            os.mkfifo(path, 0o666)
        self._trigger = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.command = Command(
            [self.program("sendmail"), "-i", "-f", SENDER, RECIPIENT],
            self.environment, "message")

    def empty(self):
        super().empty()
        with contextlib.suppress(BlockingIOError):
            while os.read(self._trigger, 1 << 16):
                pass

    def stop(self):
        if self._trigger >= 0:
            os.close(self._trigger)
            self._trigger = -1


class PostfixSmtpd(Listener, Postfix):
    """smtpd and cleanup put what comes by SMTP into hold."""

    name = "postfix smtpd"

    def _services(self):
        return [
            f"127.0.0.1:{self.port} inet n - n - - smtpd",
            "cleanup unix n - n - 0 cleanup",
            "rewrite unix - - n - - trivial-rewrite",
            "anvil unix - - n - 1 anvil",
            "bounce unix - - n - 0 bounce",
            "defer unix - - n - 0 bounce",
        ]

    def _start(self):
        if os.geteuid() != 0:
            raise Missing("Postfix's master runs as root only")
        self._launch([self.root + self.DAEMONS + "/master", "-d",
                      "-e", str(HOURS * 3600)], self.environment)
        self.command = Command(self.source(1, 1, 4096), self.environment, "")

    def source(self, callers, messages, size):
        """The command that sends so many messages, each by a connection. It
        would ask a name server for a name of the host if it had none."""
        return [self.program("smtp-source"), "-M", "bench.example",
                "-s", str(callers), "-m", str(messages), "-l", str(size),
                "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{self.port}"]


def all_peers(packages, scratch):
    return [kind(packages, scratch)
            for kind in (Nullmailer, PostfixSendmail, PostfixSmtpd)]
