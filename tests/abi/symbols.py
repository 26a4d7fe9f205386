"""Compares lists of functions that must agree: exported symbols, the version script, headers, docs/symbols.txt and the
prototypes of the Python bindings. libdkvb-reference and libdkvb-mpi have their own lists, which are compared if they
were built.

    symbols.py SOURCE_DIR NM LIBDKVB.SO [LIBDKVB-REFERENCE.SO]
"""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import bindings_ffi
from headers_text import Headers


def exported(library, nm):
    lines = subprocess.run([nm, "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
    fields = (line.split() for line in lines.splitlines())
    # In the output of nm, kind A is the version node itself, and a symbol is printed as name@@NODE.
    return {name.split("@")[0] for _address, kind, name in fields if kind != "A"}


def in_script(script):
    """Returns the symbols in a version script, which must be named one by one: a pattern would export symbols that are
    in no list."""
    text = script.read_text(encoding="ascii")
    return set(re.findall(r"^ +(\S+);$", text.partition("local:")[0], re.M))


def compare(name, found, wanted_name, wanted):
    """Prints one line for every difference between two lists, and returns the number of differences."""
    for symbol in sorted(found - wanted):
        print(f"{symbol}: in {name}, not in {wanted_name}")
    for symbol in sorted(wanted - found):
        print(f"{symbol}: in {wanted_name}, not in {name}")
    return len(found ^ wanted)


def ctypes_of(c_type, ffi):
    """Returns the ctypes type that a C type must have in PROTOTYPES."""
    scalars = {
        "void": None, "int": ctypes.c_int, "size_t": ctypes.c_size_t, "dkvb_status": ffi.Status,
        "uint8_t": ctypes.c_uint8, "uint16_t": ctypes.c_uint16, "uint32_t": ctypes.c_uint32,
        "uint64_t": ctypes.c_uint64, "int8_t": ctypes.c_int8, "int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64,
        "float": ctypes.c_float, "double": ctypes.c_double,
        "dkvb_codebooks": ffi.Codebooks, "dkvb_codeset": ffi.Codeset, "dkvb_encoder": ffi.Encoder,
        "dkvb_part_fn": ffi.PartFn, "dkvb_stage_fn": ffi.StageFn, "dkvb_trace_fn": ffi.TraceFn, "dkvb_trial_fn": ffi.TrialFn,
        "dkvb_unreadable_fn": ffi.UnreadableFn,
        "dkvb_imageset": ffi.Imageset, "dkvb_live": ffi.Live, "dkvb_plan": ffi.Plan, "dkvb_service": ffi.Service,
        "dkvb_table": ffi.Table, "dkvb_mask": ffi.Mask, "dkvb_model": ffi.Model, "dkvb_mpi": ffi.Mpi,
        "dkvb_reference": ffi.Reference, **ffi.STRUCTURES,
    }
    if c_type in ("const char*", "char*"):
        return ctypes.c_char_p
    if c_type == "const char*const*":
        return ctypes.POINTER(ctypes.c_char_p)
    if c_type in ("const void*", "void*"):
        return ctypes.c_void_p
    base = c_type.replace("const ", "").rstrip("*")
    result = scalars[base]
    for _ in range(c_type.count("*")):
        result = ctypes.POINTER(result)
    return result


def compare_prototypes(functions, prototypes, ffi):
    differences = 0
    for name, (result, arguments) in functions.items():
        wanted = (ctypes_of(result, ffi), tuple(ctypes_of(argument, ffi) for argument in arguments))
        found = prototypes.get(name)
        if found is not None and found != wanted:
            print(f"{name}: {found} in _ffi.py, {wanted} by the headers")
            differences += 1
    return differences


def compare_library(functions, prototypes, ffi, lists, library, nm):
    """Compares all lists of one library with its headers; `library` is None if the library was not built."""
    listing, script = lists
    listed = listing.read_text(encoding="ascii").splitlines()
    differences = 0
    if listed != sorted(set(listed)):
        print(f"{listing}: not sorted, or a symbol is there twice")
        differences += 1
    headers = set(functions)
    if library:
        differences += compare(Path(library).name, exported(library, nm), "include/dkvb", headers)
    differences += compare(f"docs/{listing.name}", set(listed), "include/dkvb", headers)
    differences += compare(script.name, in_script(script), "include/dkvb", headers)
    differences += compare("_ffi.py", set(prototypes), "include/dkvb", headers)
    return differences + compare_prototypes(functions, prototypes, ffi)


def main(source, nm, library, *others):
    """Compares the lists of libdkvb and of `others`, the libraries beside libdkvb that were built."""
    source = Path(source)
    ffi = bindings_ffi.load(source / "bindings/python/dkvb/_ffi.py")
    headers = Headers(source / "include")
    functions, beside = headers.functions(), 0
    lists = source / "docs/symbols.txt", source / "lib/libdkvb.map"
    differences = compare_library(functions, ffi.PROTOTYPES, ffi, lists, library, nm)
    for name, folder, prototypes in (("reference", "lib/reference", ffi.REFERENCE_PROTOTYPES),
                                     ("mpi", "lib/mpi", ffi.MPI_PROTOTYPES)):
        lists_beside = source / f"docs/symbols-{name}.txt", source / folder / f"libdkvb-{name}.map"
        built = next((other for other in others if f"libdkvb-{name}." in other), None)
        found = headers.functions(name)
        differences += compare_library(found, prototypes, ffi, lists_beside, built, nm)
        beside += len(found)
    print(f"{len(functions)} functions, {beside} of libraries beside it, {differences} differences")
    return differences != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
