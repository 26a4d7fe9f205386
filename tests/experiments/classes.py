"""What does forgetting a class cost, one at a time and half of all classes one after another?

One at a time: `suppress` with the budget that the library finds, from the codes that training kept. Every class where
there are ten, twenty evenly spread where there are more. Half: each half of the classes by as many requests, beside
`exact` on the same keys and beside leaving out the columns of the forgotten classes, which forgets nothing.
"""
import tempfile
from pathlib import Path

import evidence
import numpy as np
from evidence import Table, mean, paired

import dkvb

SETS = {"cifar10": "CIFAR-10", "fashion": "Fashion-MNIST", "tiny100": "Tiny-ImageNet", "clinc150": "CLINC150"}
MOST = 20  # classes of a set, one at a time


class Trained:
    """A model in a file, opened anew for each request, and its codeset, which masks leave as it is."""

    def __init__(self, work, data, seed):
        self.data, self.path = data, Path(work) / "model"
        model, self.codeset, _ = dkvb.fit(data.x, data.y, codeset=True, seed=seed)
        model.save(self.path)

    def open(self):
        return dkvb.Model.load(self.path)


def accuracy(answers, labels, rows):
    return float(np.mean(answers[rows] == labels[rows]))


def one_at_a_time(options, work, tables):
    alone, halves = tables
    for name, title in SETS.items():
        if options.quick and name != "clinc150":
            continue
        data = evidence.load_few(options, name)
        forget, change, worst, pairs, refused, pooled = [], [], [], [], 0, []
        found = {way: [[], []] for way in ("suppress", "exact", "columns dropped")}
        forgotten = {way: [] for way in found}
        for seed in range(options.seeds):
            trained = Trained(work, data, seed)
            before, logits = trained.open().predict(data.test_x, logits=True)
            for label in evidence.spread(data.classes, 2 if options.quick else MOST):
                model = trained.open()
                plan = model.plan_forget(classes=[label], codeset=trained.codeset)
                if plan.refusal:
                    refused += 1
                    continue
                model.apply(plan, trained.codeset)
                after, own = model.predict(data.test_x), data.test_y == label
                losses = [accuracy(before, data.test_y, data.test_y == c) - accuracy(after, data.test_y, data.test_y == c)
                          for c in range(data.classes) if c != label]
                pairs.append(plan.info.pairs)
                forget.append(accuracy(after, data.test_y, own))
                change.append(accuracy(after, data.test_y, ~own) - accuracy(before, data.test_y, ~own))
                worst.append(max(losses))
            if options.quick or (seed > 0 and data.classes > MOST):  # half of many classes is many requests
                continue
            middle = data.classes // 2
            for half, labels in enumerate((range(middle), range(middle, data.classes))):
                rest = ~np.isin(data.test_y, labels)
                answers = {"columns dropped": np.argmax(np.where(np.isin(np.arange(data.classes), labels), -np.inf, logits), 1),
                           "suppress": suppressed(trained, labels), "exact": exact(trained, labels)}
                for way, seen in answers.items():
                    found[way][half].append(accuracy(seen, data.test_y, rest))
                    forgotten[way].append(accuracy(seen, data.test_y, ~rest))
        alone.add(title, f"{min(pairs):,} – {int(np.median(pairs)):,} – {max(pairs):,}", mean(forget), mean(change),
                  f"{max(worst):.3f}".lstrip("0"), f"{refused} of {refused + len(pairs)}")
        alone.bar(f"{title}, pooled forget accuracy", mean(forget).mean, "<=", 0.01)
        alone.bar(f"{title}, mean change of the others", mean(change).mean, ">=", -0.002)
        for half in range(2) if not options.quick else ():
            halves.add(title, "first" if half == 0 else "second", *(mean(found[way][half]) for way in found),
                       paired(found["suppress"][half], found["exact"][half]), mean(forgotten["suppress"][half::2]))
        if name == "cifar10":
            for half in range(2):
                halves.bar("CIFAR-10, others after suppress less exact",
                           paired(found["suppress"][half], found["exact"][half]).difference.mean, ">=", -0.015)


def suppressed(trained, labels):
    model = trained.open()
    for label in labels:
        model.apply(model.plan_forget(classes=[label], codeset=trained.codeset, force=True), trained.codeset)
    return model.predict(trained.data.test_x)


def exact(trained, labels):
    """Answers of values trained again; the codeset stays, so that both halves can be asked of it."""
    model, rows = trained.open(), trained.codeset.rows("training")
    model.replay(trained.codeset, rows.ids[np.isin(rows.labels, list(labels))])
    return model.predict(trained.data.test_x)


def measure(options):
    alone = Table("classes", ["data", "pairs: least, median, most", "forget accuracy", "others, change",
                              "largest loss of one other class", "refused"],
                  note="Units are classes and seeds; test rows. Refused requests are counted and not measured.")
    halves = Table("halves", ["data", "half that goes", "others: suppress", "exact", "columns dropped",
                              "suppress less exact", "forget accuracy, suppress"],
                   note="Units are seeds, one where classes are many; test rows. Requests of this table are forced where the guard refuses.")
    with tempfile.TemporaryDirectory() as work:
        one_at_a_time(options, work, (alone, halves))
    yield alone
    if not options.quick:
        yield halves


if __name__ == "__main__":
    evidence.main(__doc__, measure)
