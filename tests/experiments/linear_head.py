#!/usr/bin/env python3
"""Experiment on linear heads, which a user could take instead of a model of this library.

Ridge and multinomial logistic regression (docs/reference.md) on the same rows: test accuracy and seconds of fitting;
then classes, evenly spread, are forgotten one at a time: by `suppress`, by `exact`, and by heads fitted without the
class; and the encoder probe, which shows how well heads of all rows still separate the class. A head does not depend on
a seed, so it has one value.
"""
import os
import tempfile
import time
from pathlib import Path

# OpenBLAS chooses its plainest kernels on processors that it does not know, as in some virtual machines. For a fair
# comparison of times, the script tells OpenBLAS to use AVX2 before NumPy loads it.
if " avx2 " in Path("/proc/cpuinfo").read_text():
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")

import numpy as np

import evidence
from evidence import Table, mean, paired

import dkvb

SETS = {"cifar10": "CIFAR-10", "tiny100": "Tiny-ImageNet, 20 classes", "clinc150": "CLINC150"}
OF_TINY = 20  # Classes, evenly spread.
CLASSES = 5  # Number of classes that are forgotten, one at a time.
KINDS = ("ridge", "logistic")


def load(options, name):
    """Loads a data set; of tiny100 only OF_TINY classes, evenly spread, and with --quick few classes of any data
    set."""
    data = evidence.load(options, name)
    few = 20 if options.quick else OF_TINY if name == "tiny100" else data.classes
    chosen = evidence.spread(data.classes, few)
    new = np.full(data.classes, -1, np.int32)
    new[chosen] = np.arange(len(chosen))
    y, test_y = new[data.y], new[data.test_y]
    return evidence.Set(name, data.x[y >= 0], y[y >= 0], data.test_x[test_y >= 0], test_y[test_y >= 0],
                        [data.names[label] for label in chosen])


def timed(do):
    """Calls `do`, and returns its result and the seconds it took."""
    began = time.perf_counter()
    found = do()
    return found, time.perf_counter() - began


class Answered:
    """Predictions of the test rows, with the accuracy of each class."""

    def __init__(self, data, answers, seconds=0.0):
        self.right, self.test_y, self.seconds = answers == data.test_y, data.test_y, seconds

    def all(self):
        return float(self.right.mean())

    def of(self, label):
        return float(self.right[self.test_y == label].mean())

    def others(self, label):
        return float(self.right[self.test_y != label].mean())


class Ours:
    """The results of a model with one seed: before, and after forgetting each class with the stored codes."""

    def __init__(self, data, labels, seed, work):
        path = Path(work) / "model"
        (before, codeset, self.report), seconds = timed(lambda: dkvb.fit(data.x, data.y, codeset=True, seed=seed))
        before.save(path)
        rows = codeset.rows("training")
        self.before = Answered(data, before.predict(data.test_x), seconds)
        self.after, self.refused = {"suppress": {}, "exact": {}}, 0
        for label in labels:
            for way, forget in (("suppress", self.suppress), ("exact", self.exact)):
                model = dkvb.Model.load(path)
                try:
                    _, seconds = timed(lambda: forget(model, codeset, rows, label))
                except dkvb.Refused:  # no number of pairs meets the accuracy limits
                    self.refused += 1
                    continue
                self.after[way][label] = Answered(data, model.predict(data.test_x), seconds)

    @staticmethod
    def suppress(model, codeset, _rows, label):
        model.apply(model.plan_forget(classes=[label], codeset=codeset, force=True), codeset)

    @staticmethod
    def exact(model, codeset, rows, label):
        # the codeset keeps the rows of the class, for forgetting the next class
        model.replay(codeset, rows.ids[rows.labels == label])


class Heads:
    """Linear heads of one kind: fitted on all rows, and without each class with the penalty chosen on all rows."""

    def __init__(self, data, labels, kind):
        head, self.seconds = timed(lambda: dkvb.reference.fit(data.x, data.y, kind=kind))
        self.info, scores = head.info, head.scores(data.test_x)
        self.before = Answered(data, head.predict(data.test_x), self.seconds)
        self.after, self.auc = {}, {}
        for label in labels:
            margin = scores[:, label] - np.delete(scores, label, axis=1).max(axis=1)
            self.auc[label] = evidence.auroc(margin[data.test_y == label], margin[data.test_y != label])
            without, seconds = timed(lambda: self.without(data, label, kind)) if kind == "logistic" else self.removed(
                data, label, kind)
            self.after[label] = Answered(data, without.predict(data.test_x), seconds)

    def without(self, data, label, kind):
        return dkvb.reference.fit(data.x, np.where(data.y == label, -1, data.y).astype(np.int32), kind=kind,
                                  classes=data.classes, penalty=self.info.penalty)

    def removed(self, data, label, kind):
        head = dkvb.reference.fit(data.x, data.y, kind=kind, penalty=self.info.penalty)
        gone = data.y == label
        return head, timed(lambda: head.remove(data.x[gone], data.y[gone]))[1]


def measure(options):
    fits = Table("linear-head", ["data of the comparison with linear heads", "classifier", "penalty", "test accuracy",
                                 "seconds of training", "seconds without choosing the penalty"], digits=3,
                 note=f"Figures of *ours* (libdkvb) are means over {options.seeds} seeds, with a tenth of the rows "
                      f"held "
                      "out for later forgetting; heads are fitted on all rows and have one value. The seconds of "
                      "libdkvb are for placing keys, search and training values together.")
    forgets = Table("linear-head-forgotten", ["data of which one class is forgotten", "way of forgetting",
                                              "accuracy on other classes, before", "other classes, after",
                                              "other classes, after less logistic's",
                                              "forgotten class, after", "seconds of forgetting"], digits=3,
                    note=f"Figures of this table are means over {CLASSES} evenly spread classes, forgotten one at a "
                         f"time; figures of libdkvb are also means over seeds. Accuracies before and after the "
                         "forgetting of a class are measured on test rows. The seconds of a way of forgetting are "
                         "those of planning and applying *suppress*, of "
                         "training values again for *exact* (both from codes), of taking the rows out of ridge, and "
                         "of fitting logistic again with the penalty of all rows.")
    probes = Table("linear-head-probe", ["data of the probe", "linear head fitted on all rows", "AUC of the class",
                                         "accuracy on the class"], digits=3,
                   note=f"Figures of this table are means over {CLASSES} evenly spread classes. The AUC of a "
                        "head compares test rows of the class with all other test rows, by the score of the class "
                        "less the largest other score. Forgetting in a model does not change the AUC of a head.")
    with tempfile.TemporaryDirectory() as work:
        for name in ["clinc150"] if options.quick else options.sets.split(","):
            title, data = SETS[name], load(options, name)
            labels = evidence.spread(data.classes, 1 if options.quick else CLASSES)
            ours = [Ours(data, labels, seed, work) for seed in range(options.seeds)]
            heads = {kind: Heads(data, labels, kind) for kind in KINDS}
            fitted(fits, title, ours, heads)
            forgotten(forgets, title, labels, ours, heads)
            for kind, head in heads.items():
                probes.add(title, kind, mean([head.auc[label] for label in labels]),
                           mean([head.before.of(label) for label in labels]))
    yield fits
    yield forgets
    yield probes


def fitted(table, title, ours, heads):
    seconds = mean([one.before.seconds for one in ours])
    right = table.text(mean([one.before.all() for one in ours]))
    table.add(title, "ours", "–", f"{right} of test rows right", f"{seconds.mean:.1f} s of training", "–")
    for kind, head in heads.items():
        table.add(title, kind, f"penalty {head.info.penalty:g}", f"{table.text(head.before.all())} of test rows right",
                  f"{head.seconds:.1f} s of training",
                  f"{head.seconds - head.info.choosing:.1f} s without choosing the penalty")


def forgotten(table, title, labels, ours, heads):
    def over_seeds(figure, way="exact"):
        """Returns the mean of a figure over seeds, by class; NaN for a class for which the plans of all seeds were
        refused."""
        found = [[figure(one, label) for one in ours if label in one.after[way]] for label in labels]
        return [float(np.mean(values)) if values else float("nan") for values in found]

    logistic = [heads["logistic"].after[label].others(label) for label in labels]
    before = over_seeds(lambda one, label: one.before.others(label))
    for way in ("suppress", "exact"):
        others = over_seeds(lambda one, label: one.after[way][label].others(label), way)
        seconds = np.nanmean(over_seeds(lambda one, label: one.after[way][label].seconds, way))
        refused = sum(one.refused for one in ours) if way == "suppress" else 0
        told = f"{way}, {refused} of {len(ours) * len(labels)} refused" if refused else way
        table.add(title, told, mean(before), mean(others), paired(others, logistic),
                  mean(over_seeds(lambda one, label: one.after[way][label].of(label), way)), f"{seconds:.2f}")
    for kind, head in heads.items():
        others = [head.after[label].others(label) for label in labels]
        table.add(title, kind, mean([head.before.others(label) for label in labels]), mean(others),
                  "–" if kind == "logistic" else paired(others, logistic),
                  mean([head.after[label].of(label) for label in labels]),
                  f"{np.mean([head.after[label].seconds for label in labels]):.2f}")


evidence.main(__doc__, measure, options=[
    ("--sets", {"default": ",".join(SETS), "help": f"of {','.join(SETS)} (all)"})])
