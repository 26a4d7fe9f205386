#!/bin/sh
# Test of pictures in the tool: `dkvb encode` turns pictures into rows, labels and names, and other commands read
# pictures directly. An interrupted encoding can be continued, and then writes the same bytes.
. "$(dirname "$0")/common.sh"
check "$python" "$here/make_data.py" . pictures

# A folder of class folders gives classes and names in order. A picture beside the class folders has no class, and files
# that are no pictures are counted.
cp train/down/04.png "train/odd
\\name.png"
echo text >train/notes.txt
check "$dkvb" encode --input train -o x.npy --labels-out y.npy --names-out names.txt --class-names-out classes.txt \
    --json >encode.json
claim encode.json 'd["n"] == d["labels"] == 55 and d["classes"] == 3 and d["unreadable"] == 0 and d["ignored"] == 1'
claim encode.json 'd["encoder"].startswith("descriptor:") and d["dtype"] == "float32" and d["resumed"] == 0'
check "$python" - <<'END'
import os
import numpy as np
x, y = np.load("x.npy"), np.load("y.npy")
names = open("names.txt").read().split("\n")
assert x.dtype == np.float32 and len(x) == 55 and y.dtype == np.int32 and names.pop() == "" and len(names) == 55
assert names[0] == "odd\\x0A\\x5Cname.png" and y[0] == -1, (names[0], y[0])
classes = open("classes.txt").read().split()
assert classes == ["across", "down", "slanted"]
assert [classes[label] for label in y[1:]] == [name.split("/")[0] for name in names[1:]]
assert names[1:] == sorted(names[1:]) and all(os.path.exists("train/" + name) for name in names[1:])
assert (x[0] == x[names.index("down/04.png")]).all() and len(np.unique(x, axis=0)) == 54
END
check "$dkvb" encode --encoder descriptor --format folder --input train/ -o again.npy --threads 1 >/dev/null
same x.npy again.npy
check "$dkvb" encode --input train -o half.npy --dtype f16 >/dev/null
check "$python" -c 'import numpy as np; h = np.load("half.npy")
assert h.dtype == np.float16 and (h == np.load("x.npy").astype(np.float16)).all()'
check "$dkvb" encode --input train/down/04.png -o one.npy >/dev/null
check "$python" -c 'import numpy as np; assert (np.load("one.npy") == np.load("x.npy")[:1]).all()'

# An unreadable picture ends the encoding without an output; with --skip-unreadable it is reported, left out and
# counted.
mkdir broken
cp -R train/down train/across broken
head -c 300 train/down/04.png >broken/across/00_cut.png
echo text >broken/down/text.png
files=$(ls)
refused 1 'across/00_cut.png: ' "$dkvb" encode --input broken -o new.npy --labels-out new_y.npy
rm refused.out refused.err
[ "$(ls)" = "$files" ] || fail "files were left: $(ls)"
check "$dkvb" encode --input broken -o b.npy --labels-out b_y.npy --names-out b.txt --skip-unreadable --json \
    >b.json 2>b.err
claim b.json 'd["n"] == d["labels"] == 36 and d["unreadable"] == 2'
[ "$(grep -c '^dkvb: .*left out$' b.err)" = 2 ] && grep -q 'across/00_cut.png: ' b.err && grep -q 'down/text.png: ' b.err ||
    fail "$(cat b.err)"
check "$python" - <<'END'
import numpy as np
np.save("all_y.npy", np.arange(38))
names = open("b.txt").read().split("\n")[:-1]
whole = open("names.txt").read().split("\n")[:-1]
assert "across/00_cut.png" not in names and "down/text.png" not in names and len(names) == 36
x, b = np.load("x.npy"), np.load("b.npy")
assert all((row == x[whole.index(name)]).all() for name, row in zip(names, b))
END
check "$dkvb" encode --input broken -o b.npy --labels all_y.npy --labels-out b_y.npy --skip-unreadable >b.out 2>b.err
grep -q '^left out: 2 pictures that cannot be read$' b.out || fail "$(cat b.out)"
check "$python" -c 'import numpy as np; y = np.load("b_y.npy")
assert len(y) == 36 and 0 not in y and 37 not in y and (np.diff(y) > 0).all()'

# Wrong arguments, and files that do not match, are refused.
refused 2 '--weights is missing' "$dkvb" encode --encoder clip --input train -o new.npy
refused 2 '--weights does not go with --encoder descriptor' "$dkvb" encode --input train -o new.npy --weights x.npy
refused 2 '--config is of --encoder clip only' "$dkvb" encode --input train -o new.npy --config x.npy
refused 1 'encoder pixels: picture across/03.png is 32 x 27 x 3, 32 x 28 x 3 ' "$dkvb" encode --encoder pixels --input train -o new.npy
refused 1 'slow: has no classes, so --labels-out needs --labels' "$dkvb" encode --input slow -o new.npy \
    --labels-out new_y.npy
refused 1 'slow: has no names of classes' "$dkvb" encode --input slow -o new.npy --class-names-out new.txt
refused 1 'all_y.npy has 38 labels, train has 55 rows' "$dkvb" encode --input train -o new.npy --labels all_y.npy \
    --labels-out new_y.npy
refused 1 'is no file of CIFAR' "$dkvb" encode --format cifar --input train -o new.npy
refused 2 'the same file' "$dkvb" encode --input train -o new.npy --names-out new.npy.part
for option in --output --labels-out --names-out --class-names-out; do
    refused 1 'across/03.png: is one of the pictures of train' "$dkvb" encode --input train -o new.npy \
        $option train/across/03.png
done
[ ! -e new.npy ] && [ ! -e new.npy.part ] || fail "a file was left"

# An interrupted encoding reports how far it is. The same command continues it, and writes the bytes of an undisturbed
# encoding.
cat >interrupt.py <<'END'
"""Encode, and send SIGINT once rows are on disk. Says how many pictures were encoded by then."""
import os, re, signal, subprocess, sys, time

work = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # ignored in background jobs
while work.poll() is None and not (os.path.exists("s.npy.part") and os.path.getsize("s.npy.part") > 2048):
    time.sleep(0.005)
work.send_signal(signal.SIGSTOP)
busy = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE, text=True)
assert busy.returncode == 1 and "s.npy.part: another command is at work on it" in busy.stderr, ("over too soon", busy)
work.send_signal(signal.SIGINT)
work.send_signal(signal.SIGCONT)
out, err = work.communicate(timeout=120)
assert work.returncode == 130, (work.returncode, err)
said = re.fullmatch(r"dkvb: interrupted; encoded (\d+) of 96 pictures; the same command goes on from there\n", err)
assert said and 0 < int(said[1]) < 96 and out == "", (out, err)
print(said[1])
END
slow="$dkvb encode --input slow --threads 1"
# shellcheck disable=SC2086 # $slow is unquoted, as it holds several arguments
{
    check $slow -o whole.npy >/dev/null
    [ ! -e whole.npy.part ] || fail "whole.npy.part was left"
    done=$(check "$python" interrupt.py $slow -o s.npy)
    [ ! -e s.npy ] && [ -e s.npy.part ] || fail "files: $(ls)"
    cp s.npy.part kept.part
    check $slow -o s.npy >s.out
    grep -q "^going on after $done of 96 pictures\$" s.out || fail "$(cat s.out)"
    same whole.npy s.npy
    [ ! -e s.npy.part ] || fail "s.npy.part was left"

    # If the part file is cut anywhere, the encoding continues from the remaining rows or begins again.
    last=$(($(wc -c <kept.part) - 1))
    for size in 5 130 $last; do
        head -c "$size" kept.part >s.npy.part
        check $slow -o s.npy --json >s.json
        claim s.json "d['n'] == 96 and d['resumed'] == ($done - 1 if $size == $last else 0)"
        same whole.npy s.npy
    done

    # An encoding also continues if its part file lies in the folder of pictures, which it changes.
    cp kept.part slow/s.npy.part
    check $slow -o slow/s.npy --json >s.json
    claim s.json "d['resumed'] == $done and d['ignored'] == 1"
    same whole.npy slow/s.npy
    rm slow/s.npy

    # A part file with rows of another encoder or other pictures is refused, and stays.
    cp kept.part s.npy.part
    refused 1 's.npy.part holds rows of float32, not of float16: it must be deleted, or restarted from the first picture' \
        $slow -o s.npy --dtype f16
    refused 1 's.npy.part holds rows of descriptor:' "$dkvb" encode --encoder pixels --input slow -o s.npy
    refused 1 's.npy.part holds rows of other pictures' "$dkvb" encode --input train -o s.npy
    mv slow/095.png slow/moved.png
    refused 1 's.npy.part holds rows of other pictures' $slow -o s.npy
    mv slow/moved.png slow/095.png
    same kept.part s.npy.part
    check $slow -o s.npy --restart --json >s.json
    claim s.json 'd["resumed"] == 0'
    same whole.npy s.npy
    echo precious >s.npy.part
    refused 1 's.npy.part: not a file of finished rows' $slow -o s.npy --restart
    [ "$(cat s.npy.part)" = precious ] || fail "another file was lost"
}
