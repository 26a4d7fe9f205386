"""Effects: how much accuracy each class would lose by a mask."""

from ctypes import byref, c_uint64
from dataclasses import dataclass
from typing import Any

from . import _ffi, _struct
from ._library import lib
from ._run import LongCall
from .codeset import Codeset, raw_rows
from .journal import ClassEffect
from ._types import Progress


@dataclass(frozen=True)
class Budget:
    """A budget, or number of pairs to mask, that a plan has searched for (effect.h)."""

    met: bool  # False if no budget meets both accuracy limits, and `budget` comes nearest
    budget: int  # smallest number of pairs whose masking meets the limits, as unlearn_choose() takes it
    forget_rows: int
    retain_rows: int
    forget_before: float
    forget_after: float
    retain_before: float
    retain_after: float
    roomy: int  # a larger number of pairs, meant for rows that were not held out


def effect(model: Any, mask: Any, held: Any, *, before: Any = None, exhausted: bool = False, threads: int = 0,
           progress: Progress = None) -> Any:
    """Returns a ClassEffect for each class: the accuracy it would lose if `mask` were added to the mask in force and to
    `before`.

    `held` is a Codeset, whose held-out rows are measured, or a CodesetRows. `mask=None` masks nothing: `right_before`
    then shows the present accuracy. With `exhausted=True`, effect() also returns the number of (row, codebook) pairs
    whose codes had too few unmasked keys.
    """
    raw, _kept = _held(model, held)
    effects = (_ffi.ClassEffect * model.info.classes)()
    count = c_uint64()
    with LongCall(threads, progress) as run:
        lib.dkvb_effect_measure(model._c, None if before is None else before._c, None if mask is None else mask._c,
                                byref(raw), effects, byref(count), byref(run))
    found = [_struct.answer(ClassEffect, one) for one in effects]
    return (found, count.value) if exhausted else found


def _held(model, held):
    """Checks the held-out rows. A codeset knows its codebooks, a CodesetRows does not."""
    if isinstance(held, Codeset):
        with model.codebooks as codebooks:
            held.search(codebooks, "held_out")
    return raw_rows(held)
