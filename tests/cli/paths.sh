#!/bin/sh
# Test of paths: an output file may not replace an input file, however its path is spelled, and paths that cannot be
# written are found before the work.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
check "$dkvb" forget m.dkvb -o forgot.dkvb --method activations --pairs 5 --features x.npy --mask-out a.mask >/dev/null
"$python" -c 'import numpy as np; np.save("u8.npy", np.zeros((5, 2, 3), np.uint8)); np.save("l.npy", np.zeros(5, int))'
printf 'a\nb\nc\nd\n' >names.txt
mkdir folder arrays
cp m.dkvb arrays/keys.npy
ln -s ../m.dkvb folder/link.dkvb
ln x.npy folder/hard.npy
find . -type f -exec cksum {} + | sort >../paths.before
here_x=$PWD/folder/../x.npy

refused 2 '--output and MODEL are the same file' "$dkvb" predict m.dkvb --features x.npy -o ./m.dkvb
refused 2 '--output and MODEL are the same file' "$dkvb" predict m.dkvb --features x.npy -o folder/link.dkvb
refused 2 '--output and --features are the same file' "$dkvb" predict m.dkvb --features x.npy -o "$here_x"
refused 2 '--output and --features are the same file' "$dkvb" predict m.dkvb --features x.npy -o folder/hard.npy
refused 2 '--output and MODEL are the same file' "$dkvb" search m.dkvb --features x.npy -o m.dkvb
refused 2 '--distances and --features are the same' "$dkvb" search m.dkvb --features x.npy -o c.npy --distances x.npy
refused 2 '--output and --distances are the same' "$dkvb" search m.dkvb --features x.npy -o c.npy --distances ./c.npy
refused 2 '--output and MODEL are the same file' "$dkvb" mask export m.dkvb -o m.dkvb
refused 2 'an output and MODEL are the same file' "$dkvb" export arrays/keys.npy --dir arrays
refused 2 '--output and --input are the same file' "$dkvb" encode --encoder pixels --input u8.npy -o u8.npy
refused 2 '--labels-out and --labels are the same' "$dkvb" encode --encoder pixels --input u8.npy -o e.npy \
    --labels l.npy --labels-out l.npy
fit="$dkvb train --features x.npy --labels y.npy --codebooks 8 --keys 32 --key-dim 6"
# shellcheck disable=SC2086 # $fit is unquoted, as it holds several arguments
{
    refused 2 '--output and --features are the same file' $fit -o x.npy
    refused 2 '--output and --labels are the same file' $fit -o y.npy
    refused 2 '--output and --key-features are the same file' $fit --key-features test_x.npy -o test_x.npy
    refused 2 '--output and --class-names are the same file' $fit --class-names names.txt -o names.txt
}
refused 2 '--output and --init-from are the same file' "$dkvb" train --features x.npy --labels y.npy \
    --init-from m.dkvb -o m.dkvb
by="--method activations --pairs 5 --features x.npy"
# shellcheck disable=SC2086
{
    refused 2 '--output and --features are the same file' "$dkvb" forget m.dkvb $by -o x.npy
    refused 2 '--mask-out and MODEL are the same file' "$dkvb" forget m.dkvb $by -o new.dkvb --mask-out m.dkvb
    refused 2 '--output and --mask-out are the same file' "$dkvb" forget m.dkvb $by -o new.dkvb --mask-out new.dkvb
    refused 2 '--output and --codes are the same file' "$dkvb" forget m.dkvb --method activations --pairs 5 \
        --codes u8.npy -o ./u8.npy
    refused 2 '--mask-out and --mask are the same file' "$dkvb" forget m.dkvb --mask a.mask --mask-out a.mask
    refused 2 "--output '': the name of a file is wanted" "$dkvb" forget m.dkvb $by -o ''

    # Paths that cannot be written are refused before any input is read: the features file of these commands does not
    # exist.
    late="--method activations --pairs 5 --features none.npy"
    refused 1 'folder: is a directory' "$dkvb" forget m.dkvb $late -o folder
    refused 1 '/dev/null: is not a regular file' "$dkvb" forget m.dkvb $late --mask-out /dev/null
    refused 1 'none/m.dkvb: cannot be written: folder none' "$dkvb" forget m.dkvb $late -o none/m.dkvb
    refused 1 'new/: cannot be written: folder new' "$dkvb" forget m.dkvb $late -o new/
    refused 1 'names.txt/m.dkvb: cannot be written' "$dkvb" forget m.dkvb $late -o names.txt/m.dkvb
}
refused 1 'folder: is a directory' "$dkvb" train --features none.npy --labels none.npy -o folder
refused 1 'folder: is a directory' "$dkvb" predict m.dkvb --features none.npy -o folder
refused 1 'folder: is a directory' "$dkvb" mask export m.dkvb -o folder
refused 1 'none/c.npy: cannot be written' "$dkvb" search m.dkvb --features none.npy -o none/c.npy
refused 1 'none/c.npy: cannot be written' "$dkvb" encode --encoder pixels --input none.npy -o none/c.npy
refused 1 'none/c.dkvb: cannot be written' "$dkvb" undo forgot.dkvb -o none/c.dkvb
refused 1 'none/c.dkvb: cannot be written' "$dkvb" purge forgot.dkvb -o none/c.dkvb
if [ "$(id -u)" != 0 ]; then # whom modes do not stop
    chmod 500 folder
    refused 1 'no new file can be made in folder' "$dkvb" predict m.dkvb --features none.npy -o folder/y.npy
    chmod 700 folder
fi
rm refused.out refused.err
find . -type f -exec cksum {} + | sort >../paths.after
diff ../paths.before ../paths.after || fail "files have changed"

# A model file may be the output of a command that changes it, under any spelling of its path.
check "$dkvb" undo forgot.dkvb -o ./forgot.dkvb >/dev/null
# shellcheck disable=SC2086
check "$dkvb" forget m.dkvb $by -o folder/link.dkvb >/dev/null
check "$dkvb" train --continue m.dkvb --features x.npy --labels y.npy -o m.dkvb >/dev/null
check "$dkvb" purge m.dkvb -o "$PWD/m.dkvb" >/dev/null
[ -L folder/link.dkvb ] || fail "the link was replaced"
