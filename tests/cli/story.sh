#!/bin/sh
# Test of the life of a class from training to purge: the class is learned, forgotten, restored by undo, and forgotten
# for good.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb --class-names /dev/stdin <<END
red
green
blue
dark, grey
END
"$dkvb" inspect m.dkvb --json >inspect.json
claim inspect.json 'd["class_names"] == ["red", "green", "blue", "dark, grey"]'

measure() {
    check "$dkvb" eval "$1" --features test_x.npy --labels test_y.npy --forget-class "dark, grey" --json >"$2"
}
measure m.dkvb before.json
claim before.json 'd["n"] == 100 and d["accuracy"] > 0.9 and d["forget_accuracy"] > 0.9 and d["abstained"] == 0'

check "$dkvb" forget m.dkvb -o forgot.dkvb --method activations --pairs 80 --features x.npy --labels y.npy --class 3 \
    --reason 'request 17' --mask-out request.mask --json >forget.json
claim forget.json 'd["pairs_masked"] == d["pairs_requested"] == 80 and d["pairs_total"] == 256 and d["entry"] == 1'
measure forgot.dkvb forgot.json
claim forgot.json 'd["forget_accuracy"] < 0.1 and d["retain_accuracy"] > 0.9'

# Masking by a mask file makes the same model as masking by its request, except for what the journal says about the
# origin of the mask.
check "$dkvb" forget m.dkvb -o masked.dkvb --mask request.mask --json >masked.json
claim masked.json 'd["pairs_masked"] == 80 and d["examples"] == 0'
measure masked.dkvb masked_eval.json
same forgot.json masked_eval.json

check "$dkvb" predict forgot.dkvb --features test_x.npy --scores -o forgot.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o before.npy >/dev/null

# A second request, by method examples, changes the model file in place. Then both forgettings are undone, the older one
# first.
check "$dkvb" forget forgot.dkvb --method examples --examples 3 --seed 5 --features x.npy --labels y.npy --class green \
    --json >second.json
claim second.json 'd["entry"] == 2 and 0 < d["pairs_masked"] <= 24'
check "$dkvb" undo forgot.dkvb -o once.dkvb >/dev/null
check "$dkvb" predict once.dkvb --features test_x.npy --scores -o once.npy >/dev/null
same forgot.npy once.npy
check "$dkvb" undo forgot.dkvb 1 >/dev/null
check "$dkvb" undo forgot.dkvb --json >undo.json
claim undo.json 'd["entry"] == 2 and d["masked_pairs"] == 0'
check "$dkvb" predict forgot.dkvb --features test_x.npy --scores -o after.npy >/dev/null
same before.npy after.npy
measure forgot.dkvb after.json
same before.json after.json
refused 1 'nothing to undo' "$dkvb" undo forgot.dkvb

# A purge does not change predictions, and makes undo impossible.
check "$dkvb" purge once.dkvb -o purged.dkvb --json >purge.json
claim purge.json 'd["pairs_purged"] == d["purged_pairs"] == 80'
check "$dkvb" predict purged.dkvb --features test_x.npy --scores -o purged.npy >/dev/null
same forgot.npy purged.npy
refused 1 'purged' "$dkvb" undo purged.dkvb 1
check "$dkvb" verify purged.dkvb >verify.txt
grep -q ': ok$' verify.txt || fail "verify does not say ok"
check "$dkvb" forget purged.dkvb --method activations --pairs 40 --features x.npy --json >again.json
claim again.json 'd["pairs_masked"] == 40'
check "$dkvb" verify purged.dkvb >/dev/null
