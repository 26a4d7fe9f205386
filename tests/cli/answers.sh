#!/bin/sh
# Test of predictions as CSV and TSV: read by Python's csv module they equal the .npy output, and a file is written
# completely or not at all.
. "$(dirname "$0")/common.sh"
make_data
printf 'plain\nwith, comma; and "quotes"\n=SUM(A1) ’s ü\n  spaces  \n' >names.txt
train_small m.dkvb --class-names names.txt
train_small bare.dkvb
check "$dkvb" predict m.dkvb --features test_x.npy -o labels.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --top 3 --json >top.json
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy -o labels.csv >said.txt
grep -qx 'wrote labels.csv: labels of 100 rows, 0 abstained' said.txt || fail "$(cat said.txt)"
check "$dkvb" predict m.dkvb --features test_x.npy --top 3 -o TOP.CSV >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --top 3 -o top.tsv --threads 2 >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.csv >/dev/null
check "$dkvb" predict bare.dkvb --features test_x.npy -o bare.csv >/dev/null
check "$dkvb" predict bare.dkvb --features test_x.npy -o bare.npy >/dev/null
head -n 1 scores.csv | grep -qxF 'row,plain,"with, comma; and ""quotes""",=SUM(A1) ’s ü,  spaces  ' || fail "$(head -n 1 scores.csv)"
grep -q "$(printf '\r')" labels.csv top.tsv && fail "lines do not end in LF alone"

# A locale with decimal commas does not change the output.
check env LC_ALL=de_DE.UTF-8 "$dkvb" predict m.dkvb --features test_x.npy -o german.csv >/dev/null
same labels.csv german.csv

# A row that abstains has neither a label nor a probability, whatever --top asks for.
check "$dkvb" forget m.dkvb -o none.dkvb --method examples --examples 400 --features x.npy >/dev/null
while "$dkvb" forget none.dkvb --method examples --examples 400 --features x.npy >/dev/null 2>why.txt; do :; done
check "$dkvb" predict none.dkvb --features test_x.npy --top 2 -o none.csv --json >none.json
claim none.json 'd["abstained"] == 100 and d["output"] == "none.csv" and d["predictions"] is None'

# For a file without rows, the output is the header line alone.
"$python" -c 'import numpy as np; np.save("no_rows.npy", np.zeros((0, 16), "f4"))'
check "$dkvb" predict m.dkvb --features no_rows.npy --top 2 -o no_rows.csv >/dev/null
[ "$(cat no_rows.csv)" = row,label,probability,label_2,probability_2 ] || fail "$(cat no_rows.csv)"

check "$python" - <<'END'
import csv, json
import numpy as np

names = open("names.txt", encoding="utf-8").read().split("\n")[:4]
labels, scores, top = np.load("labels.npy"), np.load("scores.npy"), json.load(open("top.json"))["predictions"]


def table(path, delimiter=","):
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=delimiter, strict=True)
    assert [row[0] for row in rows] == [str(i) for i in range(100)], path
    assert all(len(row) == len(header) for row in rows), path
    return header, rows


header, rows = table("labels.csv")
assert header == ["row", "label", "probability"]
assert [row[1] for row in rows] == [names[l] for l in labels]
assert {row[1] for row in rows} == set(names)
for path, delimiter in (("TOP.CSV", ","), ("top.tsv", "\t")):
    header, rows3 = table(path, delimiter)
    assert header == ["row", "label", "probability", "label_2", "probability_2", "label_3", "probability_3"]
    assert [row[:3] for row in rows3] == rows
    for row, answers in zip(rows3, top):
        assert row[1::2] == [answer["name"] for answer in answers]
        assert [np.float32(p) for p in row[2::2]] == [np.float32(answer["probability"]) for answer in answers]
header, rows = table("scores.csv")
assert header == ["row"] + names
assert (np.array([row[1:] for row in rows], np.float32).view(np.uint32) == scores.view(np.uint32)).all()
assert [row[1] for row in table("bare.csv")[1]] == [str(l) for l in np.load("bare.npy")]
assert all(row[1:] == [""] * 4 for row in table("none.csv")[1])
END

# With --id-column the first cell of each line is the id of the row, a name or a number.
check "$python" - <<'END'
import csv
import numpy as np
x = np.load("test_x.npy")
for path, name in (("named.csv", 'Müller, "{}"'), ("numbered.csv", "{}")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["who"] + [f"c{j}" for j in range(16)])
        out.writerows([name.format(7 * i)] + [repr(float(v)) for v in row] for i, row in enumerate(x))
END
for table in named numbered; do
    check "$dkvb" predict m.dkvb --features $table.csv --id-column who -o $table.out.csv >/dev/null
    check "$dkvb" predict m.dkvb --features $table.csv --id-column who --json >$table.json
    check "$dkvb" predict m.dkvb --features $table.csv --id-column who >$table.txt
done
check "$python" - <<'END'
import csv, json
wanted = [row[1:] for row in csv.reader(open("labels.csv", newline="", encoding="utf-8"))]
for path, name in (("named.out.csv", 'Müller, "{}"'), ("numbered.out.csv", "{}")):
    rows = list(csv.reader(open(path, newline="", encoding="utf-8")))
    assert [row[0] for row in rows] == ["row"] + [name.format(7 * i) for i in range(100)], path
    assert [row[1:] for row in rows] == wanted, path
for path, ids in (("named", [f'Müller, "{7 * i}"' for i in range(100)]), ("numbered", [7 * i for i in range(100)])):
    assert json.load(open(path + ".json", encoding="utf-8"))["ids"] == ids
    lines = open(path + ".txt", encoding="utf-8").read().splitlines()[1:]
    assert all(line.strip().startswith(str(id)) for line, id in zip(lines, ids)) and len(lines) == 100, lines
END

# If the disk is full in the middle of the output, the old file stays.
cp TOP.CSV kept.csv
refused 1 'kept.csv: cannot write' sh -c 'trap "" XFSZ; ulimit -f 8; exec "$@"' sh "$dkvb" predict m.dkvb --features x.npy \
    --top 4 -o kept.csv
same TOP.CSV kept.csv
[ "$(find . -name '*.tmp-*')" = "" ] || fail "a temporary file was left"

# An output may be read by no more users than its inputs.
chmod 600 test_x.npy
check "$dkvb" predict m.dkvb --features test_x.npy -o private.csv >/dev/null
[ "$(stat -c %a private.csv)" = 600 ] || fail "the table has mode $(stat -c %a private.csv)"

# The output is written block by block: many blocks of rows give the predictions of the .npy output, a signal meanwhile
# leaves no file, and the memory does not grow with the number of rows.
check "$python" - "$dkvb" <<'END'
import csv, os, signal, subprocess, sys, time
import numpy as np

dkvb = sys.argv[1]
x = np.load("x.npy")
np.save("many.npy", x[np.arange(200_000) % 400])


def peak(*words):
    """Megabytes that the command needs at most."""
    work = subprocess.Popen([dkvb, "predict", "m.dkvb", "--features", "many.npy", "--threads", "1", *words],
                            stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(work.pid, 0)
    assert status == 0, words
    return used.ru_maxrss / 1024


table, array = peak("--top", "4", "-o", "many.csv"), peak("--top", "4", "-o", "many_labels.npy")
labels, names = np.load("many_labels.npy"), open("names.txt", encoding="utf-8").read().split("\n")
with open("many.csv", newline="", encoding="utf-8") as file:
    for i, row in enumerate(csv.reader(file)):
        assert i == 0 or (row[0] == str(i - 1) and row[1] == names[labels[i - 1, 0]]), row
assert i == 200_000
assert os.path.getsize("many.csv") > 15e6
with open(dkvb, "rb") as file:
    program = file.read()
if b"__asan_init" not in program and b"__tsan_init" not in program:  # sanitizers keep memory that was freed
    assert table < array + 4, (table, array)  # the array's command holds 3 MB of labels, and no text
old = open("many.csv", "rb").read(1000)
work = subprocess.Popen([dkvb, "predict", "m.dkvb", "--features", "many.npy", "--top", "4", "-o", "many.csv"],
                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
while not any(name.startswith("many.csv.tmp-") for name in os.listdir(".")):
    assert work.poll() is None, "over too soon"
    time.sleep(0.005)
work.send_signal(signal.SIGINT)
_, err = work.communicate(timeout=60)
assert work.returncode == 130 and err == "dkvb: interrupted; nothing was written\n", (work.returncode, err)
assert open("many.csv", "rb").read(1000) == old
assert not [name for name in os.listdir(".") if ".tmp-" in name]
END
rm -f many*
