"""DKVBClassifier: a scikit-learn classifier that can forget (docs/python-sklearn.md).

Importing `dkvb` alone needs no scikit-learn: the module estimator is loaded when `dkvb.DKVBClassifier` is first used.
"""

import hashlib
from typing import Any, Dict, NamedTuple, Optional

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d
except ImportError as error:
    raise ImportError(f"dkvb.DKVBClassifier needs scikit-learn, which cannot be imported ({error}): install it, for "
                      "example by `apt-get install python3-sklearn` or `pip install scikit-learn`") from error

from .audit import Audit
from .codeset import Codeset, _copy
from .decode import softmax
from .errors import Refused, StateError
from .fit import fit, fit_more
from .model import Model
from .plan import Plan

# a row of whole weight w becomes w copies only while the average weight of all rows is at most this number
_MOST_COPIES = 16
_SETTINGS = ("keys", "key_dim", "top_k", "normalize", "epochs", "batch", "learning_rate", "label_smoothing")
# The kind of a class label is the first kind in _KINDS whose types fit: in Python a bool is an int too.
_KINDS: Dict[str, Any] = {"a boolean": (bool, np.bool_), "a whole number": (int, np.integer), "text": str}
_TRAINING = ("epochs", "batch", "learning_rate", "label_smoothing")


class _Rows(NamedTuple):
    """Training rows and held-out rows of a classifier; each array has one element for each copy of a row."""

    positions: np.ndarray  # Number of the row, counted through fit() and all partial_fit(), int64[m].
    ids: np.ndarray  # Id in the codeset of each of the m copies of rows, uint64[m].
    labels: np.ndarray  # Label in the model of each of the m copies of rows, int32[m].
    held_out: np.ndarray  # True if the row is held out, so that the values did not learn from it, bool[m].
    gone: np.ndarray  # True if strength "exact" has removed the row by training again, bool[m].
    given: int  # Number of rows that the caller gave, including rows of weight 0.

    def joined(self, other: "_Rows") -> "_Rows":
        """Joins the rows of earlier calls of fit() and the rows `other` of a later call. A forgotten row that was
        learned again keeps only its later row number."""
        stay = ~np.isin(self.ids, other.ids)
        return _Rows(np.concatenate([self.positions[stay], other.positions + self.given]),
                     np.concatenate([self.ids[stay], other.ids]), np.concatenate([self.labels[stay], other.labels]),
                     np.concatenate([self.held_out[stay], other.held_out]),
                     np.concatenate([self.gone[stay], other.gone]), self.given + other.given)


class DKVBClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that can forget classes and rows, with the methods of scikit-learn.

        clf = dkvb.DKVBClassifier().fit(X, y)
        clf.predict(X_new)
        clf.forget(classes=["cat"])                           # masks pairs: the class "cat" is no longer answered
        clf.undo()                                            # undoes the masking, bit for bit
        clf.forget(rows=[3, 17], strength="exact", keys="keep")  # trains the values again without rows 3 and 17

    A fitted classifier depends on the set of rows, their labels and weights, the settings and `random_state`; the order
    of rows and the number of threads do not change a bit. Rows are converted to float32.

    Parameters
    ----------
    codebooks, keys, key_dim, top_k : int, default=None
        Shape of the model (docs/method.md): number of codebooks, number of keys in each codebook, length of a key, and
        number of keys that a row selects in each codebook. If one of `codebooks`, `keys`, `key_dim` and `top_k` is
        None, fit() chooses a number that suits the rows. `codebooks` may also be a `dkvb.Codebooks`: then its keys are
        used, and none are placed.

    key_rows : array of shape (m, n_features), default=None
        Rows on which the keys are placed instead of on the rows of fit(), such as public rows of the same kind. With
        `key_rows`, no row of fit() moves a key, so that strength "exact" leaves no trace of a forgotten row in the
        keys. If `key_rows` is None, the keys are placed on the rows of fit().

    whiten : {"choose", "always", "never"}, default="choose"
        Whether rows are half-whitened before the search of the nearest keys; "choose" compares both choices on held-out
        rows.

    normalize : bool, default=None
        Whether rows are scaled to length 1. If `normalize` is None, rows are scaled unless they have a single column;
        False often suits tables of a few columns.

    epochs, batch : int, default=None
        Number of passes over the training rows, and number of rows in one training step. If `epochs` or `batch` is
        None, fit() chooses a number that suits the rows.

    learning_rate, label_smoothing : float, default=None
        Size of a training step, and fraction of a target probability that is spread over all classes. If
        `learning_rate` or `label_smoothing` is None, fit() takes the library's default.

    class_weight : dict or "balanced", default=None
        Weights of classes in training; a class that the dict does not name has weight 1. Class weight "balanced" gives
        all classes the same total weight.

    hold_out : float, default=0.1
        Fraction of the rows on which the values are never trained, if `keep_codes` is true. fit() chooses the
        temperature of the probabilities, and forget() the number of pairs to mask, on these held-out rows.

    keep_codes : bool, default=True
        Whether the classifier keeps the codes of all rows. Without kept codes, no row can be forgotten by its number,
        strength "exact" is impossible, forget() needs a `budget` (number of pairs to mask), and no row is held out.

    abstain : object, default=None
        Label that predict() returns for a row if no selected pair has learned anything. If `abstain` is None, predict()
        returns the commonest class that is not forgotten.

    n_jobs : int, default=None
        Number of threads; None or -1 uses as many threads as there are processors. Predictions do not depend on the
        number of threads.

    random_state : int or RandomState, default=None
        Seed of the keys and of the order of training rows. A `random_state` of None is taken as 0, so that equal data
        give equal models.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes in sorted order, which is the order of columns of predict_proba(). A forgotten class keeps
        its place in `classes_` and its column.

    class_count_ : ndarray of shape (n_classes,)
        Number of training rows of each class, counted by weight, without rows that strength "exact" removed.

    n_features_in_ : int
        Number of columns of the rows that fit() was given.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of the rows; exists only if all names are strings.

    model_ : dkvb.Model
        The model: `model_.journal` lists what was forgotten, `model_.save("m.dkvb")` writes a model file.

    codeset_ : dkvb.Codeset or None
        Codes of the training and held-out rows; None if `keep_codes` is false. A codeset is personal data if its rows
        are.

    fit_report_ : dkvb.FitReport
        Settings that the latest fit() or partial_fit() chose, and figures that it measured.
    """

    model_: Model
    codeset_: Optional[Codeset]
    classes_: np.ndarray
    class_count_: np.ndarray
    _model_labels: np.ndarray  # Label in the model of each class in classes_, int32[n_classes].
    _rows_: Optional[_Rows]  # The rows that codeset_ has codes of; None if no codes are kept.

    def __init__(self, *, codebooks=None, keys=None, key_dim=None, top_k=None, key_rows=None, whiten="choose",
                 normalize=None, epochs=None, batch=None, learning_rate=None, label_smoothing=None, class_weight=None,
                 hold_out=0.1, keep_codes=True, abstain=None, n_jobs=None, random_state=None):
        self.codebooks = codebooks
        self.keys = keys
        self.key_dim = key_dim
        self.top_k = top_k
        self.key_rows = key_rows
        self.whiten = whiten
        self.normalize = normalize
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.hold_out = hold_out
        self.keep_codes = keep_codes
        self.abstain = abstain
        self.n_jobs = n_jobs
        self.random_state = random_state

    # Methods that learn from rows

    def fit(self, X, y, sample_weight=None) -> "DKVBClassifier":
        """Learns from rows `X`, (n, columns), and labels `y`, (n,). fit() discards what the classifier learned before.

        A row of a whole-numbered sample weight w counts as w copies of the row; a row of weight 0 is ignored. Sample
        weights that are not whole numbers, or are more than 16 on average, are divided by their mean and rounded up or
        down at random to whole numbers; the random number depends on the row alone, and the rounding removes no class
        completely.
        """
        X, y = self._checked(X, y, reset=True)
        return self._fit_first(X, y, np.unique(y), sample_weight)

    def partial_fit(self, X, y, classes=None, sample_weight=None, *, relearn=False) -> "DKVBClassifier":
        """Continues training on further rows: the values are trained on from their present state, and the keys stay
        where the first call of fit() or partial_fit() placed them.

        partial_fit() adds new labels to `classes_` at any time; `classes` may name labels in advance. Training on rows
        of new classes alone lowers the accuracy on earlier classes, so callers should give rows of new and of earlier
        classes. partial_fit() also keeps the codes of the rows, so that all rows can still be forgotten. While
        (codebook, key) pairs are masked, codes cannot be kept, and partial_fit() is refused unless `keep_codes` is
        false. Forgotten rows and classes are refused unless `relearn` is true, which ends their forget operations.
        """
        first = not hasattr(self, "model_")
        X, y = self._checked(X, y, reset=first)
        found = np.unique(y if classes is None else _together(_plain_labels(classes, "classes"), y))
        if first:
            return self._fit_first(X, y, found, sample_weight)
        if self.keep_codes and self.codeset_ is None:
            raise StateError("partial_fit: earlier rows have no codes, so codes of these rows alone are of no use; "
                             "call set_params(keep_codes=False) to go on without codes, or fit() on all rows to keep "
                             "them")
        info = self.model_.info
        pairs = info.masked_pairs + info.purged_pairs
        if self.keep_codes and pairs:
            raise StateError(f"partial_fit: {pairs} pairs are masked or purged, and codes know no mask; call undo() if "
                             "the forgetting shall end, or set_params(keep_codes=False) to go on without codes: rows "
                             "cannot be forgotten by number or by strength \"exact\" after that")
        weights = self._weights(X, y, sample_weight)
        classes, numbers = self._with_classes(found)
        rows = self._rows(X, y, numbers[np.searchsorted(classes, y)], weights, self._rows_, relearn)
        self._add_classes(classes, numbers)
        self.fit_report_ = fit_more(self.model_, X[rows.positions], rows.labels, ids=rows.ids, relearn=relearn,
                                    codeset=self.codeset_ if self.keep_codes else None, hold_out=self._hold_out,
                                    threads=self._threads, **self._given(_TRAINING))
        if self.keep_codes and self._rows_ is not None:
            held = _held_out(self.codeset_, rows.ids)
            self._rows_ = self._rows_.joined(rows._replace(held_out=held))
        else:
            self.codeset_ = self._rows_ = None
        self.class_count_ = self.class_count_ + self._counts(rows.labels)
        return self

    def _fit_first(self, X, y, classes, sample_weight):
        labels, weights = np.searchsorted(classes, y).astype(np.int32), self._weights(X, y, sample_weight)
        rows, settings = self._rows(X, y, labels, weights, None, True), self._given(_SETTINGS)
        if self.codebooks is not None:
            settings["codebooks"] = self.codebooks
        # Without codes, the model counts how often each class selects each pair, so that a class can still be
        # forgotten.
        made = fit(X[rows.positions], rows.labels, ids=rows.ids, classes=len(classes), codeset=bool(self.keep_codes),
                   keep="codes", count_classes=not self.keep_codes, hold_out=self._hold_out, whiten=self.whiten,
                   key_rows=self.key_rows, threads=self._threads, **settings)
        # the classifier is changed only after the library's fit() has succeeded, so after a failure the classifier
        # keeps what it learned before
        self.model_, self.codeset_, self.fit_report_ = made
        self.classes_, self._model_labels = classes, np.arange(len(classes), dtype=np.int32)
        self._rows_ = None if made.codeset is None else rows._replace(held_out=_held_out(made.codeset, rows.ids))
        self.class_count_ = self._counts(rows.labels)
        self._name_classes()
        return self

    # Methods that predict labels and probabilities

    def predict(self, X) -> np.ndarray:
        """Predicts the label of each row: an array of shape (n,)."""
        X = self._checked_rows(X)
        return self._answers(self.model_.predict(X, threads=self._threads))

    def decision_function(self, X) -> np.ndarray:
        """Returns the logits of rows, `float32` (n, n_classes), with the same bits as Model.predict(); for a classifier
        of two classes the second logit minus the first, `float64` (n,). All logits are 0 for a row if no selected pair
        has learned anything."""
        logits = self._logits(self._checked_rows(X))
        if len(self.classes_) > 2:
            return logits
        logits = logits.astype(np.float64)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits[:, 0]

    def predict_proba(self, X) -> np.ndarray:
        """Returns the class probabilities of rows: an array of shape (n, n_classes). If no pair that a row selects has
        learned anything, all classes that are not forgotten have equal probabilities, and forgotten classes have 0."""
        logits = self._logits(self._checked_rows(X))
        info = self.model_.info
        found = softmax(logits, info.temperature, info.temperature_power).astype(np.float64)
        nothing = ~logits.any(axis=1)
        if nothing.any() and len(self.classes_) > 1:
            left = self._left()
            found[nothing] = left if left.any() else 1.0
        return found / found.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X) -> np.ndarray:
        """Returns the logarithms of predict_proba()."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # Methods that forget classes or rows

    def plan(self, *, classes=None, rows=None, strength="suppress", X=None, keys=None, **options) -> Plan:
        """Returns a `dkvb.Plan`, which says what a forget operation would do; the model is not changed.

        `classes`, a label or a list of labels, gives the classes to forget. `rows` gives the rows to forget instead:
        numbers of rows from 0, counted through fit() and all partial_fit(), or an array of a bool for each row.
        `strength` "suppress" masks (codebook, key) pairs, so that the model no longer predicts a forgotten class.
        `strength` "exact" trains the values again without the forgotten rows, which deletes what these rows taught.

        If keys were placed on the forgotten rows too, strength "exact" needs the argument `keys`. With `keys="keep"`,
        the model keeps its present keys. `keys="place"` places the keys again on `X` without the forgotten rows; `X`
        are all rows, as they were given to fit() and partial_fit(). `options` are further arguments of
        Model.plan_forget(): target, budget, method, max_retain_drop, max_class_loss, force, reason, seed.
        """
        check_is_fitted(self, "model_")
        if (classes is None) == (rows is None):
            raise ValueError("forget: give either classes or rows")
        if self.codeset_ is None and (rows is not None or strength == "exact"):
            raise StateError("forget: codes of the rows were not kept, so neither rows nor strength \"exact\" are "
                             "possible; fit again with keep_codes=True")
        if X is not None:
            options["features"], options["feature_ids"] = self._features(X)
        return self.model_.plan_forget(
            classes=None if classes is None else self._marked(classes), ids=None if rows is None else self._ids(rows),
            codeset=self.codeset_, strength=strength, keys=keys, threads=self._threads, **options)

    def apply(self, plan: Plan) -> Optional[int]:
        """Applies a Plan of plan() to the model. Returns the number of the new journal entry; raises dkvb.Refused, with
        the reason and a remedy, if the plan is refused and not forced."""
        check_is_fitted(self, "model_")
        if plan.info.refused == "keys":
            raise Refused(f"{plan.refusal}: give X, all rows as they were given to fit(), or keys=\"keep\"")
        entry = self.model_.apply(plan, self.codeset_)
        if self._rows_ is not None and self.codeset_ is not None and plan.info.strength == "exact":
            gone = self._rows_.gone | np.fromiter(map(self.codeset_.was_removed, self._rows_.ids.tolist()), np.bool_,
                                                  len(self._rows_.ids))
            self._rows_ = self._rows_._replace(gone=gone)
            self.class_count_ = self._counts(self._rows_.labels[~gone])
        return entry

    def forget(self, *, classes=None, rows=None, strength="suppress", X=None, keys=None, **options) -> Optional[int]:
        """Forgets classes or rows: plan() and apply() in one call. forget() returns the number of the new journal
        entry, which undo() takes."""
        with self.plan(classes=classes, rows=rows, strength=strength, X=X, keys=keys, **options) as plan:
            return self.apply(plan)

    def undo(self, entry=None) -> int:
        """Undoes a masking by strength "suppress", bit for bit: that of the journal entry `entry`, or else the latest.
        Returns the number of the journal entry that was undone. What strength "exact" or purge() erased cannot be
        undone."""
        check_is_fitted(self, "model_")
        return self.model_.undo(entry)

    def purge(self) -> "DKVBClassifier":
        """Erases the masked (codebook, key) pairs from the model for good, so that undo() cannot bring them back.
        purge() keeps the codes of all rows in codeset_."""
        check_is_fitted(self, "model_")
        self.model_.purge()
        return self

    def audit(self, X, y, X_test, y_test, *, classes=None, rows=None, before=None, **options) -> Audit:
        """Runs membership attacks on the model to measure what it still knows about forgotten rows, and returns a
        `dkvb.Audit`.

        `X` and `y` are all rows and labels as they were given to fit(), including those of forgotten rows. `X_test` and
        `y_test` are rows that were never given to fit(). `classes` or `rows` name the forgotten classes or rows; if
        both are None, they are read from the model's journal. `before` is the classifier from before the forgetting,
        such as a copy.deepcopy(). `options` are further arguments of Model.audit(): shadows, rmia_models, models, seed,
        progress, stage.
        """
        check_is_fitted(self, "model_")
        X, y = self._checked(X, y, reset=False)
        X_test, y_test = self._checked(X_test, y_test, reset=False)
        labels, test_labels = self._known(y, "y"), self._known(y_test, "y_test")
        if self._rows_ is None or self.codeset_ is None:
            raise StateError("audit: codes of the rows were not kept, so nothing tells which rows were trained on; fit "
                             "again with keep_codes=True")
        known = self._rows_
        if len(X) != known.given:
            raise ValueError(f"X: {len(X)} rows found, {known.given} were given to fit() and partial_fit()")
        if rows is not None:
            rows = np.flatnonzero(np.isin(known.ids, self._ids(rows, gone=True)))
        if known.gone.any():  # the codeset no longer has the removed rows, but still records how the model was trained
            sessions = self.codeset_.sessions
            if len(sessions) != 1:
                raise StateError(f"audit: {len(sessions)} trainings are recorded, and an audit after strength "
                                 "\"exact\" can repeat only one; call fit() on all rows instead of partial_fit()")
            options.setdefault("training", {name: value for name, value in sessions[0].training.items()
                                            if name != "shuffle"})
        learned = np.where(known.held_out, np.int32(-1), labels[known.positions])
        return self.model_.audit(
            X[known.positions], learned, X_test, test_labels, rows=rows, ids=known.ids,
            classes=None if classes is None else self._marked(classes), before=getattr(before, "model_", before),
            codeset=None if known.gone.any() else self.codeset_, threads=self._threads, **options)

    def _more_tags(self):
        return {"requires_y": True}

    # Checks of the rows, labels and weights that callers give

    @property
    def _threads(self):
        return 0 if self.n_jobs is None or self.n_jobs < 1 else self.n_jobs

    @property
    def _hold_out(self):
        return float(self.hold_out) if self.keep_codes else None

    def _given(self, names):
        """Returns the constructor parameters `names` that are not None, as arguments of dkvb.fit()."""
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        # if class_weight is a dict, _weights() handles it
        if self.class_weight is not None and not hasattr(self.class_weight, "get"):
            if not (isinstance(self.class_weight, str) and self.class_weight == "balanced"):
                raise ValueError(f"class_weight: {self.class_weight!r} found, it must be None, a dict or \"balanced\"")
            given["class_weight"] = "balanced"
        if isinstance(self.random_state, (int, np.integer)):
            given["seed"] = int(self.random_state)
        elif self.random_state is not None:
            given["seed"] = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        return given

    def _checked(self, X, y, reset):
        """Checks rows and labels: converts rows to float32, and requires as many labels as rows."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        X = self._validated(X, reset)
        y = _plain_labels(y, "y")
        if len(y) != len(X):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {[len(X), len(y)]}")
        return X, y

    def _checked_rows(self, X):
        check_is_fitted(self, "model_")
        return self._validated(X, reset=False)

    def _validated(self, X, reset):
        """Returns rows as float32, with scikit-learn's messages for objects that cannot be rows."""
        options = {"reset": reset, "dtype": np.float32, "order": "C", "accept_sparse": False}
        if hasattr(self, "_validate_data"):
            return self._validate_data(X, **options)
        from sklearn.utils.validation import validate_data  # validate_data() exists since scikit-learn 1.6

        return validate_data(self, X, **options)

    def _with_classes(self, found):
        """Returns all n classes, the known ones and the new ones among the labels `found`, and the label of each class
        in the model, `int32[n]`."""
        classes = np.unique(_together(self.classes_, found))
        numbers = np.empty(len(classes), np.int32)
        known = np.isin(classes, self.classes_)
        numbers[known] = self._model_labels
        numbers[~known] = np.arange(len(self.classes_), len(classes))
        return classes, numbers

    def _add_classes(self, classes, numbers):
        """Adds to the model each of `classes` that the model does not have yet. The added classes stay in the model
        even if the training on their rows fails."""
        known = np.isin(classes, self.classes_)
        if known.all():
            return
        self.model_.add_classes(int((~known).sum()))
        counts = np.zeros(len(classes), self.class_count_.dtype)
        counts[known] = self.class_count_
        self.classes_, self._model_labels, self.class_count_ = classes, numbers, counts
        self._name_classes()

    def _known(self, y, what):
        """Converts the caller's class labels to labels in the model, `int32[n]`; refuses classes that the model does
        not have."""
        _same_kind(self.classes_, y)
        columns = np.searchsorted(self.classes_, y)
        columns[columns == len(self.classes_)] = 0
        strange = self.classes_[columns] != y
        if np.any(strange):
            row = int(np.argmax(strange))
            raise ValueError(f"{what}: row {row} is {y[row]!r}, which is none of the {len(self.classes_)} classes in "
                             "classes_")
        return self._model_labels[columns]

    def _name_classes(self):
        """Stores the class labels as class names in the model, if all of them can be names, so that a saved model has
        them."""
        names = [""] * len(self.classes_)
        for label, one in zip(self._model_labels, self.classes_):
            names[label] = str(one)
        try:
            self.model_.class_names = names
        # the model stores no class names if a class label cannot be one: a class label with a control character or a
        # lone surrogate, one that is too long, or one that equals another as text
        except ValueError:
            pass

    def _weights(self, X, y, sample_weight):
        """Returns the weights of rows, `float64[n]`, from row and class weights; None if all weights are 1."""
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        if hasattr(self.class_weight, "get"):
            classes, of_row = np.unique(y, return_inverse=True)
            by_class = np.array([self.class_weight.get(one, 1.0) for one in classes.tolist()], np.float64)
            weights = by_class[of_row] * (1.0 if weights is None else weights)
        if weights is None:
            return None
        if not np.isfinite(weights).all() or (weights < 0).any():
            row = int(np.argmin(np.isfinite(weights) & (weights >= 0)))
            raise ValueError(f"weights: row {row} has weight {weights[row]}, it must be finite and 0 or more")
        if not weights.any():
            raise ValueError("weights: all rows have weight 0, at least one row must have more")
        return weights

    def _rows(self, X, y, labels, weights, before, relearn):
        """Returns rows as the library learns from them: copied by weight, with ids computed from the rows' contents,
        sorted by id.

        The id of a row is a hash of its numbers and its label. As ids are hashes of rows, leaving one row out changes
        neither the id, nor the part (training or held out), nor the order of any other row.
        """
        taken = set() if before is None else set(before.ids[~before.gone].tolist())
        forgotten = set() if before is None or relearn else set(before.ids[before.gone].tolist())
        words = [repr(one).encode("utf-8", "surrogatepass") for one in y.tolist()]
        hashes = np.zeros((len(X), 2), np.uint64)  # for each row, an id, and a random number for rounding its weight
        for row in range(len(X)):
            if weights is not None and weights[row] == 0:
                continue
            hashes[row] = _hash(X[row].tobytes() + words[row], taken)
            if int(hashes[row, 0]) in forgotten:
                raise StateError(f"X: row {row} was forgotten; leave it out, or give relearn=True to learn it again, "
                                 "which ends that forgetting")
        positions = np.repeat(np.arange(len(X)), _copies(weights, labels, hashes[:, 1]))
        ids = hashes[positions, 0]
        if len(np.unique(positions)) < len(positions):
            self._call_copies(ids, positions, taken)
        order = np.argsort(ids, kind="stable")
        positions, none = positions[order], np.zeros(len(order), np.bool_)
        return _Rows(positions, ids[order], labels[positions], none, none, len(X))

    def _call_copies(self, ids, positions, taken):
        """Gives the second and later copies of a row ids of their own. The ids of copies are chosen such that either
        all copies of a row are held out or none: otherwise the model would be measured on rows it was trained on."""
        share = self._hold_out or 0.0
        for at in range(1, len(ids)):
            if positions[at] != positions[at - 1]:
                continue
            first = np.searchsorted(positions, positions[at])
            pair = np.repeat(ids[first], 2)
            for trial in range(1 << 32):
                content = pair[:1].tobytes() + (int(at - first) << 32 | trial).to_bytes(8, "little")
                pair[1] = _hash(content, taken)[0]
                if share <= 0 or np.unique(Codeset.holds_out(pair, share)).size == 1:
                    break
                taken.discard(int(pair[1]))
            ids[at] = pair[1]

    def _counts(self, labels):
        """Returns the number of rows of each class, in the order of classes_."""
        return np.bincount(labels, minlength=len(self.classes_))[self._model_labels]

    # Conversion of the classes and rows that a caller asks to forget

    def _marked(self, classes):
        """Returns labels in the model for one label of the user or a list of labels."""
        one = isinstance(classes, (str, bytes)) or (np.ndim(classes) == 0 and not isinstance(classes, (set, frozenset)))
        given = [classes] if one else list(classes)
        known = {one: label for one, label in zip(self.classes_.tolist(), self._model_labels.tolist())}
        for one in given:
            one = one.item() if isinstance(one, np.generic) else one
            if one not in known:
                raise ValueError(f"classes: {one!r} found, which is none of the {len(known)} classes in classes_")
        return [known[one.item() if isinstance(one, np.generic) else one] for one in given]

    def _ids(self, rows, gone=False):
        """Returns ids of rows from row numbers, or from an array with a bool for each row."""
        if isinstance(rows, (set, frozenset)):
            rows = list(rows)
        known, rows = self._rows_, np.atleast_1d(np.asarray(rows))
        if rows.dtype == np.bool_:
            if rows.shape != (known.given,):
                raise ValueError(f"rows: a mask of shape {rows.shape} found, {known.given} rows were given to fit()")
            rows = np.flatnonzero(rows)
            if rows.size == 0:
                raise ValueError("rows: the mask marks no row; at least one must be True")
        if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
            raise ValueError(f"rows: {rows.dtype} of shape {rows.shape} found, it must be numbers of rows or a mask")
        if rows.min() < 0 or rows.max() >= known.given:
            wrong = rows[(rows < 0) | (rows >= known.given)][0]
            raise ValueError(f"rows: {wrong} found, rows 0 to {known.given - 1} were given to fit() and partial_fit()")
        meant = np.isin(known.positions, rows)
        if not meant.any():
            raise ValueError("rows: the model never learned any of them, since they have weight 0, or they came back "
                             "and have another number now")
        if not gone and known.gone[meant].any():
            row = known.positions[meant & known.gone][0]
            raise ValueError(f"rows: row {row} was forgotten already, with strength \"exact\"; leave it out")
        return known.ids[meant]

    def _features(self, X):
        """Returns all rows that are not removed, in the order in which they were trained on, and their ids."""
        X, known = self._validated(X, reset=False), self._rows_
        if known is None:
            raise StateError("X: codes of the rows were not kept, so no keys can be placed again; fit again with "
                             "keep_codes=True")
        if len(X) != known.given:
            raise ValueError(f"X: {len(X)} rows found, {known.given} were given to fit() and partial_fit()")
        still = ~known.gone
        return X[known.positions[still]], known.ids[still]

    # Conversion of the model's answers to the caller's labels

    def _left(self):
        """Returns an array with 1.0 for each class that has rows and that no forget operation in force names, else 0.0.
        """
        left = (self.class_count_ > 0).astype(np.float64)
        for entry in self.model_.journal:
            if entry.in_force and entry.terms:
                left[np.isin(self._model_labels, entry.terms.classes)] = 0.0
        return left

    def _logits(self, X):
        logits = self.model_.predict(X, logits=True, threads=self._threads)[1]
        if np.array_equal(self._model_labels, np.arange(len(self._model_labels))):
            return logits
        return logits[:, self._model_labels]

    def _answers(self, labels):
        """Returns the user's labels for labels in the model; -1 is an abstention."""
        nothing = labels < 0
        column_of = np.empty(len(self._model_labels), np.intp)
        column_of[self._model_labels] = np.arange(len(self._model_labels))
        answers = self.classes_[column_of[np.where(nothing, 0, labels)]]
        if self.abstain is None:
            if nothing.any():
                left = self._left()
                answers[nothing] = self.classes_[np.argmax(self.class_count_ * (left if left.any() else 1.0))]
            return answers
        answers = answers.astype(_room_for(self.classes_.dtype, self.abstain))
        for row in np.flatnonzero(nothing):
            answers[row] = self.abstain
        return answers


def _plain_labels(y, what):
    """Returns class labels as an array of one type, of shape (n,). Labels in an array of dtype object are converted to
    the type that they have: strings, whole numbers or booleans."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(f"{what}: shape {y.shape} found, {y.shape[1]} labels a row; DKVBClassifier takes one label a "
                         "row: fit one classifier for each label, as sklearn.multioutput.MultiOutputClassifier does")
    y = column_or_1d(y, warn=True)
    if y.dtype == object and len(y):
        kinds = [next((kind for kind, types in _KINDS.items() if isinstance(one, types)), type(one).__name__)
                 for one in y]
        other = next((row for row, kind in enumerate(kinds) if kind != kinds[0]), None)
        if other is not None:
            raise ValueError(f"{what}: row 0 is {kinds[0]} and row {other} is {kinds[other]}; all labels must be of "
                             "one kind")
        y = np.array(y.tolist()) if kinds[0] in ("a boolean", "a whole number") else y
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"Input {what} contains NaN or infinity: row {int(np.argmin(np.isfinite(y)))} is "
                         f"{y[np.argmin(np.isfinite(y))]}; labels must be finite")
    if what == "y":
        check_classification_targets(y)
    return y


def _together(classes, others):
    """Joins two arrays of labels; labels of different kinds are refused."""
    _same_kind(classes, others)
    return np.concatenate([classes, others])


def _same_kind(classes, others):
    """Refuses labels that are text where the labels in classes_ are numbers, or the other way round."""
    kinds = [("text" if one.dtype.kind in "UO" else "numbers") for one in (classes, others)]
    if kinds[0] != kinds[1]:
        raise ValueError(f"y: labels that are {kinds[1]} found, the labels in classes_ are {kinds[0]}")


def _held_out(codeset, ids):
    """Tells which of the rows `ids` the codeset holds out, `bool[n]`."""
    raw = codeset._raw_rows("held_out")  # Codeset.rows() is not used here, as it would copy the codes of all rows
    return np.isin(ids, _copy(raw.ids, (raw.n,), np.uint64))


def _hash(content, taken):
    """Hashes the bytes of a row and its label to `uint64[2]`: an id, and a random number for rounding the row's weight.
    Equal rows with equal labels get different ids, as the row is hashed with one salt after the other until the id is
    new."""
    number = 0
    while True:
        digest = hashlib.blake2b(content, digest_size=16, salt=number.to_bytes(16, "little")).digest()
        found = np.frombuffer(digest, "<u8")
        if int(found[0]) not in taken:
            taken.add(int(found[0]))
            return found
        number += 1


def _copies(weights, labels, draws):
    """Returns the number of copies into which the weight of each row is turned, int64[n]."""
    if weights is None:
        return np.ones(len(labels), np.int64)
    most = _MOST_COPIES * len(weights)
    if weights.max() <= most and np.array_equal(weights, np.floor(weights)) and weights.sum() <= most:
        return weights.astype(np.int64)
    # scales weights to 1 or less, so that their sum does not overflow
    scaled = np.ldexp(weights, -np.frexp(weights.max())[1])
    scaled /= scaled[scaled > 0].mean()
    draw = np.where(weights > 0, draws >> np.uint64(11), np.uint64(0)) * 2.0**-53
    copies = np.floor(scaled + draw).astype(np.int64)
    for label in np.unique(labels[weights > 0]):
        members = np.flatnonzero((labels == label) & (weights > 0))
        # a class without any copy gets one copy of its heaviest row; of rows with equal weight, of the row with the
        # largest random number
        if not copies[members].any():
            copies[members[np.lexsort((draw[members], weights[members]))[-1]]] = 1
    return copies


def _room_for(dtype, value):
    """Returns the dtype of an array that can hold labels of type `dtype` and also `value`: object if labels and `value`
    differ in kind."""
    other = np.asarray(value).dtype
    for kinds in ("iuf", "U", "b"):
        if dtype.kind in kinds and other.kind in kinds:
            return np.result_type(dtype, other)
    return np.dtype(object)
