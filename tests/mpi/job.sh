#!/bin/sh
# Shell functions for MPI jobs in the background, which tests disturb, and for the checks after the jobs have ended.
make_data
make_model="train --features x.npy --labels y.npy --codebooks 64 --keys 64 --key-dim 8"

check "$dkvb" $make_model --epochs 1 -o old.dkvb >/dev/null
check "$dkvb" $make_model --epochs 100 -o new.dkvb >/dev/null

# whole: fails the test unless m.dkvb is the old or the new file, and no temporary file is left beside it.
whole() {
    cmp -s m.dkvb old.dkvb || cmp -s m.dkvb new.dkvb || fail "m.dkvb is neither old nor new"
    left=$(find . -name 'm.dkvb?*')
    [ -z "$left" ] || fail "left behind: $left"
}

# begin RANKS COMMAND...: runs a command of dkvb-mpi in the background; each rank writes its process id to pid.RANK.
cat >noted.sh <<END
echo \$\$ >pid.\$OMPI_COMM_WORLD_RANK.new && mv pid.\$OMPI_COMM_WORLD_RANK.new pid.\$OMPI_COMM_WORLD_RANK
exec "$mpi" "\$@"
END
begin() {
    count=$1
    shift
    rm -f pid.*
    timeout 300 mpirun -n "$count" sh noted.sh "$@" >run.out 2>run.err &
    job=$!
    until_all test -e
}

# start RANKS COMMAND...: as begin, and returns when all ranks have joined the job and watch each other, however long a
# busy machine takes for that.
start() {
    begin "$@"
    until_all watches
}
watches() {
    test -e "$1" && grep -qsx dkvb-watch "/proc/$(cat "$1")"/task/*/comm
}

# until_all COMMAND...: waits until the command succeeds with each pid.RANK.
until_all() {
    for try in $(seq 2000); do
        ready=0
        for rank in $(seq 0 $((count - 1))); do
            ! "$@" "pid.$rank" || ready=$((ready + 1))
        done
        [ "$ready" -lt "$count" ] || return 0
        kill -0 "$job" 2>/dev/null || break
        sleep 0.05
    done
    fail "the ranks did not start: $(cat run.err)"
}

# finish: waits until the job has ended, and sets $code, its exit code, and $took, the seconds it took. WITHIN is the
# largest number of seconds that the job may take; 30 are promised for a machine that is not overloaded.
finish() {
    from=$(date +%s)
    code=0
    wait "$job" || code=$?
    took=$(($(date +%s) - from))
    [ "$took" -le "${WITHIN:-120}" ] || fail "the job ended after $took s: $(cat run.err)"
}

