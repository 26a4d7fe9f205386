#!/bin/sh
# Test of Python programs with mpi4py whose ranks share models, by libdkvb-mpi and by mpi4py alone.
. "$(dirname "$0")/common.sh"
"$python" -c 'import mpi4py' 2>/dev/null || {
    echo "skipped: no mpi4py"
    exit 77
}
make_data
timeout 100 mpirun -n 3 "$python" "$here/../mpi/bindings.py" . >run.out 2>run.err || fail "$(cat run.err)"
[ "$(cat run.out)" = same ] || fail "not same: $(cat run.out)"
if timeout 100 mpirun -n 3 "$python" "$here/../mpi/bindings.py" . fails >run.out 2>run.err; then
    fail "a rank has raised, and the job succeeded"
fi
grep -q "^dkvb-mpi: rank 1 on $host: KeyError" run.err || fail "the exception of rank 1 is not reported: $(cat run.err)"
