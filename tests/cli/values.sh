#!/bin/sh
# Test of values in 16 bits, which make smaller files with the same predictions, and keep their number type until
# another one is requested.
. "$(dirname "$0")/common.sh"
make_data
train_small f32.dkvb --seed 1 --values f32
for type in f16 bf16; do
    train_small $type.dkvb --seed 1 --values $type
    check "$dkvb" verify $type.dkvb >/dev/null
    check "$dkvb" export $type.dkvb --dir $type.arrays >/dev/null
    check "$dkvb" eval $type.dkvb --features test_x.npy --labels test_y.npy --json >eval.json
    claim eval.json 'd["accuracy"] > 0.9'
    [ $(($(wc -c <f32.dkvb) - $(wc -c <$type.dkvb))) -eq $((8 * 32 * 4 * 2)) ] || fail "$type.dkvb is not 2 bytes a value smaller"
done
check "$dkvb" export f32.dkvb --dir f32.arrays >/dev/null
check "$python" - <<'END'
import numpy as np
full, half, brain = (np.load(f"{name}.arrays/values.npy") for name in ("f32", "f16", "bf16"))
assert half.dtype == brain.dtype == np.float32
assert (half == full.astype(np.float16).astype(np.float32)).all() and (half != full).any()
assert (np.abs(brain - full) <= np.abs(full) * 2.0**-8).all() and not (brain.view(np.uint32) & 0xFFFF).any()
END

# Continued training keeps the model's number type, unless the command names another.
check "$dkvb" train --continue f16.dkvb --features x.npy --labels y.npy -o more.dkvb >/dev/null
"$dkvb" inspect more.dkvb --json >inspect.json
claim inspect.json 'd["values_dtype"] == "float16"'
check "$dkvb" train --continue f16.dkvb --features x.npy --labels y.npy --values f32 -o more.dkvb >/dev/null
"$dkvb" inspect more.dkvb | grep -q '^values  *float32$' || fail "inspect does not say float32"
refused 2 'f64' "$dkvb" train --features x.npy --labels y.npy -o m.dkvb --values f64
refused 1 'too large for float16' "$dkvb" train --continue f16.dkvb --features x.npy --labels y.npy --lr 1e6 -o m.dkvb --json
[ ! -e m.dkvb ] || fail "a model was written after a failure"
