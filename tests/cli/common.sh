#!/bin/sh
# Common part of every test of the tool; a test is run as: sh TEST DKVB DIRECTORY. This file sets $dkvb, $python and
# $here, and makes an empty working directory.
set -eu
LC_ALL=C
export LC_ALL
dkvb=$1
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-/usr/bin/python3}
rm -rf "$2"
mkdir -p "$2"
cd "$2"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# check COMMAND...: fails the test unless the command succeeds.
check() {
    "$@" || fail "exit code $?: $*"
}

# refused CODE TEXT COMMAND...: fails the test unless the command exits with CODE, prints nothing on stdout, and begins
# stderr with a line "dkvb: ..." that contains TEXT. After a failure (1) or an interrupt nothing more may be printed;
# after wrong use (2) the usage follows.
refused() {
    code=$1 text=$2
    shift 2
    got=0
    "$@" >refused.out 2>refused.err || got=$?
    [ "$got" -eq "$code" ] || fail "exit code $got instead of $code: $*: $(cat refused.err)"
    [ ! -s refused.out ] || fail "text on stdout: $*"
    head -n 1 refused.err | grep -q '^dkvb: ' || fail "no line of dkvb's: $*: $(cat refused.err)"
    head -n 1 refused.err | grep -qF -- "$text" || fail "no '$text' in: $(cat refused.err)"
    lines=$(wc -l <refused.err)
    if [ "$code" -eq 2 ]; then
        grep -q '^usage: dkvb ' refused.err || fail "no usage: $*"
    else
        [ "$lines" -eq 1 ] || fail "$lines lines instead of 1: $*: $(cat refused.err)"
    fi
}

# same FILE FILE: fails the test unless both files are equal byte for byte.
same() {
    cmp "$1" "$2" || fail "$1 and $2 differ"
}

# make_data: writes x.npy float32[400][16] and y.npy with 4 classes; test_x.npy and test_y.npy have 100 more rows.
make_data() {
    check "$python" "$here/make_data.py" .
}

# Options of a small model: 8 codebooks of 32 keys of length 6, one key selected, one epoch; options given after these
# replace them.
small="--codebooks 8 --keys 32 --key-dim 6 --top-k 1 --epochs 1"

# The salt with which the ids of forgotten rows are hashed; it is fixed here, so that files can be compared byte by
# byte.
salt=5a17000000000000000000000000000000000000000000000000000000000001

# train_small OUT [OPTIONS]: trains on make_data's rows.
train_small() {
    out=$1
    shift
    # shellcheck disable=SC2086 # $small is unquoted, as it holds several arguments
    check "$dkvb" train --features x.npy --labels y.npy $small -o "$out" "$@" >/dev/null
}

# json FILE EXPRESSION: prints a Python expression over the object d in FILE.
json() {
    "$python" -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}

# claim FILE EXPRESSION: fails the test unless a Python expression over the JSON object d in FILE is true.
claim() {
    [ "$(json "$1" "bool($2)")" = True ] || fail "not so: $2, in $(cat "$1")"
}
