"""Linear heads to compare with a model; they show what the encoder alone knows (docs/reference.md).

    head = dkvb.reference.fit(x, labels)                          # logistic; the penalty chosen on rows held out
    head.predict(x_new)

    ridge = dkvb.reference.fit(x, labels, kind="ridge")
    ridge.remove(x[rows], labels[rows])                           # as fitted without them, but for rounding

    found = dkvb.reference.compare(x, labels, test_x, test_labels, classes=[3], model=model)
    found["logistic", "kept"].others

Linear heads are in libdkvb-reference, which is loaded when it is first used; an ImportError says how to get it.
"""

from ctypes import POINTER, byref
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import Handle
from ._reference_library import library
from ._run import LongCall
from .audit import _marks
from ._types import Classes, Ids, Numbers, Progress

KINDS = {"ridge": _ffi.DKVB_REFERENCE_RIDGE, "logistic": _ffi.DKVB_REFERENCE_LOGISTIC}


@dataclass(frozen=True)
class ReferenceInfo:
    """Properties of a linear head."""

    kind: str  # Kind of the linear head: "ridge" or "logistic".
    dim: int
    classes: int
    empty: int  # Number of classes without a row, which the linear head never predicts.
    rows: int  # Number of rows on which the linear head is fitted, without removed rows.
    scale: float  # Number by which all rows are divided before the linear head is fitted.
    penalty: float
    chosen: bool  # True if fit() chose the penalty on held-out rows.
    iterations: int  # Number of iterations of the last fit of the linear head; 0 for a ridge head.
    converged: bool
    gradient: float  # Largest element of the gradient at the end of the fit of the linear head.
    choosing: float  # Seconds that choosing the penalty of the linear head took.
    seconds: float  # Seconds that the last fit of the linear head, or the last removal of rows from it, took.


@dataclass(frozen=True)
class ReferenceLine:
    """One line of a comparison of a model with linear heads: figures of the model, or of one linear head. A figure is
    NaN if there are no rows to measure it on."""

    head: str  # What the figures of this line measure: "model", or the linear head "ridge" or "logistic".
    rows: str  # Rows on which the linear head is fitted: "all", or "kept" (not forgotten); "" for the model.
    accuracy: float  # Accuracy on all test rows.
    forgotten: float  # Accuracy on test rows of the forgotten classes.
    others: float  # Accuracy on test rows of all classes that are not forgotten.
    # Area under the ROC curve that tells test rows of forgotten classes from other test rows; for a linear head fitted
    # on "all" rows, what the encoder still knows.
    auc: float
    fitted: int  # Number of rows on which the linear head is fitted.
    penalty: float
    choosing: float  # Seconds that choosing the penalty of the linear head took.
    seconds: float  # Seconds of fitting; for a ridge head on "kept" rows, of removing the forgotten rows.
    iterations: int
    converged: bool


@dataclass(frozen=True)
class Comparison:
    """Result of comparing linear heads with a model; comparison["ridge", "kept"] is a ReferenceLine."""

    lines: list  # ReferenceLines: one for the model, and one for each linear head.
    classes: list  # Labels of the classes that forgotten rows belong to.
    forgotten_rows: int
    test_forgotten: int  # Number of test rows of the forgotten classes.
    test_others: int

    def __getitem__(self, key):
        head, rows = (key, "") if isinstance(key, str) else key
        for line in self.lines:
            if (line.head, line.rows) == (head, rows):
                return line
        raise KeyError(key)


def _rows(x, labels, ids, classes, what=""):
    x = _arrays.floats(x, ("rows", "columns"), f"{what}x")
    labels = _arrays.labels(labels, len(x), f"{what}labels")
    ids = None if ids is None else _arrays.ids(ids, len(x))
    pointer = _arrays.pointer
    raw = _struct.options(_ffi.ReferenceRows, x=pointer(x), labels=pointer(labels), ids=pointer(ids), n=len(x),
                          dim=x.shape[1], classes=classes)
    raw._arrays = x, labels, ids  # the Python object of the C struct keeps its arrays alive
    return raw


def _classes_of(labels, classes):
    if classes is not None:
        return classes
    labels = np.asarray(labels)
    return int(labels.max()) + 1 if labels.size else 0


def _options(kind, penalty, iterations, tolerance):
    kind = _ffi.DKVB_REFERENCE_BOTH if kind is None else _arrays.choice(kind, KINDS, "kind")
    return _struct.options(_ffi.ReferenceOptions, kind=kind, penalty=penalty, iterations=iterations,
                           tolerance=tolerance)


def _free(raw):
    library().dkvb_reference_free(raw)


class Head(Handle):
    """A linear classifier on the features of an encoder, made by dkvb.reference.fit()."""

    _free = staticmethod(_free)

    def __init__(self) -> None:
        raise TypeError("heads are made by dkvb.reference.fit()")

    @property
    def info(self) -> Any:
        raw = _struct.sized(_ffi.ReferenceInfo)
        library().dkvb_reference_get_info(self._c, byref(raw))
        given = {name: getattr(raw, name) for name in ReferenceInfo.__dataclass_fields__}
        given.update(kind=_arrays.chosen(raw.kind, KINDS), chosen=bool(raw.chosen), converged=bool(raw.converged))
        return ReferenceInfo(**given)

    def remove(self, x: Numbers, labels: Numbers, *, threads: int = 0, progress: Progress = None) -> None:
        """Removes training rows from a ridge head. Except for rounding, remove() gives the ridge head that a fit
        without the removed rows would give.

        Raises StateError if the removed rows are too large in norm compared with the remaining rows; then fit a new
        linear head to the remaining rows."""
        rows = _rows(x, labels, None, self.info.classes)
        with LongCall(threads, progress) as run:
            library().dkvb_reference_remove(self._c, byref(rows), byref(run))

    def predict(self, x: Numbers) -> Any:
        """Returns the predicted class of each row, int32[rows]."""
        x = _arrays.floats(x, ("rows", self.info.dim), "x")
        labels = np.empty(len(x), np.int32)
        library().dkvb_reference_predict(self._c, _arrays.pointer(x), len(x), _arrays.pointer(labels), None)
        return labels

    def scores(self, x: Numbers) -> Any:
        """Returns the linear head's score of each class for each row, float64[rows][classes]; -inf for a class without
        training rows."""
        info = self.info
        x = _arrays.floats(x, ("rows", info.dim), "x")
        scores = np.empty((len(x), info.classes))
        library().dkvb_reference_predict(self._c, _arrays.pointer(x), len(x), None, _arrays.pointer(scores))
        return scores


def fit(x: Numbers, labels: Numbers, *, kind: str = "logistic", classes: Optional[int] = None, ids: Ids = None,
        penalty: Optional[float] = None, iterations: Optional[int] = None, tolerance: Optional[float] = None,
        threads: int = 0, progress: Progress = None) -> Any:
    """Fits a linear head (a ridge or logistic classifier). If `penalty` is None, fit() chooses the penalty on held-out
    rows; rows with label -1 are left out."""
    out, opts = POINTER(_ffi.Reference)(), _options(kind, penalty, iterations, tolerance)
    rows = _rows(x, labels, ids, _classes_of(labels, classes))
    with LongCall(threads, progress) as run:
        library().dkvb_reference_fit(byref(out), byref(rows), byref(opts), byref(run))
    return Head._adopt(out)


def compare(x: Numbers, labels: Numbers, test_x: Numbers, test_labels: Numbers, *, classes: Optional[Classes] = None,
            rows: Any = None, model: Any = None, answers: Numbers = None, kind: Optional[str] = None, ids: Ids = None,
            penalty: Optional[float] = None, iterations: Optional[int] = None, tolerance: Optional[float] = None,
            class_count: Optional[int] = None, threads: int = 0, progress: Progress = None) -> Any:
    """Compares linear heads (of both kinds if `kind` is None), fitted on all rows and without the forgotten rows, with
    a model.

    The forgotten rows are given by `classes` (labels, or names if there is a model) or by `rows` (numbers of training
    rows). `answers` are the model's predictions for test_x, by default computed with `model`. If there is no model, the
    number of classes is `class_count`, by default one more than the largest label.
    """
    if model is not None:
        if class_count not in (None, model.info.classes):
            raise ValueError(f"class_count: {class_count} found, the model has {model.info.classes} classes: leave it out")
        class_count = model.info.classes
        answers = model.predict(test_x, threads=threads) if answers is None else answers
    elif any(isinstance(one, str) for one in classes or ()):
        raise ValueError("classes: names need a model that knows them; give labels")
    class_count = class_count or max(_classes_of(labels, None), _classes_of(test_labels, None))
    training = _rows(x, labels, ids, class_count)
    test = _rows(test_x, test_labels, None, class_count, "test_")
    answers = None if answers is None else _arrays.labels(answers, test.n, "answers")
    marks = None if classes is None else _marks(model, class_count, classes)
    rows = None if rows is None else _arrays.ids(rows, "rows", "rows")
    request = _struct.options(_ffi.AuditRequest, classes=_arrays.pointer(marks), rows=_arrays.pointer(rows),
                              row_count=None if rows is None else len(rows))
    opts, out = _options(kind, penalty, iterations, tolerance), POINTER(_ffi.ReferenceReport)()
    with LongCall(threads, progress) as run:
        library().dkvb_reference_compare(byref(out), byref(training), byref(test), byref(request),
                                         _arrays.pointer(answers), byref(opts), byref(run))
    try:
        return _taken(out.contents)
    finally:
        library().dkvb_reference_report_free(out)


def _line(raw):
    given = {name: getattr(raw, name) for name in ReferenceLine.__dataclass_fields__}
    given.update(head=raw.head.decode("ascii"), rows=raw.rows.decode("ascii"), converged=bool(raw.converged))
    return ReferenceLine(**given)


def _taken(report):
    """Copies a C comparison of a model with linear heads into a Comparison."""
    return Comparison(lines=[_line(report.line[i]) for i in range(report.lines)],
                      classes=[label for label in range(report.classes) if report.forgotten[label]],
                      forgotten_rows=report.forgotten_rows, test_forgotten=report.test_forgotten,
                      test_others=report.test_others)
