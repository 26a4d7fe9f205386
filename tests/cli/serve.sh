#!/bin/sh
# Test of `dkvb predict --serve`, which answers rows as they arrive, in their order, and switches to a new model file
# that replaces the old one.
. "$(dirname "$0")/common.sh"
make_data
printf 'ant\nbee\ncat\ndog\n' >names.txt
train_small m.dkvb --class-names names.txt --keep-counts
train_small other.dkvb --class-names names.txt --seed 7
train_small wide.dkvb --class-names names.txt --top-k 2 --keys 16
check "$dkvb" forget m.dkvb --class bee --pairs 40 --force --salt $salt -o forgot.dkvb >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy -o labels.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --top 3 -o top.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --top 3 -o top.csv >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy -o labels.csv >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.csv >/dev/null
check "$dkvb" predict forgot.dkvb --features test_x.npy -o forgot.npy >/dev/null

# Rows with column names, and a column of ids
check "$python" - <<'END'
import csv
import numpy as np

x, y = np.load("x.npy"), np.load("y.npy")
with open("named.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow([f"f{i}" for i in range(16)] + ["label"])
    for row, label in zip(x, y):
        table.writerow([*map(repr, map(float, row)), label])
END
# shellcheck disable=SC2086 # $small is unquoted, as it holds several arguments
check "$dkvb" train --features named.csv --label-column label $small -o named.dkvb >/dev/null

for options in '--features x.npy' '--images x.png' '-o out.npy' '--json' '--encoder descriptor' '--label-column y'; do
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    refused 2 'does not go with --serve' "$dkvb" predict m.dkvb --serve $options
done
refused 2 '--top does not go with --scores' "$dkvb" predict m.dkvb --serve --scores --top 2
refused 1 'top is 5, the model has 4 classes' "$dkvb" predict m.dkvb --serve --top 5
refused 1 'none.dkvb' "$dkvb" predict none.dkvb --serve

check "$python" "$here/serve.py" "$dkvb"
