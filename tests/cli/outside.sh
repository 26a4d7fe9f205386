#!/bin/sh
# Test of rows far outside the range of the rows on which keys were placed: every command that searches rows reports
# them in one line, and counts them in its JSON output.
. "$(dirname "$0")/common.sh"
make_data
check "$python" - <<'END'
import numpy as np

x, test = np.load("x.npy"), np.load("test_x.npy")
np.save("times255.npy", test * np.float32(255))
odd = test.copy()
odd[7] *= 0
np.save("odd.npy", odd)
wrong = x.copy()
wrong[11, 3] = 3e38
np.save("wrong.npy", wrong)
far = x - x.mean(axis=0)
np.save("far.npy", far)
np.save("farther.npy", far / np.linalg.norm(far, axis=1, keepdims=True) * np.linalg.norm(far, axis=1).max() * 3)
END
train_small m.dkvb

# told TEXT COMMAND...: fails the test unless the command succeeds, and prints exactly one line on stderr that contains
# TEXT.
told() {
    text=$1
    shift
    "$@" >out.txt 2>err.txt || fail "exit code $?: $*: $(cat err.txt)"
    [ "$(wc -l <err.txt)" -eq 1 ] || fail "not one line: $*: $(cat err.txt)"
    grep -q '^dkvb: ' err.txt || fail "no line of dkvb's: $(cat err.txt)"
    grep -qF -- "$text" err.txt || fail "no '$text' in: $(cat err.txt)"
}

# quiet COMMAND...: fails the test unless the command succeeds and prints nothing on stderr.
quiet() {
    "$@" >out.txt 2>err.txt || fail "exit code $?: $*"
    [ ! -s err.txt ] || fail "a word too much: $*: $(cat err.txt)"
}

all='times255.npy: 100 of 100 rows are outside the scale of the keys; the first, row 0, has length'
told "$all" "$dkvb" predict m.dkvb --features times255.npy --json
claim out.txt 'd["rows_outside_scale"] == 100'
told "$all" "$dkvb" predict m.dkvb --features times255.npy -o p.npy
told "$all" "$dkvb" eval m.dkvb --features times255.npy --labels test_y.npy --json
claim out.txt 'd["rows_outside_scale"] == 100'
told "$all" "$dkvb" search m.dkvb --features times255.npy -o c.npy --json
claim out.txt 'd["rows_outside_scale"] == 100'
told "$all" "$dkvb" train --features times255.npy --labels test_y.npy --init-from m.dkvb -o other.dkvb --json
claim out.txt 'd["rows_outside_scale"] == 100'
told "$all" "$dkvb" train --features times255.npy --labels test_y.npy --continue m.dkvb -o other.dkvb
told "$all" "$dkvb" audit m.dkvb --features x.npy --labels y.npy --test-features times255.npy --test-labels test_y.npy \
    --class 1 --shadows 4 --json
claim out.txt 'd["rows_outside_scale"] == 100'
told 'odd.npy: 1 of 100 rows is outside the scale of the keys; the first, row 7, has length 0, usual are' \
    "$dkvb" predict m.dkvb --features odd.npy --json
claim out.txt 'd["rows_outside_scale"] == 1'
check "$dkvb" train --features wrong.npy --labels y.npy -o wrong.dkvb --codes-out wrong.codes --json >out.txt 2>err.txt
grep -qF 'wrong.npy: 1 of 400 rows is outside the scale of the keys; the first, row 11, has length 3e+38, usual are' err.txt ||
    fail "$(cat err.txt)"
claim out.txt 'd["rows_outside_scale"] == 1'

# If a model does not scale rows to length 1, slightly too long rows are found by their numbers at the ends of the
# scale, before their length is extreme.
check "$dkvb" train --features far.npy --labels y.npy --as-they-are $small -o far.dkvb >/dev/null
told 'of its numbers at an end of the scale' "$dkvb" predict far.dkvb --features farther.npy -o p.npy

quiet "$dkvb" predict m.dkvb --features test_x.npy --json
claim out.txt 'd["rows_outside_scale"] == 0'
quiet "$dkvb" eval m.dkvb --features test_x.npy --labels test_y.npy
quiet "$dkvb" train --features x.npy --labels y.npy -o quiet.dkvb --codes-out quiet.codes --keep-counts
quiet "$dkvb" search m.dkvb --features test_x.npy -o c.npy
quiet "$dkvb" eval m.dkvb --features test_x.npy --labels test_y.npy --codes c.npy --json
claim out.txt 'd["rows_outside_scale"] is None'
