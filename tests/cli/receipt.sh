#!/bin/sh
# Test of `dkvb receipt`: a receipt says what was forgotten, and its check finds and names a changed byte of the
# receipt, the model or the codes file.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb --seed 1 --codes-out m.codes
cp m.dkvb before.dkvb
check "$dkvb" forget m.dkvb --codes m.codes --class 1 --pairs 20 --force --salt $salt --reason private-reason >/dev/null

receipt() {
    check "$dkvb" receipt m.dkvb --codes m.codes --before before.dkvb --command 'dkvb forget' "$@" >/dev/null
}
verify() {
    check "$dkvb" verify m.dkvb --codes m.codes --before before.dkvb --receipt "$@"
}

# The same files give a receipt of the same bytes; the receipt is an in-toto statement, and does not contain the reason
# of the forgetting.
receipt -o r.json --bom bom.json
receipt -o again.json
same r.json again.json
claim r.json 'd["_type"] == "https://in-toto.io/Statement/v1" and [s["name"] for s in d["subject"]] == ["m.dkvb", "m.codes"]'
claim r.json 'd["predicate"]["journal"]["entries"][0]["strength"] == "suppress" and d["predicate"]["before"]["entry"] == 0'
[ "$(json r.json 'd["subject"][0]["digest"]["sha256"]')" = "$(sha256sum m.dkvb | cut -d' ' -f1)" ] || fail "another digest"
! grep -q private-reason r.json || fail "the reason is in the receipt"
claim bom.json 'd["specVersion"] == "1.6" and d["components"][0]["type"] == "machine-learning-model"'
claim bom.json 'all(set(m["confidenceInterval"]) == {"lowerBound", "upperBound"} for m in d["components"][0]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"])'

# The check prints a line for each statement of the receipt: that it is right, or why it cannot be checked.
verify r.json >lines
for about in subject model shape journal promise codes held_out effects before; do
    grep -q "^checked .* $about " lines || fail "$about was not checked: $(cat lines)"
done
grep -q '^not checked .* audit ' lines || fail "no line about the audit"
check "$dkvb" verify m.dkvb --receipt r.json | grep -q 'no codes file was given' || fail "codes were not missed"
verify r.json --json >v.json
claim v.json 'd["ok"] and len(d["sentences"]) > 9'

# changed FILE ABOUT: fails the test unless the check exits with 1 and names the subject ABOUT.
differs() {
    got=0
    "$dkvb" verify "$1" --codes "$2" --before "$3" --receipt "$4" >lines 2>err || got=$?
    [ $got -eq 1 ] && grep -q "^differs .* $5 " lines || fail "not found: $5: $(cat lines err)"
}
check "$python" - <<'END'
import json
for name in ("m.dkvb", "m.codes", "before.dkvb"):
    data = bytearray(open(name, "rb").read()); data[len(data) // 2] ^= 1; open("x." + name, "wb").write(data)
def form(d): return json.dumps(d, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
text = open("r.json").read(); d = json.loads(text)
assert form(d) == text, "the form of a receipt is not that of json.dumps"
d["predicate"]["journal"]["entries"][0]["pairs"] += 1; open("x1.json", "w").write(form(d))
d = json.loads(text); d["predicate"]["held_out"]["classes"][0]["right"] += 1; open("x2.json", "w").write(form(d))
d = json.loads(text); d["subject"][0]["digest"]["sha256"] = "0" * 64; open("x3.json", "w").write(form(d))
open("deep.json", "w").write("[" * 100000); open("twice.json", "w").write('{"a": 1, "a": 2}')
open("more.json", "w").write(text + "x"); open("types.json", "w").write(form({"_type": 1}))
open("huge.json", "w").write('{"a": 1e999}'); open("blank.json", "w").write(text.replace(": ", ":  ", 1))
open("b64.json", "w").write(form({"payload": "???", "payloadType": "application/vnd.in-toto+json", "signatures": [{"keyid": "", "sig": ""}]}))
END
differs x.m.dkvb m.codes before.dkvb r.json model
grep -q 'section .* of x.m.dkvb' lines || fail "the section was not named"
differs m.dkvb x.m.codes before.dkvb r.json codes
differs m.dkvb m.codes x.before.dkvb r.json before
differs m.dkvb m.codes before.dkvb x1.json journal
grep -q 'journal.entries\[0\].pairs' lines || fail "the statement was not named"
differs m.dkvb m.codes before.dkvb x2.json held_out
differs m.dkvb m.codes before.dkvb x3.json subject
for text in deep twice more types huge blank b64; do
    refused 1 $text.json "$dkvb" verify m.dkvb --receipt $text.json
done

# For an exact forgetting, the check trains the values again from the codes file, and compares them.
cp before.dkvb e.dkvb
cp m.codes e.codes
check "$dkvb" forget e.dkvb --codes e.codes --class 2 --strength exact --force --keep-keys >/dev/null
check "$dkvb" receipt e.dkvb --codes e.codes -o e.json >/dev/null
check "$dkvb" verify e.dkvb --codes e.codes --receipt e.json >lines
grep -q '^checked .* trained_again ' lines || fail "nothing was trained again: $(cat lines)"
