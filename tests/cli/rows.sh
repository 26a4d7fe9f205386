#!/bin/sh
# Test of rows with string names: a text file of names gives the same results as the ids that the names hash to, and a
# name is removed with its row.
. "$(dirname "$0")/common.sh"
make_data
"$python" - <<'END'
import numpy as np
names = [f"patient {i:03} \N{GREEK SMALL LETTER OMEGA}" for i in range(400)]
def write(path, lines, end="\n"):
    open(path, "w", encoding="utf-8", newline="").write("".join(line + end for line in lines))
write("names.txt", names, "\r\n")
write("few.txt", names[:399])
write("blank.txt", names[:7] + [""] + names[8:])
write("twice.txt", names[:399] + names[:1])
write("gone.txt", names[20:30])
write("nobody.txt", names[20:22] + ["nobody"])
write("requests.txt", ["rows " + ",".join(names[20:25]) + "\tletter of 3 May", "rows " + " , ".join(names[25:30])])
write("others.txt", [f"other {i}" for i in range(100)])
np.save("gone.npy", np.arange(20, 30))
END
# hashed CODES NAMES OUT: writes the ids of row names, hashed with the salt of a codes file.
hashed() {
    "$python" - "$@" <<'END'
import hashlib, sys
import numpy as np
data = open(sys.argv[1], "rb").read()
sections = {}
for i in range(int.from_bytes(data[24:28], "little")):
    e = data[64 + 64 * i:128 + 64 * i]
    at, size = int.from_bytes(e[24:32], "little"), int.from_bytes(e[32:40], "little")
    sections[e[:16].rstrip(b"\0").decode()] = data[at:at + size]
names = open(sys.argv[2], encoding="utf-8").read().split("\n")[:-1]
ids = [hashlib.sha256(sections["name_salt"] + name.encode()).digest()[:8] for name in names]
np.save(sys.argv[3], np.frombuffer(b"".join(ids), "<u8"))
END
}
keys="--key-features test_x.npy --hold-out 0.2"
# shellcheck disable=SC2086 # $keys is unquoted, as it holds several arguments
{
    train_small a.dkvb --ids names.txt --codes-out a.codes $keys
    train_small b.dkvb --ids names.txt --codes-out b.codes --keep-names $keys
    hashed a.codes names.txt ids.npy
    hashed a.codes gone.txt hashed.npy
    train_small c.dkvb --ids ids.npy --codes-out c.codes $keys
    train_small d.dkvb --codes-out d.codes $keys
}
same a.dkvb b.dkvb
same a.dkvb c.dkvb
grep -q 'patient 007' b.codes || fail "the names are not kept"
grep -q 'patient 007' a.codes && fail "a name is in a file that keeps only hashes"

# Forgetting rows by names, by lines of requests, or by ids gives the same model, and no name of a forgotten row stays
# in a file.
forget="$dkvb forget --strength exact --max-class-loss 1 --salt $salt"
for way in names requests ids; do
    for from in a b; do
        case $way in
        names) who="--rows gone.txt" ;;
        requests) who="--requests requests.txt" ;;
        *) who="--rows hashed.npy" ;;
        esac
        # shellcheck disable=SC2086 # unquoted variables hold several arguments
        check $forget $from.dkvb $who --codes $from.codes -o $way.$from.dkvb --codes-out $way.$from.codes >/dev/null
    done
    same $way.a.dkvb $way.b.dkvb
    grep -q 'patient 02[0-9]' $way.b.codes && fail "names of rows that are gone are in $way.b.codes"
    grep -q 'patient 019' $way.b.codes && grep -q 'patient 030' $way.b.codes || fail "other names went as well"
done
same names.a.dkvb ids.a.dkvb
same names.b.codes ids.b.codes
same names.b.codes requests.b.codes
check "$dkvb" masks requests.a.dkvb >said.txt
grep -q 'letter of 3 May' said.txt || fail "$(cat said.txt)"

# Exact forgetting can place the keys again on rows with string names.
train_small own.dkvb --ids names.txt --codes-out own.codes --keep-names
# shellcheck disable=SC2086 # unquoted variables hold several arguments
check $forget own.dkvb --rows gone.txt --codes own.codes --key-features x.npy --ids names.txt -o placed.dkvb \
    --codes-out placed.codes >/dev/null
grep -q 'patient 030' placed.codes || fail "the names are not in the new codes file"
grep -q 'patient 02[0-9]' placed.codes && fail "names of rows that are gone are in the new codes file"

# Rows added by continued training need names too.
more="$dkvb train --json --features test_x.npy --labels test_y.npy --epochs 1"
# shellcheck disable=SC2086 # unquoted variables hold several arguments
{
    refused 1 'the rows of the codes are called by names: the new rows must bring names too' $more --continue b.dkvb --codes-out b.codes
    refused 1 'the rows of the codes are called by numbers' $more --continue d.dkvb --codes-out d.codes --ids others.txt
    check $more --continue b.dkvb --codes-out b.codes --ids others.txt >/dev/null
}
grep -q 'other 99' b.codes || fail "the names of rows that joined are not kept"

fit="$dkvb train --json --features x.npy --labels y.npy $small -o no.dkvb --codes-out no.codes"
# shellcheck disable=SC2086 # unquoted variables hold several arguments
{
    refused 1 'few.txt has 399 names, x.npy has 400 rows' $fit --ids few.txt
    refused 1 'blank.txt: row 7 has no id; every row must have one' $fit --ids blank.txt
    refused 1 "is also that of row 0; each id must be there once" $fit --ids twice.txt
    refused 1 'ids.npy: has numbers, and --keep-names keeps names' $fit --ids ids.npy --keep-names
    refused 2 '--keep-names needs names' $fit --keep-names
    refused 1 "row 2 asks for 'nobody', the codes have no such row" $forget a.dkvb --rows nobody.txt --codes a.codes
    refused 1 'those of the codes are called by numbers: ids must be given instead' $forget d.dkvb --rows gone.txt --codes d.codes
    refused 1 'line 1: rows are asked for by names' $forget d.dkvb --requests requests.txt --codes d.codes
    refused 1 'gone.txt' "$dkvb" audit a.dkvb --features x.npy --labels y.npy --test-features test_x.npy \
        --test-labels test_y.npy --rows gone.txt
}
