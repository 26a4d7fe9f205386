"""Nearest keys in double precision, and what single precision may make of them."""
import numpy as np

EPS = np.finfo(np.float32).eps


def distances(q, keys, codes):
    """Squared distance of each row to the key that its code names, [n][C]. q: [n][C][d]; keys: [C][K][d]."""
    chosen = keys[np.arange(len(keys))[None, :], codes]
    return ((q.astype(np.float64) - chosen) ** 2).sum(axis=2)


def nearest(q, keys):
    """Codes by matrix products in double precision."""
    codes = np.empty(q.shape[:2], np.int64)
    for c, own in enumerate(keys.astype(np.float64)):
        codes[:, c] = ((own ** 2).sum(axis=1) / 2 - q[:, c].astype(np.float64) @ own.T).argmin(axis=1)
    return codes


def check_ours(q, keys, codes, best):
    """How many codes are not those of double precision, and how many of them are no ties.

    A chain of fused multiply-adds over d squared differences errs by at most (d + 2) EPS / 2 of the sum, on both sides.
    """
    ours, theirs = distances(q, keys, codes), distances(q, keys, best)
    return int((codes != best).sum()), int((ours - theirs > (q.shape[2] + 2) * EPS * ours).sum())


def check_peer(q, keys, ours, theirs):
    """How many codes differ from ours, and how many of them are no ties.

    The product form |q|^2 - 2 q.k + |k|^2 rounds by 4 d EPS (|q|^2 + |k|^2) at most.
    """
    at = np.nonzero(ours != theirs)
    q, codebook = q[at].astype(np.float64), at[1]
    mine, other = keys[codebook, ours[at]], keys[codebook, theirs[at]]
    bound = 4 * q.shape[1] * EPS * ((q ** 2).sum(axis=1) + (other.astype(np.float64) ** 2).sum(axis=1))
    further = ((q - other) ** 2).sum(axis=1) - ((q - mine) ** 2).sum(axis=1)
    return len(q), int((abs(further) > bound).sum())
