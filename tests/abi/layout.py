"""Compares structs and constants of the public headers, compiled by the C compiler, with those that ctypes makes of
_ffi.py, and with tests/abi/layout.txt, which has sizes and offsets of members on a 64-bit machine, and values of
constants. Within a major version, lines of layout.txt may be added but not changed (docs/abi.md), except the size of a
struct that grows at its end.

    layout.py SOURCE_DIR CC [--write]     --write: make layout.txt anew
"""

import ctypes
import subprocess
import sys
import tempfile
from pathlib import Path

import bindings_ffi
from headers_text import Headers


def program(structs, constants):
    """Returns a C program that prints a line for every struct, member and constant."""
    lines = ["#include <stddef.h>", "#include <stdio.h>", "#include <dkvb/dkvb.h>", "#include <dkvb/mpi.h>",
             "#include <dkvb/reference.h>",
             "int main(void)", "{"]
    for struct, fields in structs.items():
        lines.append(f'    printf("{struct} %zu\\n", sizeof({struct}));')
        for field in fields:
            place, size = f"offsetof({struct}, {field})", f"sizeof((({struct} *)0)->{field})"
            lines.append(f'    printf("{struct}.{field} %zu %zu\\n", {place}, {size});')
    lines += [f'    printf("{name} %lld\\n", (long long){name});' for name in constants]
    return "\n".join([*lines, "    return 0;", "}", ""])


def by_compiler(cc, include, source):
    with tempfile.TemporaryDirectory() as directory:
        c_file, executable = Path(directory, "layout.c"), Path(directory, "layout")
        c_file.write_text(source, encoding="ascii")
        subprocess.run([cc, "-std=c11", f"-I{include}", str(c_file), "-o", str(executable)], check=True)
        return subprocess.run([str(executable)], check=True, capture_output=True, text=True).stdout.splitlines()


def by_ctypes(ffi, structs, constants):
    lines = []
    for name in structs:
        structure = ffi.STRUCTURES[name]
        lines.append(f"{name} {ctypes.sizeof(structure)}")
        for field, _ctype in structure._fields_:
            place = getattr(structure, field)
            lines.append(f"{name}.{field} {place.offset} {place.size}")
    return lines + [f"{name} {getattr(ffi, name, None)}" for name in constants]


def compare_stored(stored, lines):
    """Prints the lines of layout.txt that changed or are missing, and returns their number."""
    now = dict(line.split(" ", 1) for line in lines)
    differences = 0
    for line in stored.read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        grown = "." not in name and name in now and name.startswith("dkvb_") and int(now[name]) > int(value)
        if now.get(name) != value and not grown:
            print(f"{name}: {now.get(name, 'gone')}, {value} in {stored.name}: the ABI is broken")
            differences += 1
    missing = set(now) - {line.split(" ")[0] for line in stored.read_text(encoding="ascii").splitlines()}
    for name in sorted(missing):
        print(f"{name}: not in {stored.name}: add it with --write")
    return differences + len(missing)


def main(source, cc, write=None):
    source = Path(source)
    headers = Headers(source / "include")
    ffi = bindings_ffi.load(source / "bindings/python/dkvb/_ffi.py")
    structs, constants = headers.structs(), headers.constants()
    if set(structs) != set(ffi.STRUCTURES):
        print(f"structs that only one side has: {', '.join(sorted(set(structs) ^ set(ffi.STRUCTURES)))}")
        return 1
    c_lines = by_compiler(cc, source / "include", program(structs, constants))
    python_lines = by_ctypes(ffi, structs, constants)
    stored = source / "tests/abi/layout.txt"
    if write == "--write":
        stored.write_text("\n".join(c_lines) + "\n", encoding="ascii")
    differences = compare_stored(stored, c_lines) if ctypes.sizeof(ctypes.c_void_p) == 8 else 0
    for line in c_lines:
        if line not in python_lines:
            print(f"C:      {line}")
    for line in python_lines:
        if line not in c_lines:
            print(f"Python: {line}")
    print(f"{len(structs)} structs, {len(constants)} constants, {'equal' if c_lines == python_lines else 'different'}")
    return c_lines != python_lines or differences != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
