#!/bin/sh
# Test of the Debian packages in a bare system: they are installed by apt alone, used from the shell and from Python,
# and purged, after which nothing stays. The test needs root, a network for the dependencies, and a folder made by
# debootstrap, which the test changes; it runs only if DKVB_BARE_ROOT names this folder:
#
#   debootstrap --variant=minbase bookworm ROOT
#   DKVB_BARE_ROOT=ROOT ctest -R packages.bare_root
#
#   bare_root.sh BUILD_DIR WORK_DIR
set -eu

build=$1
work=$2
root=${DKVB_BARE_ROOT:-}
data=usr/share/datasets/fashion-mnist

skip() {
  echo "skipped: $1"
  exit 77
}
[ -n "$root" ] || skip "DKVB_BARE_ROOT names no folder that debootstrap made"
[ "$(id -u)" = 0 ] || skip "chroot needs the rights of root"
[ -x "$root/usr/bin/apt-get" ] || { echo "DKVB_BARE_ROOT: $root has no usr/bin/apt-get: make it with debootstrap"; exit 1; }
[ -f "/$data/train-images-idx3-ubyte.gz" ] || skip "/$data is missing (Debian: dataset-fashion-mnist)"

rm -rf "$work"
mkdir -p "$work"
cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/debs" >"$work/cpack.log" 2>&1 || { cat "$work/cpack.log"; exit 1; }
rm -rf "$root/debs"
mkdir -p "$root/debs" "$root/$data"
cp "$work/debs/"libdkvb1_*.deb "$work/debs/"dkvb-tools_*.deb "$work/debs/"python3-dkvb_*.deb "$root/debs"
cp "/$data/"*.gz "$root/$data"

inside() { chroot "$root" env LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive OMP_WAIT_POLICY=passive "$@"; }
packages="libdkvb1 dkvb-tools python3-dkvb"
install_packages() { inside sh -c 'apt-get install -y --no-install-recommends /debs/*.deb' >>"$work/apt.log" 2>&1; }
# shellcheck disable=SC2086 # unquoted variables hold several arguments
purge_packages() { inside apt-get purge -y $packages >>"$work/apt.log" 2>&1; }
files() { (cd "$root" && find . -xdev \( -path ./debs -o -path ./proc -o -path ./tmp \) -prune -o -print | sort); }
apt_failed() { tail -n 30 "$work/apt.log"; echo "apt-get failed in $root: $1"; exit 1; }

# The first installation brings the packages' dependencies, which stay. The second installation shows whether the
# packages themselves leave anything behind.
inside apt-get update >>"$work/apt.log" 2>&1 || apt_failed update
install_packages || apt_failed install
purge_packages || apt_failed purge
files >"$work/before"
install_packages || apt_failed "second install"

inside dkvb --version
inside env DKVB=dkvb sh /usr/share/doc/dkvb-tools/examples/quickstart.sh >"$work/quickstart.log" 2>&1 ||
  { tail -n 20 "$work/quickstart.log"; echo "the quickstart fails with the installed tool"; exit 1; }
tail -n 14 "$work/quickstart.log"
inside python3 -c 'import dkvb, numpy as np
x = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
model = dkvb.fit(x, (x[:, 0] > 0).astype(np.int32))[0]
print("python3-dkvb:", dkvb.__file__)'

purge_packages || apt_failed "second purge"
files >"$work/after"
diff "$work/before" "$work/after" || { echo "purge leaves the files with >, or took those with <"; exit 1; }
if grep -i dkvb "$work/after"; then
  echo "purge leaves these files"
  exit 1
fi
echo "bare root: nothing left"
