#!/bin/sh
# Search by the index gives the codes and distances of looking at every key, byte for byte: on real data, in 256
# codebooks of 4096 keys that are rows of the test file, 32, 16 and 8 wide.
#   exact_search.sh TOOL DATA_FOLDER
# Covered: all rows of train and test with the kernels of this machine; the test rows again by the index of the AVX2
# kernels, against the same answers; and again, both ways, after 200,000 pairs were masked. Data sets that are not there
# are left out.
# Not covered: the scalar kernels, which would take minutes (unit tests and determinism.sh compare those on small models).
set -eu

tool=$1 data=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fashion=/usr/share/datasets/fashion-mnist
done=0

# both ROWS NAME: codes and distances by the index, NAME.codes and NAME.dist, are those of looking at every key.
both() {
  "$tool" search model --features "$1" -o "$2.codes" --distances "$2.dist"
  "$tool" search model --features "$1" -o every.codes --distances every.dist --exhaustive
  cmp "$2.codes" every.codes
  cmp "$2.dist" every.dist
}

# story KEY_DIM TRAIN_X TEST_X TEST_Y
story() {
  if [ ! -f "$2" ] || [ ! -f "$3" ] || [ ! -f "$4" ]; then
    echo "left out: $2 or its test rows or labels are not there"
    return
  fi
  "$tool" train --features "$3" --labels "$4" --init sample --key-dim "$1" --epochs 1 --values f16 -o model
  both "$2" train
  both "$3" test
  env DKVB_KERNELS=avx2 "$tool" search model --features "$3" -o avx2.codes --distances avx2.dist
  cmp test.codes avx2.codes
  cmp test.dist avx2.dist
  "$tool" forget model --method activations --pairs 200000 --codes test.codes --json >forget.json
  grep -q '"pairs_masked": *200000' forget.json || { cat forget.json; exit 1; }
  both "$3" masked
  if cmp -s test.codes masked.codes; then
    echo "masking changed no code"
    exit 1
  fi
  done=$((done + 1))
}

story 32 "$data/cifar10/train_x.npy" "$data/cifar10/test_x.npy" "$data/cifar10/test_y.npy"
story 16 "$data/tiny100/train_x.npy" "$data/tiny100/test_x.npy" "$data/tiny100/test_y.npy"
story 8 $fashion/train-images-idx3-ubyte.gz $fashion/t10k-images-idx3-ubyte.gz $fashion/t10k-labels-idx1-ubyte.gz
[ $done -gt 0 ] || { echo "skipped: no data set is there"; exit 77; }
