"""Which pairs should go: the methods of unlearning."""

from ctypes import byref

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall

_METHODS = {
    "activations": _ffi.DKVB_METHOD_ACTIVATIONS,
    "contrast": _ffi.DKVB_METHOD_CONTRAST,
    "examples": _ffi.DKVB_METHOD_EXAMPLES,
    "values": _ffi.DKVB_METHOD_VALUES,
    "every": _ffi.DKVB_METHOD_EVERY,
}


def unlearn_by_activations(mask, counts, pairs):
    """Add the `pairs` most selected pairs to a mask, from `uint64[C][K]` of Model.count_activations().

    Returns how many pairs the mask gained.
    """
    counts = _arrays.counts(counts, mask.shape)
    before = len(mask)
    lib.dkvb_unlearn_by_activations(mask._c, _arrays.pointer(counts), _arrays.integer(pairs, 64, "pairs"))
    return len(mask) - before


def unlearn_by_examples(mask, codes, examples, seed=0):
    """Add every pair that any of `examples` rows, drawn by `seed`, selects. Returns how many the mask gained."""
    codes, k = _arrays.codes(codes, mask.shape[0])
    before = len(mask)
    lib.dkvb_unlearn_by_examples(mask._c, _arrays.pointer(codes), k, len(codes),
                                 _arrays.integer(examples, 64, "examples"), _arrays.integer(seed, 64, "seed"))
    return len(mask) - before


def unlearn_choose(mask, model, method, budget=None, *, codes=None, rows=None, classes=None, seed=None, threads=0):
    """Add to a mask the `budget` pairs that a method puts first (choose.h): "activations", "contrast" or "values";
    "examples", whose budget counts rows; or "every", which takes no budget. Returns how many the mask gained.

    Who is to be forgotten is said by `codes` and `rows`, marks of their rows (None: all of them); or, without codes, by
    `classes`, marks of the model's classes: from the counts that the model keeps, or for "values" from its values.
    Marks are KEEP, FORGET and ASIDE, or booleans, True = FORGET.
    """
    request, _kept = _request(model, method, codes, rows, classes, seed)
    if budget is None and method != "every":
        raise ValueError(f"budget: None found, a number wanted for method {method}")
    before = len(mask)
    with LongCall(threads) as run:
        lib.dkvb_unlearn_choose(mask._c, model._c, byref(request), _arrays.integer(budget or 0, 64, "budget"),
                                byref(run))
    return len(mask) - before


def unlearn_rank(model, method, *, codes=None, rows=None, classes=None, seed=None, threads=0):
    """The budget from which on unlearn_choose() takes each pair, `uint32[C][K]`; RANK_NEVER where none does."""
    request, _kept = _request(model, method, codes, rows, classes, seed)
    info = model.info
    rank = np.empty((info.codebooks, info.keys), np.uint32)
    with LongCall(threads) as run:
        lib.dkvb_unlearn_rank(_arrays.pointer(rank), model._c, byref(request), byref(run))
    return rank


def unlearn_by_rank(mask, rank, budget):
    """Add the pairs whose rank is at most `budget`. Returns how many the mask gained."""
    rank = _arrays.ranks(rank, mask.shape)
    before = len(mask)
    lib.dkvb_unlearn_by_rank(mask._c, _arrays.pointer(rank), _arrays.integer(budget, 64, "budget"))
    return len(mask) - before


def _request(model, method, codes, rows, classes, seed):
    """The struct, and the arrays that it points to: they must outlive the call."""
    if method not in _METHODS:
        raise ValueError(f"method: {method!r} found, one of {', '.join(_METHODS)} wanted")
    info, k, n = model.info, None, None
    if codes is not None:
        codes, k = _arrays.codes(codes, info.codebooks)
        n = len(codes)
    elif rows is not None:
        raise ValueError("rows: marks without codes found, codes wanted too")
    rows = None if rows is None else _arrays.marks(rows, n, "rows")
    classes = None if classes is None else _arrays.marks(classes, info.classes, "classes")
    request = _struct.options(_ffi.Request, method=_METHODS[method], k=k, n=n, seed=seed,
                              codes=_arrays.pointer(codes), rows=_arrays.pointer(rows),
                              classes=_arrays.pointer(classes))
    return request, (codes, rows, classes)
