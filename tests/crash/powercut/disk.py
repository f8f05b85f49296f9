"""A disk whose power can be cut: a file with a file system in it, mounted
through a loop device, and the ioctl(2) that ext4 and XFS have for this test.

After it the file system writes nothing any more and answers with EIO. What
had reached the journal or the file is there when it is mounted again, all
else is gone. What the journal holds is replayed then, as after a real cut.

Nothing is left behind: all of this happens in a mount namespace that ends
with its processes (power.py), and the loop device goes with its mount.
"""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess

MIB = 1 << 20
# EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32)
SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2

# What can be asked for: the program that makes it, its size, how it is
# mounted, and the program that looks whether it is in order.
KINDS = {
    "ext4": (["mkfs.ext4", "-q", "-F"], 256 * MIB, "data=ordered",
             ["e2fsck", "-f", "-n"]),
    "ext4-writeback": (["mkfs.ext4", "-q", "-F"], 256 * MIB,
                       "data=writeback", ["e2fsck", "-f", "-n"]),
    "xfs": (["mkfs.xfs", "-q", "-f"], 320 * MIB, "", ["xfs_repair", "-n"]),
}

_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """The test itself does not work; nothing is known of the programs."""


def call(argv):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip().splitlines()
        raise Failed(f"{' '.join(argv)}: exit code {done.returncode}"
                     f"{': ' + said[-1] if said else ''}")


def missing(kind):
    """Programs that this kind needs and that are not there."""
    make, _, _, check = KINDS[kind]
    return [name for name in (make[0], check[0], "mount", "umount")
            if shutil.which(name) is None]


class Disk:
    def __init__(self, kind, folder):
        self.kind = kind
        self.image = os.path.join(folder, "disk.image")
        self.top = os.path.join(folder, "disk")
        self.make, self.size, self.options, self.check = KINDS[kind]

    def format(self):
        os.makedirs(self.top, exist_ok=True)
        with open(self.image, "wb") as f:
            f.truncate(self.size)
        call([*self.make, self.image])

    def mount(self):
        options = ",".join(filter(None, ["loop", self.options]))
        call(["mount", "-n", "-o", options, self.image, self.top])

    def unmount(self):
        call(["umount", "-n", self.top])

    def _on_top(self, function):
        fd = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            function(fd)
        finally:
            os.close(fd)

    def sync(self):
        def syncfs(fd):
            if _libc.syncfs(fd) != 0:
                raise Failed(f"syncfs: {os.strerror(ctypes.get_errno())}")

        self._on_top(syncfs)

    def cut(self):
        def shut_down(fd):
            try:
                fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NOLOGFLUSH))
            except OSError as e:
                raise Failed(f"the shutdown ioctl on {self.kind}: "
                             f"{e.strerror}") from None

        self._on_top(shut_down)

    def keep(self, path):
        """A copy of the disk as it is, for those who want to look at it."""
        call(["cp", "--sparse=always", self.image, path])

    def examine(self):
        """Unmounted: is the file system itself in order?"""
        call([*self.check, self.image])
