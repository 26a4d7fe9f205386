#!/bin/sh
# Test of `dkvb encode` for IDX files, plain and gzip: images become features between 0 and 1, and labels become int32.
. "$(dirname "$0")/common.sh"
"$python" - <<'END'
import gzip
import struct
import numpy as np
images = (np.arange(30 * 5 * 4) * 37 % 256).astype(np.uint8).reshape(30, 5, 4)
labels = (np.arange(30) % 3).astype(np.uint8)
raw = struct.pack(">HBBIII", 0, 8, 3, *images.shape) + images.tobytes()
open("images.idx", "wb").write(raw)
gzip.open("images.idx.gz", "wb").write(raw)
gzip.open("labels.idx.gz", "wb").write(struct.pack(">HBBI", 0, 8, 1, 30) + labels.tobytes())
np.save("images.npy", images)
np.save("labels.npy", labels)
open("cut.idx", "wb").write(raw[:-1])
END
check "$dkvb" encode --encoder pixels --input images.idx.gz -o x.npy --labels labels.idx.gz --labels-out y.npy \
    --json >x.json
claim x.json 'd["n"] == d["labels"] == 30 and d["columns"] == 20'
for input in images.idx images.npy; do
    check "$dkvb" encode --encoder pixels --format auto --input $input -o again.npy >/dev/null
    same x.npy again.npy
done
check "$python" - <<'END'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
assert x.dtype == np.float32 and x.shape == (30, 20) and y.dtype == np.int32
assert (x == np.load("images.npy").reshape(30, 20).astype(np.float32) / np.float32(255)).all()
assert (y == np.load("labels.npy")).all()
END
# Other commands read IDX files directly.
check "$dkvb" train --features images.idx.gz --labels labels.idx.gz --codebooks 4 --keys 8 --key-dim 4 \
    -o m.dkvb >/dev/null
check "$dkvb" eval m.dkvb --features images.idx --labels labels.npy >/dev/null
refused 1 'cut.idx' "$dkvb" encode --encoder pixels --input cut.idx -o new.npy
refused 2 'go together' "$dkvb" encode --encoder pixels --input images.idx -o new.npy --labels labels.npy
refused 2 'same file' "$dkvb" encode --encoder pixels --input images.idx -o new.npy --labels labels.npy \
    --labels-out new.npy
refused 1 'labels.npy: 1 dimensions' "$dkvb" encode --encoder pixels --input labels.npy -o new.npy
"$python" -c 'import numpy as np; np.save("few.npy", np.zeros(29, int))'
refused 1 'few.npy has 29 labels, images.idx has 30 rows' "$dkvb" encode --encoder pixels --input images.idx \
    -o new.npy --labels few.npy --labels-out new_y.npy
[ ! -e new.npy ] || fail "a file was left"
