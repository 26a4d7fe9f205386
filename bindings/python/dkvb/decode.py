"""Decoding: labels and probabilities from logits."""

from ctypes import byref, c_double
from typing import Tuple

import numpy as np

from . import _arrays
from ._library import lib
from ._types import Array, Numbers


def softmax(logits: Numbers, temperature: float = 1.0, power: float = 0.0) -> Array:
    """Returns the class probabilities of each row, `float32[n][L]`: softmax of logits / (temperature * spread **
    power).

    The spread of a row is its largest logit minus the mean of its logits.
    """
    logits = _arrays.floats(logits, ("rows", "classes"), "logits")
    out = np.empty_like(logits)
    lib.dkvb_decode_softmax(_arrays.pointer(logits), *logits.shape, temperature, power, _arrays.pointer(out))
    return out


def argmax(logits: Numbers) -> Array:
    """Returns the class with the largest logit of each row, `int32[n]`, the lowest class in a tie."""
    return top(logits, 1)[0][:, 0]


def top(logits: Numbers, count: int) -> Tuple[Array, Array]:
    """Returns the `count` classes with the largest logits of each row, `int32[n][count]`, largest first, and their
    logits."""
    logits = _with_classes(logits)
    count = _arrays.integer(count, 32, "count")
    # `count`, the number of classes per row, is checked in Python, as the output array is made with room for `count`
    # classes
    if count > logits.shape[1]:
        raise ValueError(f"count: {count} found, 1 to {logits.shape[1]} wanted")
    labels = np.empty((len(logits), count), np.int32)
    scores = np.empty((len(logits), count), np.float32)
    lib.dkvb_decode_top(_arrays.pointer(logits), *logits.shape, count, _arrays.pointer(labels),
                        _arrays.pointer(scores))
    return labels, scores


def fit_temperature(logits: Numbers, labels: Numbers) -> Tuple[float, float]:
    """Fits the temperature and the power of softmax() to the labels (-1 = ignore) of held-out rows."""
    logits, temperature, power = _with_classes(logits), c_double(), c_double()
    labels = _arrays.labels(labels, len(logits))
    lib.dkvb_calibration_fit(_arrays.pointer(logits), _arrays.pointer(labels), *logits.shape,
                             byref(temperature), byref(power))
    return temperature.value, power.value


def _with_classes(logits):
    logits = _arrays.floats(logits, ("rows", "classes"), "logits")
    if logits.shape[1] == 0:
        raise ValueError("logits: 0 classes found, 1 or more wanted")
    return logits
