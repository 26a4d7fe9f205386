"""The inputs of a deletion report: models, rows, and what was asked to be forgotten."""

import hashlib
import os
from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from .. import _ffi
from ..codeset import Codeset
from ..data import _DTYPES
from ..errors import Error, MismatchError
from ..model import Model
from ..table import file_of, read_table


@dataclass
class Rows:
    """Rows that a report measures, with features or codes; `codes` were searched in the codebooks with birth id
    `birth`."""

    what: str  # Kind of the rows: "test rows", "rows held out" or "training rows".
    labels: np.ndarray  # Labels of the rows, int32[n].
    features: Optional[np.ndarray] = None  # Features of the rows, float32[n][m].
    codes: Optional[np.ndarray] = None  # Codes of the rows, uint16[n][C][depth], searched without a mask.
    birth: bytes = b""  # Birth id of the codebooks of `codes`; b"" if unknown.
    ids: Optional[np.ndarray] = None  # Ids of the rows, uint64[n].

    def __len__(self):
        return len(self.labels)

    def pick(self, chosen):
        """Returns those of the rows that `chosen` selects, a boolean array or an array of row numbers."""
        return Rows(self.what, self.labels[chosen], None if self.features is None else self.features[chosen],
                    None if self.codes is None else self.codes[chosen], self.birth,
                    None if self.ids is None else self.ids[chosen])


@dataclass
class Inputs:
    """All inputs that the caller of a report gave, and the rows that the report derives from them."""

    model: Model
    path: str
    before: Optional[Model] = None
    before_path: Optional[str] = None
    before_missing: str = ""  # Why there is no model from before the forgetting, as a sentence; else "".
    codeset: Optional[Codeset] = None
    codes_path: Optional[str] = None
    test: Optional[Rows] = None
    given: Optional[Rows] = None  # Training rows, from the option --features.
    classes: tuple = ()  # Labels of the forgotten classes.
    rows: Optional[np.ndarray] = None  # Ids of the forgotten rows, if the caller gave them.
    title: str = ""
    date: str = ""
    files: list = field(default_factory=list)  # Description, path and SHA-256 of each input file.
    reference: bool = False
    tested: tuple = ()  # Names of the files of test rows and test labels.

    def measured(self):
        """Returns rows on which the model was not trained: test rows, or else held-out rows, or else None."""
        if self.test is not None:
            return self.test
        return self.part("held_out")

    def part(self, name):
        """Returns the training or held-out rows of the codeset; None if the codeset has no rows in this part."""
        if self.codeset is None:
            return None
        raw = self.codeset._raw_rows(name)
        if not raw.n:
            return None
        ids, labels = (np.ctypeslib.as_array(one, (raw.n,)).copy() for one in (raw.ids, raw.labels))
        what = "rows held out" if name == "held_out" else "training rows"
        features = codes = None
        birth = self._owner(name)
        if raw.features:
            kind = np.dtype(_DTYPES[raw.dtype])
            held = (_ffi.c_uint8 * (raw.n * raw.columns * kind.itemsize)).from_address(raw.features)
            features = np.frombuffer(held, kind).reshape(raw.n, raw.columns)
        if raw.codes:
            codes = np.ctypeslib.as_array(raw.codes, (raw.n, raw.codebooks, raw.k))
        return Rows(what, labels, features, codes, birth, ids)

    def _owner(self, part):
        """Returns the birth id of the codebooks in which the rows of a part of the codeset were searched, if the
        codebooks belong to the model before or after the forgetting; else b"". A codeset does not tell the birth id of
        its codebooks, but refuses a search with other codebooks."""
        if not self.codeset.kept[part][0] == "codes":
            return b""  # rows stored as features have no fixed codebooks: each model searches its own codes
        for model in (self.before, self.model):
            if model is not None:
                with model.codebooks as codebooks:
                    try:
                        self.codeset.search(codebooks, part)
                        return codebooks.info.birth
                    except MismatchError:
                        continue
        return b""

    def training(self):
        """Returns rows on which the model was trained, with their features if known; None if there are no such rows."""
        kept = self.part("training")
        if self.given is None:
            return kept
        if kept is None:
            return self.given
        if kept.features is None:  # the row numbers of the caller's training rows are their ids in the codes file
            inside = kept.ids < len(self.given)
            if inside.all() and np.array_equal(self.given.labels[kept.ids], kept.labels):
                return Rows(kept.what, kept.labels, self.given.features[kept.ids], kept.codes, kept.birth, kept.ids)
        return kept


def load(path, before=None, codes=None, features=None, labels=None, test_features=None, test_labels=None, classes=None,
         rows=None, title="", date="", reference=False):
    """Reads the input files of a report, and compares their shapes. Raises dkvb.Error or ValueError, with a message of
    one sentence, if an input file cannot be used."""
    model = Model.load(path)
    found = Inputs(model, os.fspath(path), title=title or "", date=date or "", reference=reference)
    _note(found, "model", path)
    found.classes = _classes(model, classes)
    if before is not None:
        found.before, found.before_path = Model.load(before), os.fspath(before)
        _note(found, "model before", before)
        _same_shape(model, path, found.before, before)
    else:
        found.before, found.before_missing = undone(path, model)
    if codes is not None:
        found.codeset, found.codes_path = _codeset(codes, found), os.fspath(codes)
        _note(found, "codes", codes)
    found.test = _rows("test rows", model, "test ", test_features, test_labels)
    found.given = _rows("training rows", model, "", features, labels)
    if found.test is not None:
        found.tested = tuple(map(os.fspath, (test_features, test_labels)))
    for what, one in (("training features", features), ("training labels", labels), ("test features", test_features),
                      ("test labels", test_labels), ("row ids", rows)):
        if one is not None:
            _note(found, what, one)
    if rows is not None:
        ids = read_table(rows, what="ids").ids
        if isinstance(ids, list):
            raise ValueError(f"{os.fspath(rows)}: names found, {ids[0]!r} for example; ids must be whole numbers")
        if ids is None or len(ids) == 0:
            raise ValueError(f"{os.fspath(rows)}: no id found; the ids of the forgotten rows must be given")
        found.rows = np.sort(ids)
    return found


def _codeset(path, found):
    """Reads the codes file, which must belong to the codebooks of the model before or after the forgetting."""
    for model in (found.model, found.before):
        if model is not None:
            with model.codebooks as codebooks:
                try:
                    return Codeset.load(path, codebooks)
                except MismatchError:
                    continue
    owners = " or ".join([found.path] + ([found.before_path] if found.before_path else []))
    raise ValueError(f"{os.fspath(path)}: codes of other codebooks than {owners} has; the codes file that was written "
                     "with the model, or the model that it was written with (--before), must be given")


def undone(path, model):
    """Returns the model from before all forget operations in force, made by undoing them in a copy; or None and the
    reason."""
    active = [one for one in model.journal if one.in_force]
    if not active:
        return None, "The model's journal has no forgetting in force, and no model from before was given (--before)."
    if any(one.kind != "forget" for one in active):
        return None, ("Values were trained again, which nothing takes back: the model from before must be given "
                      "(--before).")
    before = Model.load(path)
    try:
        for one in reversed(active):
            before.undo(one.id)
    except Error as error:
        return None, (f"The forgetting cannot be taken back ({error}): the model from before must be given (--before).")
    return before, ""


def _classes(model, given):
    """Returns the labels of the forgotten classes: those that the caller gave, or else those of the journal's forget
    operations in force."""
    if given:
        return tuple(sorted({model.find_class(one) if isinstance(one, str) else int(one) for one in given}))
    return tuple(sorted({label for one in model.journal if one.in_force and one.terms for label in one.terms.classes}))


def _same_shape(model, path, before, before_path):
    a, b = model.info, before.info
    for what in ("input_dim", "classes"):
        if getattr(a, what) != getattr(b, what):
            raise ValueError(f"{before_path}: {what} {getattr(b, what)} found, {path} has {getattr(a, what)}; the model "
                             "before must be the one that the forgetting began from")


def _rows(what, model, prefix, features, labels):
    if features is None and labels is None:
        return None
    if features is None or labels is None:
        missing, there = ("labels", "features") if labels is None else ("features", "labels")
        option = f"--{prefix.strip()}{'-' if prefix else ''}{missing}"
        raise ValueError(f"{option}: not given, and {prefix}{there} are nothing without {prefix}{missing}")
    info = model.info
    x = read_table(features, columns=model.column_names or None).x
    named = read_table(labels, what="labels", label_names=model.class_names)
    y = named.labels if named.labels is not None else np.empty(0, np.int32)
    if named.label_names and len(named.label_names) > info.classes:
        raise ValueError(f"{labels}: the label {named.label_names[info.classes]!r} is no class of the model")
    if x.shape[1] != info.input_dim:
        raise ValueError(f"{features}: {x.shape[1]} columns found, the model takes {info.input_dim}")
    if len(x) != len(y):
        raise ValueError(f"{labels}: {len(y)} labels found, {features} has {len(x)} rows")
    if len(y) and int(y.max()) >= info.classes:
        raise ValueError(f"{labels}: label {int(y.max())} found in row {int(y.argmax())}, the model has classes 0 to "
                         f"{info.classes - 1}")
    labelled = np.flatnonzero(y >= 0)
    return Rows(what, y[labelled], x[labelled], ids=labelled.astype(np.uint64)) if prefix else Rows(
        what, y, x, ids=np.arange(len(y), dtype=np.uint64))


def _note(found, what, path):
    digest = hashlib.sha256()
    with open(file_of(path), "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    found.files.append((what, os.fspath(path), digest.hexdigest()))
