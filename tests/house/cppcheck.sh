#!/bin/sh
# Test that cppcheck, with the profile warning,portability, finds nothing except what the file .cppcheck lists with
# reasons. usage: cppcheck.sh SOURCE_DIR
set -eu
cd "$1"
if ! cppcheck --version 2>/dev/null | grep -q '^Cppcheck 2\.10'; then
    echo "skipped: cppcheck 2.10, of Debian 12, is not here; other versions find other things"
    exit 77
fi
exec cppcheck -q -j2 --enable=warning,portability --std=c11 --error-exitcode=1 --suppressions-list=.cppcheck \
    --template='{file}:{line}: {id}: {message}' -Iinclude -Ilib -Isrc lib src examples
