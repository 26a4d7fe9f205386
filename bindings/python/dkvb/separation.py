"""How far apart the codes of classes lie (docs/separation.md)."""

from ctypes import byref
from dataclasses import dataclass

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall


@dataclass(frozen=True, eq=False)
class Separation:
    """For L classes and n rows; NaN where there is no such number, as for a class without rows."""

    rows: np.ndarray  # uint64[L]
    counts: np.ndarray  # uint32[L][C][K]: rows of a class that select a pair
    pairs_selected: np.ndarray  # uint64[L]: pairs that any row of the class selects
    pairs_exclusive: np.ndarray  # uint64[L]: of them, those that no other class selects
    jaccard: np.ndarray  # float64[L][L]: overlap of the sets of selected pairs
    weighted: np.ndarray  # float64[L][L]: overlap of the shares of rows that select a pair
    silhouette: float  # mean over all rows with a label
    class_silhouettes: np.ndarray  # float64[L]: mean over the rows of a class
    row_silhouettes: np.ndarray  # float64[n]; NaN for rows of label -1


def separation(codes, labels, keys, classes=None, threads=0, progress=None):
    """Compare the classes of codes, `uint16[n][C][k]` of codebooks of `keys` keys, by their labels, -1 for none.

    `classes` is the largest label plus one if it is not given. `progress` hears of classes, then of rows.
    """
    codes = np.asarray(codes)
    codes, k = _arrays.codes(codes, codes.shape[1] if codes.ndim == 3 else "codebooks")
    labels = _arrays.labels(labels, len(codes))
    if classes is None:
        classes = int(labels.max(initial=-1)) + 1
    shape = _struct.options(_ffi.SeparationShape, codebooks=codes.shape[1], keys=keys,
                            top_k=k, classes=classes)
    rows, counts = _count(shape, codes, labels, threads)
    selected, exclusive = np.empty_like(rows), np.empty_like(rows)
    jaccard, weighted = np.empty((2, classes, classes))
    each, sums = np.empty(len(codes)), np.zeros(classes)
    pointer = _arrays.pointer
    lib.dkvb_separation_pairs(byref(shape), pointer(counts), pointer(selected), pointer(exclusive))
    with LongCall(threads, progress) as run:
        lib.dkvb_separation_overlap(byref(shape), pointer(counts), pointer(rows), pointer(jaccard), pointer(weighted),
                                    byref(run))
        lib.dkvb_separation_silhouette(byref(shape), pointer(counts), pointer(rows), pointer(codes), pointer(labels),
                                       len(codes), pointer(each), pointer(sums), byref(run))
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: no rows, no mean
        means, overall = sums / rows, float(np.float64(sums.sum()) / rows.sum())
    return Separation(rows, counts, selected, exclusive, jaccard, weighted, overall, means, each)


def _count(shape, codes, labels, threads):
    """The library checks shape, codes and labels; the shape is asked about first, since it shapes what is counted in."""
    lib.dkvb_separation_count(byref(shape), None, None, 0, None, _arrays.pointer(np.zeros(shape.classes, np.uint64)),
                              None)
    rows = np.zeros(shape.classes, np.uint64)
    counts = np.zeros((shape.classes, shape.codebooks, shape.keys), np.uint32)
    with LongCall(threads) as run:
        lib.dkvb_separation_count(byref(shape), _arrays.pointer(codes), _arrays.pointer(labels), len(codes),
                                  _arrays.pointer(counts), _arrays.pointer(rows), byref(run))
    return rows, counts
