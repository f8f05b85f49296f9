"""Reads what strace wrote: which system calls there were, with their bytes
and results, in the order in which they began and ended."""

import re
import subprocess

# Whatever makes, changes or syncs files, and whatever says which file a
# descriptor is. What could change a file behind our back is traced as well,
# and refused (record.py).
TRACED = """
    open openat openat2 creat close close_range dup dup2 dup3 fcntl
    read pread64 readv lseek write writev pwrite64 pwritev pwritev2
    truncate ftruncate fallocate copy_file_range sendfile splice mmap
    io_uring_setup
    link linkat unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir
    symlink symlinkat mknod mknodat
    fsync fdatasync sync syncfs sync_file_range msync
    fstat newfstatat utimensat faccessat faccessat2
    chdir fchdir clone clone3 fork vfork execve execveat
""".split()

LINE = re.compile(r"(\d+) +(.*)", re.S)
RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.S)
CALL = re.compile(r"(\w+)\((.*)", re.S)
RESULT = re.compile(r"\)\s+= (-?\d+|0x[0-9a-f]+|\?)(?: ([A-Z]+)\b)?")
UNFINISHED = "<unfinished ...>"
TOKEN = re.compile(r'"(?:\\x[0-9a-f]{2})*"(?:\.\.\.)?|/\*.*?\*/|[][{}(),]'
                   r'|[^]["{}(),/]+|/')
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


class Unreadable(Exception):
    """The trace has something that this does not understand."""


class Call:
    """A system call. start and end are places in the trace: between them its
    effect came about."""

    def __init__(self, pid, name, start):
        self.pid, self.name, self.start = pid, name, start
        self.end = self.args = self.result = self.errno = None

    def finish(self, text, end):
        found = RESULT.search(text)
        if not found:
            raise Unreadable("no result: %.200s" % text)
        if found[1] == "?":
            return # its process was killed before
        self.end = end
        self.args = split(text[:found.start()])
        self.result = int(found[1], 0)
        self.errno = found[2] if self.result == -1 else None

    def number(self, i):
        return int(self.args[i].split(" ")[0], 0)

    def __repr__(self):
        return "%d %s(%s) = %s" % (self.pid, self.name, ", ".join(
            show(a) for a in self.args), self.errno or self.result)


class Exit:
    """A process or thread ended: code is None when a signal did it."""

    def __init__(self, pid, code, at):
        self.pid, self.code, self.start, self.end = pid, code, at, at


def show(arg):
    found = STRING.fullmatch(arg)
    text = repr(unhex(arg))[1:] if found else arg
    return text if len(text) < 60 else text[:57] + "..."


def unhex(arg):
    """The bytes of one string."""
    found = STRING.fullmatch(arg.strip())
    if not found or found[2]:
        raise Unreadable("not a whole string: %.100s" % arg)
    return bytes.fromhex(found[1].replace("\\x", ""))


def strings(arg):
    """The bytes of all strings in a list or structure."""
    return [unhex(found[0]) for found in STRING.finditer(arg)]


def split(text):
    """Arguments at the outermost commas; comments go."""
    args, depth, part = [], 0, []
    for token in TOKEN.findall(text):
        if token.startswith("/*"):
            continue
        if token in "[{(":
            depth += 1
        elif token in "]})":
            depth -= 1
        if token == "," and depth == 0:
            args.append("".join(part).strip())
            part = []
        else:
            part.append(token)
    if part or args:
        args.append("".join(part).strip())
    return args


class Renumber:
    """As if a message had got another number: that of an earlier one. A file
    system may give a number again at once, or not for a long time."""

    def __init__(self, new, old, split):
        self.new, self.old = new, old
        names = "mess", "hold", "attr", "info", "local", "remote"
        new_folder, old_folder = "/%d" % (new % split), "/%d" % (old % split)
        self.pairs = [(tohex(new), tohex(old)),
                      ("st_ino=%d," % new, "st_ino=%d," % old),
                      (tohex("%s/%d" % (new_folder, old)),
                       tohex("%s/%d" % (old_folder, old)))]
        self.pairs += [('"%s"' % tohex(name + new_folder),
                        '"%s"' % tohex(name + old_folder)) for name in names]

    def change(self, line):
        for new, old in self.pairs:
            line = line.replace(new, old)
        return line


def tohex(text):
    return "".join("\\x%02x" % b for b in str(text).encode())


def numbers(path):
    """Of the messages that a queue program made, in order."""
    found = []
    with open(path, encoding="latin-1", newline="\n") as trace:
        for line in trace:
            stat = re.search(r'newfstatat\(\d+, "((?:\\x..)*)"', line)
            name = unhex('"%s"' % stat[1]).decode("latin-1") if stat else ""
            match = re.fullmatch(r"mess/\d+/(\d+)", name)
            if match and int(match[1]) not in found:
                found.append(int(match[1]))
    return found


def parse(path, first, renumber=()):
    """Calls and exits in the order of their start. Lines are counted from
    first on."""
    found, open_calls = [], {}
    with open(path, encoding="latin-1", newline="\n") as trace:
        for at, line in enumerate(trace, first):
            for one in renumber:
                line = one.change(line)
            pid, text = LINE.fullmatch(line.rstrip("\n")).groups()
            pid = int(pid)
            if text.startswith("+++ "):
                code = re.match(r"\+\+\+ exited with (\d+)", text)
                found.append(Exit(pid, int(code[1]) if code else None, at))
                open_calls.pop(pid, None)
                continue
            if text.startswith("--- ") or text.startswith("exit"):
                continue
            resumed = RESUMED.fullmatch(text)
            if resumed:
                call, begun = open_calls.pop(pid)
                text = begun + resumed[2]
            else:
                name, text = CALL.fullmatch(text).groups()
                call = Call(pid, name, at)
                found.append(call)
            if text.endswith(UNFINISHED):
                open_calls[pid] = call, text[:-len(UNFINISHED)]
            else:
                call.finish(text, at)
    # A call that was never seen to end belongs to a process that was killed.
    return [c for c in found if c.end is not None]


def trace(command, directory, env, out, inject=None):
    """Runs a command of the shell, and all that it starts, under strace; its
    exit code."""
    argv = ["strace", "-f", "-xx", "-v", "-s", str(1 << 24),
            "-o", out, "-e", "signal=none", "-e", "trace=" + ",".join(TRACED)]
    # With --seccomp-bpf no signal is sent.
    argv += ["-e", "inject=" + inject] if inject else ["--seccomp-bpf"]
    return subprocess.run(argv + ["/bin/sh", "-c", command], cwd=directory,
                          env=env, stdin=subprocess.DEVNULL, timeout=120,
                          check=False).returncode
