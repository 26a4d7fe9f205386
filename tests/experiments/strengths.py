"""Experiment: how do the strengths of forgetting compare with training again, for each membership attack?

Classes, evenly spread, are forgotten one at a time by `suppress`, with the number of pairs that the library finds, and
by `exact`. They are compared with the model before, the model before without the output column of the class, and values
trained again with another seed (replay). The option `--klom N` measures only KLoM, the divergence of margins over N
models, for one class of CIFAR-10.

PrivLeak, the average gap, relearning and KLoM are defined in docs/audit.md.
"""
import tempfile

import evidence
from evidence import Figure, Table, mean
from fresh import Fresh

SETS = {"cifar10": "CIFAR-10", "clinc150": "CLINC150", "fashion": "Fashion-MNIST"}
CLASSES = 2  # number of classes of a data set that are forgotten, one at a time
ATTACKS = ("membership_loss", "membership_lira", "membership_rmia")
SHOWN = ("average_gap", "accuracy_class", "accuracy_rest", "constant_class", "relearn_10_class", "prototypes_1_class",
         "prototypes_10_class", "mask_class")
GROUPS = ("klom_forgotten", "klom_retained", "klom_class", "klom_rest")
WAYS = ("before", "column dropped", "suppress", "exact", "replay", "retrained")


class Trained(Fresh):
    """A model that is audited after each forgetting, and its codeset, which keeps all rows."""

    def __init__(self, work, data, seed):
        super().__init__(data.x, data.y, seed, work)
        self.data, self.kept = data, self.codeset()

    def suppressed(self, label):
        model = self.open()
        model.apply(model.plan_forget(classes=[label], codeset=self.kept, force=True), self.kept)
        return model

    def exact(self, label):
        """Trains the values again without a class; the codeset keeps the rows of the class, for forgetting the next
        class."""
        model, rows = self.open(), self.kept.rows("training")
        model.replay(self.kept, rows.ids[rows.labels == label])
        return model

    def audit(self, model, label, **settings):
        data = self.data
        return model.audit(data.x, data.y, data.test_x, data.test_y, classes=[label], codeset=self.kept, **settings)

    def ways(self, label, **settings):
        """Returns the figures of each model, from two audits: one of `exact`, one of all other models."""
        found = self.audit(self.suppressed(label), label, before=self.model, **settings)
        exact = self.audit(self.exact(label), label, **settings)
        figures = {way: found.subjects[way] for way in WAYS if way in found.subjects}
        return {**figures, "suppress": found["model"], "exact": exact["model"]}, found


def attacked(options, work):
    """Measures PrivLeak of three attacks, the average gap, accuracies and recovery; the units of means are pairs of a
    class and a seed."""
    table = Table("strengths", ["data of the audit", "model that is audited",
                                *(f"PrivLeak of the attack {a[11:]}" for a in ATTACKS),
                                *(f"`{s}`" for s in SHOWN)], digits=3,
                  note=f"Figures of this table are means over classes and seeds, with {options.shadows} shadow and 2 "
                       f"reference models per audit. PrivLeak is (AUC − AUC retrained) / AUC retrained; "
                       "docs/audit.md defines the figures of all other columns of this table, under the names that "
                       "the columns have.")
    for name in ["clinc150"] if options.quick else options.sets.split(","):
        title = SETS[name]
        data, units = evidence.load_few(options, name), {way: [] for way in WAYS}
        for seed in range(options.seeds):
            trained = Trained(work, data, seed)
            for label in evidence.spread(data.classes, 1 if options.quick else options.classes):
                figures, _ = trained.ways(label, shadows=4 if options.quick else options.shadows, seed=seed)
                for way in WAYS:
                    units[way].append(figures[way])
        for way in WAYS:
            table.add(title, way, *(mean([u[a].privleak.value for u in units[way]]) for a in ATTACKS),
                      *(mean([u[s].value for u in units[way]]) for s in SHOWN))
        table.bar(f"{title}, largest average gap of exact to the retrained model",
                  max(u["average_gap"].value for u in units["exact"]), "<=", 0)
        table.bar(f"{title}, largest absolute PrivLeak of exact",
                  max(abs(u[a].privleak.value) for u in units["exact"] for a in ATTACKS), "<=", 0)
    yield table


def of_rows(estimate, rows):
    """Converts an Estimate of the library, whose interval is over rows, to a Figure."""
    return Figure(estimate.value, (estimate.high - estimate.low) / 2, rows)


def diverging(options, work):
    """Measures KLoM of one class between unlearned and retrained models: mean and 95th percentile over the rows."""
    name = "clinc150" if options.quick else "cifar10"
    table = Table("klom", ["model whose KLoM is measured",
                           *(part for g in GROUPS for part in (f"KLoM of {g[5:]} rows, mean",
                                                               f"{g[5:]} rows, 95th percentile")), "verdicts"],
                  digits=3, note=f"This table has KLoM after the first of the evenly spread classes of {SETS[name]} "
                                 f"was forgotten, for ensembles of {options.klom} models. Intervals are over the rows "
                                 "of one audit, at most 1,000 of each group. The line *replay* is the noise floor of "
                                 "KLoM: it compares two ensembles of retrained models. A verdict judges the paired "
                                 "difference of KLoM to the noise floor in one group of rows. "
                                 "`exact` is a replay: it gives the values of training without the rows, so its KLoM "
                                 "is at the noise floor by construction.")
    data = evidence.load_few(options, name)
    trained = Trained(work, data, 0)
    label = evidence.spread(data.classes, 1)[0]
    found = trained.audit(trained.suppressed(label), label, before=trained.model, shadows=0, rmia_models=0,
                          models=options.klom)
    figures = {**found.subjects, "suppress": found["model"]}
    for way in ("before", "column dropped", "suppress", "replay"):
        shown = [figures[way][g] for g in GROUPS]
        table.add(way, *(cell for f in shown for cell in (of_rows(f, found.members), of_rows(f.p95, found.members))),
                  ", ".join(f.verdict.removesuffix(" than retrained").removesuffix(" retrained") for f in shown))
    yield table


def measure(options):
    with tempfile.TemporaryDirectory() as work:
        yield from (diverging if options.klom else attacked)(options, work)
        if options.quick and not options.klom:
            options.klom = 2
            yield from diverging(options, work)


evidence.main(__doc__, measure, options=[
    ("--sets", {"default": "cifar10", "help": f"of {','.join(SETS)}; cifar10 takes about 12 minutes on 2 cores"}),
    ("--classes", {"type": int, "default": CLASSES, "help": f"so many classes of each set, evenly spread ({CLASSES})"}),
    ("--shadows", {"type": int, "default": 8, "help": "shadow models of an audit (8)"}),
    ("--klom", {"type": int, "metavar": "N", "help": "measure KLoM only, over N models; 100 take some 12 minutes"})])
