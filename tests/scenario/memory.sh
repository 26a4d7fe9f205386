#!/bin/sh
# How much memory training takes.
#
#     memory.sh TOOL PYTHON                    rows that are more than the process may hold: float32 is used in place
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
x = (rng.normal(size=(4, 256))[y] + rng.normal(size=(60000, 256))).astype(np.float32)
np.save(f"{sys.argv[1]}/x32.npy", x)
np.save(f"{sys.argv[1]}/x16.npy", x.astype(np.float16))
np.save(f"{sys.argv[1]}/y.npy", y)
END
train() {
    "$tool" train --features "$work/$1.npy" --labels "$work/y.npy" -o "$work/$1.dkvb" --codebooks 8 --keys 16 --key-dim 4 \
        --passes 1 --threads 1 >"$work/log" 2>&1
}
ulimit -d 50000 # KiB; the rows take 60000
train x32 || { cat "$work/log"; echo "FAILED: rows in a file need memory of their own"; exit 1; }
if train x16; then
    echo "FAILED: float16 is converted, so it cannot have fitted: the limit was none"
    exit 1
fi
grep -q 'out of memory' "$work/log" || { cat "$work/log"; exit 1; }
echo "60000 rows of 1 KiB were trained on in less memory than they have bytes"
