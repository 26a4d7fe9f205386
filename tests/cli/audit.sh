#!/bin/sh
# Test of `dkvb audit`: an audit tells a model that only masks a class from a model that never saw the class, and finds
# nothing in a model that never saw it.
. "$(dirname "$0")/common.sh"
make_data
recipe="--epochs 1 --lr 3 --lr-last 0.9 --batch 64" # of the training, which the audit repeats
printf 'red\ngreen\nblue\ngrey\n' >names.txt
# shellcheck disable=SC2086 # $recipe is unquoted, as it holds several arguments
train_small m.dkvb $recipe --class-names names.txt
check "$dkvb" forget m.dkvb -o act.dkvb --method activations --pairs 80 --features x.npy --labels y.npy --class grey \
    >/dev/null
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
np.save("retained.npy", np.where(y == 3, -1, y).astype(np.int32))
np.save("mixed.npy", np.arange(0, 400, 9))
np.save("grey.npy", np.flatnonzero(y == 3)[:40])
np.save("far.npy", np.array([3, 400]))
np.save("twice.npy", np.array([3, 5, 3]))
np.save("none.npy", np.full(100, -1))
large, odd = np.load("test_y.npy"), np.load("test_x.npy")
large[5], odd[7, 3] = 4, np.inf
np.save("large.npy", large)
np.save("odd.npy", odd)
END
check "$dkvb" train --features x.npy --labels retained.npy --init-from m.dkvb $recipe --class-names names.txt -o again.dkvb \
    >/dev/null
cp act.dkvb act.copy

# audit NAME MODEL OPTIONS...: writes NAME.json, without the time that the audit took.
audit() {
    name=$1
    shift
    case "$*" in *--codes*) again= ;; *) again=$recipe ;; esac # a file of codes says how the model was trained
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    check "$dkvb" audit "$@" $again --features x.npy --labels y.npy --test-features test_x.npy --test-labels test_y.npy \
        --json >all.json
    "$python" -c 'import json
d = json.load(open("all.json"))
assert d.pop("seconds") > 0 and d.pop("reference") is None
d["of"] = {s.pop("subject"): s for s in d.pop("subjects")}
json.dump(d, open("'"$name"'.json", "w"))'
}

audit act act.dkvb --class grey --before m.dkvb --shadows 8
claim act.json 'list(d["of"]) == ["model", "before", "column dropped", "replay", "retrained"]'
claim act.json 'd["classes"] == [3] and d["masked_pairs"] == 80 and d["rest_rows"] + d["class_rows"] == 100'
claim act.json 'd["members"] > 50 and d["others"] == d["class_rows"]'
claim act.json 'd["of"]["before"]["accuracy_class"]["value"] > 0.9 > 0.1 > d["of"]["model"]["accuracy_class"]["value"]'
# A mask tells its holder what was forgotten; a model without a mask does not.
claim act.json 'd["of"]["model"]["mask_class"]["verdict"] == "more than retrained"'
claim act.json 'd["of"]["before"]["mask_class"]["value"] == d["of"]["retrained"]["mask_class"]["value"] == 0.5'
# A model without the class's output column predicts the class for no row, but the values are still in the file.
claim act.json 'd["of"]["column dropped"]["accuracy_class"]["value"] == 0'
claim act.json 'd["of"]["column dropped"]["constant_class"] == d["of"]["before"]["constant_class"]'
claim act.json 'all(low <= value <= high for s in d["of"].values() for f in s.values() if f
                    for value, low, high in [(f["value"], f["low"], f["high"])])'
claim act.json 'all(abs(f["difference"]["value"] + d["of"]["retrained"][key]["value"] - f["value"]) < 1e-8
                    for s in d["of"].values() for key, f in s.items() if f)'
claim act.json 'all(f["difference"]["value"] == 0 and f["verdict"] == "as retrained"
                    for f in d["of"]["retrained"].values() if f)'
# PrivLeak is the difference divided by the retrained figure; the average gap is the mean of four distances.
claim act.json 'all(abs(f["privleak"]["value"] - f["difference"]["value"] / d["of"]["retrained"][key]["value"]) < 1e-8
                    and f["privleak"]["low"] <= f["privleak"]["value"] <= f["privleak"]["high"]
                    for s in d["of"].values() for key, f in s.items() if key.startswith("membership"))'
claim act.json 'all(abs(s["average_gap"]["value"] - sum(abs(s[key]["difference"]["value"]) for key in
    ["accuracy_forgotten", "accuracy_retained", "accuracy_test", "membership_loss"]) / 4) < 1e-8
                    for s in d["of"].values())'
claim act.json 'd["of"]["model"]["average_gap"]["value"] < d["of"]["before"]["average_gap"]["value"]'
claim act.json 'd["rmia_models"] == 2 and d["members"] + d["retained"] == 400'
# Without the class's output column no training row gets the class, but the class can be recovered from the file.
claim act.json 'd["of"]["column dropped"]["accuracy_forgotten"]["value"] == 0'
claim act.json 'd["of"]["column dropped"]["prototypes_1_class"] == d["of"]["before"]["prototypes_1_class"]'
same act.dkvb act.copy

# Without --class and --rows, the journal tells what was forgotten.
audit journal act.dkvb --before m.dkvb --shadows 8
same act.json journal.json

# A model that was trained again with the same seed is the reference itself, so no figure differs.
audit again again.dkvb --class 3 --shadows 4
claim again.json 'list(d["of"]) == ["model", "replay", "retrained"] and d["masked_pairs"] == 0'
claim again.json 'all(f["difference"]["value"] == 0 and f["verdict"] == "as retrained"
                      for key, f in d["of"]["model"].items() if f and not key.startswith("agreement"))'
claim again.json 'd["of"]["model"]["agreement_class"]["value"] == d["of"]["model"]["agreement_rest"]["value"] == 1'

# For KLoM, models of other seeds forget in the same way; a forgetting by method and target is planned anew for each if
# the codes file is given.
# shellcheck disable=SC2086 # $recipe is unquoted, as it holds several arguments
train_small whole.dkvb $recipe --codes-out whole.codes --hold-out 0.2
check "$dkvb" forget whole.dkvb --class 3 --codes whole.codes --force -o less.dkvb >/dev/null
audit klom less.dkvb --before whole.dkvb --codes whole.codes --shadows 0 --rmia 0 --klom 20
claim klom.json 'd["models"] == d["planned"] == 20'
claim klom.json 'all(s[f"klom_{group}"]["median"]["value"] <= s[f"klom_{group}"]["p95"]["value"]
                     for s in d["of"].values() for group in ["forgotten", "retained", "class", "rest"])'
claim klom.json 'd["of"]["retrained"]["klom_rest"] == d["of"]["replay"]["klom_rest"]'
claim klom.json 'd["of"]["before"]["klom_forgotten"]["verdict"] == "more than retrained"'
audit pairs act.dkvb --class grey --shadows 0 --rmia 0 --klom 2
claim pairs.json 'd["models"] == 2 and d["planned"] == 0 and d["of"]["model"]["klom_class"]["value"] >= 0'
claim act.json 'd["models"] == 0 and d["of"]["model"]["klom_class"] is None'

# The results are equal for any number of threads, and after the mask was made permanent.
audit one act.dkvb --class grey --before m.dkvb --shadows 8 --threads 1
audit three act.dkvb --class grey --before m.dkvb --shadows 8 --threads 3
same act.json one.json
same act.json three.json
check "$dkvb" purge act.dkvb -o purged.dkvb >/dev/null
audit purged purged.dkvb --class grey --before m.dkvb --shadows 8
[ "$(json act.json 'd["of"]')" = "$(json purged.json 'd["of"]')" ] || fail "a purge changed what an audit finds"

# If rows were forgotten in place of a class, recovery is measured only if all rows are of one class.
audit grey act.dkvb --rows grey.npy --shadows 0
claim grey.json 'd["members"] == 40 and d["classes"] == [3] and d["of"]["model"]["relearn_10_class"]'
claim grey.json 'd["of"]["model"]["membership_lira"] is None and d["of"]["model"]["membership_fitted"]'
claim grey.json 'd["of"]["model"]["membership_rmia"] and d["of"]["model"]["prototypes_10_rest"]'
audit bare act.dkvb --rows grey.npy --shadows 0 --rmia 0
claim bare.json 'd["of"]["model"]["membership_rmia"] is None and d["rmia_models"] == 0'
audit mixed act.dkvb --rows mixed.npy --before m.dkvb --shadows 4
claim mixed.json 'd["classes"] == [0, 1, 2, 3] and "column dropped" not in d["of"]'
claim mixed.json 'd["of"]["model"]["constant_class"] is None and d["of"]["model"]["probe_rest"] is None'
claim mixed.json 'd["of"]["model"]["prototypes_1_class"] is None and d["of"]["model"]["average_gap"]'
claim mixed.json 'd["of"]["model"]["accuracy_rest"] is None and d["of"]["model"]["mask_class"] is None'
claim mixed.json 'd["of"]["model"]["membership_lira"] and d["of"]["model"]["mask_members"]'

# The text output of an audit has one line for each figure, with a verdict.
check "$dkvb" audit act.dkvb --class grey --before m.dkvb --shadows 4 --features x.npy --labels y.npy \
    --test-features test_x.npy --test-labels test_y.npy >text
[ "$(grep -cE '(as|more than|less than) retrained  ' text)" -eq 30 ] || fail "figures are missing: $(cat text)"

check "$dkvb" audit act.dkvb --class grey --shadows 0 --klom 2 --features x.npy --labels y.npy \
    --test-features test_x.npy --test-labels test_y.npy >text
[ "$(grep -c 'KLoM, ' text)" -eq 4 ] && [ "$(grep -cE '^    (median|95 % have)' text)" -eq 8 ] || fail "no KLoM: $(cat text)"
! grep -q nan text || fail "a line without a number: $(cat text)"

rows="--features x.npy --labels y.npy --test-features test_x.npy --test-labels test_y.npy"
# shellcheck disable=SC2086 # $rows is unquoted, as it holds several arguments
{
    refused 2 '--class and --rows both say' "$dkvb" audit act.dkvb $rows --class 3 --rows grey.npy
    refused 1 'forgotten rows: no forgetting in the journal of the model names a class' "$dkvb" audit m.dkvb $rows
    refused 2 'an even number from 4' "$dkvb" audit act.dkvb $rows --class 3 --shadows 7
    refused 2 'an even number from 2' "$dkvb" audit act.dkvb $rows --class 3 --rmia 3
    refused 2 'klom' "$dkvb" audit act.dkvb $rows --class 3 --klom 1
    refused 2 'label-smoothing' "$dkvb" audit act.dkvb $rows --class 3 --label-smoothing 1
    refused 1 'far.npy: number 1 is 400, training rows are 0 to 399' "$dkvb" audit act.dkvb $rows --rows far.npy
    refused 1 'twice.npy: rows 0 and 2 both have id 3' "$dkvb" audit act.dkvb $rows --rows twice.npy
}
refused 1 'none.npy: 0 test rows' "$dkvb" audit act.dkvb --class 3 --features x.npy --labels y.npy --test-features test_x.npy \
    --test-labels none.npy
refused 1 'large.npy: row 5 is 4, it must be -1 to 3' "$dkvb" audit act.dkvb --class 3 --features x.npy --labels y.npy \
    --test-features test_x.npy --test-labels large.npy
refused 1 'odd.npy: row 7, column 3' "$dkvb" audit act.dkvb --class 3 --features x.npy --labels y.npy \
    --test-features odd.npy --test-labels test_y.npy
# shellcheck disable=SC2086 # $recipe is unquoted, as it holds several arguments
train_small other.dkvb $recipe --seed 5
# shellcheck disable=SC2086
refused 1 'other.dkvb: the model before has other keys' "$dkvb" audit act.dkvb $rows --class 3 --before other.dkvb

# A codes file tells how the model was trained and on which rows. A model made by "exact" is as retrained, bit for bit.
# shellcheck disable=SC2086 # $recipe is unquoted, as it holds several arguments
train_small kept.dkvb $recipe --codes-out kept.codes --hold-out 0.2 --epochs 3 --batch 32 --seed 5
check "$dkvb" forget kept.dkvb --class 3 --codes kept.codes --strength exact --keep-keys -o gone.dkvb --codes-out gone.codes \
    >/dev/null
audit gone gone.dkvb --class 3 --codes kept.codes --before kept.dkvb --shadows 4
claim gone.json 'd["members"] < 110'
claim gone.json 'all(f["difference"]["value"] == 0 and f["verdict"] == "as retrained"
    for key, f in d["of"]["model"].items() if f and not key.startswith("agreement"))'
refused 2 '--epochs does not go with --codes' "$dkvb" audit gone.dkvb --class 3 --codes kept.codes --epochs 3 \
    --features x.npy --labels y.npy --test-features test_x.npy --test-labels test_y.npy
