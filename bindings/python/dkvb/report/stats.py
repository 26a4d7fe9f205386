"""Estimates with 95 % intervals: fractions, paired differences of fractions, and the area under a ROC curve."""

from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """An estimated number and its 95 % interval."""

    value: float
    low: float
    high: float


def share(hits, rows):
    """Returns the fraction hits / rows with Wilson's 95 % interval (1927); None if there are no rows."""
    if not rows:
        return None
    p, z2 = hits / rows, Z95 * Z95
    middle, width = (p + z2 / (2 * rows)) / (1 + z2 / rows), Z95 / (1 + z2 / rows)
    half = width * np.sqrt(p * (1 - p) / rows + z2 / (4 * rows * rows))
    return Estimate(p, max(float(middle - half), 0.0), min(float(middle + half), 1.0))


def paired_loss(lost, gained, rows):
    """Returns the accuracy lost between two models on the same rows, (lost - gained) / rows, with the 95 % interval of
    Agresti and Min (2005)."""
    if not rows:
        return None
    total, wide = lost - gained, rows + 2
    half = Z95 * np.sqrt(lost + gained + 1 - total * total / wide) / wide
    return Estimate(total / rows, float(total / wide - half), float(total / wide + half))


def auc(members, others):
    """Returns the AUC of a membership attack: the chance that a member's score is above a non-member's, ties counting
    half, with DeLong's 95 % interval (1988)."""
    if not len(members) or not len(others):
        return None
    above = _places(members, others)
    below = 1.0 - _places(others, members)
    value = float(above.mean())
    half = Z95 * float(np.sqrt(_variance(above) / len(members) + _variance(below) / len(others)))
    return Estimate(value, max(value - half, 0.0), min(value + half, 1.0))


def roc(members, others, most=400):
    """Returns points of a ROC curve, `(false alarms, members found)`, about `most` of them."""
    scores = np.concatenate([members, others])
    real = np.concatenate([np.ones(len(members)), np.zeros(len(others))])
    order = np.argsort(-scores, kind="stable")
    scores, real = scores[order], real[order]
    # rows with tied scores are one step of the ROC curve
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    found = np.concatenate([[0.0], np.cumsum(real)[last] / max(len(members), 1)])
    alarms = np.concatenate([[0.0], np.cumsum(1 - real)[last] / max(len(others), 1)])
    keep = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int))
    return alarms[keep], found[keep]


def calibration(confidence, right, bins=10):
    """Returns the points of a calibration diagram: `(mean confidence, accuracy Estimate, number of rows)` of each
    confidence bin that has rows."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for one in range(bins):
        inside = which == one
        if inside.any():
            found.append((float(confidence[inside].mean()), share(int(right[inside].sum()), int(inside.sum())),
                          int(inside.sum())))
    return found


def calibration_error(confidence, right, bins=15, draws=200):
    """Returns the expected calibration error (ECE) in bins of equal width, with a 95 % bootstrap interval of fixed
    seed. With few rows the calibration error is biased upwards, as it is never below 0, and the value may lie below its
    bootstrap interval."""
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = confidence - right

    def error(rows):
        return float(np.abs(np.bincount(which[rows], gap[rows], bins)).sum() / len(rows))

    rng, rows = np.random.default_rng(0), len(gap)
    drawn = sorted(error(rng.integers(0, rows, rows)) for _ in range(draws))
    value = error(np.arange(rows))
    return Estimate(value, drawn[int(0.025 * draws)], drawn[int(0.975 * draws) - 1])


def margins(logits, labels):
    """Returns the margin of each row's label, `log(p / (1 - p))`: the score of the audit's `membership_loss`."""
    rows = np.arange(len(labels))
    others = logits.astype(np.float64)
    own = others[rows, labels].copy()
    others[rows, labels] = -np.inf
    most = others.max(axis=1)
    return own - most - np.log(np.exp(others - most[:, None]).sum(axis=1))


def _places(scores, among):
    """Returns for each of `scores` the fraction of the scores `among` that are smaller, ties counting half."""
    among = np.sort(among)
    return (np.searchsorted(among, scores, "left") + np.searchsorted(among, scores, "right")) / (2.0 * len(among))


def _variance(places):
    return float(places.var(ddof=1)) if len(places) > 1 else 0.0
