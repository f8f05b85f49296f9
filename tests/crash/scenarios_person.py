"""Scenarios: what a person does to mail in the queue."""

from world import HOLD, ROUTE, write


def tried(w, name="a", attrs=()):
    """A mail of which one server has a copy, one recipient waits, and one has
    failed."""
    w.mail(name, "r1", "defer", "fail1", attrs=attrs)
    w.queued(name)
    w.tried([name + " r1"])


def with_leftovers(w, name="a"):
    """A new mail, and state that a crash left before it counted."""
    w.mail(name, "r1", "r2")
    w.queued(name)
    number = w.number_of(name)
    for place, data in (("info", b"Fs@test.example\0"),
                        ("remote", b"Dr1@x.example\0Dr2@x.example\0")):
        write("%s/%s/%d/%s" % (w.queue, place, int(number) % 23, number),
              data, 0o600)


def hold(w):
    w.mail("a", "r1", "r2", attrs=ROUTE)
    w.mail("b", "r1")
    w.queued("a", "b")
    w.person("hold", "queue hold", "a")
    w.send()


def hold_tried(w):
    tried(w)
    w.person("hold", "queue hold", "a")
    w.send()


def hold_leftovers(w):
    with_leftovers(w)
    w.person("hold", "queue hold", "a")


def hold_older(w):
    """In a queue that has no folders for it."""
    w.untraced("rm -r queue/hold queue/attr")
    w.mail("a", "r1")
    w.queued("a")
    w.person("hold", "queue hold", "a")


def release(w):
    w.mail("a", "r1", "r2", attrs=HOLD)
    w.queued("a")
    w.person("release", "quarantine release", "a")
    w.send()


def release_tried(w):
    tried(w)
    hold_untraced(w, "a")
    w.person("release", "queue release", "a")
    w.untraced("sed -i /defer/d protocols/stub")
    w.send()


def hold_untraced(w, name):
    w.untraced('exec "$SBIN/qfrontctl" queue hold %s >/dev/null' %
               w.number_of(name))
    w.at_first.place[name] = "held"


def delete(w):
    w.mail("a", "r1", attrs=HOLD)
    w.mail("b", "r1")
    w.queued("a", "b")
    w.person("give-up", "quarantine delete", "a")
    w.send()


def delete_held_tried(w):
    tried(w)
    hold_untraced(w, "a")
    w.person("give-up", "queue delete", "a")


def delete_queued(w):
    w.mail("a", "r1", attrs=ROUTE)
    w.mail("b", "r1")
    w.queued("a", "b")
    w.person("give-up", "queue delete", "a")


def delete_tried(w):
    tried(w)
    w.person("give-up", "queue delete", "a")


def delete_leftovers(w):
    with_leftovers(w)
    w.person("give-up", "queue delete", "a")


def retry(w):
    tried(w)
    w.mail("b", "r1")
    w.queued("b")
    w.person("", "queue retry", "a", "b")


def failed_retry(w):
    """All of its recipients failed, and its bounce is delivered."""
    w.mail("a", "fail1", "fail3")
    w.queued("a")
    w.tried([])
    w.untraced("sed -i /fail/d protocols/stub")
    w.person("", "queue failed retry", "a")
    w.send()


def failed_delete(w):
    w.mail("a", "fail1", "r2", "fail3")
    w.queued("a")
    w.tried(["a r2"])
    w.person("give-up", "queue failed delete", "a")


def back_and_forth(w):
    """Held, released and held again, with attempts in between."""
    w.mail("a", "r1", "defer", "fail1", attrs=ROUTE)
    w.mail("b", "r1", attrs=HOLD)
    w.accept("a")
    w.accept("b")
    for _ in range(2):
        w.person("hold", "queue hold", "a")
        w.person("release", "queue release", "a")
        w.send()
    w.person("release", "queue release", "b")
    w.person("hold", "queue hold", "b")
    w.person("give-up", "queue delete", "a", "b")
    w.send()


def several_at_once(w):
    """One command for several mails."""
    for name in "abc":
        w.mail(name, "r1", "defer")
        w.queued(name)
    w.tried([name + " r1" for name in "abc"])
    w.mail("d", "r2")
    w.queued("d")
    w.person("hold", "queue hold", "a", "b", "d")
    w.person("release", "queue release", "b", "d")
    w.person("give-up", "queue delete", "a", "d")
    w.send()
