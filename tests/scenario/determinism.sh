#!/bin/sh
# Test that models and codes from rows of 784 columns have the same bytes for any number of threads, all kernels and any
# settings of OpenBLAS.
#   determinism.sh TOOL
set -eu

tool=$1
data=/usr/share/datasets/fashion-mnist
[ -f $data/t10k-images-idx3-ubyte.gz ] || { echo "skipped: Fashion-MNIST is not in $data"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# story NAME: trains, forgets and searches; NAME.model and NAME.codes must not differ between stories.
story() {
  export SOURCE_DATE_EPOCH=0
  "$tool" train --features $data/t10k-images-idx3-ubyte.gz --labels $data/t10k-labels-idx1-ubyte.gz \
    --codebooks 12 --keys 200 --key-dim 14 --whiten never --seed 5 --threads "$2" -o "$1.model" --json >/dev/null
  "$tool" forget "$1.model" --method activations --pairs 300 --features $data/t10k-images-idx3-ubyte.gz \
    --labels $data/t10k-labels-idx1-ubyte.gz --class 3 --salt "$(printf %064d 1)" --threads "$2" --json >/dev/null
  "$tool" search "$1.model" --features $data/t10k-images-idx3-ubyte.gz -o "$1.codes" --threads "$2" --json >/dev/null
  cmp "$1.model" first.model
  cmp "$1.codes" first.codes
  echo "$1: same bytes"
}

story first 1
story threads 2
DKVB_KERNELS=scalar story scalar 2
DKVB_KERNELS=avx2 story avx2 2
OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell story openblas-haswell 2
OPENBLAS_NUM_THREADS=2 OPENBLAS_CORETYPE=Sandybridge story openblas-sandybridge 2
