#!/bin/sh
# Test of dkvb.hpp: the C++ example, and a comparison with C, build without a warning and pass, with each given
# compiler, as C++11 and as C++20. With the AddressSanitizer of the first compiler, if it has one, no memory leaks.
#
#   cxx.sh SOURCE_DIR LIBRARY_DIR WORK_DIR COMPILER...
set -eu
source=$1 lib=$2 work=$3
shift 3
mkdir -p "$work"
cd "$work"
warnings="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Werror"
# Two threads, as there are too few rows to share among more.
OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive SOURCE_DATE_EPOCH=0
export OMP_NUM_THREADS OMP_WAIT_POLICY SOURCE_DATE_EPOCH

try() { # COMPILER STANDARD PROGRAM FLAG...
  compiler=$1 standard=$2 program=$3
  shift 3
  # shellcheck disable=SC2086 # unquoted variables hold several arguments
  "$compiler" -std="$standard" $warnings "$@" -I"$source/include" "$program" -o program \
    -L"$lib" -Wl,-rpath,"$lib" -ldkvb
  ./program >output || { cat output; echo "$program by $compiler as $standard: exit code not 0"; exit 1; }
}

for compiler in "$@"; do
  for standard in c++11 c++20; do
    echo 'int main() { return 0; }' >probe.cc
    "$compiler" -std=$standard probe.cc -o probe 2>/dev/null || { echo "$compiler has no $standard: left out"; continue; }
    try "$compiler" $standard "$source/tests/abi/cxx/same.cc"
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    "$compiler" -std=$standard $warnings -I"$source/include" -fsyntax-only "$source/examples/forget.cc"
    echo "$compiler as $standard: fine"
  done
done
try "$1" c++11 "$source/examples/forget.cc"
echo "examples/forget.cc: fine"
if "$1" -fsanitize=address probe.cc -o probe 2>/dev/null; then
  try "$1" c++11 "$source/tests/abi/cxx/same.cc" -fsanitize=address -g
  echo "$1 with AddressSanitizer: nothing leaks"
fi
