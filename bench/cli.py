"""What the command lines of all benchmarks have in common."""

import argparse
import json
import os
import signal
import sys

import report
import world


def parser(usage):
    """usage: the documentation of the program, after its first paragraph."""
    p = argparse.ArgumentParser(usage=usage.split("\n\n", 1)[1])
    p.add_argument("--quick", action="store_true")
    p.add_argument("--json")
    p.add_argument("--save")
    p.add_argument("--seed", type=int, default=1)
    return p


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def start(name, args, places):
    """The result without what is measured."""
    return {"benchmark": name, "version": 1,
            "origin": report.origin(places.source), "quick": args.quick,
            "seed": args.seed}


def main(name, args, measure, text):
    """measure: args to a result; text: that to the lines of a report."""
    # No daemon stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        result = measure(args)
    except world.Failed as e:
        sys.exit(f"bench/{name}: {e}")
    lines = "\n".join(text(result)) + "\n"
    records = json.dumps(result, indent=1) + "\n"
    print(lines, end="")
    if args.json:
        write(args.json, records)
    if args.save:
        write(os.path.join(args.save, f"{name}.txt"), lines)
        write(os.path.join(args.save, f"{name}.json"), records)
