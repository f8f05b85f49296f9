"""Scenarios of faults.py: messages on their way out."""

import itertools
import os
import re
import shutil
import subprocess

from faults_base import HARMLESS, MAKE, READ, Queue, read_file, run, \
    write_file


class Send:
    """PROTOCOLDIR and CONTROLDIR name a module that notes in RECORD/rcpts
    whom it serves, and QMAILQUEUE a program that keeps each bounce as
    RECORD/N.message and RECORD/N.envelope. SERVED and REFUSED: the
    recipients, one word each."""

    processes = ("qfront-send",)

    def __init__(self, directory, no_tmpfile):
        self.queue = Queue(directory + "/queue")
        self.record = directory + "/record"
        self.log = directory + "/log"
        self.env = dict(self.queue.env, RECORD=self.record)
        if no_tmpfile:
            self.env["FAULT_NO_TMPFILE"] = "1"
        self.served = os.environ["SERVED"].split()
        self.refused = os.environ["REFUSED"].split()

    def send(self, env, log):
        return run([os.environ["SBIN"] + "/qfront-send", "--once"],
                   dict(self.env, **env),
                   {0: ("/dev/null", READ), 1: ("/dev/null", MAKE),
                    2: (log, MAKE)})

    def attempt(self, env):
        shutil.rmtree(self.record, ignore_errors=True)
        os.mkdir(self.record)
        code = run([os.environ["SBIN"] + "/qfront-queue"], self.env,
                   {0: (os.environ["MESSAGE"], READ),
                    1: (os.environ["ENVELOPE"], READ),
                    2: ("/dev/null", MAKE)})
        if code != 0:
            raise RuntimeError("qfront-queue: exit code %d" % code)
        return self.send(env, self.log)

    def bounces(self):
        """The recipients that whole bounces tell of."""
        told = set()
        for name in os.listdir(self.record):
            base, _, kind = os.path.join(self.record, name).rpartition(".")
            if kind != "envelope" or \
                    read_file(base + ".envelope") != b"F\0Ts@test.example\0\0":
                continue
            text = read_file(base + ".message").decode()
            boundary = re.search(r'boundary="(.*)"', text)
            if not boundary or not text.endswith("--%s--\n" % boundary[1]):
                raise ValueError("a bounce was cut: %r" % text)
            told |= set(re.findall(r"Final-Recipient: rfc822; (.*)", text))
        return told

    def state(self):
        """What is wrong, or None."""
        path = self.record + "/rcpts"
        served = read_file(path).decode().split() \
            if os.path.exists(path) else []
        if set(served) != set(self.served):
            return "served: " + " ".join(served)
        try:
            told = self.bounces()
        except ValueError as error:
            return str(error)
        if told != set(self.refused):
            return "the bounces tell of: " + " ".join(told)
        failed = self.queue.files("failed")
        if len(failed) != (1 if self.refused else 0):
            return "failed: " + " ".join(failed)
        if failed and not read_file(os.path.join(
                self.queue.path, failed[0])).endswith(self.message()):
            return "what failed was not kept whole"
        return None

    def message(self):
        return b"\n" + read_file(os.environ["MESSAGE"])

    def sweep(self):
        """What no message names any more goes when it is old."""
        litter = self.left()
        if litter and not any(re.match("todo|info", f) for f in litter):
            self.queue.age(litter)
            self.send({}, self.log + ".after")

    def left(self):
        return [name for name in self.queue.files()
                if not name.startswith("failed/")]

    def judge(self, call, how, code):
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        for _ in range(2):
            if not any(re.match("todo|info", f) for f in self.left()):
                break
            again = self.send({}, self.log + ".after")
            if again != 0:
                return "a run without faults ended with %d" % again
        if how == "kill" or call == "unlink":
            self.sweep()
        wrong, left = self.state(), self.left()
        self.queue_left = self.queue.files()
        if wrong is None and left:
            wrong = "left in the queue: " + " ".join(left)
        return wrong

    def clean(self):
        self.queue.clear(self.queue_left)


class Release(Send):
    """As for Send; ENVELOPE has the attribute HOLD."""

    processes = ("qfrontctl",)
    command = "release"

    def attempt(self, env):
        shutil.rmtree(self.record, ignore_errors=True)
        os.mkdir(self.record)
        code = run([os.environ["SBIN"] + "/qfront-queue"], self.env,
                   {0: (os.environ["MESSAGE"], READ),
                    1: (os.environ["ENVELOPE"], READ),
                    2: ("/dev/null", MAKE)})
        held = [name for name in self.queue.files("hold")
                if name.endswith(".mess")]
        if code != 0 or len(held) != 1:
            raise RuntimeError("qfront-queue: exit code %d" % code)
        self.ident = os.path.basename(held[0])[:-len(".mess")]
        return self.change(env)

    def change(self, env):
        return self.control(env, "quarantine", self.command, self.ident)

    def control(self, env, *arguments):
        return run([os.environ["SBIN"] + "/qfrontctl", *arguments],
                   dict(self.env, **env),
                   {0: ("/dev/null", READ), 1: ("/dev/null", MAKE),
                    2: (self.log, MAKE)})

    def is_held(self):
        return "hold/%d/%s" % (int(self.ident) % 23, self.ident) in \
            self.queue.files()

    def is_queued(self):
        return "todo/" + self.ident in self.queue.files()

    def judge(self, call, how, code):
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        return self.wrong(code) or self.end(call, code)

    def wrong(self, code):
        """What is wrong right after it, or None; then it is in the state in
        which the sender ends it."""
        if self.is_held() == self.is_queued():
            return "it is both held and queued, or neither"
        if code == 0 and self.is_held():
            return "exit code 0, and it is still held"
        if self.is_held() and self.change({}) != 0:
            return "it can not be released any more"
        return None

    def end(self, call, code):
        if self.send({}, self.log + ".after") != 0:
            return "it can not be sent"
        # The last step may have been left out.
        if code != 0 or call == "unlink":
            self.sweep()
        wrong, left = self.state(), self.left()
        self.queue_left = self.queue.files()
        if wrong is None and left:
            wrong = "left in the queue: " + " ".join(left)
        return wrong


class Queued(Release):
    """A queued message of which qfrontctl does something."""

    def attempt(self, env):
        shutil.rmtree(self.record, ignore_errors=True)
        os.mkdir(self.record)
        code = run([os.environ["SBIN"] + "/qfront-queue"], self.env,
                   {0: (os.environ["MESSAGE"], READ),
                    1: (os.environ["ENVELOPE"], READ),
                    2: ("/dev/null", MAKE)})
        queued = self.queue.files("todo")
        if code != 0 or len(queued) != 1:
            raise RuntimeError("qfront-queue: exit code %d" % code)
        self.ident = os.path.basename(queued[0])
        return self.change(env)


class Hold(Queued):
    """As for Send, with no refusal."""

    def change(self, env):
        return self.control(env, "queue", "hold", self.ident)

    def wrong(self, code):
        if self.is_held() == self.is_queued():
            return "it is both held and queued, or neither"
        if code == 0 and self.is_queued():
            return "exit code 0, and it is still queued"
        if self.is_queued() and self.change({}) != 0:
            return "it can not be held any more"
        if self.control({}, "queue", "release", self.ident) != 0:
            return "it can not be released"
        return None


class Tried(Queued):
    """After one attempt, in which one recipient was served and one waits."""

    def attempt(self, env):
        super().attempt({})
        return self.change(env)

    def change(self, env):
        """The first one, of attempt(), is the sender's."""
        if "todo/" + self.ident in self.queue.files():
            return self.send({}, self.log)
        return self.act(env)

    def is_queued(self):
        return "info/%d/%s" % (int(self.ident) % 23, self.ident) in \
            self.queue.files()


class HoldTried(Tried, Hold):
    def act(self, env):
        return Hold.change(self, env)


class DeleteTried(Tried):
    """SERVED is the one that was served."""

    def act(self, env):
        return self.control(env, "queue", "delete", self.ident)

    def wrong(self, code):
        if code == 0 and self.is_queued():
            return "exit code 0, and it is still queued"
        if self.is_queued() and self.change({}) != 0:
            return "it can not be deleted any more"
        return None


class Retry(Tried):
    """SERVED is both of them."""

    def act(self, env):
        return self.control(env, "queue", "retry", self.ident)

    def wrong(self, code):
        if not self.is_queued():
            return "it is not queued any more"
        if code != 0 and self.change({}) != 0:
            return "it can not be tried at once any more"
        return None


class ReleaseTried(Tried):
    """It was held after that attempt."""

    command = "release"

    def act(self, env):
        if self.is_queued() and \
                self.control({}, "queue", "hold", self.ident) != 0:
            raise RuntimeError("qfrontctl does not hold it")
        return self.control(env, "queue", self.command, self.ident)


class DeleteHeldTried(ReleaseTried):
    """The same; SERVED is the one that was served."""

    command = "delete"

    def wrong(self, code):
        return Delete.wrong(self, code)


class FailedRetry(Queued):
    """All recipients are refused at first, and served when it is tried
    again."""

    action = "retry"

    def change(self, env):
        if self.queue.files("todo"):
            self.send({}, self.log)
            write_file(self.record + "/again", b"")
            for name in os.listdir(self.record):
                if name.endswith((".message", ".envelope")):
                    os.unlink(os.path.join(self.record, name))
        return self.act(env)

    def act(self, env):
        return self.control(env, "queue", "failed", self.action, self.ident)

    def wrong(self, code):
        kept = "failed/" + self.ident in self.queue.files()
        if code == 0 and kept:
            return "exit code 0, and it is still kept"
        if self.action == "retry" and not kept and \
                not self.queue.files("todo"):
            return "it is neither kept nor queued"
        if kept and self.act({}) != 0:
            return "there is no second %s" % self.action
        return None


class FailedDelete(FailedRetry):
    """The same; SERVED must be empty."""

    action = "delete"


class Fix(Queued):
    """As for Send, with no refusal; ENVELOPE has the attribute ROUTE, and
    there are no other ways."""

    def copy(self):
        """The queue is its own copy from now on."""
        other = self.queue.path + ".copy"
        subprocess.run(["cp", "-a", self.queue.path, other], check=True)
        shutil.rmtree(self.queue.path)
        os.rename(other, self.queue.path)

    def change(self, env):
        if env:
            self.copy()
        return self.control(env, "queue", "fix")

    def wrong(self, code):
        if code != 0 and self.change({}) != 0:
            return "it can not be repaired any more"
        return None


class Delete(Release):
    """The same; SERVED must be empty."""

    command = "delete"

    def wrong(self, code):
        if code == 0 and self.is_held():
            return "exit code 0, and it is still held"
        if self.is_held() and self.change({}) != 0:
            return "it can not be deleted any more"
        return None


class Smtp:
    """PORT and SINK: the server and what it keeps. MESSAGE: what is sent, with
    an @ID@ that becomes another one for each run. OPTIONS: of the module, one
    a line, beside host and port."""

    module = "smtp"
    processes = (module,)
    line_end = b"\r\n"
    runs = itertools.count()

    def __init__(self, directory, no_tmpfile):
        self.directory = directory
        self.log = directory + "/log"
        self.text = directory + "/text"
        self.mail = directory + "/mail"
        self.options = directory + "/options"
        write_file(self.options, "host=127.0.0.1\nport={PORT}\n{OPTIONS}\n"
                   .format_map({"OPTIONS": "", **os.environ}).encode())
        self.template = read_file(os.environ["MESSAGE"])

    def attempt(self, env):
        ident = b"%d.%d" % (os.getpid(), next(self.runs))
        self.message = self.template.replace(b"@ID@", ident)
        write_file(self.mail, b"s@x.example\nr@y.example\n\n" + self.message)
        return run([os.environ["PROTOCOLS"] + "/" + self.module],
                   dict(os.environ, HELOHOST="me.example", **env),
                   {0: (self.options, READ), 1: (self.text, MAKE),
                    2: (self.log, MAKE), 3: (self.mail, READ)})

    def kept(self):
        """Did the server keep it whole? The text need not be there."""
        want = self.message.replace(b"\n", self.line_end)
        mails = [entry for entry in os.scandir(os.environ["SINK"])
                 if entry.name.endswith(".eml")]
        # It is one of the last.
        mails.sort(key=lambda entry: entry.stat().st_mtime_ns, reverse=True)
        return any(read_file(entry.path) == want for entry in mails)

    def judge(self, call, how, code):
        if how in HARMLESS + ("none",) and code != 0:
            return "exit code %d, though %s is harmless" % (code, how)
        if code == 0 and not self.kept():
            return "the server does not have the message"
        if code > 31 or (code < 0 and how != "kill"):
            return "not a temporary code"
        return None

    def clean(self):
        pass


class Qmqp(Smtp):
    """The same by QMQP."""

    module = "qmqp"
    processes = (module,)
    line_end = b"\n"
