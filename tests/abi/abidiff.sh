#!/bin/sh
# The library must have the ABI that is stored in tests/abi/libdkvb.abi, made by abidw of libabigail. New functions are
# allowed. After any other difference the stored ABI must be written again; docs/abi.md says which differences are
# allowed.
#
#   abidiff.sh SOURCE_DIR BUILD_DIR WORK_DIR [--write]     --write: store the present ABI
set -eu

# The paths are absolute, as compilers record absolute paths, which are left out of the stored ABI below.
source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
mkdir -p "$3"
work=$(cd "$3" && pwd)
stored=$source/tests/abi/libdkvb.abi

skip() {
  echo "skipped: $1"
  exit 77
}
{ command -v abidiff && command -v abidw; } >/dev/null || skip "abidiff is not installed (Debian: abigail-tools)"
[ "$(uname -m)" = x86_64 ] || skip "the stored description is of x86-64"

# abidw reads types from debugging information, so the library is built with it, and without optimization to save time.
# Names of folders on this machine are left out of the stored ABI.
mkdir -p "$work"
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
cmake -S "$source" -B "$work/build" -DCMAKE_BUILD_TYPE=None -DCMAKE_C_COMPILER="$cc" \
  -DCMAKE_C_FLAGS="-g -O0 -w -fdebug-prefix-map=$source=dkvb -fdebug-prefix-map=$work=work" \
  -DBUILD_TESTING=OFF -DDKVB_TOOL=OFF -DDKVB_EXAMPLES=OFF -DDKVB_REFERENCE=OFF >"$work/configure.log"
cmake --build "$work/build" --target dkvb -j 2 >"$work/build.log"

# The stored and the present ABI are described by abidw in the same way. abidiff itself gets no --headers-dir, since
# version 2.2 would then take changed members of public structs for private ones, and find nothing.
now=$work/libdkvb.abi
abidw --headers-dir "$source/include/dkvb" --drop-private-types --no-corpus-path --no-show-locs --no-comp-dir-path \
  --no-parameter-names --exported-interfaces-only --type-id-style hash --out-file "$now" "$work/build/lib/libdkvb.so"
[ "${4:-}" != --write ] || cp "$now" "$stored"

if grep -n "path='/" "$stored"; then
  echo "$stored: the lines above hold paths of one machine, paths must begin with dkvb/: store it anew with --write"
  exit 1
fi

# Bit 8 of abidiff's exit status means an incompatible change. Status 4 alone means a change that abidiff cannot judge,
# such as a new member of a struct.
status=0
abidiff --no-show-locs --no-added-syms "$stored" "$now" >"$work/abidiff.txt" || status=$?
if [ "$status" != 0 ]; then
  cat "$work/abidiff.txt"
  echo "the ABI differs from tests/abi/libdkvb.abi (status $status): undo the change, or, if docs/abi.md allows it, store it"
  echo "by: tests/abi/abidiff.sh SOURCE_DIR BUILD_DIR WORK_DIR --write"
  exit 1
fi
echo "the ABI is that of tests/abi/libdkvb.abi; functions may have been added"
