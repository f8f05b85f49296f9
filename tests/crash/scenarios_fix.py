"""Scenarios: repairs of a queue that was copied, or handled by hand."""

import os

import scenarios_person
from world import HOLD, ROUTE, write


def fix_copy(w):
    """One message of each kind, and no number is right any more."""
    w.mail("b", "r1", attrs=ROUTE)
    w.mail("c", "r1", attrs=HOLD)
    scenarios_person.tried(w)
    w.queued("b", "c")
    w.copy()
    w.fix()
    w.send()


def fix_held_copy(w):
    """One that was held after attempts."""
    scenarios_person.tried(w, attrs=ROUTE)
    scenarios_person.hold_untraced(w, "a")
    w.copy()
    w.fix()
    w.person("release", "queue release", "a")
    w.send()


def circle(w):
    """The number of each is that of another one's inode."""
    scenarios_person.tried(w)
    w.mail("b", "r2", attrs=ROUTE)
    w.queued("b")
    a, b = w.number_of("a"), w.number_of("b")
    w.renumber({a: b, b: a})


def fix_circle(w):
    circle(w)
    w.fix()
    w.send()


def fix_circle_held(w):
    """The same with one that is held."""
    w.mail("a", "r1", "r2")
    w.mail("b", "r3", attrs=HOLD)
    w.queued("a", "b")
    a, b = w.number_of("a"), w.number_of("b")
    w.renumber({a: b, b: a})
    w.fix()
    w.send()


def by_hand(w, path, data):
    """A file that somebody left, and that may tell of mail."""
    write(w.queue + "/" + path, data, 0o600)
    w.evidence.append(data)


def fix_by_hand(w):
    """Folders are missing, one file is in a wrong one, and there is state of
    messages that are gone."""
    scenarios_person.tried(w)
    w.mail("b", "r1", attrs=ROUTE)
    w.queued("b")
    number = int(w.number_of("a"))
    right, wrong = number % 23, (number + 1) % 23
    os.rename("%s/remote/%d/%d" % (w.queue, right, number),
              "%s/remote/%d/%d" % (w.queue, wrong, number))
    lost = number + 23
    by_hand(w, "todo/%d" % lost, b"u1\0p1\0Flost@x.example\0Tr@x.example\0")
    by_hand(w, "bounce/%d" % lost, b"<lost@x.example>:\nwhy\n\n")
    by_hand(w, "bounce/%d" % (lost + 1), b"<other@x.example>:\nwhy\n\n")
    write("%s/local/%d/%d" % (w.queue, (lost + 2) % 23, lost + 2),
          b"Tx@x.example\0", 0o600)
    for name in "pid", "local/%d" % ((lost + 1) % 23), "failed":
        os.rmdir(w.queue + "/" + name)
    w.at_first.broken = True
    w.fix()
    w.send()


def cut_off(at):
    """A repair that was killed, and then the next one."""
    def scenario(w):
        circle(w)
        w.fix(inject="renameat2:signal=KILL:when=%d" % at, want=-9)
        w.fix()
        w.send()

    return scenario
