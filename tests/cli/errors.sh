#!/bin/sh
# Test of error messages: an error is one line that names what was found, and no file is left behind.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
"$python" - <<'END'
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
np.save("narrow.npy", x[:, :15])
np.save("short_y.npy", y[:-1])
np.save("no_rows.npy", x[:0])
np.save("no_labels.npy", np.full(len(y), -1))
np.save("large_y.npy", y + 2)
for name, label in (("far_y", 2**31 - 1), ("wide_y", 999999)):
    far = y.copy()
    far[17] = label
    np.save(name + ".npy", far)
open("latin1.txt", "wb").write("Löwe\n".encode("latin-1"))
np.save("strings.npy", np.array(["a", "b"]))
x[3, 4] = np.nan
np.save("nan.npy", x)
damaged = bytearray(open("m.dkvb", "rb").read())
damaged[len(damaged) // 2] ^= 1
open("damaged.dkvb", "wb").write(damaged)
open("cut.dkvb", "wb").write(damaged[: len(damaged) // 2])
END
echo one >one_name.txt
printf 'blue\nred\n\ngreen\nred\n' >twice.txt
printf 'a\n%256s\nc\nd\n' x >long.txt
printf 'a\nb\nc\nd\nblue\n' >five.txt
printf 'a\nb\nc\nblue\n' >named.txt
train_small five.dkvb --class-names five.txt
row_of() { # the first row with this label
    "$python" -c 'import numpy as np, sys; print((np.load("y.npy") == int(sys.argv[1])).argmax())' "$1"
}
cp m.dkvb kept.dkvb
files=$(ls)
fit="$dkvb train -o new.dkvb --json"
labelled="--features x.npy --labels y.npy"

# Errors of wrong use, with exit code 2
refused 2 "unknown command 'trian'" "$dkvb" trian
refused 2 "unknown command" "$dkvb" help trian
refused 2 "'--colour'" "$dkvb" inspect m.dkvb --colour
refused 2 "'-x'" "$dkvb" inspect m.dkvb -x
refused 2 '--features: a value is missing' "$dkvb" predict m.dkvb --features
refused 2 '--json takes no value' "$dkvb" inspect m.dkvb --json=yes
refused 2 '--labels is missing' "$dkvb" eval m.dkvb --features x.npy
refused 2 '0 of 1 operands' "$dkvb" inspect
refused 2 "unexpected 'other.dkvb'" "$dkvb" inspect m.dkvb other.dkvb
# shellcheck disable=SC2086 # unquoted variables hold several arguments
{
    refused 2 "--keys '12x': a whole number from 1 to 65535" $fit $labelled --keys 12x
    refused 2 "--keys '-3': a whole number" $fit $labelled --keys -3
    refused 2 "--keys '0': a whole number" $fit $labelled --keys 0
    refused 2 "--keys '65536'" $fit $labelled --keys 65536
    refused 2 "--passes '4294967296'" $fit $labelled --passes 4294967296
    refused 2 "--seed '18446744073709551616'" $fit $labelled --seed 18446744073709551616
    refused 2 "--seed ''" $fit $labelled --seed ''
    refused 2 "--lr 'nan': a number above 0, at most 1000000, is wanted" $fit $labelled --lr nan
    refused 2 "--lr '0': a number above 0" $fit $labelled --lr 0
    refused 2 "--lr '1000001': a number above 0" $fit $labelled --lr 1000001
    refused 2 "--decay '1': a number of 0 or more, below 1, is wanted" $fit $labelled --decay 1
    refused 2 "--lr-last '-1': a number of 0 or more, at most 1000000, is wanted" $fit $labelled --lr-last -1
    refused 2 "--epochs '0'" $fit $labelled --epochs 0
    refused 2 "--codebooks '65536': a whole number from 1 to 65535" $fit $labelled --codebooks 65536
    refused 2 "--key-dim '4097'" $fit $labelled --key-dim 4097
    refused 2 "--batch '1048577'" $fit $labelled --batch 1048577
    refused 2 '--values f32: --size and --preset small' $fit $labelled --size 8M --values f32
    refused 2 "--top-k 9: there are only 8 --keys" $fit $labelled --keys 8 --top-k 9
    refused 2 "--lr '0x1'" $fit $labelled --lr 0x1
    refused 2 "--lr '1e999'" $fit $labelled --lr 1e999
    refused 2 "--init 'best': ema|sample|means is wanted" $fit $labelled --init best
    refused 2 '--output is missing' "$dkvb" train $labelled
    refused 2 '--keys does not go with --init-from' $fit $labelled --init-from m.dkvb --keys 3
    refused 2 '--top-k does not go with --continue' $fit $labelled --continue m.dkvb --top-k 2
    refused 2 '--pairs' "$dkvb" forget m.dkvb --method activations --features x.npy
    refused 2 '--examples' "$dkvb" forget m.dkvb --method examples --features x.npy
    refused 2 '--pairs does not go with' "$dkvb" forget m.dkvb --method examples --examples 2 --pairs 3 --features x.npy
    refused 2 '--pairs is missing' "$dkvb" forget m.dkvb --features x.npy
    refused 2 '--labels go with --class' "$dkvb" forget m.dkvb --method activations --pairs 3 $labelled
    refused 2 'nobody is named' "$dkvb" forget m.dkvb --method activations --pairs 3
    refused 2 '--codes does not go with --features' "$dkvb" forget m.dkvb --method activations --pairs 3 --codes c.npy \
        --features x.npy
    refused 2 '--codes does not go with --mask' "$dkvb" forget m.dkvb --mask m.mask --codes c.npy
    refused 2 '--class does not go with --mask' "$dkvb" forget m.dkvb --mask m.mask --class 2
    refused 2 'same file' "$dkvb" forget m.dkvb --method activations --pairs 3 --features x.npy --mask-out m.dkvb
    refused 2 '--scores needs' "$dkvb" predict m.dkvb --features x.npy --scores
    refused 2 'ENTRY' "$dkvb" undo m.dkvb last
    refused 2 'same file' "$dkvb" search m.dkvb --features x.npy -o c.npy --distances c.npy
    refused 2 'search, train or forget' "$dkvb" bench sort

    # Errors of failed work, with exit code 1
    refused 1 'none.npy: cannot open' $fit --features none.npy --labels y.npy
    refused 1 'is a directory' $fit --features . --labels y.npy
    refused 1 'strings.npy' $fit --features strings.npy --labels y.npy
    refused 1 'nan.npy' $fit --features nan.npy --labels y.npy
    refused 1 'short_y.npy has 399 labels, x.npy has 400 rows' $fit --features x.npy --labels short_y.npy
    refused 1 'no_labels.npy: 400 labels and none of 0 or more' $fit --features x.npy --labels no_labels.npy
    refused 1 'no_rows.npy' $fit --features no_rows.npy --labels y.npy
    refused 1 '500' $fit $labelled --codebooks 8 --keys 500
    refused 1 'key_features.npy' $fit $labelled --key-features key_features.npy
    refused 1 'narrow.npy has 15 columns, x.npy has 16' $fit $labelled --key-features narrow.npy
    refused 1 'narrow.npy: 15 columns, m.dkvb takes 16' $fit --features narrow.npy --labels y.npy --init-from m.dkvb
    refused 1 'names.txt: cannot open' $fit $labelled --class-names names.txt
    refused 1 "y.npy: row $(row_of 3) has label 3, one_name.txt names 1 classes" $fit $labelled \
        --class-names one_name.txt

    # These errors are found before the keys are placed, which would take very long with these options.
    slow="--codebooks 64 --keys 300 --passes 4294967295"
    refused 1 'far_y.npy: row 17 has label 2147483647: ' $fit --features x.npy --labels far_y.npy $slow
    refused 1 "twice.txt: line 5: class name: class 1 is called 'red' already" $fit $labelled --class-names twice.txt $slow
    refused 1 'long.txt: line 2: class name: 256 bytes, at most 255' $fit $labelled --class-names long.txt $slow
    refused 1 'latin1.txt: line 1: class name: UTF-8' $fit $labelled --class-names latin1.txt $slow
    refused 1 'top_k is 401, there are 64 keys in a codebook' "$dkvb" train -o new.dkvb --json $labelled --top-k 401
    refused 1 "named.txt: line 4: class name: class 4 is called 'blue' already" $fit $labelled \
        --continue five.dkvb --class-names named.txt --epochs 4294967295
    if sh -c 'ulimit -v 2000000 && exec "$@"' sh "$dkvb" --version >/dev/null 2>&1; then # not under sanitizers
        refused 1 'row 17 has label 999999: 64 x 300 x 1000000 values do not fit in memory' sh -c \
            'ulimit -v 2000000 && exec "$@"' sh $fit --features x.npy --labels wide_y.npy --empty-classes $slow
    fi
    some="--method activations --pairs 3 --features x.npy"
    refused 1 'reason: 4096 bytes, at most 4095' "$dkvb" forget m.dkvb $some --reason "$(printf '%4096s' x)"
    refused 1 'reason: UTF-8 without control characters' "$dkvb" forget m.dkvb $some --reason "$(printf 'a\tb')"
    # These errors are found before any file is read.
    refused 1 'reason: UTF-8 without control characters' "$dkvb" forget m.dkvb --method activations --pairs 3 \
        --features none.npy --reason "$(printf 'a\tb')"
}
refused 1 'none.dkvb: cannot open' "$dkvb" inspect none.dkvb
refused 1 'x.npy' "$dkvb" inspect x.npy
refused 1 'damaged.dkvb' "$dkvb" verify damaged.dkvb
refused 1 'damaged.dkvb' "$dkvb" purge damaged.dkvb
refused 1 'damaged.dkvb' "$dkvb" export damaged.dkvb --dir arrays
refused 1 'cut.dkvb' "$dkvb" inspect cut.dkvb
refused 1 'narrow.npy: 15 columns, the model takes 16' "$dkvb" predict m.dkvb --features narrow.npy
refused 1 '--top 5: the model has 4 classes' "$dkvb" predict m.dkvb --features x.npy --top 5
refused 1 "large_y.npy: row $(row_of 3) has label 5, the classes of m.dkvb are 0 to 3" "$dkvb" eval m.dkvb --features x.npy \
    --labels large_y.npy
refused 1 "class 'cat'" "$dkvb" eval m.dkvb --features x.npy --labels y.npy --forget-class 1,cat
refused 1 "class '4'" "$dkvb" eval m.dkvb --features x.npy --labels y.npy --forget-class 4
refused 1 'none of 400 labels is of class 1' "$dkvb" forget m.dkvb --method activations --pairs 3 --features x.npy \
    --labels no_labels.npy --class 1
refused 1 'no rows' "$dkvb" forget m.dkvb --method activations --pairs 3 --features no_rows.npy
refused 1 'x.npy' "$dkvb" forget m.dkvb --mask x.npy
refused 1 '7' "$dkvb" undo m.dkvb 7
refused 1 'x.npy: is not a folder' "$dkvb" export m.dkvb --dir x.npy
refused 1 'none/deep' "$dkvb" export m.dkvb --dir none/deep
refused 2 "--encoder 'eyes': pixels|descriptor|clip|resnet50 is wanted" "$dkvb" encode --encoder eyes --input x.npy -o e.npy
refused 2 "--format 'bmp': auto|folder|file" "$dkvb" encode --encoder pixels --format bmp --input . -o e.npy
refused 1 'x.npy: elements are float32' "$dkvb" encode --encoder pixels --input x.npy -o e.npy
refused 1 '(name with' "$dkvb" inspect "$(printf '(name with\nline)')"

printf '\223NUMP' >five.npy
refused 1 'five.npy: begins with the bytes 93 4e 55 4d; a CSV, NumPy (.npy, .npz) or IDX file must be given' "$dkvb" predict m.dkvb --features five.npy
for epoch in 9223372036854775808 99999999999999999999 ' 1' +1 -1 1x yesterday; do
    for change in "undo m.dkvb" "purge m.dkvb" "forget m.dkvb --method activations --pairs 3 --features x.npy"; do
        # shellcheck disable=SC2086 # $change is unquoted, as it holds several arguments
        refused 1 "SOURCE_DATE_EPOCH '$epoch': seconds since 1970" env SOURCE_DATE_EPOCH="$epoch" "$dkvb" $change
    done
done
rm five.npy

# If DKVB_KERNELS names unknown compute kernels, the command reports this, and runs with others.
DKVB_KERNELS=abacus "$dkvb" inspect m.dkvb 2>kernels.err >/dev/null || fail "exit code $?"
grep -q "^dkvb: DKVB_KERNELS 'abacus': no kernels of this name run here, [a-z0-9-]* are used\$" kernels.err ||
    fail "$(cat kernels.err)"
DKVB_KERNELS=scalar "$dkvb" inspect m.dkvb 2>kernels.err >/dev/null || fail "exit code $?"
[ ! -s kernels.err ] || fail "$(cat kernels.err)"
rm kernels.err

# A mask of other codebooks is refused.
train_small other.dkvb --seed 9
check "$dkvb" forget other.dkvb --method activations --pairs 3 --features x.npy --mask-out other.mask >/dev/null
refused 1 'codebooks' "$dkvb" forget m.dkvb --mask other.mask
rm other.dkvb other.mask refused.out refused.err

same m.dkvb kept.dkvb
[ "$(ls)" = "$files" ] || fail "files were left: $(ls)"
