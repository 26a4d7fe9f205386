"""The journal of a model: for each forget operation, what was asked to be forgotten, the measured effects, and what was
done."""

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
    """Effect of a mask on one class: accuracy lost, before minus after the masking, with its 95 % interval (effect.h).
    """

    rows: int
    right_before: int
    right_after: int
    lost: int  # Number of rows classified correctly before the masking and wrongly after it.
    gained: int  # Number of rows classified wrongly before the masking and correctly after it.
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Terms:
    """Terms of a forget operation: the classes to forget, the limits on lost accuracy, and the measured effects. The
    journal stores the Terms that Model.forget() is given, unchecked; later plans read them."""

    classes: Tuple[int, ...] = ()  # Labels of the classes to forget; () if no class was named.
    # Measured effect of the forgetting on each class, by label.
    effects: Dict[int, ClassEffect] = field(default_factory=dict)
    # Budget of the forgetting: number of pairs to mask, or of rows to draw for the method "examples"; 0 = unknown.
    budget: int = 0
    # Accuracy limit of the forgotten classes for which the budget was searched, or None.
    target: Optional[float] = None
    max_retain_drop: float = 0.0  # Limit on the accuracy that all other classes together may lose.
    max_class_loss: float = 0.0  # Limit on the accuracy that any other class may lose (lower end of its 95 % interval).
    forced: bool = False  # True if the plan was applied although it exceeded a limit.
    again: int = 0  # Number of the earlier journal entry whose classes are forgotten once more.
    # "kept" if strength "exact" kept the keys, "placed" if it placed keys again without the forgotten rows, else "".
    keys: str = ""
    # Head (latest hash) of the older model's journal that the journal of the model continues, or None.
    after: Optional[bytes] = None


@dataclass(frozen=True)
class JournalEntry:
    """One entry of the journal of a model; `time` is in seconds since 1970."""

    id: int
    kind: str  # Kind of the journal entry: "forget", "undo", "purge", "replay" or "relearn".
    state: str  # State of the journal entry: "active", "undone", "purged", "done" or "relearned".
    in_force: bool  # True for a forget operation or a replay that is neither undone nor ended by relearning.
    ends: int  # Number of the journal entry that an undo took back or a relearning ended; else 0.
    time: int
    pairs: int
    pairs_new: int
    method: str
    reason: str
    strength: str  # Strength of the forgetting: "suppress", "exact" or "".
    terms: Optional[Terms]  # Terms (limits and measured effects) that the caller of the forget operation gave, or None.
    rows: int  # Number of forgotten rows; 0 = not recorded.
    commitment: Optional[bytes]  # Salted hash of the ids of the forgotten rows.
    pairs_commitment: Optional[bytes]
    salted: bool  # True if the model still has the random salt with which the ids of forgotten rows were hashed.
    head: bytes  # Hash of this journal entry and all entries before it.
    # True if the salt of the hash of forgotten ids is gone, so that nobody can tell whether forgotten rows were learned
    # again.
    unchecked: bool


def _terms_fields(terms, classes):
    """Returns the members of a Terms object as members of the C struct ForgetOptions."""
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
    """Returns the options of a forget operation as a C struct, and the arrays that the struct points to, which the
    caller must keep alive."""
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
    """Returns the Terms that a journal entry records; None if the entry records none."""
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
    """Returns all entries of the journal, oldest first."""
    return [_entry(model, info.classes, index) for index in range(info.journal_entries)]
