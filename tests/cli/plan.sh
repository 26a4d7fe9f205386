#!/bin/sh
# Test of plans that are saved, shown and applied later, and of files with many requests to forget.
. "$(dirname "$0")/common.sh"
SOURCE_DATE_EPOCH=1700000000
export SOURCE_DATE_EPOCH
make_data
"$python" -c 'import numpy as np; np.save("rows.npy", np.array([7, 3, 250]))'
train_small first.dkvb --codes-out first.codes --hold-out 0.25
check "$dkvb" rename first.dkvb 1 anna >/dev/null
limits='--max-class-loss 1 --max-retain-drop 1'
suppress="--class anna --codes first.codes --salt $salt $limits --reason letter"

# Making a plan changes no model. A plan file can be shown without the model, and with the model it is shown with class
# names. Applying a plan later gives the same bytes as forgetting at once.
cp first.dkvb before.dkvb
# shellcheck disable=SC2086 # unquoted variables hold several arguments
check "$dkvb" forget first.dkvb $suppress --plan-out p.plan >out
grep -q "wrote p.plan" out || fail "$(cat out)"
same first.dkvb before.dkvb
check "$dkvb" apply p.plan >out
grep -q '^classes 1$' out && grep -q 'would suppress' out || fail "$(cat out)"
check "$dkvb" apply p.plan first.dkvb --dry-run >out
grep -q "^classes 1 'anna'$" out || fail "$(cat out)"
same first.dkvb before.dkvb
check "$dkvb" apply p.plan first.dkvb -o later.dkvb >out
same first.dkvb before.dkvb
# shellcheck disable=SC2086
check "$dkvb" forget first.dkvb $suppress -o at-once.dkvb >/dev/null
same later.dkvb at-once.dkvb

# `dkvb apply` refuses a plan for a model that has changed, and a file that is not a plan.
refused 1 'journal is not what it was when this was planned: 1 entries were added' "$dkvb" apply p.plan later.dkvb
same later.dkvb at-once.dkvb
train_small other.dkvb --seed 5
refused 1 'it is of another model' "$dkvb" apply p.plan other.dkvb
refused 1 'is a model, a plan' "$dkvb" apply first.dkvb first.dkvb
refused 2 '--codes does not go with a plan of the strength suppress' "$dkvb" apply p.plan first.dkvb --codes first.codes
refused 2 "--plan-out: 'dkvb apply' takes it" "$dkvb" forget first.dkvb --class 1 --codes first.codes \
    --plan-out q.plan -o out.dkvb
refused 2 'are the same file' "$dkvb" forget first.dkvb --class 1 --codes first.codes --plan-out first.dkvb
refused 2 'are the same file' "$dkvb" forget first.dkvb --class 1 --codes first.codes --plan-out first.codes

# A refused plan can be written and shown, but cannot be applied.
# shellcheck disable=SC2086
check "$dkvb" forget first.dkvb --class anna --codes first.codes --max-class-loss 1 --max-retain-drop 0 --target 0 \
    --method activations --plan-out refused.plan --json >out
if [ "$(json out 'd["refused"] is None')" = False ]; then
    refused 1 'nothing was changed' "$dkvb" apply refused.plan first.dkvb
fi

# A plan file may be read by no more users than the model file.
cp first.dkvb private.dkvb
chmod 600 private.dkvb
# shellcheck disable=SC2086
check "$dkvb" forget private.dkvb $suppress --plan-out private.plan >/dev/null
[ "$(stat -c %a private.plan)" = 600 ] || fail "mode $(stat -c %a private.plan)"

# Applying a plan of strength exact also gives the codes file of forgetting at once, except for the salt of removed
# rows.
cp first.dkvb m.dkvb
cp first.codes m.codes
exact="--rows rows.npy --strength exact --keep-keys --force --salt $salt"
# shellcheck disable=SC2086
check "$dkvb" forget m.dkvb --codes m.codes $exact --plan-out e.plan >/dev/null
same m.codes first.codes
refused 2 'codes is missing' "$dkvb" apply e.plan m.dkvb
check "$dkvb" apply e.plan m.dkvb --codes m.codes --json >out
claim out 'd["strength"] == "exact" and d["entry"] == 1 and d["examples"] == 3 and not d["dry_run"]'
cp first.dkvb n.dkvb
cp first.codes n.codes
# shellcheck disable=SC2086
check "$dkvb" forget n.dkvb --codes n.codes $exact >/dev/null
same m.dkvb n.dkvb
refused 1 'applied already, to the model and to the codes' "$dkvb" apply e.plan m.dkvb --codes m.codes
refused 1 'codes are not what they were' "$dkvb" apply e.plan first.dkvb --codes m.codes

# A file of requests makes one plan with a journal entry for each request. On a restored backup the file gives the same
# mask again; on a model that has forgotten all of them it changes nothing.
printf '# spring\n\nclass anna\tletter 7\nclass 2,3\nids 7,3,250\tletter 8\r\n' >requests
cp first.dkvb done.dkvb
many="--codes first.codes --requests requests --pairs 30 --force --salt $salt --reason spring"
# shellcheck disable=SC2086
check "$dkvb" forget done.dkvb $many --json >out
claim out '[r["line"] for r in d["requests"]] == [3, 4, 5] and [r["entry"] for r in d["requests"]] == [1, 2, 3]'
claim out 'd["requests"][0]["classes"][0]["name"] == "anna" and d["forgotten_already"] == 0 and d["entry"] == 1'
check "$dkvb" masks done.dkvb --json >out
claim out '[e["reason"] for e in d["journal"]] == ["letter 7", "spring", "letter 8"]'
cp done.dkvb once.dkvb
# shellcheck disable=SC2086
check "$dkvb" forget done.dkvb $many >out
same done.dkvb once.dkvb
grep -q "^line 3: classes 1 'anna', forgotten already (entry 1)$" out || fail "$(cat out)"
grep -q '^all 3 requests were forgotten already; nothing was changed$' out || fail "$(cat out)"
cp first.dkvb restored.dkvb
# shellcheck disable=SC2086
check "$dkvb" forget restored.dkvb $many >/dev/null
same restored.dkvb once.dkvb
check "$dkvb" undo done.dkvb 2 >/dev/null
# shellcheck disable=SC2086
check "$dkvb" forget done.dkvb $many >out
grep -q '^line 4: classes 2, 3, entry 5$' out || fail "$(cat out)"
check "$dkvb" mask export done.dkvb -o done.mask >/dev/null
check "$dkvb" mask export once.dkvb -o once.mask >/dev/null
same done.mask once.mask

# For a file of requests with strength exact, the values are trained only once.
cp first.dkvb m.dkvb
cp first.codes m.codes
check "$dkvb" forget m.dkvb --codes m.codes --requests requests --strength exact --keep-keys --force >out
check "$dkvb" masks m.dkvb --json >out
claim out '[e["what"] for e in d["journal"]] == ["replay"] * 3 and [e["rows"] for e in d["journal"]][2] == 3'
cp m.dkvb once.dkvb
cp m.codes once.codes
check "$dkvb" forget m.dkvb --codes m.codes --requests requests --strength exact --keep-keys --force >out
same m.dkvb once.dkvb
same m.codes once.codes
grep -q 'line 5: 3 rows, forgotten already (entry 3)' out || fail "$(cat out)"

# If a file of requests has an invalid line, the error names the file and the line, and nothing is changed.
hostile() {
    # shellcheck disable=SC2059 # the format of printf is a variable, as it has line ends and tabs
    printf "$1" >bad
    refused 1 "$2" "$dkvb" forget first.dkvb --codes first.codes --requests bad --pairs 3
    same first.dkvb before.dkvb
}
hostile 'class 1\nclass nobody\n' "bad: requests: line 2: class 'nobody'"
hostile 'class 1\nids 3\nrow 4\n' "bad: requests: line 3: 'row 4' found"
hostile 'ids 3,4,3\n' 'bad: requests: line 1: id 3 is named by line 1 already'
hostile 'ids 99999999999999999999\n' 'bad: requests: line 1:'
hostile 'ids 100000\n' 'bad: requests: line 1: row 0 asks for id 100000'
hostile '' 'bad: requests: no line names anybody'
hostile 'class 1\000\n' 'bad: holds a zero byte'
refused 1 'nothing-here: cannot be opened' "$dkvb" forget first.dkvb --codes first.codes --requests nothing-here
refused 2 'the file says who is to be forgotten' "$dkvb" forget first.dkvb --codes first.codes --requests bad --class 1
