"""Checks the layout of structs on a machine with 32-bit pointers: tests/abi/layout32.txt has the sizes and offsets of
members for Debian's armhf. clang compiles the headers for armhf without a C library, and the numbers are read from the
assembly, so no such machine is needed. The rules for changes are those for layout.txt (see layout.py).

    layout32.py SOURCE_DIR CLANG [--write]     --write: make layout32.txt anew
"""

import re
import subprocess
import sys
from pathlib import Path

from headers_text import Headers
from layout import compare_stored

TARGET = ["-target", "arm-linux-gnueabihf", "-ffreestanding", "-nostdlibinc", "-std=c11"]


def program(structs):
    """Returns C source with one array of numbers: for each struct its size, then the offset and size of each member."""
    numbers = []
    for struct, fields in structs.items():
        numbers.append(f"sizeof({struct})")
        for field in fields:
            numbers += [f"offsetof({struct}, {field})", f"sizeof((({struct} *)0)->{field})"]
    return "\n".join(["#include <stddef.h>", "#include <dkvb/dkvb.h>", "#include <dkvb/mpi.h>",
                      "#include <dkvb/reference.h>",
                      "const unsigned numbers[] = {" + ",\n".join(numbers) + "};", ""])


def lines_of(structs, numbers):
    numbers = iter(numbers)
    for struct, fields in structs.items():
        yield f"{struct} {next(numbers)}"
        for field in fields:
            yield f"{struct}.{field} {next(numbers)} {next(numbers)}"
    if list(numbers):
        raise SystemExit("layout32: the assembly has more numbers than were asked for")


def main(source, clang, write=None):
    source = Path(source)
    structs = Headers(source / "include").structs()
    done = subprocess.run([clang, *TARGET, f"-I{source / 'include'}", "-x", "c", "-S", "-o", "-", "-"],
                          input=program(structs), text=True, capture_output=True)
    if done.returncode != 0 and "No available targets" in done.stderr:
        print(f"skipped: {clang} does not compile for arm")
        return 77
    if done.returncode != 0:
        print(done.stderr)
        return 1
    array = done.stdout.partition("\nnumbers:\n")[2]
    lines = list(lines_of(structs, re.findall(r"^\t\.long\t(\d+)", array, re.M)))
    stored = source / "tests/abi/layout32.txt"
    if write == "--write":
        stored.write_text("\n".join(lines) + "\n", encoding="ascii")
    differences = compare_stored(stored, lines)
    print(f"{len(structs)} structs, {differences} differences")
    return differences != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
