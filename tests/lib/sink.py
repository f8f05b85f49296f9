#!/usr/bin/python3
"""An SMTP server (aiosmtpd) that keeps every message exactly as it came.

usage: sink.py [--messages N] [--timeout SECONDS] [--bind ADDRESS]
               [--port PORT] [--no-smtputf8] [--size BYTES] [--line BYTES]
               [--cert PEM --key PEM [--user NAME --password WORD]] DIRECTORY

Listens on a loopback port, an ephemeral one by default, and prints its number
and a newline on standard output. Message K (from 1) becomes, in DIRECTORY:

  K.eml   the bytes after DATA, dots undone, line ends as they came (CR LF)
  K.json  "mail_from" (empty: the null sender), "rcpt_tos" (list),
          "mail_options", "rcpt_options", "helo", "esmtp" (bool), "peer",
          "size", "authenticated" (bool)

K.json is renamed into place last: once it is there, both are complete. The
server's reply to the final dot is `250 2.0.0 kept as K`.

Lines may have 1001 bytes, or as many as --line says. With --cert it offers
STARTTLS, and after that a login, if there is a user.

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

from aiosmtpd.smtp import SMTP, AuthResult


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
                "authenticated": bool(session.authenticated),
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


def tls_context(options):
    if options.cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    return context


def authenticator(options):
    """A function that knows one login; aiosmtpd calls it with five arguments,
    the last two of which are the mechanism and what the client said."""
    def check(*arguments):
        said = arguments[-1]
        return AuthResult(success=(said.login, said.password) == (
            options.user.encode(), options.password.encode()))
    return check


async def run(options):
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    handler = Keeper(options.directory)
    for sig in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sig, done.set)
    login = {} if options.user is None else {
        "authenticator": authenticator(options)}
    context = tls_context(options)
    Server.line_length_limit = options.line
    listener = await loop.create_server(
        lambda: Server(done, options.messages, handler,
                       enable_SMTPUTF8=not options.no_smtputf8,
                       data_size_limit=options.size, tls_context=context,
                       hostname="sink.example", ident="sink", loop=loop,
                       **login),
        options.bind, options.port)
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
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--no-smtputf8", action="store_true")
    arguments.add_argument("--size", type=int, default=64 << 20)
    arguments.add_argument("--line", type=int, default=1001)
    arguments.add_argument("--cert")
    arguments.add_argument("--key")
    arguments.add_argument("--user")
    arguments.add_argument("--password")
    arguments.add_argument("directory")
    options = arguments.parse_args()
    if not os.path.isdir(options.directory):
        sys.exit(f"sink: {options.directory} is not a directory")
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
