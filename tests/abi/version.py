"""Test that the version is the same everywhere: in the numbers and the text of version.h, the soname, the version node
of each symbol, and the major version that the Python bindings load.

    version.py SOURCE_DIR READELF LIBDKVB.SO [LIBDKVB-REFERENCE.SO]
"""

import re
import subprocess
import sys
from pathlib import Path

import bindings_ffi


def readelf(program, option, library):
    return subprocess.run([program, "-W", option, library], check=True, capture_output=True, text=True).stdout


def check_header(text):
    """(major, complaints)"""
    numbers = [re.search(rf"#define DKVB_VERSION_{part} (\d+)$", text, re.M).group(1)
               for part in ("MAJOR", "MINOR", "PATCH")]
    said = re.search(r'#define DKVB_VERSION_STRING "([^"]*)"', text).group(1)
    complaints = []
    if not re.fullmatch(re.escape(".".join(numbers)) + r"(-rc[1-9]\d*)?", said):
        complaints.append(f"version.h: the text is {said}, the numbers say {'.'.join(numbers)}")
    return int(numbers[0]), complaints


def check_library(program, library, name, node, major):
    soname = re.search(r"\(SONAME\).*\[(.*)\]", readelf(program, "-d", library))
    if not soname or soname.group(1) != f"{name}.so.{major}":
        yield f"{library}: the soname is {soname and soname.group(1)}, not {name}.so.{major}"
    symbols = re.findall(r"\b(dkvb_\w+)(@@\S+)?$", readelf(program, "--dyn-syms", library), re.M)
    if not symbols:
        yield f"{library}: no symbol found"
    for symbol, version in symbols:
        if not re.fullmatch(rf"@@{node}_{major}\.\d+", version):
            yield f"{library}: {symbol} has the version '{version}', not @@{node}_{major}.…"


def main(source, program, library, *others):
    """Checks the versions of libdkvb and of `others`, the libraries beside libdkvb that were built."""
    source = Path(source)
    major, complaints = check_header((source / "include/dkvb/version.h").read_text(encoding="utf-8"))
    asked = bindings_ffi.load(source / "bindings/python/dkvb/_ffi.py").ABI_MAJOR
    if asked != major:
        complaints.append(f"_ffi.py: ABI_MAJOR is {asked}, version.h says {major}")
    complaints += check_library(program, library, "libdkvb", "DKVB", major)
    for other in others:
        name = "mpi" if "libdkvb-mpi." in other else "reference"
        complaints += check_library(program, other, f"libdkvb-{name}", f"DKVB_{name.upper()}", major)
    for complaint in complaints:
        print(complaint)
    print(f"major version {major}: {len(complaints)} complaints")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
