#!/bin/sh
# Test of faults of one rank: the MPI job ends soon, one error line names the rank and its host, and each file is either
# the old or the complete new one.
# shellcheck disable=SC2086 # unquoted variables hold several arguments
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/job.sh"

# If a rank hangs, another names it: rank 0 names any other rank, rank 1 names rank 0.
for victim in 2 0; do
    cp old.dkvb m.dkvb
    start 3 --silence 3 $make_model --epochs 30000 -o m.dkvb
    sleep 1
    kill -STOP "$(cat pid.$victim)"
    finish
    [ "$code" -ne 0 ] || fail "rank $victim was stopped, and the job succeeded"
    grep -q "^dkvb-mpi: rank $victim on $host has not been heard of for 3 s" run.err ||
        fail "nobody named the stopped rank $victim: $(cat run.err)"
    # A stopped rank 0 is continued by mpirun to be ended, and then prints a line too.
    [ "$(grep -c '^dkvb-mpi: rank' run.err)" -eq 1 ] && { [ $victim -eq 0 ] || [ "$(grep -c '^dkvb-mpi: ' run.err)" -eq 1 ]; } || fail "more than one line: $(cat run.err)"
    whole
done

# A rank that computes for longer than the silence limit does not count as silent.
cp old.dkvb m.dkvb
mpi_check 2 --silence 2 train --features x.npy --labels y.npy --codebooks 256 --keys 128 --key-dim 16 --epochs 40 -o long.dkvb
whole

# mpirun gets a signal to end, as by Ctrl-C.
for signal in INT TERM; do
    cp old.dkvb m.dkvb
    start 3 $make_model --epochs 30000 -o m.dkvb
    sleep 1
    kill -$signal "$(pgrep -P "$job" mpirun)"
    finish
    [ "$code" -ne 0 ] || fail "$signal: the job succeeded"
    cmp m.dkvb old.dkvb || fail "$signal: m.dkvb was written"
    whole
done

# A failure that is the same on all ranks is printed as one line without a rank; file names are those of rank 0.
rm -f m.dkvb
mpi_refused 1 "dkvb-mpi: test_y.npy has 100 labels" -n 3 "$mpi" train --features x.npy --labels test_y.npy -o m.dkvb
grep -q 'rank 0 on' run.err && fail "a rank is named for what all found: $(cat run.err)"
mpi_refused 1 "dkvb-mpi: rank 0 on $host: no/m.dkvb: cannot be written" -n 3 "$mpi" $make_model -o no/m.dkvb
mpi_refused 2 "dkvb-mpi: train: --labels is missing" -n 3 "$mpi" train --features x.npy -o m.dkvb

# A C function call fails on one rank, whose number is FAULTY.
[ -n "${DKVB_FAULTS:-}" ] || exit 0
cat >faulty.sh <<END
[ "\$OMPI_COMM_WORLD_RANK" != "\$FAULTY" ] || export LD_PRELOAD="$DKVB_FAULTS"
exec "$mpi" "\$@"
END
cp old.dkvb m.dkvb
export FAULTY=0 FAULT="fsync 1 1 28" # ENOSPC
mpi_refused 1 "No space left on device" -n 3 sh faulty.sh $make_model --epochs 1 --json -o m.dkvb
grep -q "^dkvb-mpi: rank 0 on $host: [^r]" run.err || fail "rank 0 is not named: $(cat run.err)"
whole
