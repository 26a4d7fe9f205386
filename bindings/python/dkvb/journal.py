"""The journal of a model: what was asked for, what was measured, what was done."""

from ctypes import byref
from dataclasses import astuple, dataclass, field
from typing import Dict, Optional, Tuple

import numpy as np

from . import _arrays, _ffi, _struct
from ._library import lib

STRENGTHS = {
    "": _ffi.DKVB_STRENGTH_NONE,
    "suppress": _ffi.DKVB_STRENGTH_SUPPRESS,
    "exact": _ffi.DKVB_STRENGTH_EXACT,
}
_KEYS = {"": _ffi.DKVB_KEYS_UNSAID, "kept": _ffi.DKVB_KEYS_KEPT, "placed": _ffi.DKVB_KEYS_PLACED}


@dataclass(frozen=True)
class ClassEffect:
    """Losses of the rows of one class: accuracy before minus accuracy after, with its 95 % interval (effect.h)."""

    rows: int
    right_before: int
    right_after: int
    lost: int  # right before, wrong after
    gained: int  # wrong before, right after
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Terms:
    """Terms of a forgetting: who was meant, within which limits, and what was measured. Terms are stored as given;
    later requests read them."""

    classes: Tuple[int, ...] = ()  # labels that were asked for; () = the request is not by class
    effects: Dict[int, ClassEffect] = field(default_factory=dict)  # effects by label, of classes with held-out rows
    budget: int = 0  # number of pairs that were chosen (method "examples": rows drawn); 0 = unknown
    target: Optional[float] = None  # the budget was searched for, to leave the classes this accuracy; None = it was given
    max_retain_drop: float = 0.0  # accuracy that all others together might lose
    max_class_loss: float = 0.0  # accuracy that any other class might lose for certain
    forced: bool = False  # the forgetting was carried out although a limit was exceeded
    again: int = 0  # the earlier entry whose classes are forgotten once more
    keys: str = ""  # "kept", "placed" (again, without the rows) or ""
    after: Optional[bytes] = None  # head of the journal that this one continues


@dataclass(frozen=True)
class JournalEntry:
    """One line of the journal; `time` is in seconds since 1970."""

    id: int
    kind: str  # "forget", "undo", "purge", "replay" or "relearn"
    state: str  # "active", "undone", "purged", "done" or "relearned"
    in_force: bool  # a forgetting or a replay that is neither undone nor over
    ends: int  # undo: the entry taken back; relearn: the forgetting that ended; else 0
    time: int
    pairs: int
    pairs_new: int
    method: str
    reason: str
    strength: str  # "suppress", "exact" or ""
    terms: Optional[Terms]  # None: none were given
    rows: int  # rows in the forget set, 0 = not recorded
    commitment: Optional[bytes]  # commitment to the rows
    pairs_commitment: Optional[bytes]
    salted: bool  # whether the salt of the commitments is kept
    head: bytes  # hash of this entry and all before it
    unchecked: bool  # forgettings by rows in force whose salt is erased: nobody can tell whether their rows were taught again


def _terms_fields(terms, classes):
    """Returns the members of ForgetOptions that stand for terms."""
    fields = {name: getattr(terms, name) for name in ("budget", "max_retain_drop", "max_class_loss", "again")}
    fields["forced"], fields["found"] = int(terms.forced), int(terms.target is not None)
    fields["target"] = terms.target
    fields["keys"] = _arrays.choice(terms.keys, _KEYS, "keys")
    fields["after"] = _arrays.hash_bytes(terms.after, "after")
    if terms.classes:
        marks = np.zeros(classes, np.uint8)
        for label in terms.classes:
            if not 0 <= label < classes:
                raise ValueError(f"classes: {label} found, the model's classes are 0 to {classes - 1}")
            marks[label] = _ffi.DKVB_FORGET
        fields["classes"] = marks
    if terms.effects:
        fields["effects"] = (_ffi.ClassEffect * classes)()
        for label, effect in terms.effects.items():
            if not 0 <= label < classes:
                raise ValueError(f"effects: class {label} found, the model's classes are 0 to {classes - 1}")
            fields["effects"][label] = _ffi.ClassEffect(*astuple(effect))
    return fields


def forget_options(classes, method, reason, strength, terms, rows, salt):
    """Returns the struct, and the arrays that it points to, as a pointer in a struct does not keep its array alive."""
    if strength not in STRENGTHS:
        raise ValueError(f"strength: {strength!r} found, it must be one of {', '.join(map(repr, STRENGTHS))}")
    rows, salt = None if rows is None else _arrays.ids(rows, "rows", "rows"), _arrays.hash_bytes(salt, "salt")
    fields = _terms_fields(terms, classes) if terms else {}
    kept = rows, salt, dict(fields)
    for name in ("classes", "after"):
        fields[name] = _arrays.pointer(fields.get(name))
    opts = _struct.options(_ffi.ForgetOptions, method=_arrays.text(method, "method"),
                           reason=_arrays.text(reason, "reason"), strength=STRENGTHS[strength],
                           rows=_arrays.pointer(rows), row_count=0 if rows is None else len(rows),
                           salt=_arrays.pointer(salt), **fields)
    return opts, kept


def _terms(model, classes, raw):
    """Returns the terms of an entry; None if it has none."""
    marks, effects = np.zeros(classes, np.uint8), (_ffi.ClassEffect * classes)()
    lib.dkvb_journal_get_terms(model, raw.id, _arrays.pointer(marks), effects)
    terms = Terms(classes=tuple(np.flatnonzero(marks == _ffi.DKVB_FORGET).tolist()),
                  effects={label: _struct.answer(ClassEffect, one) for label, one in enumerate(effects) if one.rows},
                  budget=raw.budget, target=raw.target if raw.found else None, max_retain_drop=raw.max_retain_drop,
                  max_class_loss=raw.max_class_loss, forced=bool(raw.forced), again=raw.again,
                  keys=_arrays.chosen(raw.keys, _KEYS), after=bytes(raw.after) if raw.has_after else None)
    return None if terms == Terms() else terms


def _entry(model, classes, index):
    raw = _struct.sized(_ffi.JournalEntry)
    lib.dkvb_journal_get(model, index, byref(raw))
    return JournalEntry(raw.id, _struct.name(_ffi.DKVB_NAME_ENTRY_KIND, raw.kind),
                        _struct.name(_ffi.DKVB_NAME_ENTRY_STATE, raw.state), bool(raw.in_force), raw.ends, raw.time,
                        raw.pairs, raw.pairs_new, raw.method.decode("utf-8"), raw.reason.decode("utf-8"),
                        _struct.name(_ffi.DKVB_NAME_STRENGTH, raw.strength), _terms(model, classes, raw), raw.rows,
                        bytes(raw.commitment) if raw.has_commitment else None,
                        bytes(raw.pairs_commitment) if raw.has_pairs_commitment else None, bool(raw.salted),
                        bytes(raw.head), bool(raw.unchecked))


def journal_entries(model, info):
    """Returns all entries, oldest first."""
    return [_entry(model, info.classes, index) for index in range(info.journal_entries)]
