#!/bin/sh
# Test of the Debian packages that cpack makes: their names and files, the result of lintian, and a run of their
# contents from an unpacked folder. (The test bare_root.sh installs and purges the packages.)
#
#   deb.sh SOURCE_DIR BUILD_DIR WORK_DIR PYTHON
set -eu

source=$1
build=$2
work=$3
python=$4

skip() {
  echo "skipped: $1"
  exit 77
}
command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || skip "dpkg-dev is not installed"
grep -q 'CPACK_PACKAGE_NAME' "$build/CPackConfig.cmake" 2>/dev/null || skip "the tree is configured without install rules"

rm -rf "$work"
mkdir -p "$work/debs" "$work/root"
cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/debs" >"$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; exit 1; }
packages="libdkvb1 libdkvb-dev dkvb-tools python3-dkvb"
if grep -q '^DKVB_REFERENCE:[A-Z]*=ON' "$build/CMakeCache.txt"; then
  packages="$packages libdkvb-reference1"
fi
if grep -q '^DKVB_MPI:[A-Z]*=ON' "$build/CMakeCache.txt"; then
  packages="$packages libdkvb-mpi1 dkvb-mpi"
fi
for package in $packages; do
  set -- "$work/debs/${package}"_*.deb
  [ -f "$1" ] || { echo "$package was not made"; exit 1; }
  for file in copyright changelog.Debian.gz; do
    dpkg-deb -c "$1" | grep -q "/usr/share/doc/$package/$file\$" || { echo "$package has no $file"; exit 1; }
  done
  dpkg-deb -x "$1" "$work/$package"
  dpkg-deb -x "$1" "$work/root"
  empty=$(find "$work/$package" -type d -empty)
  [ -z "$empty" ] || { echo "$package has empty folders: $empty"; exit 1; }
done

# Each package of a shared library has a file shlibs, by which dpkg-shlibdeps finds the package, and triggers ldconfig.
for package in $packages; do
  case $package in libdkvb1 | libdkvb-reference1 | libdkvb-mpi1) ;; *) continue ;; esac
  library=${package%1}
  dpkg-deb -I "$work/debs/${package}"_*.deb shlibs 2>/dev/null | grep -q "^$library 1 $package" ||
    { echo "$package has no file shlibs with the line: $library 1 $package"; exit 1; }
  dpkg-deb -I "$work/debs/${package}"_*.deb triggers 2>/dev/null | grep -q '^activate-noawait ldconfig$' ||
    { echo "$package does not trigger ldconfig"; exit 1; }
done

# No file may be in two packages, or they could not be installed together.
twice=$(for package in $packages; do (cd "$work/$package" && find . ! -type d); done | sort | uniq -d)
[ -z "$twice" ] || { echo "several packages hold: $twice"; exit 1; }
for file in $(dpkg-deb -c "$work/debs/"dkvb-tools_*.deb | awk '{ print $6 }' | grep '/man1/.'); do
  case $file in *.gz) ;; *) echo "$file is not compressed"; exit 1 ;; esac
done
dpkg-deb -f "$work/debs/"libdkvb1_*.deb Depends | grep -q 'libc6 (>= ' || { echo "libdkvb1 names no libc6"; exit 1; }
for package in libdkvb1 dkvb-tools; do
  if dpkg-deb -f "$work/debs/${package}"_*.deb Depends | grep -qiE 'blas|mpi'; then
    echo "$package needs a BLAS or MPI"
    exit 1
  fi
done
case $packages in *libdkvb-mpi1*)
  dpkg-deb -f "$work/debs/"libdkvb-mpi1_*.deb Depends | grep -q 'libopenmpi3' ||
    { echo "libdkvb-mpi1 does not name the library of MPI"; exit 1; }
  ;;
esac

if command -v lintian >/dev/null; then
  lintian --fail-on error --allow-root "$work/debs/"*.deb >"$work/lintian.txt" || { cat "$work/lintian.txt"; exit 1; }
  echo "lintian: no error"
else
  echo "lintian: not installed, not asked"
fi

libdir=$(dirname "$(find "$work/root/usr/lib" -name 'libdkvb.so.1' | head -n 1)")
export LD_LIBRARY_PATH="$libdir"
"$work/root/usr/bin/dkvb" --version

# Builds programs against the contents of the packages: by pkg-config with the shared and the static library, and by
# CMake.
consumer=$source/tests/abi/consumer
CC=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
export CC
pc() { PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config "$@" libdkvb; }
# shellcheck disable=SC2046 # the unquoted command prints several arguments
"$CC" -std=c11 "$consumer/main.c" $(pc --cflags --libs) -o "$work/shared"
"$work/shared"
echo 'int main(void) { return 0; }' >"$work/empty.c"
if "$CC" -fopenmp -static "$work/empty.c" -o "$work/empty" 2>"$work/empty.log"; then
  # shellcheck disable=SC2046
  "$CC" -std=c11 "$consumer/main.c" -static $(pc --static --cflags --libs) -o "$work/static"
  env -u LD_LIBRARY_PATH "$work/static"
else
  echo "-static: not tried, $CC has no static OpenMP library"
fi
cmake -S "$consumer" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$work/root/usr" -DCONSUMER_LANGUAGES=C >"$work/cmake.log" 2>&1 &&
  cmake --build "$work/cmake" >>"$work/cmake.log" 2>&1 &&
  (cd "$work/cmake" && ctest --output-on-failure) >>"$work/cmake.log" 2>&1 ||
  { cat "$work/cmake.log"; echo "a CMake project cannot use libdkvb-dev"; exit 1; }
echo "programs built against libdkvb-dev: fine"

"$python" -c 'import numpy' 2>/dev/null || skip "Python has no numpy"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$work/root/usr/lib/python3/dist-packages" DKVB_LIBRARY="$libdir/libdkvb.so.1" \
  "$python" -c 'import dkvb, numpy as np
x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
model = dkvb.fit(x, (x[:, 0] > 0).astype(np.int32))[0]
model.save("'"$work"'/m.dkvb")'
"$work/root/usr/bin/dkvb" verify "$work/m.dkvb"
echo "packages: fine"
