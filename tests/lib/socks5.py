#!/usr/bin/python3
"""A SOCKS5 proxy (RFC 1928, RFC 1929) for one connection, for tests.

usage: socks5.py [--user USER PASS] RECORD

Listens on an ephemeral loopback port, prints it and a newline, takes one
client, connects to what it asks for, and passes bytes on until both sides are
done. RECORD gets the host and the port that were asked for, on one line. With
--user nobody else gets through.
"""

import contextlib
import socket
import sys
import threading

OPEN, PASSWORD, NONE = 0, 2, 0xFF


def read(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            sys.exit("the client went away")
        data += more
    return data


def text(sock):
    return read(sock, read(sock, 1)[0])


def greet(client, login):
    """Agrees on a method: may the client go on?"""
    assert read(client, 1) == b"\5"
    method = OPEN if login is None else PASSWORD
    if method not in text(client):
        client.sendall(bytes([5, NONE]))
        return False
    client.sendall(bytes([5, method]))
    if login is None:
        return True
    assert read(client, 1) == b"\1"
    good = [text(client).decode(), text(client).decode()] == login
    client.sendall(bytes([1, not good]))
    return good


def request(client):
    assert read(client, 3) == b"\5\1\0"
    kind = read(client, 1)[0]
    if kind == 3:
        host = text(client).decode()
    else:
        family, size = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[kind]
        host = socket.inet_ntop(family, read(client, size))
    return host, int.from_bytes(read(client, 2), "big")


def carry(source, target):
    with contextlib.suppress(ConnectionError):  # as if it had ended
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def main():
    args = sys.argv[1:]
    login = None
    if args[0] == "--user":
        login, args = args[1:3], args[3:]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        client, _ = listener.accept()
    if not greet(client, login):
        return
    host, port = request(client)
    with open(args[0], "w", encoding="ascii") as record:
        print(host, port, file=record)
    try:
        server = socket.create_connection((host, port))
    except OSError:
        client.sendall(b"\5\5\0\1" + bytes(6))  # connection refused
        return
    client.sendall(b"\5\0\0\1" + bytes(6))
    back = threading.Thread(target=carry, args=(server, client), daemon=True)
    back.start()
    carry(client, server)
    back.join()


main()
