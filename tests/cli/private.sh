#!/bin/sh
# Test of file permissions: an output may be read by no more users than its inputs. A replaced file keeps its mode,
# owner and group, or the command says that it could not keep them.
. "$(dirname "$0")/common.sh"
umask 022
make_data
train_small open.dkvb --codes-out open.codes --keep-counts # which a purge drops
"$python" -c 'import numpy as np; np.save("ids.npy", np.arange(10)); np.save("images.npy", np.zeros((9, 4, 4), "u1"))'
printf 'a\nb\nc\nd\n' >names.txt
pick="--method activations --pairs 5 --features x.npy"

# mode MODE FILE...: fails the test unless each file has this mode.
mode() {
    wanted=$1
    shift
    for file; do
        [ "$(stat -c %a "$file")" = "$wanted" ] || fail "$file has mode $(stat -c %a "$file"), not $wanted"
    done
}
mode 644 open.dkvb open.codes

# Checks outputs made from a model that other users may not read.
cp open.dkvb m.dkvb
cp open.codes m.codes
chmod 600 m.dkvb
# shellcheck disable=SC2086 # unquoted variables hold several arguments
check "$dkvb" forget m.dkvb $pick -o forgot.dkvb --mask-out a.mask >/dev/null
check "$dkvb" predict m.dkvb --features x.npy -o y1.npy >/dev/null
check "$dkvb" search m.dkvb --features x.npy -o c1.npy --distances d1.npy >/dev/null
check "$dkvb" separation m.dkvb --features x.npy --labels y.npy --csv tables >/dev/null
check "$dkvb" export m.dkvb --dir arrays >/dev/null
check "$dkvb" undo forgot.dkvb -o undone.dkvb >/dev/null
check "$dkvb" purge forgot.dkvb -o purged.dkvb >/dev/null
check "$dkvb" mask export forgot.dkvb -o all.mask >/dev/null
check "$dkvb" train --continue m.dkvb --features x.npy --labels y.npy -o more.dkvb >/dev/null
check "$dkvb" train --init-from m.dkvb --features x.npy --labels y.npy -o init.dkvb --codes-out init.codes >/dev/null
mode 600 forgot.dkvb a.mask y1.npy c1.npy d1.npy tables/* arrays/* undone.dkvb purged.dkvb all.mask more.dkvb \
    init.dkvb init.codes
mode 700 tables arrays

# Checks outputs made from a mask, codes, features, labels, ids, names or pictures.
check "$dkvb" mask union a.mask a.mask -o b.mask >/dev/null
check "$dkvb" forget open.dkvb --mask a.mask -o masked.dkvb >/dev/null
mode 600 b.mask masked.dkvb
chmod 600 m.codes
check "$dkvb" forget open.dkvb --rows ids.npy --codes m.codes --strength exact --keep-keys --force -o exact.dkvb \
    --codes-out exact.codes >/dev/null
mode 600 exact.dkvb exact.codes
for input in x.npy y.npy names.txt ids.npy; do
    rm -f new.dkvb new.codes
    chmod 600 $input
    "$python" -c 'import numpy as np; np.save("rows.npy", np.arange(400))'
    rows=rows.npy
    [ $input = ids.npy ] && mv rows.npy ids.npy && rows=ids.npy && chmod 600 ids.npy
    train_small new.dkvb --class-names names.txt --codes-out new.codes --ids $rows
    mode 600 new.dkvb new.codes
    chmod 644 $input
done
mkdir pictures
mv images.npy pictures
check "$dkvb" encode --encoder pixels --input pictures/images.npy -o e1.npy >/dev/null
chmod 600 pictures/images.npy
check "$dkvb" encode --encoder pixels --input pictures/images.npy -o e2.npy --names-out n2.txt >/dev/null
mode 644 e1.npy
mode 600 e2.npy n2.txt

# Checks inputs that only a group may read: the group of this process, or another one.
chmod 640 m.dkvb
check "$dkvb" undo forgot.dkvb -o undone.dkvb >/dev/null # replaced: as it was
mode 600 undone.dkvb
check "$dkvb" predict m.dkvb --features x.npy -o y2.npy >/dev/null
mode 640 y2.npy
umask 0
check "$dkvb" predict open.dkvb --features x.npy -o y3.npy >/dev/null
mode 644 y3.npy
umask 022

# The mode of a pipe says nothing about its contents, and so does not limit outputs.
mkfifo -m 600 pipe
cat names.txt >pipe &
check "$dkvb" train --features x.npy --labels y.npy --codebooks 8 --keys 32 --key-dim 6 --class-names pipe \
    -o piped.dkvb >/dev/null
mode 644 piped.dkvb

# An access control list is kept with a replaced file, and never becomes rights of the group.
cat >acl.py <<'END'
import os, struct, sys
rights = [(1, 6, -1), (2, 4, 4242), (4, 0, -1), (16, 4, -1), (32, 0, -1)]  # owner, user 4242, group, mask, others
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, bits, who & 0xFFFFFFFF) for tag, bits, who in rights)
if sys.argv[1] == "set":
    os.setxattr(sys.argv[2], "system.posix_acl_access", acl)
assert os.getxattr(sys.argv[2], "system.posix_acl_access") == acl
END
cp open.dkvb listed.dkvb
if "$python" acl.py set listed.dkvb 2>/dev/null; then
    check "$dkvb" predict listed.dkvb --features x.npy -o y5.npy >/dev/null
    mode 600 y5.npy
    check "$dkvb" purge listed.dkvb >/dev/null
    check "$python" acl.py get listed.dkvb
    mode 640 listed.dkvb
fi

# A hard link to a replaced file keeps the old contents, and the command prints a note about it.
cp open.dkvb twice.dkvb
ln twice.dkvb second.dkvb
check "$dkvb" purge twice.dkvb >/dev/null 2>err
grep -q '^dkvb: twice.dkvb: had 2 names' err || fail "not told: $(cat err)"
same second.dkvb open.dkvb

if [ "$(id -u)" = 0 ]; then
    chown 0:4321 m.dkvb
    check "$dkvb" predict m.dkvb --features x.npy -o y4.npy >/dev/null
    mode 600 y4.npy
    # If root replaces a file, its owner and group are kept, for models and for text files.
    chown 1234:4321 m.dkvb tables/classes.csv
    chmod 664 tables/classes.csv
    # shellcheck disable=SC2086
    check "$dkvb" forget m.dkvb $pick >/dev/null
    check "$dkvb" separation m.dkvb --features x.npy --labels y.npy --csv tables >/dev/null
    [ "$(stat -c %u:%g:%a m.dkvb tables/classes.csv | tr '\n' ' ')" = "1234:4321:640 1234:4321:664 " ] ||
        fail "owner or mode is lost: $(stat -c %u:%g:%a m.dkvb tables/classes.csv)"
    # A user who may not change a file's owner gets a note. If the group cannot be kept, no group gets its rights.
    cat >as_user.py <<'END'
import os, sys
os.setgroups([]), os.setgid(99), os.setuid(99)
os.execv(sys.argv[1], sys.argv[1:])
END
    mkdir -m 777 shared
    cp m.dkvb shared/m.dkvb
    chown 1234:4321 shared/m.dkvb
    chmod 664 shared/m.dkvb
    chmod 755 .
    if "$python" as_user.py "$dkvb" verify shared/m.dkvb >/dev/null 2>&1; then
        check "$python" as_user.py "$dkvb" purge shared/m.dkvb >/dev/null 2>err
        grep -q 'shared/m.dkvb: belonged to user 1234 and group 4321, and now belongs to 99 and 99' err ||
            fail "not told: $(cat err)"
        mode 644 shared/m.dkvb
    fi
fi
