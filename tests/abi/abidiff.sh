#!/bin/sh
# The library is compatible with the stored description of its ABI: tests/abi/libdkvb.abi, made by abidw of libabigail.
# Functions and members may be added; nothing that a program was built against may change (docs/abi.md).
#
#   abidiff.sh SOURCE_DIR BUILD_DIR WORK_DIR [--write]     --write: describe the ABI anew
set -eu

source=$1
build=$2
work=$3
stored=$source/tests/abi/libdkvb.abi

skip() {
  echo "skipped: $1"
  exit 77
}
command -v abidiff >/dev/null || skip "abidiff is not installed (Debian: abigail-tools)"
[ "$(uname -m)" = x86_64 ] || skip "the stored description is of x86-64"

# Types are read from debugging information, so the library is built with it, and as fast as a compiler can.
mkdir -p "$work"
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="-g -O0" \
  -DBUILD_TESTING=OFF -DDKVB_TOOL=OFF -DDKVB_EXAMPLES=OFF -DDKVB_REFERENCE=OFF >"$work/configure.log"
cmake --build "$work/build" --target dkvb -j 2 >"$work/build.log"

if [ "${4:-}" = --write ]; then
  abidw --headers-dir "$source/include/dkvb" --drop-private-types --no-corpus-path --no-show-locs --no-comp-dir-path --no-parameter-names --exported-interfaces-only \
    --type-id-style hash --out-file "$stored" "$work/build/lib/libdkvb.so"
fi
# Bit 4 (8): an incompatible change. Bit 3 (4) alone: a compatible one, an addition.
status=0
abidiff --headers-dir2 "$source/include/dkvb" --drop-private-types --no-show-locs "$stored" \
  "$work/build/lib/libdkvb.so" >"$work/abidiff.txt" || status=$?
cat "$work/abidiff.txt"
[ $((status & 11)) = 0 ] || { echo "the library is not compatible with tests/abi/libdkvb.abi"; exit 1; }
