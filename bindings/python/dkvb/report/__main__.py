"""The program `python3 -m dkvb.report`, which `dkvb report` calls, with the same options."""

import argparse
import os
import sys


def parser():
    """Returns the parser of the options of `python3 -m dkvb.report`. The C file src/commands/report.c lists the options
    of `dkvb report`; a test checks that both programs have the same options."""
    found = argparse.ArgumentParser(
        prog="dkvb report", allow_abbrev=False, usage="dkvb report MODEL -o REPORT.html [options]",
        description="Write one HTML page about what a model forgot: what was asked, what that promises, and what was measured.")
    add = found.add_argument
    add("model", metavar="MODEL", help="the model after it forgot")
    add("-o", "--output", metavar="REPORT.html", required=True, help="the page")
    add("--before", metavar="MODEL0", help="the model before it forgot; without it, maskings are taken back in a copy")
    add("--codes", metavar="CODES", help="of 'train --codes-out', as it was before the forgetting")
    add("--features", metavar="X", help="the rows trained on, where CODES keeps codes only; ids are their numbers")
    add("--labels", metavar="Y", help="their labels")
    add("--test-features", metavar="TX", help="rows of the same kind that were never trained on")
    add("--test-labels", metavar="TY", help="their labels")
    add("--class", dest="classes", metavar="C[,C...]", help="the forgotten classes; without it, those of the journal")
    add("--rows", metavar="IDS.npy", help="the forgotten rows, by their ids in CODES")
    add("--reference", action="store_true", help="also fit linear heads; needs libdkvb-reference")
    add("--title", metavar="TEXT", help="of the page")
    add("--date", metavar="TEXT", help="printed under the title; the page has no date of its own")
    return found


def main(arguments=None):
    """Returns the exit code: 0 for success, 1 for a failure, 2 for wrong use, 130 if interrupted. An error is one line
    on stderr."""
    given = parser().parse_args(arguments)
    try:
        return _run(given)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was written", 130)


def _run(given):
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        return _fail(f"report: the figures need matplotlib, which {sys.executable} does not have ({error}); install it "
                     "(Debian: python3-matplotlib), or name another Python by DKVB_PYTHON")
    from .. import errors
    from . import write

    inputs = {name: getattr(given, name) for name in ("before", "codes", "features", "labels", "test_features", "test_labels",
                                                      "rows", "title", "date", "reference")}
    classes = [word for word in given.classes.split(",") if word] if given.classes else None
    for one in ("model", "before", "codes", "features", "labels", "test_features", "test_labels", "rows"):
        path = getattr(given, one)
        if path and os.path.exists(given.output) and os.path.exists(path) and os.path.samefile(path, given.output):
            return _fail(f"report: --output {given.output} is an input too ({path}); nothing was written", 2)
    folder = os.path.dirname(os.path.realpath(given.output))
    # the path of the report page is checked first, as the computation of a report takes long
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        return _fail(f"{given.output}: cannot be written: {folder} is no folder that can be written to")
    try:
        write(given.output, given.model, classes=classes, **inputs)
    except (errors.Error, OSError, ValueError, MemoryError) as error:
        return _fail(str(error) or type(error).__name__)
    print(f"wrote {given.output}: {os.path.getsize(given.output):,} bytes, one page")
    return 0


def _fail(message, code=1):
    print("dkvb: " + " ".join(str(message).split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
