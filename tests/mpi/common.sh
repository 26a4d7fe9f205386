#!/bin/sh
# Common part of the tests of dkvb-mpi, which are run as: sh TEST DKVB WORK DKVB_MPI. It sets $mpi and mpi_run.
. "$(dirname "$0")/../cli/common.sh"
here=$here/../cli
mpi=$3

command -v mpirun >/dev/null || {
    echo "skipped: no mpirun"
    exit 77
}

# Open MPI refuses root by default, and counts the cores of the machine. Ranks of these tests are small and many.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
# Containers often forbid that one process reads the memory of another.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
TMPDIR=$(mktemp -d) # names of sockets are short
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# mpi_run RANKS COMMAND...: dkvb-mpi on this many ranks.
mpi_run() {
    count=$1
    shift
    timeout 600 mpirun -n "$count" "$mpi" "$@"
}

# mpi_check RANKS COMMAND...: the command must succeed.
mpi_check() {
    mpi_run "$@" >run.out 2>run.err || fail "exit code $? with ranks: $*: $(cat run.err)"
}

# mpi_refused CODE TEXT PROGRAM...: mpirun must end with CODE, and exactly one line on stderr must be of dkvb-mpi and
# contain TEXT. mpirun adds lines of its own.
mpi_refused() {
    code=$1 text=$2
    shift 2
    got=0
    timeout 600 mpirun "$@" >run.out 2>run.err || got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code: $*: $(cat run.err)"
    [ "$(grep -c '^dkvb-mpi: ' run.err)" -eq 1 ] || fail "not one line of dkvb-mpi: $*: $(cat run.err)"
    grep '^dkvb-mpi: ' run.err | grep -qF -- "$text" || fail "no '$text' in: $(cat run.err)"
    [ ! -s run.out ] || fail "text on stdout: $(cat run.out)"
}

host=$(hostname)
