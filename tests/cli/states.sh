#!/bin/sh
# Test of exact forgetting, which changes two files, while it is stopped at any write, flush or rename, by a failing
# call or by a kill before or within the call. Repeating the command finishes the forgetting, and both files have the
# bytes of an undisturbed run. The keys are kept or placed again, and the codes file keeps features or codes.
. "$(dirname "$0")/common.sh"
[ -n "${DKVB_FAULTS:-}" ] || exit 0
SOURCE_DATE_EPOCH=1700000000
export SOURCE_DATE_EPOCH
make_data
"$python" -c 'import numpy as np; np.save("rows.npy", np.array([7, 3, 399, 250, 0]))'
train_small features.dkvb --codes-out features.codes --hold-out 0.25 --codebooks 4 --keep features
train_small codes.dkvb --codes-out codes.codes --hold-out 0.25 --codebooks 4 --keep codes
enospc=28 kill=-1 within=-2 states=0

# Each `kind` is what the codes file keeps, and how keys are handled.
for kind in 'features --keep-keys' 'features --key-features x.npy' 'codes --keep-keys'; do
    first=${kind%% *} keys=${kind#* }
    command="forget m.dkvb --rows rows.npy --codes m.codes --strength exact --force --salt $salt $keys"
    cp "$first.dkvb" m.dkvb
    cp "$first.codes" m.codes
    # shellcheck disable=SC2086 # unquoted variables hold several arguments
    check "$dkvb" $command >/dev/null
    cp m.dkvb wanted.dkvb
    cp m.codes wanted.codes
    for how in $enospc $kill $within; do
        for call in write fsync rename; do
            number=1
            while :; do
                cp "$first.dkvb" m.dkvb
                cp "$first.codes" m.codes
                code=0
                # shellcheck disable=SC2086
                FAULT="$call $number $number $how" LD_PRELOAD=$DKVB_FAULTS "$dkvb" $command >/dev/null 2>err || code=$?
                [ $code != 0 ] || break # there is no such call any more
                if ! cmp -s m.codes wanted.codes; then
                    # shellcheck disable=SC2086
                    "$dkvb" $command >/dev/null 2>err || fail "$kind, $call $number, $how: $(cat err)"
                fi
                cmp m.dkvb wanted.dkvb && cmp m.codes wanted.codes || fail "$kind, $call $number, $how: other bytes"
                rm -f m.dkvb.tmp-* m.codes.tmp-*
                number=$((number + 1))
                states=$((states + 1))
            done
            [ "$number" -gt 1 ] || fail "no $call was reached"
        done
    done
done

# Applying a saved plan can be stopped in the same way, and is finished by repeating the command.
"$dkvb" forget features.dkvb --rows rows.npy --codes features.codes --strength exact --force --salt $salt --keep-keys \
    --plan-out plan >/dev/null || fail 'no plan'
cp features.dkvb m.dkvb
cp features.codes m.codes
check "$dkvb" apply plan m.dkvb --codes m.codes >/dev/null
cp m.dkvb wanted.dkvb
cp m.codes wanted.codes
for call in write fsync rename; do
    number=1
    while :; do
        cp features.dkvb m.dkvb
        cp features.codes m.codes
        code=0
        FAULT="$call $number $number $kill" LD_PRELOAD=$DKVB_FAULTS "$dkvb" apply plan m.dkvb --codes m.codes \
            >/dev/null 2>err || code=$?
        [ $code != 0 ] || break
        if ! cmp -s m.codes wanted.codes; then
            "$dkvb" apply plan m.dkvb --codes m.codes >/dev/null 2>err || fail "apply, $call $number: $(cat err)"
        fi
        cmp m.dkvb wanted.dkvb && cmp m.codes wanted.codes || fail "apply, $call $number: other bytes"
        rm -f m.dkvb.tmp-* m.codes.tmp-*
        number=$((number + 1))
        states=$((states + 1))
    done
    [ "$number" -gt 1 ] || fail "no $call was reached by apply"
done
echo "$states states"
