#!/bin/sh
# Test in which numpy computes every code again in whole numbers from an exported model of usual size: for all rows of
# the test file, whitened or not, scaled or not, before and after forgetting.
#   export_real_data.sh TOOL DATA_FOLDER PYTHON
set -eu

tool=$1 data=$2/cifar10 python=$3
here=$(dirname "$0")
[ -f "$data/test_x.npy" ] || { echo "skipped: $data/test_x.npy is not there"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for preparation in "--whiten always" "--whiten never --as-they-are" "--whiten never"; do
  # shellcheck disable=SC2086 # unquoted variables hold several arguments
  "$tool" train --features "$data/test_x.npy" --labels "$data/test_y.npy" $preparation --epochs 1 -o "$work/model" \
    >/dev/null
  "$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 2000
done
"$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 10000
"$tool" forget "$work/model" --method activations --pairs 10000 --features "$data/test_x.npy" \
  --labels "$data/test_y.npy" --class 3 >/dev/null
"$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 2000
"$tool" purge "$work/model" >/dev/null
"$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 2000
