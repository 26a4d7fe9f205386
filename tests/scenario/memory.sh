#!/bin/sh
# Measures how much memory a training takes.
#
#     memory.sh TOOL PYTHON                    rows that are more than the process may hold: they are read in blocks
#     memory.sh TOOL PYTHON X Y [OPTIONS]      the peak of `dkvb train` on these, above model and codes, in MiB
set -eu
tool=$1 python=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $# -ge 2 ]; then
    features=$1 labels=$2
    shift 2
    "$python" - "$tool" "$work/m.dkvb" "$features" "$labels" "$@" <<'END'
import json, os, resource, subprocess, sys

tool, model, features, labels, *options = sys.argv[1:]
run = subprocess.run([tool, "train", "--features", features, "--labels", labels, "-o", model, "--json", *options],
                     check=True, capture_output=True, text=True)
told = json.loads(run.stdout)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
size, codes = os.path.getsize(model) / 2**20, 2 * told["n"] * told["codebooks"] * told["top_k"] / 2**20
print(f"peak {peak:.0f} MiB, model {size:.0f}, codes {codes:.0f}: {peak - size - codes:.0f} MiB above both")
sys.exit(peak - size - codes > 256)
END
    exit
fi

"$python" - "$work" <<'END'
import sys

import numpy as np

rng = np.random.default_rng(0)
y = rng.integers(4, size=60000, dtype=np.uint8)
x = rng.standard_normal((4, 512), dtype=np.float32)[y] + rng.standard_normal((60000, 512), dtype=np.float32)
x = x.astype(np.float16)
np.save(f"{sys.argv[1]}/half.npy", x)
np.save(f"{sys.argv[1]}/swapped.npy", x.astype(">f8"))
np.save(f"{sys.argv[1]}/columns.npy", np.asfortranarray(x.astype(np.float32)))
np.save(f"{sys.argv[1]}/y.npy", y)
END

fail() {
    cat "$work/log"
    echo "FAILED: $1"
    exit 1
}
run() { "$tool" "$@" --threads 1 >"$work/log" 2>&1; }
train() {
    run train --features "$1.npy" --labels y.npy -o "$1.dkvb" --codes-out "$1.codes" --codebooks 16 --keys 64 --key-dim 8 \
        --passes 1 --epochs 1 --whiten never
}
cd "$work"
ulimit -v 100000 # KiB of address space; the rows take 122880000 bytes as float32, 245760000 as float64
for rows in half swapped; do
    train $rows || fail "training on $rows.npy needs memory for its rows"
    run eval $rows.dkvb --features $rows.npy --labels y.npy --json || fail "evaluating $rows.npy needs memory for its rows"
    mv log $rows.eval
    run predict $rows.dkvb --features $rows.npy -o $rows.csv || fail "predicting $rows.npy needs memory for its rows"
    run search $rows.dkvb --features $rows.npy -o $rows-codes.npy || fail "searching $rows.npy needs memory for its rows"
    run forget $rows.dkvb -o masked.dkvb --class 1 --features $rows.npy --labels y.npy --pairs 50 ||
        fail "forgetting by $rows.npy needs memory for its rows"
    run forget $rows.dkvb -o $rows-less.dkvb --class 1 --codes $rows.codes --strength exact --key-features $rows.npy \
        --codes-out $rows-less.codes --force || fail "placing keys again on $rows.npy needs memory for its rows"
done
for file in .dkvb .codes .eval .csv -codes.npy -less.codes; do
    cmp half$file swapped$file || fail "the number type of the rows has changed half$file"
done
if train columns; then
    fail "rows of another order are read whole, so they cannot have fitted: the limit was none"
fi
grep -q 'out of memory' log || fail "another fault than memory"
echo "60000 rows of 512 were trained on, answered and forgotten in less memory than they have bytes"
