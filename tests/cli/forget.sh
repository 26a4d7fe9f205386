#!/bin/sh
# Test of `dkvb forget` with a codes file (searching the number of pairs, the guard, two strengths), and without any
# data.
. "$(dirname "$0")/common.sh"
make_data
# The keys are placed on other rows than those to be forgotten, so that "exact" leaves no trace in the keys.
train_small m.dkvb --key-features test_x.npy --codes-out m.codes --hold-out 0.25 --keep-counts
forget() { # NAME OPTIONS: forget, and keep what is said in NAME.json
    name=$1
    shift
    check "$dkvb" forget m.dkvb --salt $salt --json "$@" >"$name.json"
}

# `dkvb forget --dry-run` measures the effect on every class, and changes no file.
cp m.dkvb before.dkvb
forget dry --class 1 --codes m.codes --max-retain-drop 1 --dry-run
same m.dkvb before.dkvb
claim dry.json 'd["dry_run"] and d["entry"] is None and len(d["effects"]) == 4'
claim dry.json 'd["effects"][1]["right_after"] == 0 and sum(e["rows"] for e in d["effects"]) > 60'
claim dry.json 'all(e["rows"] == 0 or e["low"] < e["high"] for e in d["effects"])'

# The printed budget (number of pairs to mask) is enough on the held-out rows; one pair less is not enough.
forget found --class 1 --codes m.codes --max-retain-drop 1 --max-class-loss 1 -o found.dkvb
claim found.json 'd["method"] == "values" and d["budget"]["forget_after"] == 0 and d["entry"] == 1'
claim found.json 'd["pairs_masked"] == d["budget"]["roomy"] > d["budget"]["budget"]'
pairs=$(json found.json 'd["budget"]["budget"]')
forget given --class 1 --codes m.codes --pairs "$(json found.json 'd["pairs_masked"]')" --max-class-loss 1 -o given.dkvb
"$dkvb" mask export found.dkvb -o found.mask >/dev/null
"$dkvb" mask export given.dkvb -o given.mask >/dev/null
same found.mask given.mask
forget enough --class 1 --codes m.codes --pairs "$pairs" --max-class-loss 1 --dry-run
claim enough.json 'd["effects"][1]["right_after"] == 0'
forget less --class 1 --codes m.codes --pairs $((pairs - 1)) --max-class-loss 1 --dry-run
claim less.json 'd["effects"][1]["right_after"] > 0'
check "$dkvb" masks found.dkvb --json >journal.json
claim journal.json 'd["journal"][0]["strength"] == "suppress" and d["journal"][0]["rows"] > 60'
claim journal.json 'd["journal"][0]["budget"] == d["masked_pairs"] and d["journal"][0]["found"] and d["journal"][0]["target"] == 0'
claim journal.json 'd["journal"][0]["limits"] == {"max_retain_drop": 1, "max_class_loss": 1} and not d["journal"][0]["forced"]'
claim journal.json '[one["label"] for one in d["journal"][0]["classes"]] == [1]'
claim found.json 'd["effects"][1]["right_before"] > d["effects"][1]["right_after"] == 0'
[ "$(json journal.json 'd["journal"][0]["effects"]')" = "$(json found.json '[e for e in d["effects"] if e["rows"]]')" ] ||
    fail "the journal has other effects than those that forget measured"

# If no number of pairs meets the limits, no file changes, and the nearest number is printed.
check "$dkvb" train --features x.npy --labels y.npy --codebooks 2 --keys 3 --key-dim 2 -o few.dkvb --codes-out tight.codes \
    --hold-out 0.4 >/dev/null
cp few.dkvb few_before.dkvb
refused 1 'Nearest: ' "$dkvb" forget few.dkvb --class 2 --codes tight.codes --method activations \
    --target 0 --max-retain-drop 0
same few.dkvb few_before.dkvb

# Two requests with given numbers of pairs give the same model in either order, and mask the same pairs as without data.
for order in "0 2" "2 0"; do
    cp m.dkvb turns.dkvb
    for class in $order; do
        check "$dkvb" forget turns.dkvb --class $class --codes m.codes --pairs 30 --max-class-loss 1 >/dev/null
    done
    check "$dkvb" mask export turns.dkvb -o "turns $order.mask" >/dev/null
done
same "turns 0 2.mask" "turns 2 0.mask"
for method in activations contrast; do
    forget known --class 2 --codes m.codes --method $method --pairs 40 --max-class-loss 1 -o x.dkvb --mask-out known.mask
    forget named --class 2 --method $method --pairs 40 -o x.dkvb --mask-out named.mask
    same known.mask named.mask
    claim named.json "d['method'] == '$method' and d['effects'] is None and d['examples'] == 0"
done
forget named --class 2 --pairs 40 -o x.dkvb
claim named.json 'd["method"] == "values"'
check "$dkvb" train --features x.npy --labels y.npy --init-from m.dkvb -o plain.dkvb >/dev/null
check "$dkvb" forget plain.dkvb --class 2 --pairs 40 --json >values.json
claim values.json 'd["method"] == "values" and d["pairs_masked"] == 40'

# Exact forgetting of classes and of rows gives, except for the journal, the bytes of a model that never saw them.
sections() { # prints the sections of MODEL or CODES except those that say what was forgotten
    "$python" - "$1" <<'END'
import sys
data = open(sys.argv[1], "rb").read()
for i in range(int.from_bytes(data[24:28], "little")):
    e = data[64 + 64 * i:128 + 64 * i]
    name, at, size = e[:16].rstrip(b"\0"), int.from_bytes(e[24:32], "little"), int.from_bytes(e[32:40], "little")
    if name not in (b"journal", b"terms", b"evidence", b"removed"):
        sys.stdout.buffer.write(name + data[at:at + size])
END
}
"$python" - <<'END'
import numpy as np
y = np.load("y.npy").astype(np.int64)
np.save("rows.npy", np.array([7, 3, 399, 250, 0]))
few = y.copy()
few[[7, 3, 399, 250, 0]] = -1
np.save("y_few.npy", few)
kept = np.setdiff1d(np.arange(len(y)), [7, 3, 399, 250, 0])
np.save("x_kept.npy", np.load("x.npy")[kept])
np.save("y_kept.npy", y[kept])
np.save("ids_kept.npy", kept)
END
forget exact --rows rows.npy --codes m.codes --strength exact --codes-out few.codes -o exact.dkvb
claim exact.json 'd["method"] == "replay" and d["examples"] == 5 and d["pairs_masked"] == 0 and d["keys_placed_again"] is False'
train_small never.dkvb --key-features test_x.npy --codes-out never.codes --hold-out 0.25 --keep-counts --labels y_few.npy
sections exact.dkvb >exact.bytes
sections never.dkvb >never.few.bytes
same exact.bytes never.few.bytes
train_small never.dkvb --key-features test_x.npy --codes-out never.codes --hold-out 0.25 --keep-counts \
    --features x_kept.npy --labels y_kept.npy --ids ids_kept.npy
sections never.dkvb >never.bytes
same exact.bytes never.bytes
sections few.codes >few.bytes
sections never.codes >never.few_codes.bytes
same few.bytes never.few_codes.bytes
check "$dkvb" verify exact.dkvb >/dev/null
check "$dkvb" masks exact.dkvb --json >journal.json
claim journal.json 'd["journal"][0]["what"] == "replay" and d["journal"][0]["strength"] == "exact"'
claim journal.json 'd["journal"][0]["classes"] is None and d["journal"][0]["effects"] and d["journal"][0]["rows"] == 5'
claim journal.json 'd["journal"][0]["keys"] == "kept" and d["journal"][0]["after"] is None and d["journal"][0]["budget"] is None'

# The forgotten rows are no longer in the codes file, and a second request for them says so.
refused 1 'few.codes and exact.dkvb: row 0 asks for id 7, the codes have no such row' "$dkvb" forget exact.dkvb --rows rows.npy --codes few.codes \
    --strength exact

# Exact forgetting undoes an earlier masking of the same rows, but not a masking of other rows.
cp m.dkvb both.dkvb
cp m.codes both.codes
check "$dkvb" forget both.dkvb --class 0 --codes both.codes --pairs 20 --max-class-loss 1 >/dev/null
check "$dkvb" forget both.dkvb --rows rows.npy --codes both.codes --pairs 60 --force >/dev/null
check "$dkvb" forget both.dkvb --rows rows.npy --codes both.codes --strength exact --json >both.json
claim both.json 'd["lifted"] == 1'
check "$dkvb" masks both.dkvb --json >journal.json
claim journal.json '[e["what"] + " " + e["state"] for e in d["journal"]] == ["forget active", "forget undone", "undo done", "replay done"]'
claim journal.json 'd["masked_pairs"] == 20'
same both.codes few.codes

# If keys were placed on the forgotten rows, exact forgetting places the keys again, or keeps them on request.
train_small own.dkvb --codes-out own.codes --hold-out 0.25
refused 1 'the keys were placed on rows that are to be forgotten too' "$dkvb" forget own.dkvb --rows rows.npy \
    --codes own.codes --strength exact -o x.dkvb --codes-out x.codes
check "$dkvb" forget own.dkvb --rows rows.npy --codes own.codes --strength exact --key-features x.npy -o again.dkvb \
    --codes-out again.codes --json >again.json
claim again.json 'd["keys_placed_again"] and d["entry"] == 1'
train_small never.dkvb --codes-out never.codes --hold-out 0.25 --features x_kept.npy --labels y_kept.npy --ids ids_kept.npy
sections again.dkvb >again.bytes
sections never.dkvb >never.bytes
same again.bytes never.bytes
sections again.codes >again.bytes
sections never.codes >never.bytes
same again.bytes never.bytes
check "$dkvb" forget own.dkvb --rows rows.npy --codes own.codes --strength exact --keep-keys >said.txt
grep -q 'the keys were placed on these rows too, and are as they were' said.txt || fail "$(cat said.txt)"
cmp -s own.codes x.codes && fail 'the codes kept the rows'

# The guard refuses a request for class 1 that also contains rows of class 2, and a request with a limit of 0.
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
np.save("mixed.npy", np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 2)[:40]]))
END
refused 1 'class 2 would lose' "$dkvb" forget m.dkvb --rows mixed.npy --codes m.codes --pairs 60
same m.dkvb before.dkvb
forget mixed --rows mixed.npy --codes m.codes --pairs 60 --dry-run
claim mixed.json 'd["refused"].startswith("class 2 would lose")'
forget forced --rows mixed.npy --codes m.codes --pairs 60 --force -o x.dkvb
refused 1 'more than 0.03 for certain is refused' "$dkvb" forget few.dkvb --class 2 --codes tight.codes --method activations --pairs 4
same few.dkvb few_before.dkvb

# Wrong arguments of `dkvb forget` are refused.
refused 2 '--rows needs --codes' "$dkvb" forget m.dkvb --rows rows.npy
refused 2 '--class or --rows is missing' "$dkvb" forget m.dkvb --codes m.codes
refused 2 'for rows, --strength exact' "$dkvb" forget m.dkvb --codes m.codes --rows rows.npy
refused 2 '--strength exact needs --codes' "$dkvb" forget m.dkvb --class 1 --strength exact
refused 2 '--codes-out is missing' "$dkvb" forget m.dkvb --class 1 --strength exact --codes m.codes -o x.dkvb
refused 2 '--pairs does not go with' "$dkvb" forget m.dkvb --class 1 --codes m.codes --strength exact --pairs 3
refused 2 '--target does not go with' "$dkvb" forget m.dkvb --class 1 --codes m.codes --pairs 3 --target 0.1
refused 2 '--strength suppress: only exact takes it' "$dkvb" forget m.dkvb --class 1 --codes m.codes --keep-keys
check "$dkvb" forget m.dkvb --class 1 --pairs 10 --dry-run >said.txt
grep -q 'was not measured: no rows are held out' said.txt || fail "$(cat said.txt)"
refused 1 'belong to other codebooks' "$dkvb" forget own.dkvb --class 1 --codes m.codes
refused 2 '--hold-out, --depth and --keep need --codes-out' "$dkvb" train --features x.npy --labels y.npy -o x.dkvb --hold-out 0.1
"$python" -c 'import numpy as np; np.save("twice.npy", np.array([4, 9, 4])); np.save("minus.npy", np.array([4, -9]))'
refused 1 'rows 0 and 2 both have id 4' "$dkvb" forget m.dkvb --rows twice.npy --codes m.codes --pairs 5
refused 1 'row 1 has a negative id' "$dkvb" forget m.dkvb --rows minus.npy --codes m.codes --pairs 5

# If the model was written but the codes file was not, the same request brings both to the same state.
cp m.codes behind.codes
check "$dkvb" forget exact.dkvb --rows rows.npy --codes behind.codes --strength exact --json >retried.json
same behind.codes few.codes
sections exact.dkvb >exact.bytes
same exact.bytes never.few.bytes

# The codes file of another model on the same keys is refused, as its labels differ; so are labels beyond the model's
# classes.
"$python" -c 'import numpy as np; y = np.load("y.npy"); np.save("turned.npy", (y + 1) % 4); np.save("more.npy", y + 3)'
check "$dkvb" train --features x.npy --labels turned.npy --init-from m.dkvb -o turned.dkvb --codes-out turned.codes >/dev/null
cp m.dkvb mine.dkvb
check "$dkvb" train --features x.npy --labels y.npy --init-from m.dkvb -o mine.dkvb --codes-out mine.codes >/dev/null
refused 1 'the codes are not what the model was trained on' "$dkvb" forget mine.dkvb --class 1 --codes turned.codes \
    --strength exact
check "$dkvb" train --features x.npy --labels more.npy --empty-classes --init-from m.dkvb -o more.dkvb --codes-out more.codes >/dev/null
refused 1 'the classes of the model are 0 to 3' "$dkvb" forget m.dkvb --class 1 --codes more.codes

# Files that are not codes files are refused, and so are rows on which the model was not trained.
refused 1 'nothere: cannot open' "$dkvb" forget m.dkvb --class 1 --codes nothere
mkfifo pipe
refused 1 'pipe: is not a regular file' "$dkvb" forget m.dkvb --class 1 --codes pipe
train_small shy.dkvb --key-features test_x.npy --codes-out shy.codes --hold-out 0.9999
# Whatever fraction is held out, three rows of each class stay in the training part.
check "$dkvb" forget shy.dkvb --class 1 --codes shy.codes --pairs 5 -o some.dkvb --json >some.json
claim some.json 'd["examples"] == 3'
"$python" -c 'import numpy as np; np.save("held.npy", np.flatnonzero(np.load("y.npy") == 1)[:9])'
refused 1 'all 9 rows to be forgotten are held out' "$dkvb" forget shy.dkvb --rows held.npy --codes shy.codes --pairs 5
check "$dkvb" forget shy.dkvb --class 1 --codes shy.codes --strength exact >/dev/null
