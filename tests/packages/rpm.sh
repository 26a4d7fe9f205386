#!/bin/sh
# Test that cmake/packages/dkvb.spec can be parsed, and has the version of the headers.
#   rpm.sh SOURCE_DIR
set -eu

source=$1
command -v rpmspec >/dev/null || { echo "skipped: rpmspec is not installed (Debian: rpm)"; exit 77; }
# Defines macros of Fedora that are missing in Debian's rpm.
found=$(rpmspec -q --define 'python3_sitelib /usr/lib/python3/site-packages' --define 'cmake cmake' \
  --define 'cmake_build cmake --build .' --define 'cmake_install cmake --install .' --queryformat '%{name} %{version}\n' \
  "$source/cmake/packages/dkvb.spec")
wanted=$(sed -n 's/.*DKVB_VERSION_STRING "\(.*\)"/\1/p' "$source/include/dkvb/version.h" | sed 's/-/~/')
for package in dkvb dkvb-libs dkvb-reference-libs dkvb-devel python3-dkvb; do
  echo "$found" | grep -qx "$package $wanted" || { echo "the spec has no $package $wanted:"; echo "$found"; exit 1; }
done
echo "spec: fine"
