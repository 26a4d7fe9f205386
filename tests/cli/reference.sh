#!/bin/sh
# Test of `--reference`, which compares linear heads with a model if libdkvb-reference is installed; if not, an error
# line says so before any work. Neither the tool nor libdkvb needs a BLAS.
. "$(dirname "$0")/common.sh"
make_data
printf 'red\ngreen\nblue\ngrey\n' >names.txt
train_small m.dkvb --class-names names.txt
check "$dkvb" forget m.dkvb -o act.dkvb --method activations --pairs 80 --features x.npy --labels y.npy --class grey \
    >/dev/null
cp act.dkvb act.copy
test="--features test_x.npy --labels test_y.npy"
heads="--reference --train-features x.npy --train-labels y.npy"

# Options that cannot be combined are refused without libdkvb-reference, too.
# shellcheck disable=SC2086 # unquoted variables hold several arguments
{
    refused 2 '--reference needs --train-features and --train-labels' "$dkvb" eval m.dkvb $test --reference
    refused 2 '--reference needs --train-features and --train-labels' "$dkvb" eval m.dkvb $test --reference \
        --train-features x.npy
    refused 2 '--train-labels is for --reference, which is missing' "$dkvb" eval m.dkvb $test --train-labels y.npy
    check "$dkvb" eval m.dkvb $test --json >plain.json
}
claim plain.json 'd["reference"] is None'

# Without libdkvb-reference, one line says what is missing and how to get it. A copy of the tool alone in a folder does
# not find the library.
if [ -n "${DKVB_REFERENCE:-}" ]; then
    mkdir -p alone/bin
    cp "$dkvb" alone/bin/dkvb
    lone="env LD_LIBRARY_PATH=$PWD/alone $PWD/alone/bin/dkvb"
    for library in "$(dirname "$DKVB_REFERENCE")"/libdkvb.so.*; do
        [ ! -e "$library" ] || cp "$library" alone
    done
    # A file with the name of libdkvb-reference that is no library is found first, so the tool reports it.
    echo "no library" >alone/libdkvb-reference.so.1
else
    lone=$dkvb
fi
# A tool built with a sanitizer has an RPATH, which takes precedence over LD_LIBRARY_PATH, so this test is skipped.
if ! readelf -d "$dkvb" 2>/dev/null | grep -q '(RPATH)'; then
    # shellcheck disable=SC2086
    refused 1 '--reference needs libdkvb-reference.so.1, which is not here' $lone eval m.dkvb $test $heads
    grep -q 'it is built and installed with libdkvb where OpenBLAS is found (Debian: libopenblas-dev)' refused.err ||
        fail "no way on in: $(cat refused.err)"
fi
if [ -z "${DKVB_REFERENCE:-}" ]; then
    echo "skipped: the rest, since libdkvb-reference is not built"
    exit 77
fi

for file in "$dkvb" "$(dirname "$DKVB_REFERENCE")"/libdkvb.so; do
    if [ -e "$file" ] && command -v readelf >/dev/null 2>&1; then
        readelf -d "$file" | grep NEEDED | grep -qiE 'blas|lapack|reference' && fail "$file needs a BLAS"
    fi
done

# shellcheck disable=SC2086
{
    check "$dkvb" eval act.dkvb $test $heads --forget-class grey --threads 1 --json >eval.json
    check "$dkvb" eval act.dkvb $test $heads --threads 1 --json >all.json
    check "$dkvb" eval act.dkvb $test $heads --forget-class grey >text
}
claim eval.json '[(l["head"], l["rows"]) for l in d["reference"]["lines"]] == [("model", None), ("ridge", "all"),
    ("ridge", "kept"), ("logistic", "all"), ("logistic", "kept")]'
# In the comparison, the model's accuracy equals that of `dkvb eval`. Heads of kept rows never predict the forgotten
# class, heads of all rows do.
claim eval.json 'd["reference"]["lines"][0]["accuracy"] == d["accuracy"]'
claim eval.json 'd["reference"]["lines"][0]["forgotten"] == d["forget_accuracy"]'
claim eval.json 'd["reference"]["lines"][0]["others"] == d["retain_accuracy"]'
claim eval.json 'all((l["forgotten"] == 0 and l["auc"] is None) if l["rows"] == "kept" else
    (l["forgotten"] > 0.9 and l["auc"] > 0.95) for l in d["reference"]["lines"][1:])'
claim eval.json 'd["reference"]["test_forgotten"] + d["reference"]["test_others"] == d["n"]'
claim eval.json 'all(l["fitted"] == 400 - (l["rows"] == "kept") * d["reference"]["forgotten_rows"] and l["converged"]
    and l["seconds"] >= 0 and l["penalty"] > 0 for l in d["reference"]["lines"][1:])'
claim all.json '[l["rows"] for l in d["reference"]["lines"]] == [None, "all", "all"]'
claim all.json 'd["reference"]["lines"][1]["forgotten"] is None and d["reference"]["forgotten_rows"] == 0'
grep -q '^reference: linear heads on the same features$' text || fail "no table: $(cat text)"
[ "$(grep -cE '^  (model|ridge|logistic) ' text)" -eq 5 ] || fail "lines are missing: $(cat text)"

# The figures of the ridge heads equal those computed with NumPy by the formula of ridge regression at the chosen
# penalty.
check "$python" - <<'END'
import json
import numpy as np
x, y, tx, ty = (np.load(f"{name}.npy") for name in ("x", "y", "test_x", "test_y"))
for line in json.load(open("eval.json"))["reference"]["lines"]:
    if line["head"] != "ridge":
        continue
    use = y != 3 if line["rows"] == "kept" else y >= 0
    a, scale = x[use].astype(float), np.sqrt((x[use].astype(float) ** 2).mean())
    z, t = (a - a.mean(0)) / scale, np.eye(4)[y[use]]
    w = np.linalg.solve(z.T @ z / len(z) + line["penalty"] * np.eye(z.shape[1]), z.T @ (t - t.mean(0)) / len(z))
    scores = (tx - a.mean(0)) / scale @ w + np.where(t.any(0), t.mean(0), -np.inf)
    assert abs((scores.argmax(1) == ty).mean() - line["accuracy"]) < 1e-12, line
END

# In `dkvb audit`, the heads of kept rows leave out the rows given by the journal, --class or --rows.
rows="--features x.npy --labels y.npy --test-features test_x.npy --test-labels test_y.npy --shadows 0"
"$python" -c 'import numpy as np; np.save("some.npy", np.arange(0, 400, 9))'
# shellcheck disable=SC2086
{
    check "$dkvb" audit act.dkvb $rows --reference --threads 1 --json >audit.json
    check "$dkvb" audit act.dkvb $rows --class grey --reference --threads 1 --json >named.json
    check "$dkvb" audit act.dkvb $rows --rows some.npy --reference --threads 1 --json >some.json
    check "$dkvb" audit act.dkvb $rows --reference >text
}
of_reference='[(l["head"], l["accuracy"], l["forgotten"], l["others"], l["auc"]) for l in d["reference"]["lines"]]'
[ "$(json audit.json "$of_reference")" = "$(json eval.json "$of_reference")" ] || fail "audit and eval differ"
[ "$(json named.json "$of_reference")" = "$(json eval.json "$of_reference")" ] || fail "audit and eval differ"
claim audit.json 'd["reference"]["forgotten_rows"] == d["members"]'
claim some.json 'd["reference"]["forgotten_rows"] == 45 and d["reference"]["lines"][2]["fitted"] == 355'
[ "$(grep -cE '^  (model|ridge|logistic) ' text)" -eq 5 ] || fail "lines are missing: $(cat text)"
same act.dkvb act.copy

# If training rows are invalid, the error names their file.
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
np.save("one.npy", np.where(y == 3, 3, -1))
y[5] = 4
np.save("large.npy", y)
np.save("short.npy", y[:30])
END
# shellcheck disable=SC2086
{
    refused 1 'one.npy: 1 class has rows' "$dkvb" eval m.dkvb $test --reference --train-features x.npy --train-labels one.npy
    refused 1 'large.npy: row 5 is 4, it must be -1 to 3' "$dkvb" eval m.dkvb $test --reference --train-features x.npy \
        --train-labels large.npy
    refused 1 'short.npy' "$dkvb" eval m.dkvb $test --reference --train-features x.npy --train-labels short.npy
    refused 1 'without them rows of 1 class are left' "$dkvb" eval m.dkvb $test $heads --forget-class 0,1,2
}
