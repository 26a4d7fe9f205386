"""Separation of classes: how far apart the codes of different classes lie (docs/separation.md)."""

from ctypes import POINTER, byref
from dataclasses import dataclass
from typing import Optional

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall
from ._types import Numbers, Progress


@dataclass(frozen=True, eq=False)
class Separation:
    """How far apart the codes of L classes lie, measured on n rows. A number that cannot be computed, as for a class
    without rows, is NaN."""

    rows: np.ndarray  # Number of rows of each class, uint64[L].
    counts: np.ndarray  # Number of rows of each class that select each pair, uint32[L][C][K].
    pairs_selected: np.ndarray  # For each class, the number of pairs that at least one of its rows selects, uint64[L].
    # For each class, the number of pairs that only rows of this class select, uint64[L].
    pairs_exclusive: np.ndarray
    # For each class, the label of the other class with the largest weighted overlap, or -1 if there is no other,
    # int32[L].
    nearest: np.ndarray
    overlap: np.ndarray  # Weighted overlap of each class with its nearest class, float64[L].
    jaccard: np.ndarray  # Jaccard overlap of the sets of pairs that two classes select, float64[L][L].
    weighted: np.ndarray  # Weighted overlap of the fractions of two classes' rows that select each pair, float64[L][L].
    silhouette: float  # Mean silhouette of all rows with a label.
    class_silhouettes: np.ndarray  # Mean silhouette of the rows of each class, float64[L].
    row_silhouettes: np.ndarray  # Silhouette of each row, float64[n]; NaN for rows with label -1.


def separation(codes: Numbers, labels: Numbers, keys: int, classes: Optional[int] = None, threads: int = 0,
               progress: Progress = None) -> Separation:
    """Compares classes by the codes of their rows, `uint16[n][C][k]`, in codebooks of `keys` keys; label -1 leaves a
    row out.

    `classes` is the number of classes, by default one more than the largest label. The callback `progress` is called
    with the finished and all units of work, which are classes and groups of rows.
    """
    codes = np.asarray(codes)
    codes, k = _arrays.codes(codes, codes.shape[1] if codes.ndim == 3 else "codebooks")
    labels = _arrays.labels(labels, len(codes))
    rows = _struct.options(_ffi.SeparationRows, codebooks=codes.shape[1], keys=keys, k=k, classes=classes)
    rows.codes, rows.labels, rows.n = _arrays.pointer(codes), _arrays.pointer(labels), len(codes)
    out = POINTER(_ffi.Separation)()
    with LongCall(threads, progress) as run:
        lib.dkvb_separation_measure(byref(out), byref(rows), byref(run))
    try:
        return _taken(out.contents)
    finally:
        lib.dkvb_separation_free(out)


def _taken(found):
    """Copies a result of the C library into a Separation, then frees the C result."""

    def array(pointer, *shape):
        return np.ctypeslib.as_array(pointer, shape).copy()

    classes = found.classes
    return Separation(
        rows=array(found.rows, classes),
        counts=array(found.counts, classes, found.codebooks, found.keys),
        pairs_selected=array(found.selected, classes),
        pairs_exclusive=array(found.exclusive, classes),
        nearest=array(found.nearest, classes),
        overlap=array(found.overlap, classes),
        jaccard=array(found.jaccard, classes, classes),
        weighted=array(found.weighted, classes, classes),
        silhouette=found.silhouette,
        class_silhouettes=array(found.silhouettes, classes),
        row_silhouettes=array(found.row_silhouettes, found.n),
    )
