"""bench/sink, and what it says of its clients."""

import dataclasses
import select
import subprocess

import world


@dataclasses.dataclass
class Seen:
    """Since it was asked before."""

    messages: int
    bytes: int
    connections: int
    handshakes: int
    resumed: int
    flights: int
    us: int

    @property
    def full(self):
        """Handshakes with certificates."""
        return self.handshakes - self.resumed


class Sink:
    """--option number for each option; it ends with close(), or with this
    process."""

    def __init__(self, program, certificate, key, **options):
        self._process = subprocess.Popen(
            [program, *(word for name, value in options.items()
                        for word in (f"--{name}", str(value))),
             certificate, key],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self._line().split()[1])

    def _line(self):
        pipe = self._process.stdout
        if not select.select([pipe], [], [], world.PATIENCE)[0]:
            raise world.Failed("sink: it waits for messages that do not come")
        line = pipe.readline().decode()
        if not line:
            raise world.Failed("sink: it has ended")
        return line

    def ask(self, messages):
        """Waits for so many: what was seen."""
        self._process.stdin.write(b"%d\n" % messages)
        self._process.stdin.flush()
        words = self._line().split()
        return Seen(**dict(zip(words[::2], map(int, words[1::2]))))

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def make_certificate(folder):
    """Of 127.0.0.1, by itself: the names of its file and that of its key."""
    certificate, key = f"{folder}/certificate.pem", f"{folder}/key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=sink.example",
         "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, stderr=subprocess.DEVNULL)
    return certificate, key
