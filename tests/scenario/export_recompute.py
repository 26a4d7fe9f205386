"""Recompute codes and logits in float64 from what `dkvb export` writes, and compare with what the tool answers.

    export_recompute.py DKVB_TOOL MODEL FEATURES.npy ROWS

Codes may differ only where the two distances agree to 1e-6 relative; logits, given the tool's codes, to 1e-5. Prints
what was found; exit status 1 if it is more than that.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

CODE_TOLERANCE = 1e-6
LOGIT_TOLERANCE = 1e-5
NONE = 0xFFFF


def answers_of(tool, model, features, work):
    """What the tool says: exported arrays, codes, logits, and whether rows are normalised."""
    def run(*arguments):
        done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr.strip())
        return done.stdout

    np.save(work / "x.npy", features)
    run("export", model, "--dir", work)
    run("search", model, "--features", work / "x.npy", "-o", work / "codes.npy")
    run("predict", model, "--features", work / "x.npy", "--scores", "-o", work / "logits.npy")
    arrays = {path.stem: np.load(path) for path in work.glob("*.npy")}
    return arrays, bool(json.loads(run("inspect", model, "--json"))["normalize"])


def prepared(x, center, normalize):
    """Rows in float64, normalised if the model does, and centred if it does."""
    x = x.astype(np.float64)
    if normalize:
        length = np.linalg.norm(x, axis=1, keepdims=True)
        x = np.divide(x, length, out=x, where=length > 0)
    return x if center is None else x - center.astype(np.float64)


def nearest(q, keys, live, k):
    """Indices of the k nearest live keys of each row, the lowest on a tie; NONE where there are fewer."""
    # |q|^2 is the same for all keys of a row. The product form serves to order; distances are compared exactly below.
    order = (keys ** 2).sum(axis=1) - 2 * q @ keys.T
    order[:, ~live] = np.inf
    rows, best = np.arange(len(q)), np.empty((len(q), k), np.int64)
    for rank in range(k):
        key = order.argmin(axis=1)
        best[:, rank] = np.where(order[rows, key] < np.inf, key, NONE)
        order[rows, key] = np.inf
    return best


def distances(q, keys, codes):
    """Squared distances of rows to the keys that codes name, rank by rank; +inf for NONE."""
    chosen = keys[np.where(codes == NONE, 0, codes)]
    return np.where(codes == NONE, np.inf, ((q[:, None, :] - chosen) ** 2).sum(axis=2))


def compare_codes(arrays, x):
    """Number of codes that differ, and the largest relative gap between the distances of two that do."""
    codes, live = arrays["codes"].astype(np.int64), arrays["mask"] == 0
    differing, largest = 0, 0.0
    for c in range(codes.shape[1]):
        q, keys = x @ arrays["projection"][c].astype(np.float64), arrays["keys"][c].astype(np.float64)
        ours, theirs = nearest(q, keys, live[c], codes.shape[2]), codes[:, c]
        rows, ranks = np.nonzero(ours != theirs)
        if rows.size == 0:
            continue
        ours_at, theirs_at = (distances(q, keys, code)[rows, ranks] for code in (ours, theirs))
        scale = np.maximum(np.maximum(ours_at, theirs_at), np.finfo(np.float32).tiny)
        gaps = np.full(rows.size, np.inf)  # a NONE on one side only, or in place of a key
        np.divide(np.abs(ours_at - theirs_at), scale, out=gaps, where=np.isfinite(scale))
        differing, largest = differing + rows.size, max(largest, gaps.max())
    return differing, largest


def logits_of(codes, values):
    """The mean of the values that codes select; NONE adds nothing and the divisor stays C k."""
    total = np.zeros((len(codes), values.shape[2]))
    for c in range(codes.shape[1]):
        for rank in range(codes.shape[2]):
            code = codes[:, c, rank]
            there = code != NONE
            total[there] += values[c, code[there]]
    return total / (codes.shape[1] * codes.shape[2])


def main(tool, model, features, rows):
    x = np.load(features, mmap_mode="r")[:int(rows)]
    x = np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float32)
    with tempfile.TemporaryDirectory() as work:
        arrays, normalize = answers_of(tool, model, x, Path(work))
    differing, gap = compare_codes(arrays, prepared(x, arrays.get("center"), normalize))
    error = np.abs(logits_of(arrays["codes"], arrays["values"]) - arrays["logits"]).max(initial=0.0)
    print(f"{len(x)} rows: {differing} of {arrays['codes'].size} codes differ, largest relative gap of distances "
          f"{gap:.2e} (at most {CODE_TOLERANCE:.0e}); largest error of a logit {error:.2e} (at most "
          f"{LOGIT_TOLERANCE:.0e})")
    return not (gap <= CODE_TOLERANCE and error <= LOGIT_TOLERANCE)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
