"""Part of the test serve.sh: talks to `dkvb predict --serve` over pipes, with models from the directory of serve.sh.

    serve.py DKVB
"""

import csv
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np

DKVB = sys.argv[1]
X = np.load("test_x.npy")
LABELS, TOP, SCORES, FORGOT = (np.load(f"{name}.npy") for name in ("labels", "top", "scores", "forgot"))
assert (LABELS != FORGOT).any()


class Worker:
    """A running process of `dkvb predict --serve`, whose answers are read one by one."""

    def __init__(self, *words):
        self.process = subprocess.Popen([DKVB, "predict", *words, "--serve"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)

    def send(self, data):
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view):]

    def frame(self):
        """Reads one frame (a .npy array) of the answers."""
        head = self.exactly(10)
        size = int.from_bytes(head[8:10], "little")
        head += self.exactly(size)
        empty = io.BytesIO(head)
        np.lib.format.read_magic(empty)
        shape, _fortran, dtype = np.lib.format.read_array_header_1_0(empty)
        return np.load(io.BytesIO(head + self.exactly(int(np.prod(shape)) * dtype.itemsize)))

    def exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.process.stdout.read(size - len(data))
            assert more, ("the worker ended", self.process.stderr.read())
            data += more
        return data

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            line += self.exactly(1)
        return line.decode()

    def end(self, code=0):
        """Ends the input of the worker process. Returns the remaining answers, and the messages on stderr."""
        out, err = self.process.communicate()
        assert self.process.returncode == code, (self.process.returncode, err)
        return out, err.decode()


def frames(*arrays):
    data = io.BytesIO()
    for array in arrays:
        np.save(data, array)
    return data.getvalue()


def unpack(data):
    file, out = io.BytesIO(data), []
    while file.tell() < len(data):
        out.append(np.load(file))
    return out


def run(data, *words, code=0):
    """Runs a worker process on the whole input at once. Returns its answers, and the messages on stderr."""
    worker = subprocess.run([DKVB, "predict", *words, "--serve"], input=data, capture_output=True, check=False)
    assert worker.returncode == code, worker
    return worker.stdout, worker.stderr.decode()


def lines_of(rows):
    return "".join(",".join(repr(float(v)) for v in row) + "\n" for row in rows).encode()


def frames_have_the_answers_and_shapes_of_arrays():
    sent = [X, X[:0], X[3], X[:7].astype("float64"), np.asfortranarray(X[:9]), X[:5].astype(">f4"),
            X[:4].reshape(4, 2, 8), np.asfortranarray(X[:6].reshape(6, 4, 4))]
    rows = [np.arange(100), np.arange(0), 3, np.arange(7), np.arange(9), np.arange(5), np.arange(4), np.arange(6)]
    for words, known in (((), LABELS), (("--top", "3"), TOP), (("--scores",), SCORES), (("--top", "1"), TOP[:, :1])):
        answers = unpack(run(frames(*sent), "m.dkvb", *words)[0])
        assert len(answers) == len(sent)
        for answer, which in zip(answers, rows):
            assert answer.dtype == known.dtype and answer.shape == known[which].shape, (answer, which)
            assert (answer == known[which]).all()


def lines_have_the_answers_of_tables():
    for words, table in (((), "labels.csv"), (("--top", "3"), "top.csv"), (("--scores",), "scores.csv")):
        out, _ = run(lines_of(X), "m.dkvb", *words)
        known = list(csv.reader(open(table)))[1:]
        found = list(csv.reader(io.StringIO(out.decode())))
        assert [row[:-1] for row in found] == known and all(row[-1] == "" for row in found)


def rows_are_answered_in_their_order_however_their_bytes_are_cut():
    rng = random.Random(5)
    for make, words in ((frames, ("--scores",)), (lambda *a: b"".join(lines_of(np.atleast_2d(r)) for r in a), ())):
        picks = [[rng.randrange(100) for _ in range(rng.choice((1, 1, 2, 40)))] for _ in range(300)]
        data, worker, at = make(*(X[p] for p in picks)), Worker("m.dkvb", *words), 0
        collected = []
        import threading
        reader = threading.Thread(target=lambda: collected.append(worker.process.stdout.read()))
        reader.start()
        while at < len(data):
            size = rng.choice((1, 7, 100, 3000, 60000))
            worker.send(data[at:at + size])
            at += size
        worker.process.stdin.close()
        reader.join()
        assert worker.process.wait() == 0
        if words:
            answers = unpack(collected[0])
            assert len(answers) == 300 and all((a == SCORES[p]).all() for a, p in zip(answers, picks))
        else:
            names = [row[1] for row in csv.reader(io.StringIO(collected[0].decode()))]
            assert names == [("ant", "bee", "cat", "dog")[LABELS[i]] for p in picks for i in p]


def a_row_is_answered_before_the_next_is_sent():
    worker = Worker("m.dkvb")
    for i in range(50):
        worker.send(frames(X[i]))
        assert worker.frame() == LABELS[i]
    out, err = worker.end()
    assert out == b"" and "50 rows in 50 batches" in err and "p99" in err and "models taken up: 0" in err, err
    worker = Worker("named.dkvb")
    worker.send((",".join(f"f{i}" for i in range(16)) + "\n").encode())
    assert worker.line() == "row,label,probability,error\n"
    worker.send(lines_of(X[:1]))
    assert worker.line().startswith("0,")
    worker.end()


def columns_are_found_by_name_and_ids_come_back():
    order = list(range(16))
    random.Random(1).shuffle(order)
    header = ["who"] + [f"f{i}" for i in order] + ["more"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(header)
    for i in range(20):
        table.writerow([f'a "{i}", b', *(repr(float(X[i, k])) for k in order), "x"])
    out = run(text.getvalue().encode(), "named.dkvb", "--id-column", "who")[0].decode()
    found = list(csv.reader(io.StringIO(out)))
    straight = list(csv.reader(io.StringIO(run((",".join(f"f{i}" for i in range(16)) + "\n").encode() + lines_of(X[:20]),
                                               "named.dkvb")[0].decode())))
    assert found[0] == straight[0] == ["row", "label", "probability", "error"]
    assert [r[0] for r in found[1:]] == [f'a "{i}", b' for i in range(20)]
    assert [r[1:] for r in found[1:]] == [r[1:] for r in straight[1:]]
    for first, said in (("f0,f1\n", "no column is called 'f2'"), ("1,2\n", "the first line holds no names"),
                        (",".join(["f0"] + [f"f{i}" for i in range(16)]) + "\n", "two columns are called 'f0'")):
        out, err = run(first.encode(), "named.dkvb", code=1)
        assert out == b"" and said in err, err


def a_bad_frame_is_answered_by_its_error_and_costs_no_other_answer():
    nan, huge = X[:3].copy(), X[:2].copy()
    nan[2, 5] = np.inf
    huge[:] = 3e38
    bad = {1: (X[:, :3], b"a row of 3 columns, the model takes 16"), 3: (X.astype("int64"), b"elements are int64"),
           4: (nan, b"row 2, column 5 is inf"), 6: (np.float32(1), b"the model takes 16"),
           7: (X[:3].astype("float64") * 1e300, b"it must be finite"),
           9: (np.full((2, 16), 2, "u1").view("?"), b"a bool is 2")}
    sent = [bad[i][0] if i in bad else X[i] for i in range(12)]
    out, err = run(frames(*sent), "m.dkvb")
    answers = unpack(out)
    assert len(answers) == 12 and "6 refused" in err, err
    for i, answer in enumerate(answers):
        if i in bad:
            assert answer.dtype.kind == "S" and answer.shape == (), answer
            message = answer.item()
            assert f"standard input: frame {i + 1}: ".encode() in message and bad[i][1] in message, message
        else:
            assert answer == LABELS[i]


def a_bad_line_is_answered_by_its_error_and_costs_no_other_answer():
    good = lines_of(X[:6]).decode().splitlines()
    sent = [good[0], "1,2", good[1], good[2].replace(",", ",x", 1), "", good[3] + ",9", '"' + good[4], good[4],
            good[5].replace(",", ",nan,", 1).rsplit(",", 1)[0], good[5].replace(",", "\0,", 1), good[5]]
    out, err = run(("\ufeff" + "\n".join(sent) + "\n").encode(), "m.dkvb")
    found = list(csv.reader(io.StringIO(out.decode())))
    assert [row[0] for row in found] == [str(i) for i in range(10)] and "6 refused" in err, (found, err)
    assert [row[1] for row in found if not row[3]] == [("ant", "bee", "cat", "dog")[label] for label in LABELS[[0, 1, 4, 5]]]
    for row, said in ((1, "line 2 has 2 fields, the first line has 16"), (3, "line 4: column 2 is 'x"),
                      (4, "line 6 has 17 fields"), (5, "line 7: a quote is opened and never closed"),
                      (7, "line 9: column 2 is 'nan'"), (8, "line 10: holds a zero byte")):
        assert said in found[row][3] and found[row][1] == "", found[row]


def damage_is_named_after_all_earlier_answers():
    whole = frames(X[0], X[1], X[:3])
    cases = [(whole[:-5], "frame 3: the input ends within it"), (whole[:len(frames(X[0], X[1])) + 60], "within its header"),
             (frames(X[0], X[1]) + b"0,1,2,3,4,5,6,7\n", "frame 3: does not begin as a NumPy array"),
             (frames(X[0], X[1], X[:, :3])[:-5], "frame 3: the input ends within it, 5 bytes are missing"),
             (frames(X[0], X[1]) + frames(np.array(["a"])), "frame 3: elements are texts")]
    for data, said in cases:
        out, err = run(data, "m.dkvb", code=1)
        answers = unpack(out)
        assert [int(a) for a in answers[:2]] == list(LABELS[:2]) and all(a.dtype.kind == "S" for a in answers[2:]), answers
        assert said in err, (said, err)
    out, err = run(lines_of(X[:3])[:-1], "m.dkvb")
    assert len(out.splitlines()) == 3 and "the last line has no line end" in err, err
    out, err = run(b"", "m.dkvb")
    assert out == b"" and "0 rows" in err


def a_replaced_file_answers_the_next_row():
    shutil.copy("m.dkvb", "live.dkvb")
    worker = Worker("live.dkvb")
    for turn in range(6):
        for i in range(40):
            worker.send(frames(X[i]))
            assert worker.frame() == (FORGOT if turn % 2 else LABELS)[i], (turn, i)
        shutil.copy("m.dkvb" if turn % 2 else "forgot.dkvb", "next.dkvb")
        os.replace("next.dkvb", "live.dkvb")
    _, err = worker.end()
    assert "models taken up: 5" in err, err
    # While a worker runs, `dkvb forget` replaces its model, and a class gets another name.
    worker = Worker("live.dkvb")
    subprocess.run([DKVB, "forget", "live.dkvb", "--class", "bee", "--pairs", "40", "--force"], check=True,
                   stdout=subprocess.DEVNULL)
    worker.send(lines_of(X))
    names = [worker.line().split(",")[1] for _ in range(100)]
    assert names == [("ant", "bee", "cat", "dog")[label] if label >= 0 else "" for label in FORGOT], names
    subprocess.run([DKVB, "rename", "live.dkvb", "ant", "emu"], check=True, stdout=subprocess.DEVNULL)
    worker.send(lines_of(X))
    assert "emu" in [worker.line().split(",")[1] for _ in range(100)]
    worker.end()


def an_idle_worker_lets_go_of_the_replaced_file():
    shutil.copy("m.dkvb", "idle.dkvb")
    worker = Worker("idle.dkvb")
    worker.send(frames(X[0]))
    assert worker.frame() == LABELS[0]
    maps = f"/proc/{worker.process.pid}/maps"
    if not os.path.exists(maps):
        worker.end()
        return
    assert "idle.dkvb" in open(maps).read()
    shutil.copy("forgot.dkvb", "next.dkvb")
    os.replace("next.dkvb", "idle.dkvb")
    for _ in range(200):
        found = [line for line in open(maps) if "idle.dkvb" in line]
        if found and not any("(deleted)" in line for line in found):
            break
        time.sleep(0.05)
    else:
        raise AssertionError(found)
    _, err = worker.end()
    assert "models taken up: 1" in err, err


def a_replaced_model_never_answers_for_a_file_that_cannot_be_used():
    def begin():
        shutil.copy("m.dkvb", "live.dkvb")
        worker = Worker("live.dkvb")
        worker.send(frames(X[0]))
        assert worker.frame() == LABELS[0]
        return worker

    # If the model file is moved away, rows wait until a file is there again.
    worker = begin()
    os.rename("live.dkvb", "away.dkvb")
    worker.send(frames(X[1]))
    time.sleep(0.5)
    shutil.copy("forgot.dkvb", "next.dkvb")
    os.rename("next.dkvb", "live.dkvb")
    assert worker.frame() == FORGOT[1]
    out, err = worker.end()
    assert out == b"" and "rows wait" in err and "models taken up: 1" in err, err
    # A worker ends if its model file stays unusable. Several workers run at once, as each waits for seconds.
    damaged, other, wide = begin(), None, None
    with open("next.dkvb", "wb") as file:
        file.write(open("m.dkvb", "rb").read()[:5000])
    os.replace("next.dkvb", "live.dkvb")
    damaged.send(frames(X[1]))
    time.sleep(0.3)
    shutil.copy("m.dkvb", "second.dkvb")
    other, wide = Worker("second.dkvb"), Worker("second.dkvb")
    for worker in (other, wide):
        worker.send(frames(X[0]))
        assert worker.frame() == LABELS[0]
    shutil.copy("other.dkvb", "next.dkvb")
    os.replace("next.dkvb", "second.dkvb")
    for worker in (other, wide):
        worker.send(frames(X[1]))
    for worker, said in ((damaged, "live.dkvb"), (other, "other codebooks"), (wide, "other codebooks")):
        out, err = worker.end(code=1)
        assert out == b"" and said in err and "were not answered" in err, (out, err)


def a_signal_ends_a_worker_after_the_answers():
    for number in (signal.SIGINT, signal.SIGTERM):
        worker = Worker("m.dkvb")
        worker.send(frames(X[:5]))
        assert (worker.frame() == LABELS[:5]).all()
        worker.process.send_signal(number)
        assert worker.process.wait(timeout=20) == 130
        assert "5 rows in 1 batches" in worker.process.stderr.read().decode()
        worker.process.communicate()


def a_reader_that_is_gone_is_told_of_in_a_sentence():
    worker = Worker("m.dkvb")
    worker.process.stdout.close()
    worker.send(frames(X[0]))
    assert worker.process.wait(timeout=20) == 1
    assert "the reader is gone" in worker.process.stderr.read().decode()


for test in (frames_have_the_answers_and_shapes_of_arrays, lines_have_the_answers_of_tables,
             rows_are_answered_in_their_order_however_their_bytes_are_cut, a_row_is_answered_before_the_next_is_sent,
             columns_are_found_by_name_and_ids_come_back,
             a_bad_frame_is_answered_by_its_error_and_costs_no_other_answer,
             a_bad_line_is_answered_by_its_error_and_costs_no_other_answer, damage_is_named_after_all_earlier_answers,
             a_replaced_file_answers_the_next_row, an_idle_worker_lets_go_of_the_replaced_file,
             a_replaced_model_never_answers_for_a_file_that_cannot_be_used,
             a_signal_ends_a_worker_after_the_answers, a_reader_that_is_gone_is_told_of_in_a_sentence):
    test()
    print("ok", test.__name__)
