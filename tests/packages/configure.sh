#!/bin/sh
# Test of a build on a machine where everything optional is missing: configuring succeeds, and prints one line for each
# part that is left out, with the package that provides it; the library is built. If a missing part is requested,
# configuring fails.
#
#   configure.sh SOURCE_DIR WORK_DIR C_COMPILER
set -eu

source=$1
work=$2
export CC="$3"
rm -rf "$work"
mkdir -p "$work/pkgconfig"

# pkg-config finds only the required libraries, and CMake is told not to find other packages.
for module in zlib libmd libxxhash; do
  cp "$(pkg-config --variable=pcfiledir "$module")/$module.pc" "$work/pkgconfig"
done
bare() { # name, then arguments for cmake
  name=$1
  shift
  PKG_CONFIG_LIBDIR=$work/pkgconfig cmake -S "$source" -B "$work/$name" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_DISABLE_FIND_PACKAGE_PNG=ON -DCMAKE_DISABLE_FIND_PACKAGE_JPEG=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenMP=ON "$@" \
    >"$work/$name.log" 2>&1
}

bare minimal || { cat "$work/minimal.log"; echo "a machine without the optional libraries cannot configure"; exit 1; }
for package in libcmocka-dev libpng-dev libjpeg-dev libwebp-dev libjansson-dev libopenblas-dev libssl-dev libgomp; do
  count=$(grep -c "left out: .*: not found\. Debian has it in $package.*: install it" "$work/minimal.log") || true
  [ "$count" = 1 ] || { cat "$work/minimal.log"; echo "$package: found $count lines of what is left out, expected 1"; exit 1; }
done
echo "what is missing is left out: fine"

for asked in "DKVB_PNG libpng-dev" "DKVB_TESTS libcmocka-dev" "DKVB_OPENMP libgomp" "DKVB_OPENSSL libssl-dev"; do
  option=${asked% *}
  package=${asked#* }
  if bare "asked_$option" "-D$option=ON"; then
    echo "-D$option=ON: what it needs is missing, and configuring succeeds"
    exit 1
  fi
  # CMake breaks its messages into lines, which this command joins.
  tr -s ' \n' ' ' <"$work/asked_$option.log" | grep -q "$option is ON, and what it needs was not found.*$package" ||
    { cat "$work/asked_$option.log"; echo "-D$option=ON: the error does not name $package"; exit 1; }
done
echo "what is asked for and missing is an error: fine"

cmake --build "$work/minimal" -j 2 --target dkvb >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
needed=$(readelf -d "$work/minimal/lib/libdkvb.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
if echo "$needed" | grep -E 'png|jpeg|webp|jansson|gomp|omp|blas'; then
  echo "the library needs what it was built without"
  exit 1
fi
echo "the smallest library is built: fine"
