#!/bin/sh
# Installs what libdkvb is built with, by the system's own package manager: Debian, Ubuntu, Fedora, Alpine, Arch.
#
#   cmake/install-deps.sh           what the library and the tool need
#   cmake/install-deps.sh --tests   also what the tests need
#   cmake/install-deps.sh --ci      also what .ci/run needs (clang and sanitizers)
#   cmake/install-deps.sh --cross   what the preset aarch64 needs: a compiler, libraries and qemu for arm64. Installs on
#                                   Debian only, and adds arm64 to the architectures that dpkg knows
#
# The script first tries each program and library: if all work, it installs nothing and needs no rights, on any system.
set -eu

level=${1:-}
case $level in
  '' | --tests | --ci | --cross) ;;
  *) echo "usage: cmake/install-deps.sh [--tests | --ci | --cross]" >&2; exit 2 ;;
esac

wants_tests() { [ "$level" = --tests ] || [ "$level" = --ci ]; }
wants_ci() { [ "$level" = --ci ]; }
wants_cross() { [ "$level" = --cross ]; }
has() { command -v "$1" >/dev/null 2>&1; }

# has_all COMMAND...: succeeds if every one of the commands is installed.
has_all() {
  for wanted in "$@"; do
    has "$wanted" || return 1
  done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# first COMMAND...: prints the first of the commands that is installed.
first() {
  for candidate in "$@"; do
    if has "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

# needs WHAT COMMAND...: notes that WHAT is missing if the command fails.
needs() {
  what=$1
  shift
  "$@" >/dev/null 2>&1 || lacking="$lacking${lacking:+, }$what"
}

# builds COMPILER LANGUAGE PROGRAM FLAG...: succeeds if the program can be compiled and linked.
builds() {
  compiler=$1 language=$2 program=$3
  shift 3
  printf '%s\n' "$program" >"$scratch/program.$language"
  [ -n "$compiler" ] && "$compiler" "$scratch/program.$language" -o "$scratch/program" "$@"
}

c11='#include <stdatomic.h>
int main(void) { return 0; }'
openmp='#include <omp.h>
int main(void) { return omp_get_max_threads() < 1; }'

cmake_is_new() {
  cmake --version | awk 'NR == 1 { split($3, v, "."); new = v[1] > 3 || (v[1] == 3 && v[2] >= 25) } END { exit !new }'
}

look_for_tests() {
  needs "a C++ compiler" builds "$(first ${CXX:+"$CXX"} c++ g++ clang++)" cc 'int main() { return 0; }'
  needs "CMocka" pkg-config --exists cmocka
  needs "Python 3 with NumPy and Pillow" "$(first /usr/bin/python3 python3 none)" -c 'import numpy, PIL'
  needs "nm" nm --version
  needs "the program openssl" openssl version
}

look_for_ci() {
  needs "clang" has clang
  needs "OpenMP for clang" builds clang c "$openmp" -fopenmp
  needs "clang's sanitizers" builds clang c 'int main(void) { return 0; }' -fsanitize=address,undefined
  needs "clang's ThreadSanitizer" builds clang c 'int main(void) { return 0; }' -fsanitize=thread
  # These Python packages are large, and only one test needs them, which is skipped without them; so they are installed
  # only on Debian and Ubuntu, where CI runs.
  ! has apt-get || needs "PyTorch, scikit-learn, pandas and Pillow for Python" \
    /usr/bin/python3 -c 'import torch, sklearn, scipy, pandas, PIL'
  # The profiles of clang-format and cppcheck are for the versions in Debian 12; on other systems their tests are
  # skipped.
  ! has apt-get || needs "clang-format and cppcheck" has_all clang-format cppcheck
  # Open MPI takes some 60 MB, and only the tests in tests/mpi need it.
  ! has apt-get || needs "Open MPI, and mpi4py for Python" \
    eval 'has_all mpirun mpicc ip && /usr/bin/python3 -c "import mpi4py"'
  # These programs check packages, documentation and the ABI.
  ! has apt-get || needs "lintian, rpm, Meson, libabigail, Doxygen, mypy, patchelf, Chromium, zsh, fish, mandoc, groff" \
    has_all lintian rpmspec meson abidiff doxygen mypy patchelf chromium zsh fish mandoc groff
}

runs_emulated() { builds "$cc" c "$openmp" -fopenmp && qemu-aarch64 -L / "$scratch/program"; }

look_for_cross() {
  needs "CMocka" pkg-config --exists cmocka
  needs "Python 3 with NumPy" "$(first /usr/bin/python3 python3 none)" -c 'import numpy'
  needs "qemu-aarch64, and the C library and OpenMP for what it runs" runs_emulated
}

# Sets $lacking to what is missing on this machine. With --cross the compiler and pkg-config look for arm64 libraries,
# where cmake/aarch64.cmake does.
look() {
  lacking=
  cc=$(first ${CC:+"$CC"} cc gcc clang)
  if wants_cross; then
    cc=$(first aarch64-linux-gnu-gcc)
    export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig
  fi
  needs "a C11 compiler" builds "$cc" c "$c11" -std=c11
  needs "OpenMP" builds "$cc" c "$openmp" -fopenmp
  # shellcheck disable=SC2046 # the unquoted command prints several arguments
  needs "zlib with its header" builds "$cc" c '#include <zlib.h>
int main(void) { return zlibVersion() == 0; }' $(pkg-config --cflags --libs zlib || echo -lz)
  # shellcheck disable=SC2046
  needs "libmd with its header" builds "$cc" c '#include <sha2.h>
int main(void) { SHA2_CTX c; SHA256Init(&c); return 0; }' $(pkg-config --cflags --libs libmd || echo -lmd)
  # shellcheck disable=SC2046
  needs "jansson with its header" builds "$cc" c '#include <jansson.h>
int main(void) { return json_loads("{}", 0, 0) == 0; }' $(pkg-config --cflags --libs jansson || echo -ljansson)
  # shellcheck disable=SC2046
  needs "libpng with its header" builds "$cc" c '#include <png.h>
int main(void) { return png_access_version_number() == 0; }' $(pkg-config --cflags --libs libpng || echo -lpng)
  # shellcheck disable=SC2046
  needs "libjpeg with its header" builds "$cc" c '#include <stdio.h>
#include <jpeglib.h>
int main(void) { struct jpeg_error_mgr e; return jpeg_std_error(&e) == 0; }' \
    $(pkg-config --cflags --libs libjpeg || echo -ljpeg)
  # shellcheck disable=SC2046
  needs "libwebp with its header" builds "$cc" c '#include <webp/decode.h>
int main(void) { return WebPGetDecoderVersion() == 0; }' $(pkg-config --cflags --libs libwebp || echo -lwebp)
  # shellcheck disable=SC2046
  needs "the headers of xxHash 0.8" builds "$cc" c '#include <xxhash.h>
#if XXH_VERSION_NUMBER < 800
#error too old
#endif
int main(void) { return 0; }' $(pkg-config --cflags libxxhash)
  needs "pkg-config, and libxxhash.pc, libmd.pc and jansson.pc for it" \
    pkg-config --exists 'libxxhash >= 0.8' libmd 'jansson >= 2.11'
  # OpenSSL is for signed receipts, which a tool built for another processor does not have.
  # shellcheck disable=SC2046
  wants_cross || needs "OpenSSL's libcrypto with its headers" builds "$cc" c '#include <openssl/evp.h>
int main(void) { return EVP_MD_CTX_new() == 0; }' $(pkg-config --cflags --libs libcrypto || echo -lcrypto)
  # OpenBLAS is for linear heads; without OpenBLAS, libdkvb-reference is not built, nor is it for another processor.
  # shellcheck disable=SC2046
  wants_cross || needs "OpenBLAS with its headers" builds "$cc" c '#include <cblas.h>
int main(void) { return openblas_get_num_threads() < 1; }' $(pkg-config --cflags --libs openblas || echo -lopenblas)
  needs "CMake 3.25" cmake_is_new
  needs "Ninja or make" test -n "$(first ninja make)"
  if wants_tests; then look_for_tests; fi
  if wants_ci; then look_for_ci; fi
  if wants_cross; then look_for_cross; fi
}

look 2>/dev/null
[ -n "$lacking" ] || exit 0

debian="gcc libc6-dev cmake ninja-build pkg-config zlib1g-dev libmd-dev libjansson-dev libxxhash-dev libpng-dev libjpeg-dev libwebp-dev libopenblas-dev libssl-dev"
fedora="gcc cmake ninja-build pkgconf-pkg-config zlib-devel libmd-devel jansson-devel xxhash-devel libpng-devel libjpeg-turbo-devel libwebp-devel openblas-devel openssl-devel"
alpine="gcc musl-dev cmake samurai pkgconf zlib-dev libmd-dev jansson-dev xxhash-dev libpng-dev libjpeg-turbo-dev libwebp-dev openblas-dev openssl-dev libgomp linux-headers"
arch="gcc cmake ninja pkgconf zlib libmd jansson xxhash libpng libjpeg-turbo libwebp openblas openssl"
if wants_tests; then
  debian="$debian g++ libcmocka-dev python3 python3-numpy python3-pil openssl"
  fedora="$fedora gcc-c++ libcmocka-devel python3 python3-numpy python3-pillow openssl"
  alpine="$alpine g++ cmocka-dev python3 py3-numpy py3-pillow binutils openssl"
  arch="$arch cmocka python python-numpy python-pillow"
fi
if wants_ci; then
  debian="$debian clang libclang-rt-dev libomp-dev python3-torch python3-sklearn python3-scipy python3-pil clang-format cppcheck"
  debian="$debian dpkg-dev lintian rpm meson abigail-tools doxygen mypy python3-pip python3-setuptools python3-wheel"
  debian="$debian patchelf python3-joblib python3-pandas python3-openpyxl python3-h5py python3-matplotlib chromium zsh fish mandoc groff-base"
  debian="$debian openmpi-bin libopenmpi-dev python3-mpi4py iproute2"
  fedora="$fedora clang libomp-devel libasan libubsan"
  alpine="$alpine clang openmp-dev compiler-rt"
  arch="$arch clang openmp"
fi
if wants_cross; then
  # Ubuntu, which also has apt-get, keeps arm64 packages on other servers, so that apt-get update would fail after
  # adding arm64.
  if ! has apt-get || ! grep -qx 'ID=debian' /etc/os-release; then
    echo "install-deps: missing here: $lacking." >&2
    echo "The preset aarch64 is for Debian. Elsewhere please install that by other means, and change" >&2
    echo "cmake/aarch64.cmake, and what this script tries, to find it." >&2
    exit 1
  fi
  debian="cmake ninja-build pkg-config python3 python3-numpy gcc-aarch64-linux-gnu qemu-user libc6-dev:arm64"
  debian="$debian libgomp1:arm64 zlib1g-dev:arm64 libmd-dev:arm64 libjansson-dev:arm64 libxxhash-dev:arm64"
  debian="$debian libpng-dev:arm64 libjpeg62-turbo-dev:arm64 libwebp-dev:arm64 libcmocka-dev:arm64"
fi

refresh=
if has apt-get; then
  packages=$debian
  native=$(dpkg --print-architecture)
  # A package NAME counts as installed only for this machine, not if only NAME:arm64 is installed.
  present() {
    case $1 in
      *:*) wanted=${1#*:} ;;
      *) wanted=$native ;;
    esac
    dpkg-query -W -f '${Status} ${Architecture}\n' "$1" 2>/dev/null | grep -Eq "ok installed ($wanted|all)\$"
  }
  install="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
  refresh="apt-get update"
elif has dnf; then
  packages=$fedora
  present() { rpm -q "$1" >/dev/null 2>&1; }
  install="dnf install -y"
elif has apk; then
  packages=$alpine
  present() { apk info -e "$1" >/dev/null 2>&1; }
  install="apk add"
  refresh="apk update"
elif has pacman; then
  packages=$arch
  present() { pacman -Qi "$1" >/dev/null 2>&1; }
  # pacman -S without -y: a new package list with old packages would be a partial upgrade, which Arch does not support.
  install="pacman -S --needed --noconfirm"
else
  echo "install-deps: missing here: $lacking." >&2
  echo "There is no package manager that is known (apt-get, dnf, apk, pacman): please install that by other means." >&2
  exit 1
fi

missing=
for package in $packages; do
  present "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
  echo "install-deps: missing here: $lacking; yet all packages that should bring that are installed." >&2
  exit 1
fi

architecture=
if wants_cross && ! { dpkg --print-architecture; dpkg --print-foreign-architectures; } | grep -qx arm64; then
  architecture="dpkg --add-architecture arm64"
fi
as_root=
if [ "$(id -u)" != 0 ]; then
  if has sudo; then
    as_root=sudo
  else
    echo "install-deps: missing here: $lacking; and neither root nor sudo is at hand to install it:" >&2
    [ -z "$architecture" ] || echo "  $architecture && $refresh" >&2
    echo "  $install$missing" >&2
    exit 1
  fi
fi
echo "install-deps: installing$missing"
# shellcheck disable=SC2086 # unquoted variables hold several arguments
{
  [ -z "$architecture" ] || $as_root $architecture
  [ -z "$refresh" ] || $as_root $refresh
  if ! $as_root $install $missing; then
    echo "install-deps: this failed: $install$missing" >&2
    has pacman && echo "If packages were not found, the list of them is old: 'pacman -Syu' first." >&2
    exit 1
  fi
}
look 2>/dev/null
if [ -n "$lacking" ]; then
  echo "install-deps: still missing here: $lacking." >&2
  exit 1
fi
