"""Plans: a plan says what a request to forget would do, before it is done."""

from ctypes import POINTER, byref, c_uint64
from dataclasses import dataclass
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import numpy as np

from . import _arrays, _ffi, _struct, unlearn
from ._handle import SavedHandle
from ._library import lib
from ._run import LongCall
from .effect import Budget, ClassEffect
from .mask import Mask
from ._types import Classes, Ids, Numbers, Path, Progress

METHODS: Dict[Optional[str], int] = {None: 0, **unlearn._METHODS}
_STRENGTHS = {"suppress": _ffi.DKVB_STRENGTH_SUPPRESS, "exact": _ffi.DKVB_STRENGTH_EXACT}
_KEYS: Dict[Optional[str], int] = {
    None: _ffi.DKVB_KEYS_UNSAID, "keep": _ffi.DKVB_KEYS_KEPT, "place": _ffi.DKVB_KEYS_PLACED}


@dataclass(frozen=True)
class PlanInfo:
    """Properties of a plan to forget (plan.h)."""

    strength: str
    method: str  # Method of choosing pairs to mask; "" if a mask was given, and for strength exact.
    # Why the plan is refused ("nothing", "rows", "target", "class", "mixed", "again", "keys"), or None.
    refused: Optional[str]
    can_be_forced: bool
    forced: bool
    pairs: int
    pairs_new: int
    pairs_total: int
    rows: int
    ids: int
    looked_at: int
    held_out: int
    exhausted: int
    again: int
    not_again: int
    lifted: int
    keys_placed: bool
    resumed: bool
    budget: Optional[Budget]  # Number of pairs that the plan has searched for; None if the caller gave the number.
    forgotten: int  # Number of the plan's requests that the model has already forgotten.


@dataclass(frozen=True)
class PlannedRequest:
    """One request of a plan that was made from several requests (plan.h)."""

    line: int  # Line number, from 1, of the forget request in the text of forget requests.
    forgotten: bool  # True if the model has already forgotten what the forget request names.
    entry: Optional[int]  # Number of the journal entry that the forget request will get, or already has.
    ids: int
    pairs: int
    pairs_new: int
    classes: tuple  # Labels of the classes that the forget request names; () for a request that names ids.


class Plan(SavedHandle):
    """A plan to forget, made by Model.plan_forget() or read from a file, and applied by Model.apply()."""

    _free = staticmethod(lib.dkvb_plan_free)
    _shared = True

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Reads a saved plan from a file, to look at it or to apply it."""
        out = POINTER(_ffi.Plan)()
        lib.dkvb_plan_load(byref(out), _arrays.path(path), None)
        return cls._adopt(out)

    def save(self, path: Path) -> None:
        """Writes the plan to a file, atomically. A plan file is as private as the model: it holds ids of rows, and
        values."""
        lib.dkvb_plan_save(self._c, _arrays.path(path))

    @property
    def _raw(self):
        """Returns the plan as a C struct, whose pointers are valid as long as the plan."""
        raw = _struct.sized(_ffi.PlanInfo)
        raw.budget.struct_size = _struct.sized(_ffi.Budget).struct_size
        lib.dkvb_plan_get_info(self._c, byref(raw))
        return raw

    @property
    def info(self) -> PlanInfo:
        raw = self._raw
        searched = raw.budget_found or raw.refused == _ffi.DKVB_REFUSED_TARGET
        return PlanInfo(_struct.name(_ffi.DKVB_NAME_STRENGTH, raw.strength),
                        _struct.name(_ffi.DKVB_NAME_METHOD, raw.method),
                        _struct.name(_ffi.DKVB_NAME_REFUSAL, raw.refused) or None,
                        bool(raw.can_be_forced), bool(raw.forced), raw.pairs, raw.pairs_new, raw.pairs_total, raw.rows,
                        raw.ids, raw.looked_at, raw.held_out, raw.exhausted, raw.again, raw.not_again, raw.lifted,
                        raw.keys == _ffi.DKVB_KEYS_PLACED, bool(raw.resumed),
                        _struct.answer(Budget, raw.budget) if searched else None, raw.forgotten)

    @property
    def requests(self) -> Any:
        """A PlannedRequest for each forget request, if the plan was made from a text with one request a line; else
        ()."""
        raw = self._raw
        return tuple(PlannedRequest(one.line, bool(one.forgotten), one.entry or None, one.ids, one.pairs, one.pairs_new,
                                    tuple(label for label in range(raw.class_count)
                                          if one.classes and one.classes[label] == _ffi.DKVB_FORGET))
                     for one in (raw.requests[i] for i in range(raw.request_count)))

    @property
    def refusal(self) -> Any:
        """Text that says why the plan is refused, and what would help; None if the plan is not refused."""
        return self._raw.refusal.decode("utf-8") or None

    @property
    def effects(self) -> Any:
        """The plan's ClassEffect on each class, measured on held-out rows; None if the codeset has no held-out rows."""
        raw = self._raw
        return ([_struct.answer(ClassEffect, raw.effects[label]) for label in range(raw.class_count)]
                if raw.effects else None)

    @property
    def classes(self) -> Any:
        """Labels of the classes that the plan will forget."""
        raw = self._raw
        return ([label for label in range(raw.class_count) if raw.classes[label] == _ffi.DKVB_FORGET]
                if raw.classes else [])

    @property
    def mask(self) -> Any:
        """A copy of the mask that the plan will add to the model; None for strength exact."""
        found = self._raw.mask
        if not found:
            return None
        out = POINTER(_ffi.Mask)()
        lib.dkvb_mask_copy(byref(out), found)
        info = _struct.sized(_ffi.MaskInfo)
        lib.dkvb_mask_get_info(out, byref(info))
        return Mask._adopt_shaped(out, (info.codebooks, info.keys))


def plan_forget(model: Any, *, classes: Optional[Classes] = None, ids: Ids = None, codes: Numbers = None,
                labels: Numbers = None, mask: Any = None, requests: Optional[Union[str, Sequence[str]]] = None,
                codeset: Any = None, strength: str = "suppress", method: Optional[str] = None,
                budget: Optional[int] = None, seed: Optional[int] = None, target: Optional[float] = None,
                max_retain_drop: Optional[float] = None, max_class_loss: Optional[float] = None, force: bool = False,
                keys: Optional[str] = None, features: Numbers = None, feature_ids: Ids = None,
                reason: Optional[str] = None, salt: Optional[bytes] = None, threads: int = 0,
                progress: Progress = None) -> "Plan":
    words: Tuple[Tuple[Optional[str], Dict[Any, int], str], ...] = (
        (strength, _STRENGTHS, "strength"), (method, METHODS, "method"), (keys, _KEYS, "keys"))
    for value, allowed, name in words:
        if value not in allowed:
            raise ValueError(f"{name}: {value!r} found, it must be one of {', '.join(map(repr, allowed))}")
    info = model.info
    marks = None
    if classes is not None:
        marks = np.zeros(info.classes, np.uint8)
        for one in classes:
            marks[model.find_class(one) if isinstance(one, str) else _label(one, info.classes)] = _ffi.DKVB_FORGET
    if codes is not None:
        codes, k = _arrays.codes(codes, info.codebooks)
        if k != info.top_k:
            raise ValueError(f"codes: k = {k} found, it must be {info.top_k}")
        labels = None if labels is None else _arrays.labels(labels, len(codes))
    elif labels is not None:
        raise ValueError("labels: they are of codes, which are missing")
    names, feature_names = _arrays.names(ids), _arrays.names(feature_ids)
    ids = None if ids is None or names is not None else _arrays.ids(ids, "rows" if codes is None else len(codes), "ids")
    if features is None and feature_ids is not None:
        raise ValueError("feature_ids: they are of features, which are missing")
    if features is not None:
        features = _arrays.floats(features, ("rows", info.input_dim), "features")
        if feature_names is not None and len(feature_names) != len(features):
            raise ValueError(f"feature_ids: {len(feature_names)} names found, there are {len(features)} features")
        feature_ids = (None if feature_ids is None or feature_names is not None
                       else _arrays.ids(feature_ids, len(features), "feature_ids"))
        keys = keys or "place"
    if requests is not None and not isinstance(requests, str):
        requests = "".join(f"{_line(one)}\n" for one in requests)
    salt = _arrays.hash_bytes(salt, "salt")
    request = _struct.options(
        _ffi.ForgetRequest, strength=_STRENGTHS[strength], method=METHODS[method],
        classes=_arrays.pointer(marks), ids=_arrays.pointer(ids), id_count=None if ids is None else len(ids),
        codes=_arrays.pointer(codes), n=None if codes is None else len(codes), labels=_arrays.pointer(labels),
        mask=None if mask is None else mask._c._as_parameter_, budget=budget, seed=seed, target=target,
        max_retain_drop=max_retain_drop, max_class_loss=max_class_loss, force=int(bool(force)), keys=_KEYS[keys],
        features=_arrays.pointer(features), feature_rows=None if features is None else len(features),
        feature_columns=None if features is None else info.input_dim, feature_ids=_arrays.pointer(feature_ids),
        reason=_arrays.text(reason, "reason"), salt=_arrays.pointer(salt),
        requests=_arrays.text(requests, "requests"), names=names, name_count=None if names is None else len(names),
        feature_names=feature_names)
    out = POINTER(_ffi.Plan)()
    with LongCall(threads, progress) as run:
        lib.dkvb_forget_plan(byref(out), model._c, None if codeset is None else codeset._c, byref(request), byref(run))
    return Plan._adopt(out)


def _line(request):
    """Returns one of `requests` after checking that it is a single line of text."""
    if not isinstance(request, str) or "\n" in request:
        raise ValueError(f"requests: {request!r} found, each must be one line of text")
    return request


def _label(number, classes):
    label = _arrays.integer(number, 32, "classes")
    if label >= classes:
        raise ValueError(f"classes: {label} found, the model has classes 0 to {classes - 1}")
    return label


def apply(model: Any, plan: Any, codeset: Any) -> Optional[int]:
    entry = c_uint64()
    lib.dkvb_forget_apply(plan._c, model._c, None if codeset is None else codeset._c, byref(entry))
    return entry.value or None
