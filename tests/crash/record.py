"""Makes a Log (disk.py) of the system calls of real programs.

It follows descriptors, folders and files through all processes, so it knows
which file below the queue each call is about. At the end the tree that it
has in mind must be the tree that is there (check()).
"""

import json
import os
import re
import stat

import calls
import disk

CHANGES_NOTHING = ("faccessat", "faccessat2", "sync_file_range")
# What would change or sync files in a way that is not modelled.
REFUSED = ("io_uring_setup", "truncate", "fallocate", "copy_file_range",
           "splice", "symlink", "symlinkat", "mknod", "mknodat", "rmdir",
           "msync", "openat2", "creat", "execveat", "pwritev2")


class Opened:
    """An open file description. inode: when it is below the queue."""

    def __init__(self, path, inode=None, append=False):
        self.path, self.inode, self.append = path, inode, append
        self.offset = 0


class Process:
    def __init__(self, pid, cwd):
        self.pid, self.cwd = pid, cwd
        self.fds = {}        # number -> (Opened, close on exec)
        self.program = []    # arguments of the last exec
        self.at_exec = {}    # its descriptors: number -> path

    def fork(self, pid):
        child = Process(pid, self.cwd)
        child.fds = dict(self.fds)
        child.program, child.at_exec = self.program, self.at_exec
        return child


class Recorder:
    """root: the queue. told: a file to which lines are added that say what
    somebody knows now. on_exit(process, code): the fact that this is, or
    None."""

    def __init__(self, root, told, on_exit):
        self.root, self.told, self.on_exit = root, told, on_exit
        self.log = disk.Log()
        self.top = self.log.new_inode(True)
        self.top.path = ""
        self.names = {}      # as they are now
        self.live = {}       # ident of a file -> its bytes now
        self.processes = {}
        self.at = 0          # how far the traces go
        self.renumber = []   # calls.Renumber: for what is read from now on
        self.snapshot("", self.top, {})
        self.log.names = dict(self.names)

    # The tree as it is before anything happens.

    def snapshot(self, rel, folder, known):
        for entry in sorted(os.scandir(os.path.join(self.root, rel)),
                            key=lambda e: e.name):
            found = entry.stat(follow_symlinks=False)
            path = rel + entry.name
            if stat.S_ISDIR(found.st_mode):
                inode = self.log.new_inode(True, found.st_ino)
                inode.path = path + "/"
                self.names[folder.ident, entry.name] = inode.ident
                self.snapshot(path + "/", inode, known)
            elif stat.S_ISREG(found.st_mode):
                inode = known.get(found.st_ino)
                if inode is None:
                    with open(entry.path, "rb") as f:
                        inode = self.log.new_inode(
                            False, found.st_ino, f.read(),
                            divmod(found.st_mtime_ns, 10 ** 9))
                    known[found.st_ino] = inode
                self.live[inode.ident] = inode.data
                self.names[folder.ident, entry.name] = inode.ident

    def tree(self):
        """path -> bytes, as the calls left it."""
        found = {}
        for (folder, name), ident in self.names.items():
            if not self.log.inodes[ident].folder:
                found[self.log.inodes[folder].path + name] = self.live[ident]
        return found

    def check(self):
        """Was anything missed?"""
        there = {}
        for base, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(base, name)
                if stat.S_ISREG(os.lstat(path).st_mode):
                    with open(path, "rb") as f:
                        there[self.as_read(path)] = f.read()
        mine = self.tree()
        wrong = sorted(p for p in set(there) | set(mine)
                       if there.get(p) != mine.get(p))
        if wrong:
            raise calls.Unreadable("the trace missed what happened to: " +
                                   " ".join(wrong))

    def as_read(self, path):
        """What the traces call a file that is there."""
        rel = os.path.relpath(path, self.root)
        for one in self.renumber:
            rel = json.loads(one.change('"%s"' % calls.tohex(rel)).replace(
                "\\x", "\\u00"))
        return rel

    # Reading a trace.

    def read(self, path, cwd):
        """Adds what one run of calls.trace() did."""
        self.processes, self.cwd = {}, cwd
        events = []
        for call in calls.parse(path, self.at, self.renumber):
            events.append((call.start, 0, call))
            if isinstance(call, calls.Call):
                events.append((call.end, 1, call))
        self.at = max([self.at] + [e[0] + 1 for e in events])
        for _, phase, call in sorted(events, key=lambda e: e[:2]):
            if isinstance(call, calls.Exit):
                self.exit(call)
            elif call.errno is None:
                self.dispatch("end_" if phase else "do_", call)

    def process(self, pid):
        if pid not in self.processes:
            if self.processes:
                raise calls.Unreadable("process %d from nowhere" % pid)
            self.processes[pid] = Process(pid, self.cwd)
        return self.processes[pid]

    def dispatch(self, phase, call):
        p = self.process(call.pid)
        if phase == "do_" and call.name in REFUSED and \
                self.concerns_queue(p, call):
            raise calls.Unreadable("not modelled: %r" % call)
        method = getattr(self, phase + call.name, None)
        if method:
            method(p, call)

    def concerns_queue(self, p, call):
        if call.name in ("io_uring_setup", "msync"):
            return True
        for arg in call.args:
            if arg.startswith('"'):
                path = calls.unhex(arg).decode("latin-1")
                if self.rel(os.path.join(p.cwd, path)) is not None or \
                        not path.startswith("/"):
                    return True
            elif arg.isdigit() and int(arg) in p.fds and \
                    p.fds[int(arg)][0].inode is not None:
                return True
        return False

    def exit(self, gone):
        p = self.processes.pop(gone.pid, None)
        if p is not None and p.pid == gone.pid:
            fact = self.on_exit(p, gone.code)
            if fact:
                self.log.add(disk.Fact("%d ends: %s" % (p.pid, fact), fact))

    # Paths.

    def rel(self, path):
        """Below the queue; None for any other."""
        path = os.path.normpath(path)
        if path == self.root:
            return ""
        if path.startswith(self.root + "/"):
            return path[len(self.root) + 1:]
        return None

    def resolve(self, p, dirfd, arg):
        path = calls.unhex(arg).decode("latin-1")
        if path.startswith("/"):
            return os.path.normpath(path)
        if dirfd is None or dirfd.startswith("AT_FDCWD"):
            base = p.cwd
        else:
            opened = self.fd(p, int(dirfd))
            base = opened.path if opened else "/unknown"
        return os.path.normpath(os.path.join(base, path))

    def fd(self, p, number):
        return p.fds[number][0] if number in p.fds else None

    def cell(self, rel):
        """(folder, name), the folder being there."""
        folder, name = os.path.split(rel)
        ident = self.lookup(folder)
        return None if ident is None else (ident, name)

    def lookup(self, rel):
        ident = self.top.ident
        for name in rel.split("/") if rel else ():
            ident = self.names.get((ident, name))
            if ident is None:
                return None
        return ident

    # Changes.

    def set_names(self, call, *cells):
        for cell, ident in cells:
            disk.put(self.names, cell, ident)
        self.log.add(disk.NameOp(self.text(call), tuple(cells), call.end))

    def text(self, call):
        text = repr(call)
        for number, (opened, _) in self.process(call.pid).fds.items():
            if opened.inode is not None:
                text = re.sub(r"\((%d)(?=[,)])" % number, "(%s:%s" % (
                    number, os.path.relpath(opened.path, self.root)), text, 1)
        return text.replace(self.root, "")

    def write(self, p, call, opened, data, offset=None):
        if opened.path == self.told:
            for line in data.decode().splitlines():
                self.log.add(disk.Fact("told: " + line, line))
        if opened.inode is None or not data:
            return
        ident = opened.inode.ident
        live = self.live[ident]
        if offset is None:
            offset = len(live) if opened.append else opened.offset
            opened.offset = offset + len(data)
        op = disk.WriteOp(self.text(call), opened.inode, offset, data,
                          call.end)
        self.live[ident] = disk.change(live, op, 1)
        self.log.add(op)

    def resize(self, call, inode, size):
        if len(self.live[inode.ident]) == size:
            return
        op = disk.SizeOp(self.text(call), inode, size, call.end)
        self.live[inode.ident] = disk.change(self.live[inode.ident], op, 1)
        self.log.add(op)

    def new_file(self, folder=False):
        inode = self.log.new_inode(folder)
        if not folder:
            self.live[inode.ident] = b""
        return inode

    # System calls: do_ when they begin, end_ when they have ended.

    def do_openat(self, p, call):
        self.open(p, call, call.args[0], call.args[1], call.args[2])

    def do_open(self, p, call):
        self.open(p, call, None, call.args[0], call.args[1])

    def open(self, p, call, dirfd, arg, flags):
        flags = flags.split("|")
        path = self.resolve(p, dirfd, arg)
        rel = self.rel(path)
        inode = None
        if rel is not None:
            inode = self.open_inside(call, rel, flags)
        call.opened = Opened(path, inode, "O_APPEND" in flags)
        call.cloexec = "O_CLOEXEC" in flags

    def open_inside(self, call, rel, flags):
        if "O_TMPFILE" in flags:
            return self.new_file()
        writes = "O_WRONLY" in flags or "O_RDWR" in flags
        if writes and ("O_SYNC" in flags or "O_DSYNC" in flags):
            raise calls.Unreadable("not modelled: %r" % call)
        ident = self.lookup(rel)
        if ident is not None:
            inode = self.log.inodes[ident]
            if "O_TRUNC" in flags:
                self.resize(call, inode, 0)
            return inode
        if "O_CREAT" in flags:
            inode = self.new_file()
            self.set_names(call, (self.cell(rel), inode.ident))
            return inode
        return None # lock/trigger

    def end_openat(self, p, call):
        p.fds[call.result] = (call.opened, call.cloexec)

    end_open = end_openat

    def end_close(self, p, call):
        p.fds.pop(call.number(0), None)

    def end_close_range(self, p, call):
        first, last = call.number(0), call.number(1)
        for number in [n for n in p.fds if first <= n <= last]:
            if "CLOEXEC" in call.args[2]:
                p.fds[number] = (p.fds[number][0], True)
            else:
                del p.fds[number]

    def end_dup(self, p, call):
        self.copy_fd(p, call.number(0), call.result, False)

    def end_dup2(self, p, call):
        self.copy_fd(p, call.number(0), call.result, False)

    def end_dup3(self, p, call):
        self.copy_fd(p, call.number(0), call.result,
                     "O_CLOEXEC" in call.args[2])

    def copy_fd(self, p, old, new, cloexec):
        if old in p.fds:
            p.fds[new] = (p.fds[old][0], cloexec)
        else:
            p.fds.pop(new, None)

    def end_fcntl(self, p, call):
        number, command = call.number(0), call.args[1]
        if command.startswith("F_DUPFD"):
            self.copy_fd(p, number, call.result, "CLOEXEC" in command)
        elif command == "F_SETFD" and number in p.fds:
            p.fds[number] = (p.fds[number][0], "CLOEXEC" in call.args[2])

    def end_read(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened:
            opened.offset += call.result

    end_readv = end_read

    def end_lseek(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened:
            opened.offset = call.result

    def do_write(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened:
            self.write(p, call, opened,
                       calls.unhex(call.args[1])[:call.result])

    def do_writev(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened:
            self.write(p, call, opened, b"".join(
                calls.strings(call.args[1]))[:call.result])

    def do_pwrite64(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened:
            self.write(p, call, opened, calls.unhex(
                call.args[1])[:call.result], call.number(3))

    def do_pwritev(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened:
            self.write(p, call, opened, b"".join(
                calls.strings(call.args[1]))[:call.result], call.number(3))

    def do_sendfile(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened and opened.inode is not None:
            raise calls.Unreadable("not modelled: %r" % call)

    def do_mmap(self, p, call):
        opened = self.fd(p, int(call.args[4])) \
            if call.args[4].isdigit() else None
        if opened and opened.inode is not None and \
                "MAP_SHARED" in call.args[3] and "PROT_WRITE" in call.args[2]:
            raise calls.Unreadable("not modelled: %r" % call)

    def do_ftruncate(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened and opened.inode is not None:
            self.resize(call, opened.inode, call.number(1))

    def do_linkat(self, p, call):
        source = self.resolve(p, call.args[0], call.args[1])
        to = self.rel(self.resolve(p, call.args[2], call.args[3]))
        if to is None:
            return
        by_fd = re.fullmatch(r"/proc/(?:self|thread-self|%d)/fd/(\d+)" % p.pid,
                             source)
        if by_fd:
            ident = self.fd(p, int(by_fd[1])).inode.ident
        else:
            ident = self.lookup(self.rel(source))
        self.set_names(call, (self.cell(to), ident))

    def do_link(self, p, call):
        call.args = ["AT_FDCWD", call.args[0], "AT_FDCWD", call.args[1]]
        self.do_linkat(p, call)

    def do_unlinkat(self, p, call):
        rel = self.rel(self.resolve(p, call.args[0], call.args[1]))
        if rel is None:
            return
        if "AT_REMOVEDIR" in call.args[2]:
            raise calls.Unreadable("not modelled: %r" % call)
        self.set_names(call, (self.cell(rel), None))

    def do_unlink(self, p, call):
        call.args = ["AT_FDCWD", call.args[0], "0"]
        self.do_unlinkat(p, call)

    def do_renameat2(self, p, call):
        source = self.rel(self.resolve(p, call.args[0], call.args[1]))
        to = self.rel(self.resolve(p, call.args[2], call.args[3]))
        flags = call.args[4] if len(call.args) > 4 else "0"
        if source is None and to is None:
            return
        ident = self.lookup(source) if source is not None else None
        if to is None or ident is None or flags not in (
                "0", "RENAME_NOREPLACE") or self.log.inodes[ident].folder:
            raise calls.Unreadable("not modelled: %r" % call)
        if source != to:
            self.set_names(call, (self.cell(source), None),
                           (self.cell(to), ident))

    do_renameat = do_renameat2

    def do_rename(self, p, call):
        call.args = ["AT_FDCWD", call.args[0], "AT_FDCWD", call.args[1]]
        self.do_renameat2(p, call)

    def do_mkdirat(self, p, call):
        rel = self.rel(self.resolve(p, call.args[0], call.args[1]))
        if rel is None:
            return
        inode = self.new_file(folder=True)
        inode.path, inode.cell = rel + "/", self.cell(rel)
        self.set_names(call, (inode.cell, inode.ident))

    def do_mkdir(self, p, call):
        call.args = ["AT_FDCWD"] + call.args
        self.do_mkdirat(p, call)

    def do_utimensat(self, p, call):
        if call.args[1] == "NULL":
            opened = self.fd(p, call.number(0))
            inode = opened.inode if opened else None
        else:
            rel = self.rel(self.resolve(p, call.args[0], call.args[1]))
            ident = self.lookup(rel) if rel is not None else None
            inode = None if ident is None else self.log.inodes[ident]
        if inode is None:
            return
        times = re.findall(r"UTIME_(\w+)|tv_sec=(\d+)\s*,\s*tv_nsec=(\d+)",
                           call.args[2])
        word, *numbers = times[1] if times else ("NOW", "", "")
        if word == "OMIT":
            return
        value = None if word else tuple(map(int, numbers))
        self.log.add(disk.TimeOp(self.text(call), inode, value, call.end))

    def end_fstat(self, p, call):
        """Where a program looks at the time of what it wrote, it may rely on
        it."""
        opened = self.fd(p, call.number(0)) \
            if call.args[0].isdigit() else None
        inode = opened.inode if opened else None
        if inode is None or inode.folder:
            return
        text = " ".join(call.args)
        inode.number = int(re.search(r"st_ino=(\d+)", text)[1])
        when = (int(re.search(r"st_mtime=(\d+)", text)[1]),
                int(re.search(r"st_mtime_nsec=(\d+)", text)[1]))
        if not inode.ops:
            return
        known = inode.time_ops[-1] if inode.time_ops else None
        if known is None or known.at < inode.ops[-1].at:
            self.log.add(disk.TimeOp("%d: the time of the last write to %s" % (
                p.pid, self.rel(opened.path)), inode, when, call.end))

    def end_newfstatat(self, p, call):
        if call.args[1] == '""':
            self.end_fstat(p, call)

    # Syncs.

    def do_fsync(self, p, call):
        call.ops = [s for s in self.log.steps if isinstance(s, disk.Op)]

    do_fdatasync = do_sync = do_syncfs = do_fsync

    def end_fsync(self, p, call):
        opened = self.fd(p, call.number(0))
        if opened and opened.inode is not None:
            self.add_sync(call, opened.inode, call.name != "fdatasync")

    end_fdatasync = end_fsync

    def end_sync(self, p, call):
        self.add_sync(call, None, True)

    def end_syncfs(self, p, call):
        self.add_sync(call, None, True)

    def add_sync(self, call, inode, times):
        self.log.add(disk.Sync(self.text(call), [
            op for op in call.ops if op.ended < call.start and
            (inode is None or inode.ident in op.inodes) and
            (times or not isinstance(op, disk.TimeOp))]))

    # Processes.

    def do_clone(self, p, call):
        """The child is known from its first call on."""
        if "CLONE_THREAD" in call.args[0] or \
                any("CLONE_THREAD" in a for a in call.args):
            self.processes[call.result] = p
            return
        child = p.fork(call.result)
        if any("CLONE_FILES" in a for a in call.args):
            child.fds = p.fds
        self.processes[call.result] = child

    do_clone3 = do_fork = do_vfork = do_clone

    def end_execve(self, p, call):
        p.fds = {n: pair for n, pair in p.fds.items() if not pair[1]}
        p.program = [s.decode("latin-1") for s in calls.strings(call.args[1])]
        p.at_exec = {n: o.path for n, (o, _) in p.fds.items()}

    def end_chdir(self, p, call):
        p.cwd = self.resolve(p, None, call.args[0])

    def end_fchdir(self, p, call):
        p.cwd = self.fd(p, call.number(0)).path
