"""Sweeps: accuracy of a forgotten class and of all other classes for many numbers of masked pairs (docs/sweep.md)."""

from ctypes import byref
from dataclasses import dataclass
from typing import Optional

import numpy as np

from . import _arrays, _ffi, _struct, unlearn
from ._library import lib
from ._run import Callbacks, LongCall

_STRENGTHS = {"suppress": _ffi.DKVB_STRENGTH_SUPPRESS, "exact": _ffi.DKVB_STRENGTH_EXACT}
_SHAPE = ("codebooks", "keys", "key_dim", "top_k", "seed")


@dataclass(frozen=True)
class SweepCell:
    """One cell of a sweep (sweep.h): a forgotten class, a method and a number of masked pairs, with counts of correctly
    classified rows before and after."""

    index: int
    cells: int
    trained_anew: bool
    codebooks: int
    keys: int
    key_dim: int
    top_k: int
    label: int
    train_seed: int
    strength: str
    method: Optional[str]  # Method of choosing the pairs to mask; None for strength exact.
    seed: int
    budget: Optional[int]  # Number of pairs to mask; None for strength exact and method "every".
    pairs: int
    rows: int
    forget_rows: int
    forget_before: int
    forget_after: int
    retain_rows: int
    retain_before: int
    retain_after: int
    worst: Optional[int]  # Label of the not forgotten class that loses most accuracy, or None.
    worst_rows: int
    worst_before: int
    worst_after: int
    exhausted: int

    @property
    def forget_accuracy(self) -> float:
        """Accuracy on the forgotten class after the forgetting."""
        return self.forget_after / self.forget_rows

    @property
    def retain_accuracy(self) -> float:
        """Accuracy on all classes that are not forgotten, after the forgetting; NaN if there are none."""
        return self.retain_after / self.retain_rows if self.retain_rows else float("nan")

    @property
    def retain_change(self) -> float:
        """Change of the accuracy on all classes that are not forgotten, by the forgetting; NaN if there are none."""
        return (self.retain_after - self.retain_before) / self.retain_rows if self.retain_rows else float("nan")

    @property
    def worst_loss(self) -> float:
        """Accuracy lost by the class `worst`, the one that loses most of those not forgotten; NaN if `worst` is
        None."""
        return (self.worst_before - self.worst_after) / self.worst_rows if self.worst_rows else float("nan")


def sweep(model, codeset, *, classes, strengths, methods, budgets, steps, seeds, shapes, features, feature_ids, test_x,
          test_labels, path, restart, each, threads, progress):
    info, callbacks, cells, kept = model.info, Callbacks(), [], []
    opts = _struct.options(_ffi.SweepOptions, steps=steps, restart=int(restart))

    def point(member, count, array):
        if array is not None:
            kept.append(array)  # keeps the array alive, as the C options point to it
            setattr(opts, member, _arrays.pointer(array))
            if count:
                setattr(opts, count, len(array))

    def words(given, names, what):
        return None if given is None else np.array([_arrays.choice(one, names, what) for one in given], np.uint32)

    def numbers(given, what):
        return None if given is None else np.array([_arrays.integer(one, 64, what) for one in given], np.uint64)

    def hear(_user, raw):
        cell = _cell(raw.contents)
        cells.append(cell)
        if each is not None:
            each(cell)

    if classes is not None:
        marks = np.zeros(info.classes, np.uint8)
        for one in classes:
            label = model.find_class(one) if isinstance(one, str) else _arrays.integer(one, 32, "classes")
            if label >= info.classes:
                raise ValueError(f"classes: {label} found, the model has classes 0 to {info.classes - 1}")
            marks[label] = _ffi.DKVB_FORGET
        point("classes", None, marks)
    point("strengths", "strength_count", words(strengths, _STRENGTHS, "strengths"))
    point("methods", "method_count", words(methods, unlearn._METHODS, "methods"))
    point("budgets", "budget_count", numbers(budgets, "budgets"))
    point("seeds", "seed_count", numbers(seeds, "seeds"))
    if shapes is not None:
        shapes = list(shapes)
        opts.shapes, opts.shape_count = _shapes(shapes), len(shapes)
    if features is not None:
        features = _arrays.floats(features, ("rows", info.input_dim), "features")
        point("features", "feature_rows", features)
        opts.feature_columns = features.shape[1]
        names = _arrays.names(feature_ids)
        if names is not None:
            if len(names) != len(features):
                raise ValueError(f"feature_ids: {len(names)} names found, {len(features)} wanted")
            opts.feature_names = names
        elif feature_ids is not None:
            point("feature_ids", None, _arrays.ids(feature_ids, len(features)))
    elif feature_ids is not None:
        # ids of features without any features are passed to the C library, which reports the error
        opts.feature_rows = len(feature_ids)
    if test_x is not None:
        test_x = _arrays.floats(test_x, ("rows", info.input_dim), "test_x")
        if test_labels is None:
            raise ValueError("test_labels: None found, it must have the labels of test_x")
        point("test_x", "test_n", test_x)
        point("test_labels", None, _arrays.labels(test_labels, len(test_x), "test_labels"))
    elif test_labels is not None:
        point("test_labels", "test_n", _arrays.labels(test_labels, len(test_labels), "test_labels"))
    if path is not None:
        opts.path = _arrays.path(path)
    opts.each = callbacks.wrap(_ffi.SweepFn, hear)
    report = _struct.sized(_ffi.SweepReport)
    with LongCall(threads, progress, callbacks) as run:
        lib.dkvb_sweep_run(model._c, codeset._c, byref(opts), byref(report), byref(run))
    return cells


def _shapes(given):
    """Returns dicts of shapes as an array of C structs; a missing member is 0, which means the model's own number."""
    array = (_ffi.SweepShape * max(len(given), 1))()
    for raw, one in zip(array, given):
        for name, value in one.items():
            if name not in _SHAPE:
                raise ValueError(f"shapes: {name!r} found, the members are {', '.join(_SHAPE)}")
            setattr(raw, name, _arrays.integer(value, 64 if name == "seed" else 32, name))
    return array


def _cell(raw):
    method = _struct.name(_ffi.DKVB_NAME_METHOD, raw.method) if raw.method else None
    given = {name: getattr(raw, name) for name, _type in raw._fields_ if name not in ("has_worst", "strength", "method")}
    given.update(trained_anew=bool(raw.trained_anew), budget=raw.budget or None,
                 worst=raw.worst if raw.has_worst else None)
    return SweepCell(strength=_struct.name(_ffi.DKVB_NAME_STRENGTH, raw.strength), method=method, **given)
