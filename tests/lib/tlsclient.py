#!/usr/bin/python3
"""A client of one connection for tests of the fake servers, which shares no
code with ours.

usage: tlsclient.py [--ca FILE] [--crl FILE] [--name NAME] [--cert FILE]
                    [--key FILE] [--ciphers LIST] [--no-check] PORT STEP...

Steps, one an argument:

  send=TEXT    sends TEXT and CR LF
  line         prints a line
  tls          the handshake; prints `tls VERSION`, or `no tls: REASON`
  rest         prints what comes up to the end, and how it ends: `closed`,
               `cut` (TLS without close_notify)
  scram=HASH:USER:PASS
               logs in by AUTH SCRAM; prints `proved` or `not proved`
  end          close_notify, and the server's
  again        closes, and makes a new connection
"""

import argparse
import base64
import hashlib
import hmac
import socket
import ssl
import sys


def context_of(options):
    context = ssl.create_default_context(cafile=options.ca)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    if options.crl:
        context.load_verify_locations(options.crl)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if options.cert:
        context.load_cert_chain(options.cert, options.key)
    if options.no_check:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if options.ciphers:
        context.set_ciphers(options.ciphers)
    return context


class Client:
    def __init__(self, options):
        self.options = options
        self.sock = self.connect()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.options.port))

    def again(self):
        self.sock.close()
        self.sock = self.connect()

    def send(self, text):
        self.sock.sendall(text.encode() + b"\r\n")

    def read_line(self):
        # Byte by byte: what follows may be a handshake.
        line = b""
        while not line.endswith(b"\n"):
            byte = self.sock.recv(1)
            if not byte:
                break
            line += byte
        return line.rstrip(b"\r\n").decode()

    def line(self):
        print(self.read_line())

    def tls(self):
        try:
            self.sock = context_of(self.options).wrap_socket(
                self.sock, server_hostname=self.options.name,
                suppress_ragged_eofs=False)
        except OSError as why:
            print(f"no tls: {why}")
            return
        print(f"tls {self.sock.version()}")

    def rest(self):
        end = "closed"
        data = b""
        try:
            while got := self.sock.recv(65536):
                data += got
        except ssl.SSLError as why:
            end = "cut" if "EOF" in str(why) else str(why)
        sys.stdout.write(data.decode().replace("\r", ""))
        print(end)

    def end(self):
        self.sock = self.sock.unwrap()

    def challenge(self):
        return base64.b64decode(self.read_line().removeprefix("334 "))

    def answer(self, text, before=""):
        self.send(before + base64.b64encode(text).decode())

    def scram(self, value):
        algorithm, user, password = value.split(":")
        bare = f"n={user},r=abcdefghijklmnop".encode()
        name = algorithm.upper().replace("SHA", "SHA-")
        self.answer(b"n,," + bare, f"AUTH SCRAM-{name} ")
        first = self.challenge()
        parts = dict(part.split(b"=", 1) for part in first.split(b","))
        if not parts[b"r"].startswith(b"abcdefghijklmnop"):
            print("not proved")
            return
        salted = hashlib.pbkdf2_hmac(
            algorithm, password.encode(),
            base64.b64decode(parts[b"s"]), int(parts[b"i"]))
        plain = b"c=biws,r=" + parts[b"r"]
        text = b",".join([bare, first, plain])
        key = hmac.digest(salted, b"Client Key", algorithm)
        stored = hashlib.new(algorithm, key).digest()
        mask = hmac.digest(stored, text, algorithm)
        proof = bytes(a ^ b for a, b in zip(key, mask))
        self.answer(plain + b",p=" + base64.b64encode(proof))
        server = hmac.digest(
            hmac.digest(salted, b"Server Key", algorithm), text, algorithm)
        said = self.challenge()
        if said == b"v=" + base64.b64encode(server):
            print("proved")
            self.send("")
        else:
            print("not proved")
            self.send("*")


def main():
    arguments = argparse.ArgumentParser(
        usage=__doc__.partition("usage: ")[2].partition("\n\n")[0])
    arguments.add_argument("--ca")
    arguments.add_argument("--crl")
    arguments.add_argument("--name", default="localhost")
    arguments.add_argument("--cert")
    arguments.add_argument("--key")
    arguments.add_argument("--ciphers")
    arguments.add_argument("--no-check", action="store_true")
    arguments.add_argument("port", type=int)
    arguments.add_argument("step", nargs="+")
    options = arguments.parse_args()

    client = Client(options)
    for step in options.step:
        name, equals, value = step.partition("=")
        getattr(client, name)(*([value] if equals else []))


if __name__ == "__main__":
    main()
