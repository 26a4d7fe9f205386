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

    met: bool  # True if the masking of `budget` pairs meets both accuracy limits; False if no number of pairs does.
    # Smallest number of pairs to mask that meets both accuracy limits; unlearn_choose() takes this number as `budget`.
    budget: int
    forget_rows: int
    retain_rows: int
    forget_before: float
    forget_after: float
    retain_before: float
    retain_after: float
    # Number of pairs to mask that is likely to meet the accuracy limits also on rows that were not held out; at least
    # `budget`.
    roomy: int


def effect(model: Any, mask: Any, held: Any, *, before: Any = None, exhausted: bool = False, threads: int = 0,
           progress: Progress = None) -> Any:
    """Returns a ClassEffect for each class: the accuracy that the class would lose if `mask` were added to the model's
    present mask. If a mask is given as `before`, its pairs count as masked both without and with `mask`.

    effect() measures accuracy on `held`: the held-out rows of a Codeset, or a CodesetRows. With `mask=None` nothing is
    masked, and ClassEffect.right_before shows the present accuracy. With `exhausted=True`, effect() also returns the
    number of (row, codebook) pairs whose codes had too few unmasked keys.
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
    """Returns held-out rows for effect() as a C struct; of a Codeset, missing codes are searched first."""
    if isinstance(held, Codeset):
        with model.codebooks as codebooks:
            held.search(codebooks, "held_out")
    return raw_rows(held)
