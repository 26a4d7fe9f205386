#!/bin/sh
# Faults of one rank: the job ends soon, one line names rank and host, and files are as they were or as they were to be.
# KILLS: number of times that a rank is killed, 10 if not set.
. "$(dirname "$0")/common.sh"
make_data
make_model="train --features x.npy --labels y.npy --codebooks 64 --keys 64 --key-dim 8"

check "$dkvb" $make_model --epochs 1 -o old.dkvb >/dev/null
check "$dkvb" $make_model --epochs 100 -o new.dkvb >/dev/null

# whole: m.dkvb is the old or the new file, and nothing is left beside it.
whole() {
    cmp -s m.dkvb old.dkvb || cmp -s m.dkvb new.dkvb || fail "m.dkvb is neither old nor new"
    left=$(find . -name 'm.dkvb?*')
    [ -z "$left" ] || fail "left behind: $left"
}

# start RANKS COMMAND...: runs in the background; each rank writes its process id to pid.RANK.
cat >noted.sh <<END
echo \$\$ >pid.\$OMPI_COMM_WORLD_RANK.new && mv pid.\$OMPI_COMM_WORLD_RANK.new pid.\$OMPI_COMM_WORLD_RANK
exec "$mpi" "\$@"
END
start() {
    count=$1
    shift
    rm -f pid.*
    timeout 100 mpirun -n "$count" sh noted.sh "$@" >run.out 2>run.err &
    job=$!
    for try in $(seq 200); do
        [ ! -e pid.0 ] || [ ! -e pid.1 ] || [ ! -e pid.2 ] || return 0
        sleep 0.05
    done
    fail "the ranks did not start: $(cat run.err)"
}

# finish: waits for the job; sets $code and $took, in seconds.
finish() {
    from=$(date +%s)
    code=0
    wait "$job" || code=$?
    took=$(($(date +%s) - from))
    [ "$took" -le 30 ] || fail "the job ended after $took s: $(cat run.err)"
}

# A rank is killed, at a random moment. mpirun names it.
kills=${KILLS:-10}
for kill in $(seq "$kills"); do
    cp old.dkvb m.dkvb
    start 3 $make_model --epochs 100 -o m.dkvb
    sleep "$("$python" -c 'import random; print(random.random() * 1.5)')"
    victim=$((kill % 3))
    if kill -KILL "$(cat pid.$victim)" 2>/dev/null; then
        finish
        if [ "$code" -ne 0 ]; then
            grep -q "process rank $victim .* on node $host exited on signal 9\|rank $victim on $host" run.err ||
                fail "nobody named rank $victim: $(cat run.err)"
        fi
    else
        finish
        [ "$code" -eq 0 ] || fail "exit code $code: $(cat run.err)"
    fi
    # Nobody can remove the part of a file that a process wrote when it was killed. The next command names it.
    if [ "$victim" = 0 ] && [ -n "$(find . -name 'm.dkvb.tmp-*')" ]; then
        "$dkvb" verify m.dkvb 2>&1 | grep -q 'm.dkvb.tmp-' || fail "verify does not name $(find . -name 'm.dkvb.tmp-*')"
        rm m.dkvb.tmp-*
    fi
    whole
done

# A rank hangs. The others say who it is: rank 0 of another, rank 1 of rank 0.
for victim in 2 0; do
    cp old.dkvb m.dkvb
    start 3 --silence 3 $make_model --epochs 30000 -o m.dkvb
    sleep 1
    kill -STOP "$(cat pid.$victim)"
    finish
    [ "$code" -ne 0 ] || fail "rank $victim was stopped, and the job succeeded"
    grep -q "^dkvb-mpi: rank $victim on $host has not been heard of for 3 s" run.err ||
        fail "nobody named the stopped rank $victim: $(cat run.err)"
    [ "$(grep -c '^dkvb-mpi: rank' run.err)" -eq 1 ] || fail "more than one line: $(cat run.err)"
    whole
done

# Long computing is not silence: one thread is busy for longer than the limit.
cp old.dkvb m.dkvb
mpi_check 2 --silence 2 train --features x.npy --labels y.npy --codebooks 256 --keys 128 --key-dim 16 --epochs 40 -o long.dkvb
whole

# mpirun is told to end, as by Ctrl-C.
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

# A failure that all ranks have alike is one line, without a rank. Files are those of rank 0.
rm -f m.dkvb
mpi_refused 1 "dkvb-mpi: test_y.npy has 100 labels" -n 3 "$mpi" train --features x.npy --labels test_y.npy -o m.dkvb
grep -q 'rank 0 on' run.err && fail "a rank is named for what all found: $(cat run.err)"
mpi_refused 1 "dkvb-mpi: rank 0 on $host: no/m.dkvb: cannot be written" -n 3 "$mpi" $make_model -o no/m.dkvb
mpi_refused 2 "dkvb-mpi: train: --labels is missing" -n 3 "$mpi" train --features x.npy -o m.dkvb

# A call of one rank fails: FAULTY is its number.
[ -n "${DKVB_FAULTS:-}" ] || exit 0
cat >faulty.sh <<END
[ "\$OMPI_COMM_WORLD_RANK" != "\$FAULTY" ] || export LD_PRELOAD="$DKVB_FAULTS"
exec "$mpi" "\$@"
END
cp old.dkvb m.dkvb
export FAULTY=0 FAULT="fsync 1 1 28" # ENOSPC
mpi_refused 1 "No space left on device" -n 3 sh faulty.sh $make_model --epochs 1 -o m.dkvb
grep -q "^dkvb-mpi: rank 0 on $host: " run.err || fail "rank 0 is not named: $(cat run.err)"
whole
