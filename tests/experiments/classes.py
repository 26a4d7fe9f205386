"""Experiment: what does forgetting cost, for one class at a time and for half of all classes one after another?

In the first part classes are forgotten one at a time by `suppress`, with the number of pairs that the library finds,
from the codes stored at training: all classes of a data set with ten, twenty evenly spread classes of larger data sets.
In the second part each half of the classes is forgotten by one request for each class, compared with `exact` on the
same keys and with leaving out the output columns of the forgotten classes, which forgets nothing.
"""
import tempfile

import evidence
import numpy as np
from evidence import Table, mean, paired
from fresh import Fresh

SETS = {"cifar10": "CIFAR-10", "fashion": "Fashion-MNIST", "tiny100": "Tiny-ImageNet", "clinc150": "CLINC150"}
MOST = 20  # largest number of classes of a data set that are forgotten one at a time


def accuracy(answers, labels, rows):
    return float(np.mean(answers[rows] == labels[rows]))


class Alone:
    """Results on the test rows of forgetting one class at a time; the units of means are pairs of a class and a
    seed."""

    def __init__(self):
        self.forgotten, self.change, self.worst, self.pairs, self.refused = [], [], [], [], 0

    def forget(self, data, fit, codeset, before, label):
        with fit.open() as model, model.plan_forget(classes=[label], codeset=codeset) as plan:
            if plan.refusal:
                self.refused += 1
                return
            pairs = plan.info.pairs
            model.apply(plan, codeset)
            after = model.predict(data.test_x)
        own = data.test_y == label
        was, now = ([accuracy(answers, data.test_y, data.test_y == c) for c in range(data.classes) if c != label]
                    for answers in (before, after))
        self.pairs.append(pairs)
        self.forgotten.append(accuracy(after, data.test_y, own))
        self.change.append(accuracy(after, data.test_y, ~own) - accuracy(before, data.test_y, ~own))
        self.worst.append(max(a - b for a, b in zip(was, now)))


class Halves:
    """Accuracy on kept and on forgotten classes, for each method and half; the units of means are seeds."""

    def __init__(self):
        self.stay = {way: [[], []] for way in ("suppress", "exact", "columns dropped")}
        self.gone = [[], []]  # of suppress

    def forget(self, data, fit, codeset, logits):
        middle = data.classes // 2
        for half, labels in enumerate((range(middle), range(middle, data.classes))):
            gone = np.isin(data.test_y, labels)
            dropped = np.where(np.isin(np.arange(data.classes), labels), -np.inf, logits)
            answers = {"suppress": suppressed(data, fit, codeset, labels), "exact": exact(data, fit, codeset, labels),
                       "columns dropped": np.argmax(dropped, 1)}
            for way, seen in answers.items():
                self.stay[way][half].append(accuracy(seen, data.test_y, ~gone))
            self.gone[half].append(accuracy(answers["suppress"], data.test_y, gone))


def suppressed(data, fit, codeset, labels):
    with fit.open() as model:
        for label in labels:
            plan = model.plan_forget(classes=[label], codeset=codeset, force=True)
            # if no number of pairs reaches the target, takes the one that comes nearest
            if plan.info.refused == "target":
                plan = model.plan_forget(classes=[label], codeset=codeset, force=True, budget=plan.info.budget.budget)
            model.apply(plan, codeset)
        return model.predict(data.test_x)


def exact(data, fit, codeset, labels):
    """Returns the predictions of values trained again without some classes; the codeset keeps all rows, for forgetting
    the other half."""
    rows = codeset.rows("training")
    with fit.open() as model:
        model.replay(codeset, rows.ids[np.isin(rows.labels, list(labels))])
        return model.predict(data.test_x)


def forget_all(options, data, work):
    alone, halves = Alone(), Halves()
    for seed in range(options.seeds):
        fit = Fresh(data.x, data.y, seed, work)
        codeset = fit.codeset()
        before, logits = fit.model.predict(data.test_x, logits=True)
        for label in evidence.spread(data.classes, 2 if options.quick else MOST):
            alone.forget(data, fit, codeset, before, label)
        # forgetting half of many classes takes many requests
        if not options.quick and (seed == 0 or data.classes <= MOST):
            halves.forget(data, fit, codeset, logits)
        codeset.close()
        fit.remove()
    return alone, halves


def measure(options):
    alone = Table("classes", ["data of which one class is forgotten by suppress", "masked pairs: least, median, most",
                              "forget accuracy", "change of accuracy on the other classes",
                              "largest loss of one other class", "requests refused"],
                  note="Figures of this table are means over classes and seeds, on test rows. For a request to forget "
                       "that the guard refuses, no accuracy is measured.")
    halves = Table("halves", ["data of which half of the classes are forgotten", "half that is forgotten",
                              "accuracy on other classes after suppress", "on other classes after exact",
                              "on other classes, columns dropped", "after suppress less after exact",
                              "on forgotten classes after suppress"],
                   note="Figures of this table are means over seeds (one seed for data sets with many classes), on "
                        "test rows. A request to forget a class of the half is forced if the guard refuses the "
                        "request.")
    with tempfile.TemporaryDirectory() as work:
        for name, title in SETS.items():
            if options.quick and name != "clinc150":
                continue
            one, half = forget_all(options, evidence.load_few(options, name), work)
            alone.add(title, f"{min(one.pairs):,} – {int(np.median(one.pairs)):,} – {max(one.pairs):,}",
                      mean(one.forgotten), mean(one.change), f"{max(one.worst):.3f}".lstrip("0"),
                      f"{one.refused} of {one.refused + len(one.pairs)}")
            alone.bar(f"{title}, accuracy on a class after it was forgotten by suppress, pooled",
                      mean(one.forgotten).mean, "<=", 0.01)
            alone.bar(f"{title}, mean change of accuracy on the other classes by suppress",
                      mean(one.change).mean, ">=", -0.002)
            for which, word in enumerate(("first", "second") if not options.quick else ()):
                less = paired(half.stay["suppress"][which], half.stay["exact"][which])
                halves.add(title, word, *(mean(half.stay[way][which]) for way in half.stay), less, mean(half.gone[which]))
                if name == "cifar10":
                    halves.bar("CIFAR-10, accuracy on the remaining half of the classes after suppress, less that "
                               "after exact", less.difference.mean, ">=", -0.015)
    yield alone
    if not options.quick:
        yield halves


if __name__ == "__main__":
    evidence.main(__doc__, measure)
