#!/bin/sh
# Test of the settings that `dkvb train` chooses to suit the data, and of the output about them: sizes, presets, tuning,
# whitening, few rows.
. "$(dirname "$0")/common.sh"
make_data
train() { # NAME OPTIONS: on the rows of make_data, quickly
    name=$1
    shift
    check "$dkvb" train --features x.npy --labels y.npy --codebooks 16 --epochs 1 -o "$name.dkvb" --json "$@" >"$name.json"
}

# A model file takes at most --size bytes, also with whitening, and uses most of them.
for size in 60K 200K 1500000; do
    bytes=$(echo $size | sed 's/K/000/')
    for whiten in never always choose; do
        check "$dkvb" train --features x.npy --labels y.npy --size $size --whiten $whiten --epochs 1 -o s.dkvb >/dev/null
        found=$(wc -c <s.dkvb)
        [ "$found" -le "$bytes" ] || fail "--size $size --whiten $whiten made $found bytes"
        [ "$size" = 1500000 ] || [ $((found * 3)) -gt $((bytes * 2)) ] || fail "--size $size made only $found bytes"
    done
done
check "$dkvb" train --features x.npy --labels y.npy --size 200K --keys 100 -o s.dkvb --json >s.json
claim s.json 'd["keys"] == 100 and d["codebooks"] < 200'
check "$dkvb" train --features x.npy --labels y.npy --preset small --epochs 1 -o s.dkvb --json >s.json
refused 1 '--size: a model of 16 codebooks of 64 keys for 4 classes takes' "$dkvb" train --features x.npy --labels y.npy \
    --size 5K -o no.dkvb --json
for size in 0 -5 8MB x 1e400; do
    refused 2 '--size takes a number of bytes' "$dkvb" train --features x.npy --labels y.npy --size $size -o no.dkvb
done
refused 2 '--keep-counts does not go with --size' "$dkvb" train --features x.npy --labels y.npy --size 1M --keep-counts \
    -o no.dkvb
refused 2 '--values f32' "$dkvb" train --features x.npy --labels y.npy --preset small --values f32 -o no.dkvb

# With --preset paper the model has the paper's shape; options given with it keep their values.
check "$dkvb" train --features x.npy --labels y.npy --preset paper --keys 64 -o p.dkvb --json >p.json
claim p.json '(d["codebooks"], d["keys"], d["top_k"], d["epochs"], d["whitened"]) == (256, 64, 1, 1, False)'
check "$dkvb" inspect p.dkvb --json >inspect.json
refused 1 '4096 keys in a codebook need at least as many rows to be placed on, there are 400' "$dkvb" train \
    --features x.npy --labels y.npy --preset paper -o no.dkvb --json

# Tuning by the same number of trials gives the same model, with any number of threads. A given --whiten is kept.
train tuned --trials 3 --threads 1
train again --trials 3 --threads 2
same tuned.dkvb again.dkvb
claim tuned.json 'd["trials"] == 3'
train never --trials 3 --whiten never
claim never.json 'd["trials"] == 3 and not d["whitened"]'
train always --trials 2 --whiten always
claim always.json 'd["whitened"]'
check "$dkvb" train --features x.npy --labels y.npy --size 100K --trials 2 -o t.dkvb >said.txt
[ "$(grep -c '^trial  *[12]: keys ' said.txt)" -eq 2 ] || fail "trials are not told: $(cat said.txt)"
grep -q '^tune .*--trials 2 repeats' said.txt || fail "the number of trials is not told: $(cat said.txt)"
[ "$(wc -c <t.dkvb)" -le 100000 ] || fail "a tuned model is larger than --size"

# With --class-weight balanced, classes of uneven size count alike.
"$python" - <<'END2'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
few = np.flatnonzero((y != 3) | (np.arange(400) < 40))
rng = np.random.default_rng(0)
np.save("uneven_x.npy", (x[few] + rng.normal(scale=2.0, size=x[few].shape)).astype(np.float32))
np.save("uneven_y.npy", y[few])
END2
for weight in none balanced; do
    check "$dkvb" train --features uneven_x.npy --labels uneven_y.npy --codebooks 16 --keys 32 --epochs 3 --lr 1 \
        --class-weight $weight -o $weight.dkvb >/dev/null
    check "$dkvb" predict $weight.dkvb --features uneven_x.npy -o $weight.npy >/dev/null
done
check "$python" -c 'import numpy as np; a, b = ((np.load(f) == 3).sum() for f in ("none.npy", "balanced.npy")); assert a < b, (a, b)'

# Data of few rows, few classes, few columns or many columns give a model.
"$python" - <<'END2'
import numpy as np
rng = np.random.default_rng(1)
def save(name, n, columns, classes, noise=0.3):
    y = np.arange(n) % classes
    centers = 2 * rng.normal(size=(classes, columns))
    np.save(name + "_x.npy", (centers[y] + noise * rng.normal(size=(n, columns))).astype(np.float32))
    np.save(name + "_y.npy", y.astype(np.uint8))
save("two", 2, 16, 2)
save("one", 1, 4, 1)
save("same", 50, 8, 1)
save("people", 280, 64, 40)
save("narrow", 300, 3, 4)
save("wide", 60, 5000, 3)
np.save("column_x.npy", np.arange(300, dtype=np.float32)[:, None])
np.save("column_y.npy", np.arange(300) // 100)
np.save("gaps_y.npy", np.load("people_y.npy").astype(np.int64) * 2)
END2
for name in two one same people narrow wide column; do
    check "$dkvb" train --features ${name}_x.npy --labels ${name}_y.npy -o $name.dkvb --codes-out $name.codes >said.txt
    grep -q '^model .* keys, ' said.txt || fail "$name: $(cat said.txt)"
    check "$dkvb" train --features ${name}_x.npy --labels ${name}_y.npy -o $name.dkvb --json >/dev/null
    check "$dkvb" eval $name.dkvb --features ${name}_x.npy --labels ${name}_y.npy --json >eval.json
    claim eval.json 'd["accuracy"] > 0.85'
done
refused 1 'gaps_y.npy: 39 of 79 classes have no rows: 1, 3, 5, ' "$dkvb" train --features people_x.npy \
    --labels gaps_y.npy --codebooks 8 -o gaps.dkvb
check "$dkvb" train --features people_x.npy --labels gaps_y.npy --codebooks 8 --empty-classes -o gaps.dkvb >said.txt
grep -q '^note .*39 of 79 classes have no row to learn from' said.txt || fail "$(cat said.txt)"
refused 1 'rows can be held out, 20 are needed' "$dkvb" train --features wide_x.npy --labels wide_y.npy --tune -o no.dkvb \
    --json
check "$dkvb" train --features people_x.npy --labels people_y.npy --codebooks 8 --tune --tune-seconds 0.001 -o people.dkvb \
    --json >people.json
claim people.json 'd["trials"] == 1'

# Keys, centre and whitening that are placed again without some rows equal those of a training without these rows.
"$python" - <<'END2'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
gone = np.array([3, 50, 51, 200, 399])
rest = np.setdiff1d(np.arange(400), gone)
np.save("gone.npy", gone)
np.save("rest_x.npy", x[rest])
np.save("rest_y.npy", y[rest])
np.save("rest_ids.npy", rest)
END2
settings="--codebooks 16 --keys 24 --key-dim 6 --top-k 2 --epochs 2 --lr 2 --batch 64 --hold-out 0.3 --whiten always"
for options in "" "--class-weight balanced --init ema" "--rows-per-key 4 --as-they-are"; do
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    {
        check "$dkvb" train --features x.npy --labels y.npy $settings $options --codes-out all.codes -o all.dkvb >/dev/null
        check "$dkvb" train --features rest_x.npy --labels rest_y.npy --ids rest_ids.npy $settings $options \
            --codes-out never.codes -o never.dkvb --json >never.json
    }
    claim never.json 'd["whitened"] and d["temperature"] != 1'
    check "$dkvb" forget all.dkvb --rows gone.npy --codes all.codes --strength exact --key-features x.npy >/dev/null
    check "$python" - all.dkvb never.dkvb all.codes never.codes <<'END2'
import sys
def sections(path):
    data, found = open(path, "rb").read(), {}
    for i in range(int.from_bytes(data[24:28], "little")):
        e = data[64 + 64 * i:128 + 64 * i]
        name, at, size = e[:16].rstrip(b"\0"), int.from_bytes(e[24:32], "little"), int.from_bytes(e[32:40], "little")
        found[name] = data[at:at + size]
    return {name: of for name, of in found.items() if name not in (b"journal", b"terms", b"evidence", b"removed")}
for pair in sys.argv[1:3], sys.argv[3:]:
    a, b = map(sections, pair)
    assert a.keys() == b.keys(), (a.keys(), b.keys())
    assert [name for name in a if a[name] != b[name]] == []
END2
done
