#!/bin/sh
# Test of class names in the tool: a name takes precedence over a label, names are compared by Unicode equivalence, and
# the output says which class was meant.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
np.save("twelve.npy", np.arange(len(y)) % 12)
END
"$python" -c 'print("\n".join(sorted(map(str, range(12)))))' >numbers.txt
printf 'K\303\244fer\nHund\na,b\n\352\260\201\n' >composed.txt
printf 'Ka\314\210fer\nHund\na,b\n\341\204\200\341\205\241\341\206\250\n' >decomposed.txt
printf 'K\303\244fer\nKa\314\210fer\nx\ny\n' >twice.txt
printf 'a\nb\na,b\nd\n' >comma.txt
check "$dkvb" train --features x.npy --labels twelve.npy --class-names numbers.txt $small -o n.dkvb >/dev/null

# The class with the name "2" has another label than 2.
check "$dkvb" forget n.dkvb --class 2 --pairs 9 -o f.dkvb >said.txt
grep -q "^classes 4 '2'\$" said.txt || fail "$(cat said.txt)"
check "$dkvb" forget n.dkvb --class '#2' --pairs 9 -o g.dkvb --json >said.json
claim said.json 'd["classes"] == [{"label": 2, "name": "10"}]'
check "$dkvb" forget n.dkvb --class 10,11 --pairs 9 -o h.dkvb --json >said.json
claim said.json 'd["classes"] == [{"label": 2, "name": "10"}, {"label": 3, "name": "11"}]'
check "$dkvb" masks h.dkvb --json >said.json
claim said.json 'd["journal"][0]["classes"] == [{"label": 2, "name": "10"}, {"label": 3, "name": "11"}]'
check "$dkvb" masks h.dkvb >said.txt
grep -q "asked for: 2 '10', 3 '11'" said.txt || fail "$(cat said.txt)"
refused 1 "class '12': the model has no such name, and its classes are 0 to 11" "$dkvb" forget n.dkvb --class 12 --pairs 9 -o no.dkvb

# A class name can be given in another Unicode spelling.
train_small c.dkvb --class-names composed.txt
check "$dkvb" forget c.dkvb --class "$(printf 'Ka\314\210fer')" --pairs 9 -o f.dkvb --json >said.json
claim said.json '[c["label"] for c in d["classes"]] == [0]'
check "$dkvb" forget c.dkvb --class "$(printf '\341\204\200\341\205\241\341\206\250')" --pairs 9 -o f.dkvb --json >said.json
claim said.json '[c["label"] for c in d["classes"]] == [3]'
check "$dkvb" train --continue c.dkvb --features x.npy --labels y.npy --class-names decomposed.txt -o d.dkvb --json >/dev/null
refused 1 "twice.txt: line 2: class name: class 0 is called" "$dkvb" train --features x.npy --labels y.npy --class-names twice.txt -o no.dkvb

printf 'a\000\n\000' >wide.txt
refused 1 'wide.txt: line 1 holds a zero byte, as UTF-16 does; the names must be saved as UTF-8' "$dkvb" train --features x.npy \
    --labels y.npy --class-names wide.txt -o no.dkvb

# A class name with a comma could also be a list of classes.
check "$dkvb" forget c.dkvb --class a,b --pairs 9 -o f.dkvb --json >said.json
claim said.json '[c["label"] for c in d["classes"]] == [2]'
train_small l.dkvb --class-names comma.txt
refused 1 "class 'a,b': is a name, and a list of classes as well" "$dkvb" forget l.dkvb --class a,b --pairs 9 -o no.dkvb
[ ! -e no.dkvb ] || fail "a file was left"

# Folders of pictures match class names in either Unicode spelling.
check "$python" "$here/make_data.py" . pictures
if "$dkvb" encode --input train -o e.npy >/dev/null 2>&1; then
    mv train/down "train/$(printf 'K\303\244fer')"
    mv test/down "test/$(printf 'Ka\314\210fer')"
    check "$dkvb" train --images train --codebooks 4 --keys 8 -o p.dkvb >/dev/null
    check "$dkvb" eval p.dkvb --images test --json >said.json
    claim said.json 'd["n"] == 18'
fi

# The name of a forgotten class stays in the model, with a note, until it is removed.
train_small own.dkvb --key-features test_x.npy --codes-out own.codes --hold-out 0.25
"$dkvb" rename own.dkvb 1 bob >said.txt || fail 'rename failed'
grep -q "class 1 is called 'bob'" said.txt || fail "$(cat said.txt)"
refused 1 'has no such name' "$dkvb" rename own.dkvb nobody x
cp own.dkvb kept.dkvb
cp own.codes kept.codes
check "$dkvb" forget kept.dkvb --class bob --codes kept.codes --strength exact --force >said.txt
grep -q 'the names of the classes stay in the model' said.txt || fail "$(cat said.txt)"
grep -qa bob kept.dkvb || fail 'the name is gone'
check "$dkvb" purge kept.dkvb --drop-name --json >said.json
claim said.json 'd["names_dropped"] == 1'
grep -qa bob kept.dkvb && fail 'the name is still in the file'
check "$dkvb" forget own.dkvb --class bob --codes own.codes --strength exact --force --drop-name --json >said.json
claim said.json 'd["names_dropped"] == 1'
grep -qa bob own.dkvb && fail 'the name is still in the file'
check "$dkvb" rename kept.dkvb 0 zoe >/dev/null
check "$dkvb" rename kept.dkvb zoe --json >said.json
claim said.json 'd["label"] == 0 and d["name"] is None'
