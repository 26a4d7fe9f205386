#!/usr/bin/env python3
"""Experiment on the sentences of clinc150: can an intent be forgotten, and do its sentences then count as out of scope?

Each row is a sentence of one of 150 intents. 20 intents, evenly spread, are forgotten: each alone, all by one request,
and all in turn by 20 requests; by `suppress` (number of pairs found on held-out rows) and by `exact`, whose values are
those of a model trained without the intents on the same keys, which the script checks once, bit by bit. On test rows
are measured: the accuracy on forgotten and on other intents; the AUROC with which a score separates sentences of the
known intents from the 1,000 out-of-scope rows; and the AUROC with which the score separates them from test sentences of
the forgotten intents. A row for which the model abstains counts as most out of scope.

The score of the table is chosen without test and out-of-scope rows: a model is trained without 10 other intents, and
the score is taken that best separates held-out rows of known intents from rows of these 10 intents.
"""
import tempfile
from dataclasses import dataclass

import numpy as np

import evidence
from fresh import Fresh

import dkvb


@dataclass
class Task:
    """The data of one seed: rows to train on, and rows to measure on."""

    options: object
    data: evidence.Set
    oos: np.ndarray  # Rows of sentences that belong to no intent.
    forgotten: list  # labels
    shape: dict  # Arguments of dkvb.fit().


# Scores of rows, which are larger for rows in scope


def scores(model, logits, answered):
    """Returns every score of every row, -inf where the model abstained, from the logits, float32[n][classes]."""
    info = model.info
    ordered = np.partition(logits, -2, axis=1)
    top = ordered[:, -1].astype(float)
    # The energy of Liu et al. 2020 (arXiv 2010.03759) with the opposite sign: the log of the sum of exp(logits).
    energy = top + np.log(np.exp(logits - ordered[:, -1:]).sum(axis=1, dtype=float))
    found = {"probability": dkvb.softmax(logits, info.temperature, info.temperature_power).max(axis=1).astype(float),
             "logit": top, "energy": energy, "margin": top - ordered[:, -2]}
    return {name: np.where(answered, score, -np.inf) for name, score in found.items()}


SCORES = ("probability", "logit", "energy", "margin")


class Rows:
    """Test rows, followed by out-of-scope rows, with codes searched once for the model of a seed."""

    def __init__(self, task, model):
        self.x = np.concatenate([task.data.test_x, task.oos])
        self.y = np.concatenate([task.data.test_y, np.full(len(task.oos), -1, np.int32)])
        self.codes = model.search(self.x)
        self.before = self.answer(model)

    def answer(self, model):
        """Returns a model's predictions (-1: abstained) and the scores of all rows."""
        codes = model.refresh(self.x, self.codes) if model.info.masked_pairs else self.codes
        logits = model.decode(codes)
        answers = np.where(logits.any(axis=1), dkvb.argmax(logits), -1)  # all logits are 0 if the model abstains
        return answers, scores(model, logits, answers >= 0)

    def measure(self, answered, gone):
        """Computes the figures from what answer() returned; the intents `gone` are forgotten."""
        answers, found = answered
        is_gone, is_oos = np.isin(self.y, gone), self.y < 0
        kept = ~is_gone & ~is_oos
        return {"forget": float((answers == self.y)[is_gone].mean()) if gone else np.nan,
                "others": float((answers == self.y)[kept].mean()),
                "oos": {name: evidence.auroc(s[kept], s[is_oos]) for name, s in found.items()},
                "gone": {name: evidence.auroc(s[kept], s[is_gone]) if gone else np.nan for name, s in found.items()}}


class Trained(Fresh):
    """The model trained with one seed, and the rows on which it is measured."""

    def __init__(self, task, seed, where):
        super().__init__(task.data.x, task.data.y, seed, where, **task.shape)
        self.task, self.rows = task, Rows(task, self.model)


def choose(trained):
    """Returns the AUROC of each score between held-out rows of known intents and rows of 10 intents that were left out
    of training."""
    task = trained.task
    classes = np.setdiff1d(np.arange(task.data.classes), task.forgotten)
    left_out = [int(classes[i]) for i in evidence.spread(len(classes), min(10, len(classes) // 4))]
    with trained.codeset() as codeset:
        held, known = codeset.rows("held_out"), codeset.rows("training")
    model, _, _ = trained.forget("exact", classes=left_out)
    inside = held.codes[~np.isin(held.labels, left_out)][:, :, :model.info.top_k]
    outside = known.codes[np.isin(known.labels, left_out)]
    found = [scores(model, model.decode(codes), model.classify(codes) >= 0)
             for codes in (np.ascontiguousarray(inside), outside)]
    return {name: evidence.auroc(found[0][name], found[1][name]) for name in SCORES}


# Other methods on the same rows


def references(task, gone):
    """Returns the AUROC of two other scores, logistic regression's largest probability and the distance to the nearest
    training row, without the intents `gone`."""
    linear = evidence.package("sklearn.linear_model")
    data, here = task.data, ~np.isin(task.data.y, gone)
    kept, was = (np.isin(data.test_y, gone, invert=invert) for invert in (True, False))
    model = linear.LogisticRegression(C=10.0, max_iter=200).fit(data.x[here], data.y[here])
    x, known = np.concatenate([data.test_x, task.oos]), data.x[here]
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = {}
    for name, score, right in (
            ("logistic regression", model.predict_proba(x).max(axis=1), model.predict(data.test_x) == data.test_y),
            ("nearest training row", (nearest := unit(x) @ unit(known).T).max(axis=1),
             data.y[here][nearest[:len(data.test_y)].argmax(axis=1)] == data.test_y)):
        test, oos = score[:len(data.test_y)], score[len(data.test_y):]
        found[name] = {"others": float(right[kept].mean()), "oos": evidence.auroc(test[kept], oos),
                       "gone": evidence.auroc(test[kept], test[was]) if gone else np.nan}
    return found


# Tables


def task_of(options):
    data = evidence.load(options, "clinc150")
    oos = evidence.array(evidence.folder(options) / "clinc150" / "oos_x.npy")
    if not options.quick:
        return Task(options, data, oos, evidence.spread(data.classes, options.intents), {})
    few, test = data.y < 24, data.test_y < 24
    data = evidence.Set(data.name, data.x[few], data.y[few], data.test_x[test], data.test_y[test], data.names[:24])
    return Task(options, data, oos[:200], [5, 17], {"codebooks": 128, "whiten": "never"})


def measure(options):
    task = task_of(options)
    n = len(task.forgotten)
    whole = evidence.Table("language", ["way of forgetting intents", "masked pairs, median", "requests refused",
                                        "accuracy on forgotten intents, pooled", "accuracy on other intents",
                                        "change of accuracy on other intents", "least change of accuracy",
                                        "AUROC of detecting out-of-scope sentences", "change of that AUROC",
                                        "AUROC of detecting forgotten sentences"])
    seeds = range(options.seeds)
    units = {}  # dict from (strength, how) to a list of (seed, figures, figures before, refused, pairs)
    chosen, by_score = [], {}
    with tempfile.TemporaryDirectory() as where:
        for seed in seeds:
            trained = Trained(task, seed, where)
            chosen.append(choose(trained))
            before = trained.rows.measure(trained.rows.before, [])
            units.setdefault(("before", ""), []).append((before, before, None, 0))
            print(f"  seed {seed}: accuracy {before['others']:.4f}, chosen by {chosen[-1]}", flush=True)
            for strength in ("suppress", "exact"):
                sets = [("one by one", [label]) for label in task.forgotten] if strength == "suppress" or seed == 0 else []
                sets.append((f"all {n}", task.forgotten))
                if strength == "suppress" and seed == 0:
                    sets.append((f"{n} in turn", task.forgotten))
                for how, gone in sets:
                    who = {"requests": [f"class {label}" for label in gone]} if "in turn" in how else {"classes": gone}
                    model, refused, pairs = trained.forget(strength, **who)
                    same_rows = trained.rows.measure(trained.rows.before, gone)
                    after = trained.rows.measure(trained.rows.answer(model), gone)
                    units.setdefault((strength, how), []).append((after, same_rows, refused, pairs))
                    print(f"  seed {seed} {strength} {how} {gone if len(gone) < n else ''}: forget {after['forget']:.4f}, "
                          f"others {after['others']:.4f} ({after['others'] - same_rows['others']:+.4f}), refused {refused}",
                          flush=True)
                    if strength == "exact" and seed == 0 and len(gone) == n:
                        same = np.array_equal(model.values, trained.never_taught(gone))
    score = max(SCORES, key=lambda name: np.mean([found[name] for found in chosen]))
    tests = len(task.data.test_y) // task.data.classes
    whole.note = (f"Figures of this table are means over {options.seeds} seeds × {n} intents ({tests} test sentences "
                  f"each); `exact` one by "
                  f"one and {n} in turn were measured with seed 0 only. In this table the score "
                  f"*{score}*, which was chosen on training rows, detects out-of-scope sentences. The values after "
                  f"`exact` are "
                  f"{'bit for bit those' if same else '**not** those'} of "
                  f"a training without the forgotten rows (checked with all {n} intents, seed 0).")
    for (strength, how), found in units.items():
        after, before = [f[0] for f in found], [f[1] for f in found]
        change = [a["others"] - b["others"] for a, b in zip(after, before)]
        gone = evidence.mean([a["gone"][score] for a in after])
        was = evidence.mean([b["gone"][score] for b in before])
        whole.add(f"{strength}, {how}" if how else "nothing", str(int(np.median([f[3] for f in found]))) if strength == "suppress" else "–",
                  str(sum(f[2] is not None for f in found)) + f" of {len(found)}" if how else "–",
                  evidence.mean([a["forget"] for a in after]), evidence.mean([a["others"] for a in after]),
                  evidence.paired([a["others"] for a in after], [b["others"] for b in before]) if how else "–",
                  float(min(change)) if how else "–",
                  evidence.mean([a["oos"][score] for a in after]),
                  evidence.paired([a["oos"][score] for a in after], [b["oos"][score] for b in before]) if how else "–",
                  f"{gone.text(4)} (before {was.text(4)})" if how else "–")
        if how:
            what = f"{strength}, {how}"
            whole.bar(f"forgetting intents by {what}: accuracy on forgotten intents",
                      float(np.mean([a["forget"] for a in after])), "<=", .01)
            whole.bar(f"forgetting intents by {what}: change of accuracy on the other intents",
                      float(np.mean(change)), ">=", -.002)
            whole.bar(f"forgetting intents by {what}: change of the AUROC of detecting out-of-scope sentences",
                      float(np.mean([a["oos"][score] - b["oos"][score] for a, b in zip(after, before)])), ">=", -.005)
            whole.bar(f"forgetting intents by {what}: AUROC of detecting forgotten sentences as out of scope",
                      gone.mean, ">=", .85)
    yield whole

    every = evidence.Table("language-scores", ["score that detects out-of-scope sentences",
                                               "AUROC on training rows, which chooses the score",
                                               "accuracy on all intents, before",
                                               "AUROC of out-of-scope sentences, before",
                                               f"out-of-scope sentences, suppress, all {n}",
                                               f"out-of-scope sentences, exact, all {n}",
                                               f"AUROC of forgotten sentences, suppress, all {n}",
                                               f"forgotten sentences, exact, all {n}",
                                               "forgotten sentences, suppress, one by one",
                                               "forgotten sentences, exact, one by one"])
    every.note = ("The figures of the table of scores are AUROCs, except in the column of accuracy, which is that on "
                  "test rows of all intents. The two reference methods, logistic regression and the nearest training row, "
                  "are trained again without the forgotten intents.")
    for name in SCORES:
        pick = lambda key, what: evidence.mean([f[0][what][name] for f in units[key]])
        every.add(name, evidence.mean([found[name] for found in chosen]),
                  evidence.mean([f[0]["others"] for f in units["before", ""]]), pick(("before", ""), "oos"),
                  *(pick((s, f"all {n}"), what) for what in ("oos", "gone") for s in ("suppress", "exact")),
                  *(pick((s, "one by one"), "gone") for s in ("suppress", "exact")))
    first, second = references(task, []), references(task, task.forgotten)
    for name in first:
        every.add(name, "–", first[name]["others"], first[name]["oos"], "–", second[name]["oos"], "–", second[name]["gone"],
                  "–", "–")
    yield every


if __name__ == "__main__":
    evidence.main(__doc__, measure, seeds=3, options=[
        ("--intents", {"type": int, "default": 20, "help": "so many intents are forgotten, evenly spread (20)"})])
