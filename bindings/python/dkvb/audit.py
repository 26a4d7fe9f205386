"""Audit: what a model still knows about forgotten rows, compared with a model trained again without them
(docs/audit.md)."""

from ctypes import POINTER, byref
from dataclasses import dataclass
from typing import Optional

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import Callbacks, LongCall
from .model import CLASS_WEIGHTS


@dataclass(frozen=True)
class Estimate:
    """An estimated number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class AuditFigure:
    """One audit figure of one model."""

    title: str
    value: float
    low: float  # Lower end of the figure's 95 % confidence interval; `high` is the upper end.
    high: float
    tpr_1: Optional[Estimate]  # For an AUC: true-positive rate at 1 % false positives; else None.
    tpr_01: Optional[Estimate]  # For an AUC: true-positive rate at 0.1 % false positives; else None.
    difference: Estimate  # `value` minus the figure of the retrained model, paired row by row.
    verdict: str  # Comparison with the retrained model: "as", "more than" or "less than retrained".
    # For an AUC: (AUC - AUC of the retrained model) / AUC of the retrained model; else None.
    privleak: Optional[Estimate] = None
    median: Optional[Estimate] = None  # For the divergence KLoM: median over the rows (`value` is the mean); else None.
    p95: Optional[Estimate] = None  # For the divergence KLoM: 95th percentile over the rows; else None.


@dataclass(frozen=True)
class Audit:
    """Results of an audit of a model's forgetting. An Audit is indexed by the names in the output of `dkvb audit
    --json`: audit["model"]["membership_loss"] is an AuditFigure."""

    classes: list  # Labels of the classes that forgotten rows belong to.
    members: int  # Number of forgotten rows, the members of the membership attacks.
    others: int  # Number of test rows in classes of forgotten rows, the non-members of the attacks.
    class_rows: int  # Number of test rows on which the accuracy on the forgotten classes is measured.
    rest_rows: int  # Number of test rows in all classes without forgotten rows.
    rows_outside_scale: int  # Number of audited rows far outside the range of the rows on which keys were placed.
    masked_pairs: int
    purged_pairs: int
    shadows: int  # Number of shadow models that the likelihood-ratio attack used.
    subjects: dict  # Dict from a model's name to a dict from a figure's key to its AuditFigure, or None.
    retained: int = 0  # Number of training rows that were not forgotten.
    rmia_models: int = 0  # Number of reference models that the membership attack RMIA used.
    models: int = 0  # Number of models in each ensemble of the divergence KLoM.
    # Number of unlearned models, trained to measure the divergence KLoM, whose masks the audit planned anew.
    planned: int = 0

    def __getitem__(self, subject):
        return self.subjects[subject]


def audit(model, x, labels, test_x, test_labels, *, classes, rows, ids, before, codeset, training, shadows,
          rmia_models, models, seed, threads, progress, stage):
    info = model.info
    x = _arrays.floats(x, ("rows", info.input_dim), "x")
    test_x = _arrays.floats(test_x, ("rows", info.input_dim), "test_x")
    labels, test_labels = _arrays.labels(labels, len(x)), _arrays.labels(test_labels, len(test_x), "test_labels")
    ids = None if ids is None else _arrays.ids(ids, len(x))
    rows = None if rows is None else _arrays.ids(rows, "rows", "rows")
    marks = None if classes is None else _marks(model, info.classes, classes)
    pointer, callbacks = _arrays.pointer, Callbacks()
    request = _struct.options(_ffi.AuditRequest, classes=pointer(marks), rows=pointer(rows),
                              row_count=None if rows is None else len(rows))
    given = _struct.options(_ffi.AuditRows, x=pointer(x), labels=pointer(labels), ids=pointer(ids), n=len(x),
                            test_x=pointer(test_x), test_labels=pointer(test_labels), test_n=len(test_x))
    opts = _struct.options(_ffi.AuditOptions, shadows=shadows, rmia_models=rmia_models, models=models, seed=seed)
    if before is not None:
        opts.before = before._c._as_parameter_
    if codeset is not None:
        opts.codeset = codeset._c._as_parameter_
    if training is not None:
        recipe = dict(training)
        if "class_weight" in recipe:
            recipe["class_weight"] = _arrays.choice(recipe["class_weight"], CLASS_WEIGHTS, "class_weight")
        opts.train = POINTER(_ffi.TrainOptions)(_struct.options(_ffi.TrainOptions, **recipe))
    if stage is not None:
        opts.stage = callbacks.wrap(_ffi.StageFn, lambda _user, name: stage(name.decode("ascii")))
    out = POINTER(_ffi.AuditReport)()
    with LongCall(threads, progress, callbacks) as run:
        lib.dkvb_audit_run(byref(out), model._c, byref(request), byref(given), byref(opts), byref(run))
    try:
        return _taken(out)
    finally:
        lib.dkvb_audit_report_free(out)


def _marks(model, count, classes):
    """Returns an array with 1 for each class in a list of labels and names."""
    marks = np.zeros(count, np.uint8)
    for one in classes:
        label = model.find_class(one) if isinstance(one, str) else _arrays.integer(one, 32, "classes")
        if label >= count:
            raise ValueError(f"classes: {label} found, the model has classes 0 to {count - 1}")
        marks[label] = _ffi.DKVB_FORGET
    return marks


def _estimate(raw):
    return Estimate(raw.value, raw.low, raw.high)


def _figure(raw):
    if not raw.measured:
        return None
    of_members, of_rows = raw.kind == _ffi.DKVB_AUDIT_AUC_MEMBERS, raw.kind == _ffi.DKVB_AUDIT_KLOM
    return AuditFigure(raw.title.decode("utf-8"), raw.value.value, raw.value.low, raw.value.high,
                       _estimate(raw.tpr_1) if of_members else None, _estimate(raw.tpr_01) if of_members else None,
                       _estimate(raw.difference), raw.verdict.decode("utf-8"),
                       _estimate(raw.privleak) if of_members else None, _estimate(raw.median) if of_rows else None,
                       _estimate(raw.p95) if of_rows else None)


def _taken(out):
    """Copies an audit report of the C library into an Audit."""
    report, subjects = out.contents, {}
    for who in range(_ffi.DKVB_AUDIT_SUBJECTS):
        found = [lib.dkvb_audit_get_figure(out, who, what) for what in range(_ffi.DKVB_AUDIT_FIGURES)]
        if found[0]:
            subjects[found[0].contents.subject.decode("utf-8")] = {
                one.contents.key.decode("utf-8"): _figure(one.contents) for one in found}
    return Audit(classes=[label for label in range(report.classes) if report.forgotten[label]],
                 members=report.members, others=report.others, class_rows=report.others, rest_rows=report.rest,
                 rows_outside_scale=report.outside.contents.rows + report.test_outside.contents.rows,
                 masked_pairs=report.masked_pairs, purged_pairs=report.purged_pairs, shadows=report.shadows,
                 subjects=subjects, retained=report.retained, rmia_models=report.rmia_models,
                 models=report.models, planned=report.planned)
