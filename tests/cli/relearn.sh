#!/bin/sh
# Test that continued training refuses forgotten rows and classes, unless --relearn is given; then the journal records
# it.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy").astype(np.int64)
np.save("others_y.npy", np.where(y == 1, -1, y))
np.save("ids.npy", np.arange(1000, 1400))
np.save("gone.npy", np.array([1003, 1007, 1399]))
np.save("back_x.npy", x[[3, 7, 399]])
np.save("back_y.npy", y[[3, 7, 399]])
np.save("new_x.npy", x[:5] + 1)
np.save("new_y.npy", y[:5])
END
printf 'cat\ndog\nowl\nfox\n' >names.txt
train_small m.dkvb --class-names names.txt --codes-out m.codes --ids ids.npy --key-features test_x.npy

# Training on a forgotten class is refused, and the error names the row, the class, the journal entry, and what to do.
# No file changes.
check "$dkvb" forget m.dkvb --class dog --codes m.codes -o dog.dkvb --force >/dev/null
cp dog.dkvb before.dkvb
refused 1 'is of class 1 (dog), which journal entry 1 forgot' "$dkvb" train --continue dog.dkvb --features x.npy --labels y.npy --json
same dog.dkvb before.dkvb
check "$dkvb" train --continue dog.dkvb --features x.npy --labels others_y.npy --json >others.json
claim others.json 'd["relearned"] == []'
refused 2 '--relearn needs --continue' "$dkvb" train --features x.npy --labels y.npy -o x.dkvb --relearn

# With --relearn the forgotten class is trained on, and every output says that its forget operation has ended.
check "$dkvb" train --continue dog.dkvb --features x.npy --labels y.npy --relearn >said.txt
grep -qx 'journal entry 1 is over: what it forgot was taught again' said.txt || fail "$(cat said.txt)"
check "$dkvb" masks dog.dkvb --json >journal.json
claim journal.json '[(e["what"], e["state"], e["ends"]) for e in d["journal"]] == [("forget", "relearned", None), ("relearn", "done", 1)]'
claim journal.json '[e["in_force"] for e in d["journal"]] == [False, False]'
claim journal.json 'd["journal"][1]["classes"] == [{"label": 1, "name": "dog"}] and d["masked_pairs"] > 0'
"$dkvb" masks dog.dkvb >masks.txt
grep -q 'relearn 1  done' masks.txt || fail "$(cat masks.txt)"
grep -qx "       taught again: 1 'dog'" masks.txt || fail "$(cat masks.txt)"
check "$dkvb" verify dog.dkvb >verify.txt
grep -qx 'entry 1 is over: what it forgot was taught again' verify.txt || fail "$(cat verify.txt)"
check "$dkvb" verify dog.dkvb --json >verify.json
claim verify.json 'd["relearned"] == [1] and d["unchecked"] == []'
check "$dkvb" train --continue dog.dkvb --features x.npy --labels y.npy --json >again.json
claim again.json 'd["relearned"] == []'
check "$dkvb" forget dog.dkvb --class dog --codes m.codes --force >/dev/null # once more
refused 1 'which journal entry 3 forgot' "$dkvb" train --continue dog.dkvb --features x.npy --labels y.npy --json
check "$dkvb" undo dog.dkvb 1 >/dev/null # its pairs come back, but for those of entry 3

# Training on a class that was forgotten exactly, or purged, is refused as well.
cp m.dkvb exact.dkvb
cp m.codes exact.codes
check "$dkvb" forget exact.dkvb --class dog --codes exact.codes --strength exact --force >/dev/null
refused 1 'which journal entry 1 forgot' "$dkvb" train --continue exact.dkvb --features x.npy --labels y.npy --json
cp before.dkvb purged.dkvb
check "$dkvb" purge purged.dkvb >/dev/null
check "$dkvb" masks purged.dkvb --json >journal.json
claim journal.json '[(e["what"], e["in_force"]) for e in d["journal"]] == [("forget", True), ("purge", False)]'
refused 1 'which journal entry 1 forgot' "$dkvb" train --continue purged.dkvb --features x.npy --labels y.npy --json
check "$dkvb" train --continue purged.dkvb --features x.npy --labels y.npy --relearn --json >purged.json
claim purged.json 'd["relearned"] == [1]'

# Training on removed rows is refused, as the codes file knows the ids of removed rows.
cp m.dkvb rows.dkvb
cp m.codes rows.codes
check "$dkvb" forget rows.dkvb --rows gone.npy --codes rows.codes --strength exact >/dev/null
back="--features back_x.npy --labels back_y.npy --ids gone.npy"
cp rows.dkvb rows_before.dkvb
cp rows.codes rows_before.codes
# shellcheck disable=SC2086 # $back is unquoted, as it holds several arguments
{
    refused 1 'has id 1003, a row that was removed from these codes' "$dkvb" train --continue rows.dkvb $back \
        --codes-out rows.codes --json
    same rows.dkvb rows_before.dkvb
    same rows.codes rows_before.codes
    check "$dkvb" train --continue rows.dkvb $back --codes-out rows.codes --relearn --json >back.json
    claim back.json 'd["relearned"] == [1]'
}
check "$dkvb" verify rows.dkvb --json >verify.json
claim verify.json 'd["relearned"] == [1]'
cmp -s rows.codes rows_before.codes && fail 'the rows did not come back'

# Removed rows are also refused if the keys were placed again without them.
train_small own.dkvb --codes-out own.codes --ids ids.npy
check "$dkvb" forget own.dkvb --rows gone.npy --codes own.codes --strength exact --key-features x.npy --ids ids.npy >/dev/null
# shellcheck disable=SC2086 # $back is unquoted, as it holds several arguments
refused 1 'has id 1003, a row that was removed from these codes' "$dkvb" train --continue own.dkvb $back --codes-out own.codes \
    --json

# New rows never get the ids of removed rows, not even that of the last row.
cp rows_before.dkvb new.dkvb
cp rows_before.codes new.codes
check "$dkvb" train --continue new.dkvb --features new_x.npy --labels new_y.npy --codes-out new.codes --json >new.json
claim new.json 'd["relearned"] == [] and d["n"] == 5'

# If the tool cannot check whether rows were forgotten (without the codes file, or after a purge of the salt), it prints
# a note.
check "$dkvb" train --continue rows_before.dkvb --features new_x.npy --labels new_y.npy -o x.dkvb 2>note.txt >/dev/null
grep -q 'journal entry 1 forgot 3 rows by their ids; whether they are among these rows is not checked' note.txt ||
    fail "$(cat note.txt)"
check "$dkvb" purge rows_before.dkvb >/dev/null
check "$dkvb" train --continue rows_before.dkvb --features new_x.npy --labels new_y.npy -o x.dkvb 2>note.txt >/dev/null
grep -q 'forgot 3 rows by their ids, and their salt is gone: nobody can check' note.txt || fail "$(cat note.txt)"
check "$dkvb" verify rows_before.dkvb >verify.txt
grep -q '^entry 1 forgot rows by their ids, and their salt is gone: nobody can check' verify.txt || fail "$(cat verify.txt)"
check "$dkvb" verify rows_before.dkvb --json >verify.json
claim verify.json 'd["unchecked"] == [1]'
