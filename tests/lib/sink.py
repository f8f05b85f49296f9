#!/usr/bin/python3
"""An SMTP server (aiosmtpd) that keeps every message exactly as it came.

usage: sink.py [--messages N] [--timeout SECONDS] [--bind ADDRESS]
               [--no-smtputf8] [--size BYTES] [--cert FILE --key FILE]
               DIRECTORY

Listens on an ephemeral loopback port and prints the port number and a
newline on standard output. Message K (from 1) becomes, in DIRECTORY:

  K.eml   the bytes after DATA, dots undone, line ends as they came (CR LF)
  K.json  "mail_from" (empty: the null sender), "rcpt_tos" (list),
          "mail_options", "rcpt_options", "helo", "esmtp" (bool), "peer",
          "size"

K.json is renamed into place last: once it is there, both are complete. The
server's reply to the final dot is `250 2.0.0 kept as K`.

With a certificate STARTTLS is offered.

Exits 0 after N messages and the end of their sessions (default: no limit),
or on SIGTERM or SIGINT; exits 2 after --timeout seconds (default 300).
"""

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Keeper:
    def __init__(self, directory):
        self.directory = directory
        self.count = 0

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        base = os.path.join(self.directory, str(self.count))
        content = envelope.original_content
        with open(base + ".eml", "wb") as out:
            out.write(content)
        with open(base + ".tmp", "w", encoding="utf-8") as out:
            json.dump({
                "mail_from": envelope.mail_from.removeprefix("<>"),
                "rcpt_tos": envelope.rcpt_tos,
                "mail_options": envelope.mail_options,
                "rcpt_options": envelope.rcpt_options,
                "helo": session.host_name,
                "esmtp": session.extended_smtp,
                "peer": session.peer[0],
                "size": len(content),
            }, out, indent=1)
            out.write("\n")
        os.rename(base + ".tmp", base + ".json")
        return f"250 2.0.0 kept as {self.count}"


class Server(SMTP):
    """Tells when the last session that matters has ended."""

    def __init__(self, done, wanted, handler, **options):
        super().__init__(handler, **options)
        self.done, self.wanted = done, wanted

    def connection_lost(self, error):
        super().connection_lost(error)
        if self.wanted and self.event_handler.count >= self.wanted:
            self.done.set()


async def run(options):
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    handler = Keeper(options.directory)
    tls = None
    if options.cert:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.cert, options.key)
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, done.set)
    listener = await loop.create_server(
        lambda: Server(done, options.messages, handler,
                       enable_SMTPUTF8=not options.no_smtputf8,
                       data_size_limit=options.size, tls_context=tls,
                       hostname="sink.example", ident="sink", loop=loop),
        options.bind, 0)
    print(listener.sockets[0].getsockname()[1], flush=True)
    try:
        await asyncio.wait_for(done.wait(), options.timeout)
    except asyncio.TimeoutError:
        print("sink: timeout", file=sys.stderr)
        return 2
    listener.close()
    return 0


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("--messages", type=int, default=0)
    arguments.add_argument("--timeout", type=float, default=300)
    arguments.add_argument("--bind", default="127.0.0.1")
    arguments.add_argument("--no-smtputf8", action="store_true")
    arguments.add_argument("--size", type=int, default=64 << 20)
    arguments.add_argument("--cert")
    arguments.add_argument("--key")
    arguments.add_argument("directory")
    options = arguments.parse_args()
    if not os.path.isdir(options.directory):
        sys.exit(f"sink: {options.directory} is not a directory")
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
