"""Makes the table of lib/base/unicode.c from Python's copy of the Unicode character database.

    table.py           print lib/base/unicode_table.h
    table.py HEADER    check that HEADER is what would be printed for the characters it knows

Unicode never changes the canonical decomposition of a character, so a newer database only adds lines to the table.
Compatibility ideographs (two blocks with a thousand characters) are left out, as no file system changes them.
"""

import re
import sys
import unicodedata

LEFT_OUT = ((0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
PER_LINE = 4


def decompositions():
    for code in range(0x110000):
        text = unicodedata.decomposition(chr(code))
        if not text or text.startswith("<") or any(low <= code <= high for low, high in LEFT_OUT):
            continue
        parts = [int(part, 16) for part in text.split()]
        yield code, parts[0], parts[1] if len(parts) > 1 else 0


def classes():
    """Returns ranges of neighbouring characters with the same combining class."""
    ranges = []
    for code in range(0x110000):
        number = unicodedata.combining(chr(code))
        if not number:
            continue
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == number:
            ranges[-1][1] = code
        else:
            ranges.append([code, code, number])
    return ranges


def lines(items, form):
    items = [form % tuple(item) for item in items]
    for i in range(0, len(items), PER_LINE):
        yield "    " + " ".join(item + "," for item in items[i:i + PER_LINE])


def header():
    out = [f"/* Unicode {unicodedata.unidata_version}: made by tests/unicode/table.py. */",
           "/* clang-format off */",
           "/* A character, and the one or two characters that it is equal to; sorted. */",
           "static const struct decomposition decompositions[] = {",
           *lines(decompositions(), "{0x%04X, 0x%04X, 0x%04X}"),
           "};",
           "/* The first and last character of a range of combining characters, and their class; sorted. */",
           "static const struct combining combinings[] = {",
           *lines(classes(), "{0x%04X, 0x%04X, %d}"),
           "};",
           "/* clang-format on */",
           ""]
    return "\n".join(out)


def main():
    if len(sys.argv) == 1:
        print(header(), end="")
        return
    text = open(sys.argv[1], encoding="ascii").read()
    rows = [[int(value, 0) for value in row.split(",")] for row in re.findall(r"\{(0x[^{}]*)\}", text)]
    have = {tuple(row) for row in rows if len(row) == 3}
    missing = [row for row in decompositions() if row not in have]
    if missing:
        sys.exit(f"{sys.argv[1]}: {len(missing)} decompositions are missing or wrong, first U+{missing[0][0]:04X}")
    print(f"{len(have)} lines")


main()
