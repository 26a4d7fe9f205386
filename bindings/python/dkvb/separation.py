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
    """Separation of L classes, measured on n rows. A number that does not exist, as for a class without rows, is NaN.
    """

    rows: np.ndarray  # uint64[L]: number of rows of each class
    counts: np.ndarray  # uint32[L][C][K]: number of rows of each class that select each pair
    pairs_selected: np.ndarray  # uint64[L]: number of pairs that at least one row of the class selects
    pairs_exclusive: np.ndarray  # uint64[L]: number of pairs of the class that no other class selects
    nearest: np.ndarray  # int32[L]: other class with the largest weighted overlap; -1 if there is no other
    overlap: np.ndarray  # float64[L]: weighted overlap with the nearest class
    jaccard: np.ndarray  # float64[L][L]: Jaccard overlap of the sets of selected pairs
    weighted: np.ndarray  # float64[L][L]: weighted overlap of the fractions of rows that select each pair
    silhouette: float  # mean silhouette of all rows with a label
    class_silhouettes: np.ndarray  # float64[L]: mean silhouette of the rows of each class
    row_silhouettes: np.ndarray  # float64[n]: silhouette of each row; NaN for rows with label -1


def separation(codes: Numbers, labels: Numbers, keys: int, classes: Optional[int] = None, threads: int = 0,
               progress: Progress = None) -> Separation:
    """Compares classes by the codes of their rows, `uint16[n][C][k]`, in codebooks of `keys` keys; label -1 leaves a
    row out.

    `classes` is the number of classes, by default one more than the largest label. `progress` counts classes and groups
    of rows.
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
    """Copies the separation of the library, then frees the library's own."""

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
