#!/bin/sh
# Test that all forms of `dkvb predict` agree with each other, and that a row whose keys are all masked gets no class.
. "$(dirname "$0")/common.sh"
make_data
train_small m.dkvb
check "$dkvb" predict m.dkvb --features test_x.npy -o labels.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --top 3 -o top.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --scores -o scores.npy >/dev/null
check "$dkvb" predict m.dkvb --features test_x.npy --top 2 --json >top.json
check "$dkvb" predict m.dkvb --features test_x.npy >text.txt
[ "$(wc -l <text.txt)" -eq 101 ] || fail "not a heading and a line for each row"

# All pairs are masked, so the model abstains on all rows.
check "$dkvb" forget m.dkvb -o none.dkvb --method examples --examples 400 --features x.npy >/dev/null
while "$dkvb" forget none.dkvb --method examples --examples 400 --features x.npy >/dev/null 2>why.txt; do :; done
grep -q 'nothing would be done' why.txt || fail "$(cat why.txt)"
check "$dkvb" predict none.dkvb --features test_x.npy --top 2 -o none.npy --json >none.json
claim none.json 'd["abstained"] == d["n"] == 100 and d["predictions"] is None'
check "$dkvb" predict none.dkvb --features test_x.npy --json >none_answers.json
claim none_answers.json 'd["predictions"] == [[]] * 100'
check "$dkvb" predict none.dkvb --features test_x.npy >none.txt
[ "$(grep -c abstained none.txt)" -eq 100 ] || fail "the text does not say who abstained"
check "$dkvb" eval none.dkvb --features test_x.npy --labels test_y.npy --json >none_eval.json
claim none_eval.json 'd["abstained"] == 100 and d["accuracy"] == 0 and abs(d["loss"] - 1.3862943611) < 1e-6'
check "$dkvb" search none.dkvb --features test_x.npy -o codes.npy --distances dist.npy >/dev/null

check "$python" - <<'END'
import json
import numpy as np

labels, top, scores = np.load("labels.npy"), np.load("top.npy"), np.load("scores.npy")
assert labels.dtype == np.int32 and labels.shape == (100,), labels
assert top.dtype == np.int32 and top.shape == (100, 3), top
assert scores.dtype == np.float32 and scores.shape == (100, 4), scores
assert (labels == scores.argmax(axis=1)).all() and (labels == top[:, 0]).all()
assert (np.take_along_axis(scores, top, 1) == -np.sort(-scores, axis=1)[:, :3]).all()
probs = np.exp(scores.astype(float))
probs /= probs.sum(axis=1, keepdims=True)
for row, answers in enumerate(json.load(open("top.json"))["predictions"]):
    assert [a["label"] for a in answers] == list(top[row, :2])
    assert all(abs(a["probability"] - probs[row, a["label"]]) < 1e-6 for a in answers)
lines = [line.split() for line in open("text.txt")][1:]
assert [int(line[1]) for line in lines] == list(labels)
assert (np.load("none.npy") == -1).all()
assert (np.load("codes.npy") == 65535).all() and (np.load("dist.npy") == np.iinfo(np.int32).max).all()
END
