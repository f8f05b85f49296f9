#!/usr/bin/python3
"""Reads OpenMetrics text as its specification (version 1.0) has it, and prints
each sample as `name{labels} value`, the labels sorted. Ends with 1 and the
reason when the text is not valid.

usage: openmetrics.py <TEXT
"""

import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(r"(%s)(\{.*\})? (\S+)$" % NAME)
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SUFFIXES = {"counter": ["_total", "_created"], "gauge": [""],
            "histogram": ["_bucket", "_sum", "_count", "_created"]}


def labels(text):
    found = {}
    at = 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, "labels: " + text
        assert match[1] not in found, "twice: " + match[1]
        found[match[1]] = match[2]
        at = match.end()
    return found


def check_histogram(name, buckets, count):
    """Of one set of labels: cumulative, up to +Inf, which is the count."""
    limits = [float(le) for le, _ in buckets]
    values = [value for _, value in buckets]
    assert limits == sorted(limits) and limits[-1] == float("inf"), name
    assert values == sorted(values), name + ": not cumulative"
    assert count == values[-1], name + ": count is not that of +Inf"


def main():
    lines = sys.stdin.read()
    assert lines.endswith("# EOF\n"), "no EOF"
    families, seen, family = {}, set(), None
    buckets, counts = {}, {}
    for line in lines.splitlines()[:-1]:
        if line.startswith("# "):
            kind, name, rest = line[2:].split(" ", 2)
            assert kind in ("TYPE", "UNIT", "HELP"), line
            if name != family:
                assert name not in families, "in two places: " + name
                families[name], family = {}, name
            assert kind not in families[name], line
            families[name][kind] = rest
            assert kind != "UNIT" or name.endswith("_" + rest), line
            continue
        match = SAMPLE.match(line)
        assert match, "no sample: " + line
        name, value = match[1], float(match[3])
        suffix = name[len(family):]
        assert name.startswith(family) and \
            suffix in SUFFIXES[families[family]["TYPE"]], line
        by = labels((match[2] or "{}")[1:-1])
        key = (name, tuple(sorted(by.items())))
        assert key not in seen, "twice: " + line
        seen.add(key)
        le = by.pop("le", None)
        group = (family, tuple(sorted(by.items())))
        if suffix == "_bucket":
            buckets.setdefault(group, []).append((le, value))
        elif suffix == "_count":
            counts[group] = value
        print("%s{%s} %s" % (name, ",".join(
            '%s="%s"' % pair for pair in key[1]), match[3]))
    for group, found in buckets.items():
        check_histogram(group[0], found, counts[group])


try:
    main()
except AssertionError as error:
    sys.exit("openmetrics.py: %s" % error)
