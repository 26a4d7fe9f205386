#!/bin/sh
# Test of writing outputs: a failed write leaves the old file as it was, and text that cannot be written to stdout is a
# failure.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
cp m.dkvb kept.dkvb
mkdir folder

refused 1 'folder: is a directory' "$dkvb" forget m.dkvb -o folder --method activations --pairs 5 --features x.npy
refused 1 'none/m.dkvb' "$dkvb" forget m.dkvb -o none/m.dkvb --method activations --pairs 5 --features x.npy
refused 1 'folder: is a directory' "$dkvb" predict m.dkvb --features x.npy -o folder

# A limit on file sizes, in blocks of 512 bytes and with its signal ignored, stands for a disk that is full in the
# middle of a file.
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

# A model and its codes file are written together: if the disk has room for only one of them, both old files stay, and
# the command can be repeated.
full() { # LESS MORE COMMAND...: runs a command with a file size limit between the sizes of two files
    limit=$((($(stat -c %s "$1") + $(stat -c %s "$2")) / 1024))
    [ "$(stat -c %s "$2")" -gt "$(($(stat -c %s "$1") + 4096))" ] || fail "$2 is not larger than $1"
    more=$2
    shift 2
    # shellcheck disable=SC2016 # the inner shell expands the quoted variable
    refused 1 "$more: cannot write" sh -c 'trap "" XFSZ; ulimit -f "$1"; shift; exec "$@"' sh "$limit" "$@"
    same pair.dkvb pair.kept
    same pair.codes codes.kept
}
"$python" -c 'import numpy; numpy.save("ids.npy", numpy.arange(1000, 1400))' # ids that no row has
check "$dkvb" train --features x.npy --labels y.npy $small --codebooks 64 -o pair.dkvb --codes-out pair.codes >/dev/null
cp pair.dkvb pair.kept
cp pair.codes codes.kept
full pair.codes pair.dkvb "$dkvb" train --features x.npy --labels y.npy $small --codebooks 64 --seed 1 -o pair.dkvb \
    --codes-out pair.codes --json
full pair.codes pair.dkvb "$dkvb" train --continue pair.dkvb --features x.npy --labels y.npy --ids ids.npy \
    --codes-out pair.codes --json
check "$dkvb" train --continue pair.dkvb --features x.npy --labels y.npy --ids ids.npy --codes-out pair.codes >/dev/null
check "$dkvb" train --features x.npy --labels y.npy $small --keys 8 --keep features -o pair.dkvb \
    --codes-out pair.codes >/dev/null
cp pair.dkvb pair.kept
cp pair.codes codes.kept
"$python" -c 'import numpy; numpy.save("gone.npy", numpy.arange(5))'
full pair.dkvb pair.codes "$dkvb" forget pair.dkvb --rows gone.npy --strength exact --keep-keys --codes pair.codes --json
check "$dkvb" forget pair.dkvb --rows gone.npy --strength exact --keep-keys --codes pair.codes >/dev/null
rm -f pair.* codes.kept ids.npy gone.npy

# If an output replaces an old file, a symbolic link stays a link, and the file's mode is kept.
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

# If stdout and stderr are closed, no text is written into a file that gets their descriptor numbers.
cp kept.dkvb closed.dkvb
code=0
"$dkvb" forget closed.dkvb --method activations --pairs 5 --features x.npy >&- 2>&- || code=$?
[ "$code" -eq 1 ] || fail "exit code $code with everything closed"
check "$dkvb" verify closed.dkvb >/dev/null
