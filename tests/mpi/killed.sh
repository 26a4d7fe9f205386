#!/bin/sh
# Test in which a rank is killed at random moments: the MPI job ends, an error line names the rank and its host, and the
# model is the old or the new file. KILLS is the number of kills (10 by default), WITHIN the seconds that a job may take
# to end.
# shellcheck disable=SC2086 # unquoted variables hold several arguments
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/job.sh"

# mpirun names the killed rank; ranks that lost their connection to it earlier may name it too.
kills=${KILLS:-10}
for kill in $(seq "$kills"); do
    cp old.dkvb m.dkvb
    begin 3 $make_model --epochs 100 -o m.dkvb
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
    # A process killed while it wrote a file cannot remove the temporary file; the next command names this file.
    if [ "$victim" = 0 ] && [ -n "$(find . -name 'm.dkvb.tmp-*')" ]; then
        "$dkvb" verify m.dkvb 2>&1 | grep -q 'm.dkvb.tmp-' || fail "verify does not name $(find . -name 'm.dkvb.tmp-*')"
        rm m.dkvb.tmp-*
    fi
    whole
done


# A search whose rank was killed keeps its finished rows, and can be continued with another number of ranks, or with one
# process.
check "$dkvb" train --features x.npy --labels y.npy --codebooks 300 --keys 350 --key-dim 8 --epochs 1 --passes 1 \
    --top-k 1 -o slow.dkvb >/dev/null
"$python" -c 'import numpy as np; np.save("slow.npy", np.tile(np.load("x.npy"), (100, 1)))'
check "$dkvb" search slow.dkvb --features slow.npy -o whole.npy >/dev/null
for victim in 0 1; do
    start 3 search slow.dkvb --features slow.npy -o s.npy
    check "$python" - "$(cat pid.0)" <<'END'
import os, sys, time

end = time.monotonic() + 60
while os.path.exists("/proc/" + sys.argv[1]) and time.monotonic() < end: # until the first mark is in the part file
    if os.path.exists("s.npy.part") and any(open("s.npy.part", "rb").read(384 + 72)[384:]):
        break
    time.sleep(0.005)
END
    killed=no
    kill -KILL "$(cat pid.$victim)" 2>/dev/null && killed=yes
    finish
    if [ "$code" -ne 0 ]; then
        [ $killed = yes ] && [ -e s.npy.part ] || fail "exit code $code: $(cat run.err)"
        [ ! -e s.npy ] || fail "a killed search has written its output"
        if [ $victim = 0 ]; then
            mpi_check 2 search slow.dkvb --features slow.npy -o s.npy
        else
            check "$dkvb" search slow.dkvb --features slow.npy -o s.npy >run.out
        fi
        grep -q '^going on after [0-9]* of 40000 rows$' run.out || fail "not gone on: $(cat run.out)"
    fi
    same whole.npy s.npy
    [ ! -e s.npy.part ] || fail "s.npy.part was left"
    rm s.npy
done
