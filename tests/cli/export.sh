#!/bin/sh
# Test that the arrays written by `dkvb export` are enough to compute every code, distance and logit again, here by
# numpy.
. "$(dirname "$0")/common.sh"
make_data
for options in "" "--top-k 3 --whiten always" "--as-they-are"; do
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    train_small m.dkvb $options
    check "$dkvb" forget m.dkvb --method activations --pairs 50 --features x.npy --labels y.npy --class 1 >/dev/null
    whitened=no # the third export finds a whitening of the second, which goes
    [ ! -e arrays/whitening.npy ] || whitened=yes
    check "$dkvb" export m.dkvb --dir arrays --json >export.json 2>removed.txt
    [ "$whitened" = no ] || grep -q '^dkvb: arrays/whitening.npy: removed' removed.txt || fail "removed without a word"
    [ "$whitened" = yes ] || [ ! -s removed.txt ] || fail "a word too much: $(cat removed.txt)"
    check "$dkvb" inspect m.dkvb --json >inspect.json
    check "$dkvb" search m.dkvb --features test_x.npy -o codes.npy --distances dist.npy >/dev/null
    check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.npy >/dev/null
    check "$python" - <<'END'
import json, pathlib
import numpy as np

shape = json.load(open("export.json"))
C, K, d, m, L, k = (shape[s] for s in ("codebooks", "keys", "key_dim", "input_dim", "classes", "top_k"))
arrays = {file.stem: np.load(file) for file in pathlib.Path("arrays").glob("*.npy")}
T, M = arrays["signs"].shape
shapes = {"center": ("f4", (m,)), "signs": ("i1", (T, M)), "order": ("u4", (C, d)), "scales": ("f4", (C,)),
          "keys": ("i1", (C, K, d)), "values": ("f4", (C, K, L)), "mask": ("u1", (C, K))}
inspected = json.load(open("inspect.json"))
assert all(shape[name] == inspected[name] for name in ("normalize", "whitened", "temperature"))
assert shape["whitened"] == ("whitening" in arrays) and shape["temperature"] > 0
if shape["whitened"]:
    shapes["whitening"] = ("f4", (m, m))
assert {name: (array.dtype.str[1:], array.shape) for name, array in arrays.items()} == shapes
mask = arrays["mask"]
assert mask.sum() == 50, mask.sum()

x = np.load("test_x.npy")
y = x - arrays["center"]
if "whitening" in arrays:  # a chain of fused multiply-adds: the product is exact in double precision, the sum nearly
    rows, y = y.astype("f8"), np.zeros((len(x), m), "f4")
    for i in range(m):
        y = (y + rows[:, i:i + 1] * arrays["whitening"][i].astype("f8")).astype("f4")
if shape["normalize"]:
    y = (y / np.sqrt(np.cumsum(y.astype("f8") ** 2, axis=1)[:, -1:])).astype("f4")
h = np.zeros((len(x), T, M), "f4")
h[:, :, :m] = y[:, None] * arrays["signs"][:, :m]
step = 1
while step < M:
    pairs = h.reshape(len(x), T, -1, 2, step)
    h = np.stack((pairs[:, :, :, 0] + pairs[:, :, :, 1], pairs[:, :, :, 0] - pairs[:, :, :, 1]), 3).reshape(h.shape)
    step *= 2
r = (h.reshape(len(x), -1)[:, arrays["order"]] * arrays["scales"][:, None]).clip(np.float32(-63), np.float32(63))
r = np.floor(r + np.float32(64.5)).astype("i4") - 64
dist = ((r[:, :, None, :] - arrays["keys"].astype("i4")) ** 2).sum(axis=3)
dist[:, mask == 1] = np.iinfo("i4").max
codes, found = np.load("codes.npy"), np.load("dist.npy")
assert codes.shape == (len(x), C, k) and codes.dtype == np.uint16 and found.dtype == np.int32
assert (codes == np.argsort(dist, axis=2, kind="stable")[:, :, :k]).all()
assert (found == np.sort(dist, axis=2)[:, :, :k]).all()
logits = arrays["values"][np.arange(C)[None, :, None], codes.astype(np.int64)].astype(np.float64).sum(axis=(1, 2))
assert np.allclose(logits / (C * k), np.load("scores.npy"), rtol=1e-5, atol=1e-6)
END
done
