#!/bin/sh
# Test of failing system calls: a command then exits with 1 (failure), never with 2 (wrong use), at once, and leaves no
# files behind.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb --codes-out m.codes
check "$dkvb" forget m.dkvb --class 3 --pairs 1 >/dev/null # so that there is something to purge
cp m.dkvb kept.dkvb
"$python" -c 'import numpy as np; np.save("images.npy", np.zeros((9, 4, 4), "u1"))'
encode="$dkvb encode --encoder pixels --input images.npy"

# A command never writes its part file into a file that another user has put there.
mkdir other
ln -s "$PWD/other/taken" z.npy.part
# shellcheck disable=SC2086 # unquoted variables hold several arguments
{
    refused 1 'z.npy.part: is a symbolic link, and rows are not written through it' $encode -o z.npy
    refused 1 'z.npy.part: is a symbolic link' $encode -o z.npy --restart
    [ -L z.npy.part ] && [ ! -e other/taken ] || fail "written through a link"
    touch other/taken
    refused 1 'z.npy.part: is a symbolic link' $encode -o z.npy
    rm z.npy.part
    ln other/taken z.npy.part
    refused 1 'z.npy.part: is a hard link to another file' $encode -o z.npy --restart
    rm z.npy.part
    mkfifo z.npy.part
    refused 1 'z.npy.part: is not a regular file' $encode -o z.npy
    rm z.npy.part
    if [ "$(id -u)" = 0 ]; then
        touch z.npy.part
        chown 1234 z.npy.part
        refused 1 'z.npy.part: belongs to another user' $encode -o z.npy
        rm z.npy.part
    fi
}
[ ! -s other/taken ] || fail "rows are in another file"

# Long file names work for text files, models and arrays.
long=$(printf '%0240d' 0)
check $encode -o z.npy --names-out "$long.txt" >/dev/null
check $encode -o "$long.npy" >/dev/null
[ "$(wc -l <"$long.txt")" = 9 ] && same z.npy "$long.npy"
rm "$long.txt" "$long.npy" z.npy

[ -n "${DKVB_FAULTS:-}" ] || exit 0
# fault "CALL FIRST LAST ERRNO" COMMAND...: runs the command while calls FIRST to LAST of the C function CALL fail with
# ERRNO.
fault() {
    which=$1
    shift
    FAULT=$which LD_PRELOAD=$DKVB_FAULTS "$@"
}
eio=5 enomem=12 enospc=28 ever=1000000000
pick="--method activations --pairs 5 --features x.npy"
files=$(ls)

# shellcheck disable=SC2086
{
    refused 1 "the system's random source: cannot read" fault "getrandom 1 $ever $eio" "$dkvb" forget m.dkvb $pick
    for command in "forget m.dkvb --class 0 --pairs 5" "separation m.dkvb"; do
        refused 1 'm.codes: cannot read' fault "fread 1 1 $eio" "$dkvb" $command --codes m.codes
    done
    refused 1 'z.npy.part: cannot make room in' fault "ftruncate 1 $ever $enospc" $encode -o z.npy
    refused 1 'm.dkvb: cannot flush to disk' fault "fsync 1 1 $enospc" "$dkvb" purge m.dkvb
}
same m.dkvb kept.dkvb

# If a command cannot look at a file, it does not wait for the file's lock for ever.
for first in 1 2 3 4 5 6; do
    code=0
    fault "stat $first $ever $eio" timeout -s KILL 60 "$dkvb" purge m.dkvb >/dev/null 2>&1 || code=$?
    [ $code = 0 ] || [ $code = 1 ] || fail "stat failing from call $first on: exit code $code"
done
cp kept.dkvb m.dkvb

# LLVM's OpenMP ends the process, or waits for ever, if it gets no memory; the tool cannot prevent this, so the test is
# skipped.
! ldd "$dkvb" | grep -q 'libomp\.' || exit 0

# Each allocation of a command fails once: the exit code is never 2 (wrong use), and no file is left. The commands use
# one thread, since OpenMP ends the process if it gets no memory.
OMP_NUM_THREADS=1
export OMP_NUM_THREADS
each_fails() {
    most=$1
    shift
    for n in $(seq 1 "$most"); do
        code=0
        fault "malloc $n $n $enomem" "$@" >out 2>err || code=$?
        [ $code = 0 ] || [ $code = 1 ] || fail "malloc $n: exit code $code: $*: $(cat err)"
        [ $code = 0 ] || grep -q '^dkvb: ' err || fail "malloc $n: nothing said: $*"
    done
    left=$(ls ./*.tmp-* tables/*.tmp-* 2>/dev/null) || true
    [ -z "$left" ] || fail "left by $*: $left"
}
# shellcheck disable=SC2086
{
    each_fails 150 "$dkvb" forget m.dkvb $pick --reason why -o new.dkvb
    each_fails 150 "$dkvb" forget m.dkvb --class 1 --codes m.codes --pairs 5 -o new.dkvb
    each_fails 150 "$dkvb" separation m.dkvb --codes m.codes --csv tables
    each_fails 150 "$dkvb" sweep m.dkvb --codes m.codes --steps 3 -o table.csv
    each_fails 80 $encode -o new.npy --names-out new.txt
    each_fails 80 "$dkvb" mask info none.mask
}
rm -rf tables table.csv table.csv.part new.dkvb new.npy new.txt out err
[ "$(ls)" = "$files" ] || fail "files were left: $(ls)"
