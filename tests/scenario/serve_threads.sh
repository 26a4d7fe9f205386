#!/bin/sh
# Test that predicting single rows on several threads scales with the cores, for a small model, whose predictions take
# microseconds, and for a larger one. Usage: serve_threads.sh TOOL SERVE_THREADS PYTHON BAR
set -eu
tool=$1 program=$2 python=$3 bar=$4
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$python" - <<'END'
import numpy as np

rng = np.random.default_rng(2)
centers = rng.normal(size=(20, 64)).astype("float32")
labels = rng.integers(0, 20, 2000).astype("int32")
np.save("x.npy", (centers[labels] + rng.normal(size=(2000, 64))).astype("float32"))
np.save("y.npy", labels)
END
for shape in "8 32 6" "256 256 16"; do
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    set -- $shape
    "$tool" train --features x.npy --labels y.npy --epochs 1 --codebooks "$1" --keys "$2" --key-dim "$3" -o m.dkvb >/dev/null
    echo "$1 codebooks of $2 keys, $3 wide"
    "$program" m.dkvb x.npy "$bar"
done
