#!/bin/sh
# Test of `dkvb sweep`: the table equals outputs of other commands, and its means those of numpy. A sweep continued
# after an interrupt or a kill writes the same bytes. Part files of other options or files, and wrong arguments, are
# refused.
. "$(dirname "$0")/common.sh"
make_data
printf 'red\n"so called", blue\n\ngr=ün\n' >names.txt
train_small m.dkvb --top-k 2 --codes-out m.codes --hold-out 0.25 --class-names names.txt --depth 32
cp m.dkvb kept.dkvb

check "$dkvb" sweep m.dkvb --codes m.codes --strength suppress,exact --method values,examples,every --seeds 0,5 \
    --budgets 3,20,90 -o t.csv >said.txt
grep -q '^wrote t.csv: 44 cells, measured on [0-9]* rows held out; in [0-9.]* s$' said.txt || fail "$(cat said.txt)"
same m.dkvb kept.dkvb
[ ! -e t.csv.part ] || fail "the cells were left"
cat >look.py <<'END'
import csv, json, math, subprocess, sys
import numpy as np
dkvb = sys.argv[1]
lines = list(csv.DictReader(open("t.csv", encoding="utf-8", newline="")))
cells = [line for line in lines if line["line"] == "cell"]
assert len(cells) == 44 and {c["measured_on"] for c in cells} == {"held out"} and {c["cells"] for c in cells} == {"1"}
assert [c["class"] for c in cells] == [str(l) for l in range(4) for _ in range(11)]
assert [c["name"] for c in cells[::11]] == ["red", '"so called", blue', "", "gr=ün"]
assert [c["budget"] for c in cells[:11]] == ["3", "20", "90"] * 3 + ["", ""], cells[:11]
assert [c["method"] for c in cells[:11]] == ["values"] * 3 + ["examples"] * 6 + ["every", ""]
assert [c["seed"] for c in cells[:11]] == [""] * 3 + ["0"] * 3 + ["5"] * 3 + ["", ""]
assert [c["strength"] for c in cells[:11]] == ["suppress"] * 10 + ["exact"]
names = ["red", '"so called", blue', "", "gr=ün"]
assert all(c["worst_name"] == names[int(c["worst_class"])] for c in cells)

# A cell of the sweep equals what `dkvb forget` predicts for the same request.
for cell in cells:
    if cell["method"] != "values" and cell["strength"] != "exact":
        continue
    words = [dkvb, "forget", "m.dkvb", "--codes", "m.codes", "--class", cell["class"], "--dry-run", "--json", "--force"]
    words += (["--strength", "exact", "--keep-keys"] if cell["strength"] == "exact" else
              ["--method", cell["method"], "--pairs", cell["budget"]])
    told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    mine = [e for e in told["effects"] if str(e["label"]) == cell["class"]][0]
    others = [e for e in told["effects"] if str(e["label"]) != cell["class"]]
    rows = sum(e["rows"] for e in others)
    wanted = {"forget_rows": mine["rows"], "retain_rows": rows,
              "forget_before": mine["right_before"] / mine["rows"], "forget_after": mine["right_after"] / mine["rows"],
              "retain_before": sum(e["right_before"] for e in others) / rows,
              "retain_after": sum(e["right_after"] for e in others) / rows, "worst_loss": max(e["loss"] for e in others)}
    assert all(abs(float(cell[key]) - wanted[key]) < 1e-6 for key in wanted), (cell, wanted)

# The table's means are over classes, each class averaged over its seeds first; t(.975, 3) = 3.182446.
figures = ["forget_before", "forget_after", "retain_before", "retain_after", "retain_change", "worst_loss"]
groups = [("values", "3"), ("values", "20"), ("values", "90"), ("examples", "3"), ("examples", "20"), ("examples", "90"),
          ("every", ""), ("", "")]
rest = [line for line in lines if line["line"] != "cell"]
assert [(r["line"], r["method"], r["budget"]) for r in rest] == [(w, *g) for g in groups for w in ("mean", "low", "high")]
for (method, budget), mean, low, high in zip(groups, rest[::3], rest[1::3], rest[2::3]):
    of = [c for c in cells if (c["method"], c["budget"]) == (method, budget)]
    assert mean["cells"] == low["cells"] == high["cells"] == str(len(of)) and mean["class"] == mean["seed"] == ""
    for figure in figures + ([] if method == "" else ["pairs", "exhausted"]):
        units = np.array([np.mean([float(c[figure]) for c in of if c["class"] == str(l)]) for l in range(4)])
        half = 3.182446 * units.std(ddof=1) / math.sqrt(4)
        wanted = units.mean(), units.mean() - half, units.mean() + half
        found = [float(line[figure]) for line in (mean, low, high)]
        assert np.allclose(found, wanted, rtol=2e-6, atol=3e-6), (figure, found, wanted)
assert all(r["pairs"] == r["exhausted"] == "" for r in rest[-3:])
END
check "$python" look.py "$dkvb"

# In a sweep of a single class, the mean is over the seeds. In a sweep of a single cell, the mean has no interval.
check "$dkvb" sweep m.dkvb --codes m.codes --class 3 --method examples --seeds 1,2,9 --budgets 4 -o one.csv >/dev/null
check "$dkvb" sweep m.dkvb --codes m.codes --class 'gr=ün' --budgets 4 -o alone.csv >/dev/null
check "$python" - <<'END'
import csv, math
import numpy as np
*cells, mean, low, high = csv.DictReader(open("one.csv", encoding="utf-8", newline=""))
x = np.array([float(c["forget_after"]) for c in cells])
half = 4.302653 * x.std(ddof=1) / math.sqrt(3)
assert len(cells) == 3
found = [float(line["forget_after"]) for line in (mean, low, high)]
assert np.allclose(found, [x.mean(), x.mean() - half, x.mean() + half], atol=3e-6), found
cell, mean, low, high = csv.DictReader(open("alone.csv", encoding="utf-8", newline=""))
assert mean["forget_after"] == cell["forget_after"] and low["forget_after"] == high["forget_after"] == ""
END

# A sweep measured on test rows is the same with any number of threads, and in a locale with a decimal comma.
check "$dkvb" sweep m.dkvb --codes m.codes --test-features test_x.npy --test-labels test_y.npy --threads 1 -o test1.csv \
    >said.txt
grep -q 'measured on 100 rows for testing' said.txt || fail "$(cat said.txt)"
check env LC_ALL=de_DE.UTF-8 "$dkvb" sweep m.dkvb --codes m.codes --test-features test_x.npy --test-labels test_y.npy \
    --threads 3 -o test3.csv >/dev/null
same test1.csv test3.csv
grep -q ',test$' test1.csv || fail "the table does not say what was measured on"

# A sweep over models of other shapes has every combination of the lists in its options, and means over their seeds.
check "$dkvb" sweep m.dkvb --codes m.codes --features x.npy --codebooks 4,8 --top-k 1,2 --train-seeds 0,1 --class 1 \
    --budgets 10,40 -o shapes.csv >/dev/null
check "$python" - <<'END'
import csv
lines = list(csv.DictReader(open("shapes.csv", encoding="utf-8", newline="")))
cells = [line for line in lines if line["line"] == "cell"]
assert [(c["codebooks"], c["top_k"], c["train_seed"], c["budget"]) for c in cells] == [
    (c, k, s, b) for c in "48" for k in "12" for s in "01" for b in ("10", "40")]
assert {c["keys"] for c in cells} == {"32"} and {c["key_dim"] for c in cells} == {"6"}
means = [line for line in lines if line["line"] == "mean"]
assert len(means) == 8 and all(m["cells"] == "2" and m["train_seed"] == "" for m in means)
END

# If rows have names, the features of the sweep are matched by name, in any order.
"$python" - <<'END'
import numpy as np
x, names = np.load("x.npy"), [f"row {i} of them" for i in range(400)]
order = np.random.default_rng(2).permutation(400)
open("ids.txt", "w").write("".join(name + "\n" for name in names))
open("mixed.txt", "w").write("".join(names[i] + "\n" for i in order))
np.save("mixed.npy", x[order])
END
train_small named.dkvb --ids ids.txt --codes-out named.codes --hold-out 0.25
check "$dkvb" sweep named.dkvb --codes named.codes --features x.npy --ids ids.txt --top-k 2 --steps 4 -o named.csv >/dev/null
check "$dkvb" sweep named.dkvb --codes named.codes --features mixed.npy --ids mixed.txt --top-k 2 --steps 4 -o mixed.csv \
    >/dev/null
same named.csv mixed.csv
refused 1 'none of 400 rows of features has it' "$dkvb" sweep named.dkvb --codes named.codes --features x.npy --top-k 2 \
    -o new.csv

# A sweep stopped by Ctrl-C or SIGKILL at many moments, and continued, writes the same bytes as an undisturbed sweep.
"$python" - <<'END'
import numpy as np
rng = np.random.default_rng(1)
np.save("many_x.npy", np.repeat(np.load("test_x.npy"), 100, axis=0) + rng.normal(0, .3, (10000, 16)).astype("f4"))
np.save("many_y.npy", np.repeat(np.load("test_y.npy"), 100))
END
many="--test-features many_x.npy --test-labels many_y.npy --method values,contrast,activations"
# shellcheck disable=SC2086 # $many is unquoted, as it holds several arguments
check "$dkvb" sweep m.dkvb --codes m.codes $many -o whole.csv >/dev/null
cat >stop.py <<'END'
import os, random, re, signal, subprocess, sys, time

number, moments, *command = sys.argv[1:]
number = getattr(signal, number)
random.seed(7)
stopped = 0


def start(words):
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def finished():
    """The cells that a next call goes on from."""
    return open("again.csv.part", "rb").read() if os.path.exists("again.csv.part") else b""


began = time.monotonic()
assert start(command[:-1] + ["timed.csv"]).wait() == 0
whole = time.monotonic() - began
for moment in range(int(moments)):
    for path in ("again.csv", "again.csv.part"):
        if os.path.exists(path):
            os.remove(path)
    for _ in range(3):  # and once more while it goes on
        before = finished()
        work = start(command)
        time.sleep(random.uniform(0.02, whole))
        work.send_signal(number)
        out, err = work.communicate(timeout=120)
        if work.returncode == 0:
            break
        stopped += 1
        if work.returncode != -number:  # before its handler is in place, Ctrl-C kills it too
            assert work.returncode == 130, (work.returncode, err)
            assert re.fullmatch(r"dkvb: interrupted; (nothing was written|measured \d+ of \d+ cells; the same command "
                                r"goes on from there)\n", err), err
            assert finished() == before if "nothing" in err else finished(), err
        if os.path.exists("again.csv"):  # the signal came after the table was whole, before the process had ended
            assert work.returncode == -number, (work.returncode, err)
            assert open("again.csv", "rb").read() == open("whole.csv", "rb").read()
    last = start(command)
    out, err = last.communicate(timeout=120)
    assert last.returncode == 0, err
    assert open("again.csv", "rb").read() == open("whole.csv", "rb").read()
    assert not os.path.exists("again.csv.part")
assert stopped > 0
END
# shellcheck disable=SC2086
check "$python" stop.py SIGINT 3 "$dkvb" sweep m.dkvb --codes m.codes $many -o again.csv
# shellcheck disable=SC2086
check "$python" stop.py SIGKILL 5 "$dkvb" sweep m.dkvb --codes m.codes $many -o again.csv

# A full disk, or a file that must not grow, is reported, and the sweep continues from the finished cells. If only the
# table has no room, the sweep continues from all cells.
blocks=$(($(wc -c <whole.csv) / 512 - 2))
for limit in 4 $blocks; do
    rm -f again.csv
    code=0
    # shellcheck disable=SC2086
    (
        ulimit -f "$limit"
        exec "$dkvb" sweep m.dkvb --codes m.codes $many -o again.csv
    ) >said.txt 2>err.txt || code=$?
    [ $code = 1 ] && [ ! -e again.csv ] || fail "exit code $code: $(cat err.txt)"
    head -n 1 err.txt | grep -q '^dkvb: .*again.csv.*: cannot write: ' || fail "$(cat err.txt)"
    kept=$(sed -n 's/^dkvb: again.csv.part keeps \([0-9]*\) of [0-9]* cells: the same command goes on from there$/\1/p' err.txt)
    # shellcheck disable=SC2086
    check "$dkvb" sweep m.dkvb --codes m.codes $many -o again.csv >said.txt
    [ -z "$kept" ] || grep -q "^going on after [1-9][0-9]* of " said.txt || [ "$limit" = "$blocks" ] || fail "$(cat said.txt)"
    same again.csv whole.csv
done
[ -n "$kept" ] || fail "no cell was kept: $(cat err.txt)"

# A disk without room for the first line leaves no part file. The output goes to a pipe, as the limit does not apply to
# pipes. LLVM's OpenMP ends the process under such a limit on file sizes, since its shared memory has no room either.
if ! ldd "$dkvb" | grep -q 'libomp\.'; then
    (
        ulimit -f 0
        exec "$dkvb" sweep m.dkvb --codes m.codes --steps 2 -o again.csv
    ) 2>&1 | cat >err.txt
    grep -q '^dkvb: again.csv.part: cannot write: ' err.txt || fail "$(cat err.txt)"
    [ ! -e again.csv.part ] || fail "a file without a cell was left"
fi

# A part file that ends within a line is continued, with a note. A part file of other options is refused; --restart
# begins anew.
cat >cut.py <<'END'
import os, subprocess, sys, time
command = sys.argv[1:]
while True:
    work = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while work.poll() is None and not (os.path.exists("again.csv.part") and os.path.getsize("again.csv.part") > 2000):
        time.sleep(0.002)
    work.kill()
    if work.wait() != 0:
        break
os.truncate("again.csv.part", os.path.getsize("again.csv.part") - 30)
END
rm -f again.csv
# shellcheck disable=SC2086
check "$python" cut.py "$dkvb" sweep m.dkvb --codes m.codes $many -o again.csv
# shellcheck disable=SC2086
refused 1 'again.csv.part holds cells of another sweep' "$dkvb" sweep m.dkvb --codes m.codes $many --steps 29 -o again.csv
refused 1 'again.csv.part holds cells of another sweep' "$dkvb" sweep m.dkvb --codes m.codes -o again.csv
cp again.csv.part cells
# shellcheck disable=SC2086
check "$dkvb" sweep m.dkvb --codes m.codes $many -o again.csv >said.txt
grep -q '^going on after [1-9][0-9]* of [0-9]* cells$' said.txt || fail "$(cat said.txt)"
same again.csv whole.csv
cp cells again.csv.part
check "$dkvb" sweep m.dkvb --codes m.codes --steps 3 --restart -o again.csv --json >restarted.json
claim restarted.json 'd["resumed"] == 0 and d["cells"] == 12 and d["measured_on"] == "held out"'
printf 'my letter' >again.csv.part
refused 1 'not a file of finished cells' "$dkvb" sweep m.dkvb --codes m.codes -o again.csv
[ "$(cat again.csv.part)" = 'my letter' ] || fail "a letter was written over"
rm again.csv.part

# Wrong arguments, and files that do not match, are refused.
rm -f refused.out refused.err
files=$(ls)
refused 2 '--codes is missing' "$dkvb" sweep m.dkvb -o new.csv
refused 2 '--output is missing' "$dkvb" sweep m.dkvb --codes m.codes
refused 2 "--method 'values,guess': 'guess' is none of its words" "$dkvb" sweep m.dkvb --codes m.codes \
    --method values,guess -o new.csv
refused 2 "--strength 'thoroughly'" "$dkvb" sweep m.dkvb --codes m.codes --strength thoroughly -o new.csv
refused 2 "--budgets '5,x': must be whole numbers from 1" "$dkvb" sweep m.dkvb --codes m.codes --budgets 5,x -o new.csv
refused 2 "--budgets '5,': must be whole numbers" "$dkvb" sweep m.dkvb --codes m.codes --budgets 5, -o new.csv
refused 1 'budget 4 must be above 5' "$dkvb" sweep m.dkvb --codes m.codes --budgets 5,4 -o new.csv
refused 2 '--steps and --budgets both say' "$dkvb" sweep m.dkvb --codes m.codes --budgets 5 --steps 4 -o new.csv
refused 2 '--test-features and --test-labels go together' "$dkvb" sweep m.dkvb --codes m.codes --test-features x.npy \
    -o new.csv
refused 2 '--ids names rows of --features' "$dkvb" sweep m.dkvb --codes m.codes --ids y.npy -o new.csv
refused 2 '--features are the rows to train models of other shapes on' "$dkvb" sweep m.dkvb --codes m.codes \
    --features x.npy -o new.csv
refused 2 'are the same file' "$dkvb" sweep m.dkvb --codes m.codes -o m.codes
refused 1 'nobody' "$dkvb" sweep m.dkvb --codes m.codes --class nobody -o new.csv
refused 1 'none of 100 rows of features has it' "$dkvb" sweep m.dkvb --codes m.codes --features test_x.npy --top-k 1 \
    -o new.csv
refused 1 'a file of codes is wanted' "$dkvb" sweep m.dkvb --codes kept.dkvb -o new.csv
refused 1 'nowhere' "$dkvb" sweep m.dkvb --codes m.codes -o nowhere/new.csv
rm -f refused.out refused.err
[ "$(ls)" = "$files" ] || fail "files were left: $(ls)"

# The table may be read by no more users than the codes file.
chmod 600 m.codes
check "$dkvb" sweep m.dkvb --codes m.codes --steps 2 -o private.csv >/dev/null
case $(ls -l private.csv) in -rw-------*) ;; *) fail "a private table is open to others" ;; esac
