"""What is recorded. A scenario is a function that is given a World: it makes
mail, brings the queue into a state, and then runs programs under the
recorder. The dictionary at the end is the list."""

import judge
import scenarios_fix as fix
import scenarios_person as person
from world import HOLD, ROUTE, write


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


def one_number_twice(w):
    """Mail b gets the number of mail a, which was gone before it came."""
    number = w.run(w.command("a"))
    w.send()
    w.run(w.command("b"), number=number)
    w.send()


def number_again(w):
    """A message gets the number of one that failed and is gone."""
    w.mail("a", "fail1")
    w.mail("b", "r2", "defer")
    one_number_twice(w)


def number_at_once(w):
    """The same with one that was delivered at the first attempt."""
    w.mail("a", "r1")
    w.mail("b", "r2")
    one_number_twice(w)


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
    w.untraced("sed -i /defer/d protocols/stub")
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
    w.tried(["a r2"])
    w.control("queuelifetime", "1000")
    w.age("info", 2000)
    w.send()


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
        w.person("release", "quarantine release", "b%d" % n)
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
    "release": person.release,
    "delete": person.delete,
    "expire-held": expire_held,
    "hold": person.hold,
    "hold-tried": person.hold_tried,
    "hold-leftovers": person.hold_leftovers,
    "hold-older": person.hold_older,
    "release-tried": person.release_tried,
    "delete-held-tried": person.delete_held_tried,
    "delete-queued": person.delete_queued,
    "delete-tried": person.delete_tried,
    "delete-leftovers": person.delete_leftovers,
    "retry": person.retry,
    "failed-retry": person.failed_retry,
    "failed-delete": person.failed_delete,
    "fix-copy": fix.fix_copy,
    "fix-circle": fix.fix_circle,
    "fix-by-hand": fix.fix_by_hand,
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
    "back-and-forth": person.back_and_forth,
    "several-at-once": person.several_at_once,
    "fix-held-copy": fix.fix_held_copy,
    "fix-circle-held": fix.fix_circle_held,
    **{"fix-cut-%d" % at: fix.cut_off(at) for at in (2, 4, 8, 12, 26)},
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
# the sync of one folder is enough; modes, times of last access and how long
# something is in the queue are not modelled.
NONE = "$."
MARKS = r"sync\(N:remote/N/N\)"
HELD_MOVE = r":mess/N/N\)|:(todo|info/N)/N\)|:hold/N\) = N #2|:(todo|info/N)\)"
RELEASE_MOVE = r":hold/N(/N(\.mess)?)?\)|:(todo|info/N)\) = N #1"
# The last two say the same.
FIX_END = r"|syncfs\(N:\.\) = N #[78]"
SYNCS = {
    "intake": NONE,
    "intake-attributes": NONE,
    "intake-held": NONE,
    "intake-named": NONE,
    "intake-large": NONE,
    "groups": NONE,
    "older-queue": NONE,
    "older-queue-attributes": NONE,
    "defer": MARKS,
    "fail": MARKS + r"|:todo\)",
    "expire-settled": MARKS,
    "release": RELEASE_MOVE,
    "hold": HELD_MOVE,
    "hold-tried": HELD_MOVE,
    # Only info would count.
    "hold-leftovers": HELD_MOVE + r"|:remote/N\)",
    "release-tried": MARKS + "|" + RELEASE_MOVE,
    "delete": NONE,
    "delete-held-tried": NONE,
    "delete-queued": NONE,
    "delete-tried": NONE,
    "delete-leftovers": NONE,
    "retry": NONE,
    "failed-retry": NONE,
    "failed-delete": NONE,
    # Which step it is matters where one number is another one's inode.
    "fix-copy": MARKS + FIX_END + r"|syncfs\(N:\.\) = N #4",
    "fix-circle": MARKS + FIX_END,
    # The folder for what is lost is there after the first.
    "fix-by-hand": MARKS + r"|fsync\(N:\.\) = N #[2-9]",
}
# One of those that are spared is needed all the same.
TOGETHER = ("release", "hold", "hold-tried", "hold-leftovers",
            "release-tried", "fix-copy", "fix-circle")
