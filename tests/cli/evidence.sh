#!/bin/sh
# Test of proofs by the journal: with the salt it proves which rows were forgotten, with an earlier head that the
# journal has only grown.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb --seed 1
head_of() {
    check "$dkvb" verify "$1" --json >verify.json
    json verify.json 'd["head"]'
}
empty=$(head_of m.dkvb)
cp m.dkvb other.dkvb
forget="forget m.dkvb --method activations --pairs 20 --features x.npy --labels y.npy"
# shellcheck disable=SC2086 # $forget is unquoted, as it holds several arguments
check "$dkvb" $forget --class 1 --salt $salt --reason first >/dev/null
first=$(head_of m.dkvb)
# shellcheck disable=SC2086
check "$dkvb" $forget --class 2 >/dev/null
cp m.dkvb two.dkvb
check "$dkvb" undo m.dkvb 2 >/dev/null
check "$dkvb" purge m.dkvb >/dev/null

# Every earlier head of the journal is found; `dkvb verify` and `dkvb masks` print the newest head.
check "$dkvb" verify m.dkvb --head "$empty" | grep -q '^head found before the first entry; .*: 4$' || fail "no head of 0"
check "$dkvb" verify m.dkvb --head "$first" | grep -q '^head found at entry 1; .*: 3$' || fail "no head of 1"
check "$dkvb" verify m.dkvb --head "$first" --json >verify.json
claim verify.json 'd["head_entry"] == 1 and d["journal_entries"] == 4'
newest=$(head_of m.dkvb)
"$dkvb" verify m.dkvb | grep -qx "head $newest" || fail "verify prints another head"
"$dkvb" masks m.dkvb | grep -qx "head $newest" || fail "masks prints another head"
check "$dkvb" verify m.dkvb --head "$(echo "$newest" | tr abcdef ABCDEF)" >/dev/null

# A head of another journal is not found.
refused 1 "$newest is of none of the 2 journal entries" "$dkvb" verify two.dkvb --head "$newest"
refused 1 "is of none of the 0 journal entries" "$dkvb" verify other.dkvb --head "$first"
check "$dkvb" verify other.dkvb --head "$empty" >/dev/null
refused 2 '64 hexadecimal digits' "$dkvb" verify m.dkvb --head 12
refused 2 '64 hexadecimal digits' "$dkvb" verify m.dkvb --head "${newest%?}g"
refused 2 '64 hexadecimal digits' "$dkvb" $forget --class 1 --salt "$newest"0

# With the salt, the ids of forgotten rows can be hashed again and compared. A model file from before a purge has the
# salt, one from after the purge does not.
check "$dkvb" masks two.dkvb --json >two.json
check "$dkvb" masks m.dkvb --json >m.json
claim two.json 'd["journal"][0]["strength"] == "suppress" and d["journal"][0]["budget"] == 20'
claim two.json 'd["journal"][0]["classes"] == [{"label": 1, "name": None}] and d["journal"][0]["effects"] is None'
claim two.json 'all(e["salted"] for e in d["journal"])'
claim m.json 'not any(e["salted"] for e in d["journal"]) and d["journal"][2]["rows"] is None'
check "$python" - $salt <<'END2'
import hashlib, json, struct, sys

import numpy as np

salt, two, after = bytes.fromhex(sys.argv[1]), open("two.dkvb", "rb").read(), open("m.dkvb", "rb").read()
rows = np.flatnonzero(np.load("y.npy") == 1)
commitment = hashlib.sha256(salt + b"dkvb rows" + struct.pack(f"<Q{len(rows)}Q", len(rows), *rows)).hexdigest()
journals = [json.load(open(name))["journal"] for name in ("two.json", "m.json")]
for journal in journals:
    assert journal[0]["rows"] == len(rows) and journal[0]["rows_commitment"] == commitment
    assert journal[0]["head"] == journals[0][0]["head"]
assert salt in two and salt not in after
END2

# Without --salt each forgetting draws its own random salt, so that nobody can see whether two requests were the same.
for copy in a b; do
    cp other.dkvb $copy.dkvb
    check "$dkvb" forget $copy.dkvb --method examples --examples 3 --features x.npy >/dev/null
    check "$dkvb" masks $copy.dkvb --json >$copy.json
done
[ "$(json a.json 'd["journal"][0]["rows_commitment"]')" != "$(json b.json 'd["journal"][0]["rows_commitment"]')" ] ||
    fail "a salt was used twice"
claim a.json 'd["journal"][0]["budget"] == 3 and d["journal"][0]["classes"] is None and d["journal"][0]["rows"] == 400'

# A mask file does not say which rows were forgotten.
check "$dkvb" mask export a.dkvb -o a.mask --entry 1 >/dev/null
check "$dkvb" forget other.dkvb --mask a.mask >/dev/null
check "$dkvb" masks other.dkvb --json >other.json
claim other.json 'd["journal"][0]["rows_commitment"] is None and d["journal"][0]["pairs_commitment"]'
