"""Effects: what a mask would do, to whom, and how large it must be."""

from ctypes import byref, c_uint64
from dataclasses import astuple, dataclass

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import LongCall
from .codeset import Codeset, CodesetRows, raw_rows
from .journal import ClassEffect


@dataclass(frozen=True)
class Budget:
    """What find_budget() found."""

    met: bool  # False: no budget keeps both limits, and this one comes nearest
    budget: int  # for unlearn_choose() and unlearn_by_rank()
    forget_rows: int
    retain_rows: int
    forget_before: float
    forget_after: float
    retain_before: float
    retain_after: float
    roomy: int  # a larger budget, with room for rows that were not held out


def effect(model, mask, held, *, before=None, exhausted=False, threads=0, progress=None):
    """A ClassEffect for each class: what it would lose if `mask` came to the mask in force and to `before`.

    `held` is a Codeset, whose held-out rows are measured, or a CodesetRows. `mask=None` masks nothing: `right_before`
    says how things are. With `exhausted=True` also how many (row, codebook) pairs had too few keys in their codes.
    """
    raw, _kept = _held(model, held)
    effects = (_ffi.ClassEffect * model.info.classes)()
    count = c_uint64()
    with LongCall(threads, progress) as run:
        lib.dkvb_effect_measure(model._c, None if before is None else before._c, None if mask is None else mask._c,
                                byref(raw), effects, byref(count), byref(run))
    found = [_struct.answer(ClassEffect, one) for one in effects]
    return (found, count.value) if exhausted else found


def effect_compare(before, after, held, *, threads=0, progress=None):
    """The same for two models of the same codebooks, under the mask that each has in force: what a replay did."""
    raw, _kept = _held(before, held)
    effects = (_ffi.ClassEffect * before.info.classes)()
    with LongCall(threads, progress) as run:
        lib.dkvb_effect_compare(before._c, after._c, byref(raw), effects, byref(run))
    return [_struct.answer(ClassEffect, one) for one in effects]


def effect_sum(effects):
    """One ClassEffect of classes taken together: counts added, loss and interval worked out again."""
    total = _ffi.ClassEffect()
    for one in effects:
        lib.dkvb_effect_add(byref(total), byref(_ffi.ClassEffect(*astuple(one))))
    return _struct.answer(ClassEffect, total)


def effect_sample(model, held, classes, most=0):
    """CodesetRows for effect() and find_budget() where all rows held out would take too long: all rows of classes that
    are not KEEP, `most` others (0: as many as take about a second), and label -1 for rows that are left out.
    """
    rows = held.rows("held_out") if isinstance(held, Codeset) else held
    raw, _kept = raw_rows(rows)
    classes = _arrays.marks(classes, model.info.classes, "classes")
    labels, count = np.empty(len(rows.codes), np.int32), c_uint64()
    lib.dkvb_effect_sample(model._c, byref(raw), _arrays.pointer(classes), _arrays.integer(most, 64, "most"),
                           _arrays.pointer(labels), byref(count))
    return CodesetRows(rows.ids, labels, rows.codes)


def find_budget(model, rank, held, classes, *, target=None, max_retain_drop=None, threads=0, progress=None):
    """The smallest budget that brings accuracy on the classes to be forgotten down to `target` (0 unless given) while
    all others together lose at most `max_retain_drop` (.005 unless given). Returns a Budget.

    `rank` is that of unlearn_rank(), `held` as for effect(), `classes` as for unlearn_choose().
    """
    info = model.info
    rank = _arrays.ranks(rank, (info.codebooks, info.keys))
    classes = _arrays.marks(classes, info.classes, "classes")
    raw, _kept = _held(model, held)
    opts = _struct.options(_ffi.BudgetOptions, target=target,
                           max_retain_drop=max_retain_drop)
    found = _struct.sized(_ffi.Budget)
    with LongCall(threads, progress) as run:
        lib.dkvb_budget_find(model._c, _arrays.pointer(rank), byref(raw), _arrays.pointer(classes), byref(opts),
                             byref(found), byref(run))
    return _struct.answer(Budget, found)


def _held(model, held):
    """Rows do not say whose they are, a codeset does."""
    if isinstance(held, Codeset):
        with model.codebooks as codebooks:
            held.search(codebooks, "held_out")
    return raw_rows(held)
