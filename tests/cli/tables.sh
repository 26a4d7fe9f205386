#!/bin/sh
# A person's table from end to end: names in, names out, columns in any order, groups together, whatever the kind of file.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END'
import csv
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
names = np.array(["cat", "dog", 'owl, "barn"', "ü"])
def table(name, order, labels=True, extra=False, delimiter=","):
    with open(name, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=delimiter)
        out.writerow([f"c{i}" for i in order] + ["kind"] * labels + ["person", "visit"] + ["note"] * extra)
        for i, row in enumerate(x):
            out.writerow([repr(float(row[j])) for j in order] + [names[y[i]]] * labels + [f"p{i // 8}", f"v{i}"] + ["9"] * extra)
columns = list(range(x.shape[1]))
table("rows.csv", columns)
table("turned.tsv", columns[::-1], labels=False, extra=True, delimiter="\t")
table("less.csv", columns[1:])
np.savetxt("bare.csv", np.column_stack([y, x]), delimiter=",")
open("labels.txt", "w", encoding="utf-8").write("".join(f"{names[i]}\n" for i in y))
np.savez("rows.npz", x=x, y=names[y])
END
train() {
    check "$dkvb" train --codebooks 8 --keys 32 --key-dim 4 --epochs 3 --seed 1 "$@" >said.txt
}

# Labels from a column, a text and an archive are the same classes, and so is the model but for its names of columns.
train --features rows.csv --label-column kind --id-column visit --group-column person -o m.dkvb --codes-out m.codes
train --features x.npy --labels labels.txt -o text.dkvb
train --features rows.npz:x --labels rows.npz:y -o archive.dkvb
same text.dkvb archive.dkvb
check "$dkvb" inspect m.dkvb --json >m.json
claim m.json 'd["class_names"] == ["cat", "dog", "owl, \"barn\"", "ü"] and d["column_names"] == ["c%d" % i for i in range(16)]'

# Columns are matched by name: other orders and further columns change no answer, and a missing one is named.
check "$dkvb" predict m.dkvb --features rows.csv --id-column visit --top 2 -o rows_answers.csv >/dev/null
check "$dkvb" predict m.dkvb --features turned.tsv --id-column visit --top 2 -o turned_answers.csv >/dev/null
same rows_answers.csv turned_answers.csv
head -n 2 rows_answers.csv | tail -n 1 | grep -q '^v0,' || fail "$(head -n 2 rows_answers.csv)"
refused 1 "less.csv: no column is called 'c0', which the model learned from" "$dkvb" predict m.dkvb --features less.csv
check "$dkvb" eval m.dkvb --features rows.csv --label-column kind --json >eval.json
claim eval.json 'd["n"] == 400'
sed 's/,dog,/,lynx,/' rows.csv >lynx.csv
refused 1 "the label 'lynx' is no class of the model" "$dkvb" eval m.dkvb --features lynx.csv --label-column kind

# A group is forgotten by its name, and nobody else with it.
check "$dkvb" forget m.dkvb --codes m.codes --rows rows.csv --id-column visit --group-column person --group p3 \
    --strength exact --keep-keys --force -o gone.dkvb --codes-out gone.codes --json >gone.json
"$python" -c 'open("p3.txt", "w").write("".join("v%d\n" % i for i in range(24, 32)))'
check "$dkvb" forget m.dkvb --codes m.codes --rows p3.txt --strength exact --keep-keys --force -o list.dkvb \
    --codes-out list.codes --salt "$(printf '%064d' 0)" >/dev/null
check "$dkvb" forget m.dkvb --codes m.codes --rows rows.csv --id-column visit --group-column person --group p3 \
    --strength exact --keep-keys --force -o table.dkvb --codes-out table.codes --salt "$(printf '%064d' 0)" >/dev/null
same list.dkvb table.dkvb
same list.codes table.codes
refused 1 "rows.csv: no row is of the group 'nobody'" "$dkvb" forget m.dkvb --codes m.codes --rows rows.csv \
    --id-column visit --group-column person --group nobody --strength exact
refused 2 '--group-column says where the group stands that --group names' "$dkvb" forget m.dkvb --codes m.codes \
    --rows rows.csv --group p3 --strength exact

# A text without names has numbers, from training to answers.
train --features bare.csv --label-column 1 -o bare.dkvb
check "$dkvb" predict bare.dkvb --features bare.csv -o bare_answers.csv >/dev/null
check "$dkvb" predict bare.dkvb --features x.npy -o array_answers.csv >/dev/null
same bare_answers.csv array_answers.csv

# Words of one rule: who is named twice, or nowhere.
refused 2 '--labels is missing, or --label-column' "$dkvb" train --features rows.csv -o no.dkvb
refused 2 '--labels does not go with --label-column' "$dkvb" train --features rows.csv --labels labels.txt --label-column kind -o no.dkvb
refused 2 '--ids does not go with --id-column' "$dkvb" train --features rows.csv --label-column kind --id-column visit --ids labels.txt -o no.dkvb
refused 1 "no column is called 'kinds', which must have the labels; its columns are c0" "$dkvb" train --features rows.csv --label-column kinds -o no.dkvb
[ ! -e no.dkvb ] || fail "a refused training left a model"
