"""Checks which source files may include which others, and that the library never calls some C functions, by the rules
of lib/README.md.

    layers.py SOURCE_DIR
"""

import re
import sys
from pathlib import Path

from headers_text import without_comments

# Files in a folder of lib/ may include only files of this folder and of the folders left of it in its row.
ROWS = (
    ("base", "kernels", "bottleneck", "unlearn", "format", "receipt"),
    ("base", "kernels", "bottleneck", "unlearn", "audit"),
    ("base", "kernels", "bottleneck", "unlearn", "fit"),
    ("base", "kernels", "data", "encoder"),
    ("base", "kernels", "data", "serve"),
    ("base", "reference"),
    ("base", "mpi"),
)
FOLDERS = {folder for row in ROWS for folder in row}
ALLOWED = {folder: set(row[:row.index(folder) + 1]) for row in ROWS for folder in row}

# Functions that the library must not call: it may not write to the terminal or end the process, and takes memory only
# from its allocator.
BANNED = ("printf", "fprintf", "vprintf", "vfprintf", "puts", "fputs", "putchar", "perror", "exit", "_exit", "abort",
          "malloc", "calloc", "realloc", "free", "strdup", "strcpy", "strcat", "sprintf", "vsprintf", "gets", "atoi",
          "atol", "atof", "system", "signal")
# Calls that one file may make: dkvb_mpi_end() prints the error line of a job, and a rank that lost the others would wait
# in MPI for ever if its process did not end.
MAY_CALL = {"base/alloc.c": {"malloc", "calloc", "free"}, "mpi/job.c": {"fprintf"}, "mpi/watch.c": {"_exit"}}

PUBLIC_USERS = ("src", "examples", "bindings")


def sources(directory):
    return sorted(path for path in directory.rglob("*") if path.suffix in (".c", ".h", ".cpp", ".cc"))


def code_of(path):
    """Returns the text of a C file without comments and string contents, but with the names in #include lines."""
    text = without_comments(path.read_text(encoding="utf-8"))
    lines = (line if "#include" in line else re.sub(r'"(?:\\.|[^"\\])*"', '""', line) for line in text.splitlines())
    return "\n".join(lines)


def includes(code):
    """Returns (angle bracket or quote, name) of every #include."""
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', code, re.MULTILINE)


def check_layer(path, lib):
    """Returns the wrong includes of one file in lib/, as messages."""
    folder = path.relative_to(lib).parts[0]
    if folder not in FOLDERS:
        yield f"{path}: no layer: the folders of lib/ are {', '.join(sorted(FOLDERS))}"
        return
    for _bracket, name in includes(code_of(path)):
        other = name.split("/")[0] if "/" in name else None
        if ".." in Path(name).parts:
            yield f"{path}: includes {name}: write it from lib/"
        elif other in FOLDERS and other not in ALLOWED[folder]:
            yield f"{path}: includes {name}, but {folder} stands left of {other}, or in another row"


def check_calls(path, lib):
    allowed = MAY_CALL.get(str(path.relative_to(lib)), set())
    for function in re.findall(rf"(?<![\w>.])({'|'.join(BANNED)})\s*\(", code_of(path)):
        if function not in allowed:
            yield f"{path}: calls {function}()"


def check_public_only(path, top):
    """Returns the wrong includes of a file outside lib/, which may include only dkvb/ and files of its own folder."""
    for bracket, name in includes(code_of(path)):
        if name.startswith("dkvb/"):
            continue
        own = bracket == '"' and any((place / name).is_file() for place in (path.parent, top))
        inside = ".." in Path(name).parts or name.split("/")[0] in FOLDERS
        if inside or (bracket == '"' and not own):
            yield f"{path}: includes {name}; only dkvb/ and system headers may be used outside lib/"


def check_single_users(paths):
    """Checks that headers of certain other libraries are included by only one file, which wraps them for all."""
    users = {"jpeglib.h": [], "png.h": [], "sha2.h": [], "webp/decode.h": []}
    for path in paths:
        for _bracket, name in includes(code_of(path)):
            users.get(name, []).append(str(path))
    for name, files in users.items():
        if len(files) > 1:
            yield f"{name} is included by {len(files)} files, at most one may: {', '.join(files)}"


def main(source):
    source = Path(source)
    lib = source / "lib"
    complaints, checked = [], 0
    for path in sources(lib):
        complaints += [*check_layer(path, lib), *check_calls(path, lib)]
        checked += 1
    for top in (source / name for name in PUBLIC_USERS):
        for path in sources(top):
            complaints += check_public_only(path, top)
            checked += 1
    complaints += check_single_users(path for name in ("lib", *PUBLIC_USERS, "tests") for path in sources(source / name))
    for complaint in complaints:
        print(complaint)
    print(f"{checked} files, {len(complaints)} complaints")
    return bool(complaints) or checked == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
