"""What is recorded. A scenario is a function that is given a World: it makes
mail, brings the queue into a state, and then runs programs under the
recorder. The dictionary at the end is the list."""

import os
import subprocess

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

    def __init__(self, folder, sbin, queue_program=None):
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
        }
        self.control("me", "test.example")
        self.control("remotes", "mx.example stub")
        for name in "stub", "smtp":
            write(folder + "/protocols/" + name, MODULE.encode(), 0o755)
        write(folder + "/bouncer", BOUNCER.encode(), 0o755)
        write(folder + "/told", b"")
        self.untraced('"$SBIN/qfrontctl" queue init >/dev/null')
        self.at_first, self.served_at_first = set(), set()
        self.recorder = self.injected = None
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
            self.at_first.add(name)

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
        if code != 0 or process.program[:1] != [self.program]:
            return None
        first = 3 if "--groups" in process.program else 0
        count = int(process.program[2]) if first else 1
        names = [os.path.basename(process.at_exec[first + 2 * i])[:-2]
                 for i in range(count)]
        return "taken " + " ".join(names)

    def held_id(self):
        for _, _, names in os.walk(self.queue + "/hold"):
            for name in names:
                if name.endswith(".mess"):
                    return name[:-len(".mess")]
        raise RuntimeError("nothing is held")

    def age(self, folder, seconds):
        """What is in the folder was written so long ago."""
        for base, _, names in os.walk(os.path.join(self.queue, folder)):
            for name in names:
                if name.endswith(".mess"):
                    continue # its time is the birth of the message
                path = os.path.join(base, name)
                when = os.stat(path).st_mtime_ns - seconds * 10 ** 9
                os.utime(path, ns=(when, when))

    def quarantine(self, word, command, name):
        self.run('echo "%s %s" >>"$TOLD"; '
                 'exec "$SBIN/qfrontctl" quarantine %s %s >/dev/null' % (
                     word, name, command, self.held_id()))


HOLD = ("HOLD=too much", "STAGE=spam")
ROUTE = ("ROUTE=mx.example:26",)


def intake(w):
    w.mail("a", "r1", "r2")
    w.accept("a")


def intake_attributes(w):
    w.mail("a", "r1", attrs=ROUTE)
    w.accept("a")


def intake_held(w):
    w.mail("a", "r1", attrs=HOLD)
    w.accept("a")


def intake_named(w):
    """Where there are no files without a name."""
    w.mail("a", "r1", attrs=ROUTE)
    w.mail("b", "r1", attrs=HOLD)
    inject = w.find_check_of_proc(w.command("a"))
    for mail in "a", "b":
        w.run(w.command(mail), inject=inject)


def intake_large(w):
    w.mail("a", "r1", size=70000)
    w.accept("a")


def intake_many_recipients(w):
    w.mail("a", *("r%d" % n for n in range(8000)))
    w.accept("a")


def groups(w):
    w.mail("a", "r1")
    w.mail("b", "r2", attrs=ROUTE)
    w.mail("c", "r3", attrs=HOLD)
    w.accept("a", "b", "c")


def older_queue(w):
    """The folders of held mail and of attributes are made when needed."""
    w.untraced("rm -r queue/hold")
    w.mail("a", "r1", attrs=HOLD)
    w.accept("a")


def older_queue_attributes(w):
    w.untraced("rm -r queue/attr")
    w.mail("a", "r1", attrs=ROUTE)
    w.accept("a")


def folders_of_others(w):
    """Somebody else has just made the folders, and not synced them: a writer
    at the same time does so, on an older queue."""
    w.untraced("rm -r queue/hold")
    w.mail("a", "r1", attrs=HOLD)
    w.run("cd queue; mkdir hold; cd hold; n=0; while [ $n -lt %d ]; "
          "do mkdir $n; n=$((n + 1)); done" % judge.SPLIT)
    w.accept("a")


def number_again(w):
    """A message gets the number of one that failed and is gone."""
    w.mail("a", "fail1")
    w.mail("b", "r2", "defer")
    number = w.run(w.command("a"))
    w.send()
    w.run(w.command("b"), number=number)
    w.send()


def number_at_once(w):
    """The same with one that was delivered at the first attempt."""
    w.mail("a", "r1")
    w.mail("b", "r2")
    number = w.run(w.command("a"))
    w.send()
    w.run(w.command("b"), number=number)
    w.send()


def refused(w):
    """Nothing is left when the answer is no."""
    w.mail("a", "r1")
    write(w.folder + "/in/a.e", b"Fs@test.example\0Tr1@x.example\0")
    w.run(w.command("a"), want=54)
    left = [p for p in w.recorder.tree() if not p.startswith("lock/")]
    if left:
        raise RuntimeError("left after a refusal: " + " ".join(left))


def deliver(w):
    w.mail("a", "r1", "r2")
    w.mail("b", "r1", attrs=ROUTE)
    w.queued("a", "b")
    w.send()


def accept_and_deliver(w):
    """One message after the other."""
    for name in "ab":
        w.mail(name, "r1")
        w.accept(name)
        w.send()


def defer(w):
    """One recipient waits; later it is served."""
    w.mail("a", "r1", "defer", "r3")
    w.queued("a")
    w.send()
    w.untraced("sed -i 's/^\tdefer.*//' protocols/stub")
    w.send()


def fail(w):
    """The bounce goes into the same queue, and is delivered."""
    w.mail("a", "fail1", "r2", "fail3")
    w.queued("a")
    w.send()
    w.send()


def fail_without_sender(w):
    w.mail("a", "fail1", "r2", sender="")
    w.queued("a")
    w.send()


def expire(w):
    w.mail("a", "defer1", "defer2")
    w.queued("a")
    w.control("queuelifetime", "1000")
    w.age("todo", 2000)
    w.send()


def expire_settled(w):
    w.mail("a", "defer1", "r2")
    w.queued("a")
    w.untraced('exec "$SBIN/qfront-send" --once')
    w.served_at_first.add(("a", b"r2@x.example"))
    w.control("queuelifetime", "1000")
    w.age("info", 2000)
    w.send()


def release(w):
    w.mail("a", "r1", "r2", attrs=HOLD)
    w.queued("a")
    w.quarantine("release", "release", "a")
    w.send()


def delete(w):
    w.mail("a", "r1", attrs=HOLD)
    w.mail("b", "r1")
    w.queued("a", "b")
    w.quarantine("give-up", "delete", "a")


def expire_held(w):
    w.mail("a", "r1", attrs=HOLD)
    w.mail("b", "r1")
    w.queued("a", "b")
    w.control("quarantinelifetime", "1000")
    w.age("hold", 2000)
    w.run('echo "give-up a" >>"$TOLD"; exec "$SBIN/qfront-send" --once')


def two_writers(w):
    for name in "abcd":
        w.mail(name, "r1", attrs=ROUTE if name == "b" else
               HOLD if name == "c" else ())
    w.run(" & ".join("(%s)" % w.command(*names) for names in (
        ("a", "b"), ("c",), ("d",))) + " & wait")


def writer_and_sender(w):
    """Mail comes in while other mail goes out."""
    for name in "abcd":
        w.mail(name, "r1", "fail2" if name == "a" else "r2")
    w.queued("a", "b")
    w.run('"$SBIN/qfront-send" --once & (%s) & (%s) & wait' % (
        w.command("c"), w.command("d")))
    w.send()


def long_day(w):
    """Much of all of it, with one message after the other."""
    for n in range(2):
        w.mail("a%d" % n, "r1", "defer", "fail%d" % n)
        w.mail("b%d" % n, "r1", attrs=HOLD)
        w.accept("a%d" % n, "b%d" % n)
        w.send()
        w.quarantine("release", "release", "b%d" % n)
        w.send()


SMALL = {
    "intake": intake,
    "intake-attributes": intake_attributes,
    "intake-held": intake_held,
    "intake-named": intake_named,
    "intake-large": intake_large,
    "groups": groups,
    "older-queue": older_queue,
    "older-queue-attributes": older_queue_attributes,
    "refused": refused,
    "deliver": deliver,
    "accept-and-deliver": accept_and_deliver,
    "defer": defer,
    "fail": fail,
    "fail-without-sender": fail_without_sender,
    "expire": expire,
    "expire-settled": expire_settled,
    "release": release,
    "delete": delete,
    "expire-held": expire_held,
}
WIDE = {
    **SMALL,
    "folders-of-others": folders_of_others,
    "number-again": number_again,
    "number-at-once": number_at_once,
    "intake-many-recipients": intake_many_recipients,
    "two-writers": two_writers,
    "writer-and-sender": writer_and_sender,
    "long-day": long_day,
}
# What is not promised where a file system reorders names of several folders: a
# folder that was just made by somebody else may be gone, with what was synced
# in it; and where such a file system gives a number again at once, what an
# earlier message with it had may come back (README.md). Only what a journal
# may leave counts there.
IN_ORDER = ("folders-of-others", "number-again", "number-at-once")
# Of these each sync is left out in turn. What matches may be of no use there:
# without marks a delivery is repeated, which is allowed until the sender ends,
# and at its end the time of the next attempt is synced with them; of a move
# the sync of one folder is enough; modes are not modelled.
NONE = "$."
SYNCS = {
    "intake": NONE,
    "intake-attributes": NONE,
    "intake-held": NONE,
    "intake-named": NONE,
    "intake-large": NONE,
    "groups": NONE,
    "older-queue": NONE,
    "older-queue-attributes": NONE,
    "defer": r":remote/\d+/\d+\)",
    "fail": r":remote/\d+/\d+\)|:todo\)",
    "expire-settled": r":remote/\d+/\d+\)",
    "release": r":hold/|:todo\)",
}
