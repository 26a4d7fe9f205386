#!/bin/sh
# The exported arrays are enough to recompute codes and logits elsewhere, here by numpy in double precision.
. "$(dirname "$0")/common.sh"
make_data
for options in "" "--top-k 3 --normalize"; do
    # shellcheck disable=SC2086 # several words or none
    train_small m.dkvb $options
    check "$dkvb" forget m.dkvb --method activations --pairs 50 --features x.npy --labels y.npy --class 1 >/dev/null
    check "$dkvb" export m.dkvb --dir arrays --json >export.json
    check "$dkvb" search m.dkvb --features test_x.npy -o codes.npy --distances dist.npy >/dev/null
    check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.npy >/dev/null
    check "$python" - <<'END'
import json
import numpy as np

shape = json.load(open("export.json"))
C, K, d, m, L, k = (shape[s] for s in ("codebooks", "keys", "key_dim", "input_dim", "classes", "top_k"))
arrays = {s: np.load(f"arrays/{s}.npy") for s in ("projection", "center", "keys", "values", "mask")}
for name, dims in {"projection": (C, m, d), "center": (m,), "keys": (C, K, d), "values": (C, K, L)}.items():
    assert arrays[name].shape == dims and arrays[name].dtype == np.float32, name
mask = arrays["mask"]
assert mask.shape == (C, K) and mask.dtype == np.uint8 and mask.sum() == 50, mask.sum()

x = np.load("test_x.npy").astype(np.float64)
if shape["normalize"]:
    x /= np.linalg.norm(x, axis=1, keepdims=True)
q = np.einsum("nm,cmd->ncd", x - arrays["center"], arrays["projection"].astype(np.float64))
dist = ((q[:, :, None, :] - arrays["keys"][None].astype(np.float64)) ** 2).sum(axis=3)
dist[:, mask == 1] = np.inf
codes, found = np.load("codes.npy"), np.load("dist.npy")
assert codes.shape == (len(x), C, k) and codes.dtype == np.uint16
at_codes = np.take_along_axis(dist, codes.astype(np.int64), 2)
assert np.allclose(at_codes, found, rtol=1e-5)
best = np.sort(dist, axis=2)[:, :, :k]
assert (abs(at_codes - best) <= 1e-6 * best + 1e-9).all()
logits = arrays["values"][np.arange(C)[None, :, None], codes.astype(np.int64)].astype(np.float64).sum(axis=(1, 2))
assert np.allclose(logits / (C * k), np.load("scores.npy"), rtol=1e-5, atol=1e-6)
END
done
