#!/bin/sh
# Test of `dkvb train --continue`: training continues with more rows, more classes or shared keys, and masked pairs stay
# masked.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
np.save("two_x.npy", x[y < 2])
np.save("two_y.npy", y[y < 2].astype(np.uint8))
np.save("ignored_y.npy", np.where(y < 2, -1, y).astype(np.int64))
np.save("half_x.npy", x[:20].astype(np.float16))
END

# The first training has two classes, on keys placed on other rows; the second training adds three class names and has
# no rows of the old classes. The second training does not change the file of the first model.
check "$dkvb" train --features two_x.npy --labels two_y.npy --key-features x.npy --codebooks 8 --keys 32 --key-dim 6 \
    -o two.dkvb --json >two.json
claim two.json 'd["classes"] == 2'
cp two.dkvb kept.dkvb
printf 'a\nb\nc\nd\ne\n' >names.txt
check "$dkvb" train --continue two.dkvb --features x.npy --labels ignored_y.npy --class-names names.txt \
    -o four.dkvb --json >four.json
same two.dkvb kept.dkvb
claim four.json 'd["classes"] == 5 and d["n"] == 400'
"$dkvb" inspect four.dkvb --json >inspect.json
claim inspect.json 'd["class_names"] == ["a", "b", "c", "d", "e"]'
check "$dkvb" train --continue four.dkvb --features x.npy --labels y.npy --epochs 3 >/dev/null
check "$dkvb" eval four.dkvb --features test_x.npy --labels test_y.npy --json >eval.json
claim eval.json 'd["accuracy"] > 0.9 and d["per_class"][4] is None'

# Training under a mask does not change the values of masked pairs, so a later undo restores them.
check "$dkvb" forget four.dkvb --method examples --examples 2 --features x.npy --labels y.npy --class d >/dev/null
check "$dkvb" export four.dkvb --dir before >/dev/null
check "$dkvb" train --continue four.dkvb --features x.npy --labels y.npy --relearn >/dev/null
check "$dkvb" export four.dkvb --dir after >/dev/null
check "$python" - <<'END'
import numpy as np
mask = np.load("before/mask.npy") == 1
before, after = np.load("before/values.npy"), np.load("after/values.npy")
assert mask.any() and (np.load("after/mask.npy") == mask).all()
assert (before[mask] == after[mask]).all() and (before[~mask] != after[~mask]).any()
END

# Models with shared keys have the same codebooks, so masks can be used on both. The new model has its own values and no
# mask.
check "$dkvb" train --features x.npy --labels y.npy --init-from four.dkvb --top-k 2 -o shared.dkvb --json >shared.json
claim shared.json 'd["classes"] == 4 and d["top_k"] == 2 and d["keys"] == 32'
check "$dkvb" mask export four.dkvb -o four.mask >/dev/null
check "$dkvb" forget shared.dkvb --mask four.mask --json >forget.json
claim forget.json 'd["pairs_masked"] == d["pairs_requested"] > 0'

# From few rows, fewer keys than usual are made, and the output says so. Rows may be float16.
refused 1 "half_x.npy" "$dkvb" train --features half_x.npy --labels half_x.npy -o few.dkvb --json
"$python" -c 'import numpy as np; np.save("half_y.npy", np.arange(20) % 3)'
check "$dkvb" train --features half_x.npy --labels half_y.npy --codebooks 4 --key-dim 3 -o few.dkvb >few.txt
grep -q '^model  *4 codebooks of [0-9]* keys, 3 wide, .*, because 20 rows$' few.txt || fail "the number of keys is not explained: $(cat few.txt)"
refused 1 '20' "$dkvb" train --features half_x.npy --labels half_y.npy --codebooks 4 --keys 21 -o few.dkvb --json

# A tuned, whitened and calibrated model stays so in continued training, and the output says so, and also which
# properties cannot be fitted again.
check "$dkvb" train --features x.npy --labels y.npy --trials 2 --whiten always --codebooks 8 -o tuned.dkvb --json >tuned.json
check "$dkvb" inspect tuned.dkvb --json >inspect.json
claim inspect.json 'd["trials"] == 2'
check "$dkvb" inspect tuned.dkvb >inspect.txt
grep -q '^tuned  *by 2 trials: --trials 2 repeats them$' inspect.txt || fail "the trials are not told: $(cat inspect.txt)"
check "$dkvb" train --continue tuned.dkvb --features half_x.npy --labels half_y.npy -o kept.dkvb --json >kept.json
claim kept.json 'd["whitened"] and d["temperature_kept"] and d["temperature_rows"] == 0'
check "$dkvb" train --continue tuned.dkvb --features half_x.npy --labels half_y.npy -o kept.dkvb >kept.txt
grep -q '^temperature [0-9.]* is kept: too few rows can be held out$' kept.txt || fail "not told: $(cat kept.txt)"
check "$dkvb" inspect kept.dkvb --json >inspect.json
claim inspect.json 'd["trials"] == 2'
"$python" -c 'import numpy as np; np.save("many_x.npy", np.tile(np.load("x.npy"), (2, 1))); np.save("many_y.npy", np.tile(np.load("y.npy"), 2))'
check "$dkvb" train --continue tuned.dkvb --features many_x.npy --labels many_y.npy -o again.dkvb --json >again.json
claim again.json 'd["whitened"] and not d["temperature_kept"] and d["temperature_rows"] >= 50'

# With --keep-counts the counts of selected pairs come from the search of the training, and equal those from a codes
# file.
check "$dkvb" train --features x.npy --labels y.npy --codebooks 8 --keep-counts -o counts.dkvb >/dev/null
check "$dkvb" inspect counts.dkvb >/dev/null
check "$dkvb" forget counts.dkvb --class 1 --method contrast --pairs 5 --json >forget.json
claim forget.json 'd["pairs_masked"] == 5'
