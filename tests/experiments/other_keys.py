#!/usr/bin/env python3
"""Experiment on keys that are placed on one half of the training rows, while the values learn from the other half.

The experiment compares keys placed on the rows that the values learn from, keys on as many other rows of the same data
set, and keys on as many rows of another data set (tiny100, with other pictures and other principal axes). The values
always learn from the same half of cifar10. Classes are forgotten one at a time by `suppress`, and one class by `exact`,
whose file is compared byte by byte with that of a whole fit without the rows of the class: keys, values and all.
"""
import numpy as np

import evidence

import dkvb

CLASSES = 5
LOOK = 1000  # Number of training rows of the forgotten class on which membership is measured.
QUICK = 4000  # Number of rows of the data set with --quick.

SAME, OTHER, ELSEWHERE = "the same rows", "the other half", "tiny100"


class Half:
    """The half of the training rows that values learn from, and the rows on which keys are placed."""

    def __init__(self, options, data, limit):
        self.x, self.y = data.x[:limit][1::2], data.y[:limit][1::2]
        self.test_x, self.test_y = data.test_x[:limit], data.test_y[:limit]
        self.rows = {SAME: None, OTHER: data.x[:limit][::2],
                     ELSEWHERE: evidence.load(options, "tiny100").x[:len(self.x)]}

    def fit(self, where, seed, left=None):
        """Fits a model to the rows `left`, by default all; if keys are placed on the same rows, only on those in
        `left`."""
        left = np.arange(len(self.y)) if left is None else left
        return dkvb.fit(self.x[left], self.y[left], ids=left, classes=10, codeset=True, keep="codes", seed=seed,
                        whiten="never", key_rows=self.rows[where])


def members(half, model, trained, label, codes):
    """Returns the AUC of the membership attack by loss, between training rows and test rows of a class."""
    rows = trained[half.y[trained] == label]
    rows = rows[evidence.spread(len(rows), LOOK)]
    tests = half.test_y == label
    margins = [evidence.margins(model.decode(searched), labels) for searched, labels in
               ((model.search(half.x[rows]), half.y[rows]), (codes[tests], half.test_y[tests]))]
    return evidence.auroc(*margins)


def one(half, where, seed, classes):
    """Runs all measurements with one seed for keys placed on one kind of rows."""
    model, codeset, _ = half.fit(where, seed)
    trained = codeset.rows("training").ids.astype(int)
    first = model.search(half.test_x)
    right = model.classify(first) == half.test_y
    found = {"accuracy": [right.mean()], **{name: [] for name in ("forgotten", "others", "refused", "before", "after",
                                                                  "exact")}}
    for label in classes:
        theirs = half.test_y == label
        found["before"].append(members(half, model, trained, label, first))
        plan = model.plan_forget(classes=[label], codeset=codeset)
        found["refused"].append(plan.info.refused is not None)
        if plan.info.refused:
            continue
        entry = model.apply(plan, codeset)
        codes = model.refresh(half.test_x, first)
        now = model.classify(codes) == half.test_y
        found["forgotten"].append(now[theirs].mean())
        found["others"].append(now[~theirs].mean() - right[~theirs].mean())
        found["after"].append(members(half, model, trained, label, codes))
        model.undo(entry)
    label = classes[seed % len(classes)]
    plan = model.plan_forget(classes=[label], codeset=codeset, strength="exact", keys="keep" if where == SAME else None)
    model.apply(plan, codeset)
    found["exact"].append(members(half, model, trained, label, first))
    found["differ"] = evidence.differing(model, half.fit(where, seed, np.flatnonzero(half.y != label)).model)
    return found


def measure(options):
    table = evidence.Table(
        "other-keys", ["rows that the keys were placed on", "accuracy",
                       "accuracy less that with keys on the same rows",
                       "accuracy on the class forgotten by suppress",
                       "change of accuracy on the other classes", "requests refused",
                       "membership AUC before", "membership AUC after suppress", "membership AUC after exact",
                       "sections of the file after exact unlike never trained"])
    limit = QUICK if options.quick else None
    half = Half(options, evidence.load(options, "cifar10"), limit)
    classes = evidence.spread(10, 1 if options.quick else CLASSES)
    found = {where: [one(half, where, seed, classes) for seed in range(options.seeds)]
             for where in (SAME, OTHER, ELSEWHERE)}

    def column(where, name):
        return [value for unit in found[where] for value in unit[name]]

    for where in found:
        against = evidence.paired(column(where, "accuracy"), column(SAME, "accuracy"))
        refused = column(where, "refused")
        differ = sorted({section for unit in found[where] for section in unit["differ"]})
        table.add(where, evidence.mean(column(where, "accuracy")), "–" if where == SAME else against,
                  *(evidence.mean(column(where, name)) for name in ("forgotten", "others")),
                  f"{sum(refused)} of {len(refused)}",
                  *(evidence.mean(column(where, name)) for name in ("before", "after", "exact")),
                  ", ".join(differ) or "none")
    means = {where: {name: float(np.mean(column(where, name))) for name in ("accuracy", "forgotten", "others")}
             for where in found}
    same, other = means[SAME], means[OTHER]
    table.bar("keys placed on the other half of the rows: accuracy below that with keys on the same rows",
              same["accuracy"] - other["accuracy"], "<=", 0.01)
    table.bar("keys placed on the other half of the rows: forgotten class answered more often",
              other["forgotten"] - same["forgotten"], "<=", 0)
    table.bar("keys placed on the other half of the rows: other classes lose more accuracy",
              same["others"] - other["others"], "<=", 0)
    table.bar("keys placed on the other half of the rows: sections of the file after exact unlike never trained",
              len({s for unit in found[OTHER] for s in unit["differ"]}),
              "<=", 0)
    if all(len(column(where, "others")) == len(column(SAME, "others")) for where in found):
        for name, what in (("forgotten", "Accuracy on the forgotten class"),
                           ("others", "Change of accuracy on the other classes")):
            against = evidence.paired(column(OTHER, name), column(SAME, name))
            table.note += (f"{what}: with keys on the other half of the rows the figure differs from that with keys "
                           f"on the same rows by {against.text(4)}. ")
    table.note += (f"Figures of this table are means over {options.seeds} seeds and {len(classes)} evenly spread "
                   f"classes of cifar10, with "
                   f"{len(half.y):,} rows to learn from. In the experiment on keys placed on other rows, "
                   "`exact` forgets only one class for each seed.")
    yield table


if __name__ == "__main__":
    evidence.main(__doc__, measure)
