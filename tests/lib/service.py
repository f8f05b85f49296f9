#!/usr/bin/python3
"""A service manager for one daemon, as far as it can tell the two apart.

usage: service.py [--listen SOCKET] PROGRAM [ARGUMENT...]

Starts PROGRAM with a NOTIFY_SOCKET, and prints what happens, a line each:
`pid N` when it has started, `said TEXT` for each notice that it sends, with
blanks for ends of lines, and `exit N` when it has ended. Then SIGUSR1 starts it
again; SIGTERM ends it and this program.

  --listen SOCKET   makes a listening socket (SOCK_SEQPACKET), keeps it, and
                    gives it to the daemon as descriptor 3 each time
"""

import argparse
import os
import select
import signal
import socket
import sys
import tempfile


def say(text):
    print(text, flush=True)


class Service:
    def __init__(self, options, folder):
        self.program = options.program
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(os.path.join(folder, "notify"))
        self.listener = None
        self.over = False
        if options.listen:
            self.listener = socket.socket(socket.AF_UNIX,
                                          socket.SOCK_SEQPACKET)
            self.listener.bind(options.listen)
            os.chmod(options.listen, 0o666)
            self.listener.listen(128)

    def become(self):
        os.environ["NOTIFY_SOCKET"] = self.notices.getsockname()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        if self.listener:
            os.dup2(self.listener.fileno(), 3)
            os.environ["LISTEN_PID"] = str(os.getpid())
            os.environ["LISTEN_FDS"] = "1"
        os.execv(self.program[0], self.program)

    def hear(self):
        notice = self.notices.recv(4096).decode()
        say("said " + " ".join(notice.splitlines()))

    def run(self):
        """Until it has ended."""
        pid = os.fork()
        if pid == 0:
            self.become()
        say("pid %d" % pid)
        end = os.pidfd_open(pid)

        def stop(_number, _frame):
            self.over = True
            os.kill(pid, signal.SIGTERM)

        signal.signal(signal.SIGTERM, stop)
        ready = []
        while end not in ready:
            ready, _, _ = select.select([self.notices, end], [], [])
            if self.notices in ready:
                self.hear()
        while select.select([self.notices], [], [], 0)[0]:
            self.hear()
        os.close(end)
        say("exit %d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("--listen")
    arguments.add_argument("program", nargs=argparse.REMAINDER)
    options = arguments.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    with tempfile.TemporaryDirectory() as folder:
        service = Service(options, folder)
        service.run()
        while not service.over:
            signal.sigwait([signal.SIGUSR1])
            service.run()


if __name__ == "__main__":
    sys.exit(main())
