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

_FEW = 64  # largest number of rows for which predict() runs without a progress callback, as the call is short

_VALUES_DTYPES = {
    _ffi.DKVB_DTYPE_F32: "float32",
    _ffi.DKVB_DTYPE_F16: "float16",
    _ffi.DKVB_DTYPE_BF16: "bfloat16",
}


CLASS_WEIGHTS = {None: _ffi.DKVB_CLASS_WEIGHT_NONE, "balanced": _ffi.DKVB_CLASS_WEIGHT_BALANCED}


@dataclass(frozen=True)
class ModelInfo:
    """Properties of a model; capital and small letters such as C and k are the symbols of docs/method.md."""

    codebooks: int  # Number of codebooks of the model (C).
    keys: int  # Number of keys in each codebook (K).
    key_dim: int  # Length of a key (d).
    input_dim: int  # Number of features in a row (m).
    classes: int  # Number of classes of the model (L).
    top_k: int  # Number of keys that a row selects in each codebook (k).
    normalize: bool
    mapped: bool
    format_major: int
    format_minor: int
    masked_pairs: int
    purged_pairs: int
    journal_entries: int
    rows_trained: int
    birth: bytes
    values_dtype: str  # Number type of the model's values: "float32", "float16" or "bfloat16".
    class_counts: bool
    temperature: float  # Softmax temperature of a row whose largest logit is 1 above its mean logit.
    temperature_power: float  # Exponent of a row's logit spread (largest minus mean logit) in its temperature.
    trained: bytes  # Fingerprint of all trainings of the model; zeros if the model was never trained.
    trials: int  # Number of settings that tune() tried before the latest training; 0 without tune().


@dataclass(frozen=True)
class SearchFileReport:
    """Result of Model.search_file()."""

    rows: int  # Number of rows whose codes the written file holds.
    resumed: int  # Number of rows of the written file that an earlier, interrupted search_file() had searched.


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

    rows: int  # Number of evaluated rows that have a label.
    right: int  # Number of labelled rows that the model classified correctly.
    abstained: int  # Number of labelled rows for which the model gave no answer.
    unlabelled: int  # Number of rows with label -1, which the evaluation left out.
    searched: int  # Number of (row, codebook) pairs searched again, if the caller gave codes.
    accuracy: float
    loss: float  # Mean cross-entropy of the labels at the model's temperature, in nats.
    calibration_error: float  # Expected calibration error (ECE) of the probabilities, in 15 bins.
    class_rows: np.ndarray  # Number of labelled rows of each class, uint64[L].
    class_right: np.ndarray  # Number of correctly classified rows of each class, uint64[L].


class Model(SavedHandle):
    """A classifier that can forget classes and rows. Many threads may read a model at once, or one thread may change
    the model (model.h)."""

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
        """Writes the model and its codeset to two files. If save_with() fails, both old files stay; only a failure
        between the two renamings leaves a new model file beside an old codes file, which the error message then
        says."""
        lib.dkvb_model_save_with(self._c, _arrays.path(path), codeset._c, _arrays.path(codes_path))

    def verify(self) -> None:
        """Checks the checksums, numbers and journal of the model. If a check of the model fails, verify() raises
        ChecksumError or FormatError."""
        lib.dkvb_model_verify(self._c)

    # Parts of a model: properties, codebooks, mask, values and names

    @property
    def info(self) -> ModelInfo:
        """Properties of the model, as a ModelInfo."""
        raw = _struct.sized(_ffi.ModelInfo)
        lib.dkvb_model_get_info(self._c, byref(raw))
        return _model_info(raw)

    @property
    def codebooks(self) -> Codebooks:
        """The model's codebooks: not a copy, but shared with the model. purge() gives the model new codebooks, in which
        the purged keys are zeros."""
        return Codebooks._adopt(lib.dkvb_codebooks_retain(lib.dkvb_model_codebooks(self._c)))

    @property
    def mask(self) -> Mask:
        """A copy of the model's present mask, including pairs that a purge has erased."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_journal_get_mask(self._c, 0, byref(out))
        return Mask._adopt_shaped(out, self._pairs_shape)

    @property
    def values(self) -> Array:
        """A copy of the values, `float32[C][K][L]`, whatever number type the model stores. Assigning an array replaces
        all values of the model."""
        out = np.empty(self._values_shape, np.float32)
        lib.dkvb_model_get_values(self._c, _arrays.pointer(out))
        return out

    @values.setter
    def values(self, values: Numbers) -> None:
        values = _arrays.floats(values, self._values_shape, "values")
        lib.dkvb_model_set_values(self._c, _arrays.pointer(values), 0)

    @property
    def values_dtype(self) -> str:
        """Number type in which values are stored: "float32", "float16" or "bfloat16". Assigning a number type rounds
        the values to the nearest numbers of this type."""
        return self.info.values_dtype

    @values_dtype.setter
    def values_dtype(self, dtype: str) -> None:
        codes = [code for code, name in _VALUES_DTYPES.items() if name == str(dtype)]
        if not codes:
            raise ValueError(f"values_dtype: {dtype!r} found, {', '.join(_VALUES_DTYPES.values())} are wanted")
        lib.dkvb_model_set_values(self._c, None, codes[0])

    @property
    def class_names(self) -> Names:
        """Names of the model's classes by label, None for a class without a name. Assigning a sequence of n names names
        classes 0 to n - 1; if one of the names is invalid, no class gets a new name."""
        names = (lib.dkvb_model_class_name(self._c, label) for label in range(self.info.classes))
        return [name and name.decode("utf-8") for name in names]

    @class_names.setter
    def class_names(self, names: Sequence[Optional[str]]) -> None:
        if isinstance(names, (str, bytes)):  # a str would count as a sequence of one-letter names
            raise TypeError(f"class names: {type(names).__name__} found, a sequence of str wanted")
        encoded = [_arrays.text(name, "class name") for name in names]
        lib.dkvb_model_set_class_names(self._c, (c_char_p * len(encoded))(*encoded), len(encoded), None)

    @property
    def column_names(self) -> Optional[List[str]]:
        """Names of the columns of a row of features, `input_dim` of them, or None. Assigning a sequence of names names
        all columns; assigning None removes the column names."""
        if lib.dkvb_model_column_name(self._c, 0) is None:
            return None
        return [lib.dkvb_model_column_name(self._c, column).decode("utf-8") for column in range(self.info.input_dim)]

    @column_names.setter
    def column_names(self, names: Optional[Sequence[str]]) -> None:
        if isinstance(names, (str, bytes)):  # a str would count as a sequence of one-letter names
            raise TypeError(f"column names: {type(names).__name__} found, a sequence of str or None is expected")
        encoded = [_arrays.text(name, "column name") for name in (() if names is None else names)]
        # the C function would take an empty list as an order to remove the column names
        if names is not None and not encoded:
            raise ValueError(f"column names: none found, the rows have {self.info.input_dim} columns; None removes names")
        lib.dkvb_model_set_column_names(self._c, (c_char_p * len(encoded))(*encoded), len(encoded))

    def find_class(self, word: str) -> int:
        """Returns the label of the class with the name `word`. If no class has the name `word`, and `word` is a number,
        find_class() takes the number as a label. Raises NotFound if no class has the name or label."""
        label = c_uint32()
        lib.dkvb_model_find_class(self._c, _arrays.text(word, "class"), _ffi.DKVB_FIND_NAME_OR_INDEX, byref(label))
        return label.value

    @property
    def encoder(self) -> Optional[str]:
        """Identity of the encoder that makes the rows of the model, such as Encoder.identity, or None. Assigning a text
        to Model.encoder replaces the stored identity by the text."""
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

        Rows of a class that was forgotten are refused with StateError. With `relearn`, train() also learns from rows of
        forgotten classes, and the journal records that their forget operations ended.

        The callback `report` is called with each TrainReport, the callback `progress` with the number of finished rows
        and of all rows. An exception in the callback `report` or `progress` cancels the training.
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
        # keeps the callbacks alive, as the library calls them in every train_step()
        self._training = callbacks, reports, opts

    def train_step(self, codes: Numbers, labels: Numbers, *, threads: int = 0,
                   progress: Progress = None) -> Optional[TrainReport]:
        """Trains the values on the next part of the rows, and returns the TrainReport of this step."""
        codes, k = self._codes(codes)
        labels = _arrays.labels(labels, len(codes))
        callbacks, reports = self._training[:2] if self._training else (None, [])
        reports.clear()
        with LongCall(threads, progress, callbacks) as run:
            lib.dkvb_model_train_step(self._c, _arrays.pointer(codes), k, _arrays.pointer(labels), len(codes),
                                      byref(run))
        return reports[-1] if reports else None

    def train_end(self) -> None:
        """Ends the training that train_begin() began, and replaces the model's old values by the trained values."""
        lib.dkvb_model_train_end(self._c, 1)
        self._training = None

    def train_abort(self) -> None:
        """Ends a training without changing the model: discards what train_step() learned since train_begin()."""
        lib.dkvb_model_train_end(self._c, 0)
        self._training = None

    # Answering

    def search(self, x: Numbers, *, distances: bool = False, outside: Any = None, threads: int = 0,
               progress: Progress = None) -> Any:
        """Searches the codes of rows (the nearest unmasked keys in each codebook), and returns
        `uint16[n][C][top_k]`."""
        with self.codebooks as codebooks, self.mask as mask:
            return codebooks.search(x, self.info.top_k, mask, distances=distances, outside=outside, threads=threads,
                                    progress=progress)

    def search_file(self, x: Numbers, path: Path, *, distances: Optional[Path] = None, restart: bool = False,
                    outside: Any = None, threads: int = 0, progress: Progress = None) -> SearchFileReport:
        """Searches codes of rows as search() does, and writes them to a `.npy` file, `uint16[n][C][top_k]`; their
        distances are written to a second file, `int32[n][C][top_k]`. The rows may be more than memory holds: float32
        rows from `numpy.load("x.npy", mmap_mode="r")` are not loaded into memory.

        An interrupted search_file() keeps the finished codes in PATH.part, and repeating the call continues from that
        file; `restart=True` searches all rows anew. `outside`, an Outside object, counts rows far outside the range of
        the rows on which the keys were placed.
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
        """Predicts the labels of rows, `int32[n]`, -1 = no answer; with `logits=True` also returns the logits,
        `float32[n][L]`.

        `outside`, an Outside object, counts rows far outside the range of the rows on which the keys were placed.
        """
        x = self._rows(x)
        labels = np.empty(len(x), np.int32)
        scores = np.empty((len(x), self.info.classes), np.float32) if logits else None
        # few rows are predicted too fast for a Ctrl-C to matter
        if len(x) <= _FEW and not (threads or progress or outside):
            lib.dkvb_model_predict(self._c, _arrays.pointer(x), len(x), _arrays.pointer(labels),
                                   _arrays.pointer(scores), None)
            return (labels, scores) if logits else labels
        with LongCall(threads, progress, outside=outside) as run:
            lib.dkvb_model_predict(self._c, _arrays.pointer(x), len(x), _arrays.pointer(labels),
                                   _arrays.pointer(scores), byref(run))
        return (labels, scores) if logits else labels

    def evaluate(self, x: Numbers, labels: Numbers, codes: Numbers = None, *, outside: Any = None, threads: int = 0,
                 progress: Progress = None) -> Evaluation:
        """Measures a model's accuracy, loss and calibration on labelled rows (label -1 leaves a row out). evaluate()
        returns the figures as an Evaluation.

        If codes of the rows are known, pass them as `codes`, so that evaluate() searches only rows whose codes name
        masked keys; the codes must have been searched without a mask, or under a part of the present mask.
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
        """Masks the (codebook, key) pairs of a mask, and writes a journal entry with the text `reason`. Returns the
        number of the new journal entry, which undo() takes.

        `terms`, a Terms object, records which classes to forget, the limits on lost accuracy, and the measured effects.
        `rows` are the caller's ids of the forgotten rows: the journal stores a salted hash of these ids, not the ids;
        `salt` is 32 bytes, random unless given.
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
        """Plans a forget operation, and returns a Plan; the model is not changed (plan.h explains each argument).

        One argument names the target of the forget operation: `classes`, by label or name; `ids`, or names of rows in
        the codeset; `codes` of rows (with `labels` and `classes`, only the rows of these classes); a `mask`; or
        `requests`, a text of lines such as "class cat" or "ids 3,4" (plan.h), or a list of such lines, which become one
        plan. `keys` is needed for strength "exact" if keys were placed on the forgotten rows too: "keep" keeps the
        keys, "place" places the keys again on `features`, the rows that were trained on.
        """
        from . import plan  # the module plan is imported here to avoid a circular import

        return plan.plan_forget(self, classes=classes, ids=ids, codes=codes, labels=labels, mask=mask, requests=requests,
                                codeset=codeset, strength=strength, method=method, budget=budget, seed=seed,
                                target=target, max_retain_drop=max_retain_drop, max_class_loss=max_class_loss,
                                force=force, keys=keys, features=features, feature_ids=feature_ids, reason=reason,
                                salt=salt, threads=threads, progress=progress)

    def apply(self, planned: Any, codeset: Any = None) -> Optional[int]:
        """Applies a Plan to the model, with the codeset as it was when the plan was made. Returns the number of the new
        journal entry, or None if the plan had nothing to change. Raises Refused if the plan is refused and not forced,
        and MismatchError if the model or the codeset has changed since the plan was made."""
        from . import plan

        return plan.apply(self, planned, codeset)

    def audit(self, x: Numbers, labels: Numbers, test_x: Numbers, test_labels: Numbers, *,
              classes: Optional[Classes] = None, rows: Any = None, ids: Ids = None, before: Any = None,
              codeset: Any = None, training: Any = None, shadows: Optional[int] = None,
              rmia_models: Optional[int] = None, models: Optional[int] = None, seed: Optional[int] = None,
              threads: int = 0, progress: Progress = None, stage: Optional[Callable[[str], object]] = None) -> Any:
        """Attacks the model, which has forgotten rows, and models trained again without these rows. audit() returns the
        figures of the attacks as an Audit.

        `x` and `labels` are the rows that the audited model was trained on, and `ids` the ids of these rows in the
        training (None: row numbers); `test_x` and `test_labels` are rows that the model was never trained on. The
        forgotten rows are all rows of `classes`, by label or name; or `rows`, numbers of rows of `x`; or, without both,
        the classes that the journal names. `before` is the Model from before the forgetting. How the model was trained
        is known from a `codeset` of before the forgetting, or from `training`, a dict of arguments of Model.train().
        `shadows` and `rmia_models` are numbers of models that the likelihood-ratio attack and the attack RMIA train; 0
        leaves the attack out. If `models` is 100 or more, the audit also measures the divergence KLoM between that many
        models of other seeds that forget the rows and as many retrained models; KLoM needs a codeset that has been
        searched. The callback `stage` is called with the name of each stage of the audit, `progress` with the finished
        and the total units of the stage.
        """
        from . import audit  # the module audit is imported here to avoid a circular import

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
        `seeds`. `shapes` are dicts (codebooks, keys, key_dim, top_k, seed) of further models that the sweep trains and
        forgets in; their rows are `features`, with ids `feature_ids`, if the codeset stores no features. Effects are
        measured on the held-out rows of the codeset, or on `test_x`.

        `path` is the path of a table to write (docs/sweep.md). An interrupted sweep continues from the part file beside
        the table, unless `restart` is true. The callback `each` is called with every finished SweepCell.
        """
        from . import sweep  # the module sweep is imported here to avoid a circular import

        return sweep.sweep(self, codeset, classes=classes, strengths=strengths, methods=methods, budgets=budgets,
                           steps=steps, seeds=seeds, shapes=shapes, features=features, feature_ids=feature_ids,
                           test_x=test_x, test_labels=test_labels, path=path, restart=restart, each=each,
                           threads=threads, progress=progress)

    def replay(self, codeset: Any, without: Ids = None, method: Optional[str] = None, reason: Optional[str] = None, *,
               strength: str = "", terms: Any = None, rows: Any = None, salt: Optional[bytes] = None, threads: int = 0,
               progress: Progress = None) -> int:
        """Trains the values again, from zero, on the training rows of a codeset except the rows `without`, given by
        their ids. The new values are bit for bit those of a training without the rows `without`. If the model keeps
        counts of how often each class selects each pair, replay() counts anew too.

        `reason` and `terms` are stored in the journal, as by Model.forget(). replay() returns the number of its new
        journal entry. replay() leaves the rows `without` in the codeset: remove them with Codeset.remove() once the
        model is saved.
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
        can be forgotten by its name alone. Calling count_classes() again adds to the counts."""
        codes, k = self._codes(codes)
        labels = _arrays.labels(labels, len(codes))
        with LongCall(threads) as run:
            lib.dkvb_model_count_classes(self._c, _arrays.pointer(codes), k, _arrays.pointer(labels), len(codes),
                                         byref(run))

    def class_counts(self, label: int) -> Array:
        """Returns how many counted rows of a class selected each (codebook, key) pair, `uint64[C][K]`; raises NotFound
        if the model keeps no such counts."""
        counts = np.zeros(self._pairs_shape, np.uint64)
        lib.dkvb_model_class_counts(self._c, _arrays.integer(label, 32, "label"), _arrays.pointer(counts))
        return counts

    def drop_counts(self) -> None:
        """Erases from the model the counts of how often each class selects each (codebook, key) pair."""
        lib.dkvb_model_drop_counts(self._c)

    def undo(self, entry: Optional[int] = None) -> int:
        """Undoes one forget operation: that of the journal entry `entry`, or else the latest active one. Returns the
        number of the journal entry that was undone."""
        undone = c_uint64()
        lib.dkvb_model_undo(self._c, 0 if entry is None else _arrays.integer(entry, 64, "entry"), byref(undone))
        return undone.value

    def relearn(self, entry: int, reason: Optional[str] = None, *, terms: Any = None, rows: Any = None,
                salt: Optional[bytes] = None) -> int:
        """Notes in the journal that forgotten rows or classes were taught again, which ends their forget operation.
        relearn() is for cases that train() cannot see, such as rows that were forgotten by their ids. relearn() returns
        the number of its new journal entry."""
        opts, _kept = forget_options(self.info.classes, None, reason, "", terms, rows, salt)
        added = c_uint64()
        lib.dkvb_model_relearn(self._c, _arrays.integer(entry, 64, "entry"), byref(opts), byref(added))
        return added.value

    def drop_forgotten_names(self) -> int:
        """Removes the class names of all forgotten classes: those named by forget operations in force. Returns how many
        classes lost their name."""
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
        """Returns the mask that the forget operation of a journal entry added; raises StateError if the journal's list
        of its pairs is erased."""
        out = POINTER(_ffi.Mask)()
        lib.dkvb_journal_get_mask(self._c, _arrays.integer(entry, 64, "entry"), byref(out))
        return Mask._adopt_shaped(out, self._pairs_shape)

    def journal_names_rows(self, entry: int, rows: Any) -> bool:
        """True if the forgotten rows of a journal entry are exactly `rows`, in any order; needs the entry's salt in the
        model."""
        rows = _arrays.ids(rows, "rows", "rows")
        return bool(lib.dkvb_journal_names_rows(self._c, _arrays.integer(entry, 64, "entry"), _arrays.pointer(rows),
                                                len(rows)))

    @property
    def journal_head(self) -> bytes:
        """Head of the journal: a hash of 32 bytes of its newest entry and all entries before it. Whoever notes the head
        of a journal can later prove that old entries were not changed (see journal_find_head())."""
        head = np.empty(32, np.uint8)
        lib.dkvb_journal_head(self._c, _arrays.pointer(head))
        return head.tobytes()

    def journal_find_head(self, head: bytes) -> int:
        """Returns the number of the journal entry that was the newest when the head (latest hash) of the journal was
        `head`, 0 for an empty journal. If the journal has a journal entry with the hash `head`, the journal has only
        grown since `head` was noted."""
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
        # input_dim is read once, as a call of get_info() takes longer than predicting one row
        if self._input_dim is None:
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
