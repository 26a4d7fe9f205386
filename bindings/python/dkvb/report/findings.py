"""Computes the numbers of a deletion report, with one function for each section of the page. If a section of the report
lacks an input, its result is a Missing, whose one sentence names the missing input; no number is guessed."""

from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from .. import _ffi, decode
from ..errors import Error
from ..model import Model
from ..separation import separation
from . import inputs, stats

MAP_ROWS = 1500  # Largest number of rows in the t-SNE map, which is slow; more points would only hide one another.
OVERLAP_ROWS = 400  # Largest number of rows of each class from which the overlap of classes is measured.
SWEEP_STEPS = 24


@dataclass(frozen=True)
class Missing:
    """Stands for a section of the report that is left out; `why` is the reason as a sentence."""

    why: str


@dataclass
class Answers:
    """Answers of the models before and after the forgetting to the same rows, on which neither was trained."""

    what: str  # Kind of the measured rows: "test rows" or "rows held out".
    labels: np.ndarray  # Labels of the measured rows, int32[n].
    after: np.ndarray  # Logits of the model after the forgetting, float32[n][L].
    after_labels: np.ndarray  # Predictions of the model after the forgetting, int32[n], -1 = no answer.
    before: Optional[np.ndarray] = None
    before_labels: Optional[np.ndarray] = None
    no_before: str = ""


@dataclass(frozen=True)
class ClassLine:
    """Accuracy of one class before and after the forgetting, a row of the report's table of accuracies."""

    label: int
    forgotten: bool
    rows: int
    before: Optional[stats.Estimate]
    after: Optional[stats.Estimate]
    loss: Optional[stats.Estimate]  # Accuracy of the class before minus after the forgetting, on the same rows.


@dataclass
class Membership:
    """ROC curves of the membership attack by the margin of the label."""

    members: int
    others: int
    others_what: str
    curves: dict  # Dict from a model's name to its ROC curve: (false alarms, members found, AUC).
    notes: list


@dataclass
class Curve:
    """Accuracies for growing numbers of masked pairs, when one class alone is forgotten."""

    label: int
    pairs: list
    forgotten: list  # Accuracy on the forgotten class at each number of masked pairs, as Estimates.
    others: list
    used: Optional[int]  # Number of pairs that the forget operation of one class alone masked, or None.
    what: str


@dataclass
class Calibration:
    what: str
    rows: int
    # Points of the calibration diagram: dict from "before" and "after" to lists of (confidence, accuracy Estimate,
    # rows).
    bins: dict
    errors: dict  # Dict from "before" and "after" to the Estimate of the calibration error.


@dataclass
class Map:
    """A two-dimensional map (t-SNE) of the codes of some rows."""

    what: str
    at: np.ndarray  # Coordinates of the n rows in the two-dimensional map of codes, float64[n][2].
    labels: np.ndarray
    forgotten: np.ndarray  # True for rows of forgotten classes, bool[n].


@dataclass
class Overlap:
    what: str
    rows: int
    # For each class that is not forgotten: its label, its largest overlap with a forgotten class, and the label of this
    # forgotten class; the largest overlap comes first.
    lines: list


@dataclass
class Findings:
    """Results of all sections of a deletion report; a section that is left out is a Missing."""

    answers: object
    classes: object
    totals: dict
    membership: object
    curves: object
    calibration: object
    map: object
    overlap: object
    reference: object
    notes: list = field(default_factory=list)


def find(given, stage=None):
    """Computes the Findings of a report from its Inputs `given`. The callback `stage` is called with the name of each
    step before the step begins."""
    say = stage or (lambda name: None)
    say("answers")
    answers = _answers(given)
    classes = _class_lines(given, answers)
    say("membership")
    membership = _guarded(_membership, given)
    say("budget curve")
    curves = _guarded(_curves, given)
    say("calibration")
    calibration = _calibration(given, answers)
    say("map and overlap")
    sample = _guarded(_sample, given)
    found = Findings(answers, classes, _totals(given, answers), membership, curves, calibration,
                     sample if isinstance(sample, Missing) else _guarded(_map, given, *sample),
                     sample if isinstance(sample, Missing) else _guarded(_overlap, given, *sample), None)
    say("linear heads")
    found.reference = _guarded(_reference, given)
    return found


def _guarded(function, *arguments):
    """Computes one section of a report. A dkvb.Error or ValueError in a section of the report ends only that section,
    and the error message replaces the section."""
    try:
        return function(*arguments)
    except (Error, ValueError) as error:
        return Missing(f"It could not be measured: {error}.")


# Predictions of the models before and after the forgetting

def codes_of(model, rows):
    """Returns the codes of rows under a model's present mask, or a Missing."""
    info = model.info
    if rows.features is not None:
        return model.search(np.ascontiguousarray(rows.features, np.float32))
    if rows.codes is None or rows.birth != info.birth:
        return Missing(f"The codes file has neither features of the {rows.what} nor codes of them on this model's keys.")
    with model.mask as mask:
        masked = mask.to_array()
    return under_mask(rows.codes, masked, info.top_k)


def under_mask(codes, masked, top_k):
    """Returns the nearest `top_k` keys of each row that are not masked, and CODE_NONE where there are no more. The
    argument `codes`, `uint16[n][C][depth]`, was searched without a mask; `masked`, bool[C][K], marks masked keys."""
    out = np.empty((len(codes), codes.shape[1], top_k), np.uint16)
    for c in range(codes.shape[1]):
        column = codes[:, c, :]
        none = column == _ffi.DKVB_CODE_NONE
        gone = masked[c][np.where(none, 0, column)] | none
        order = np.argsort(gone, axis=1, kind="stable")[:, :top_k]
        out[:, c, :] = np.where(np.take_along_axis(gone, order, 1), _ffi.DKVB_CODE_NONE,
                                np.take_along_axis(column, order, 1))
    return out


def _answers(given):
    rows = given.measured()
    if rows is None:
        return Missing("No rows to measure on were given (--test-features and --test-labels, or --codes with rows held "
                       "out).")
    keep = np.flatnonzero(rows.labels >= 0)
    rows = rows.pick(keep) if len(keep) < len(rows) else rows
    codes = codes_of(given.model, rows)
    if isinstance(codes, Missing):
        return codes
    found = Answers(rows.what, rows.labels, given.model.decode(codes), given.model.classify(codes))
    if given.before is None:
        found.no_before = given.before_missing
        return found
    codes = codes_of(given.before, rows)
    if isinstance(codes, Missing):
        found.no_before = codes.why
        return found
    found.before, found.before_labels = given.before.decode(codes), given.before.classify(codes)
    return found


def _class_lines(given, answers):
    if isinstance(answers, Missing):
        return answers
    lines, names = [], given.model.info.classes
    for label in range(names):
        mine = answers.labels == label
        rows = int(mine.sum())
        right = answers.after_labels[mine] == label
        was = answers.before_labels[mine] == label if answers.before_labels is not None else None
        lines.append(ClassLine(label, label in given.classes, rows, None if was is None else stats.share(int(was.sum()), rows),
                               stats.share(int(right.sum()), rows), _loss(was, right)))
    return lines


def _loss(was, right):
    if was is None:
        return None
    return stats.paired_loss(int((was & ~right).sum()), int((right & ~was).sum()), len(was))


def _totals(given, answers):
    """Returns a dict with (number of rows, accuracy before, accuracy after, loss) under "forgotten", over all rows of
    the forgotten classes, and under "others", over all other rows."""
    if isinstance(answers, Missing):
        return {}
    found, of_class = {}, np.isin(answers.labels, given.classes)
    for name, mine in (("forgotten", of_class), ("others", ~of_class)):
        right = answers.after_labels[mine] == answers.labels[mine]
        was = None if answers.before_labels is None else answers.before_labels[mine] == answers.labels[mine]
        if len(right):
            found[name] = (len(right), None if was is None else stats.share(int(was.sum()), len(was)),
                           stats.share(int(right.sum()), len(right)), _loss(was, right))
    return found


# Membership

def _members(given):
    """Finds the forgotten training rows, in the codes file from before the forgetting or the training rows that the
    caller gave."""
    rows = given.training()
    if rows is None:
        return Missing("The rows that were forgotten are not known (--codes, as it was before the forgetting, or "
                       "--features and --labels).")
    if given.rows is not None:
        members = rows.pick(np.isin(rows.ids, given.rows) & (rows.labels >= 0))
    elif given.classes:
        members = rows.pick(np.isin(rows.labels, given.classes))
    else:
        return Missing("Which rows were forgotten is not known (--class, or --rows with their ids).")
    if not len(members):
        return Missing("The training rows that were given have none of the forgotten ones: the codes file must be the one "
                       "from before the forgetting.")
    return members


def _membership(given):
    members = _members(given)
    if isinstance(members, Missing):
        return members
    others = given.measured()
    if others is not None:
        others = others.pick(np.isin(others.labels, np.unique(members.labels)))
    if others is None or not len(others):
        return Missing("There are no rows of the same classes that were not trained on (--test-features and "
                       "--test-labels, or rows held out in --codes).")
    found = Membership(len(members), len(others), others.what, {}, [])
    last = next((one for one in reversed(given.model.journal) if one.in_force), None)
    subjects = {"before": given.before, "after": given.model, "retrained": None}
    if given.before is None:
        found.notes.append(given.before_missing)
    if last is not None and last.strength == "exact" and not given.model.info.masked_pairs:
        found.notes.append("The model itself was trained again without these rows, so it is its own yardstick.")
    else:
        subjects["retrained"], why = retrained(given, members)
        found.notes += [why] if why else []
    for name, model in subjects.items():
        if model is None:
            continue
        scores = [_scores(model, rows) for rows in (members, others)]
        bad = next((one for one in scores if isinstance(one, Missing)), None)
        if bad:
            found.notes.append(f"No curve of the model {_SUBJECT[name]}: {bad.why}")
            continue
        found.curves[name] = (*stats.roc(*scores), stats.auc(*scores))
    return found if found.curves else Missing(" ".join(found.notes))


_SUBJECT = {"before": "before", "after": "after forgetting", "retrained": "trained again"}


def _scores(model, rows):
    if rows.features is None and rows.codes is not None and rows.codes.shape[2] <= model.info.top_k:
        with model.mask as mask:
            if len(mask):  # the codes file lacks further keys to select in place of masked keys
                return Missing("the codes file has codes of its training rows that are not deep enough for a mask; "
                               "--features and --labels give the rows.")
    codes = codes_of(model, rows)
    return codes if isinstance(codes, Missing) else stats.margins(model.decode(codes), rows.labels)


def retrained(given, members):
    """Returns a model whose values were trained again without the forgotten rows, or the reason why this is impossible.
    """
    if given.codeset is None:
        return None, "There is no curve of a model trained again: it needs --codes."
    if given.before is None:
        return None, "There is no curve of a model trained again, since there is no model from before."
    part = given.part("training")
    ids = part.ids[np.isin(part.ids, members.ids)] if part is not None else members.ids[:0]
    try:
        again = Model.load(given.before_path) if given.before_path else inputs.undone(given.path, given.model)[0]
        with again.codebooks as codebooks:
            given.codeset.search(codebooks, "training")
        again.replay(given.codeset, ids, strength="exact")
    except Error as error:
        return None, f"There is no curve of a model trained again: {error}."
    return again, ""


# Budgets

def _curves(given):
    if not given.classes:
        return Missing("Which classes were forgotten is not known (--class).")
    if given.codeset is None:
        return Missing("The curve needs the rows that taught the classes (--codes, as it was before the forgetting).")
    if given.before is None:
        return Missing(f"The curve begins at the model from before. {given.before_missing}")
    test, curves, why = given.test, [], ""
    for label in given.classes[:3]:  # the page has room for budget curves of three classes only
        extra = {} if test is None else {"test_x": test.features, "test_labels": test.labels}
        try:
            cells = given.before.sweep(given.codeset, classes=[label], steps=SWEEP_STEPS, **extra)
        except Error as error:
            why = f"The budget curve of class {label} could not be measured: {error}."
            continue
        used = _used(given, label)
        curves.append(Curve(label, [cell.pairs for cell in cells],
                            [stats.share(cell.forget_after, cell.forget_rows) for cell in cells],
                            [stats.share(cell.retain_after, cell.retain_rows) for cell in cells], used,
                            "test rows" if test is not None else "rows held out"))
    return curves or Missing(why)


def _used(given, label):
    """Returns the number of pairs that the forget operation of a class masked; None if no operation forgot this class
    alone."""
    for one in reversed(given.model.journal):
        if one.in_force and one.kind == "forget" and one.terms and one.terms.classes == (label,):
            return one.pairs
    return None


# Calibration

def _calibration(given, answers):
    if isinstance(answers, Missing):
        return answers
    kept = ~np.isin(answers.labels, given.classes)
    if not kept.any():
        return Missing("All measured rows are of forgotten classes.")
    found = Calibration(answers.what, int(kept.sum()), {}, {})
    for name, model, logits, labels in (("before", given.before, answers.before, answers.before_labels),
                                        ("after", given.model, answers.after, answers.after_labels)):
        if logits is None:
            continue
        answered = kept & (labels >= 0)
        if not answered.any():
            continue
        info = model.info
        sure = decode.softmax(logits[answered], info.temperature, info.temperature_power).max(axis=1).astype(np.float64)
        right = labels[answered] == answers.labels[answered]
        found.bins[name] = stats.calibration(sure, right)
        found.errors[name] = stats.calibration_error(sure, right.astype(np.float64))
    return found if found.bins else Missing("The models answer none of the measured rows.")


# Map of codes, and overlap of classes

def _sample(given):
    """Returns a random sample of rows of each class, for the map of codes and the overlap of classes in a report, with
    their codes in the codebooks from before the forgetting, without a mask."""
    base = given.before if given.before is not None else given.model
    candidates = [rows for rows in (given.training(), given.test, given.part("held_out")) if rows is not None]
    if not candidates:
        return Missing("There are no rows to look at (--codes, or --test-features and --test-labels).")
    rows = next((one for one in candidates if np.isin(one.labels, given.classes).any()), candidates[0])
    rng, chosen = np.random.default_rng(0), []
    for label in range(given.model.info.classes):
        mine = np.flatnonzero(rows.labels == label)
        most = max(20, min(OVERLAP_ROWS, 12000 // given.model.info.classes))
        chosen.append(np.sort(rng.permutation(mine)[:most]))
    rows = rows.pick(np.concatenate(chosen))
    if rows.features is not None:
        with base.codebooks as codebooks:
            codes = codebooks.search(np.ascontiguousarray(rows.features, np.float32), base.info.top_k)
    elif rows.codes is not None and rows.birth == base.info.birth:
        codes = rows.codes[:, :, :base.info.top_k]
    else:
        return Missing("The codes file has neither features nor codes on this model's keys.")
    return rows, np.ascontiguousarray(codes)


def _overlap(given, rows, codes):
    if not given.classes:
        return Missing("Which classes were forgotten is not known (--class).")
    if not np.isin(rows.labels, given.classes).any():
        return Missing("The rows that were given have none of the forgotten classes: the codes file from before has them.")
    info = (given.before or given.model).info
    found = separation(codes, rows.labels, info.keys, info.classes)
    there = [label for label in given.classes if found.rows[label]]
    lines = []
    for label in range(info.classes):
        if label not in given.classes and found.rows[label]:
            most = max(there, key=lambda one: found.weighted[one][label])
            lines.append((label, float(found.weighted[most][label]), most))
    if not lines:
        return Missing("There are no rows of other classes.")
    return Overlap(rows.what, len(rows), sorted(lines, key=lambda line: -line[1]))


def _map(given, rows, codes):
    try:
        from scipy.sparse import csr_matrix
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits
    except ImportError:
        return Missing("The map needs scikit-learn, which is not installed (Debian: python3-sklearn).")
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.permutation(len(rows))[:MAP_ROWS])
    rows, codes = rows.pick(chosen), codes[chosen]
    n = len(rows)
    if n < 10:
        return Missing(f"A map needs 10 rows or more, {n} were given.")
    keys = (given.before or given.model).info.keys
    pairs = (np.arange(codes.shape[1], dtype=np.int64)[None, :, None] * keys + codes).reshape(n, -1)
    there = (codes != _ffi.DKVB_CODE_NONE).reshape(n, -1)
    selected = csr_matrix((there.astype(np.float32).ravel(), pairs.ravel() * there.ravel(),
                           np.arange(n + 1) * pairs.shape[1]), shape=(n, codes.shape[1] * keys))
    shared = (selected @ selected.T).toarray()
    distance = np.clip(1.0 - shared / pairs.shape[1], 0.0, 1.0)
    np.fill_diagonal(distance, 0.0)
    # TSNE's max_iter was n_iter before scikit-learn 1.5
    steps = "max_iter" if "max_iter" in TSNE().get_params() else "n_iter"
    with threadpool_limits(1):  # one thread, as sums of several threads have no fixed order of additions
        at = TSNE(metric="precomputed", init="random", learning_rate="auto", random_state=0,
                  perplexity=min(30.0, (n - 1) / 3), **{steps: 600}).fit_transform(distance)
    of_request = np.isin(rows.labels, given.classes)
    if given.rows is not None and rows.ids is not None:
        of_request = np.isin(rows.ids, given.rows)
    return Map(rows.what, at, rows.labels, of_request)


# Linear heads

def _reference(given):
    if not given.reference:
        return Missing("Linear heads beside the model were not asked for (--reference).")
    rows, test = given.training(), given.test
    if rows is None or rows.features is None or test is None:
        return Missing("Linear heads need training rows with features (--codes that keeps them, or --features and "
                       "--labels) and test rows (--test-features and --test-labels).")
    if not given.classes or not np.isin(rows.labels, given.classes).any():
        return Missing("The training rows have none of the forgotten classes.")
    from .. import reference
    try:
        return reference.compare(np.ascontiguousarray(rows.features, np.float32), rows.labels, test.features,
                                 test.labels, classes=list(given.classes), model=given.model)
    except ImportError as error:
        return Missing(f"The library of linear heads is not here: {error}.")
