"""Where scenarios play: a queue, mail, programs, and the recorder."""

import os
import subprocess
import time

import calls
import judge
import record

MODULE = """#!/bin/sh
# A server that takes all but fail...@ and defer...@. What it was given is
# in a file of its own before it says so.
copy=$OUT/$PPID.$$.mail
cat <&3 >"$copy"
code=0
{
	read -r sender
	while read -r rcpt && [ -n "$rcpt" ]; do
		case $rcpt in
		fail*) code=35 text='550 no such user' ;;
		defer*) code=17 text='450 later' ;;
		esac
	done
} <"$copy"
if [ $code -ne 0 ]; then
	echo "$text"
	exit $code
fi
echo "served $copy" >>"$TOLD"
echo 250 ok
"""

# The queue program of the sender: keeps a copy of each bounce.
BOUNCER = """#!/bin/sh
cat >"$OUT/bounce.$$.m"
cat <&1 >"$OUT/bounce.$$.e"
exec "$QFRONT_QUEUE" 0<"$OUT/bounce.$$.m" 1<"$OUT/bounce.$$.e"
"""


def write(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


def read(path):
    with open(path, "rb") as f:
        return f.read()


class World:
    """A queue, control files, and programs that stand in for servers."""

    def __init__(self, folder, sbin, queue_program=None, control=None):
        """queue_program, control: instead of the installed qfront-queue and
        qfrontctl."""
        self.folder, self.sbin = folder, sbin
        self.queue = folder + "/queue"
        self.program = queue_program or sbin + "/qfront-queue"
        for name in "control", "protocols", "in", "out", "kept":
            os.makedirs(os.path.join(folder, name))
        self.env = {
            "PATH": os.environ["PATH"], "LC_ALL": "C",
            "QUEUEDIR": self.queue, "CONTROLDIR": folder + "/control",
            "PROTOCOLDIR": folder + "/protocols", "OUT": folder + "/out",
            "TOLD": folder + "/told", "QFRONT_LOG": "stderr",
            "QFRONT_SOCKET": "none", "QFRONT_QUEUE": self.program,
            "QMAILQUEUE": folder + "/bouncer", "SBIN": sbin,
            "QFRONTCTL": control or sbin + "/qfrontctl",
        }
        self.control("me", "test.example")
        self.control("remotes", "mx.example stub")
        for name in "stub", "smtp":
            write(folder + "/protocols/" + name, MODULE.encode(), 0o755)
        write(folder + "/bouncer", BOUNCER.encode(), 0o755)
        write(folder + "/told", b"")
        self.untraced('"$SBIN/qfrontctl" queue init >/dev/null')
        self.at_first = judge.Known()
        self.numbers = {} # number -> mail, of those that a person changes
        self.changed_at = 0
        self.evidence = [] # bytes that a repair may move, and never remove
        self.recorder = None
        self.runs = 0

    def control(self, name, text):
        write(os.path.join(self.folder, "control", name), text.encode() +
              b"\n")

    # Mail.

    def mail(self, name, *rcpts, sender="s@test.example", attrs=(), size=0):
        """A message in in/NAME.m, its envelope in in/NAME.e."""
        body = "From: <%s>\nX-Token: token-%s-\n\n" % (sender, name)
        line = 0
        while len(body) < size:
            line += 1
            body += "This is line %d of message %s.\n" % (line, name)
        write("%s/in/%s.m" % (self.folder, name), body.encode() + b"end\n")
        write("%s/in/%s.e" % (self.folder, name), b"F%s\0%s\0%s" % (
            sender.encode(),
            b"".join(b"T%s@x.example\0" % r.encode() for r in rcpts),
            b"".join(a.encode() + b"\0" for a in attrs)))

    def mails(self):
        found = {}
        for folder in "in", "out":
            for name in os.listdir(os.path.join(self.folder, folder)):
                path = os.path.join(self.folder, folder, name)
                if not name.endswith(".m"):
                    continue
                try:
                    found[name[:-2]] = judge.Mail(
                        name[:-2], read(path), read(path[:-2] + ".e"))
                except ValueError:
                    pass # an envelope that is refused
        return found

    def command(self, *names):
        """Queues one message, or several together."""
        if len(names) == 1:
            return 'exec "$QFRONT_QUEUE" 0<in/%s.m 1<in/%s.e' % (names * 2)
        return 'exec "$QFRONT_QUEUE" --groups %d %s' % (
            len(names), " ".join("%d<in/%s.m %d<in/%s.e" % (
                3 + 2 * i, n, 4 + 2 * i, n) for i, n in enumerate(names)))

    # Programs.

    def shell(self, command):
        return "exec 2>>log; " + command

    def untraced(self, command):
        code = subprocess.run(["/bin/sh", "-c", self.shell(command)],
                              cwd=self.folder, env=self.env, check=False,
                              stdin=subprocess.DEVNULL).returncode
        if code != 0:
            raise RuntimeError("exit code %d: %s\n%s" % (
                code, command, read(self.folder + "/log").decode()))

    def queued(self, *names):
        """Already there when the recorder starts."""
        for name in names:
            self.untraced(self.command(name))
            self.at_first.taken.add(name)

    def tried(self, served):
        """A run of the sender before the recorder starts: those mails were
        taken over for these recipients, `NAME RCPT` each, and all bounces
        are delivered."""
        for _ in range(2):
            self.untraced('exec "$SBIN/qfront-send" --once')
        pairs = {tuple(one.split()) for one in served}
        pairs = {(n, r.encode() + b"@x.example") for n, r in pairs}
        for mail in self.mails().values():
            if mail.name.startswith("bounce."):
                self.at_first.taken.add(mail.name)
                pairs.update((mail.name, r) for r in mail.rcpts)
        self.at_first.served |= pairs
        self.at_first.recorded |= pairs

    def run(self, command, want=0, inject=None, number=None):
        """Under the recorder, which starts with the first one. number: as if
        the message that comes in had got it. Returns the number of the last
        message that came in."""
        if self.recorder is None:
            self.recorder = record.Recorder(self.queue, self.env["TOLD"],
                                            self.on_exit)
        self.runs += 1
        self.keep_numbers()
        out = "%s/trace.%d" % (self.folder, self.runs)
        code = calls.trace(self.shell(command), self.folder, self.env, out,
                           inject)
        mine = calls.numbers(out)
        if number is not None:
            self.recorder.renumber.append(
                calls.Renumber(mine[-1], number, judge.SPLIT))
        self.recorder.read(out, self.folder)
        if code != want:
            raise RuntimeError("exit code %d instead of %d: %s\n%s" % (
                code, want, command, read(self.folder + "/log").decode()))
        return mine[-1] if mine else None

    def keep_numbers(self):
        """No message of a later run gets the number of one that is there now,
        but where a scenario says so."""
        for place in "mess", "hold":
            for base, _, names in os.walk(os.path.join(self.queue, place)):
                for name in names:
                    kept = "%s/kept/%s" % (self.folder, name.split(".")[0])
                    if (place == "mess" or "." in name) and \
                            not os.path.exists(kept):
                        os.link(os.path.join(base, name), kept)

    def find_check_of_proc(self, command):
        """Makes the look fail by which a program sees whether it can give
        names to files without one. None where there are no such files."""
        trial = self.folder + "/trial"
        calls.trace(self.shell(command), self.folder, self.env, trial)
        self.untraced("find queue -type f ! -path 'queue/lock/*' -delete")
        seen = []
        for call in calls.parse(trial, 0):
            if getattr(call, "name", "").startswith("faccessat"):
                seen.append(call.name)
                if b"/fd/" in calls.unhex(call.args[1]):
                    return "%s:error=ENOENT:when=%d" % (
                        call.name, seen.count(call.name))
        return None

    def accept(self, *names):
        self.run(self.command(*names))

    def send(self):
        self.run('exec "$SBIN/qfront-send" --once')

    def on_exit(self, process, code):
        """A client of qfront-queue has its answer, or a sender has written
        down what it did."""
        if code == 0 and process.program[:1] == [self.sbin + "/qfront-send"]:
            return "recorded"
        if code == 0 and process.program[1:3] == ["queue", "fix"]:
            return "repaired"
        if code != 0 or process.program[:1] != [self.program]:
            return None
        first = 3 if "--groups" in process.program else 0
        count = int(process.program[2]) if first else 1
        names = [os.path.basename(process.at_exec[first + 2 * i])[:-2]
                 for i in range(count)]
        return "taken " + " ".join(names)

    def number_of(self, name):
        """Where its bytes are: the number of a mail that is in the queue."""
        want = read("%s/in/%s.m" % (self.folder, name))
        for place in "mess", "hold", "failed":
            for base, _, names in os.walk(os.path.join(self.queue, place)):
                for number in names:
                    if read(os.path.join(base, number)).endswith(want):
                        number = number.split(".")[0]
                        self.numbers[number] = name
                        return number
        raise RuntimeError(name + " is not there")

    def age(self, folder, seconds):
        """What is in the folder was written so long ago."""
        for base, _, names in os.walk(os.path.join(self.queue, folder)):
            for name in names:
                if name.endswith(".mess"):
                    continue # its time is the birth of the message
                path = os.path.join(base, name)
                when = os.stat(path).st_mtime_ns - seconds * 10 ** 9
                os.utime(path, ns=(when, when))

    def person(self, word, command, *names, **more):
        """Somebody gives a command for mails. word: what may be from its
        begin on. What it prints is what he knows then."""
        self.run('%sexec "$QFRONTCTL" %s %s >>"$TOLD"' % (
            "".join('echo "%s %s" >>"$TOLD"; ' % (word, n) for n in names
                    if word), command,
            " ".join(self.number_of(n) for n in names)), **more)
        self.changed_at = time.time()

    def copy(self):
        """The queue is its own copy: no number is that of its inode."""
        self.untraced("cp -a queue copy && mv queue original && "
                      "mv copy queue")
        self.at_first.broken = True

    def renumber(self, numbers):
        """Names of all files that have one of the numbers: as if it had been
        another one. numbers: old -> new."""
        moves = []
        for base, _, names in os.walk(self.queue):
            for name in names:
                number, dot, tail = name.partition(".")
                if number not in numbers:
                    continue
                folder, new = base, numbers[number]
                if os.path.basename(base).isdigit():
                    folder = "%s/%d" % (os.path.dirname(base),
                                        int(new) % judge.SPLIT)
                moves.append((base + "/" + name, folder + "/" + new + dot +
                              tail))
        for old, new in moves:
            os.rename(old, new + ".moving")
        for _, new in moves:
            os.rename(new + ".moving", new)
        self.at_first.broken = True

    def fix(self, **more):
        self.run('exec "$QFRONTCTL" queue fix >/dev/null', **more)


HOLD = ("HOLD=too much", "STAGE=spam")
ROUTE = ("ROUTE=mx.example:26",)
