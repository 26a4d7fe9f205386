#!/bin/sh
# shellcheck disable=SC2086,SC2016 # unquoted variables hold several arguments; quoted ones are for the shell of a rank
#
# Test of work that ranks divide among them: pictures to encode, and the models of an audit. The files and figures equal
# those of one process, and an encoding that loses a rank can be continued with any other number of ranks.
. "$(dirname "$0")/common.sh"

# Makes pictures of two classes; one picture file is damaged.
"$python" - <<'END'
import os, struct, zlib

def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

for i in range(150):
    folder = 'pictures/' + 'ab'[i % 2]
    os.makedirs(folder, exist_ok=True)
    rows = b''.join(b'\0' + bytes((i * 7 + x * y) % 256 for x in range(12)) for y in range(12))
    png = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 12, 12, 8, 0, 0, 0, 0))
    png += chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')
    with open(f'{folder}/{i:03}.png', 'wb') as f:
        f.write(png[:40] if i == 77 else png)
END
encode="encode --input pictures --skip-unreadable --labels-out y.out --names-out n.out --class-names-out c.out -o x.out"
check "$dkvb" $encode >one.text 2>one.err
mkdir one
mv ./*.out one/
for ranks in 2 3 4; do
    mpi_check $ranks $encode
    for name in x.out y.out n.out c.out; do
        same "one/$name" $name
    done
    same one.text run.out
    [ "$(grep -c '077.png.*left out' run.err)" -eq 1 ] || fail "not one word about the broken picture: $(cat run.err)"
    rm -f ./*.out
done

# Without --skip-unreadable the damaged picture ends the command, whichever rank reads it.
for ranks in 2 3; do
    got=0
    mpi_run $ranks encode --input pictures -o x.out >run.out 2>run.err || got=$?
    [ "$got" -eq 1 ] || fail "exit code $got for a broken picture"
    grep -q '^dkvb-mpi: .*077.png.*--skip-unreadable goes on without it' run.err || fail "no word of it: $(cat run.err)"
    [ ! -e x.out ] || fail "a file in spite of a broken picture"
done

# If ranks have different pictures, an error says so.
cp -r pictures others
touch others/a/000.png
mkdir 0 1
cp -r pictures 0/
mv others 1/pictures
got=0
timeout 600 mpirun -n 2 sh -c 'cd $OMPI_COMM_WORLD_RANK && exec "$0" encode --input pictures --skip-unreadable -o ../x.out' \
    "$mpi" >run.out 2>run.err || got=$?
[ "$got" -ne 0 ] || fail "ranks encoded different pictures"
grep -q '^dkvb-mpi: rank 1.*the pictures.*differ from those of rank 0' run.err || fail "no word of it: $(cat run.err)"
[ ! -e x.out ] || fail "a file in spite of different pictures"
[ ! -e x.out.part ] || fail "a part file in spite of different pictures"

# If a rank is killed, the finished rows stay, and one process or other ranks continue. The pictures of this test are so
# large that encoding takes some seconds.
"$python" -c "
import numpy as np
np.save('many.npy', np.random.default_rng(1).integers(0, 256, (12000, 48, 48), np.uint8))"
check "$dkvb" encode --input many.npy -o one.npy >/dev/null

# kill_one RANKS RANK: kills one rank of an encoding as soon as some rows are in the part file.
kill_one() {
    rm -f x.npy x.npy.part pid.*
    timeout 600 mpirun -n "$1" sh -c 'echo $$ >pid.$OMPI_COMM_WORLD_RANK && exec "$@"' sh "$mpi" encode --input many.npy \
        -o x.npy >run.out 2>run.err &
    job=$!
    tries=0
    # The part file begins with a header and a mark for each picture, which is 1 once the picture's row is on disk.
    until [ -s "pid.$2" ] && "$python" -c "
import sys
with open('x.npy.part', 'rb') as f:
    sys.exit(b'\\1' * 32 not in f.read(12000))" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 300 ] || fail "no rows in x.npy.part: $(cat run.err)"
        [ ! -e x.npy ] || return 1
        sleep 0.1
    done
    kill -KILL "$(cat "pid.$2")" 2>/dev/null || :
    began=$(date +%s)
    wait $job || :
    [ $(($(date +%s) - began)) -le 30 ] || fail "the job went on for more than 30 s after a rank was killed"
    [ ! -e x.npy ] || return 1
}
resumed=0
for loss in 2:1 3:0 2:0; do
    kill_one "${loss%:*}" "${loss#*:}" || continue # it was done before
    [ -e x.npy.part ] || fail "rows were lost with rank ${loss#*:}"
    if [ "$loss" = 2:0 ]; then
        check "$dkvb" encode --input many.npy -o x.npy >run.out
    else
        mpi_check 4 encode --input many.npy -o x.npy
    fi
    grep -q '^going on after [1-9]' run.out && resumed=$((resumed + 1))
    same one.npy x.npy
    [ ! -e x.npy.part ] || fail "x.npy.part is still there"
done
[ $resumed -gt 0 ] || fail "no encoding was interrupted"

# An audit by several ranks has the same figures as one by a single process.
make_data
train_small before.dkvb --codes-out m.codes --epochs 2
cp before.dkvb m.dkvb
check "$dkvb" forget m.dkvb --class 1 --codes m.codes --pairs 30 --salt $salt --force >/dev/null 2>&1
audit="audit m.dkvb --features x.npy --labels y.npy --test-features test_x.npy --test-labels test_y.npy --codes m.codes
    --before before.dkvb --shadows 6 --klom 5 --json"
check "$dkvb" $audit >one.json
for ranks in 2 3 4; do
    mpi_check $ranks $audit
    "$python" - one.json run.out <<'END' || fail "an audit of $ranks ranks has other figures"
import json, sys
one, many = (json.load(open(name)) for name in sys.argv[1:])
del one['seconds'], many['seconds']
sys.exit(one != many)
END
done
