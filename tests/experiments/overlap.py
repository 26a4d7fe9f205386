"""Experiment: does the overlap of two classes predict how forgetting one class changes the accuracy on the other?

Each class is forgotten alone by `suppress`; for each couple of a forgotten and another class, the change of the other
class's test accuracy is compared with the weighted overlap of both classes (docs/separation.md), which is known before
anything is masked.
"""
import tempfile

import evidence
import numpy as np
from classes import SETS, accuracy
from evidence import Table, mean
from fresh import Fresh

import dkvb

BANDS = [(0.0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 1.0)]
MOST = 20  # largest number of classes of a data set that are forgotten


def couples(data, fit, most):
    """Returns for each couple of classes the overlap and the change of the other class's accuracy, and for each class
    the overlap with its nearest class and the number of masked pairs."""
    codeset, of_couples, of_classes = fit.codeset(), [], []
    rows, before = codeset.rows("training"), fit.model.predict(data.test_x)
    found = dkvb.separation(rows.codes, rows.labels, fit.model.info.keys, data.classes)
    for label in evidence.spread(data.classes, most):
        with fit.open() as model, model.plan_forget(classes=[label], codeset=codeset, force=True) as plan:
            of_classes.append((found.overlap[label], plan.info.pairs))
            model.apply(plan, codeset)
            after = model.predict(data.test_x)
        for other in range(data.classes):
            if other != label:
                own = data.test_y == other
                of_couples.append((found.weighted[label, other],
                                   accuracy(after, data.test_y, own) - accuracy(before, data.test_y, own)))
    codeset.close()
    fit.remove()
    return np.array(of_couples), np.array(of_classes)


def measure(options):
    table = Table("overlap", ["data", "weighted overlap of two classes", "couples of classes",
                              "change of accuracy of the class that is not forgotten", "least and most change"],
                  note="Figures of this table are means over pairs of classes, of all seeds together, on test rows. "
                       "Requests to forget that the guard refuses are forced.")
    told = Table("foretold", ["data of the correlation", "correlation of overlap and change of accuracy",
                              "of overlap and size of the change",
                              "of overlap with the nearest class and number of masked pairs"], digits=2,
                 note="The table of overlap has Pearson's correlation coefficients, as means over seeds.")
    with tempfile.TemporaryDirectory() as work:
        for name, title in SETS.items():
            if name not in (("clinc150",) if options.quick else ("cifar10", "fashion", "clinc150")):
                continue
            data = evidence.load_few(options, name)
            seeds = [couples(data, Fresh(data.x, data.y, seed, work), 2 if options.quick else MOST)
                     for seed in range(options.seeds)]
            together = np.concatenate([of_couples for of_couples, _ in seeds])
            for low, high in BANDS:
                inside = together[(together[:, 0] >= low) & (together[:, 0] < high), 1]
                if len(inside):
                    table.add(title, f"{low:g} to {high:g}", str(len(inside)), mean(inside),
                              f"{inside.min():+.3f}, {inside.max():+.3f}".replace("-", "−").replace("0.", "."))
            told.add(title, *(mean([np.corrcoef(*columns(seed))[0, 1] for seed in seeds]) for columns in (
                lambda s: (s[0][:, 0], s[0][:, 1]), lambda s: (s[0][:, 0], abs(s[0][:, 1])),
                lambda s: (s[1][:, 0], s[1][:, 1]))))
    yield table
    yield told


evidence.main(__doc__, measure)
