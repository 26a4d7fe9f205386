#!/bin/sh
# Test of `dkvb separation`: the figures equal those computed by numpy, from rows and from codes, in text, JSON and
# tables.
. "$(dirname "$0")/common.sh"
make_data
printf 'red\n"so called", blue\n\ngr=ün\n' >names.txt
"$python" - <<'END'
import numpy as np
y = np.load("y.npy")
y[::9] = -1
y[y == 3] = -1
np.save("some_y.npy", y)
np.save("one_y.npy", np.where(y == 0, 0, -1))
np.save("no_y.npy", np.full(len(y), -1))
END

for k in 1 2; do
    train_small m.dkvb --top-k $k --class-names names.txt
    check "$dkvb" search m.dkvb --features x.npy -o codes.npy >/dev/null
    check "$dkvb" separation m.dkvb --codes codes.npy --labels some_y.npy --json >s.json
    check "$python" - <<'END'
import json
import numpy as np
d, codes, y = json.load(open("s.json")), np.load("codes.npy"), np.load("some_y.npy")
n, C, k = codes.shape
selects = (codes[:, :, :, None] == np.arange(32)).any(axis=2).reshape(n, -1)  # [n][C * K]
counts = np.stack([selects[y == l].sum(axis=0) for l in range(4)])
assert d["n"] == (y >= 0).sum() and d["pairs_total"] == 256
assert d["pairs_selected"] == (counts > 0).any(axis=0).sum()
exclusive = (counts > 0) & ((counts > 0).sum(axis=0) == 1)
assert d["pairs_exclusive"] == exclusive.sum()
shares = counts[:3] / np.array([(y == l).sum() for l in range(3)])[:, None]
rows = np.flatnonzero(y >= 0)
distance = 1 - (selects[rows].astype(int) @ selects[rows].T) / (C * k)
sums = np.stack([distance[:, y[rows] == l].sum(axis=1) for l in range(3)], axis=1)
size = (y[rows][:, None] == np.arange(3)).sum(axis=0)
own = np.arange(len(rows)), y[rows]
within, means = sums[own] / (size[y[rows]] - 1), sums / size
means[own] = np.inf
s = (means.min(axis=1) - within) / np.maximum(means.min(axis=1), within)
assert abs(d["silhouette"] - s.mean()) < 1e-9
for l, c in enumerate(d["classes"]):
    assert c["label"] == l and c["rows"] == (y == l).sum() and c["pairs_selected"] == (counts[l] > 0).sum()
    assert c["pairs_exclusive"] == exclusive[l].sum()
    if l == 3:  # no rows
        assert c["nearest"] is c["overlap"] is c["silhouette"] is None, c
        assert d["jaccard"][3] == d["weighted"][3] == [None] * 4
        continue
    for m in range(3):
        sets = (counts[l] > 0), (counts[m] > 0)
        assert abs(d["jaccard"][l][m] - (sets[0] & sets[1]).sum() / (sets[0] | sets[1]).sum()) < 1e-9
        weighted = np.minimum(shares[l], shares[m]).sum() / np.maximum(shares[l], shares[m]).sum()
        assert abs(d["weighted"][l][m] - weighted) < 1e-9
    others = [(-d["weighted"][l][m], m) for m in range(3) if m != l]
    assert c["nearest"] == min(others)[1] and c["overlap"] == -min(others)[0]
    assert abs(c["silhouette"] - s[y[rows] == l].mean()) < 1e-9
END
done

# The figures are the same from rows and from their codes, and with any number of threads.
numbers() {
    json "$1" '[v for k, v in d.items() if k != "seconds"]'
}
check "$dkvb" separation m.dkvb --features x.npy --labels some_y.npy --json >rows.json
check "$dkvb" separation m.dkvb --codes codes.npy --labels some_y.npy --threads 3 --json >threads.json
[ "$(numbers s.json)" = "$(numbers rows.json)" ] || fail "other figures from rows"
[ "$(numbers s.json)" = "$(numbers threads.json)" ] || fail "other figures by three threads"

# The CSV tables have the figures of the JSON output, and class names that a spreadsheet can read.
check "$dkvb" separation m.dkvb --codes codes.npy --labels some_y.npy --csv tables >said.txt
grep -q '^wrote 3 tables to tables$' said.txt || fail "$(cat said.txt)"
grep -q '^1 "so called", blue ' said.txt || fail "$(cat said.txt)"
[ "$(grep -c '^3 gr=ün  *0  *0  *0  - .* -  *-$' said.txt)" -eq 1 ] || fail "$(cat said.txt)"
cat >read_tables.py <<'END'
import csv, json
d = json.load(open("s.json"))
number = lambda cell: float(cell) if cell else None
with open("tables/classes.csv", encoding="utf-8", newline="") as file:
    classes = list(csv.DictReader(file))
assert [c["name"] for c in classes] == ["red", '"so called", blue', "", "gr=ün"], classes
for found, wanted in zip(classes, d["classes"]):
    assert list(found) == list(wanted)
    assert all(number(found[key]) == wanted[key] for key in wanted if key != "name"), (found, wanted)
for name in ("jaccard", "weighted"):
    with open(f"tables/{name}.csv", encoding="utf-8", newline="") as file:
        head, *body = csv.reader(file)
    assert head == ["class", "red", '"so called", blue', "2", "gr=ün"] == ["class"] + [row[0] for row in body], head
    assert [[number(cell) for cell in row[1:]] for row in body] == d[name]
END
check "$python" read_tables.py
chmod 600 tables/classes.csv
chmod 666 tables/jaccard.csv
check "$dkvb" separation m.dkvb --codes codes.npy --labels some_y.npy --csv tables --json >again.json # written over
check "$python" read_tables.py
[ "$(ls tables)" = "classes.csv
jaccard.csv
weighted.csv" ] || fail "$(ls tables)"
case $(ls -l tables/classes.csv) in -rw-------*) ;; *) fail "a private table was opened to others" ;; esac
case $(ls -l tables/jaccard.csv) in -rw-rw-rw-*) ;; *) fail "an open table was closed to others" ;; esac

# If there is a single class, figures about other classes are missing.
check "$dkvb" separation m.dkvb --codes codes.npy --labels one_y.npy --json >one.json
claim one.json 'd["silhouette"] is None and d["classes"][0]["nearest"] is None and d["classes"][0]["rows"] > 0'
claim one.json 'd["classes"][0]["pairs_selected"] == d["classes"][0]["pairs_exclusive"] == d["pairs_selected"]'

# An output file may not replace an input file; files that do not match are named in the error; no file is left behind.
"$python" -c 'import numpy as np; c = np.load("codes.npy"); c[41, 3] = 32; np.save("wrong.npy", c)
y = np.load("y.npy"); y[7] = 4; np.save("large_y.npy", y)'
mkdir in
cp codes.npy in/jaccard.csv
files=$(ls . in)
refused 2 'an output and --codes are the same file' "$dkvb" separation m.dkvb --codes in/jaccard.csv --labels y.npy --csv in
refused 2 'one of --features and --codes must be given' "$dkvb" separation m.dkvb --labels y.npy
refused 2 'one of --features and --codes must be given' "$dkvb" separation m.dkvb --codes codes.npy --features x.npy \
    --labels y.npy
refused 2 '--labels is missing' "$dkvb" separation m.dkvb --codes codes.npy
refused 1 'wrong.npy and y.npy: codes: row 41, codebook 3 names key 32' "$dkvb" separation m.dkvb --codes wrong.npy \
    --labels y.npy --csv new
refused 1 'codes.npy and large_y.npy: labels: row 7 is 4, it must be -1 to 3' "$dkvb" separation m.dkvb \
    --codes codes.npy --labels large_y.npy --csv new
refused 1 'no_y.npy: labels: 400 rows and no label of 0 or more' "$dkvb" separation m.dkvb --codes codes.npy --labels no_y.npy
refused 1 'test_y.npy has 100 labels, codes.npy has 400 rows' "$dkvb" separation m.dkvb --codes codes.npy \
    --labels test_y.npy
refused 1 'x.npy: float32' "$dkvb" separation m.dkvb --codes x.npy --labels y.npy
refused 1 'y.npy: is not a folder' "$dkvb" separation m.dkvb --codes codes.npy --labels y.npy --csv y.npy
rm -f refused.out refused.err
[ "$(ls . in)" = "$files" ] || fail "files were left: $(ls . in)"

# A codes file can be given in place of codes and labels.
train_small kept.dkvb --codes-out kept.codes --hold-out 0
check "$dkvb" search kept.dkvb --features x.npy -o kept.npy >/dev/null
check "$dkvb" separation kept.dkvb --codes kept.codes --json >of_set.json
check "$dkvb" separation kept.dkvb --codes kept.npy --labels y.npy --json >of_codes.json
sed -i 's/"seconds".*//' of_set.json of_codes.json
same of_set.json of_codes.json
refused 2 'the codes file has them' "$dkvb" separation kept.dkvb --codes kept.codes --labels y.npy
