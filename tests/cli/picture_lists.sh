#!/bin/sh
# Test of commands with several pictures: files, folders, standard input and lists of paths, where each answer is
# printed with the path that was given.
. "$(dirname "$0")/common.sh"
check "$python" "$here/make_data.py" . pictures
check "$dkvb" train --images train --codebooks 16 --keys 20 --key-dim 6 --epochs 1 -o m.dkvb >/dev/null
a=test/down/55.png
b=test/across/54.png
check "$dkvb" predict m.dkvb --images test --json >all.json
# answer PATH: prints the prediction for a picture in `test` from the output for the whole folder.
answer() {
    json all.json "d['predictions'][d['pictures'].index('${1#test/}')]"
}
# names FILE: prints the picture names in a JSON output, one in each line.
names() {
    "$python" -c 'import json, sys; print(*json.load(open(sys.argv[1]))["pictures"], sep="\n")' "$1"
}

# Pictures are answered in the order given, each with its path, and as in a call for this picture alone.
check "$dkvb" predict m.dkvb --images $a $b test/slanted $a >p.out
[ "$(sed 1d p.out | cut -d ' ' -f 1)" = "$a
$b
$(ls -d test/slanted/*)
$a" ] || fail "$(cat p.out)"
check "$dkvb" predict m.dkvb --images $a $b --json >p.json
[ "$(json p.json 'd["predictions"]')" = "[$(answer $a), $(answer $b)]" ] || fail "$(cat p.json)"
check "$dkvb" predict m.dkvb --images $a --json >one.json
[ "$(json one.json 'd["predictions"]')" = "[$(answer $a)]" ] && [ "$(names one.json)" = $a ] || fail "$(cat one.json)"

# The option --images may be given several times, its paths end at the next option, and the model may stand behind them.
for words in "m.dkvb --images $a --images $b --json" "--images=$a --images=$b m.dkvb --json" \
    "--json --images $a $b m.dkvb" "--images $a $b --json m.dkvb" "m.dkvb --json --images $a -- $b"; do
    # shellcheck disable=SC2086 # $words is unquoted, as it holds several arguments
    check "$dkvb" predict $words >p.json
    [ "$(names p.json)" = "$a
$b" ] || fail "$words: $(cat p.json)"
done
refused 2 '0 of 1 operands given' "$dkvb" predict --images $a
refused 2 "unexpected '$b'" "$dkvb" predict m.dkvb --images $a --json $b

# In the output, a picture from standard input has the name "-".
check "$dkvb" predict m.dkvb --images $b - --json <$a >p.json
[ "$(names p.json)" = "$b
-" ] && [ "$(json p.json 'd["predictions"]')" = "[$(answer $b), $(answer $a)]" ] || fail "$(cat p.json)"
check cat $a | "$dkvb" predict m.dkvb --images - >p.out
sed 1d p.out | grep -q '^- ' || fail "$(cat p.out)"
refused 1 '-: is empty; a PNG, JPEG or WebP file must be given' "$dkvb" predict m.dkvb --images - </dev/null
head -c 100 $a >cut
refused 1 '-: PNG is cut short; --skip-unreadable' "$dkvb" predict m.dkvb --images - <cut
refused 2 "'-' stands for one picture from standard input, and is given 2 times" "$dkvb" predict m.dkvb --images - -

# A list of paths has one path in each line, or paths that end in zero bytes; the list may also be standard input.
printf '%s\n\n%s\r\n' $a test/slanted >list
check "$dkvb" predict m.dkvb --images-from list --json >p.json
[ "$(names p.json)" = "$a
$(ls -d test/slanted/*)" ] || fail "$(cat p.json)"
cp $a "odd
name.png"
printf '%s\0%s\0' "odd
name.png" $b >zeros
check "$dkvb" predict m.dkvb --images-from - --json <zeros >p.json
[ "$(names p.json)" = 'odd\x0Aname.png
'$b ] && [ "$(json p.json 'd["predictions"]')" = "[$(answer $a), $(answer $b)]" ] || fail "$(cat p.json)"
printf '%s' $a >unended
check "$dkvb" predict m.dkvb --images-from unended --json >p.json
[ "$(names p.json)" = $a ] || fail "$(cat p.json)"
printf '\n\n' >blank
refused 1 'blank: lists no path' "$dkvb" predict m.dkvb --images-from blank
refused 1 'nowhere: cannot open: No such file' "$dkvb" predict m.dkvb --images-from nowhere
refused 2 '--images does not go with --images-from' "$dkvb" predict m.dkvb --images $a --images-from list
refused 2 'one of --features and --images is wanted' "$dkvb" predict m.dkvb --features x.npy --images-from list

# An unreadable picture ends the command, or with --skip-unreadable is reported, left out and counted, wherever it comes
# from.
echo text >text.png
for bad in text.png nowhere.png cut; do
    refused 1 "$bad: " "$dkvb" predict m.dkvb --images $a $bad $b
    check "$dkvb" predict m.dkvb --images $a $bad $b --skip-unreadable --json >p.json 2>err
    grep -q "^dkvb: $bad: .*; left out\$" err || fail "$(cat err)"
    [ "$(names p.json)" = "$a
$b" ] || fail "$bad: $(cat p.json)"
    claim p.json 'd["unreadable"] == 1 and len(d["predictions"]) == 2'
done
refused 1 "text.png and 1 more: none of 2 pictures can be read" sh -c \
    '"$0" predict m.dkvb --images text.png cut --skip-unreadable 2>&1 >/dev/null | grep -v "left out" >&2; exit 1' "$dkvb"

# `dkvb encode` takes the same arguments, and labels pictures by the names of their folders; so do eval and train.
check "$dkvb" encode --input test/down test/across/54.png -o few.npy --names-out few.txt >/dev/null
[ "$(cat few.txt)" = "$(ls -d test/down/*)
test/across/54.png" ] || fail "$(cat few.txt)"
mkdir one two
cp -R train/slanted train/across one
cp -R train/down two
check "$dkvb" encode --input two one -o parts.npy --labels-out parts_y.npy --class-names-out classes.txt >/dev/null
check "$dkvb" encode --input train -o whole.npy --labels-out whole_y.npy >/dev/null
[ "$(tr '\n' ' ' <classes.txt)" = 'across down slanted ' ] || fail "$(cat classes.txt)"
check "$python" - <<'END'
import numpy as np
parts, labels = np.load("parts.npy"), np.load("parts_y.npy")
whole, order = np.load("whole.npy"), np.load("whole_y.npy")
assert labels.tolist() == [1] * 18 + [0] * 18 + [2] * 18, labels
assert all((parts[labels == c] == whole[order == c]).all() for c in range(3))
END
check "$dkvb" encode --input - -o in.npy <$a >/dev/null
check "$python" -c 'import numpy as np; assert np.load("in.npy").shape == (1, 864)'
refused 2 '--input is missing' "$dkvb" encode -o new.npy
refused 2 '--input does not go with --images-from' "$dkvb" encode --input one --images-from list -o new.npy
check "$dkvb" eval m.dkvb --images two one --json >parts.json
check "$dkvb" eval m.dkvb --images train --json >whole.json
[ "$(json parts.json 'd["accuracy"]')" = "$(json whole.json 'd["accuracy"]')" ] || fail "$(cat parts.json)"
check "$dkvb" train --images two one --codebooks 16 --keys 20 --key-dim 6 --epochs 1 -o parts.dkvb --json >parts.json
claim parts.json 'd["n"] == 54'
refused 1 '--format cifar10 or cifar100 says which' "$dkvb" encode --input one two --format cifar -o new.npy

# In a CSV output, each picture has its path, in quotes if the path contains a comma.
cp $a 'one, two.png'
check "$dkvb" predict m.dkvb --images $b 'one, two.png' -o pictures.csv >/dev/null
check "$python" - pictures.csv $b <<'END'
import csv, sys
header, *rows = csv.reader(open(sys.argv[1], newline=""))
assert header == ["row", "label", "probability"] and [row[0] for row in rows] == [sys.argv[2], "one, two.png"], rows
assert all(row[1] in ("across", "down", "slanted") for row in rows), rows
END

# No output file may replace one of the pictures of a list.
refused 1 "$b: is one of the pictures of $a and 1 more" "$dkvb" predict m.dkvb --images $a $b -o $b
refused 1 "$b: is one of the pictures of " "$dkvb" encode --input $a test -o $b

# A lossless WebP file gets the same prediction as the PNG file of the same picture.
if [ "$("$python" -c 'from PIL import features; print(features.check("webp"))' 2>/dev/null)" = True ]; then
    "$python" -c 'import sys; from PIL import Image; Image.open(sys.argv[1]).save("w.webp", lossless=True)' $a
    if "$dkvb" predict m.dkvb --images w.webp --json >p.json 2>err; then
        [ "$(json p.json 'd["predictions"]')" = "[$(answer $a)]" ] || fail "a lossless WebP is answered differently"
    else
        grep -q 'a WebP file, which this build' err || fail "$(cat err)"
    fi
fi
