"""Fit: makes a model from rows and labels, with settings that suit the data."""

from ctypes import POINTER, byref, pointer
from dataclasses import dataclass, replace
from typing import Any, Callable, NamedTuple, Optional

from . import _arrays, _ffi, _struct
from ._library import lib
from ._run import Callbacks, LongCall
from .codebooks import _METHODS, Codebooks, _keyinit
from .codeset import _KEPT, Codeset
from .model import _VALUES_DTYPES, Model, _class_weight, _train_options
from ._types import Groups, Ids, Numbers, Progress

_WHITEN = {"never": _ffi.DKVB_WHITEN_NEVER, "always": _ffi.DKVB_WHITEN_ALWAYS, "choose": _ffi.DKVB_WHITEN_CHOOSE}
_KEPT_BECAUSE = {_ffi.DKVB_TEMPERATURE_FITTED: "", _ffi.DKVB_TEMPERATURE_FEW_ROWS: "few rows",
                 _ffi.DKVB_TEMPERATURE_FEW_CLASSES: "few classes"}
_PLACING = ("method", "codebooks", "keys", "key_dim", "passes", "rows_per_key", "normalize", "decay", "restart")
_TRAINING = ("epochs", "batch", "learning_rate", "rate_last", "label_smoothing", "class_weight", "shuffle", "trials")


@dataclass(frozen=True)
class FitReport:
    """Report of what fit() chose and measured; letters such as C and k are the symbols of docs/method.md."""

    rows: int  # Number of labelled rows from which the values learned.
    held_out: int  # Number of held-out rows in the codeset, on which nothing was trained.
    unlearnable: int  # Number of classes without a training row.
    classes: int  # Number of classes of the model (L).
    codebooks: int  # Number of codebooks of the model (C).
    keys: int  # Number of keys in each codebook (K).
    key_dim: int  # Length of a key (d).
    top_k: int  # Number of keys that a row selects in each codebook (k).
    whitened: bool
    epochs: int
    learning_rate: float  # Learning rate of the first epoch.
    accuracy_plain: float  # Accuracy on held-out rows without whitening; NaN if whitening was not compared.
    accuracy_whitened: float  # Accuracy on held-out rows with whitening; NaN if whitening was not compared.
    temperature_rows: int  # Number of rows on which the temperature was fitted; 0 if there were too few.
    temperature: float
    temperature_power: float
    calibration_error: float  # Expected calibration error on the rows on which the temperature was fitted, or NaN.
    held_out_accuracy: float  # Accuracy on the held-out rows on which the temperature was fitted, or NaN.
    loss: float  # Mean loss of the last epoch of training.
    accuracy: float  # Training accuracy of the last epoch.
    labelled: int  # Number of labelled rows, from which fit() derives default settings.
    temperature_kept: str  # Why the temperature was not fitted: "few rows" or "few classes"; "" if it was fitted.


@dataclass(frozen=True)
class FeaturesInfo:
    """Features that are far larger than all others, found by survey_features()."""

    rows: int
    columns: int
    outlying: int  # Number of features at least 1,024 times as large as all other features.
    first_row: int  # Row number of the first feature that is far larger than all others.
    first_column: int
    first_value: float


@dataclass(frozen=True)
class LabelsInfo:
    """Counts of classes with and without rows, made by survey_labels()."""

    rows: int
    unlabelled: int  # Number of rows without a label (label -1).
    largest_row: int  # Number of the first row that has the largest label.
    smallest: int  # Smallest label of 0 or more; -1 if all labels are negative.
    largest: int
    classes: int
    empty: int  # Number of classes that no row belongs to.
    first_empty: int
    empty_list: str  # Labels of all classes without a row, as ranges, for example "0, 5..9".


class Fitted(NamedTuple):
    """Result of fit(): `model, codeset, report = dkvb.fit(x, labels)`."""

    model: Model
    codeset: Optional[Codeset]  # The codeset of the rows; None unless fit() was called with codeset=True.
    report: FitReport


@dataclass(frozen=True)
class Trial:
    """One trial of tune(): settings, and the quality of a model trained with them."""

    number: int  # Number of this trial of tune(), from 1.
    keys: int
    key_dim: int
    top_k: int
    whitened: bool
    epochs: int
    learning_rate: float
    accuracy: float  # Accuracy on held-out rows of the model that this trial of tune() trained.
    loss: float  # Mean cross-entropy on held-out rows of the model that this trial of tune() trained, in nats.
    held_out: int  # Number of held-out rows on which tune() measured the model of this trial.


class Tuned(NamedTuple):
    """Result of tune(): `dkvb.fit(x, labels, **tuned.settings)` trains a model with the best settings."""

    settings: dict
    trials: list  # Every Trial that tune() made; their number is settings["trials"].


def fit(x: Numbers, labels: Numbers, *, ids: Ids = None, classes: Optional[int] = None, codeset: bool = False,
        hold_out: Optional[float] = None, depth: Optional[int] = None, keep: str = "auto", whiten: Any = "choose",
        top_k: Optional[int] = None, values_dtype: Optional[str] = None, key_rows: Numbers = None,
        preset: Optional[str] = None, max_bytes: Optional[int] = None, keep_names: bool = False,
        groups: Groups = None, count_classes: bool = False, threads: int = 0, progress: Progress = None,
        report: Optional[Callable[..., object]] = None, stage: Optional[Callable[[str], object]] = None,
        outside: Any = None, **settings: Any) -> Fitted:
    """Fits a model to rows `float32[n][dim]` and labels (-1 = ignore). Returns a Fitted: model, codeset, report.

    `classes` is the number of classes, by default one more than the largest label; by default, a class without rows is
    refused.

    fit() chooses every setting that the caller does not give, to suit the data. `settings` are arguments of
    Codebooks.fit() and Model.train(): method, codebooks (a number, or Codebooks to share), keys, key_dim, rows_per_key,
    passes, normalize, decay, restart; epochs, batch, learning_rate, rate_last, label_smoothing, class_weight, shuffle,
    trials (how many tune() made); and seed, of both functions. `preset="paper"` takes the model shape and training
    recipe of the paper (arXiv 2207.11240); `max_bytes` limits the size of the model file.

    `codeset=True` also returns a Codeset with the codes, ids and labels of all rows, so that rows can be forgotten
    later, and never trains on the fraction `hold_out` of the rows. `ids` of the rows are integers or strings; of string
    ids the codeset keeps hashes, and with `keep_names` the strings too. `groups` gives the group of each row as an
    integer or a string. Rows of one group, such as the pictures of one person, are held out together or not at all;
    fit_more() needs the same groups again. With `count_classes` the model keeps how often each class selects each pair,
    as by Model.count_classes(). `stage` is called with the name of each stage, `report` with a TrainReport after each
    epoch of the values, `progress` with the finished and all units of a stage; an exception in any of these callbacks
    cancels fit(). `outside`, an Outside object, counts rows far outside the range of the rows on which the keys were
    placed.
    """
    rows, kept = _rows(x, labels, ids, classes, groups)
    callbacks = Callbacks()
    shared = settings.pop("codebooks") if isinstance(settings.get("codebooks"), Codebooks) else None
    if preset not in (None, "paper"):
        raise ValueError(f"preset: {preset!r} found, it must be None or \"paper\"")
    chosen = _settings(settings, callbacks, report, preset, top_k, whiten)
    if max_bytes is not None:
        if max_bytes < 1:
            raise ValueError(f"max_bytes: {max_bytes} found, it must be 1 or more")
        lib.dkvb_fit_suit(byref(chosen), int((kept[1] >= 0).sum()), rows.dim, _classes_of(rows, kept[1]),
                          _ffi.DKVB_PRESET_NONE, _arrays.integer(max_bytes, 64, "max_bytes"))
    if key_rows is not None:
        key_rows = _arrays.floats(key_rows, ("rows", rows.dim), "key_rows")
    opts = _struct.options(_ffi.FitOptions, values_dtype=_values_dtype(values_dtype),
                           keep=_arrays.choice(keep, _KEPT, "keep"), depth=depth, hold_out=hold_out,
                           keep_names=int(bool(keep_names)), count_classes=int(bool(count_classes)))
    opts.settings = pointer(chosen)
    opts.codebooks = None if shared is None else shared._c._as_parameter_
    if key_rows is not None:
        opts.key_rows, opts.key_row_count = _arrays.pointer(key_rows), len(key_rows)
    if stage is not None:
        opts.stage = callbacks.wrap(_ffi.StageFn, lambda _user, name: stage(name.decode("ascii")))
    model, made, raw = POINTER(_ffi.Model)(), POINTER(_ffi.Codeset)(), _struct.sized(_ffi.FitReport)
    with LongCall(threads, progress, callbacks, outside) as run:
        lib.dkvb_fit(byref(model), byref(made) if codeset else None, byref(rows), byref(opts), byref(raw), byref(run))
    return Fitted(Model._adopt(model), Codeset._adopt(made) if codeset else None, _fit_report(raw))


def fit_more(model: Any, x: Numbers, labels: Numbers, *, codeset: Any = None, ids: Ids = None,
             groups: Groups = None, hold_out: Optional[float] = None, count_classes: bool = False,
             relearn: bool = False, threads: int = 0, progress: Progress = None,
             report: Optional[Callable[..., object]] = None,
             stage: Optional[Callable[[str], object]] = None, **settings: Any) -> FitReport:
    """Continues training: searches new rows by the model's keys, trains its values on them, and fits the temperature
    again (fit.h).

    fit_more() adds the new rows to the codeset, which must be the one that the model was trained on, and holds out a
    fraction of the new rows. With `relearn`, fit_more() may also learn rows of forgotten classes and removed rows,
    which ends their forget operations. `settings` are arguments of Model.train(); the defaults of epochs, batch and
    learning rate suit the new rows. `groups` gives the group of each row, as in fit(). fit_more() returns a FitReport.
    """
    # the number of classes is the model's, as the new rows need not have rows of every class
    rows, kept = _rows(x, labels, ids, model.info.classes, groups)
    callbacks = Callbacks()
    chosen = _settings(settings, callbacks, report)
    chosen.train.relearn = bool(relearn)
    opts = _struct.options(_ffi.FitOptions, hold_out=hold_out,
                           count_classes=int(count_classes))
    opts.settings = pointer(chosen)
    if stage is not None:
        opts.stage = callbacks.wrap(_ffi.StageFn, lambda _user, name: stage(name.decode("ascii")))
    raw = _struct.sized(_ffi.FitReport)
    with LongCall(threads, progress, callbacks) as run:
        lib.dkvb_fit_more(model._c, None if codeset is None else codeset._c, byref(rows), byref(opts), byref(raw),
                          byref(run))
    del kept
    return _fit_report(raw)


def tune(x: Numbers, labels: Numbers, *, trials: Optional[int] = None, seconds: Optional[float] = None, ids: Ids = None,
         groups: Groups = None, classes: Optional[int] = None, whiten: Any = "choose", top_k: Optional[int] = None,
         threads: int = 0, progress: Progress = None, report: Optional[Callable[..., object]] = None,
         **settings: Any) -> Tuned:
    """Trains a model with each of a fixed list of settings, measures it on held-out rows, and finds the best settings.
    Returns a Tuned: settings for fit(), and all trials.

    `groups` and `settings` are arguments as of fit(); tune() never changes a setting that the caller gives. A given
    number of `trials` makes the result the same on every machine; without it, no trial begins after `seconds` (600).
    tune() calls the callback `report` with each finished Trial.
    """
    rows, kept = _rows(x, labels, ids, classes, groups)
    callbacks, made = Callbacks(), []
    given = dict(settings)
    best = _settings(settings, callbacks, None, None, top_k, whiten)

    def note(_user, raw):
        made.append(_struct.answer(Trial, raw.contents))
        if report:
            report(made[-1])

    opts = _struct.options(_ffi.TuneOptions, trials=trials, seconds=seconds)
    opts.report = callbacks.wrap(_ffi.TrialFn, note)
    with LongCall(threads, progress, callbacks) as run:
        lib.dkvb_tune(byref(best), byref(rows), byref(opts), byref(run))
    del kept
    found = {name: getattr(best.keyinit, name) for name in ("codebooks", "keys", "key_dim")}
    found.update({name: getattr(best.train, name) for name in ("epochs", "batch", "learning_rate", "rate_last", "trials")},
                 top_k=best.top_k, whiten="always" if best.whiten == _ffi.DKVB_WHITEN_ALWAYS else "never")
    return Tuned({**given, **found}, made)


def _fit_report(raw):
    return replace(_struct.answer(FitReport, raw), temperature_kept=_KEPT_BECAUSE[raw.temperature_kept])


def _rows(x, labels, ids, classes, groups):
    """Returns rows for fit() as a C struct, and the arrays that the struct points to, which must outlive the C call."""
    x = _arrays.floats(x, ("rows", "columns"), "features")
    labels = _arrays.labels(labels, len(x))
    if classes is None:  # without a given number of classes, a class without rows is an error
        survey_labels(labels)
    names = _arrays.names(ids)
    if names is not None and len(names) != len(x):
        raise ValueError(f"ids: {len(names)} names found, there are {len(x)} rows")
    ids = None if ids is None or names is not None else _arrays.ids(ids, len(x))
    raw = _struct.sized(_ffi.FitRows)
    raw.x, raw.labels = _arrays.pointer(x), _arrays.pointer(labels)
    raw.n, raw.dim = x.shape
    raw.classes = _number(classes, "classes")
    if ids is not None:
        raw.ids = _arrays.pointer(ids)
    if names is not None:
        raw.names = names
    if groups is not None:
        groups = _arrays.groups(groups, len(x))
        raw.groups = _arrays.pointer(groups)
    return raw, (x, labels, ids, names, groups)


def survey_labels(labels: Numbers, classes: Optional[int] = None, *, allow_empty: bool = False) -> LabelsInfo:
    """Checks labels before a training, and returns a LabelsInfo. Raises MismatchError, with the likely reason, if a
    class has no rows and `allow_empty` is false."""
    labels, raw = _arrays.labels(labels, len(labels)), _struct.sized(_ffi.LabelsInfo)
    lib.dkvb_labels_survey(byref(raw), _arrays.pointer(labels), len(labels), _number(classes, "classes"),
                           _ffi.DKVB_LABELS_ANY if allow_empty else 0, None)
    return replace(_struct.answer(LabelsInfo, raw), empty_list=raw.empty_list.decode("ascii"))


def survey_features(x: Numbers) -> FeaturesInfo:
    """Counts features of `float32[n][dim]` that are far larger than all others, and returns a FeaturesInfo."""
    x, raw = _arrays.floats(x, ("rows", "columns"), "features"), _struct.sized(_ffi.FeaturesInfo)
    lib.dkvb_features_survey(byref(raw), _arrays.pointer(x), *x.shape)
    return _struct.answer(FeaturesInfo, raw)


def _classes_of(rows, labels):
    return rows.classes or max(int(labels.max(initial=-1)) + 1, 1)


def _settings(given, callbacks, report, preset=None, top_k=None, whiten="choose"):
    """Returns settings of fit() as a C struct, with 0 for each setting that the library is to choose."""
    unknown = [name for name in given if name not in (*_PLACING, *_TRAINING, "seed")]
    if unknown:
        known = ", ".join((*_PLACING, *_TRAINING, "seed"))
        raise TypeError(f"unknown setting: {', '.join(unknown)}; known are {known}")
    seed = given.get("seed")
    placing = {name: given[name] for name in _PLACING if given.get(name) is not None}
    training = {name: given[name] for name in _TRAINING if given.get(name) is not None}
    if "class_weight" in training:
        training["class_weight"] = _class_weight(training["class_weight"])
    if "shuffle" in training:
        training["no_shuffle"] = not training.pop("shuffle")
    chosen = _struct.sized(_ffi.Settings)
    chosen.keyinit = _keyinit(seed=seed)
    chosen.train = _train_options(callbacks, [], report, seed=seed, epochs=0, batch=0, learning_rate=0.0, rate_last=0.0)
    if preset == "paper":
        lib.dkvb_fit_suit(byref(chosen), 0, 0, 1, _ffi.DKVB_PRESET_PAPER, 0)
    chosen.top_k = _number(top_k, "top_k") or chosen.top_k
    if preset != "paper" or whiten != "choose":
        chosen.whiten = _arrays.choice(whiten, _WHITEN, "whiten")
    if "method" in placing:
        placing["method"] = _arrays.choice(placing["method"], _METHODS, "method")
    for raw, values in ((chosen.keyinit, placing), (chosen.train, training)):
        types = dict(raw._fields_)
        for name, value in values.items():
            setattr(raw, name, _struct._field(types[name], value, name))
    return chosen


def _number(value, what):
    return 0 if value is None else _arrays.integer(value, 32, what)


def _values_dtype(name):
    if name is None:
        return None
    numbers = {text: number for number, text in _VALUES_DTYPES.items()}
    return _arrays.choice(str(name), numbers, "values_dtype")
