"""Runs every code block of documentation pages: what a reader copies from a page must work.

Blocks of a page run in their order, in one empty folder: `sh` with the built tool on PATH, `python` in one interpreter
with the bindings, `c` and `cpp` compiled against the headers and linked with the library, and run where they have a
`main`. A comment directly above a block says what the page itself does not show:

    <!-- setup: COMMANDS -->     shell commands that make what the block needs
    <!-- frame: NAME -->         frames/NAME holds what surrounds a fragment of C, with a line `@BLOCK@`
    <!-- fails: TEXT -->         the block ends with an error that contains TEXT
    <!-- not run: REASON -->     the block is not run
    <!-- needs: NAME -->         without this Python module or program the rest of the page is skipped

Blocks of other languages (such as `text`, for output and formulas) are not run. Indented blocks are refused, since they
do not name a language. `blocks.py --list PAGE...` prints all blocks and whether each is run.
"""
import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FRAMES = Path(__file__).resolve().parent / "frames"
RUN = ("sh", "python", "c", "cpp")
DIRECTIVES = ("setup", "frame", "fails", "not run", "needs")
SKIPPED = 77


class Fault(Exception):
    """Raised if a code block does not do what its page says."""


@dataclass
class Block:
    line: int  # line number of the block's first line, from 1
    language: str
    text: str
    directives: dict = field(default_factory=dict)

    @property
    def reason(self):
        return self.directives.get("not run")


def directives_above(lines, at):
    """Returns the comments directly above line `at` of a page; a comment may take several lines."""
    found = {}
    above = "\n".join(lines[:at])
    while match := re.search(r"<!-- ([a-z ]+): ((?:(?!-->).)*?) -->\s*\Z", above, re.S):
        if match[1] not in DIRECTIVES:
            break
        found[match[1]] = match[2]
        above = above[:match.start()].rstrip("\n")
    return found


def blocks(page):
    """Returns the fenced code blocks of a page; raises Fault for an indented block or one without a language."""
    lines = page.read_text().split("\n")
    found, at, listed = [], 0, False
    while at < len(lines):
        opening = re.match(r"( *)```(\w*)", lines[at])
        if opening:
            end = at + 1
            while end < len(lines) and lines[end].strip() != "```":
                end += 1
            if not opening[2]:
                raise Fault(f"{page}:{at + 1}: the block names no language: write sh, python, c, cpp, text")
            text = "\n".join(line[len(opening[1]):] for line in lines[at + 1:end]) + "\n"
            found.append(Block(at + 2, opening[2], text, directives_above(lines, at)))
            at = end
        elif re.match(r" {4}\S", lines[at]) and not listed and (at == 0 or not lines[at - 1].strip()):
            raise Fault(f"{page}:{at + 1}: the block is indented: put it between fences that name its language")
        elif lines[at].strip():
            listed = bool(re.match(r"\s*([-*]|\d+\.) ", lines[at])) or (listed and lines[at].startswith(" "))
        at += 1
    return found


class Session:
    """The folder and the Python interpreter in which the blocks of a page run one after the other."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.names = {"__name__": "__main__"}
        programs = folder / ".programs"  # makes `python3` in a block the interpreter that has the packages
        programs.mkdir()
        (programs / "python3").symlink_to(sys.executable)
        self.environment = dict(os.environ, OMP_WAIT_POLICY="passive", DKVB_LIBRARY=str(options.library),
                                PYTHONPATH=str(ROOT / "bindings" / "python"), PYTHONDONTWRITEBYTECODE="1",
                                LD_LIBRARY_PATH=str(options.library.parent), MPLBACKEND="Agg", HOME=str(folder),
                                PATH=f"{programs}:{options.tool.parent}:{os.environ['PATH']}", DKVB_DATA=str(options.data))

    def call(self, command, **keywords):
        done = subprocess.run(command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, timeout=300,
                              errors="replace", check=False, **keywords)
        if done.returncode:
            raise Fault(f"exit status {done.returncode}:\n{done.stdout}")
        return done.stdout

    def run(self, block):
        if "setup" in block.directives:
            self.call(["sh", "-euc", block.directives["setup"]])
        getattr(self, block.language)(block)

    def sh(self, block):
        self.call(["sh", "-euc", block.text])

    def python(self, block):
        try:
            exec(compile("\n" * (block.line - 1) + block.text, "page", "exec"), self.names)
        except BaseException as fault:
            raise Fault(traceback.format_exc(limit=-1)) from fault

    def c(self, block):
        self.compile(block, os.environ.get("CC", "cc"), "c", ["-std=c11"])

    def cpp(self, block):
        self.compile(block, os.environ.get("CXX", "c++"), "cc", ["-std=c++17"])

    def compile(self, block, compiler, ending, flags):
        text = block.text
        if "frame" in block.directives:  # a frame has variables and results that a fragment may leave unused
            flags = [*flags, "-Wno-unused", "-Wno-unused-result"]
            frame = (FRAMES / block.directives["frame"]).read_text()
            text = frame.replace("@BLOCK@", f'#line {block.line} "page"\n{text}')
        source, program = self.folder / f"block.{ending}", self.folder / "block"
        source.write_text(text)
        runs = re.search(r"^int main\(", text, re.M)
        library = [str(program), str(self.options.library), "-lm"] if runs else [str(program) + ".o"]
        self.call([compiler, "-Wall", "-Wextra", "-Werror", *flags, f"-I{ROOT / 'include'}", *([] if runs else ["-c"]),
                   str(source), "-o", *library])
        if runs:
            given = re.search(r"/\* program (.*?): ", text)
            names = {"FEATURES": "x.npy", "LABELS": "y.npy", "MODEL": "program.dkvb"}
            arguments = [names.get(w.partition(".")[0], w) for w in given[1].split()] if given else []
            self.call([str(program), *arguments])


def check(page, options):
    with tempfile.TemporaryDirectory() as name:
        session = Session(options, Path(name))
        session.call([sys.executable, str(Path(__file__).with_name("data.py")), name])
        os.chdir(name)
        os.environ.update(session.environment)
        sys.path.insert(0, session.environment["PYTHONPATH"])
        for block in blocks(page):
            if block.language not in RUN or block.reason:
                continue
            needed = block.directives.get("needs")
            if needed and not (importlib.util.find_spec(needed) or shutil.which(needed)):
                print(f"{page}:{block.line}: skipped from here on: {needed} is not installed")
                os.chdir("/")
                sys.exit(SKIPPED)
            wanted = block.directives.get("fails")
            try:
                session.run(block)
            except Fault as fault:
                if wanted is None or wanted not in str(fault):
                    raise Fault(f"{page}:{block.line}: {fault}") from None
            else:
                if wanted is not None:
                    raise Fault(f"{page}:{block.line}: the block should fail with: {wanted}")
        os.chdir("/")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", type=Path, help="libdkvb.so")
    parser.add_argument("--tool", type=Path, help="the tool, by its file named dkvb")
    parser.add_argument("--data", type=Path, help="folder of data sets that some blocks read")
    parser.add_argument("--list", action="store_true", help="print the blocks and run none")
    parser.add_argument("pages", type=Path, nargs="+")
    options = parser.parse_args()
    options.library, options.tool = (path and path.resolve() for path in (options.library, options.tool))
    for page in options.pages:
        page = page.resolve()
        try:
            if options.list:
                for block in blocks(page):
                    fate = f"not run: {block.reason}" if block.reason else "run" if block.language in RUN else "-"
                    print(f"{page.relative_to(ROOT)}:{block.line}: {block.language}: {fate}")
            else:
                check(page, options)
        except Fault as fault:
            sys.exit(str(fault))


if __name__ == "__main__":
    main()
