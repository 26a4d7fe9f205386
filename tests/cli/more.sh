#!/bin/sh
# Test of continued training with a codes file: new rows are added to it, and a later exact forgetting leaves no trace
# of the forgotten rows.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END2'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy").astype(np.int64)
old, new = np.arange(240), np.arange(240, 400)
gone = np.array([5, 77, 160, 241, 333, 399])  # rows of both trainings
np.save("gone.npy", gone)
for name, rows in (("old", old), ("new", new), ("old_kept", np.setdiff1d(old, gone)), ("new_kept", np.setdiff1d(new, gone))):
    np.save(name + "_x.npy", x[rows])
    np.save(name + "_y.npy", y[rows])
    np.save(name + "_ids.npy", rows)
END2
sections() { # MODEL or CODES: its sections but those that say what was forgotten
    "$python" - "$1" <<'END2'
import sys
data = open(sys.argv[1], "rb").read()
for i in range(int.from_bytes(data[24:28], "little")):
    e = data[64 + 64 * i:128 + 64 * i]
    name, at, size = e[:16].rstrip(b"\0"), int.from_bytes(e[24:32], "little"), int.from_bytes(e[32:40], "little")
    if name not in (b"journal", b"terms", b"evidence", b"removed"):
        sys.stdout.buffer.write(name + data[at:at + size])
END2
}
again="--epochs 2 --lr 2 --batch 64"
# story NAME OLD NEW OPTIONS: trains on OLD, continues with NEW; the keys are placed on other rows.
story() {
    name=$1 old=$2 new=$3
    shift 3
    # shellcheck disable=SC2086 # $first is unquoted, as it holds several arguments
    train_small "$name.dkvb" $first --features "${old}_x.npy" --labels "${old}_y.npy" \
        --ids "${old}_ids.npy" --codes-out "$name.codes" --hold-out 0.3 --batch 64 --keep-counts "$@"
    # shellcheck disable=SC2086 # $again is unquoted, as it holds several arguments
    check "$dkvb" train --continue "$name.dkvb" --features "${new}_x.npy" --labels "${new}_y.npy" \
        --ids "${new}_ids.npy" --codes-out "$name.codes" --hold-out 0.3 $again "$@" --json >"$name.json"
    check "$dkvb" verify "$name.dkvb" >/dev/null
}
for options in "" "--class-weight balanced" "features"; do
    first="--key-features test_x.npy"
    if [ "$options" = features ]; then
        first="$first --keep features" options=
    fi
    # shellcheck disable=SC2086 # $options is unquoted, as it holds several arguments
    {
        story all old new $options
        story kept old_kept new_kept $options
    }
    claim all.json 'd["n"] == 160 and 20 < d["held_out"] < 90 and d["temperature"] != 1'
    check "$dkvb" forget all.dkvb --rows gone.npy --codes all.codes --strength exact >/dev/null
    sections all.dkvb >all.bytes
    sections kept.dkvb >kept.bytes
    same all.bytes kept.bytes
    sections all.codes >all.bytes
    sections kept.codes >kept.bytes
    same all.bytes kept.bytes
done
# If keys were placed on forgotten rows, they are placed again on all remaining rows, including those of later
# trainings.
first=""
story all old new
check "$dkvb" forget all.dkvb --rows gone.npy --codes all.codes --strength exact --key-features x.npy >/dev/null
"$python" -c 'import numpy as np; np.save("rest_x.npy", np.delete(np.load("x.npy"), np.load("gone.npy"), axis=0))'
first="--key-features rest_x.npy"
story kept old_kept new_kept
sections all.dkvb >all.bytes
sections kept.dkvb >kept.bytes
same all.bytes kept.bytes

# Exact forgetting of a class that the second training added leaves no trace either.
"$python" -c 'import numpy as np; y = np.load("new_y.npy"); y[::3] = 4; np.save("five_y.npy", y)'
check "$dkvb" train --continue all.dkvb --features new_x.npy --labels five_y.npy --codes-out all.codes --json >five.json
claim five.json 'd["classes"] == 5'
check "$dkvb" forget all.dkvb --class 4 --codes all.codes --strength exact --keep-keys --json >forget.json
claim forget.json 'd["examples"] == 54'
check "$dkvb" verify all.dkvb >/dev/null

# New rows without ids get the ids after the largest id so far.
train_small n.dkvb --codes-out n.codes
check "$dkvb" train --continue n.dkvb --features test_x.npy --labels test_y.npy --codes-out n.codes >said.txt
grep -q '^wrote   n.codes: 100 rows more, ' said.txt || fail "$(cat said.txt)"
"$python" -c 'import numpy as np; np.save("last.npy", np.array([400, 499]))'
check "$dkvb" forget n.dkvb --rows last.npy --codes n.codes --strength exact --keep-keys >/dev/null

# If the model's trainings cannot be repeated, exact forgetting is refused, and no file changes.
cp n.dkvb n_before.dkvb
cp n.codes codes_before
more="--json --features test_x.npy --labels test_y.npy"
# shellcheck disable=SC2086 # $more is unquoted, as it holds several arguments
{
    refused 1 'none.codes' "$dkvb" train --continue n.dkvb $more --codes-out none.codes
    refused 1 'kept.codes' "$dkvb" train --continue n.dkvb $more --codes-out kept.codes
    "$python" -c 'import numpy as np; np.save("twice.npy", np.arange(300, 400))'
    refused 1 'test_x.npy: row 0 has id 300, which a row of the codes has already' "$dkvb" train --continue n.dkvb $more \
        --ids twice.npy --codes-out n.codes
    refused 2 '--depth does not go with --continue' "$dkvb" train --continue n.dkvb $more --codes-out n.codes --depth 9
    cp n.codes old.codes
    check "$dkvb" train --continue n.dkvb $more -o apart.dkvb >/dev/null
    refused 1 'apart.dkvb and old.codes: the model was trained on' "$dkvb" train --continue apart.dkvb $more \
        --codes-out old.codes
    check "$dkvb" forget n.dkvb --class 1 --pairs 9 -o masked.dkvb >/dev/null
    refused 1 'masked.dkvb: 9 pairs are masked or purged' "$dkvb" train --continue masked.dkvb $more --codes-out n.codes
}
"$python" -c 'import numpy as np; np.save("bytes.npy", np.clip(np.load("x.npy") * 20 + 128, 0, 255).astype(np.uint8))'
train_small bytes.dkvb --features bytes.npy --keep features --codes-out bytes.codes
refused 1 'x.npy: its numbers are not exact in uint8' "$dkvb" train --continue bytes.dkvb --features x.npy \
    --labels y.npy --codes-out bytes.codes --json
same n.dkvb n_before.dkvb
same n.codes codes_before
