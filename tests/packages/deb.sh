#!/bin/sh
# The Debian packages that cpack makes of a built tree: their names and files, lintian's opinion, and a run of what they
# hold from an unpacked folder. Installing and purging needs root: docs/tutorials/packager.md has the commands.
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
grep -q '^CPACK_PACKAGE_NAME' "$build/CPackConfig.cmake" 2>/dev/null ||
  grep -q 'CPACK_PACKAGE_NAME' "$build/CPackConfig.cmake" 2>/dev/null || skip "the tree is configured without install rules"

rm -rf "$work"
mkdir -p "$work/debs" "$work/root"
cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/debs" >"$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; exit 1; }
for package in libdkvb1 libdkvb-dev dkvb-tools python3-dkvb; do
  set -- "$work/debs/${package}"_*.deb
  [ -f "$1" ] || { echo "$package was not made"; exit 1; }
  for file in copyright changelog.Debian.gz; do
    dpkg-deb -c "$1" | grep -q "/usr/share/doc/$package/$file\$" || { echo "$package has no $file"; exit 1; }
  done
  dpkg-deb -x "$1" "$work/root"
done
for file in $(dpkg-deb -c "$work/debs/"dkvb-tools_*.deb | awk '{ print $6 }' | grep '/man1/.'); do
  case $file in *.gz) ;; *) echo "$file is not compressed"; exit 1 ;; esac
done
dpkg-deb -f "$work/debs/"libdkvb1_*.deb Depends | grep -q 'libc6 (>= ' || { echo "libdkvb1 names no libc6"; exit 1; }
if dpkg-deb -f "$work/debs/"libdkvb1_*.deb Depends | grep -qi blas; then
  echo "libdkvb1 needs a BLAS"
  exit 1
fi

if command -v lintian >/dev/null; then
  lintian --fail-on error --allow-root "$work/debs/"*.deb >"$work/lintian.txt" || { cat "$work/lintian.txt"; exit 1; }
  echo "lintian: no error"
else
  echo "lintian: not installed, not asked"
fi

libdir=$(dirname "$(find "$work/root/usr/lib" -name 'libdkvb.so.1' | head -n 1)")
export LD_LIBRARY_PATH="$libdir"
"$work/root/usr/bin/dkvb" --version
"$python" -c 'import numpy' 2>/dev/null || skip "Python has no numpy"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$work/root/usr/lib/python3/dist-packages" DKVB_LIBRARY="$libdir/libdkvb.so.1" \
  "$python" -c 'import dkvb, numpy as np
x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
model = dkvb.fit(x, (x[:, 0] > 0).astype(np.int32))[0]
model.save("'"$work"'/m.dkvb")'
"$work/root/usr/bin/dkvb" verify "$work/m.dkvb"
echo "packages: fine"
