"""Parses the declarations of the public headers from their text, without a compiler."""

import re
from pathlib import Path


def without_comments(source):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", source, flags=re.DOTALL)


# Headers whose functions are not in libdkvb, and the libraries that have them
BESIDE = {"reference.h": "reference", "mpi.h": "mpi"}


class Headers:
    """The declarations in include/dkvb/*.h. The parser relies on the style of the headers: one typedef for each struct,
    DKVB_API before each function."""

    def __init__(self, directory):
        self.paths = sorted(Path(directory).glob("dkvb/*.h"))
        if not self.paths:
            raise SystemExit(f"{directory}/dkvb: no header found")
        self.texts = {path.name: without_comments(path.read_text(encoding="utf-8")) for path in self.paths}
        self.text = "\n".join(self.texts.values())

    def functions(self, library=None):
        """Returns a dict from the functions of libdkvb, or of libdkvb-LIBRARY, to (result type, [argument types]) as
        spelled in C."""
        text = "\n".join(text for name, text in self.texts.items() if BESIDE.get(name) == library)
        pattern = r"DKVB_API\s+(?:DKVB_NODISCARD\s+)?([\w\s*]+?)\s*\b(dkvb_\w+)\s*\(([^)]*)\)\s*;"
        found = {name: (_tidy(result), [_argument_type(a) for a in arguments.split(",") if a.strip() != "void"])
                 for result, name, arguments in re.findall(pattern, text)}
        declared = len(re.findall(r"\bDKVB_API\s", re.sub(r"#define[^\n]*", "", text)))
        if len(found) != declared:
            raise SystemExit(f"{declared} declarations with DKVB_API, but {len(found)} understood")
        return found

    def structs(self):
        """Returns a dict from names of structs to lists of their member names."""
        return {name: _fields(body) for body, name
                in re.findall(r"typedef\s+struct\s+\w+\s*\{(.*?)\}\s*(\w+)\s*;", self.text, re.DOTALL)}

    def constants(self):
        """Returns the names of all enumerators, and of all macros that stand for one number."""
        enumerators = [name for body in re.findall(r"\benum\s*\{(.*?)\}", self.text, re.DOTALL)
                       for name in re.findall(r"\b(DKVB_\w+)\s*=", body)]
        macros = re.findall(r"#define\s+(DKVB_\w+)\s+(?:0[xX][0-9a-fA-F]+|\d+)u?\s*$", self.text, re.MULTILINE)
        return enumerators + [name for name in macros if not name.startswith("DKVB_VERSION_")]

    def initializers(self, header):
        """Returns a dict from the INIT macros of one header to the types that they initialise."""
        macros = re.findall(r"#define\s+(DKVB_\w+)_INIT\b", self.texts[header])
        return {f"{macro}_INIT": macro.lower() for macro in macros}


def _tidy(c_type):
    return re.sub(r"\s*\*\s*", "*", " ".join(c_type.split()))


def _argument_type(argument):
    """Returns the type of an argument without its name: `const float *x` gives `const float*`."""
    return _tidy(re.sub(r"\b\w+\s*$", "", argument.strip()))


def _fields(body):
    """Returns the names of a struct's members, including function pointers and arrays."""
    names = []
    for declaration in body.split(";"):
        match = re.search(r"\(\s*\*\s*(\w+)\s*\)", declaration) or re.search(r"(\w+)\s*(?:\[[^]]*\])?\s*$", declaration)
        if match:
            names.append(match.group(1))
    return names
