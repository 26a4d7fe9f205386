"""Choosing the pairs to mask for a request to forget."""

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
    """Adds the `budget` pairs with the highest scores of a method to a mask (choose.h). Methods are "activations",
    "contrast" or "values"; "examples", whose budget counts rows; and "every", which takes no budget. Returns how many
    pairs were added to the mask.

    The rows to forget are given by `codes` and `rows`, marks of the rows (None: forget all). Without codes, `classes`
    are marks of the model's classes, and the method uses the counts that the model keeps, or for "values" its values.
    Marks are KEEP, FORGET and ASIDE, or booleans, where True is FORGET.
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
    """Returns the request as a C struct, and the arrays that it points to, which must outlive the call."""
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
