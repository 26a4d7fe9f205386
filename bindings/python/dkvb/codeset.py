"""Codesets store the codes of the rows that a model was trained on, so that rows can be forgotten later."""

from ctypes import POINTER, byref, c_uint64, c_void_p, cast, pointer, sizeof
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from . import _arrays, _ffi, _struct
from ._handle import SavedHandle
from ._library import lib
from ._run import LongCall
from .codebooks import _METHODS, _keyinit
from .data import _DTYPES
from .errors import StateError
from .model import CLASS_WEIGHTS, _class_weight
from ._types import Array, Ids, Numbers, Path, Progress

_PARTS = {"training": _ffi.DKVB_PART_TRAINING, "held_out": _ffi.DKVB_PART_HELD_OUT}
_KEPT = {"auto": _ffi.DKVB_KEPT_AUTO, "codes": _ffi.DKVB_KEPT_CODES, "features": _ffi.DKVB_KEPT_FEATURES}
_TRAINING = ("epochs", "batch", "learning_rate", "rate_last", "label_smoothing", "seed")
_KEYINIT = ("codebooks", "keys", "key_dim", "passes", "batch", "rows_per_key", "normalize", "whiten", "decay", "restart",
            "seed")


@dataclass(frozen=True, eq=False)
class CodesetRows:
    """A copy of the training rows, or of the held-out rows, of a codeset; later changes of the codeset do not change
    the copy."""

    ids: np.ndarray  # Ids of the n rows, uint64[n], ascending.
    labels: np.ndarray  # Labels of the rows, int32[n].
    codes: np.ndarray  # Codes of the rows, uint16[n][C][k].
    names: Optional[Tuple[str, ...]] = None  # Names of the rows, if the codeset keeps names.

    def __len__(self):
        return len(self.ids)


@dataclass(frozen=True)
class Session:
    """One training of a model's values, as a codeset has recorded it."""

    classes: int  # Number of classes of the model at the time of the training.
    rows: int  # Number of labelled rows that the training learned from and the codeset still has.
    values: np.dtype  # Number type of the model's values; None for bfloat16, which numpy lacks.
    training: dict  # Arguments of Model.train() in the recorded training.


class Codeset(SavedHandle):
    """Ids, labels and codes of rows in two parts: "training", from which values learn, and "held_out", on which effects
    are measured (codeset.h). A codeset is personal data if its rows are."""

    _free = lib.dkvb_codeset_free
    _shared = True

    def __init__(self, codebooks: Any, top_k: Optional[int] = None, depth: Optional[int] = None, keep: str = "auto",
                 keyinit: Optional[dict] = None) -> None:
        """Makes an empty codeset. `keyinit` are the arguments of Codebooks.fit() if the keys were placed on the rows of
        the codeset; None if they were placed on other rows."""
        opts = _struct.options(_ffi.CodesetOptions, top_k=top_k, depth=depth,
                               keep=_arrays.choice(keep, _KEPT, "keep"))
        if keyinit is not None:
            opts.keyinit = pointer(_keyinit(**_known(keyinit, ("method", *_KEYINIT), "keyinit")))
        out = POINTER(_ffi.Codeset)()
        lib.dkvb_codeset_new(byref(out), codebooks._c, byref(opts))
        self._own(out)

    @classmethod
    def load(cls, path: Path, codebooks: Any = None) -> "Codeset":
        """Reads a codes file and checks all of its contents. If codebooks are given, load() raises MismatchError for
        the codes file of other codebooks."""
        out = POINTER(_ffi.Codeset)()
        lib.dkvb_codeset_load(byref(out), _arrays.path(path), None if codebooks is None else codebooks._c, None)
        return cls._adopt(out)

    def save(self, path: Path) -> None:
        """Writes the codeset to a codes file, atomically."""
        lib.dkvb_codeset_save(self._c, _arrays.path(path))

    @staticmethod
    def holds_out(ids: Ids, share: float) -> Array:
        """Tells which rows a codeset would hold out, as `bool[n]`, if it holds out the fraction `share` of all rows.
        Only the id of a row decides whether the row is held out."""
        ids = _arrays.ids(ids, "rows")
        return np.array([lib.dkvb_codeset_holds_out(row, share) for row in ids.tolist()], np.bool_)

    def add(self, part: str, ids: Ids, labels: Numbers, codes: Numbers, features: Numbers = None) -> None:
        """Adds rows to one part of the codeset ("training" or "held_out"): new ids in any order, labels of -1 or more,
        and codes searched without a mask, `uint16[n][C][k]` with the k of the part. The codes file keeps features,
        `[n][columns]` of uint8, float16, float32 or float64, instead of codes if the file gets smaller by that, or as
        the codeset's `keep` says."""
        raw, number = self._raw_rows(part), _part(part)
        ids = _arrays.ids(ids, "rows")
        labels = _arrays.labels(labels, len(ids))
        codes = _arrays.codes_of_shape(codes, (len(ids), raw.codebooks, raw.k))
        if features is None:
            return lib.dkvb_codeset_add_rows(self._c, number, byref(_ffi.CodesetRows(
                sizeof(_ffi.CodesetRows), len(ids), raw.codebooks, raw.k, *map(_arrays.pointer, (ids, labels, codes)))))
        features = np.require(features, None, ["C", "A"])
        dtypes = {of: number for number, of in _DTYPES.items()}
        if features.ndim != 2 or len(features) != len(ids) or features.dtype not in dtypes:
            raise ValueError(f"features: {features.dtype} of shape {features.shape} found, a matrix of {len(ids)} rows "
                             "of uint8, float16, float32 or float64 wanted")
        lib.dkvb_codeset_add_rows(self._c, number, byref(_ffi.CodesetRows(
            sizeof(_ffi.CodesetRows), len(ids), raw.codebooks, raw.k, _arrays.pointer(ids), _arrays.pointer(labels),
            _arrays.pointer(codes), cast(features.ctypes.data, c_void_p), dtypes[features.dtype], features.shape[1])))

    def add_features(self, codebooks: Any, x: Numbers, labels: Numbers, *, ids: Ids = None, held_out: Numbers = None,
                     codes: Numbers = None, names: Optional[Sequence[str]] = None, threads: int = 0,
                     progress: Progress = None) -> None:
        """Adds rows to the training and held-out parts by their features, `float32[n][dim]`, and searches missing
        codes.

        Each of `labels` is a class of 0 or more, or -1 for none. If `ids` is None, row numbers are the ids. `held_out`,
        `bool[n]`, marks rows of the held-out part; None holds out no row. If the codes of the training rows are known,
        pass them as `codes`, `uint16[n][C][top_k]`, searched without a mask, so that add_features() need not search
        them. `names` (str) replace `ids` if the codeset keeps names: the id of a row is the hash of its name. If
        add_features() fails, the codeset has none of the new rows.
        """
        x = _arrays.floats(x, ("rows", "columns"), "features")
        labels = _arrays.labels(labels, len(x))
        ids = None if ids is None else _arrays.ids(ids, len(x))
        held_out = None if held_out is None else _arrays.marks(held_out, len(x), "held_out")
        if codes is not None:
            raw = self._info()
            codes = _arrays.codes_of_shape(codes, (len(x), raw.codebooks, raw.k[0]))
        if names is not None and len(names) != len(x):
            raise ValueError(f"names: {len(names)} found, {len(x)} wanted, one a row")
        source = _struct.options(_ffi.CodesetSource, x=_arrays.pointer(x), n=len(x), dim=x.shape[1],
                                 ids=_arrays.pointer(ids), labels=_arrays.pointer(labels),
                                 held_out=_arrays.pointer(held_out), codes=_arrays.pointer(codes),
                                 names=_arrays.names(names))
        with LongCall(threads, progress) as run:
            lib.dkvb_codeset_add_features(self._c, codebooks._c, byref(source), byref(run))

    @property
    def kept(self) -> Dict[str, Tuple[str, int]]:
        """For each part of the codeset, whether the codes file stores "codes" or "features", and the bytes per row:
        ("codes", 172)."""
        raw, names = self._info(), {number: name for name, number in _KEPT.items()}
        return {part: (names[raw.kept[number]], raw.row_bytes[number]) for part, number in _PARTS.items()}

    @property
    def searched(self) -> bool:
        """True if the codeset has the codes of all its rows; False after loading a codes file that stores features,
        until search() is called."""
        return bool(self._info().searched)

    def search(self, codebooks: Any, part: Optional[str] = None, *, threads: int = 0,
               progress: Progress = None) -> None:
        """Searches the codes of rows whose features a codes file stored: of training and held-out rows, or only of
        those that `part` names. If the codeset has all codes already, search() does nothing."""
        with LongCall(threads, progress) as run:
            lib.dkvb_codeset_search(self._c, codebooks._c, _ffi.DKVB_PART_BOTH if part is None else _part(part),
                                    byref(run))

    def rows(self, part: str) -> CodesetRows:
        """Returns a copy of the rows of one part of the codeset ("training" or "held_out"), as CodesetRows."""
        owner, raw = self._c, self._raw_rows(part)  # `owner` keeps the C object alive while its arrays are copied
        if raw.n > 0 and not raw.codes:
            raise StateError(f"the codeset keeps features of its {part} part and has no codes of it yet: search() finds them")
        rows = CodesetRows(_copy(raw.ids, (raw.n,), np.uint64), _copy(raw.labels, (raw.n,), np.int32),
                           _copy(raw.codes, (raw.n, raw.codebooks, raw.k), np.uint16),
                           tuple(raw.names[r].decode() for r in range(raw.n)) if raw.names else None)
        del owner
        return rows

    def remove(self, ids: Ids) -> int:
        """Removes rows from the training and held-out rows of the codeset, and overwrites their data. Returns how many
        rows were removed. If one of the rows is missing, remove() raises NotFound and removes no row."""
        ids, removed = _arrays.ids(ids, "rows"), c_uint64()
        lib.dkvb_codeset_remove(self._c, _arrays.pointer(ids), len(ids), byref(removed))
        return removed.value

    def was_removed(self, row_id: int) -> bool:
        """True if the row with this id was removed and not readmitted since; add() refuses a removed id."""
        return bool(lib.dkvb_codeset_was_removed(self._c, _arrays.integer(row_id, 64, "row_id")))

    def readmit(self, ids: Ids = None) -> None:
        """Allows removed ids to be added again; None allows all of them, and overwrites the list of removed ids."""
        ids = None if ids is None else _arrays.ids(ids, "rows")
        lib.dkvb_codeset_readmit(self._c, _arrays.pointer(ids), 0 if ids is None else len(ids))

    def add_session(self, model: Any, ids: Ids = None, **training: Any) -> None:
        """Records a call of Model.train(): the arguments `training`, and the `ids` of the rows trained on (None: all
        rows). add_session() also records the model's number of classes and the number type of its values."""
        given = _known(training, (*_TRAINING, "class_weight", "shuffle"), "training")
        opts = _struct.options(_ffi.TrainOptions,
                               no_shuffle=not given.pop("shuffle", True),
                               class_weight=_class_weight(given.pop("class_weight", None)), **given)
        ids = None if ids is None else _arrays.ids(ids, "rows")
        lib.dkvb_codeset_add_session(self._c, model._c, byref(opts), _arrays.pointer(ids), 0 if ids is None else len(ids))

    @property
    def sessions(self) -> List[Session]:
        """The trainings that add_session() has recorded in the codeset, a list of Session."""
        return [self._session(index) for index in range(self._info().sessions)]

    def took_part(self, session: int) -> Array:
        """Tells which rows of the training part a session trained on, as `bool[n]`; sessions are numbered from 0."""
        raw, rows = _struct.sized(_ffi.CodesetSession), np.zeros(self._info().rows[0], np.uint8)
        lib.dkvb_codeset_get_session(self._c, session, byref(raw), _arrays.pointer(rows))
        return rows.astype(np.bool_)

    @property
    def keyinit(self) -> Optional[Dict[str, Any]]:
        """The arguments of Codebooks.fit() by which keys were placed on the rows of the codeset; None if keys were
        placed on other rows."""
        info = self._info()
        if not info.own_keys:
            return None
        raw = info.keyinit
        method = next(name for name, number in _METHODS.items() if number == raw.method)
        return {"method": method, **{name: getattr(raw, name) for name in _KEYINIT}, "normalize": bool(raw.normalize),
                "whiten": bool(raw.whiten)}

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Codeset, closed>"
        raw = self._info()
        return (f"<dkvb.Codeset: {raw.rows[0]} rows to train on, {raw.rows[1]} held out, {raw.codebooks} codebooks, "
                f"{raw.k[0]} and {raw.k[1]} keys in each>")

    def _info(self):
        raw = _struct.sized(_ffi.CodesetInfo)
        lib.dkvb_codeset_get_info(self._c, byref(raw))
        return raw

    def _session(self, index):
        raw = _struct.sized(_ffi.CodesetSession)
        lib.dkvb_codeset_get_session(self._c, index, byref(raw), None)
        opts = raw.training
        weight = next(name for name, number in CLASS_WEIGHTS.items() if number == opts.class_weight)
        return Session(raw.classes, raw.rows, _DTYPES.get(raw.values_dtype),
                       {**{name: getattr(opts, name) for name in _TRAINING}, "class_weight": weight,
                        "shuffle": not opts.no_shuffle})

    def _raw_rows(self, part):
        raw = _struct.sized(_ffi.CodesetRows)
        lib.dkvb_codeset_get_rows(self._c, _part(part), byref(raw))
        return raw


def raw_rows(rows):
    """Returns held-out rows of a codeset or a CodesetRows as a C struct, and the object that must outlive the call."""
    if isinstance(rows, Codeset):
        return rows._raw_rows("held_out"), rows._c
    codes, k = _arrays.codes(rows.codes, "codebooks")
    ids, labels = _arrays.ids(rows.ids, len(codes)), _arrays.labels(rows.labels, len(codes))
    raw = _ffi.CodesetRows(sizeof(_ffi.CodesetRows), len(codes), codes.shape[1], k,
                           *map(_arrays.pointer, (ids, labels, codes)))
    return raw, (ids, labels, codes)


def _part(part):
    if part not in _PARTS:
        raise ValueError(f"part: {part!r} found, one of {', '.join(_PARTS)} wanted")
    return _PARTS[part]


def _copy(pointer, shape, dtype):
    """Copies the array behind a C pointer; NULL stands for an array without elements."""
    if 0 in shape:
        return np.empty(shape, dtype)
    return np.ctypeslib.as_array(pointer, shape).astype(dtype)


def _known(given, names, what):
    """Returns a copy of a dict of options, after checking that each name in the dict is a known option."""
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ValueError(f"{what}: {', '.join(map(repr, unknown))} found, {', '.join(names)} are wanted")
    return dict(given)
