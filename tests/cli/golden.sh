#!/bin/sh
# Test of the output of `dkvb inspect` and `dkvb masks`, word for word, for a fixed seed and time.
. "$(dirname "$0")/common.sh"
make_data
SOURCE_DATE_EPOCH=1700000000
export SOURCE_DATE_EPOCH
printf '\357\273\277red\ngrün\r\n\ndark blue\n' >names.txt # with the mark that some editors put in front
train_small m.dkvb --seed 1 --class-names names.txt
check "$dkvb" forget m.dkvb --method activations --pairs 40 --features x.npy --labels y.npy --class 3 \
    --salt $salt --reason 'request 17' >/dev/null
check "$dkvb" forget m.dkvb --method examples --examples 2 --features x.npy --labels y.npy --class red --salt $salt >/dev/null
check "$dkvb" undo m.dkvb 1 >/dev/null
check "$dkvb" purge m.dkvb >/dev/null
refused 1 'reason' "$dkvb" forget m.dkvb --method activations --pairs 10 --features x.npy --reason 'wrongly
labelled'
check "$dkvb" forget m.dkvb --method activations --pairs 10 --features x.npy --salt $salt \
    --reason 'wrongly labelled' >/dev/null
"$dkvb" inspect m.dkvb >inspect.txt
"$dkvb" inspect "$here/../golden/model-2.0-whitened.dkvb" | grep -qx 'encoder    an encoder of gölden rows' ||
    fail "inspect does not tell the encoder"
"$dkvb" masks m.dkvb >masks.txt
for text in inspect masks; do
    diff "$here/$text.expected" $text.txt || fail "$text prints something else than tests/cli/$text.expected"
done
