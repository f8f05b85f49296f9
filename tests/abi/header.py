#!/usr/bin/env python3
"""What a plugin header declares, for the tests of its growth.

    header.py members HEADER        STRUCT MEMBER DECLARATION, a line each
    header.py macros HEADER         NAME VALUE, a line each
    header.py table HEADER CC...    the lines of tests/abi/offsets-1.N.h

The header is read as text, in the style that clang-format leaves it in. The
table comes from the compiler CC, which must know -m32; nothing is run.
"""
import re
import subprocess
import sys
import tempfile

ALSO = [("qf_span", "p", ""), ("qf_span", "n", "")]  # of qfront/span.h


def read(path):
    with open(path, encoding="ascii") as f:
        text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
    return text.replace("\\\n", " ")


def declarators(text):
    """Members of one declaration: (name, declaration)."""
    text = " ".join(text.split())
    function = re.match(r".*\(\*(\w+)\)\(", text)
    if function:
        return [(function[1], text)]
    first, *others = text.split(",")
    kind = re.match(r"(.*?)(\**\w+(\[\w+\])?)$", first)
    names = [kind[2]] + [other.strip() for other in others]
    return [(re.search(r"\w+", n)[0], kind[1] + n) for n in names]


def members(path):
    code = re.sub(r"^\s*#.*$", "", read(path), flags=re.M)
    for struct, body in re.findall(r"^struct (\w+) \{(.*?)^\};", code,
                                   flags=re.S | re.M):
        for text in body.split(";"):
            if text.strip():
                for name, declaration in declarators(text):
                    yield struct, name, declaration


def macros(path):
    for name, value in re.findall(r"^#define (\w+)(?:\([^)]*\))?[ \t]*(.*)$",
                                  read(path), flags=re.M):
        yield name, " ".join(value.split())


def measure(path, compiler, wide, rows):
    """Offsets and sizes as a compiler sees them: sizes of symbols."""
    source = ['#include "%s"' % path]
    for i, (struct, member) in enumerate(rows):
        what = (f"offsetof(struct {struct}, {member})" if member
                else f"sizeof(struct {struct})")
        source.append(f"char qf_row_{i}[{what} + 1] = {{1}};")
    with tempfile.NamedTemporaryFile(suffix=".o") as out:
        subprocess.run([*compiler, "-m64" if wide else "-m32",
                        "-ffreestanding", "-x", "c", "-c", "-o", out.name,
                        "-"], input="\n".join(source) + "\n", text=True,
                       check=True)
        names = subprocess.run(["nm", "-S", out.name], text=True, check=True,
                               stdout=subprocess.PIPE).stdout
    found = {int(row): int(size, 16) - 1 for size, row in
             re.findall(r"^\w+ (\w+) \w qf_row_(\d+)$", names, re.M)}
    return [found[i] for i in range(len(rows))]


def table(path, compiler):
    rows = []
    for struct, member, _ in ALSO + list(members(path)):
        if (struct, "") not in rows:
            rows.append((struct, ""))
        rows.append((struct, member))
    both = zip(rows, measure(path, compiler, True, rows),
               measure(path, compiler, False, rows))
    for (struct, member), wide, narrow in both:
        if member:
            yield f"QF_OFFSET({struct}, {member}, {wide}, {narrow})"
        else:
            yield f"QF_SIZE({struct}, {wide}, {narrow})"


def main():
    what, path, *compiler = sys.argv[1:]
    if what == "members":
        lines = ("\t".join(row) for row in members(path))
    elif what == "macros":
        lines = ("\t".join(row) for row in macros(path))
    elif what == "table":
        lines = table(path, compiler)
    else:
        sys.exit(__doc__)
    for line in lines:
        print(line)


main()
