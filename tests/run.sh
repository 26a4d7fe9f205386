#!/bin/sh
# The test command: installs what is missing, builds, runs every test.
#   tests/run.sh [PRESET [CTEST OPTION ...]]     PRESET: release (default), dev, clang, tsan
set -eu

cd "$(dirname "$0")/.."
preset=${1:-release}
[ $# -eq 0 ] || shift
case $preset in
  release | dev) cmake/install-deps.sh --tests ;;
  *) cmake/install-deps.sh --ci ;;
esac
if command -v ninja >/dev/null; then
  export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
fi
jobs=$(getconf _NPROCESSORS_ONLN)
cmake --preset "$preset"
cmake --build --preset "$preset" -j "$jobs"
ctest --preset "$preset" -j "$jobs" "$@"
