#!/bin/sh
# Test that the API reference is complete: Doxygen reads every public header without a warning, so that each function
# has a comment with every parameter and its result, each struct member has a comment, and every header has @file.
# doxygen.sh SOURCE WORK
set -eu
source=$1
work=$2

command -v doxygen >/dev/null || { echo "skipped: no doxygen"; exit 77; }
rm -rf "$work/doxygen"
mkdir -p "$work/doxygen"

failed=0
for header in "$source"/include/dkvb/*.h; do
  grep -q '^ \* @file$' "$header" || {
    echo "${header#"$source"/}: found no line ' * @file', without which Doxygen leaves out the functions of the header"
    failed=1
  }
done

# FAIL_ON_WARNINGS makes Doxygen list all warnings, not only the first.
cat "$source/docs/Doxyfile" - >"$work/doxygen/Doxyfile" <<END
INPUT            = "$source/include/dkvb" "$source/docs/api.md"
OUTPUT_DIRECTORY = "$work/doxygen"
STRIP_FROM_PATH  = "$source"
WARN_AS_ERROR    = FAIL_ON_WARNINGS
END
doxygen "$work/doxygen/Doxyfile" || failed=1
[ -e "$work/doxygen/html/index.html" ] || { echo "doxygen wrote no html/index.html"; failed=1; }
rm -rf "$work/doxygen"
exit $failed
