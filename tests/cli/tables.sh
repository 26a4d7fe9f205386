#!/bin/sh
# Test of tables with column names, labels, ids and groups in train, predict, eval and forget.
. "$(dirname "$0")/common.sh"
make_data
check "$python" - <<'PY'
"""rows.csv as people keep it, and the same rows in other layouts."""
import csv
import numpy as np

names = ["cat", "dog", "fox", "owl"]


def write(path, columns, rows, delimiter=","):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        if columns:
            out.writerow(columns)
        out.writerows(rows)


x, y, t = np.load("x.npy"), np.load("y.npy"), np.load("test_x.npy")
c = [f"c{i}" for i in range(16)]
plain = [[repr(float(v)) for v in row] for row in x]
test = [[repr(float(v)) for v in row] for row in t]
groups = [f"u{i // 8}" for i in range(len(x))]
write("rows.csv", ["key", *c, "label", "who"], [[f"r{i}", *plain[i], names[y[i]], groups[i]] for i in range(len(x))])
write("plain.csv", [*c, "label", "who"], [[*plain[i], names[y[i]], groups[i]] for i in range(len(x))])
write("headerless.csv", None, [[names[y[i]], *plain[i]] for i in range(len(x))])
write("new.csv", c, test)
write("moved.csv", [*c[::-1], "note"], [[*row[::-1], "any \"text\", here"] for row in test], ";")
write("short.csv", c[:-1], [row[:-1] for row in test])
write("labelled.csv", ["label", *c], [[names[v], *row] for v, row in zip(np.load("test_y.npy"), test)])
write("strange.csv", ["label", *c], [["yak" if i == 7 else names[v], *row]
                                      for i, (v, row) in enumerate(zip(np.load("test_y.npy"), test))])
write("named.csv", ["key", *c], [[f"t{i}", *row] for i, row in enumerate(test)])
write("gone.csv", ["key", "who"], [[f"r{i}", groups[i]] for i in range(len(x))])
write("some.csv", ["key"], [["r3"], ["r5"]])
np.savez_compressed("rows.npz", x=x, y=np.array(names)[y])
np.savez("one.npz", x)
write("long.csv", c, test * 3000)
PY

# The same rows and labels give the same model from every kind of file, except for the column names.
# shellcheck disable=SC2086 # $small is unquoted, as it holds several arguments
train() { # train OUT [OPTIONS]
    out=$1
    shift
    check "$dkvb" train $small -o "$out" "$@" >/dev/null
}
train own.dkvb --features rows.csv --label-column label --id-column key --group-column who --codes-out own.codes
train csv.dkvb --features headerless.csv --label-column '#1'
train npz.dkvb --features rows.npz:x --labels rows.npz:y
"$dkvb" predict csv.dkvb --features test_x.npy --scores -o csv.npy
"$dkvb" predict npz.dkvb --features test_x.npy --scores -o npz.npy
same csv.npy npz.npy
refused 1 'rows.npz: holds the arrays x, y; one must be chosen' \
    "$dkvb" train --features rows.npz --labels y.npy -o new.dkvb
gzip -k rows.csv # is no array, and no column is looked for in it
refused 1 'rows.csv.gz: is text, perhaps CSV packed by gzip; only IDX is read packed: unpack it by gunzip first' \
    "$dkvb" train --features rows.csv.gz --label-column label -o new.dkvb
refused 1 "no array 'z'; its arrays are x, y" "$dkvb" train --features rows.npz:z --labels y.npy -o new.dkvb
check "$dkvb" predict npz.dkvb --features one.npz >/dev/null

# Features are found by their column names: the order of columns, and further columns, do not matter.
check "$dkvb" predict own.dkvb --features new.csv -o answers.csv
check "$dkvb" predict own.dkvb --features moved.csv -o moved_answers.csv
same answers.csv moved_answers.csv
check "$dkvb" predict own.dkvb --features labelled.csv --label-column label -o labelled_answers.csv
same answers.csv labelled_answers.csv
check "$dkvb" predict own.dkvb --features labelled.csv -o labelled_answers.csv
same answers.csv labelled_answers.csv
refused 1 "short.csv: no column is called 'c15', which the model learned from" \
    "$dkvb" predict own.dkvb --features short.csv -o new.csv.out
refused 1 "no column is called 'class', which must have the labels" \
    "$dkvb" train --features rows.csv --label-column class -o new.dkvb
[ "$(head -n 1 answers.csv)" = row,label,probability ] || fail "$(head -n 1 answers.csv)"
[ "$(wc -l <answers.csv)" -eq 101 ] || fail "$(wc -l <answers.csv) lines"

# If --columns chooses feature columns at training, the model looks for these columns from then on.
train few.dkvb --features rows.csv --columns c3,c0,c7 --label-column label
check "$dkvb" predict few.dkvb --features new.csv -o few_answers.csv
check "$dkvb" predict few.dkvb --features moved.csv -o few_moved.csv
same few_answers.csv few_moved.csv
refused 1 "no column is called 'c99'" "$dkvb" train --features rows.csv --columns c3,c99 --label-column label -o new.dkvb
refused 1 'is named twice' "$dkvb" train --features rows.csv --columns c3,c3 --label-column label -o new.dkvb

# A model trained on a text file without column names takes files of the same layout.
check "$dkvb" predict csv.dkvb --features headerless.csv -o headerless_answers.csv
[ "$(wc -l <headerless_answers.csv)" -eq 401 ] || fail "headerless: $(wc -l <headerless_answers.csv) lines"

# With --id-column, each prediction is printed with the id of its row.
check "$dkvb" predict own.dkvb --features named.csv --id-column key -o named_answers.csv
[ "$(sed -n '5s/,.*//p' named_answers.csv)" = t3 ] || fail "$(sed -n 5p named_answers.csv)"
cut -d, -f2- answers.csv >a
cut -d, -f2- named_answers.csv >b
same a b

# `dkvb eval` takes labels by class name; a name that the model does not have is refused.
check "$dkvb" eval own.dkvb --features labelled.csv --label-column label --json >eval.json
check "$dkvb" eval own.dkvb --features test_x.npy --labels test_y.npy --json >arrays.json
[ "$(json eval.json 'd["accuracy"]')" = "$(json arrays.json 'd["accuracy"]')" ] || fail "$(cat eval.json arrays.json)"
refused 1 "the label 'yak' of row 7 is no class of the model; 'dkvb inspect' lists its classes" \
    "$dkvb" eval own.dkvb --features strange.csv --label-column label

# A class can be forgotten by its name; fewer rows are then predicted as this class.
check "$dkvb" forget own.dkvb -o less.dkvb --codes own.codes --class fox >/dev/null
check "$dkvb" predict less.dkvb --features new.csv -o less.csv
before=$(cut -d, -f2 answers.csv | grep -c fox)
[ "$(cut -d, -f2 less.csv | grep -c fox)" -lt "$before" ] || fail "fox is answered as before"

# Rows can be forgotten by their names, and by their group.
cp own.codes group.codes
check "$dkvb" forget own.dkvb -o g.dkvb --codes group.codes --strength exact --keep-keys --rows gone.csv \
    --id-column key --group-column who --group u3 --codes-out g.codes --json >group.json
awk -F, '$2 == "u3" { print $1 }' gone.csv >ids.txt
[ "$(wc -l <ids.txt)" -eq 8 ] || fail "$(wc -l <ids.txt) ids"
check "$dkvb" forget own.dkvb -o i.dkvb --codes group.codes --strength exact --keep-keys --rows ids.txt \
    --codes-out i.codes --json >ids.json
same g.codes i.codes
check "$dkvb" forget own.dkvb -o s.dkvb --codes own.codes --strength exact --keep-keys --rows some.csv --id-column key \
    --codes-out s.codes --json >/dev/null
refused 1 "no row is of the group 'u99'" "$dkvb" forget own.dkvb -o n.dkvb --codes own.codes --strength exact \
    --keep-keys --rows gone.csv --id-column key --group-column who --group u99 --codes-out n.codes
refused 1 'the codes have no such row, and its rows are called by names' "$dkvb" forget own.dkvb -o n.dkvb \
    --codes own.codes --strength exact --keep-keys --rows gone.csv --group-column who --group u3 --codes-out n.codes
refused 2 '--group-column says where the group stands' "$dkvb" forget own.dkvb -o n.dkvb --codes own.codes \
    --strength exact --keep-keys --rows gone.csv --group u3 --codes-out n.codes

# Of each group, all rows are held out or none.
if [ -n "${DKVB_LIBRARY-}" ]; then
    train held.dkvb --features plain.csv --label-column label --group-column who --keep codes \
        --codes-out held.codes
    check "$python" - <<'PY'
import dkvb

parts = [{int(i) // 8 for i in dkvb.Codeset.load("held.codes").rows(part).ids} for part in ("training", "held_out")]
assert parts[1] and not parts[0] & parts[1] and len(parts[0] | parts[1]) == 50, parts
PY
fi

# An interrupt while a table is read leaves no output file.
cat >stop.py <<'PY'
import signal, subprocess, sys, time

work = subprocess.Popen(sys.argv[1:], stderr=subprocess.PIPE, text=True,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while not any(line.startswith("SigCgt:") and int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1
              for line in open(f"/proc/{work.pid}/status")):
    time.sleep(0.001)
time.sleep(0.05)
assert work.poll() is None, "over too soon"
work.send_signal(signal.SIGINT)
err = work.communicate(timeout=60)[1]
assert (work.returncode, err) == (130, "dkvb: interrupted; nothing was written\n"), (work.returncode, err)
PY
check "$python" stop.py "$dkvb" predict own.dkvb --features long.csv -o stopped.csv
left=$(find . -name '*stopped*' -o -name 'new.dkvb*' -o -name 'n.dkvb*' -o -name 'new.csv.out*')
[ -z "$left" ] || fail "files were left: $left"

# Labels must be given by exactly one option.
refused 2 '--labels is missing, or --label-column' "$dkvb" train --features rows.csv -o new.dkvb
refused 2 '--labels does not go with --label-column' \
    "$dkvb" train --features rows.csv --labels y.npy --label-column label -o new.dkvb
refused 2 '--ids does not go with --id-column' \
    "$dkvb" train --features rows.csv --label-column label --id-column key --ids ids.txt -o new.dkvb

# An output made from an array of an archive may be read by no more users than the archive, and never replaces the
# archive.
chmod 600 rows.npz
check "$dkvb" predict npz.dkvb --features rows.npz:x -o secret.csv >/dev/null
[ "$(stat -c %a secret.csv)" = 600 ] || fail "secret.csv has the mode $(stat -c %a secret.csv)"
cp rows.npz rows.csv.npz
refused 2 'rows.csv.npz' "$dkvb" predict npz.dkvb --features rows.csv.npz:x -o rows.csv.npz
