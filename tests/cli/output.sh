#!/bin/sh
# A failed write leaves the old file as it was. Text that cannot be written is a failure.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
cp m.dkvb kept.dkvb
mkdir folder

refused 1 'folder: is a directory' "$dkvb" forget m.dkvb -o folder --method activations --pairs 5 --features x.npy
refused 1 'none/m.dkvb' "$dkvb" forget m.dkvb -o none/m.dkvb --method activations --pairs 5 --features x.npy
refused 1 'folder: is a directory' "$dkvb" predict m.dkvb --features x.npy -o folder

# The disk is full in the middle of the file: the limit is in blocks of 512 bytes, and its signal is ignored.
refused 1 'm.dkvb: cannot write' sh -c 'trap "" XFSZ; ulimit -f 8; exec "$@"' sh "$dkvb" forget m.dkvb \
    --method activations --pairs 5 --features x.npy
same m.dkvb kept.dkvb
[ "$(ls)" = "folder
kept.dkvb
m.dkvb
refused.err
refused.out
test_x.npy
test_y.npy
x.npy
y.npy" ] || fail "files were left: $(ls)"

# An old file is replaced, a symbolic link stays a link, and the mode is kept.
chmod 600 m.dkvb
ln -s m.dkvb link.dkvb
check "$dkvb" forget link.dkvb --method activations --pairs 5 --features x.npy >/dev/null
[ -L link.dkvb ] || fail "the link was replaced"
[ "$(stat -c %a m.dkvb)" = 600 ] || fail "the mode changed"
cmp -s m.dkvb kept.dkvb && fail "nothing was written"

stdout_fails() {
    code=0
    "$@" 2>err || code=$?
    [ "$code" -eq 1 ] || fail "exit code $code: $*"
    [ "$(wc -l <err)" -eq 1 ] || fail "not one line: $(cat err)"
    grep -q '^dkvb: standard output' err || fail "$(cat err)"
}
stdout_fails "$dkvb" inspect m.dkvb --json >/dev/full
stdout_fails "$dkvb" help train >/dev/full
stdout_fails "$dkvb" --version >&-
stdout_fails "$dkvb" predict m.dkvb --features x.npy >&-
cat >pipe.py <<'END'
"""Run a command whose stdout is a pipe that nobody reads."""
import os, subprocess, sys
read, write = os.pipe()
os.close(read)
sys.exit(subprocess.call(sys.argv[1:], stdout=write))
END
stdout_fails "$python" pipe.py "$dkvb" predict m.dkvb --features x.npy --top 4

# With stdout and stderr closed, no text goes into a file that gets their number.
cp kept.dkvb closed.dkvb
code=0
"$dkvb" forget closed.dkvb --method activations --pairs 5 --features x.npy >&- 2>&- || code=$?
[ "$code" -eq 1 ] || fail "exit code $code with everything closed"
check "$dkvb" verify closed.dkvb >/dev/null
