"""The public headers as text: what they declare, without a compiler."""

import re
from pathlib import Path


def without_comments(source):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", source, flags=re.DOTALL)


# Headers whose functions are in a library of their own
BESIDE = {"reference.h": "reference", "mpi.h": "mpi"}


class Headers:
    """Declarations of include/dkvb/*.h. Relies on the house style: one typedef a struct, DKVB_API before a function."""

    def __init__(self, directory):
        self.paths = sorted(Path(directory).glob("dkvb/*.h"))
        if not self.paths:
            raise SystemExit(f"{directory}/dkvb: no header found")
        self.texts = {path.name: without_comments(path.read_text(encoding="utf-8")) for path in self.paths}
        self.text = "\n".join(self.texts.values())

    def functions(self, library=None):
        """{name: (result, [argument types])}, all as C spells them: of libdkvb, or of libdkvb-LIBRARY."""
        text = "\n".join(text for name, text in self.texts.items() if BESIDE.get(name) == library)
        pattern = r"DKVB_API\s+(?:DKVB_NODISCARD\s+)?([\w\s*]+?)\s*\b(dkvb_\w+)\s*\(([^)]*)\)\s*;"
        found = {name: (_tidy(result), [_argument_type(a) for a in arguments.split(",") if a.strip() != "void"])
                 for result, name, arguments in re.findall(pattern, text)}
        declared = len(re.findall(r"\bDKVB_API\s", re.sub(r"#define[^\n]*", "", text)))
        if len(found) != declared:
            raise SystemExit(f"{declared} declarations with DKVB_API, but {len(found)} understood")
        return found

    def structs(self):
        """{name: [field names]}"""
        return {name: _fields(body) for body, name
                in re.findall(r"typedef\s+struct\s+\w+\s*\{(.*?)\}\s*(\w+)\s*;", self.text, re.DOTALL)}

    def constants(self):
        """Names of all enumerators, and of macros that stand for one number."""
        enumerators = [name for body in re.findall(r"\benum\s*\{(.*?)\}", self.text, re.DOTALL)
                       for name in re.findall(r"\b(DKVB_\w+)\s*=", body)]
        macros = re.findall(r"#define\s+(DKVB_\w+)\s+(?:0[xX][0-9a-fA-F]+|\d+)u?\s*$", self.text, re.MULTILINE)
        return enumerators + [name for name in macros if not name.startswith("DKVB_VERSION_")]

    def initializers(self, header):
        """{macro: type} of the INIT macros of one header."""
        macros = re.findall(r"#define\s+(DKVB_\w+)_INIT\b", self.texts[header])
        return {f"{macro}_INIT": macro.lower() for macro in macros}


def _tidy(c_type):
    return re.sub(r"\s*\*\s*", "*", " ".join(c_type.split()))


def _argument_type(argument):
    """`const float *x` → `const float*`: the name is the last word."""
    return _tidy(re.sub(r"\b\w+\s*$", "", argument.strip()))


def _fields(body):
    """Names of a struct's fields, function pointers and arrays included."""
    names = []
    for declaration in body.split(";"):
        match = re.search(r"\(\s*\*\s*(\w+)\s*\)", declaration) or re.search(r"(\w+)\s*(?:\[[^]]*\])?\s*$", declaration)
        if match:
            names.append(match.group(1))
    return names
