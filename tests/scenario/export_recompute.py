"""Recomputes every code exactly, and the logits, from the output of `dkvb export`, and compares them with the tool's
results.

    export_recompute.py DKVB_TOOL MODEL FEATURES.npy ROWS

Rows are prepared and projected in single precision in the order of docs/numerics.md, rounded to whole numbers, and
compared with the keys in whole numbers: codes and distances must be equal. Logits, computed from the tool's codes, must
agree to 1e-5, since numpy sums in double precision. The script prints the differences, and exits with status 1 if they
are larger.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LOGIT_TOLERANCE = 1e-5
NONE = 0xFFFF


def answers_of(tool, model, features, work):
    """Runs the tool, and returns its exported arrays, codes, distances, logits, and whether rows are scaled to length
    1."""
    def run(*arguments):
        done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr.strip())
        return done.stdout

    np.save(work / "x.npy", features)
    run("export", model, "--dir", work)
    run("search", model, "--features", work / "x.npy", "-o", work / "codes.npy", "--distances", work / "distances.npy")
    run("predict", model, "--features", work / "x.npy", "--scores", "-o", work / "logits.npy")
    arrays = {path.stem: np.load(path) for path in work.glob("*.npy")}
    return arrays, bool(json.loads(run("inspect", model, "--json"))["normalize"])


def prepared(x, arrays, normalize):
    """Returns prepared rows (centred, whitened, scaled), the inputs of the transforms, in float32."""
    y = x - arrays["center"]
    if "whitening" in arrays:
        # The library whitens by a chain of fused multiply-adds, which double precision reproduces: the product of two
        # floats is exact, and so is nearly every sum before it is rounded to a float.
        rows, y = y.astype(np.float64), np.zeros_like(y)
        for i, row in enumerate(arrays["whitening"].astype(np.float64)):
            y = (y + rows[:, i:i + 1] * row).astype(np.float32)
    if normalize:
        squares = np.cumsum(y.astype(np.float64) ** 2, axis=1)[:, -1:]  # np.cumsum() adds in order, np.sum() does not
        y = (y / np.sqrt(np.where(squares > 0, squares, 1))).astype(np.float32)
    return y


def transformed(y, signs):
    """Returns the Walsh-Hadamard transform of one round, float32[n][size], by sums and differences of neighbours at
    distance 1, 2, 4 and so on."""
    size, step = len(signs), 1
    h = np.zeros((len(y), size), np.float32)
    h[:, :y.shape[1]] = y * signs[:y.shape[1]]
    while step < size:
        pairs = h.reshape(len(y), -1, 2, step)
        h = np.stack((pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]), axis=2).reshape(h.shape)
        step *= 2
    return h


def steps_of(y, arrays):
    """Returns projected rows in whole numbers, as float32[n][C][d], which holds all sums of their products exactly."""
    signs, order, scales = arrays["signs"], arrays["order"], arrays["scales"]
    q = np.empty((len(y), *order.shape), np.float32)
    for t, row in enumerate(signs):
        taken = order // signs.shape[1] == t
        if taken.any():
            q[:, taken] = transformed(y, row)[:, order[taken] % signs.shape[1]]
    r = (q * scales[:, None]).clip(np.float32(-63), np.float32(63))
    return np.floor(r + np.float32(64.5)) - 64


def compare_codes(arrays, y):
    """Returns the numbers of codes and of distances that differ from those of the tool."""
    codes, found, live = arrays["codes"].astype(np.int64), arrays["distances"], arrays["mask"] == 0
    assert 4 * 63 ** 2 * arrays["keys"].shape[2] < 1 << 24  # all numbers below are whole and exact in float32
    differing = wrong = 0
    for first in range(0, len(y), 2000):
        part = slice(first, first + 2000)
        rows = steps_of(y[part], arrays)
        for c, keys in enumerate(arrays["keys"].astype(np.float32)):
            order = (keys ** 2).sum(axis=1) - 2 * rows[:, c] @ keys.T + (rows[:, c] ** 2).sum(axis=1, keepdims=True)
            order[:, ~live[c]] = np.inf
            for rank in range(codes.shape[2]):
                key = order.argmin(axis=1)  # of equally near keys, the lowest
                distance = order[np.arange(len(key)), key]
                there = np.isfinite(distance)
                differing += (codes[part, c, rank] != np.where(there, key, NONE)).sum()
                wrong += (found[part, c, rank] != np.where(there, distance, np.iinfo(np.int32).max)).sum()
                order[np.arange(len(key)), key] = np.inf
    return differing, wrong


def logits_of(codes, values):
    """Returns the logits: the mean of the values that codes select, where a code of NONE adds nothing and the divisor
    stays C k."""
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
    differing, wrong = compare_codes(arrays, prepared(x, arrays, normalize))
    error = np.abs(logits_of(arrays["codes"], arrays["values"]) - arrays["logits"]).max(initial=0.0)
    print(f"{len(x)} rows: {differing} of {arrays['codes'].size} codes and {wrong} distances differ; largest error of "
          f"a logit {error:.2e} (at most {LOGIT_TOLERANCE:.0e})")
    return not (differing == wrong == 0 and error <= LOGIT_TOLERANCE)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
