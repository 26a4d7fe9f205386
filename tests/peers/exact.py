"""Searches nearest keys in whole numbers; rows and keys have numbers of -63 to 63, in any number type."""
import numpy as np


def distances(q, keys, codes):
    """Returns the squared distance of each projected row q, [n][C][d], to the key that its code selects in keys,
    [C][K][d], as [n][C]."""
    chosen = keys[np.arange(len(keys))[None, :], codes].astype(np.int64)
    return ((q.astype(np.int64) - chosen) ** 2).sum(axis=2)


def nearest(q, keys):
    """Returns the codes of rows by matrix products in double precision, where all sums are exact; of equally near keys
    the lowest."""
    codes = np.empty(q.shape[:2], np.int64)
    for c, own in enumerate(keys.astype(np.float64)):
        codes[:, c] = ((own ** 2).sum(axis=1) / 2 - q[:, c].astype(np.float64) @ own.T).argmin(axis=1)
    return codes


def check(q, keys, codes, best):
    """Returns how many codes are not the lowest of the nearest keys, and how many of these codes select keys farther
    away."""
    return int((codes != best).sum()), int((distances(q, keys, codes) != distances(q, keys, best)).sum())
