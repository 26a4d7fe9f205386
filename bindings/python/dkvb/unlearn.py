"""Chooses the (codebook, key) pairs to mask when rows or classes are to be forgotten."""

from ctypes import byref
from typing import Any, Optional

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall
from ._types import Numbers

_METHODS = {_struct.name(_ffi.DKVB_NAME_METHOD, number): number
            for number in range(_ffi.DKVB_METHOD_ACTIVATIONS, _ffi.DKVB_METHOD_EVERY + 1)}


def unlearn_choose(mask: Any, model: Any, method: str, budget: Optional[int] = None, *, codes: Numbers = None,
                   rows: Numbers = None, classes: Numbers = None, seed: Optional[int] = None, threads: int = 0) -> int:
    """Adds to a mask the `budget` (codebook, key) pairs that score highest by a method of choosing pairs (choose.h).
    The methods of choosing pairs are "activations", "contrast" or "values"; "examples", whose budget counts rows; and
    "every", which takes no budget. Returns how many pairs were added to the mask.

    The rows to forget are given by their `codes`; `rows` marks which of the codes are to be forgotten (None: all). If
    no codes are given, `classes` marks the classes to forget, and choose() uses the model's counts of pairs selected by
    each class, or for method "values" the model's values. Each of `rows` and `classes` is marked KEEP, FORGET or ASIDE
    (its rows are ignored when pairs are chosen), or by a boolean, where True means FORGET.
    """
    request, _kept = _request(model, method, codes, rows, classes, seed)
    if budget is None and method != "every":
        raise ValueError(f"budget: None found, it must be a number for method {method}")
    before = len(mask)
    with LongCall(threads) as run:
        lib.dkvb_unlearn_choose(mask._c, model._c, byref(request), _arrays.integer(budget or 0, 64, "budget"),
                                byref(run))
    return len(mask) - before


def _request(model, method, codes, rows, classes, seed):
    """Returns what to forget as the C struct Request, and the arrays that the struct points to, which must outlive the
    C call."""
    if method not in _METHODS:
        raise ValueError(f"method: {method!r} found, it must be one of {', '.join(_METHODS)}")
    info, k, n = model.info, None, None
    if codes is not None:
        codes, k = _arrays.codes(codes, info.codebooks)
        n = len(codes)
    elif rows is not None:
        raise ValueError("rows: marks need the codes of their rows")
    rows = None if rows is None else _arrays.marks(rows, n, "rows")
    classes = None if classes is None else _arrays.marks(classes, info.classes, "classes")
    request = _struct.options(_ffi.Request, method=_METHODS[method], k=k, n=n, seed=seed,
                              codes=_arrays.pointer(codes), rows=_arrays.pointer(rows),
                              classes=_arrays.pointer(classes))
    return request, (codes, rows, classes)
