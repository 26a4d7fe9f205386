#!/bin/sh
# Test of `dkvb bench`: the codes of a timed search are right, and the output names what was measured. The times
# themselves are not judged.
. "$(dirname "$0")/common.sh"
make_data
# A model of the same shape and seed has the same projection as the codebooks of bench, and `dkvb export` writes this
# projection.
check "$dkvb" train --features x.npy --labels y.npy --codebooks 5 --keys 33 --key-dim 7 --epochs 1 -o m.dkvb >said.txt
check "$dkvb" export m.dkvb --dir model >said.txt
"$python" - <<'END'
import numpy as np
random = np.random.RandomState(1)
keys, rows = random.randn(5, 33, 7).astype(np.float32), random.randn(50, 16).astype(np.float32)
signs, order = np.load("model/signs.npy").astype(float), np.load("model/order.npy")
bits = np.arange(signs.shape[1])
hadamard = 1 - 2 * (np.array([[bin(i & j).count("1") for j in bits] for i in bits]) % 2)
y = np.zeros((50, signs.shape[1]))
y[:, :16] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
projected = np.stack([(y * one) @ hadamard for one in signs], axis=1).reshape(50, -1)[:, order]
keys[2, 9] = keys[2, 4] = projected[0, 2]  # a tie: the lower key wins
np.save("keys.npy", keys)
np.save("rows.npy", rows)
np.save("projected.npy", projected)
np.save("empty.npy", rows[:0])
END
files="--keys-file keys.npy --rows-file rows.npy"
# shellcheck disable=SC2086 # $files is unquoted, as it holds several arguments
check "$dkvb" bench search $files --codes-out codes.npy --top-k 2 --repeats 1 --threads 1 --json >search.json
claim search.json '(d["codebooks"], d["keys"], d["key_dim"], d["rows"]) == (5, 33, 7, 50)'
claim search.json '(d["top_k"], d["threads"]) == (2, 1)'
claim search.json 'abs(d["rows_per_second"] * d["seconds"] / 50 - 1) < 1e-6 and d["kernel"] in ("scalar", "avx2", "avx512", "neon", "neon-dot")'
claim search.json 'abs(d["gops"] * d["seconds"] * 1e9 / (2 * 5 * 33 * 7 * 50) - 1) < 1e-6'
# shellcheck disable=SC2086
check env DKVB_KERNELS=scalar "$dkvb" bench search $files --codes-out scalar.npy --top-k 2 --json >scalar.json
claim scalar.json 'd["kernel"] == "scalar"'
same codes.npy scalar.npy
check "$python" - <<'END'
import numpy as np
keys, rows, codes = np.load("keys.npy").astype(float), np.load("projected.npy"), np.load("codes.npy")
assert codes.dtype == np.uint16 and codes.shape == (50, 5, 2)
# The scales of bench's codebooks are unknown here. The keys found must be the nearest, up to the rounding to steps: a
# step is at most a 36th of the largest number, and each difference may be off by one step.
step = abs(keys).max(axis=(1, 2)) / 36
dist = np.sqrt(((rows[:, :, None, :] - keys[None]) ** 2).sum(axis=3))
at, best = np.take_along_axis(dist, codes.astype(int), 2), np.sort(dist, axis=2)[:, :, :2]
assert (at - best <= 2 * np.sqrt(7) * step[:, None]).all()
assert (at[:, :, 0] == best[:, :, 0]).mean() > 0.8
assert list(codes[0, 2]) == [4, 9]
END
claim search.json '(d["repeats"], d["batch"]) == (1, 50)'
claim search.json '(d["bytes_keys"], d["bytes_codes"]) == (5 * 33 * 7, 50 * 5 * 2 * 2)'
claim search.json 'd["seconds_call"] == d["seconds"] and 0 < d["project_seconds"]'
# A timed search row by row gives the same codes.
# shellcheck disable=SC2086
check "$dkvb" bench search $files --codes-out each.npy --top-k 2 --batch 1 --json >each.json
same codes.npy each.npy
claim each.json 'd["batch"] == 1 and d["seconds_call"] < d["seconds"]'
# shellcheck disable=SC2086
check "$dkvb" bench search --codebooks 4 --keys 16 --key-dim 3 --rows 100 --json >random.json
claim random.json '0 < d["project_seconds"] and 0 < d["project_ratio"]'
small="--codebooks 4 --keys 16 --key-dim 3 --rows 100 --repeats 5"
for work in search "search --batch 3" "train --classes 3" "forget --pairs 10 --input-dim 6"; do
    # shellcheck disable=SC2086
    check "$dkvb" bench $work $small >said.txt
    grep -q "^${work%% *}: .* rows a second" said.txt || fail "$(cat said.txt)"
done
# shellcheck disable=SC2086
check "$dkvb" bench train $small --classes 3 --json >train.json
claim train.json 'd["classes"] == 3 and d["bytes_values"] == 4 * 16 * 3 * 4 and d["gops"] is None'
# shellcheck disable=SC2086
check "$dkvb" bench forget $small --pairs 10 --input-dim 6 --json >forget.json
claim forget.json 'd["pairs_masked"] == 10 and 10 / 400 <= d["refresh_share"] < 1 and d["input_dim"] == 6'
claim forget.json 'd["search_seconds"] > 0 and d["refresh_seconds"] > 0 and d["search_ratio"] > 0'
refused 1 'x.npy: float32 of 2 dimensions, it must be float32[codebooks][keys][key_dim]' "$dkvb" bench search \
    --keys-file x.npy
refused 1 'empty.npy: no rows' "$dkvb" bench search --rows-file empty.npy
refused 2 '--input-dim does not go with --rows-file' "$dkvb" bench search --rows-file rows.npy --input-dim 3
refused 2 '--keys does not go with --keys-file' "$dkvb" bench search --keys-file keys.npy --keys 3
refused 2 '--codes-out does not go with this bench' "$dkvb" bench train --codes-out c.npy
cp keys.npy kept.npy
ln -s keys.npy link.npy
# shellcheck disable=SC2086
{
    refused 2 '--codes-out and --keys-file are the same file' "$dkvb" bench search $files --codes-out link.npy
    refused 2 '--codes-out and --rows-file are the same file' "$dkvb" bench search $files --codes-out ./rows.npy
    refused 1 'none/c.npy: cannot be written' "$dkvb" bench search --keys-file none.npy --codes-out none/c.npy
}
same keys.npy kept.npy
