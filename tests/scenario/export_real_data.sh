#!/bin/sh
# Answers recomputed by numpy in float64 from an exported model of full size, before and after forgetting.
#   export_real_data.sh TOOL DATA_FOLDER PYTHON
set -eu

tool=$1 data=$2/cifar10 python=$3
here=$(dirname "$0")
[ -f "$data/test_x.npy" ] || { echo "skipped: $data/test_x.npy is not there"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for init in sample "ema --normalize"; do
  # shellcheck disable=SC2086 # two words
  "$tool" train --features "$data/test_x.npy" --labels "$data/test_y.npy" --init $init --key-dim 32 -o "$work/model"
  "$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 400
done
"$tool" forget "$work/model" --method activations --pairs 100000 --features "$data/test_x.npy" \
  --labels "$data/test_y.npy" --class 3
"$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 400
"$tool" purge "$work/model"
"$python" "$here/export_recompute.py" "$tool" "$work/model" "$data/test_x.npy" 400
