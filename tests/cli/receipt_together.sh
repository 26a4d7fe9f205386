#!/bin/sh
# Test that, whichever write, flush or rename fails, the receipt and the bill of materials are both written or neither,
# and no other file stays.
. "$(dirname "$0")/common.sh"
[ -n "${DKVB_FAULTS:-}" ] || { echo "skipped: calls of the C library cannot be made to fail here"; exit 77; }
make_data
train_small m.dkvb --seed 1
mkdir out
for call in write fsync rename; do
    failures=0
    for number in 1 2 3 4 5 6; do # a call that fails may be one that does not matter, such as the flush of a folder
        code=0
        FAULT="$call $number $number 28" LD_PRELOAD=$DKVB_FAULTS "$dkvb" receipt m.dkvb -o out/r.json --bom out/b.json \
            >/dev/null 2>err || code=$?
        found=$(ls out | tr '\n' ' ')
        if [ $code -eq 0 ]; then
            [ "$found" = "b.json r.json " ] || fail "$call $number: success left: $found"
            rm out/*
        else
            [ -z "$found" ] || fail "$call $number failed, and there is: $found"
            grep -q 'No space left' err || fail "$call $number: $(cat err)"
            failures=$((failures + 1))
        fi
    done
    [ $failures -ge 2 ] || fail "$call: $failures calls failed, at least one for each file was expected"
done
