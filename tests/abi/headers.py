"""Test that every public header compiles alone, included twice, in every language standard, without a warning, and so
do its INIT macros. In C++ this includes dkvb.hpp, and no header may have a C-style cast.

    headers.py SOURCE_DIR COMPILER LANGUAGE STANDARD...     (LANGUAGE: c or c++)
"""

import subprocess
import sys
from pathlib import Path

from headers_text import Headers

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def unit(header, initializers):
    """Returns a source file that includes one header twice, and uses each of its INIT macros."""
    lines = [f"#include <dkvb/{header}>"] * 2
    for macro, c_type in initializers.items():
        lines += [f"void use_{c_type}({c_type} *out);", f"void use_{c_type}({c_type} *out)", "{",
                  f"    {c_type} fresh = {macro};", "    *out = fresh;", "}"]
    return "\n".join([*lines, "extern int not_empty;", ""])


def main(source, compiler, language, *standards):
    include = Path(source) / "include"
    headers = Headers(include)
    failures = 0
    cxx = ["dkvb.hpp"] if language == "c++" else []
    warnings = [*WARNINGS, "-Wold-style-cast"] if language == "c++" else WARNINGS
    for header in [*headers.texts, *cxx]:
        for standard in standards:
            command = [compiler, f"-std={standard}", *warnings, f"-I{include}", "-fsyntax-only", "-x", language, "-"]
            done = subprocess.run(command, input=unit(header, headers.initializers(header) if header in headers.texts else {}), text=True,
                                  capture_output=True)
            if done.returncode != 0:
                print(f"{header} as {standard}:\n{done.stderr}")
                failures += 1
    print(f"{len(headers.texts) + len(cxx)} headers as {', '.join(standards)}: {failures} failures")
    return failures != 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
