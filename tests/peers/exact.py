"""Nearest keys in whole numbers: rows and keys of -63 to 63, in any type."""
import numpy as np


def distances(q, keys, codes):
    """Squared distance of each row to the key that its code names, [n][C]. q: [n][C][d]; keys: [C][K][d]."""
    chosen = keys[np.arange(len(keys))[None, :], codes].astype(np.int64)
    return ((q.astype(np.int64) - chosen) ** 2).sum(axis=2)


def nearest(q, keys):
    """Codes by matrix products in double precision, where all sums are exact; the lowest of equal keys."""
    codes = np.empty(q.shape[:2], np.int64)
    for c, own in enumerate(keys.astype(np.float64)):
        codes[:, c] = ((own ** 2).sum(axis=1) / 2 - q[:, c].astype(np.float64) @ own.T).argmin(axis=1)
    return codes


def check(q, keys, codes, best):
    """How many codes are not the lowest nearest keys, and how many of them are not even as near."""
    return int((codes != best).sum()), int((distances(q, keys, codes) != distances(q, keys, best)).sum())
