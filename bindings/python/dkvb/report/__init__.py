"""Report on a deletion request: one HTML page about what a model has forgotten, for people to hand on (docs/report.md).

    from dkvb import report
    report.write("report.html", "forgot.dkvb", before="m.dkvb", codes="m.codes",
                 test_features="test_x.npy", test_labels="test_y.npy")

The figures of a report need matplotlib, and its map of codes needs scikit-learn as well. On the command line, `dkvb
report` makes the page of a report.
"""

import os
import tempfile

from ..table import file_of

__all__ = ["html", "write"]


def html(model, *, before=None, codes=None, features=None, labels=None, test_features=None, test_labels=None, classes=None,
         rows=None, title=None, date=None, reference=False, stage=None):
    """Returns a report page on what a model has forgotten, as a str. `model` and all other inputs are paths of files.

    `before` is the model file from before the forgetting; without it, html() undoes maskings in a copy of the model.
    `codes` is the codes file from before the forgetting. `features` and `labels` are the training rows, needed if the
    codes file keeps codes only; their row numbers must be the ids in the codes file. `classes` (labels or names) or
    `rows` (a file of ids) say what was forgotten; if both are None, the journal says what was forgotten. The report
    page shows the texts `title` and `date` as they are given. With `reference=True` the report also compares linear
    heads on the same rows. The callback `stage` is called with the name of each step in which the report is computed.

    Equal inputs give equal pages. html() raises ImportError if matplotlib is missing, and dkvb.Error or ValueError,
    with a message of one sentence, if an input cannot be used.
    """
    import matplotlib  # noqa: F401 - fails now if matplotlib is missing, not after a minute of work

    from . import findings, inputs, page
    given = inputs.load(model, before, codes, features, labels, test_features, test_labels, classes, rows, title, date,
                        reference)
    return page.render(given, findings.find(given, stage))


def write(path, model, **inputs):
    """Writes a report page to a file, completely or not at all. `model` and `inputs` are the arguments of html().

    The report page may be read by those who may read all input files, within the umask."""
    text = html(model, **inputs)
    given = [model] + [inputs.get(name) for name in ("before", "codes", "features", "labels", "test_features", "test_labels",
                                                     "rows")]
    _replace(path, text.encode("utf-8", "backslashreplace"), _mode([one for one in given if one is not None]))


def _mode(paths):
    """Returns the file mode of the report page: no more than the umask and the modes of all input files allow. If an
    input file belongs to another group than the process, the page's group may read no more than all others may."""
    umask = os.umask(0o077)
    os.umask(umask)
    mode = 0o666 & ~umask
    for path in paths:
        status = os.stat(file_of(path))
        others = status.st_mode & 0o4
        group = status.st_mode >> 3 & 0o4 if status.st_gid == os.getegid() else others
        mode &= 0o600 | group << 3 | 0o020 * bool(group) | others | 0o002 * bool(others)
    return mode


def _replace(path, data, mode):
    """Replaces a file by a temporary file, after the temporary file was written to disk."""
    try:
        _write_beside(os.path.realpath(os.fspath(path)), data, mode)
    except OSError as error:
        failed = OSError(f"{os.fspath(path)}: cannot write: {error.strerror}")
        failed.errno = error.errno
        raise failed from error


def _write_beside(path, data, mode):
    """Writes a temporary file beside a path, and renames it to the path."""
    handle, beside = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path) + ".", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
