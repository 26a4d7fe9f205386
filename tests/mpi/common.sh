#!/bin/sh
# Common part of the tests of dkvb-mpi, which are run as: sh TEST DKVB WORK DKVB_MPI. This file sets $mpi and defines
# mpi_run().
. "$(dirname "$0")/../cli/common.sh"
here=$here/../cli
mpi=$3

command -v mpirun >/dev/null || {
    echo "skipped: no mpirun"
    exit 77
}

# Open MPI refuses root by default, and counts the cores of the machine. The tests run more ranks than the machine has
# cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
# Containers often forbid a process to read another's memory, which Open MPI would do for messages.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
TMPDIR=$(mktemp -d) # names of sockets are short
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# mpi_run RANKS COMMAND...: runs a command of dkvb-mpi on this many ranks.
mpi_run() {
    count=$1
    shift
    timeout 600 mpirun -n "$count" "$mpi" "$@"
}

# mpi_check RANKS COMMAND...: fails the test unless the command succeeds.
mpi_check() {
    mpi_run "$@" >run.out 2>run.err || fail "exit code $? with ranks: $*: $(cat run.err)"
}

# mpi_refused CODE TEXT PROGRAM...: fails the test unless mpirun exits with CODE, and exactly one line on stderr is from
# dkvb-mpi and contains TEXT (mpirun adds its own lines).
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
