"""The machine whose power is cut: namespaces of processes and of mounts in
which this program is the first process.

When it ends, in whatever way, the kernel kills every other process in there,
and with the last one its mounts and their loop devices are gone.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import traceback

CAN_NOT = 77  # as in automake: it could not be tried here

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1

SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

_libc = ctypes.CDLL(None, use_errno=True)
_settled = []  # our process, once it is the first of a machine
_private = []


class NoMachine(Exception):
    """Why there can be none here."""


def _unshare(flags):
    if _libc.unshare(flags) != 0:
        raise NoMachine("no namespaces of our own: unshare: "
                        f"{os.strerror(ctypes.get_errno())}")


def _mount(*arguments):
    done = subprocess.run(["mount", "-n", *arguments], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise NoMachine(f"mount {' '.join(arguments)}: "
                        f"{done.stdout.decode(errors='replace').strip()}")


def _settle():
    """In the first process: mounts that nobody else sees, and a /proc that
    shows who is in here."""
    _unshare(CLONE_NEWNS)
    _mount("--make-rprivate", "/")
    _mount("-t", "proc", "proc", "/proc")
    if os.getpid() != 1:
        raise NoMachine("it has not become the first process")
    _settled.append(os.getpid())


def private(folder, above):
    """From now on only this machine sees the changes of a folder; they are
    kept in memory, below another one."""
    if folder in _private:
        return
    _private.append(folder)
    upper = tempfile.mkdtemp(dir=above)
    _mount("-t", "tmpfs", "private", upper)
    for name in "changes", "work":
        os.mkdir(f"{upper}/{name}", 0o755)
    _mount("-t", "overlay", "-o", f"lowerdir={folder},upperdir={upper}/"
           f"changes,workdir={upper}/work", "private", folder)


def _leave(number, _):
    raise SystemExit(128 + number)


def _inside(main):
    for number in SIGNALS:
        signal.signal(number, _leave)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _settle()
    return main()


def run(main):
    """main() as the first process of a machine: what it returns, or CAN_NOT
    when there is no machine; the reason is printed then. The caller must
    start no process of its own after this."""
    _unshare(CLONE_NEWPID)
    first = os.fork()
    if first == 0:
        code = 70
        try:
            code = _inside(main)
        except SystemExit as e:
            code = e.code
        except NoMachine as e:
            print(e)
            code = CAN_NOT
        except BaseException:  # nothing may go on as the caller
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    for number in SIGNALS:
        signal.signal(number, lambda n, _: os.kill(first, n))
    return os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])


def kill():
    """Ends all processes but this one, without a word to any."""
    if not _settled:
        raise NoMachine("outside of the machine, others would be killed")
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def off():
    """The same, and they are gone when this returns. Nobody else may wait for
    one of them."""
    kill()
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
