"""What a queue stands for while `qfrontctl queue fix` is not done with it, by
the rules of doc/queue-states.md."""

import re

SPLIT = 23
NAME = re.compile(r"(mess|hold|info|local|remote|attr|todo|intd|bounce)/"
                  r"(\d+/)?(\d+)(\.mess)?(\.fix)?(?:\.(\d+))?")
# Left by a writer that ended; the repair removes it.
LITTER = re.compile(r"attr/\d+/\d+(\.fix)?\.new")


class Name:
    """Of a file of a message. new: the number that it will get, of a message
    file that is on its way."""

    def __init__(self, match):
        self.place, split, self.number, self.tail, fix, self.new = \
            match.groups()
        self.split, self.fix = split is not None, fix is not None
        self.bytes = self.place == "mess" or self.tail is not None

    def path(self, number):
        return "%s/%s%s%s" % (
            self.place, "%d/" % (int(number) % SPLIT) if self.split else "",
            number, self.tail or "")


def numbers(names):
    """Old number -> new one, as far as a file tells it: one that is on its
    way, or that has not the number of its inode."""
    found = {}
    for name, file in names:
        if name.bytes and name.new:
            found[name.number] = name.new
        elif name.bytes and not name.fix and \
                file.inode.number not in (None, int(name.number)):
            found[name.number] = str(file.inode.number)
    return found


def misplaced(names, new):
    """Message files go first and come back last: no other sender sees one
    that nothing names."""
    bare = {n.number for n, _ in names if n.bytes and not n.fix}
    for old, number in new.items():
        if old in bare and any(n.fix and not n.bytes and n.number == number
                               for n, _ in names):
            yield "what belongs to %s goes before the message file" % old
    for number in sorted(bare - set(new)):
        if any(n.fix and not n.bytes and n.number == number
               for n, _ in names):
            yield "the message file of %s is back first" % number


def finished(files):
    """(files, complaints): what a repair makes of it. What it moves to lost/
    is not there any more."""
    names, there, wrong = [], {}, []
    for path, file in sorted(files.items()):
        match = NAME.fullmatch(path)
        if match:
            names.append((Name(match), file))
        elif not path.startswith("lost/") and not LITTER.fullmatch(path):
            there[path] = file
    if any(n.fix for n, _ in names) and "lock/fixing" not in files:
        wrong.append("a repair is not finished, and nothing says so")
    new = numbers(names)
    wrong += misplaced(names, new)
    # What has its last name but for the tail counts before what was copied.
    for name, file in sorted(names, key=lambda n: not n[0].fix):
        path = name.path(name.number if name.fix and not name.new else
                         new.get(name.number, name.number))
        if path in there and name.place != "attr" and \
                there[path].inode is not file.inode:
            wrong.append("two files become " + path)
        there.setdefault(path, file)
    whole = {n.group(3) for n in map(NAME.fullmatch, there)
             if n and (n[1] == "mess" or n[4])}
    return {path: file for path, file in there.items()
            if not NAME.fullmatch(path) or
            NAME.fullmatch(path)[3] in whole}, wrong
