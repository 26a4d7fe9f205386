#!/bin/sh
# Test that every C file is formatted as by clang-format 14 with the profile .clang-format; other versions of
# clang-format would format some lines differently. usage: format.sh SOURCE_DIR
set -eu
cd "$1"
tool=
for candidate in clang-format-14 clang-format; do
    if "$candidate" --version 2>/dev/null | grep -q 'version 14\.'; then
        tool=$candidate
        break
    fi
done
if [ -z "$tool" ]; then
    echo "skipped: clang-format 14 is not here"
    exit 77
fi
find include lib src examples tests \( -name '*.[ch]' -o -name '*.cc' -o -name '*.hpp' \) ! -path '*/corpus/*' -print | sort >"${TMPDIR:-/tmp}/dkvb-format-$$"
trap 'rm -f "${TMPDIR:-/tmp}/dkvb-format-$$"' EXIT
if ! xargs "$tool" --dry-run -Werror <"${TMPDIR:-/tmp}/dkvb-format-$$"; then
    echo "format: the lines above are not as the profile has them; $tool -i FILE makes them so" >&2
    exit 1
fi
echo "$(wc -l <"${TMPDIR:-/tmp}/dkvb-format-$$") files"
