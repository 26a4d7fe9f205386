#!/bin/sh
# Jobs in the background that tests disturb, and the checks after their end.
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

