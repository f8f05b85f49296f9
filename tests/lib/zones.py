#!/usr/bin/python3
"""Signed zones for tests, served by nsd on a port of the loopback.

usage: zones.py DESCRIPTION FOLDER

The description is made of lines

    zone NAME [signed] [lame]   the lines that follow are in this zone
    tamper OLD NEW              in the signed zone OLD becomes NEW
    NAME TYPE DATA              a record; names are relative to the zone

SOA, NS and what delegates to the zones below are added. A zone that is signed
has its DS record in the zone above, if there is one and it is signed; `lame`
gives it one that no key has. A zone `missing` is known to nsd, but there is no
file of it: its names are SERVFAIL. FOLDER/anchor gets the keys of the signed
zones that have no zone above: a file for resolvers.

The first line of output is the port. It ends with SIGTERM or SIGINT.
"""

import glob
import os
import signal
import socket
import subprocess
import sys

import dns.message
import dns.query

PATIENCE = 60  # seconds, met only by a failure
TTL = 60


class Zone:
    def __init__(self, name, flags):
        self.name = name
        self.signed = "signed" in flags
        self.lame = "lame" in flags
        self.missing = "missing" in flags
        self.records = []
        self.tampers = []
        self.keys = None

    def above(self, zones):
        """The closest zone above this one, or None."""
        found = [z for z in zones if z is not self and
                 self.name.endswith("." + z.name)]
        return max(found, key=lambda z: len(z.name), default=None)


def read(path):
    zones = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "zone":
                zones.append(Zone(words[1], words[2:]))
            elif words[0] == "tamper":
                zones[-1].tampers.append(words[1:3])
            else:
                zones[-1].records.append(line.strip())
    return zones


def run(*command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stdout}")
    return done.stdout.strip()


def delegate(zone, parent, folder):
    """What the zone above says of this one."""
    relative = zone.name[:-len(parent.name) - 1]
    parent.records.append(f"{relative} NS ns.{zone.name}.")
    parent.records.append(f"ns.{relative} A 127.0.0.1")
    if not zone.signed or not parent.signed:
        return
    with open(f"{folder}/{zone.keys}.ds", encoding="ascii") as file:
        data = file.read().split("DS")[1].split()
    if zone.lame:
        data[3:] = ["0" * 64]
    parent.records.append(f"{relative} DS {' '.join(data)}")


def write(zone, folder):
    path = f"{folder}/{zone.name}.zone"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"$ORIGIN {zone.name}.\n$TTL {TTL}\n"
                   f"@ SOA ns hostmaster 1 3600 600 86400 {TTL}\n"
                   "@ NS ns\nns A 127.0.0.1\n")
        for record in zone.records:
            file.write(record + "\n")
    if not zone.signed:
        return
    run("ldns-signzone", "-f", path + ".signed", path, zone.keys,
        folder=folder)
    with open(path + ".signed", encoding="utf-8") as file:
        text = file.read()
    for old, new in zone.tampers:
        if old not in text:
            sys.exit(f"{zone.name}: nothing to tamper with: {old}")
        text = text.replace(old, new)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def make(zones, folder):
    for zone in zones:
        if zone.signed:
            zone.keys = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k",
                            zone.name + ".", folder=folder)
    for zone in zones:
        parent = zone.above(zones)
        if parent is not None:
            delegate(zone, parent, folder)
    with open(f"{folder}/anchor", "w", encoding="ascii") as anchors:
        for zone in zones:
            if zone.missing:
                continue
            write(zone, folder)
            if zone.signed and zone.above(zones) is None:
                with open(f"{folder}/{zone.keys}.key",
                          encoding="ascii") as key:
                    anchors.write(key.read())


def free_port():
    """A port that is free for UDP and TCP just now."""
    while True:
        with socket.socket() as tcp, socket.socket(
                type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
                return tcp.getsockname()[1]
            except OSError:
                continue


def configure(zones, folder, port):
    with open(f"{folder}/nsd.conf", "w", encoding="utf-8") as conf:
        conf.write(f"""server:
    server-count: 1
    ip-address: 127.0.0.1
    port: {port}
    username: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: ""
    logfile: "{folder}/nsd.log"
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    xfrdir: "{folder}"
remote-control:
    control-enable: no
""")
        for zone in zones:
            conf.write(f'zone:\n    name: "{zone.name}"\n'
                       f'    zonefile: "{zone.name}.zone"\n')


def answers(zone, port):
    """Does nsd answer now?"""
    query = dns.message.make_query(zone.name + ".", "SOA")
    try:
        dns.query.udp(query, "127.0.0.1", port=port, timeout=0.5)
        return True
    except (dns.exception.Timeout, OSError):
        return False


def start(zones, folder):
    """nsd and its port; another one if somebody was faster."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    for _ in range(5):
        port = free_port()
        configure(zones, folder, port)
        nsd = subprocess.Popen(
            ["nsd", "-d", "-c", f"{folder}/nsd.conf"],
            env=dict(os.environ, PATH=path),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        for _ in range(2 * PATIENCE):
            if nsd.poll() is not None:
                break
            if answers(zones[0], port):
                return nsd, port
        nsd.kill()
        nsd.wait()
    with open(f"{folder}/nsd.log", encoding="utf-8") as log:
        sys.exit("nsd does not start: " + log.read())


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = os.path.abspath(sys.argv[2])
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(f"{folder}/*"):
        os.unlink(old)
    zones = read(sys.argv[1])
    make(zones, folder)
    nsd, port = start(zones, folder)
    try:
        print(port, flush=True)
        nsd.wait()
    except KeyboardInterrupt:
        pass
    finally:
        nsd.terminate()
        nsd.wait()


if __name__ == "__main__":
    main()
