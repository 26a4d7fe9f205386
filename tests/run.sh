#!/bin/sh
# The test command installs what is missing, builds, and runs every test.
#   tests/run.sh [PRESET [CTEST OPTION ...]]     PRESET: release (default), dev, clang, tsan, aarch64
# The preset aarch64 is built by a cross compiler and runs under qemu-user; its packages are installed on Debian only.
set -eu

cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -eq 0 ] || shift
case $preset in
  release | dev) cmake/install-deps.sh --tests ;;
  aarch64) cmake/install-deps.sh --cross ;;
  *) cmake/install-deps.sh --ci ;;
esac
if command -v ninja >/dev/null; then
  export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
fi
if [ "$preset" = tsan ]; then
  # Archer tells ThreadSanitizer which memory accesses are ordered by OpenMP's barriers. Without Archer, every parallel
  # region looks like a race.
  llvm=$(dirname "$(dirname "$(readlink -f "$(command -v clang)")")")
  export OMP_TOOL_LIBRARIES="$llvm/lib/libarcher.so" TSAN_OPTIONS="ignore_noninstrumented_modules=1"
fi
jobs=$(getconf _NPROCESSORS_ONLN)
cmake --preset "$preset"
cmake --build --preset "$preset" -j "$jobs"
ctest --preset "$preset" -j "$jobs" "$@"
