#!/bin/sh
# Test of stored codes: they save the search and change nothing else, neither the masked pairs nor the results of `dkvb
# eval`.
. "$(dirname "$0")/common.sh"
make_data
codes_of() { # MODEL ROWS OUT
    check "$dkvb" search "$1" --features "$2" -o "$3" >/dev/null
}

# measure NAME MODEL CODES: asserts that eval gives the same results with and without codes, and writes those with codes
# to NAME.json.
measure() {
    check "$dkvb" eval "$2" --features test_x.npy --labels test_y.npy --forget-class 1,3 --json >plain.json
    check "$dkvb" eval "$2" --features test_x.npy --labels test_y.npy --forget-class 1,3 --codes "$3" --json >"$1.json"
    check "$python" - "$1.json" <<'END'
import json, sys
plain, coded = json.load(open("plain.json")), json.load(open(sys.argv[1]))
assert plain.pop("searched_again") is None and coded.pop("searched_again") >= 0
assert plain.pop("rows_outside_scale") == 0 and coded.pop("rows_outside_scale") is None
assert plain == coded, (plain, coded)
END
}

# hits MODEL CODES: prints the number of (row, codebook) pairs that name a masked key, by numpy.
hits() {
    rm -rf arrays
    check "$dkvb" export "$1" --dir arrays >/dev/null
    "$python" - "$2" <<'END'
import sys
import numpy as np
codes, mask = np.load(sys.argv[1]), np.load("arrays/mask.npy") != 0
print(mask[np.arange(codes.shape[1])[None, :, None], codes].any(axis=2).sum())
END
}

for k in 1 2; do
    train_small m.dkvb --top-k $k
    codes_of m.dkvb x.npy codes.npy
    codes_of m.dkvb test_x.npy test_codes.npy
    measure before m.dkvb test_codes.npy
    claim before.json 'd["searched_again"] == 0'

    # Forgetting by rows and by their codes gives the same mask, with both methods, with and without selection by class.
    for how in "activations --pairs 60 --labels y.npy --class 3" "activations --pairs 50" \
        "examples --examples 3 --seed 5 --labels y.npy --class 1,2"; do
        # shellcheck disable=SC2086 # $how is unquoted, as it holds several arguments
        {
            check "$dkvb" forget m.dkvb -o rows.dkvb --method $how --salt $salt --features x.npy --json >rows.json
            check "$dkvb" forget m.dkvb -o coded.dkvb --method $how --salt $salt --codes codes.npy --json >coded.json
        }
        check "$dkvb" mask export rows.dkvb -o rows.mask >/dev/null
        check "$dkvb" mask export coded.dkvb -o coded.mask >/dev/null
        same rows.mask coded.mask
        same rows.dkvb coded.dkvb
        [ "$(json rows.json '[v for k, v in d.items() if not k.startswith("seconds")]')" = \
            "$(json coded.json '[v for k, v in d.items() if not k.startswith("seconds")]')" ] || fail "$(cat coded.json)"
        measure forgot coded.dkvb test_codes.npy
        claim forgot.json "d['searched_again'] == $(hits coded.dkvb test_codes.npy) > 0"
    done

    # Codes searched between two requests to forget give the same mask as codes searched before both. The second request
    # asks, with the earlier codes, for pairs that are masked already.
    check "$dkvb" forget m.dkvb -o once.dkvb --method activations --pairs 60 --codes codes.npy >/dev/null
    codes_of once.dkvb test_x.npy once_codes.npy
    refused 1 'all 60 pairs are masked or purged already' "$dkvb" forget once.dkvb -o twice.dkvb --method activations \
        --pairs 60 --codes codes.npy
    check "$dkvb" forget once.dkvb -o twice.dkvb --method activations --pairs 60 --codes codes.npy --force --json >again.json
    claim again.json 'd["pairs_masked"] == 0 and d["pairs_requested"] == 60 and d["forced"]'
    check "$dkvb" forget once.dkvb -o twice.dkvb --method activations --pairs 90 --features x.npy >/dev/null
    measure first twice.dkvb test_codes.npy
    measure between twice.dkvb once_codes.npy
    claim between.json "0 < d['searched_again'] < $(json first.json 'd["searched_again"]')"

    # Codes stay valid after a purge and after more training. After an undo, codes searched before all forgettings are
    # valid.
    check "$dkvb" purge twice.dkvb -o purged.dkvb >/dev/null
    measure purged purged.dkvb test_codes.npy
    check "$dkvb" train --continue twice.dkvb --features x.npy --labels y.npy -o more.dkvb >/dev/null
    measure more more.dkvb test_codes.npy
    check "$dkvb" undo twice.dkvb >/dev/null
    measure undone twice.dkvb test_codes.npy
    measure undone_too twice.dkvb once_codes.npy
done

# With every pair masked, all rows abstain, with and without codes. Codes that name no key at all are valid codes.
check "$dkvb" forget m.dkvb -o none.dkvb --method activations --pairs 256 --features x.npy >/dev/null
for _ in 1 2 3 4 5 6 7 8; do
    "$dkvb" forget none.dkvb --method activations --pairs 256 --features x.npy >/dev/null 2>&1 || break
    [ "$("$dkvb" inspect none.dkvb --json | "$python" -c 'import json, sys; print(json.load(sys.stdin)["masked_pairs"])')" \
        = 256 ] && break
done
measure none none.dkvb test_codes.npy
claim none.json 'd["abstained"] == 100 and d["searched_again"] == 800'
codes_of none.dkvb test_x.npy none_codes.npy
measure none none.dkvb none_codes.npy
claim none.json 'd["abstained"] == 100 and d["searched_again"] == 0'

check "$dkvb" eval coded.dkvb --features test_x.npy --labels test_y.npy --codes test_codes.npy >said.txt
grep -q "^searched again: $(hits coded.dkvb test_codes.npy) of 800 (row, codebook) pairs\$" said.txt ||
    fail "$(cat said.txt)"

# Arrays that are not codes of this model are refused.
"$python" - <<'END'
import numpy as np
codes = np.load("test_codes.npy")
np.save("i32.npy", codes.astype(np.int32))
np.save("flat.npy", codes.reshape(100, -1))
np.save("one.npy", codes[:, :, :1])
np.save("seven.npy", codes[:, :7])
np.save("short.npy", codes[:99])
np.save("empty.npy", codes[:0])
codes[37, 5, 1] = 32
np.save("beyond.npy", codes)
END
wanted='codes of the model are uint16[n][8][2]'
for try in "eval m.dkvb --features test_x.npy" "forget m.dkvb --method activations --pairs 3 --class 1"; do
    # shellcheck disable=SC2086 # $try is unquoted, as it holds several arguments
    {
        refused 1 "i32.npy: int32[100][8][2], $wanted" "$dkvb" $try --labels test_y.npy --codes i32.npy
        refused 1 "flat.npy: uint16[100][16], $wanted" "$dkvb" $try --labels test_y.npy --codes flat.npy
        refused 1 "one.npy: uint16[100][8][1], $wanted" "$dkvb" $try --labels test_y.npy --codes one.npy
        refused 1 "seven.npy: uint16[100][7][2], $wanted" "$dkvb" $try --labels test_y.npy --codes seven.npy
        refused 1 "beyond.npy: row 37, codebook 5 names key 32, keys of the model are 0 to 31" "$dkvb" $try \
            --labels test_y.npy --codes beyond.npy
        refused 1 'none.npy: cannot open' "$dkvb" $try --labels test_y.npy --codes none.npy
    }
done
refused 1 'short.npy has codes of 99 rows, test_x.npy has 100 rows' "$dkvb" eval m.dkvb --features test_x.npy \
    --labels test_y.npy --codes short.npy
refused 1 'y.npy has 400 labels, test_codes.npy has 100 rows' "$dkvb" forget m.dkvb --method activations --pairs 3 \
    --codes test_codes.npy --labels y.npy --class 1
refused 1 'empty.npy: no rows' "$dkvb" forget m.dkvb --method activations --pairs 3 --codes empty.npy

# Training from codes gives the same values as training from the rows; the temperature is fitted only with rows.
values_of() { # MODEL FOLDER
    check "$dkvb" export "$1" --dir "$2" >/dev/null
}
train_small keys.dkvb
codes_of keys.dkvb x.npy codes.npy
check "$dkvb" train --init-from keys.dkvb --features x.npy --labels y.npy --top-k 1 --epochs 2 -o rows.dkvb >/dev/null
check "$dkvb" train --init-from keys.dkvb --codes codes.npy --labels y.npy --epochs 2 -o coded.dkvb >/dev/null
values_of rows.dkvb rows_values
values_of coded.dkvb coded_values
same rows_values/values.npy coded_values/values.npy
check "$dkvb" train --continue rows.dkvb --features x.npy --labels y.npy >/dev/null
check "$dkvb" train --continue coded.dkvb --codes codes.npy --labels y.npy >/dev/null
values_of rows.dkvb rows_values
values_of coded.dkvb coded_values
same rows_values/values.npy coded_values/values.npy
refuse() { # MESSAGE OPTION...
    message=$1
    shift
    if "$dkvb" train --labels y.npy -o no.dkvb "$@" >/dev/null 2>error; then fail "train $* was accepted"; fi
    grep -q -e "$message" error || fail "train $*: $(cat error)"
}
refuse "one of --features, --images and --codes" --init-from keys.dkvb
refuse "one of --features, --images and --codes" --init-from keys.dkvb --features x.npy --codes codes.npy
refuse "by --init-from or --continue" --codes codes.npy
refuse "x.npy: float32" --init-from keys.dkvb --codes x.npy
refuse "y.npy" --init-from keys.dkvb --codes y.npy
"$python" -c 'import numpy as np; c = np.load("codes.npy"); c[3, 2, 0] = 60000; np.save("wrong.npy", c)'
refuse "wrong.npy: codes: row 3, codebook 2 names key 60000" --init-from keys.dkvb --codes wrong.npy
: >empty.npy
refuse "empty.npy: is empty; a NumPy (.npy) or IDX file must be given" --init-from keys.dkvb --codes empty.npy
head -c 200 codes.npy >cut.npy
refuse "cut.npy" --init-from keys.dkvb --codes cut.npy
refuse "none.npy" --init-from keys.dkvb --codes none.npy
[ ! -e no.dkvb ] || fail "a refused training wrote a model"
