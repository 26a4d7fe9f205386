#!/bin/sh
# Test that the tool leaves nothing out silently: the output counts rows without labels, classes without rows, files
# that are no pictures, and folders that are hardly classes.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
np.save("from_one.npy", y + 1)
np.save("gaps.npy", y * 1000)
np.save("ignored.npy", np.where(np.arange(len(y)) % 10 == 0, 255, y).astype("u1"))
np.save("signs.npy", np.where(y > 1, 1, -1))
np.save("some.npy", np.where(np.arange(len(y)) % 10 == 0, -1, y))
np.save("more.npy", y + 4)
np.save("far.npy", y + 9)
END
fit="$dkvb train --features x.npy $small -o new.dkvb"
# shellcheck disable=SC2086 # $fit is unquoted, as it holds several arguments
{
    refused 1 'from_one.npy: labels are 1 to 4: class 0 has no rows; subtract 1 from all labels; --empty-classes' $fit --labels from_one.npy
    refused 1 'gaps.npy: 2997 of 3001 classes have no rows: 1..999, 1001..1999, 2001..2999; number the others' $fit --labels gaps.npy
    refused 1 'ignored.npy: labels are 0 to 3 and 255: classes 4..254 have no rows; if 255 marks rows without a label' $fit \
        --labels ignored.npy
    refused 1 'signs.npy: labels are -1 and 1: -1 says that a row has no label' $fit --labels signs.npy
    [ ! -e new.dkvb ] || fail "a file was left"
    check $fit --labels from_one.npy --empty-classes >said.txt
    grep -q '^note .*1 of 5 classes have no rows: 0$' said.txt || fail "$(cat said.txt)"
    check $fit --labels from_one.npy --empty-classes --json >said.json
    claim said.json 'd["classes"] == 5 and d["classes_without_rows"] == 1 and d["without_rows"] == "0" and d["unlabelled"] == 0'
    check $fit --labels some.npy >said.txt
    grep -q '^note .*40 of 400 rows have no label (-1), and are not learned from$' said.txt || fail "$(cat said.txt)"
    check $fit --labels some.npy --json >said.json
    claim said.json 'd["unlabelled"] == 40 and d["n"] == 400 and d["classes_without_rows"] == 0'
}
check "$dkvb" eval new.dkvb --features x.npy --labels some.npy >said.txt
grep -q '^left out: 40 rows without a label' said.txt || fail "$(cat said.txt)"
check "$dkvb" eval new.dkvb --features x.npy --labels some.npy --json >said.json
claim said.json 'd["unlabelled"] == 40 and d["n"] == 360'

# A single huge number, or a column in another unit, makes all rows look alike; the tool reports either.
"$python" - <<'END'
import numpy as np
x = np.load("x.npy")
x[11, 3] = 3e38
np.save("huge.npy", x)
x[11, 3] = 0
x[:, 5] = 1.7e9
np.save("column.npy", x)
END
# shellcheck disable=SC2086 # $small is unquoted, as it holds several arguments
{
    check "$dkvb" train --features huge.npy --labels y.npy $small -o huge.dkvb --json >said.json 2>said.txt
    claim said.json 'd["outlying_values"] == 1'
    grep -q '^dkvb: huge.npy: 1 values are over 1000 times as large as all others.*: row 11, column 3 is 3e+38' said.txt ||
        fail "$(cat said.txt)"
    check "$dkvb" train --features column.npy --labels y.npy $small -o huge.dkvb --json >said.json 2>said.txt
    claim said.json 'd["outlying_values"] == 400'
    check "$dkvb" train --features x.npy --labels y.npy $small -o huge.dkvb --json >said.json 2>said.txt
    claim said.json 'd["outlying_values"] == 0'
    [ ! -s said.txt ] || fail "$(cat said.txt)"
}

# All rows of a class with one or two rows are trained on, and none is held out; the output says so, and what that means
# for forgetting the class.
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
y[5], y[[7, 9]] = 4, 5
np.save("few.npy", y)
END
# shellcheck disable=SC2086 # $small is unquoted, as it holds several arguments
{
    check "$dkvb" train --features x.npy --labels few.npy $small -o few.dkvb --codes-out few.codes >said.txt
    grep -q '^note .*2 of 6 classes are too small to hold rows out, so forgetting them cannot be measured: 4..5$' said.txt ||
        fail "$(cat said.txt)"
    check "$dkvb" train --features x.npy --labels few.npy $small -o few.dkvb --codes-out few.codes --json >said.json
    claim said.json 'd["classes_not_held_out"] == 2 and d["not_held_out"] == "4..5" and d["unlearnable"] == 0'
}
refused 1 'only 0 of 0 held-out rows of what is to be forgotten are answered rightly now' "$dkvb" forget few.dkvb --class 4 \
    --codes few.codes -o no.dkvb
grep -q 'hold out more rows in training, give the number of pairs, or train again' refused.err || fail "$(cat refused.err)"
"$python" -c 'import numpy as np; np.save("one_y.npy", np.zeros(400, int))'
# shellcheck disable=SC2086 # $small is unquoted, as it holds several arguments
check "$dkvb" train --features x.npy --labels one_y.npy $small -o one.dkvb --codes-out one.codes >/dev/null
refused 1 'no other class has held-out rows, so what pairs cost the others cannot be measured: give the number' "$dkvb" forget one.dkvb \
    --class 0 --codes one.codes -o no.dkvb

# In continued training the model's classes need no new rows, but new classes must have rows.
check "$dkvb" train --continue new.dkvb --features x.npy --labels more.npy -o went.dkvb --json >said.json
claim said.json 'd["classes"] == 8'
refused 1 'far.npy: 5 of 13 classes have no rows: 4..8' "$dkvb" train --continue new.dkvb --features x.npy --labels far.npy -o no.dkvb --json

# Rows far outside the range of the training rows are predicted, with a note.
"$python" - <<'END'
import numpy as np
u = np.clip(np.load("x.npy") * 20 + 128, 0, 255)
np.save("bytes.npy", u.astype("u1"))
np.save("shares.npy", (u / 255).astype("f4"))
END
check "$dkvb" train --features bytes.npy --labels y.npy --codebooks 8 --keys 32 -o bytes.dkvb >/dev/null
check "$dkvb" eval bytes.dkvb --features bytes.npy --labels y.npy --json >said.json 2>said.txt
claim said.json 'd["rows_outside_scale"] == 0'
[ ! -s said.txt ] || fail "$(cat said.txt)"
check "$dkvb" eval bytes.dkvb --features shares.npy --labels y.npy --json >said.json 2>said.txt
claim said.json 'd["rows_outside_scale"] == 400'
grep -q '^dkvb: shares.npy: ' said.txt || fail "$(cat said.txt)"

# A model from which every class was purged abstains on all rows.
check "$dkvb" train --features x.npy --labels y.npy --codebooks 8 --keys 32 -o all.dkvb --codes-out all.codes >/dev/null
check "$dkvb" forget all.dkvb --class 0,1,2,3 --codes all.codes --strength exact --keep-keys >/dev/null
check "$dkvb" predict all.dkvb --features test_x.npy --json >said.json
claim said.json 'd["abstained"] == d["n"] == 100'

# The output counts files that are no pictures by their endings, and names folders without pictures, folders that are
# parts of a data set (such as train), and a folder that contains all class folders.
check "$python" "$here/make_data.py" . pictures
if "$dkvb" encode --input train -o e.npy --json >e.json 2>/dev/null; then
    claim e.json 'd["ignored"] == 0 and d["ignored_endings"] == {} and d["nested"] == "deeper"'
    mkdir -p data wrap messy
    mv test data/val
    cp -R train data/train
    cp -R data/val wrap/export
    cp -R data/val/across data/val/down messy
    mkdir messy/__MACOSX messy/__MACOSX/across
    echo x >messy/notes.TXT
    echo x >messy/down/list.txt
    echo x >messy/down/README
    echo x >messy/across/old.gif
    check "$dkvb" train --images messy --codebooks 4 --keys 8 -o messy.dkvb >said.txt
    grep -q '^left out: 4 files that are no pictures by their names: 2 .txt, 1 without an ending, 1 .gif$' said.txt || fail "$(cat said.txt)"
    check "$dkvb" train --images messy --codebooks 4 --keys 8 -o messy.dkvb --json >said.json
    claim said.json 'd["ignored"] == 4 and d["ignored_endings"] == {".txt": 2, "": 1, ".gif": 1} and d["nested"] is None'
    mkdir messy/yak
    refused 1 "1 of 3 classes have no rows: 2" "$dkvb" train --images messy --codebooks 4 --keys 8 -o no.dkvb
    grep -q "'yak' is class 2" refused.err || fail "$(cat refused.err)"
    check "$dkvb" train --images data --codebooks 4 --keys 8 -o parts.dkvb --json >said.json 2>said.txt
    claim said.json 'd["nested"] == "parts"'
    grep -q '^dkvb: data: train, val, test or the like are taken for classes' said.txt || fail "$(cat said.txt)"
    check "$dkvb" train --images wrap --codebooks 4 --keys 8 -o wrap.dkvb >one.txt 2>said.txt
    grep -q '^dkvb: wrap: its only class holds folders, no pictures; give wrap/export' said.txt || fail "$(cat said.txt)"
    grep -q '^note .*all rows are of one class' one.txt || fail "$(cat one.txt)"
    refused 1 "class 'train': messy.dkvb has no class of this name; it holds folders only: are those the classes?" \
        "$dkvb" eval messy.dkvb --images data
fi
[ ! -e no.dkvb ] || fail "a file was left"
