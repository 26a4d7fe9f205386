#!/bin/sh
# Test of pictures as input of train, eval, predict and forget, which encode the pictures, match classes by name, and
# use the encoder that the model remembers.
. "$(dirname "$0")/common.sh"
check "$python" "$here/make_data.py" . pictures
numbers() { "$python" -c 'import numpy, sys; numpy.save(sys.stdout.buffer, numpy.array(sys.argv[1:], dtype="u8"))' "$@"; }
size="--codebooks 16 --keys 20 --key-dim 6 --epochs 1"

# A model trained on pictures equals one trained on their encoded rows, and remembers the encoder.
check "$dkvb" encode --input train -o x.npy --labels-out y.npy --class-names-out classes.txt >/dev/null
check "$dkvb" encode --input test -o test_x.npy --labels-out test_y.npy >/dev/null
mkdir broken
cp -R train/down train/across broken
head -c 300 train/down/04.png >broken/across/00_cut.png
cp -R train loose
cp train/down/04.png loose
# shellcheck disable=SC2086 # $size is unquoted, as it holds several arguments
{
    check "$dkvb" train --images train $size -o m.dkvb --json >train.json
    check "$dkvb" train --features x.npy --labels y.npy --class-names classes.txt $size -o f.dkvb >/dev/null
    claim train.json 'd["n"] == 54 and d["classes"] == 3 and d["encoder"].startswith("descriptor:")'
    check "$dkvb" train --images loose $size -o loose.dkvb --json >train.json
    claim train.json 'd["n"] == 55 and d["classes"] == 3'
    check "$dkvb" train --images broken --skip-unreadable $size -o skipped.dkvb --json >train.json 2>/dev/null
    claim train.json 'd["n"] == 36 and d["unreadable"] == 1 and d["classes"] == 2'

    # The id of a picture does not depend on whether other pictures can be read; here the first picture is unreadable.
    check "$dkvb" train --images broken --skip-unreadable $size -o named.dkvb --codes-out named.codes >/dev/null 2>&1
    numbers 0 >rows.npy
    refused 1 'id 0' "$dkvb" forget named.dkvb --codes named.codes --rows rows.npy --pairs 5 -o new.dkvb
    numbers 36 >rows.npy
    check "$dkvb" forget named.dkvb --codes named.codes --rows rows.npy --pairs 5 -o new.dkvb >/dev/null 2>&1
    numbers 1 2 >few.npy
    refused 1 'few.npy has 2 ids, broken has 37 rows' "$dkvb" train --images broken --ids few.npy $size -o new.dkvb
    refused 1 'slow: has no classes, so --labels is wanted' "$dkvb" train --images slow $size -o new.dkvb
    refused 2 '--format does not go with' "$dkvb" train --features x.npy --labels y.npy --format idx $size -o new.dkvb
    refused 2 'one of --features, --images and --codes' "$dkvb" train --images train --features x.npy -o new.dkvb
    refused 2 '--labels is missing' "$dkvb" train --features x.npy -o new.dkvb
}
check "$dkvb" inspect m.dkvb --json >m.json
claim m.json 'd["encoder"].startswith("descriptor:") and d["class_names"] == ["across", "down", "slanted"]'
check "$dkvb" inspect f.dkvb --json >f.json
claim f.json 'd["encoder"] is None'
check "$dkvb" export m.dkvb --dir m >/dev/null
check "$dkvb" export f.dkvb --dir f >/dev/null
diff -r m f || fail "the models differ"

# eval matches classes by name, in any order.
check "$dkvb" eval m.dkvb --images test --json >eval.json
check "$dkvb" eval f.dkvb --features test_x.npy --labels test_y.npy --json >same.json
same eval.json same.json
claim eval.json 'd["n"] == 18 and d["accuracy"] > 0.6'
mkdir some
cp -R test/slanted some
check "$dkvb" eval m.dkvb --images some --json >some.json
claim some.json 'd["n"] == 6 and d["per_class"][:2] == [None, None]'
[ "$(json some.json 'd["per_class"][2]')" = "$(json eval.json 'd["per_class"][2]')" ] || fail "$(cat some.json)"
cp -R test/down some/unknown
refused 1 "some: class 'unknown': m.dkvb has no class of this name" "$dkvb" eval m.dkvb --images some
# shellcheck disable=SC2086
check "$dkvb" train --features x.npy --labels y.npy $size -o nameless.dkvb >/dev/null
check "$dkvb" eval nameless.dkvb --images test --encoder descriptor --json >same.json
same eval.json same.json
refused 1 'does not say which encoder' "$dkvb" eval nameless.dkvb --images test
refused 2 '--labels is missing' "$dkvb" eval m.dkvb --features test_x.npy
refused 2 'one of --features and --images' "$dkvb" eval m.dkvb

# predict prints pictures by name.
check "$dkvb" predict m.dkvb --images test/down >p.out
[ "$(head -n 1 p.out | tr -s ' ')" = 'picture class probability' ] || fail "$(cat p.out)"
[ "$(sed 1d p.out | cut -d ' ' -f 1)" = "$(ls test/down)" ] || fail "$(cat p.out)"
check "$dkvb" predict m.dkvb --images test --json >p.json
check "$dkvb" predict f.dkvb --features test_x.npy --json >f.json
claim p.json 'd["pictures"][0].startswith("across/") and len(d["pictures"]) == 18 and d["unreadable"] == 0'
claim f.json 'd["pictures"] is None'
[ "$(json p.json 'd["predictions"]')" = "$(json f.json 'd["predictions"]')" ] || fail "the answers differ"
check "$dkvb" predict m.dkvb --images broken --skip-unreadable -o p.npy >/dev/null 2>&1
check "$python" -c 'import numpy as np; assert np.load("p.npy").shape == (36,)'
check "$dkvb" predict m.dkvb --images broken --skip-unreadable --json >p.json 2>/dev/null
claim p.json 'd["unreadable"] == 1 and len(d["pictures"]) == 36 and "across/00_cut.png" not in d["pictures"]'
refused 1 '00_cut.png' "$dkvb" predict m.dkvb --images broken -o new.npy
one=test/down/55.png
refused 1 'm.dkvb: was trained on rows of descriptor:' "$dkvb" predict m.dkvb --images $one --encoder pixels
refused 2 'one of --features and --images' "$dkvb" predict m.dkvb --images test --features test_x.npy

# Continued training matches classes by name, and adds new ones.
check "$dkvb" train --continue m.dkvb --epochs 1 --images some -o more.dkvb >/dev/null
check "$dkvb" inspect more.dkvb --json >more.json
claim more.json 'd["class_names"] == ["across", "down", "slanted", "unknown"] and d["rows_trained"] == 66'
"$python" -c 'import numpy as np; np.save("one_y.npy", [1])'
check "$dkvb" train --continue m.dkvb --images $one --labels one_y.npy -o new.dkvb >/dev/null
rm new.dkvb
refused 1 'one_y.npy has 1 labels, train has 54 rows' "$dkvb" train --images train --labels one_y.npy -o new.dkvb
refused 1 'one_y.npy has 1 labels, test has 18 rows' "$dkvb" eval m.dkvb --images test --labels one_y.npy
refused 1 "$one: is one of the pictures of test" "$dkvb" predict m.dkvb --images test -o $one
refused 1 "$one: is one of the pictures of test" "$dkvb" train --images test -o $one
refused 1 "$one: is one of the pictures of test" "$dkvb" forget m.dkvb --images test --pairs 1 --mask-out $one
refused 1 'encoder descriptor: takes no config, one_y.npy found' "$dkvb" predict m.dkvb --images $one --config one_y.npy
refused 1 'was trained on rows of descriptor:' "$dkvb" train --continue m.dkvb --images $one --encoder pixels \
    --labels one_y.npy -o new.dkvb

# forget reads a folder as a forget set, or selects a class from it.
salted="--salt $salt --method activations --pairs 20 --json"
# shellcheck disable=SC2086
{
    check "$dkvb" forget m.dkvb --images train/down -o a.dkvb $salted >a.json
    claim a.json 'd["examples"] == 18 and d["pairs_masked"] == 20'
    check "$dkvb" forget m.dkvb --images train --class down -o b.dkvb $salted >b.json
    check "$dkvb" forget m.dkvb --features x.npy --labels y.npy --class down -o c.dkvb $salted >c.json
    same b.dkvb c.dkvb
    refused 2 '--codes does not go with --images' "$dkvb" forget m.dkvb --images train --codes x.npy $salted
    refused 2 '--images does not go with --mask' "$dkvb" forget m.dkvb --images train --mask x.npy
    refused 1 'was trained on rows of descriptor:' "$dkvb" forget m.dkvb --images $one --encoder pixels $salted
}

# Encoders with weights must be named again, and are distinguished from others.
if "$dkvb" encode --encoder clip --weights clip.safetensors --input test -o clip.npy >/dev/null 2>clip.err; then
    # shellcheck disable=SC2086
    check "$dkvb" train --images train --encoder clip --weights clip.safetensors $size -o clip.dkvb >/dev/null
    check "$dkvb" predict clip.dkvb --images test --weights clip.safetensors -o images.npy >/dev/null
    check "$dkvb" predict clip.dkvb --features clip.npy -o features.npy >/dev/null
    same images.npy features.npy
    refused 1 'clip.dkvb: was trained on rows of clip:' "$dkvb" predict clip.dkvb --images test -o new.npy
    grep -q -- 'the file of its weights must be given' refused.err || fail "$(cat refused.err)"
    refused 1 'clip.dkvb: was trained on rows of clip:' "$dkvb" predict clip.dkvb --images test -o new.npy \
        --weights other.safetensors
    grep -q 'those of clip:.* are found' refused.err || fail "$(cat refused.err)"
    for model in --continue --init-from; do
        check "$dkvb" train $model clip.dkvb --images train --weights clip.safetensors -o clip2.dkvb --json >clip2.json
        claim clip2.json 'd["encoder"].startswith("clip:")'
        refused 1 'clip.dkvb: was trained on rows of clip:' "$dkvb" train $model clip.dkvb --images train -o new.dkvb
    done
    refused 1 'those of descriptor:' "$dkvb" predict clip.dkvb --images test --encoder descriptor -o new.npy
else
    grep -q 'this build reads no weights' clip.err || fail "$(cat clip.err)"
fi
[ ! -e new.dkvb ] && [ ! -e new.npy ] || fail "a file was left"
