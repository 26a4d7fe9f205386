#!/bin/sh
# Test that the codes and distances of this machine's compute kernels equal those of the AVX2 kernels and, on fewer
# rows, of the scalar kernels, byte for byte. The test searches real data for the 2 nearest keys in 256 codebooks of
# 1,024 keys, which are rows of the test file, of lengths 32, 16 and 8, before and after 10,000 pairs are masked.
# Missing data sets are left out.
#   exact_search.sh TOOL DATA_FOLDER PYTHON
set -eu

tool=$1 data=$2 python=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fashion=/usr/share/datasets/fashion-mnist
done=0

# compared ROWS NAME KERNELS: fails the test unless the codes and distances of the usual kernels, NAME.codes and
# NAME.dist, equal those of the kernels KERNELS.
compared() {
  "$tool" search model --features "$1" -o "$2.codes" --distances "$2.dist" >/dev/null
  env DKVB_KERNELS="$3" "$tool" search model --features "$1" -o other.codes --distances other.dist >/dev/null
  cmp "$2.codes" other.codes
  cmp "$2.dist" other.dist
}

# story KEY_DIM TRAIN_X TEST_X TEST_Y
story() {
  if [ ! -f "$2" ] || [ ! -f "$3" ] || [ ! -f "$4" ]; then
    echo "left out: $2 or its test rows or labels are not there"
    return
  fi
  "$tool" train --features "$3" --labels "$4" --init sample --key-dim "$1" --keys 1024 --codebooks 256 --top-k 2 \
    --whiten never --epochs 1 -o model >/dev/null
  case $2 in
  *.npy) "$python" -c 'import numpy as np, sys; np.save("some.npy", np.load(sys.argv[1], mmap_mode="r")[:500])' "$3" ;;
  *) ;; # only arrays are cut here
  esac
  compared "$2" train avx2
  compared "$3" test avx2
  [ ! -f some.npy ] || compared some.npy some scalar
  rm -f some.npy
  "$tool" forget model --method activations --pairs 10000 --codes test.codes --json >forget.json
  grep -q '"pairs_masked": *10000' forget.json || { cat forget.json; exit 1; }
  mv test.codes before.codes
  compared "$3" test avx2
  if cmp -s test.codes before.codes; then
    echo "masking changed no code"
    exit 1
  fi
  done=$((done + 1))
}

story 32 "$data/cifar10/train_x.npy" "$data/cifar10/test_x.npy" "$data/cifar10/test_y.npy"
story 16 "$data/tiny100/train_x.npy" "$data/tiny100/test_x.npy" "$data/tiny100/test_y.npy"
story 8 $fashion/train-images-idx3-ubyte.gz $fashion/t10k-images-idx3-ubyte.gz $fashion/t10k-labels-idx1-ubyte.gz
[ $done -gt 0 ] || { echo "skipped: no data set is there"; exit 77; }
