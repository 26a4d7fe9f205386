#!/bin/sh
# Test of `dkvb search`, which writes the codes of rows and their distances to files. An interrupted, killed or failed
# search can be continued, and ends with the same bytes; a part file of other rows, keys or masks is refused.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
"$python" - <<'END'
import numpy as np
x = np.load("x.npy")
many = np.tile(x, (6, 1)) * np.repeat(np.linspace(1, 1.3, 6, dtype=np.float32), len(x))[:, None]
many[1500::50] *= 1000  # outside the scale
np.save("many.npy", many)
changed = many.copy()
changed[100, 3] += 1
np.save("changed.npy", changed)
END
search="$dkvb search m.dkvb --features many.npy"
# shellcheck disable=SC2086 # $search is unquoted, as it holds several arguments
{
    check $search -o codes.npy --distances distances.npy --json >whole.json 2>err
    claim whole.json 'd["n"] == 2400 and d["resumed"] == 0 and d["rows_outside_scale"] == 18'
    grep -q 'many.npy: 18 of 2400 rows are outside the scale of the keys; the first, row 1500,' err || fail "$(cat err)"
    check $search -o alone.npy >out 2>/dev/null
    same codes.npy alone.npy
    grep -q '^wrote alone.npy: codes of 2400 rows in 8 codebooks, top 1, in ' out || fail "$(cat out)"
    check "$python" - <<'END'
import numpy as np
codes, distances = np.load("codes.npy"), np.load("distances.npy")
assert codes.shape == distances.shape == (2400, 8, 1) and (codes.dtype, distances.dtype) == (np.uint16, np.int32)
assert codes.max() < 32 and distances.min() >= 0
END
    refused 2 'the same file' $search -o new.npy --distances new.npy.part
    refused 2 'the same file' $search -o new.npy --distances new.npy
    [ -z "$(find . -name '*.part')" ] || fail "a part file was left"
}

# A search of some seconds is stopped once codes are marked as finished in the part file; no other command may change
# the part file meanwhile, and after an interrupt or a kill the search can be continued.
check "$dkvb" train --features x.npy --labels y.npy --codebooks 300 --keys 350 --key-dim 8 --epochs 1 --passes 1 \
    --top-k 1 -o slow.dkvb >/dev/null
"$python" -c 'import numpy as np; np.save("slow.npy", np.tile(np.load("many.npy"), (16, 1)))'
cat >stop.py <<'END'
"""Search, and send a signal once codes are on disk. Says how many rows the part file has."""
import os, re, signal, subprocess, sys, time

number, *command = sys.argv[1:]
number = getattr(signal, number)


def begun():
    try:
        with open("s.npy.part", "rb") as file:
            return any(file.read(384 + 72)[384:])
    except FileNotFoundError:
        return False


work = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored in background jobs
while work.poll() is None and not begun():
    time.sleep(0.005)
work.send_signal(signal.SIGSTOP)
busy = subprocess.run(command, stderr=subprocess.PIPE, text=True)
assert busy.returncode == 1 and "s.npy.part: another command is at work on it" in busy.stderr, ("over too soon", busy)
work.send_signal(number)
work.send_signal(signal.SIGCONT)
out, err = work.communicate(timeout=300)
if number == signal.SIGKILL:
    assert work.returncode == -number and out == err == "", (work.returncode, out, err)
    print(512)
else:
    assert work.returncode == 130, (work.returncode, err)
    said = re.fullmatch(r"dkvb: interrupted; searched ([\d,]+) of 38,400 rows; the same command goes on from there\n", err)
    assert said and out == "", (out, err)
    print(said[1].replace(",", ""))
END
slow="$dkvb search slow.dkvb --features slow.npy --threads 1"
# shellcheck disable=SC2086 # $slow is unquoted, as it holds several arguments
{
    check $slow -o whole.npy --json >whole.json 2>/dev/null
    done=$(check "$python" stop.py SIGINT $slow -o s.npy)
    [ ! -e s.npy ] && [ -e s.npy.part ] || fail "files: $(ls)"
    cp s.npy.part kept.part
    check $slow -o s.npy >s.out 2>/dev/null
    grep -q "^going on after $done of 38400 rows\$" s.out || fail "$(cat s.out)"
    same whole.npy s.npy
    [ ! -e s.npy.part ] || fail "s.npy.part was left"
    least=$(check "$python" stop.py SIGKILL $slow -o s.npy)
    check $slow -o s.npy --json >s.json 2>/dev/null
    claim s.json "d['resumed'] >= $least and d['rows_outside_scale'] == $(json whole.json 'd["rows_outside_scale"]')"
    same whole.npy s.npy

    # More training changes no key, so kept codes stay valid; a mask changes codes. A part file that does not fit is
    # refused, until it is deleted or --restart is given.
    cp kept.part s.npy.part
    check "$dkvb" train --continue slow.dkvb --features x.npy --labels y.npy >/dev/null
    check $slow -o s.npy --json >s.json 2>/dev/null
    claim s.json "d['resumed'] == $done"
    same whole.npy s.npy
    cp kept.part s.npy.part
    refused 1 's.npy.part holds codes of 1 keys a codebook, without distances, not of 1 keys a codebook, with distances' \
        $slow -o s.npy --distances d.npy
    refused 1 's.npy.part holds codes of 38400 rows of 16 columns, not of 2400 rows of 16 columns: it must be deleted' \
        "$dkvb" search slow.dkvb --features many.npy -o s.npy
    refused 1 's.npy.part holds codes of keys ' "$dkvb" search m.dkvb --features slow.npy -o s.npy
    check "$dkvb" forget slow.dkvb --method activations --pairs 60 --features x.npy >/dev/null
    refused 1 's.npy.part holds codes of a mask of 0 pairs' $slow -o s.npy
    check "$dkvb" undo slow.dkvb >/dev/null
    same kept.part s.npy.part
    "$python" -c 'import numpy as np; x = np.load("slow.npy"); x[7, 2] += 1; np.save("other.npy", x)'
    refused 1 's.npy.part holds codes of other rows, or of these before they were changed, not of the rows that are' \
        "$dkvb" search slow.dkvb --features other.npy -o s.npy
    same kept.part s.npy.part
    check $slow -o s.npy --restart --json >s.json 2>/dev/null
    claim s.json 'd["resumed"] == 0'
    same whole.npy s.npy
    echo precious >s.npy.part
    refused 1 's.npy.part: not a file of finished codes' $slow -o s.npy --restart
    [ "$(cat s.npy.part)" = precious ] || fail "another file was lost"
}

# A search that was killed before or during any write to the part file, or stopped by a full disk, continues with the
# codes in the part file.
[ -n "${DKVB_FAULTS:-}" ] || exit 0
goes_on() { # WHICH
    code=0
    # shellcheck disable=SC2086 # $search is unquoted, as it holds several arguments
    {
        check $search -o new.npy --distances new_d.npy --json >new.json 2>err || fail "$1: $(cat err)"
        claim new.json 'd["n"] == 2400 and d["resumed"] % 512 in (0, 2400 % 512) and d["rows_outside_scale"] == 18'
    }
    same codes.npy new.npy
    same distances.npy new_d.npy
    [ ! -e new.npy.part ] || fail "$1: new.npy.part was left"
    rm new.npy new_d.npy
}
killed=0 resumed=0
for how in -1 -2; do
    for number in $(seq 20); do
        code=0
        # shellcheck disable=SC2086 # $search is unquoted, as it holds several arguments
        FAULT="pwrite $number $number $how" LD_PRELOAD=$DKVB_FAULTS $search -o new.npy --distances new_d.npy \
            >/dev/null 2>&1 || code=$?
        [ "$code" != 0 ] || break
        [ "$code" = 137 ] || fail "pwrite $number $how: exit code $code"
        killed=$((killed + 1))
        goes_on "killed at pwrite $number"
        resumed=$((resumed + $(json new.json 'd["resumed"]')))
    done
done
[ "$killed" -ge 12 ] && [ "$resumed" -gt 0 ] || fail "killed $killed times, $resumed rows resumed"

# If the disk is full, codes of a moment's work are removed, but codes kept by an earlier command stay.
# shellcheck disable=SC2086 # $search is unquoted, as it holds several arguments
{
    FAULT="pwrite 4 99 28" LD_PRELOAD=$DKVB_FAULTS refused 1 'new.npy.part: cannot write: No space left on device' \
        $search -o new.npy
    [ ! -e new.npy.part ] || fail "new.npy.part was left"
    FAULT="pwrite 5 5 -1" LD_PRELOAD=$DKVB_FAULTS $search -o new.npy >/dev/null 2>&1 && fail "not killed"
    code=0
    FAULT="pwrite 3 3 28" LD_PRELOAD=$DKVB_FAULTS $search -o new.npy >out 2>err || code=$?
    [ "$code" = 1 ] && grep -q '^dkvb: new.npy.part: cannot write: No space left on device$' err &&
        grep -q '^dkvb: new.npy.part keeps [0-9]* of 2400 rows: the same command goes on from there$' err ||
        fail "exit code $code: $(cat out err)"
    check $search -o new.npy --json >new.json 2>/dev/null
    claim new.json 'd["resumed"] >= 512'
    same codes.npy new.npy
}
