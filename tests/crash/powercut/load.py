"""Clients that put messages in until the power is cut, and remember what they
were told. Their memory is not on the disk."""

import os
import threading
import time

PATIENCE = 300  # seconds after which something has failed


class Counter:
    """Counts what happens, and lets one wait for it."""

    def __init__(self):
        self.n = 0
        self.changed = threading.Condition()

    def add(self, n=1):
        with self.changed:
            self.n += n
            self.changed.notify_all()

    def wait_for(self, n, until=lambda: False):
        """True: that many happened, or it is over; False: in vain."""
        with self.changed:
            return self.changed.wait_for(lambda: self.n >= n or until(),
                                         timeout=PATIENCE)

    def poke(self):
        with self.changed:
            self.changed.notify_all()


class Load:
    """So many clients at once, each with one message at a time: mails from
    `first` on, at most `most` of them."""

    def __init__(self, submit, maker, first, clients, most):
        self.submit, self.maker = submit, maker
        self.next, self.end = first, first + most
        self.most = most
        self.begun, self.codes = set(), {}
        self.accepted = set()  # while there was power
        self.late = set()      # accepted, but by then it was gone
        self.power = True
        self.acknowledged = Counter()
        self.lock = threading.Lock()
        self.left = clients
        self.threads = [threading.Thread(target=self._client)
                        for _ in range(clients)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def _take(self):
        with self.lock:
            if self.next >= self.end:
                return None
            self.next += 1
            self.begun.add(self.next - 1)
            return self.next - 1

    def _client(self):
        try:
            while (number := self._take()) is not None:
                code = self.submit(self.maker.make(number))
                with self.lock:
                    self.codes[number] = code
                    if code == 0:
                        (self.accepted if self.power else
                         self.late).add(number)
                if code == 0:
                    self.acknowledged.add()
        finally:
            with self.lock:
                self.left -= 1
            self.acknowledged.poke()

    def over(self):
        return self.left == 0

    def stop(self):
        """The power goes: nobody begins another message."""
        with self.lock:
            self.power = False
            self.end = self.next

    def join(self, patience):
        """Waits so many seconds for the clients; False: some still wait for
        an answer."""
        end = time.monotonic() + patience
        for thread in self.threads:
            thread.join(max(0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self.threads)


class Events(threading.Thread):
    """Counts the lines that come through a FIFO, until close()."""

    def __init__(self, path):
        super().__init__(daemon=True)
        os.mkfifo(path)
        self.path = path
        self.fd = os.open(path, os.O_RDWR)
        self.seen = Counter()

    def run(self):
        while b"close" not in (some := os.read(self.fd, 65536)):
            self.seen.add(some.count(b"\n"))

    def close(self):
        os.write(self.fd, b"close\n")
        self.join()
        os.close(self.fd)
        os.unlink(self.path)
