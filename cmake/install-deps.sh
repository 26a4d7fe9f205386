#!/bin/sh
# Installs what libdkvb is built with, by the system's own package manager: Debian, Ubuntu, Fedora, Alpine, Arch.
#   cmake/install-deps.sh           what the library and the tool need
#   cmake/install-deps.sh --tests   also what the tests need
#   cmake/install-deps.sh --ci      also what .ci/run needs (clang and sanitizers)
#   cmake/install-deps.sh --cross   what the preset aarch64 needs: a compiler, libraries and qemu for arm64. Debian only;
#                                   adds arm64 to the architectures that dpkg knows
# Does nothing, and asks for no rights, where everything is there already.
set -eu

level=${1:-}
case $level in
  '' | --tests | --ci | --cross) ;;
  *) echo "usage: cmake/install-deps.sh [--tests | --ci | --cross]" >&2; exit 2 ;;
esac

wants_tests() { [ "$level" = --tests ] || [ "$level" = --ci ]; }
wants_ci() { [ "$level" = --ci ]; }
wants_cross() { [ "$level" = --cross ]; }

debian="gcc libc6-dev cmake ninja-build pkg-config zlib1g-dev libxxhash-dev"
fedora="gcc cmake ninja-build pkgconf-pkg-config zlib-devel xxhash-devel"
alpine="gcc musl-dev cmake samurai pkgconf zlib-dev xxhash-dev libgomp linux-headers"
arch="gcc cmake ninja pkgconf zlib xxhash"
if wants_tests; then
  debian="$debian g++ libcmocka-dev libopenblas-dev python3 python3-numpy"
  fedora="$fedora gcc-c++ libcmocka-devel openblas-devel python3 python3-numpy"
  alpine="$alpine g++ cmocka-dev openblas-dev python3 py3-numpy binutils"
  arch="$arch cmocka openblas python python-numpy"
fi
if wants_ci; then
  debian="$debian clang libclang-rt-dev libomp-dev"
  fedora="$fedora clang libomp-devel libasan libubsan"
  alpine="$alpine clang openmp-dev compiler-rt"
  arch="$arch clang openmp"
fi
if wants_cross; then
  # Ubuntu, which also has apt-get, keeps arm64 on servers of its own: there apt-get update would fail from then on.
  if ! command -v apt-get >/dev/null || ! grep -qx 'ID=debian' /etc/os-release; then
    echo "install-deps: the preset aarch64 is for Debian. Elsewhere please install a compiler for aarch64, qemu-user," >&2
    echo "and zlib, xxHash and CMocka for that processor, and change cmake/aarch64.cmake to find them." >&2
    exit 1
  fi
  debian="cmake ninja-build pkg-config python3 python3-numpy gcc-aarch64-linux-gnu qemu-user libc6-dev:arm64"
  debian="$debian libgomp1:arm64 zlib1g-dev:arm64 libxxhash-dev:arm64 libcmocka-dev:arm64"
fi

if command -v apt-get >/dev/null; then
  packages=$debian
  native=$(dpkg --print-architecture)
  # NAME: for this machine, which NAME:arm64 alone would not be.
  present() {
    case $1 in
      *:*) wanted=${1#*:} ;;
      *) wanted=$native ;;
    esac
    dpkg-query -W -f '${Status} ${Architecture}\n' "$1" 2>/dev/null | grep -Eq "ok installed ($wanted|all)\$"
  }
  install="env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
  refresh="apt-get update"
elif command -v dnf >/dev/null; then
  packages=$fedora
  present() { rpm -q "$1" >/dev/null 2>&1; }
  install="dnf install -y"
  refresh=true
elif command -v apk >/dev/null; then
  packages=$alpine
  present() { apk info -e "$1" >/dev/null 2>&1; }
  install="apk add"
  refresh="apk update"
elif command -v pacman >/dev/null; then
  packages=$arch
  present() { pacman -Qi "$1" >/dev/null 2>&1; }
  install="pacman -S --needed --noconfirm"
  refresh="pacman -Sy"
else
  echo "install-deps: no package manager that is known here (apt-get, dnf, apk, pacman)." >&2
  echo "Please install, under whatever names your system has: a C11 compiler with OpenMP, CMake 3.25 or newer," >&2
  echo "Ninja, pkg-config, zlib and xxHash 0.8 with their headers; for the tests also a C++ compiler, CMocka," >&2
  echo "OpenBLAS and Python 3 with NumPy." >&2
  exit 1
fi

missing=
for package in $packages; do
  present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

architecture=
if wants_cross && ! { dpkg --print-architecture; dpkg --print-foreign-architectures; } | grep -qx arm64; then
  architecture="dpkg --add-architecture arm64"
fi
as_root=
if [ "$(id -u)" != 0 ]; then
  if command -v sudo >/dev/null; then
    as_root=sudo
  else
    echo "install-deps: these packages are missing, and neither root nor sudo is at hand to install them:" >&2
    [ -z "$architecture" ] || echo "  $architecture && $refresh" >&2
    echo "  $install$missing" >&2
    exit 1
  fi
fi
echo "install-deps: installing$missing"
# shellcheck disable=SC2086 # lists of words
[ -z "$architecture" ] || $as_root $architecture
# shellcheck disable=SC2086
$as_root $refresh
# shellcheck disable=SC2086 # lists of words
$as_root $install $missing
