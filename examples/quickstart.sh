#!/bin/sh
# Trains on all 60,000 images of Fashion-MNIST, prints the accuracy, forgets a class by a mask and by training again
# without its rows, undoes the mask, and makes it permanent. On a fresh Debian 12 machine, quickstart.sh first
# installs the packages that are missing, and builds the tool dkvb.
#
#   examples/quickstart.sh [SEED]              builds the tool dkvb, and runs the example with it
#   DKVB=dkvb examples/quickstart.sh [SEED]    runs the example with an installed tool dkvb, and builds nothing
set -eu

seed=${1:-0}
data=/usr/share/datasets/fashion-mnist
class=0 # T-shirt/top

if [ -n "${DKVB:-}" ]; then
  dkvb=$DKVB
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
else
  cd "$(dirname "$0")/.."
  build=build/quickstart
  work=$build/story
  dkvb=$build/src/dkvb
  cmake/install-deps.sh
  rm -rf $work
  mkdir -p $work
fi
if [ ! -f $data/train-images-idx3-ubyte.gz ]; then
  as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  echo "Installing dataset-fashion-mnist"
  if ! { $as_root apt-get update && $as_root apt-get install -y dataset-fashion-mnist; }; then
    echo "quickstart: put the four .gz files of Fashion-MNIST into $data" >&2
    exit 1
  fi
fi
if [ -z "${DKVB:-}" ]; then
  if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
  fi
  echo "Building in $build"
  if ! { cmake -S . -B $build -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DDKVB_EXAMPLES=OFF &&
    cmake --build $build -j "$(getconf _NPROCESSORS_ONLN)"; } >$build/log 2>&1; then
    cat $build/log >&2
    exit 1
  fi
fi

now() { date +%s.%N; }
times=
# timed NAME COMMAND...: runs the command, and notes under the name how many seconds it took.
timed() {
  name=$1
  shift
  start=$(now)
  "$@"
  times="$times$(echo "$name $start $(now)" | awk '{ printf "%-34s %6.1f s", $1, $3 - $2 }')
"
}
accuracy() { $dkvb eval "$1" --features $work/test.npy --labels $work/test-labels.npy --forget-class $class --json |
  sed 's/.*"accuracy": *\([0-9.]*\).*"forget_accuracy": *\([0-9.]*\).*"retain_accuracy": *\([0-9.]*\).*/\1 \2 \3/'; }
row() { echo "$1 $(accuracy "$2")" | awk '{ printf "%-34s %8.4f %10.4f %10.4f\n", $1, $2, $3, $4 }'; }

cat >$work/names <<'NAMES'
T-shirt/top
Trouser
Pullover
Dress
Coat
Sandal
Shirt
Sneaker
Bag
Ankle boot
NAMES
for part in train t10k; do
  out=$work/train
  [ $part = train ] || out=$work/test
  $dkvb encode --encoder pixels --format idx --input $data/$part-images-idx3-ubyte.gz -o $out.npy \
    --labels $data/$part-labels-idx1-ubyte.gz --labels-out $out-labels.npy
done

echo
echo "Train on 60,000 images"
timed train $dkvb train --features $work/train.npy --labels $work/train-labels.npy --class-names $work/names \
  --seed "$seed" -o $work/model.dkvb --codes-out $work/rows.codes

echo
echo "Forget class $class, T-shirt/top: suppressed by a mask, and by training again without its rows"
timed suppress $dkvb forget $work/model.dkvb -o $work/suppressed.dkvb --class $class --codes $work/rows.codes \
  --reason "quickstart"
timed exact $dkvb forget $work/model.dkvb -o $work/exact.dkvb --class $class --codes $work/rows.codes \
  --strength exact --keep-keys --codes-out $work/kept.codes --reason "quickstart"

echo
echo "Take the mask back, or make it permanent"
timed undo $dkvb undo $work/suppressed.dkvb -o $work/undone.dkvb
timed purge $dkvb purge $work/suppressed.dkvb -o $work/purged.dkvb

echo
echo "On the 10,000 test images            accuracy  forgotten   retained"
row before $work/model.dkvb
row suppressed $work/suppressed.dkvb
row exact $work/exact.dkvb
row undone $work/undone.dkvb
row purged $work/purged.dkvb

echo
echo "How long it took"
printf '%s' "$times"
echo
echo "Masking suppresses; purge erases the listed bytes; only training again without the rows deletes."
