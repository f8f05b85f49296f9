#!/usr/bin/env python3
"""Makes a script of a guide, so that a test runs what the guide says.

    guide.py script GUIDE       a script for bash, which works where it stands
    guide.py match WANT GOT     is the text what was wanted?

Blocks of the guide, by what stands behind their fence:

    LANG file=NAME    the content of a file
    diff file=NAME    a patch to it
    sh run            commands; all of them run in one shell
    output            what the commands above it print; `...` is anything
"""
import re
import sys


def blocks(path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    return re.findall(r"^```([^\n]+)\n(.*?)^```$", text, flags=re.S | re.M)


def script(path):
    number = 0
    yield "set -e"
    for fence, body in blocks(path):
        lang, _, what = fence.partition(" ")
        if what.startswith("file="):
            target = what[len("file="):]
            tool = "patch -s" if lang == "diff" else "cat >"
            yield f"echo 'guide: {lang} {target}' >&2"
            yield f"{tool} {target} <<'END OF BLOCK'\n{body}END OF BLOCK"
        elif fence == "sh run":
            number += 1
            yield f"{{\n{body}}} >.got.{number}"
        elif fence == "output":
            yield f"cat >.want <<'END OF BLOCK'\n{body}END OF BLOCK"
            yield f'"$GUIDE" match .want .got.{number} >&2'


def match(want, got):
    with open(want, encoding="utf-8") as f:
        wanted = f.read()
    with open(got, encoding="utf-8") as f:
        text = f.read()
    pattern = ".*".join(re.escape(part) for part in wanted.split("..."))
    if re.fullmatch(pattern, text):
        return
    sys.exit(f"the guide says:\n{wanted}but this was printed:\n{text}")


def main():
    what, *paths = sys.argv[1:]
    if what == "script":
        for line in script(*paths):
            print(line)
    elif what == "match":
        match(*paths)
    else:
        sys.exit(__doc__)


main()
