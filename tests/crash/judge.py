"""Says what is wrong with a queue, from its files and from what was known when
the power went. Written from doc/queue-states.md, not from the code."""

import copy
import re

import repair

SPLIT = 23
RECEIVED = re.compile(rb"Received: \(qmail \d+ invoked by [^\n]*\); [^\n]+")
ENVELOPE = re.compile(rb"u\d+\0p\d+\0F([^\0]*)\0((?:T[^\0]*\0)*)")
INFO = re.compile(rb"F([^\0]*)\0")
MARKS = re.compile(rb"(?:[TD][^\0]*\0)*")
NOTE = re.compile(rb"<(.*)>:\n((?:.+\n)*)\n")
NAME = re.compile(r"(mess|hold|info|local|remote|attr)/(\d+)/(\d+)(\.mess)?"
                  r"|(todo|intd|bounce|failed)/(\d+)")


class Mail:
    """What a client gave, or what it would give."""

    def __init__(self, name, body, envelope):
        self.name, self.body = name, body
        records = envelope.split(b"\0")
        end = records.index(b"")
        self.sender = records[0][1:]
        self.rcpts = [r[1:] for r in records[1:end]]
        self.attrs = [a for a in records[end + 1:] if a]
        self.held = any(a.startswith(b"HOLD=") for a in self.attrs)
        found = re.search(rb"^X-Token: (.*)$", body, re.M)
        self.token = found[1] if found else None


# Where a mail may be: held, on its way to a server, or either.
HELD, FREE, EITHER = "held", "free", "either"


class Known:
    """What somebody knows. taken: those whose client saw exit code 0.
    served: (mail, recipient) that a server has taken over. recorded: those
    of served that the sender wrote down before it ended. given_up: those that
    a person, or a limit, may delete now. deleted: those of which he was told
    that they are gone. retried: those that failed and are queued again.
    place: of those that a person holds or releases. due: those that are to be
    tried now, and what time it was. broken: the queue was copied, and is not
    repaired."""

    def __init__(self):
        self.taken, self.served, self.recorded = set(), set(), set()
        self.given_up, self.deleted, self.retried = set(), set(), set()
        self.place, self.due, self.broken = {}, {}, False

    def copy(self):
        other = copy.copy(self)
        other.__dict__.update((name, copy.copy(value))
                              for name, value in self.__dict__.items())
        return other

    def place_of(self, mail):
        return self.place.get(mail.name, HELD if mail.held else FREE)


class Message:
    """All files of one number."""

    def __init__(self):
        self.files = {}

    def get(self, place):
        return self.files.get(place)


class Found:
    """What is in the queue of one mail."""

    def __init__(self):
        self.pending, self.noted = set(), set()


class Delivery:
    """What a sender must do now: (mail, recipient) for each queued copy, and
    for each one with notes the mail and who failed. later: the same, once
    what is held is released."""

    def __init__(self, later=True):
        self.due, self.failed, self.remains, self.held = [], [], 0, []
        self.later = Delivery(False) if later else None

    def add(self, mail, pending, noted):
        self.due += [(mail, r) for r in pending]
        if noted:
            self.failed.append((mail, set(noted)))


def sort_files(files):
    found, wrong = {}, []
    for path in files:
        if path.startswith(("lock/", "pid/", "lost/", "failed/.new.")) or \
                repair.LITTER.fullmatch(path):
            continue
        match = NAME.fullmatch(path)
        if not match:
            wrong.append("%s is no file of a queue" % path)
            continue
        place, split, number, tail, flat, flat_number = match.groups()
        if split is not None and int(split) != int(number) % SPLIT:
            wrong.append("%s is in the wrong folder" % path)
        place = "held" if tail else place or flat
        found.setdefault(number or flat_number, Message()).files[place] = \
            files[path]
    return found, wrong


class Judge:
    """mails: all that there are, by what they are called. evidence: bytes
    that must be in some file."""

    def __init__(self, mails, evidence=()):
        self.mails, self.evidence = mails, evidence
        self.by_body = {m.body: m for m in mails.values()}
        self.bounce_of = {}
        for m in mails.values():
            if m.sender == b"":
                for other in mails.values():
                    if other.sender and other.token and \
                            other.token in m.body:
                        self.bounce_of.setdefault(other.name, set()).add(
                            m.name)

    def whole(self, data):
        """The mail whose message this is, all of it."""
        received, _, body = data.partition(b"\n")
        return self.by_body.get(body) if RECEIVED.fullmatch(received) else None

    def judge(self, files, known, ordered):
        """(complaints, Delivery). ordered: names come and go in order, so
        there are no remains of messages that are gone."""
        self.known, self.ordered = known, ordered
        self.found, self.delivery = {}, Delivery()
        lost = [data for data in self.evidence
                if all(f.data != data for f in files.values())]
        unfinished = []
        if known.broken:
            files, unfinished = repair.finished(files)
        elif "lock/fixing" in files:
            unfinished = ["no sender starts after the repair"]
        messages, self.wrong = sort_files(files)
        self.wrong += unfinished + ["nothing holds %r any more" % data
                                    for data in lost]
        for number, message in sorted(messages.items()):
            if message.get("todo") or message.get("info"):
                self.queued(number, message)
            if message.get("hold"):
                self.held(number, message)
        failed = self.failed_files(messages)
        for mail in self.mails.values():
            if mail.name in known.taken:
                self.account(mail, failed)
        return self.wrong, self.delivery

    def done_with(self, mail):
        """May it be gone?"""
        return mail.name in self.known.given_up or all(
            (mail.name, r) in self.known.served or self.told(mail)
            for r in mail.rcpts)

    def told(self, mail):
        """Does its sender know of what failed, or has nobody to be told?"""
        return mail.sender == b"" or any(
            b in self.known.taken for b in self.bounce_of.get(mail.name, ()))

    def remains(self, what, sender, rcpts):
        """A record without its message: of one that is gone."""
        for mail in self.mails.values():
            if mail.sender == sender and rcpts <= set(mail.rcpts) and \
                    self.done_with(mail) and not self.ordered:
                self.delivery.remains += 1
                return
        self.wrong.append("%s has no message" % what)

    def message(self, number, file, what):
        mail = self.whole(file.data)
        if mail is None:
            self.wrong.append("%s names a damaged message: %s" % (
                what, brief(file.data)))
        if file.inode.number not in (None, int(number)):
            self.wrong.append("%s has the message of number %d" % (
                what, file.inode.number))
        return mail

    def queued(self, number, m):
        todo = m.get("todo")
        if todo:
            read = self.read_todo(todo.data)
            if read is None:
                self.wrong.append("todo/%s is damaged: %s" % (
                    number, brief(todo.data)))
                return
            sender, pending, done, noted = *read, [], []
        else:
            read = self.read_state("info", number, m)
            if read is None:
                return
            sender, pending, done, noted = read
        what = "todo/%s" % number if todo else "info/%s" % number
        if not m.get("mess"):
            self.remains(what, sender, set(pending + done))
            return
        mail = self.message(number, m.get("mess"), what)
        if mail is None:
            return
        self.compare(what, mail, sender, pending, done, bool(todo))
        self.attributes(number, m, mail, m.get("mess"))
        if self.known.place_of(mail) == HELD:
            self.wrong.append("%s: %s is queued, nobody released it" % (
                what, mail.name))
        when = m.get("remote").time if m.get("remote") else None
        if mail.name in self.known.due and when and len(when) == 2 and \
                when[0] > self.known.due[mail.name]:
            self.wrong.append("%s: %s is not due" % (what, mail.name))
        self.keep(what, mail, pending, noted)
        self.delivery.add(mail, pending, noted)

    def keep(self, what, mail, pending, noted):
        """A copy that is queued or held."""
        if not set(noted) <= set(mail.rcpts):
            self.wrong.append("%s: %s has notes of another message: %r" % (
                what, mail.name, noted))
        if mail.name in self.known.deleted:
            self.wrong.append("%s: %s is deleted and comes back" % (
                what, mail.name))
        for rcpt in pending:
            if (mail.name, rcpt) in self.known.recorded and \
                    not self.done_with(mail):
                self.wrong.append("%s: %s would be delivered to %s again" % (
                    what, mail.name, rcpt.decode()))
        found = self.found.setdefault(mail.name, Found())
        found.pending.update(pending)
        found.noted.update(noted)

    def compare(self, what, mail, sender, pending, done, fresh):
        if sender != mail.sender:
            self.wrong.append("%s: %s has another sender: %r" % (
                what, mail.name, sender))
        if fresh and pending != mail.rcpts:
            self.wrong.append("%s: %s has other recipients: %r" % (
                what, mail.name, pending))
        # A file of recipients is whole; without one all are done.
        rcpts = sorted(pending + done)
        if not fresh and rcpts and rcpts != sorted(mail.rcpts):
            self.wrong.append("%s: %s has other recipients: %r" % (
                what, mail.name, rcpts))

    def read_todo(self, data):
        match = ENVELOPE.fullmatch(data)
        if not match:
            return None
        return match[1], [r[1:] for r in match[2].split(b"\0")[:-1]]

    def read_state(self, where, number, m):
        """where: info, or hold of a message that was tried before."""
        match = INFO.fullmatch(m.get(where).data)
        if not match:
            self.wrong.append("%s/%s is damaged: %s" % (
                where, number, brief(m.get(where).data)))
            return None
        pending, done = [], []
        for place in "local", "remote":
            file = m.get(place)
            if file is None:
                continue
            if not MARKS.fullmatch(file.data):
                self.wrong.append("%s/%s is damaged: %s" % (
                    place, number, brief(file.data)))
                return None
            for record in file.data.split(b"\0")[:-1]:
                (pending if record[:1] == b"T" else done).append(record[1:])
        notes = m.get("bounce")
        noted = [n[1] for n in NOTE.finditer(notes.data)] if notes else []
        return match[1], pending, done, noted

    def attributes(self, number, m, mail, message):
        """They count when they are of this message."""
        file, there = m.get("attr"), []
        if file:
            first, *there = file.data.split(b"\n")
            birth = b"birth=%d.%09d" % message.time \
                if message.time and len(message.time) == 2 else None
            if first != birth and message.time is not None and \
                    not self.known.broken:
                there = []
            elif there and there.pop() != b"":
                there.append(b"(cut)")
        want = mail.attrs
        if mail.name in self.known.place: # a person gives another reason
            if self.known.place_of(mail) == HELD and \
                    not any(a.startswith(b"HOLD=") for a in there):
                self.wrong.append("%s: %s is held for no reason" % (
                    number, mail.name))
            there, want = without_reason(there), without_reason(want)
        if there != want and (self.ordered or not self.done_with(mail)):
            self.wrong.append("%s: the attributes of %s are %r, not %r" % (
                number, mail.name, there, want))

    def held(self, number, m):
        what = "hold/%s" % number
        fresh = not m.get("hold").data.startswith(b"F")
        if fresh:
            read = self.read_todo(m.get("hold").data)
            if read is None:
                self.wrong.append("%s is damaged: %s" % (
                    what, brief(m.get("hold").data)))
        else:
            read = self.read_state("hold", number, m)
        if read is None:
            return
        sender, pending, done, noted = (*read, [], []) if fresh else read
        if m.get("todo") or m.get("info"):
            self.wrong.append("%s is held and queued" % number)
        if not m.get("held"):
            self.remains(what, sender, set(pending + done))
            return
        mail = self.message(number, m.get("held"), what)
        if mail is None:
            return
        self.compare(what, mail, sender, pending, done, fresh)
        self.attributes(number, m, mail, m.get("held"))
        if self.known.place_of(mail) == FREE:
            self.wrong.append("%s: %s was not to be held" % (
                what, mail.name))
        self.keep(what, mail, pending, noted)
        self.delivery.held.append(number)
        self.delivery.later.add(mail, pending, noted)

    def failed_files(self, messages):
        """mail -> who failed, of what is kept whole."""
        kept = {}
        for number, m in messages.items():
            file = m.get("failed")
            if not file:
                continue
            head, _, data = file.data.partition(b"\n\n")
            sender, *rcpts = head.split(b"\n")
            mail = self.whole(data)
            if mail is None or sender != mail.sender or \
                    not set(rcpts) <= set(mail.rcpts):
                self.wrong.append("failed/%s is damaged: %s" % (
                    number, brief(file.data)))
                continue
            if mail.name in self.known.deleted | self.known.retried:
                self.wrong.append("failed/%s: %s is to be gone there" % (
                    number, mail.name))
            kept.setdefault(mail.name, set()).update(rcpts)
        return kept

    def account(self, mail, failed):
        """Nobody is forgotten of a mail that was taken."""
        found = self.found.get(mail.name)
        if found is None and mail.name in self.known.given_up:
            return
        if found is None and self.known.place_of(mail) == HELD:
            self.wrong.append("%s was taken to be held and is not there" %
                              mail.name)
            return
        found = found or Found()
        for rcpt in mail.rcpts:
            if rcpt in found.pending or rcpt in found.noted or \
                    (mail.name, rcpt) in self.known.served or \
                    (rcpt in failed.get(mail.name, ()) and self.told(mail)):
                continue
            self.wrong.append("%s was taken; its recipient %s is lost" % (
                mail.name, rcpt.decode()))


def without_reason(attrs):
    return [a for a in attrs
            if not a.startswith((b"HOLD=", b"STAGE=", b"CATEGORY="))]


def brief(data):
    return "%d bytes, %r" % (len(data), data if len(data) <= 80 else
                             data[:40] + b"..." + data[-37:])
