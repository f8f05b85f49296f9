#!/usr/bin/python3
"""Calls a queue program as a client of some qmail does, and says what this
client makes of the answer.

usage: qqclient.py [OPTION...] CLIENT MESSAGE ENVELOPE PROGRAM [ARGUMENT...]

CLIENT is one of CLIENTS below; each reads the texts, knows the codes and has
the limits of the real one. It prints one line: `K` when the message was taken,
else D (permanent) or Z (temporary), a space and the text as Python would write
it between quotes, so that no byte of it is lost.

Descriptor 2 of the program is a pipe to a logger, as under supervise, unless
the client reads it.

  --log FILE   appends to FILE what the logger gets
  --deaf       nobody reads the descriptor of the text: its pipe is dead
  --leak FD    leaves a pipe that somebody reads, but not for texts, on FD
  --closed FD  closes FD

Ends with 2 when the program takes longer than 300 seconds.
"""

import argparse
import fcntl
import os
import signal
import sys
import threading

# What qmail-1.03 has, and all that descend from it.
QMAIL = {
    11: "Denvelope address too long for qq (#5.1.3)",
    31: "Dmail server permanently rejected message (#5.3.0)",
    51: "Zqq out of memory (#4.3.0)",
    52: "Zqq timeout (#4.3.0)",
    53: "Zqq write error or disk full (#4.3.0)",
    54: "Zqq read error (#4.3.0)",
    55: "Zqq unable to read configuration (#4.3.0)",
    56: "Zqq trouble making network connection (#4.3.0)",
    61: "Zqq trouble in home directory (#4.3.0)",
    62: "Zqq trouble creating files in queue (#4.3.0)",
    63: "Zqq trouble creating files in queue (#4.3.0)",
    64: "Zqq trouble creating files in queue (#4.3.0)",
    65: "Zqq trouble creating files in queue (#4.3.0)",
    66: "Zqq trouble creating files in queue (#4.3.0)",
    71: "Zmail server temporarily rejected message (#4.3.0)",
    72: "Zconnection to mail server timed out (#4.4.1)",
    73: "Zconnection to mail server rejected (#4.4.1)",
    74: "Zcommunication with mail server failed (#4.4.2)",
    81: "Zqq internal bug (#4.3.0)",
    91: "Zqq internal bug (#4.3.0)",
    115: "Denvelope address too long for qq (#5.1.3)",
    120: "Zunable to exec qq (#4.3.0)",
}

# Its letters V, S and A end a session as D does.
SQMAIL = {
    **QMAIL,
    32: "Vmail server does not accept message (#5.3.0)",
    33: "Smail server does not accept message (#5.3.0)",
    34: "Amail server does not accept message (#5.3.0)",
}

SAGREDO = {
    **QMAIL,
    32: "DPrivate key file does not exist (#5.3.5)",
    58: "Zqq trouble creating child (#4.3.0)",
    59: "Zqq trouble creating pipes (#4.3.0)",
    70: "Zqq trouble with pid file (#4.3.0)",
    82: "Zunable to exec qq (#4.3.0)",
    88: "Zunable to exec qq (#4.3.0)",
    122: "Zqq waitpid surprise (#4.3.0)",
    123: "Zqq crashed (#4.3.0)",
}

INDIMAIL = {
    11: "Dqq envelope address too long (#5.1.3)",
    31: "Dqq mail server permanently rejected message (#5.3.0)",
    32: "Dqq spam or junk mail threshold exceeded (#5.7.1)",
    33: "Dqq message contains virus (#5.7.1)",
    34: "Dqq message contains banned attachment (#5.7.1)",
    35: "Dqq private key file does not exist (#5.3.5)",
    50: "Zqq unable to get privilege to run virus scanner (#4.3.0)",
    51: "Zqq out of memory (#4.3.0)",
    52: "Zqq timeout (#4.3.0)",
    53: "Zqq write error or disk full (#4.3.0)",
    54: "Zqq read error (#4.3.0)",
    55: "Zqq unable to read configuration (#4.3.0)",
    56: "Zqq trouble making network connection (#4.3.0)",
    57: "Zqq unable to open shared object/plugin (#4.3.0)",
    58: "Zqq unable to resolve symbol in shared object/plugin (#4.3.0)",
    59: "Zqq unable to close shared object/plugin (#4.3.0)",
    60: "Zqq trouble creating pipes/sockets (#4.3.0)",
    71: "Zqq mail server temporarily rejected message (#4.3.0)",
    76: "Zqq temporary problem with SPAM filter (#4.3.0)",
    77: "Zqq unable to run QHPSI scanner (#4.3.0)",
    81: "Zqq internal bug (#4.3.0)",
    82: "Zqq unable to exec qq (#4.3.0)",
    91: "Zqq internal bug (#4.3.0)",
    115: "Dqq envelope address too long (#5.1.3)",
    120: "Zqq unable to exec qq (#4.3.0)",
}


class Client:
    def __init__(self, codes, fd=None, announce=(), limit=0, moves=False):
        self.codes = codes
        self.fd = fd  # where it reads a text
        self.announce = announce  # the codes that say that there is one
        self.limit = limit  # bytes that it reads
        self.moves = moves  # by ERROR_FD


CLIENTS = {
    "qmail": Client(QMAIL),
    "netqmail": Client(QMAIL),
    "sqmail": Client(SQMAIL),
    "notqmail": Client(QMAIL, 6, (82,), 255),
    "ldap": Client(QMAIL, 4, (82,), 255),
    "sagredo": Client(SAGREDO, 4, (82, 88), 255, True),
    "indimail": Client(INDIMAIL, 2, (88,), 1023, True),
}


def high_pipe():
    """A pipe that is in nobody's way."""
    ends = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in ends]
    for fd in ends:
        os.close(fd)
    return high


def send(fd, path):
    """False: the program did not take all of it."""
    try:
        with open(path, "rb") as source:
            while chunk := source.read(65536):
                while chunk:
                    chunk = chunk[os.write(fd, chunk) :]
        return True
    except BrokenPipeError:
        return False
    finally:
        os.close(fd)


def read_text(fd, limit):
    """Up to the end or the limit, whichever comes first."""
    text = b""
    while len(text) < limit and (chunk := os.read(fd, limit - len(text))):
        text += chunk
    os.close(fd)
    return text


class Logger(threading.Thread):
    def __init__(self, fd, path):
        super().__init__(daemon=True)
        self.fd = fd
        self.path = path

    def run(self):
        with open(self.path, "ab", buffering=0) as log:
            while chunk := os.read(self.fd, 65536):
                log.write(chunk)


def start(args, command, fds):
    """The program, with these descriptors of ours in these places."""
    pid = os.fork()
    if pid > 0:
        return pid
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for to, fd in fds.items():
            os.dup2(fd, to)
        for fd in args.closed:
            os.close(fd)
        os.chdir("/")
        os.execv(command[0], command)
    finally:
        os._exit(120)


def meaning(client, code, text):
    if code in client.announce and len(text) > 2:
        return text.partition(b"\0")[0].decode("latin-1")
    general = "Dqq permanent problem (#5.3.0)"
    if not 11 <= code <= 40:
        general = "Zqq temporary problem (#4.3.0)"
    return client.codes.get(code, general)


def call(args):
    """What the client makes of it: a letter and a text."""
    client = CLIENTS[args.client]
    text_fd = client.fd
    if client.moves:
        text_fd = int(os.environ.get("ERROR_FD", client.fd))
        if text_fd == -1:
            text_fd = None
    message, envelope, log, text = (high_pipe() for _ in range(4))
    fds = {0: message[0], 1: envelope[0], 2: log[1]}
    leaks = []
    for fd in args.leak:
        leaks.append(high_pipe())
        fds[fd] = leaks[-1][1]
    if text_fd is not None:
        fds[text_fd] = text[1]
    if args.deaf:
        os.close(text[0])
    pid = start(args, args.command, fds)
    for fd in (message[0], envelope[0], log[1], text[1]):
        os.close(fd)
    logger = Logger(log[0], args.log)
    logger.start()
    taken = send(message[1], args.message)
    taken = send(envelope[1], args.envelope) and taken
    heard = b""
    if text_fd is not None and not args.deaf:
        heard = read_text(text[0], client.limit)
    status = os.waitpid(pid, 0)[1]
    logger.join()
    if not os.WIFEXITED(status):
        return "Zqq crashed (#4.3.0)"
    code = os.WEXITSTATUS(status)
    if code == 0:
        return "K" if taken else client.codes[54]
    return meaning(client, code, heard)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", default=os.devnull)
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--leak", type=int, action="append", default=[])
    parser.add_argument("--closed", type=int, action="append", default=[])
    parser.add_argument("client", choices=CLIENTS)
    parser.add_argument("message")
    parser.add_argument("envelope")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda *_: os._exit(2))
    signal.alarm(300)
    answer = call(args)
    if answer == "K":
        print("K")
    else:
        # Its first byte says what it is, and is always dropped.
        letter = "D" if answer[:1] in ("D", "V", "S", "A") else "Z"
        print(letter, repr(answer[1:])[1:-1])


if __name__ == "__main__":
    sys.exit(main())
