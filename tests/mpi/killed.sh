#!/bin/sh
# A rank is killed, at random moments: the job ends, a line names rank and host, and the model is the old or the new
# file. KILLS: number of times, 10 if not set. WITHIN: seconds that a job may take to end.
# shellcheck disable=SC2086 # options are several words
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/job.sh"

# mpirun names the rank. Ranks that lost their connection before it did may name it too.
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
    # Nobody can remove the part of a file that a process wrote when it was killed. The next command names it.
    if [ "$victim" = 0 ] && [ -n "$(find . -name 'm.dkvb.tmp-*')" ]; then
        "$dkvb" verify m.dkvb 2>&1 | grep -q 'm.dkvb.tmp-' || fail "verify does not name $(find . -name 'm.dkvb.tmp-*')"
        rm m.dkvb.tmp-*
    fi
    whole
done

