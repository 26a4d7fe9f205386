"""Models: codebooks, a value for every key, class names, the mask in force, and the journal of forget operations."""

from ctypes import POINTER, byref, c_char_p, c_uint32, c_uint64
from dataclasses import dataclass, replace
from typing import Any, Callable, List, Optional, Sequence, Union

import numpy as np

from . import _arrays, _ffi, _struct, ranks
from ._handle import SavedHandle
from ._library import lib
from ._run import Callbacks, LongCall
from .codebooks import Codebooks
from .journal import JournalEntry, forget_options, journal_entries
from .mask import Mask
from ._types import Array, Classes, Ids, Names, Numbers, Path, Progress

_FEW = 64  # largest number of rows in a call that is so short that it needs no progress

_VALUES_DTYPES = {
    _ffi.DKVB_DTYPE_F32: "float32",
    _ffi.DKVB_DTYPE_F16: "float16",
    _ffi.DKVB_DTYPE_BF16: "bfloat16",
}


CLASS_WEIGHTS = {None: _ffi.DKVB_CLASS_WEIGHT_NONE, "balanced": _ffi.DKVB_CLASS_WEIGHT_BALANCED}


@dataclass(frozen=True)
class ModelInfo:
    """Properties of a model; letters are those of docs/method.md."""

    codebooks: int  # number of codebooks (C)
    keys: int  # number of keys per codebook (K)
    key_dim: int  # length of a key (d)
    input_dim: int  # length of a row of features (m)
    classes: int  # number of classes (L)
    top_k: int  # number of keys selected per codebook (k)
    normalize: bool
    mapped: bool
    format_major: int
    format_minor: int
    masked_pairs: int
    purged_pairs: int
    journal_entries: int
    rows_trained: int
    birth: bytes
    values_dtype: str  # number type of the values: "float32", "float16" or "bfloat16"
    class_counts: bool
    temperature: float  # temperature of a row whose largest logit is 1 above the mean logit, see softmax()
    temperature_power: float  # power of the spread (largest minus mean logit) in the temperature
    trained: bytes  # fingerprint of all trainings of the model; zeros if it was never trained
    trials: int  # number of settings that tune() tried before the latest training; 0 if it was not tuned


@dataclass(frozen=True)
class SearchFileReport:
    """Result of Model.search_file()."""

    rows: int  # rows in the file
    resumed: int  # rows that an interrupted call had searched before


@dataclass(frozen=True)
class TrainReport:
    """State of a training after an epoch, or after a step of train_step()."""

    epoch: int
    epochs: int
    rows: int
    loss: float
    accuracy: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Quality of a model, measured on labelled rows."""

    rows: int  # number of rows with a label
    right: int  # number of rows that were classified correctly
    abstained: int  # number of rows for which the model gave no answer
    unlabelled: int  # number of rows with label -1
    searched: int  # number of (row, codebook) pairs that were searched again, if codes were given
    accuracy: float
    loss: float  # mean cross-entropy at the model's temperature, in nats
    calibration_error: float  # expected calibration error of the probabilities, in 15 bins
    class_rows: np.ndarray  # number of rows of each class, uint64[L]
    class_right: np.ndarray  # number of correctly classified rows of each class, uint64[L]


class Model(SavedHandle):
    """A classifier that can forget. Many threads may use a model at once, or one thread may change it (model.h)."""

    _free = lib.dkvb_model_free
    _shared = True
    _training = None
    _input_dim = None

    def __init__(self, codebooks: Any, classes: int, top_k: Optional[int] = None) -> None:
        opts = _struct.options(_ffi.ModelOptions, top_k=top_k)
        out = POINTER(_ffi.Model)()
        lib.dkvb_model_new(byref(out), codebooks._c, _arrays.integer(classes, 32, "classes"), byref(opts))
        self._own(out)

    # Model files

    @classmethod
    def load(cls, path: Path) -> "Model":
        """Reads a model file into memory, and checks the whole file."""
        out, opts = POINTER(_ffi.Model)(), _struct.options(_ffi.ModelOptions, ranks=ranks.pointer())
        lib.dkvb_model_load(byref(out), _arrays.path(path), byref(opts))
        return cls._adopt(out)

    @classmethod
    def map(cls, path: Path) -> "Model":
        """Opens a model file in place, for reading only; processes that map the same file share its memory. verify()
        checks a mapped model."""
        out = POINTER(_ffi.Model)()
        opts = _struct.options(_ffi.ModelOptions, in_place=1, ranks=ranks.pointer())
        lib.dkvb_model_load(byref(out), _arrays.path(path), byref(opts))
        return cls._adopt(out)

    @staticmethod
    def inspect(path: Path) -> ModelInfo:
        """Returns the ModelInfo of a model file, for which only the header and the small sections are read."""
        raw = _struct.sized(_ffi.ModelInfo)
        lib.dkvb_model_inspect(_arrays.path(path), byref(raw))
        return _model_info(raw)

    def save(self, path: Path) -> None:
        """Writes the model to a file, atomically."""
        lib.dkvb_model_save(self._c, _arrays.path(path))

    def save_with(self, path: Path, codeset: Any, codes_path: Path) -> None:
        """Writes the model and its codeset to two files. A failure leaves both old files; only a failure between the
        two renamings leaves a new model beside an old codes file, and the error says so."""
        lib.dkvb_model_save_with(self._c, _arrays.path(path), codeset._c, _arrays.path(codes_path))

    def verify(self) -> None:
        """Checks the checksums, numbers and journal of the model. ChecksumError or FormatError says what was found."""
        lib.dkvb_model_verify(self._c)

    # Parts of a model

    @property
    def info(self) -> ModelInfo:
        """Properties of the model, as a ModelInfo."""
        raw = _struct.sized(_ffi.ModelInfo)
        lib.dkvb_model_get_info(self._c, byref(raw))
        return _model_info(raw)

    @property
    def codebooks(self) -> Codebooks:
        """The codebooks of the model, which the model shares. A purge gives the model new codebooks."""
        return Codebooks._adopt(lib.dkvb_codebooks_retain(lib.dkvb_model_codebooks(self._c)))

    @property
    def mask(self) -> Mask:
        """A copy of the mask in force, including purged pairs."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_journal_get_mask(self._c, 0, byref(out))
        return Mask._adopt_shaped(out, self._pairs_shape)

    @property
    def values(self) -> Array:
        """A copy of the values, `float32[C][K][L]`, whatever number type the model stores. Assigning replaces all
        values."""
        out = np.empty(self._values_shape, np.float32)
        lib.dkvb_model_get_values(self._c, _arrays.pointer(out))
        return out

    @values.setter
    def values(self, values: Numbers) -> None:
        values = _arrays.floats(values, self._values_shape, "values")
        lib.dkvb_model_set_values(self._c, _arrays.pointer(values), 0)

    @property
    def values_dtype(self) -> str:
        """Number type in which values are stored: "float32", "float16" or "bfloat16". Assigning a type rounds the
        values to the nearest numbers."""
        return self.info.values_dtype

    @values_dtype.setter
    def values_dtype(self, dtype: str) -> None:
        codes = [code for code, name in _VALUES_DTYPES.items() if name == str(dtype)]
        if not codes:
            raise ValueError(f"values_dtype: {dtype!r} found, {', '.join(_VALUES_DTYPES.values())} are wanted")
        lib.dkvb_model_set_values(self._c, None, codes[0])

    @property
    def class_names(self) -> Names:
        """Names of the classes by label, None for a class without a name. Assigning a sequence names the first classes;
        either all names are set or none."""
        names = (lib.dkvb_model_class_name(self._c, label) for label in range(self.info.classes))
        return [name and name.decode("utf-8") for name in names]

    @class_names.setter
    def class_names(self, names: Sequence[Optional[str]]) -> None:
        if isinstance(names, (str, bytes)):  # a string is a sequence of letters too
            raise TypeError(f"class names: {type(names).__name__} found, a sequence of str wanted")
        encoded = [_arrays.text(name, "class name") for name in names]
        lib.dkvb_model_set_class_names(self._c, (c_char_p * len(encoded))(*encoded), len(encoded), None)

    @property
    def column_names(self) -> Optional[List[str]]:
        """Names of the columns of a row, `input_dim` of them, or None. Assigning a sequence names all columns; None
        removes the names."""
        if lib.dkvb_model_column_name(self._c, 0) is None:
            return None
        return [lib.dkvb_model_column_name(self._c, column).decode("utf-8") for column in range(self.info.input_dim)]

    @column_names.setter
    def column_names(self, names: Optional[Sequence[str]]) -> None:
        if isinstance(names, (str, bytes)):  # a string is a sequence of letters too
            raise TypeError(f"column names: {type(names).__name__} found, a sequence of str or None is expected")
        encoded = [_arrays.text(name, "column name") for name in (() if names is None else names)]
        if names is not None and not encoded:  # assigning 0 names would remove the present names
            raise ValueError(f"column names: none found, the rows have {self.info.input_dim} columns; None removes names")
        lib.dkvb_model_set_column_names(self._c, (c_char_p * len(encoded))(*encoded), len(encoded))

    def find_class(self, word: str) -> int:
        """Returns the label of the class with this name. If no class has the name, a number in the text is taken as a
        label. NotFound if no class has the name or label."""
        label = c_uint32()
        lib.dkvb_model_find_class(self._c, _arrays.text(word, "class"), _ffi.DKVB_FIND_NAME_OR_INDEX, byref(label))
        return label.value

    @property
    def encoder(self) -> Optional[str]:
        """Identity of the encoder that makes the rows of the model, such as Encoder.identity, or None. Assigning stores
        another identity."""
        raw = _struct.sized(_ffi.ModelInfo)
        lib.dkvb_model_get_info(self._c, byref(raw))
        text = raw.encoder
        return text and text.decode("utf-8")

    @encoder.setter
    def encoder(self, text: Optional[str]) -> None:
        lib.dkvb_model_set_encoder(self._c, _arrays.text(text, "encoder"))

    def add_classes(self, count: int) -> None:
        """Appends classes to the model, untrained and without names."""
        lib.dkvb_model_add_classes(self._c, _arrays.integer(count, 32, "count"))

    def set_temperature(self, temperature: float, power: float = 0.0) -> None:
        """Stores the temperature and power with which the model computes probabilities: see softmax() and
        fit_temperature()."""
        lib.dkvb_model_set_temperature(self._c, float(temperature), float(power))

    # Training

    def train(self, codes: Numbers, labels: Numbers, *, epochs: Optional[int] = None, batch: Optional[int] = None,
              learning_rate: Optional[float] = None, rate_last: Optional[float] = None,
              label_smoothing: Optional[float] = None, class_weight: Optional[str] = None, seed: Optional[int] = None,
              shuffle: bool = True, ids: Ids = None, relearn: bool = False, threads: int = 0, progress: Progress = None,
              report: Optional[Callable[..., object]] = None) -> List[TrainReport]:
        """Trains the values on codes and labels (-1 = ignore). Returns a TrainReport for every epoch.

        The order in which rows are trained follows from their `ids` (each once; None: row numbers), so rows that are
        left out do not change the order of other rows. `class_weight` "balanced" gives all classes the same total
        weight; None weighs all rows alike.

        Rows of a class that was forgotten are refused with StateError. With `relearn` these rows are trained on, and
        the journal records that their forget operations ended.

        `report` is called with each TrainReport; `progress` with the number of finished rows and of all rows. An
        exception in one of these callbacks cancels the training.
        """
        if epochs is not None and epochs < 1:
            raise ValueError(f"epochs: {epochs} found, 1 or more wanted")
        codes, k = self._codes(codes)
        labels = _arrays.labels(labels, len(codes))
        callbacks = Callbacks()
        reports: List[TrainReport] = []
        ids = None if ids is None else _arrays.ids(ids, len(codes))
        opts = _train_options(callbacks, reports, report, epochs=epochs, batch=batch, learning_rate=learning_rate,
                              rate_last=rate_last, label_smoothing=label_smoothing,
                              class_weight=_class_weight(class_weight), seed=seed, no_shuffle=not shuffle,
                              ids=_arrays.pointer(ids), relearn=bool(relearn))
        with LongCall(threads, progress, callbacks) as run:
            lib.dkvb_model_train(self._c, _arrays.pointer(codes), k, _arrays.pointer(labels), len(codes), byref(opts),
                                 byref(run))
        return reports

    def train_begin(self, *, batch: Optional[int] = None, learning_rate: Optional[float] = None,
                    label_smoothing: Optional[float] = None, relearn: bool = False,
                    report: Optional[Callable[..., object]] = None) -> None:
        """Begins a training on rows that are never all in memory: train_step() trains on each part, and train_end()
        ends the training."""
        callbacks = Callbacks()
        reports: List[TrainReport] = []
        opts = _train_options(callbacks, reports, report, batch=batch, learning_rate=learning_rate,
                              label_smoothing=label_smoothing, relearn=bool(relearn))
        lib.dkvb_model_train_begin(self._c, byref(opts))
        self._training = callbacks, reports, opts  # the library calls the callbacks in every step

    def train_step(self, codes: Numbers, labels: Numbers, *, threads: int = 0,
                   progress: Progress = None) -> Optional[TrainReport]:
        """Trains on one more part of the rows, and returns its TrainReport."""
        codes, k = self._codes(codes)
        labels = _arrays.labels(labels, len(codes))
        callbacks, reports = self._training[:2] if self._training else (None, [])
        reports.clear()
        with LongCall(threads, progress, callbacks) as run:
            lib.dkvb_model_train_step(self._c, _arrays.pointer(codes), k, _arrays.pointer(labels), len(codes),
                                      byref(run))
        return reports[-1] if reports else None

    def train_end(self) -> None:
        """Ends the training, and replaces the old values by the new values."""
        lib.dkvb_model_train_end(self._c, 1)
        self._training = None

    def train_abort(self) -> None:
        """Discards all steps since train_begin()."""
        lib.dkvb_model_train_end(self._c, 0)
        self._training = None

    # Answering

    def search(self, x: Numbers, *, distances: bool = False, outside: Any = None, threads: int = 0,
               progress: Progress = None) -> Any:
        """Searches the codes of rows under the mask in force, and returns `uint16[n][C][top_k]`."""
        with self.codebooks as codebooks, self.mask as mask:
            return codebooks.search(x, self.info.top_k, mask, distances=distances, outside=outside, threads=threads,
                                    progress=progress)

    def search_file(self, x: Numbers, path: Path, *, distances: Optional[Path] = None, restart: bool = False,
                    outside: Any = None, threads: int = 0, progress: Progress = None) -> SearchFileReport:
        """Searches codes of rows as search() does, into a `.npy` file, `uint16[n][C][top_k]`; and the distances into
        another, `int32[n][C][top_k]`. Rows may be more than memory holds: those of
        `numpy.load("x.npy", mmap_mode="r")` stay in their file if they are float32.

        An interrupted call keeps its codes in PATH.part, and the same call continues from there; `restart=True` begins
        anew. `outside`, an Outside, counts rows that are not of the kind that the keys were placed on.
        """
        x, raw = self._rows(x), _struct.sized(_ffi.SearchFileReport)
        opts = _struct.options(_ffi.SearchFileOptions, restart=bool(restart),
                               distances=None if distances is None else _arrays.path(distances))
        with LongCall(threads, progress, outside=outside) as run:
            lib.dkvb_search_file(self._c, _arrays.pointer(x), len(x), _arrays.path(path), byref(opts), byref(raw),
                                 byref(run))
        return _struct.answer(SearchFileReport, raw)

    def refresh(self, x: Numbers, codes: Numbers, *, threads: int = 0, progress: Progress = None) -> Array:
        """Returns updated codes for rows whose codes may name masked pairs; updating takes less time than a search
        (search.h)."""
        x = self._rows(x)
        codes, k = self._codes(codes)
        if len(codes) != len(x):
            raise ValueError(f"codes: {len(codes)} rows found, {len(x)} wanted, as many as features have")
        codes = codes.copy()
        with LongCall(threads, progress) as run:
            lib.dkvb_search_refresh(self._c, _arrays.pointer(x), len(x), k, _arrays.pointer(codes), None, byref(run))
        return codes

    def predict(self, x: Numbers, *, logits: Numbers = False, outside: Any = None, threads: int = 0,
                progress: Progress = None) -> Any:
        """Predicts the labels of rows, `int32[n]`, -1 = no answer; with `logits=True` also returns `float32[n][L]`.

        `outside`, an Outside, counts rows outside the scale of the keys.
        """
        x = self._rows(x)
        labels = np.empty(len(x), np.int32)
        scores = np.empty((len(x), self.info.classes), np.float32) if logits else None
        if len(x) <= _FEW and not (threads or progress or outside):  # too short a call for Ctrl-C
            lib.dkvb_model_predict(self._c, _arrays.pointer(x), len(x), _arrays.pointer(labels),
                                   _arrays.pointer(scores), None)
            return (labels, scores) if logits else labels
        with LongCall(threads, progress, outside=outside) as run:
            lib.dkvb_model_predict(self._c, _arrays.pointer(x), len(x), _arrays.pointer(labels),
                                   _arrays.pointer(scores), byref(run))
        return (labels, scores) if logits else labels

    def evaluate(self, x: Numbers, labels: Numbers, codes: Numbers = None, *, outside: Any = None, threads: int = 0,
                 progress: Progress = None) -> Evaluation:
        """Measures accuracy, loss and calibration on labelled rows (-1 = leave out). Returns an Evaluation.

        `codes`, searched under a mask that the present mask contains, spare the search of rows whose codes name no
        masked key.
        """
        x = self._rows(x)
        labels, classes = _arrays.labels(labels, len(x)), self.info.classes
        raw, rows, right = _struct.sized(_ffi.Evaluation), np.zeros(classes, np.uint64), np.zeros(classes, np.uint64)
        raw.class_rows, raw.class_right = _arrays.pointer(rows), _arrays.pointer(right)
        if codes is not None:
            info = self.info
            codes = _arrays.codes_of_shape(codes, (len(x), info.codebooks, info.top_k)).copy()
        with LongCall(threads, progress, outside=outside) as run:
            lib.dkvb_model_evaluate(self._c, _arrays.pointer(x), _arrays.pointer(codes), _arrays.pointer(labels), len(x),
                                    byref(raw), byref(run))
        return Evaluation(raw.rows, raw.right, raw.abstained, raw.unlabelled, raw.searched, raw.accuracy, raw.loss,
                          raw.calibration_error, rows, right)

    def decode(self, codes: Numbers, *, threads: int = 0, progress: Progress = None) -> Array:
        """Computes the logits of codes, and returns `float32[n][L]`."""
        codes, k = self._codes(codes)
        out = np.empty((len(codes), self.info.classes), np.float32)
        with LongCall(threads, progress) as run:
            lib.dkvb_model_decode(self._c, _arrays.pointer(codes), k, len(codes), None, _arrays.pointer(out), byref(run))
        return out

    def classify(self, codes: Numbers, *, threads: int = 0, progress: Progress = None) -> Array:
        """Predicts the labels of codes, and returns `int32[n]`, -1 = no answer."""
        codes, k = self._codes(codes)
        out = np.empty(len(codes), np.int32)
        with LongCall(threads, progress) as run:
            lib.dkvb_model_decode(self._c, _arrays.pointer(codes), k, len(codes), _arrays.pointer(out), None, byref(run))
        return out

    # Forgetting

    def forget(self, mask: Any, method: Optional[str] = None, reason: Optional[str] = None, *, strength: str = "",
               terms: Any = None, rows: Any = None, salt: Optional[bytes] = None) -> int:
        """Masks the pairs of a mask, and writes a journal entry with `reason`. Returns the number of the entry, for
        undo().

        `terms`, a Terms, tell which classes were meant, within which limits, and what was measured. `rows` are the
        caller's ids of the forgotten rows: the journal commits to them without naming them, by `salt`, 32 bytes, which
        are random unless given.
        """
        opts, _kept = forget_options(self.info.classes, method, reason, strength, terms, rows, salt)
        entry = c_uint64()
        lib.dkvb_model_forget(self._c, mask._c, byref(opts), byref(entry))
        return entry.value

    def plan_forget(self, *, classes: Optional[Classes] = None, ids: Ids = None, codes: Numbers = None,
                    labels: Numbers = None, mask: Any = None, requests: Optional[Union[str, Sequence[str]]] = None,
                    codeset: Any = None, strength: str = "suppress", method: Optional[str] = None,
                    budget: Optional[int] = None, seed: Optional[int] = None, target: Optional[float] = None,
                    max_retain_drop: Optional[float] = None, max_class_loss: Optional[float] = None,
                    force: bool = False, keys: Optional[str] = None, features: Numbers = None, feature_ids: Ids = None,
                    reason: Optional[str] = None, salt: Optional[bytes] = None, threads: int = 0,
                    progress: Progress = None) -> Any:
        """Makes a plan to forget, and returns it as a Plan; the model is not changed (plan.h explains each argument).

        The request names `classes`, by label or name; `ids` of rows of the codeset, or their names; `codes` of rows,
        with `labels` and `classes` only rows of these classes; a `mask`; or several `requests`, a text or a list of its
        lines, such as "class cat" or "ids 3,4" (plan.h), which become one plan. `keys` is for strength "exact" if keys
        were placed on the forgotten rows too: "keep" leaves the keys, "place" places them again on `features`, the rows
        that were trained on.
        """
        from . import plan  # imported inside the function, as plan imports codeset, which imports model

        return plan.plan_forget(self, classes=classes, ids=ids, codes=codes, labels=labels, mask=mask, requests=requests,
                                codeset=codeset, strength=strength, method=method, budget=budget, seed=seed,
                                target=target, max_retain_drop=max_retain_drop, max_class_loss=max_class_loss,
                                force=force, keys=keys, features=features, feature_ids=feature_ids, reason=reason,
                                salt=salt, threads=threads, progress=progress)

    def apply(self, planned: Any, codeset: Any = None) -> Optional[int]:
        """Applies a Plan to the model, with the codeset as it was when the plan was made. Returns the number of the
        journal entry, None if there was nothing to do. Raises Refused, with the reason, if the plan is refused and not
        forced, and MismatchError if the model or the codeset has changed since."""
        from . import plan

        return plan.apply(self, planned, codeset)

    def audit(self, x: Numbers, labels: Numbers, test_x: Numbers, test_labels: Numbers, *,
              classes: Optional[Classes] = None, rows: Any = None, ids: Ids = None, before: Any = None,
              codeset: Any = None, training: Any = None, shadows: Optional[int] = None,
              rmia_models: Optional[int] = None, models: Optional[int] = None, seed: Optional[int] = None,
              threads: int = 0, progress: Progress = None, stage: Optional[Callable[[str], object]] = None) -> Any:
        """Attacks the model, which has forgotten rows, and models trained again without these rows. Returns an Audit.

        `x` and `labels` are the rows that the model was trained on, with the `ids` of the training (None: row numbers);
        test rows were never trained on. The forgotten rows are all rows of `classes`, by label or name; or `rows`,
        numbers of rows of `x`; or, without both, the classes that the journal names. `before` is the model before it
        forgot. The training is described by a `codeset` from before the forgetting, or by `training`, a dict of
        settings of train(). `shadows` and `rmia_models` are numbers of models that the likelihood-ratio attack and the
        attack RMIA train; 0 leaves the attack out. `models`, 100 or more, measures the divergence KLoM over that many
        models of other seeds, and as many retrained models; KLoM needs a codeset that has been searched. `stage` is
        called with the name of each stage, `progress` with the finished and all units of the stage.
        """
        from . import audit  # imported inside the function, as audit imports model

        return audit.audit(self, x, labels, test_x, test_labels, classes=classes, rows=rows, ids=ids, before=before,
                           codeset=codeset, training=training, shadows=shadows, rmia_models=rmia_models,
                           models=models, seed=seed, threads=threads, progress=progress, stage=stage)

    def sweep(self, codeset: Any, *, classes: Optional[Classes] = None, strengths: Optional[Sequence[str]] = None,
              methods: Optional[Sequence[str]] = None, budgets: Optional[Sequence[int]] = None,
              steps: Optional[int] = None, seeds: Optional[Sequence[int]] = None,
              shapes: Optional[Sequence[dict]] = None, features: Numbers = None, feature_ids: Ids = None,
              test_x: Numbers = None, test_labels: Numbers = None, path: Optional[Path] = None, restart: bool = False,
              each: Optional[Callable[..., object]] = None, threads: int = 0, progress: Progress = None) -> List[Any]:
        """Measures the effect of forgetting along a grid, and returns a list of SweepCell; the model is not changed
        (sweep.h).

        Each of `classes`, by label or name (None: every class), is forgotten alone: by each of `strengths` ("suppress",
        "exact"), `methods` and `budgets` (None: `steps` default budgets, 30), and for method "examples" with each of
        `seeds`. `shapes` are dicts of codebooks, keys, key_dim, top_k and seed of models to train, from `features`,
        with their ids `feature_ids`, if the codeset stores no features. Effects are measured on the held-out rows of
        the codeset, or on `test_x`.

        `path` is the path of a table to write (docs/sweep.md). An interrupted sweep continues from the part file beside
        the table, unless `restart` is true. `each` is called with every finished cell.
        """
        from . import sweep  # imported inside the function, as sweep imports the names of methods

        return sweep.sweep(self, codeset, classes=classes, strengths=strengths, methods=methods, budgets=budgets,
                           steps=steps, seeds=seeds, shapes=shapes, features=features, feature_ids=feature_ids,
                           test_x=test_x, test_labels=test_labels, path=path, restart=restart, each=each,
                           threads=threads, progress=progress)

    def replay(self, codeset: Any, without: Ids = None, method: Optional[str] = None, reason: Optional[str] = None, *,
               strength: str = "", terms: Any = None, rows: Any = None, salt: Optional[bytes] = None, threads: int = 0,
               progress: Progress = None) -> int:
        """Trains the values again, from zero, on the training rows of a codeset except the rows `without`, given by
        their ids. The new values are bit for bit those of a training without these rows. Counts of classes that the
        model keeps are made again too.

        `reason` and `terms` go to the journal as in forget(). Returns the number of the journal entry. The codeset
        keeps the left-out rows: Codeset.remove() removes them, once the model is saved.
        """
        without = _arrays.ids(np.empty(0, np.uint64) if without is None else without, "rows", "without")
        opts, _kept = forget_options(self.info.classes, method, reason, strength, terms, rows, salt)
        entry = c_uint64()
        with LongCall(threads, progress) as run:
            lib.dkvb_model_replay(self._c, codeset._c, _arrays.pointer(without), len(without), byref(opts),
                                  byref(entry), byref(run))
        return entry.value

    def count_classes(self, codes: Numbers, labels: Numbers, *, threads: int = 0) -> None:
        """Counts how often the rows of each class select each pair, and keeps the counts in the model, so that a class
        can be forgotten by its name alone. New counts are added to kept counts."""
        codes, k = self._codes(codes)
        labels = _arrays.labels(labels, len(codes))
        with LongCall(threads) as run:
            lib.dkvb_model_count_classes(self._c, _arrays.pointer(codes), k, _arrays.pointer(labels), len(codes),
                                         byref(run))

    def class_counts(self, label: int) -> Array:
        """Returns the kept counts of a class, `uint64[C][K]`; NotFound if the model keeps no counts."""
        counts = np.zeros(self._pairs_shape, np.uint64)
        lib.dkvb_model_class_counts(self._c, _arrays.integer(label, 32, "label"), _arrays.pointer(counts))
        return counts

    def drop_counts(self) -> None:
        """Overwrites the kept counts of classes, and removes them from the model."""
        lib.dkvb_model_drop_counts(self._c)

    def undo(self, entry: Optional[int] = None) -> int:
        """Undoes one forget operation: the latest active one unless a journal entry is given. Returns the number of the
        entry."""
        undone = c_uint64()
        lib.dkvb_model_undo(self._c, 0 if entry is None else _arrays.integer(entry, 64, "entry"), byref(undone))
        return undone.value

    def relearn(self, entry: int, reason: Optional[str] = None, *, terms: Any = None, rows: Any = None,
                salt: Optional[bytes] = None) -> int:
        """Notes in the journal that forgotten rows or classes were taught again, which ends their forget operation.
        relearn() is for cases that train() cannot see, such as rows that were forgotten by their ids. Returns the
        number of the new journal entry."""
        opts, _kept = forget_options(self.info.classes, None, reason, "", terms, rows, salt)
        added = c_uint64()
        lib.dkvb_model_relearn(self._c, _arrays.integer(entry, 64, "entry"), byref(opts), byref(added))
        return added.value

    def drop_forgotten_names(self) -> int:
        """Removes the names of all classes that forget operations in force asked for. Returns how many classes lost
        their name."""
        dropped = c_uint32()
        lib.dkvb_model_drop_forgotten_names(self._c, byref(dropped))
        return dropped.value

    def purge(self) -> None:
        """Erases the masked pairs of the model. A purge cannot be undone."""
        lib.dkvb_model_purge(self._c)

    @property
    def journal(self) -> List[JournalEntry]:
        """All entries of the journal as JournalEntry, oldest first."""
        return journal_entries(self._c, self.info)

    def journal_mask(self, entry: int) -> Mask:
        """Returns the mask of a forget operation; StateError if its list of pairs is erased."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_journal_get_mask(self._c, _arrays.integer(entry, 64, "entry"), byref(out))
        return Mask._adopt_shaped(out, self._pairs_shape)

    def journal_names_rows(self, entry: int, rows: Any) -> bool:
        """True if a journal entry commits to exactly these rows, in any order, and the model still has its salt."""
        rows = _arrays.ids(rows, "rows", "rows")
        return bool(lib.dkvb_journal_names_rows(self._c, _arrays.integer(entry, 64, "entry"), _arrays.pointer(rows),
                                                len(rows)))

    @property
    def journal_head(self) -> bytes:
        """Head of the journal: a hash of 32 bytes of its newest entry and all entries before it. A head that is kept
        elsewhere shows later whether the journal has only grown."""
        head = np.empty(32, np.uint8)
        lib.dkvb_journal_head(self._c, _arrays.pointer(head))
        return head.tobytes()

    def journal_find_head(self, head: bytes) -> int:
        """Returns the number of the journal entry with this head, 0 for the head of an empty journal. Finding the head
        proves that the journal has only grown since."""
        entry, head = c_uint64(), _arrays.hash_bytes(head, "head")
        lib.dkvb_journal_find_head(self._c, _arrays.pointer(head), byref(entry))
        return entry.value

    def __repr__(self):
        if self._owner is None:
            return "<dkvb.Model, closed>"
        info = self.info
        return (f"<dkvb.Model: {info.input_dim} columns, {info.codebooks} codebooks of {info.keys} keys, "
                f"{info.classes} classes, {info.masked_pairs + info.purged_pairs} pairs forgotten>")

    @property
    def _pairs_shape(self):
        info = self.info
        return info.codebooks, info.keys

    @property
    def _values_shape(self):
        return *self._pairs_shape, self.info.classes

    def _rows(self, x):
        if self._input_dim is None:  # the model's input_dim never changes, and asking takes longer than answering a row
            self._input_dim = self.info.input_dim
        return _arrays.floats(x, ("rows", self._input_dim), "features")

    def _codes(self, codes):
        return _arrays.codes(codes, self.info.codebooks)


def _model_info(raw):
    return replace(_struct.answer(ModelInfo, raw), values_dtype=_VALUES_DTYPES[raw.values_dtype])


def _class_weight(name):
    if name not in CLASS_WEIGHTS:
        raise ValueError(f"class_weight: {name!r} found, it must be None or \"balanced\"")
    return CLASS_WEIGHTS[name]


def _train_options(callbacks, reports, report, **given):
    def note(_user, raw):
        reports.append(_struct.answer(TrainReport, raw.contents))
        if report:
            report(reports[-1])

    opts = _struct.options(_ffi.TrainOptions, **given)
    opts.report = callbacks.wrap(_ffi.ReportFn, note)
    return opts
