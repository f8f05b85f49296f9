#!/usr/bin/python3
"""A name server for tests, on a port of the loopback that the system chooses.

usage: dnsserver.py ZONE-FILE [--proven]

The zone file is read again for every question. A line is

    NAME TYPE DATA      a record, as in a master file; several make a set
    NAME servfail       the answer for every type is SERVFAIL
    NAME refused        or REFUSED
    NAME drop           no answer at all
    NAME loop           a record whose name is compressed as itself
    NAME cut            truncated over UDP, and half of an answer over TCP
    NAME huge           2400 exchangers that are addresses, nearly 64 KB

What is not there does not exist (NXDOMAIN); a name that has only other types
has an empty answer. With --proven all answers say that they are (AD), to who
wants to know. Over UDP an answer that is too long for what the client
takes is truncated, so that it asks again over TCP.

The first line of output is the port, then a line `NAME TYPE PROTOCOL` for each
question.
"""

import socket
import socketserver
import struct
import sys
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

FAILURES = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED}
LOCK = threading.Lock()
PROVEN = "--proven" in sys.argv[2:]


def records(name):
    """TYPE and DATA of the lines for a name."""
    with open(sys.argv[1], encoding="utf-8") as zone:
        for line in zone:
            words = line.strip().split(None, 2)
            if words and words[0].rstrip(".").lower() == name:
                yield words[1].lower(), words[2] if len(words) > 2 else ""


def looped(query, full):
    """An answer to it with a pointer that points to itself."""
    kind = query.question[0].rdtype
    return (full[:6] + b"\0\1\0\0\0\0" + full[12:] +
            struct.pack("!HHHIH", 0xc000 + len(full), kind, 1, 60, 4) +
            b"\0\x0a\xc0\x0c")


def huge(name):
    """Exchangers for an answer that is as large as they get."""
    return dns.rrset.from_text(
        name, 60, "IN", "mx",
        *(f"{n} 192.0.{n // 250}.{n % 250}." for n in range(2400)))


def answer(wire, protocol):
    """The bytes of the answer, or None."""
    query = dns.message.from_wire(wire)
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    kind = dns.rdatatype.to_text(question.rdtype)
    with LOCK:
        print(name, kind, protocol, flush=True)
    response = dns.message.make_response(query, recursion_available=True)
    if PROVEN and query.flags & dns.flags.AD:
        response.flags |= dns.flags.AD
    found = list(records(name))
    if not found:
        response.set_rcode(dns.rcode.NXDOMAIN)
    for what, data in found:
        if what == "drop":
            return None
        if what == "loop":
            return looped(
                query, dns.message.make_response(query, True).to_wire()[
                    :12 + len(question.name.to_wire()) + 4])
        if what == "huge" and kind == "MX":
            response.answer.append(huge(question.name))
        if what in FAILURES:
            response.set_rcode(FAILURES[what])
        elif what in (kind.lower(), "cname"):
            response.answer.append(dns.rrset.from_text(
                question.name, 60, "IN", what, data))
    full = response.to_wire(max_size=65535)
    if "cut" in dict(found):
        response.flags |= dns.flags.TC
        return response.to_wire()
    size = max(query.payload, 512) if query.edns >= 0 else 512
    if protocol == "udp" and len(full) > size:
        response.answer.clear()
        response.flags |= dns.flags.TC
        full = response.to_wire()
    return full


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        reply = answer(data, "udp")
        if reply is not None:
            sock.sendto(reply, self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        head = self.rfile.read(2)
        if len(head) < 2:
            return
        reply = answer(self.rfile.read(struct.unpack("!H", head)[0]), "tcp")
        if reply is None:
            return
        head = struct.pack("!H", len(reply))
        if reply[2] & 2:  # truncated here as well
            reply = reply[:len(reply) // 2]
        self.wfile.write(head + reply)


def both_ports():
    """Servers for UDP and TCP on one port."""
    while True:
        tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
        try:
            return tcp, socketserver.ThreadingUDPServer(
                tcp.server_address, Udp)
        except OSError:
            tcp.server_close()


def main():
    if len(sys.argv) < 2 or sys.argv[2:] not in ([], ["--proven"]):
        sys.exit(__doc__.split("\n\n")[1])
    socket.setdefaulttimeout(60)
    tcp, udp = both_ports()
    tcp.daemon_threads = udp.daemon_threads = True
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    print(udp.server_address[1], flush=True)
    udp.serve_forever()


if __name__ == "__main__":
    main()
