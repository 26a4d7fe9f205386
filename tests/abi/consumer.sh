#!/bin/sh
# Installs a built tree, then builds and runs small programs against it in each way of building against the library:
# find_package from C, from C++ and from both, add_subdirectory, pkg-config with the shared and with the static library,
# Meson, plain cc.
#
#   consumer.sh SOURCE_DIR BUILD_DIR WORK_DIR
set -eu

source=$1
build=$2
work=$3
consumer=$source/tests/abi/consumer

cached() { # the value of a variable in the build's cache
  sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

skip() {
  echo "skipped: $1"
  exit 77
}

is_on() {
  case $(cached "$1") in
    ON | TRUE | YES | 1) true ;;
    *) false ;;
  esac
}

if is_on DKVB_SANITIZE || is_on DKVB_TSAN; then
  skip "the tree is built with sanitizers, which its users would have to link too"
fi
is_on DKVB_INSTALL || skip "the tree is configured without install rules"
absolute='^(CMAKE_INSTALL_(BIN|LIB|INCLUDE|DATA|DATAROOT|MAN|DOC)DIR|DKVB_PYTHON_DIR):[A-Z]*=/'
if grep -qE "$absolute" "$build/CMakeCache.txt"; then
  skip "the tree installs to absolute directories, which a test must not write to"
fi

CC=$(cached CMAKE_C_COMPILER)
CXX=${CXX:-$(echo "$CC" | sed -e 's/clang\([^/]*\)$/clang++\1/' -e 's/gcc\([^/]*\)$/g++\1/' -e 's/\/cc$/\/c++/')}
command -v "$CXX" >/dev/null || skip "no C++ compiler beside $CC"
export CC CXX

rm -rf "$work"
mkdir -p "$work"
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
libdir=$work/prefix/$(cached CMAKE_INSTALL_LIBDIR)
export LD_LIBRARY_PATH="$libdir"

cmake_consumer() { # name, then arguments for cmake
  name=$1
  shift
  cmake -S "$consumer" -B "$work/$name" -DCMAKE_BUILD_TYPE=Release \
    -DDKVB_EXPECT_REFERENCE="$(cached DKVB_REFERENCE)" "$@" >"$work/$name.log"
  cmake --build "$work/$name" >>"$work/$name.log" || { cat "$work/$name.log"; exit 1; }
  (cd "$work/$name" && ctest --output-on-failure >>"$work/$name.log") || { cat "$work/$name.log"; exit 1; }
  echo "$name: fine"
}

links_statically() { # whether the compiler can link a program with threads by -static at all
  echo 'int main(void) { return 0; }' >"$work/empty.c"
  "$CC" -fopenmp -static "$work/empty.c" -o "$work/empty" 2>"$work/empty.log"
}

pc() { # the file finds its prefix from where it lies
  PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config "$@" libdkvb
}

cmake_consumer find_package -DCMAKE_PREFIX_PATH="$work/prefix"
cmake_consumer find_package_c -DCMAKE_PREFIX_PATH="$work/prefix" -DCONSUMER_LANGUAGES=C
cmake_consumer find_package_cxx -DCMAKE_PREFIX_PATH="$work/prefix" -DCONSUMER_LANGUAGES=CXX
# With the CMake variable dkvb_STATIC the same target is the static library, so that the program runs without the shared
# library.
cmake_consumer static_package -DCMAKE_PREFIX_PATH="$work/prefix" -Ddkvb_STATIC=ON
if readelf -d "$work/static_package/consumer_c" | grep NEEDED | grep -q 'libdkvb\.so'; then
  echo "dkvb_STATIC=ON links the shared library"
  exit 1
fi
cmake_consumer add_subdirectory -DDKVB_SOURCE="$source" -DDKVB_OPENMP="$(cached DKVB_OPENMP)" \
  -DDKVB_REFERENCE="$(cached DKVB_REFERENCE)"

# pkg-config prints several flags, which the shell must split.
# shellcheck disable=SC2046
"$CC" -std=c11 "$consumer/main.c" $(pc --cflags --libs) -o "$work/shared"
"$work/shared"
echo "pkg-config, shared: fine"

"$CC" -std=c11 "$consumer/main.c" -I"$work/prefix/include" -L"$libdir" -ldkvb -o "$work/plain"
"$work/plain"
echo "plain cc: fine"

if command -v meson >/dev/null; then
  PKG_CONFIG_PATH=$libdir/pkgconfig meson setup "$work/meson" "$consumer" >"$work/meson.log" 2>&1 &&
    meson test -C "$work/meson" >>"$work/meson.log" 2>&1 || { cat "$work/meson.log"; exit 1; }
  echo "Meson: fine"
else
  echo "Meson: not installed, not tried"
fi

# An installed tree that was moved to another folder still works.
mv "$work/prefix" "$work/moved"
# shellcheck disable=SC2046
"$CC" -std=c11 "$consumer/main.c" $(PKG_CONFIG_PATH=$(echo "$libdir" | sed "s,$work/prefix,$work/moved,")/pkgconfig \
  pkg-config --cflags --libs libdkvb) -o "$work/from_moved"
mv "$work/moved" "$work/prefix"
echo "pkg-config, moved tree: fine"

# The library is staged into a folder by DESTDIR, with the prefix of the distribution packages.
DESTDIR=$work/stage cmake --install "$build" --prefix /usr >"$work/stage.log"
[ -e "$work/stage/usr/include/dkvb/dkvb.h" ] || { echo "DESTDIR: no header in the stage"; exit 1; }
echo "DESTDIR: fine"

# Linear heads are in the library libdkvb-reference, which libdkvb and the tool do not need. The installed tool finds
# libdkvb-reference relative to its own path.
needs_blas() {
  readelf -d "$1" | grep NEEDED | grep -qiE 'blas|lapack|dkvb-reference'
}
if needs_blas "$libdir/libdkvb.so"; then
  echo "libdkvb.so needs a BLAS"
  exit 1
fi
if is_on DKVB_REFERENCE; then
  # shellcheck disable=SC2046
  "$CC" -std=c11 "$consumer/reference.c" $(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs libdkvb-reference) \
    -o "$work/reference"
  "$work/reference"
  if readelf -d "$work/reference" | grep NEEDED | grep -q 'libdkvb\.so'; then
    echo "libdkvb-reference brings libdkvb"
    exit 1
  fi
  needs_blas "$libdir/libdkvb-reference.so" || { echo "libdkvb-reference.so needs no BLAS: what computes there?"; exit 1; }
  echo "pkg-config, libdkvb-reference: fine"
elif [ -e "$work/prefix/include/dkvb/reference.h" ]; then
  echo "include/dkvb/reference.h is installed without its library"
  exit 1
fi
# Ranks on MPI are in the library libdkvb-mpi.
needs_mpi() {
  readelf -d "$1" | grep NEEDED | grep -qE 'libmpi|dkvb-mpi'
}
if needs_mpi "$libdir/libdkvb.so"; then
  echo "libdkvb.so needs MPI"
  exit 1
fi
if is_on DKVB_MPI; then
  # shellcheck disable=SC2046
  "$CC" -std=c11 "$consumer/mpi.c" $(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --cflags --libs libdkvb-mpi) \
    -o "$work/mpi"
  "$work/mpi"
  needs_mpi "$libdir/libdkvb-mpi.so" || { echo "libdkvb-mpi.so needs no MPI: what moves bytes there?"; exit 1; }
  if readelf -d "$work/mpi" | grep NEEDED | grep -q 'libdkvb\.so'; then
    echo "libdkvb-mpi brings libdkvb"
    exit 1
  fi
  echo "pkg-config, libdkvb-mpi: fine"
elif [ -e "$work/prefix/include/dkvb/mpi.h" ]; then
  echo "include/dkvb/mpi.h is installed without its library"
  exit 1
fi
if is_on DKVB_TOOL; then
  tool=$work/prefix/$(cached CMAKE_INSTALL_BINDIR)/dkvb
  if needs_blas "$tool" || needs_mpi "$tool"; then
    echo "the tool needs a BLAS or MPI"
    exit 1
  fi
fi

# Builds the C program in the README.
# shellcheck disable=SC2016 # the backquotes are those of Markdown around a block
sed -n '/^```c$/,/^```$/p' "$source/README.md" | sed '/^```/d' >"$work/readme.c"
# shellcheck disable=SC2046
"$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror "$work/readme.c" $(pc --cflags --libs) -o "$work/readme"
if "$work/readme" nowhere.npy nowhere.npy model 2>"$work/readme.err"; then exit 1; fi
grep -q "nowhere.npy: cannot open" "$work/readme.err"
echo "the program of the README: fine"

# If both libraries are in one directory, -ldkvb means the shared library, so the static library is named by its path.
# shellcheck disable=SC2046
"$CC" -std=c11 "$consumer/main.c" $(pc --cflags --libs --static | sed 's/-ldkvb/-l:libdkvb.a/') -o "$work/static"
env -u LD_LIBRARY_PATH "$work/static"
# The flag -static makes the whole program static, if the compiler has a static OpenMP library (Debian has none for
# clang).
# shellcheck disable=SC2046
if ! links_statically; then
  echo "pkg-config, -static: not tried, $CC has no static OpenMP library"
elif "$CC" -std=c11 "$consumer/main.c" -static $(pc --cflags --libs --static) -o "$work/all_static" 2>"$work/all_static.log"
then
  env -u LD_LIBRARY_PATH "$work/all_static"
else
  cat "$work/all_static.log"
  exit 1
fi
echo "pkg-config, static: fine"

# In a build without the shared library, `pkg-config --libs` names everything that a program needs. This variant of the
# build is only configured, as the library exists already.
variant() { # name, then arguments for cmake: writes $work/NAME/libdkvb.pc
  name=$1
  shift
  cmake -S "$source" -B "$work/$name" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF -DDKVB_TOOL=OFF \
    -DDKVB_EXAMPLES=OFF -DDKVB_OPENMP="$(cached DKVB_OPENMP)" -DCMAKE_INSTALL_LIBDIR=lib "$@" >"$work/$name.log"
}
variant static_only -DBUILD_SHARED_LIBS=OFF
mkdir -p "$work/alone/lib/pkgconfig"
cp "$libdir/libdkvb.a" "$work/alone/lib"
cp -r "$work/prefix/include" "$work/alone"
cp "$work/static_only/libdkvb.pc" "$work/alone/lib/pkgconfig"
# shellcheck disable=SC2046
"$CC" -std=c11 "$consumer/main.c" $(PKG_CONFIG_PATH=$work/alone/lib/pkgconfig pkg-config --cflags --libs libdkvb) \
  -o "$work/static_alone"
env -u LD_LIBRARY_PATH "$work/static_alone"
echo "pkg-config, static library alone: fine"

# Absolute directories in the CMake options must not be put behind the prefix.
variant absolute -DCMAKE_INSTALL_LIBDIR=/somewhere/lib -DCMAKE_INSTALL_INCLUDEDIR=/elsewhere/include
variant mixed -DCMAKE_INSTALL_INCLUDEDIR=/elsewhere/include
for name in absolute mixed; do
  case $name in absolute) wanted=/somewhere/lib ;; *) wanted=$work/$name/../../lib ;; esac
  found=$(PKG_CONFIG_PATH=$work/$name pkg-config --variable=libdir libdkvb)
  [ "$found" = "$wanted" ] || { echo "$name: libdir is $found instead of $wanted"; exit 1; }
  found=$(PKG_CONFIG_PATH=$work/$name pkg-config --cflags-only-I libdkvb)
  case "$found " in # those of the libraries that it needs follow
    "-I/elsewhere/include "*) ;;
    *) echo "$name: cflags are $found"; exit 1 ;;
  esac
done
echo "pkg-config, absolute directories: fine"

# Documentation and other data are in their usual folders, unless the build was configured for others.
if [ "$(cached CMAKE_INSTALL_DATAROOTDIR)$(cached CMAKE_INSTALL_DOCDIR)" = share ]; then
  for file in doc/dkvb/LICENSE doc/dkvb/README.md doc/dkvb/docs/guide.md; do
    [ -f "$work/prefix/share/$file" ] || { echo "share/$file is not installed"; exit 1; }
  done
fi

packages=$work/prefix/$(cached DKVB_PYTHON_DIR)
for python in /usr/bin/python3 python3; do
  if [ -d "$packages/dkvb" ] && "$python" -c 'import numpy' 2>/dev/null; then
    env -u LD_LIBRARY_PATH -u DKVB_LIBRARY PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$packages" "$python" -c 'import dkvb'
    echo "Python package beside its library: fine"
    break
  fi
done
