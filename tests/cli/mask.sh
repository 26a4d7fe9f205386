#!/bin/sh
# Test of mask files: masks behave as sets, and can be used on other models with the same codebooks, but on no others.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
check "$dkvb" train --init-from m.dkvb --features test_x.npy --labels test_y.npy -o sister.dkvb >/dev/null
train_small other.dkvb --seed 9
ask() { # MASK CLASS PAIRS [MODEL]: the pairs that a request for a class masks
    check "$dkvb" forget "${4:-m.dkvb}" -o asked.dkvb --method activations --pairs "$3" --features x.npy --labels y.npy \
        --class "$2" --mask-out "$1" >/dev/null
}
ask a.mask 0 60
ask b.mask 1 70
ask c.mask 2 20
ask other.mask 0 60 other.dkvb
mask() { # the tool says what it did, and never claims more than a mask does
    check "$dkvb" mask "$@" >said.txt
    if grep -qiE 'erase|delete' said.txt; then fail "$(cat said.txt)"; fi
}
pairs() {
    "$dkvb" mask info "$1" --json >info.json
    json info.json 'd["pairs"]'
}

# Set operations.
mask union a.mask b.mask -o ab.mask
grep -q '^wrote ab.mask: ' said.txt || fail "$(cat said.txt)"
grep -q 'a mask is itself a trace: ' said.txt || fail "no warning: $(cat said.txt)"
mask union b.mask a.mask -o ba.mask
same ab.mask ba.mask
mask union a.mask b.mask c.mask -o abc.mask
mask union c.mask ab.mask a.mask b.mask -o cab.mask
same abc.mask cab.mask
mask intersection a.mask b.mask -o both.mask
[ "$(pairs ab.mask)" -eq $(($(pairs a.mask) + $(pairs b.mask) - $(pairs both.mask))) ] || fail "a + b is not a + b"
[ "$(pairs both.mask)" -gt 0 ] || fail "no pair in common: nothing was tested"
mask difference a.mask a.mask -o empty.mask
[ "$(pairs empty.mask)" -eq 0 ] || fail "a less a is not empty"
mask difference abc.mask b.mask c.mask -o rest.mask
mask difference a.mask b.mask -o only.mask
mask difference only.mask c.mask -o only_a.mask
same rest.mask only_a.mask
mask union rest.mask b.mask c.mask -o again.mask
same abc.mask again.mask
set --
for _ in 1 2 3 4 5 6 7 8; do set -- "$@" a.mask b.mask a.mask b.mask; done
set -- "$@" "$@"
set -- "$@" "$@"
set -- "$@" "$@"
mask union "$@" -o many.mask # 256
same ab.mask many.mask
refused 2 "unexpected 'c.mask'" "$dkvb" mask union "$@" c.mask -o many.mask

# `dkvb mask info` prints the properties of a mask.
mask info a.mask
"$dkvb" inspect m.dkvb --json >model.json
check "$dkvb" mask info a.mask --json >info.json
claim info.json "d['birth'] == '$(json model.json 'd["birth"]')' and d['pairs'] == 60 and d['pairs_total'] == 256"
claim info.json 'd["codebooks"] == 8 and d["keys"] == 32 and d["output"] is None'
grep -q "^birth      $(json model.json 'd["birth"]')\$" said.txt || fail "$(cat said.txt)"
grep -q '^pairs      60 of 256$' said.txt || fail "$(cat said.txt)"

# A mask can be imported into several models: it is then in force there, and can be undone.
SOURCE_DATE_EPOCH=0
export SOURCE_DATE_EPOCH
check "$dkvb" forget m.dkvb -o by_forget.dkvb --mask a.mask --reason 'request 17' --salt $salt >/dev/null
mask import m.dkvb a.mask -o by_import.dkvb --reason 'request 17' --salt $salt
grep -q '^suppressed 60 of 256 pairs by mask' said.txt || fail "$(cat said.txt)"
same by_forget.dkvb by_import.dkvb
cp m.dkvb in_place.dkvb
check "$dkvb" mask import in_place.dkvb a.mask --reason 'request 17' --salt $salt --json >import.json
claim import.json 'd["pairs_masked"] == d["pairs_requested"] == 60 and d["entry"] == 1'
same by_forget.dkvb in_place.dkvb
mask import sister.dkvb a.mask -o one.dkvb
mask import one.dkvb b.mask -o first.dkvb
mask import sister.dkvb b.mask -o one.dkvb
mask import one.dkvb a.mask -o second.dkvb
mask export first.dkvb -o first.mask
grep -q 'a mask is itself a trace: ' said.txt || fail "no warning: $(cat said.txt)"
mask export second.dkvb -o second.mask
same first.mask ab.mask
same second.mask ab.mask
mask export second.dkvb -o entry.mask --entry 1
same entry.mask b.mask
check "$dkvb" mask export second.dkvb -o entry.mask --entry 2 --json >export.json
claim export.json 'd["pairs"] == 60 and d["output"] == "entry.mask"'
same entry.mask a.mask
check "$dkvb" undo second.dkvb 2 >/dev/null
mask export second.dkvb -o undone.mask
same undone.mask b.mask
refused 1 'second.dkvb: ' "$dkvb" mask export second.dkvb -o entry.mask --entry 2
same entry.mask a.mask
check "$dkvb" purge second.dkvb >/dev/null
mask export second.dkvb -o purged.mask # purged pairs are out as well
same purged.mask b.mask
mask import second.dkvb a.mask # and the codebooks are known after a purge

# For a mask of other codebooks, the error names both files and both birth ids, and nothing is written.
start() {
    "$dkvb" mask info "$1" --json >info.json
    json info.json 'd["birth"][:8]'
}
found="birth id $(start other.mask)... (8 x 32 pairs) found, it must be $(start a.mask)... (8 x 32)"
cp m.dkvb kept.dkvb
for work in union intersection difference; do
    refused 1 "other.mask and a.mask: masks of different codebooks do not mix: $found" \
        "$dkvb" mask $work a.mask b.mask other.mask -o none.mask
done
refused 1 "other.mask and m.dkvb: the mask belongs to other codebooks: $found" "$dkvb" mask import m.dkvb other.mask
refused 1 "other.mask and m.dkvb: the mask belongs to other codebooks: $found" "$dkvb" forget m.dkvb --mask other.mask
same m.dkvb kept.dkvb

# An output file may not replace an input file.
ln -s a.mask link.mask
cp a.mask kept.mask
refused 2 '--output and a mask are the same file' "$dkvb" mask union a.mask b.mask -o ./a.mask
refused 2 '--output and a mask are the same file' "$dkvb" mask difference b.mask link.mask -o a.mask
refused 2 '--output and MODEL are the same file' "$dkvb" mask export m.dkvb -o ./m.dkvb
refused 2 '--output and FILE are the same file' "$dkvb" mask import m.dkvb a.mask -o link.mask
refused 2 'MODEL and FILE are the same file' "$dkvb" mask import m.dkvb m.dkvb
refused 1 'none/out.mask: cannot be written' "$dkvb" mask union a.mask b.mask -o none/out.mask
same a.mask kept.mask
same m.dkvb kept.dkvb

# Wrong arguments, and files that are not masks, are refused.
refused 2 'must be export, import, union, intersection, difference or info' "$dkvb" mask merge a.mask b.mask -o none.mask
refused 2 'union: 1 operands given, it takes 2 or more' "$dkvb" mask union a.mask -o none.mask
refused 2 'import: 1 operands given, it takes 2' "$dkvb" mask import m.dkvb
refused 2 'info: 2 operands given, it takes 1' "$dkvb" mask info a.mask b.mask
refused 2 'union: --output is missing' "$dkvb" mask union a.mask b.mask
refused 2 'export: --output is missing' "$dkvb" mask export m.dkvb
refused 2 '--output does not go with mask info' "$dkvb" mask info a.mask -o none.mask
refused 2 '--entry does not go with mask import' "$dkvb" mask import m.dkvb a.mask --entry 1
refused 2 '--reason does not go with mask union' "$dkvb" mask union a.mask b.mask -o none.mask --reason x
refused 2 '--salt does not go with mask export' "$dkvb" mask export m.dkvb -o none.mask --salt $salt
refused 2 '--salt must be 64 hexadecimal digits' "$dkvb" mask import m.dkvb a.mask --salt 12
refused 1 'reason: ' "$dkvb" mask import m.dkvb a.mask --reason "$(printf 'a\tb')"
refused 1 'm.dkvb' "$dkvb" mask info m.dkvb
refused 1 'x.npy' "$dkvb" mask union a.mask x.npy -o none.mask
refused 1 'none.mask: cannot open' "$dkvb" mask info none.mask
[ ! -e none.mask ] || fail "a refused command wrote a mask"
