#!/bin/sh
# shellcheck disable=SC2086 # unquoted variables hold several arguments
#
# Test that dkvb-mpi gives the same files with any number of ranks: models, codes files, journals and predictions equal
# those of dkvb byte for byte.
. "$(dirname "$0")/common.sh"
make_data
make_model="train --features x.npy --labels y.npy --codebooks 40 --keys 16 --key-dim 6 --epochs 2"
exact="--class 1 --strength exact --keep-keys --salt $salt --reason request"

"$dkvb" $make_model -o m.dkvb --codes-out m.codes >/dev/null
cp m.dkvb exact.dkvb
cp m.codes exact.codes
check "$dkvb" forget exact.dkvb --codes exact.codes $exact >/dev/null 2>&1
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.npy >/dev/null

# 8 ranks are more than there are groups of codebooks: 40 codebooks are 3 groups.
for ranks in 1 2 3 4 8; do
    mpi_check $ranks $make_model -o mine.dkvb --codes-out mine.codes
    same m.dkvb mine.dkvb
    same m.codes mine.codes
    mpi_check $ranks predict mine.dkvb --features test_x.npy --scores -o mine.npy
    same scores.npy mine.npy
    mpi_check $ranks forget mine.dkvb --codes mine.codes $exact
    same exact.dkvb mine.dkvb
    same exact.codes mine.codes
done

# both FILES -- COMMAND...: runs a command by dkvb in one folder and by 3 ranks in another, and asserts that the files
# are equal.
both() {
    names=$1
    shift
    rm -rf one three
    mkdir one three
    cp m.dkvb m.codes x.npy y.npy test_x.npy test_y.npy one
    cp m.dkvb m.codes x.npy y.npy test_x.npy test_y.npy three
    (cd one && check "$dkvb" "$@" >out 2>err)
    (cd three && mpi_check 3 "$@")
    for name in $names; do
        same "one/$name" "three/$name"
    done
    sed 's/[0-9.]* s\>/T s/g' one/out >one/text
    sed 's/[0-9.]* s\>/T s/g' three/run.out >three/text
    same one/text three/text
}
both m.dkvb forget m.dkvb --class 2 --features x.npy --labels y.npy --pairs 100 --salt $salt
both m.dkvb forget m.dkvb --class 2 --codes m.codes --salt $salt
both plan forget m.dkvb --class 2 --codes m.codes --pairs 100 --salt $salt --plan-out plan
both codes search m.dkvb --features x.npy -o codes
both answers.csv predict m.dkvb --features test_x.npy --top 3 -o answers.csv
both "" eval m.dkvb --features test_x.npy --labels test_y.npy
both "" separation m.dkvb --features x.npy --labels y.npy

# A forgetting is undone in one copy of a model, and purged in another.
check "$dkvb" forget m.dkvb --class 2 --codes m.codes --pairs 100 --salt $salt >/dev/null
both m.dkvb purge m.dkvb
both m.dkvb undo m.dkvb 1
both m.dkvb rename m.dkvb 0 zero

# All ranks use the time and the random salt of rank 0. If each rank used its own, the ranks would differ at the next
# call.
unset SOURCE_DATE_EPOCH
mpi_check 3 forget m.dkvb --class 3 --codes m.codes --pairs 10
mpi_check 3 train --features x.npy --labels y.npy --codebooks 16 --tune-seconds 0.2 -o tuned.dkvb
check "$dkvb" verify m.dkvb >/dev/null
check "$dkvb" verify tuned.dkvb >/dev/null

# Commands without work for several ranks run on rank 0 only, so that their text is printed once.
mpi_check 3 inspect m.dkvb
check "$dkvb" inspect m.dkvb >alone
same alone run.out
mpi_check 3 --version
[ "$(wc -l <run.out)" -eq 1 ] && grep -q '^dkvb-mpi .*MPI' run.out || fail "version: $(cat run.out)"
mpi_refused 2 "bench: several ranks cannot share" -n 2 "$mpi" bench
mpi_refused 1 "'--serve': rank 0 alone has standard input" -n 2 "$mpi" predict m.dkvb --serve

# An input file that only rank 0 has is sent to all ranks.
mkdir -p only
cp x.npy y.npy only
cat >apart.sh <<END
[ "\$OMPI_COMM_WORLD_RANK" = 0 ] || cd one
exec "$mpi" "\$@"
END
mpi_refused 1 "rank 1 on $host: the input only/x.npy: found 'no such file'" -n 3 sh apart.sh \
    train --features only/x.npy --labels only/y.npy -o apart.dkvb
# Ranks with different bytes of an input file, or different command lines, are refused before any work.
mkdir -p one/only
cp x.npy one/only
"$python" -c 'import numpy; y = numpy.load("y.npy"); y[7] = 3 - y[7]; numpy.save("one/only/y.npy", y)'
mpi_refused 1 "rank 1 on $host: the input only/y.npy: found '1728 bytes, checksum" -n 3 sh apart.sh \
    train --features only/x.npy --labels only/y.npy -o apart.dkvb
[ ! -e apart.dkvb ] || fail "ranks with different inputs have trained"
mpi_refused 1 "rank 2 on $host: the command line: found" -n 2 "$mpi" eval m.dkvb --features x.npy --labels y.npy : \
    -n 1 "$mpi" eval m.dkvb --features test_x.npy --labels test_y.npy
rm -r one/only

timeout 60 mpirun -n 3 sh apart.sh --broadcast-inputs train --features only/x.npy --labels=only/y.npy \
    --codebooks 40 --keys 16 --key-dim 6 --epochs 2 -o "$PWD/apart.dkvb" >run.out 2>run.err || fail "$(cat run.err)"
"$dkvb" $make_model -o m.dkvb >/dev/null
SOURCE_DATE_EPOCH=0 check "$dkvb" $make_model -o m.dkvb >/dev/null
same m.dkvb apart.dkvb
leftover=$(find "$TMPDIR" -name 'dkvb-mpi-*')
[ -z "$leftover" ] || fail "left behind: $leftover"
