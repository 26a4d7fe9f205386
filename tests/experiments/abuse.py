#!/usr/bin/env python3
"""Experiment on abuse: can requests to forget harm other classes on purpose, and does the guard of a plan notice?

All attacks are on cifar10, for the five pairs of classes A and B (0 and 1, 2 and 3, and so on), so that nobody can
choose a pair. The four attacks are:

- poisoned requests: a request to forget rows of class A also contains rows of class B; - interclass confusion (Goel et
al. 2022, arXiv 2201.06640): a quarter of the rows of classes A and B are trained with the other's label, and these rows
are then forgotten; - crafted rows: rows that look like class B are trained as class A, and then their owner asks to
forget them; - many requests: 40 requests of 50 rows each, every request within the limits.

Accuracy losses are measured on test rows. "Without guard" means that a refused request is forced, "with guard" that a
refused request is not carried out.
"""
import tempfile

import numpy as np

import evidence
from fresh import Fresh, forget

import dkvb

PAIRS = [(a, a + 1) for a in range(0, 10, 2)]
SHARES = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50)
BUDGET = 30_000  # number of pairs that `suppress` masks for a class of cifar10 (docs/unlearning.md)


class Judge:
    """Measures a model on test rows: the accuracy of each class, and which class is predicted for rows of another."""

    def __init__(self, data, model):
        self.x, self.y, self.classes = data.test_x, data.test_y, data.classes
        self.codes = model.search(self.x)
        self.before = self.confusion(model)
        self.rows = None  # training Rows of models that were trained with true labels

    def confusion(self, model):
        """Returns float[classes][classes], the fraction of test rows of each class for which each class is predicted,
        and the fraction for which the model abstains."""
        answers = model.classify(model.refresh(self.x, self.codes) if model.info.masked_pairs else self.codes)
        found = np.zeros((self.classes, self.classes))
        for label in range(self.classes):
            own = answers[self.y == label]
            found[label] = np.bincount(own[own >= 0], minlength=self.classes) / len(own)
        return found

    def losses(self, model):
        return np.diag(self.before) - np.diag(self.confusion(model))


class Rows:
    """The training rows of a model, by label, in a random order that depends on the seed."""

    def __init__(self, trained, seed):
        rng = np.random.default_rng(1000 + seed)
        with trained.codeset() as codeset:
            rows = codeset.rows("training")
        order = rng.permutation(len(rows.ids))
        self.ids, self.labels = rows.ids[order], rows.labels[order]  # keeps ids and labels only, as codes are large

    def of(self, label, count, begin=0):
        return self.ids[self.labels == label][begin:begin + int(count)]


def ask(trained, judge, ids, strength, **how):
    """Carries out a request to forget, by force if it is refused. Returns the accuracy loss of every class, and the
    reason for the refusal, or None."""
    model, refused, _ = trained.forget(strength, ids=ids, **how)
    return judge.losses(model), refused


def suppress(method, budget):
    return {"strength": "suppress", "method": method, "budget": budget}


EXACT = {"strength": "exact"}


def ways():
    return {"suppress, contrast": suppress("contrast", BUDGET), "suppress, activations": suppress("activations", BUDGET),
            "exact": EXACT}


def refusals(reasons):
    """Returns a text such as "3 of 5 (mixed)": how many of some requests were refused, and for which reasons."""
    found = sorted({why for why in reasons if why})
    return f"{sum(why is not None for why in reasons)} of {len(reasons)}" + (f" ({', '.join(found)})" if found else "")


def poisoned(options, trained, judges):
    table = evidence.Table("abuse-poison", ["poisoned request to forget rows of class A",
                                            "rows of class B in the request", "requests refused",
                                            "accuracy that class A loses", "that class B loses, without guard",
                                            "that class B loses at most, without guard",
                                            "that class B loses, with guard",
                                            "that other classes lose, without guard"],
                           f"Figures of this table are means over {options.seeds} seed(s) × {len(options.pairs)} "
                           f"pairs of classes. A poisoned request has half of the training rows of class A, and rows "
                           f"of class B in the given fraction; `suppress` masks {BUDGET:,} pairs. *At most* is the "
                           f"largest loss of class B over the pairs of classes A and B.")
    for name, how in ways().items():
        for share in SHARES if name == "suppress, contrast" else (0.10, 0.50):
            a_loses, b_loses, guarded, others, refused = [], [], [], [], []
            for seed, fit in enumerate(trained):
                rows = judges[seed].rows
                for a, b in options.pairs:
                    count = int((rows.labels == a).sum() // 2)
                    ids = np.concatenate([rows.of(a, count), rows.of(b, round(count * share / (1.0 - share)))])
                    loses, why = ask(fit, judges[seed], ids, **how)
                    refused.append(why)
                    a_loses.append(loses[a])
                    b_loses.append(loses[b])
                    guarded.append(0.0 if why else loses[b])
                    others.append(np.delete(loses, [a, b]).mean())
            table.add(name, f"{share:.0%}", refusals(refused), evidence.mean(a_loses), evidence.mean(b_loses),
                      float(max(b_loses)), evidence.mean(guarded), evidence.mean(others))
    yield table


def confused(options, data, clean, judges, where):
    """Attack by interclass confusion: rows of two classes are trained with each other's label, then forgotten by their
    ids."""
    table = evidence.Table("abuse-confusion", ["model after mislabelled rows were forgotten",
                                               "fraction of test rows confused",
                                               "that fraction less that of the model never mislabelled",
                                               "accuracy on the classes A and B", "requests refused"],
                           f"Figures of this table are means over {options.seeds} seed(s) × {len(options.pairs)} "
                           f"pairs of classes. "
                           "*Confused* are test rows of class A that are answered with class B, and test rows of B "
                           "that are answered with A. A quarter of the training rows of the classes A and B had the "
                           "label of the other of the two classes. The mislabelled rows of all pairs of classes are "
                           "forgotten by one request. The model after `exact` has the bytes of a model that was "
                           "trained on the same keys without the mislabelled rows.")
    tried = {"exact": EXACT, **{f"suppress, contrast, {n:,} pairs": suppress("contrast", n) for n in (BUDGET // 10, BUDGET, 3 * BUDGET)},
             f"suppress, activations, {BUDGET:,} pairs": suppress("activations", BUDGET)}
    found = {name: [] for name in ("never mislabelled", "before", *tried)}
    refused = {name: [] for name in tried}

    def note(name, confusion):
        for a, b in options.pairs:
            found[name].append(((confusion[a, b] + confusion[b, a]) / 2, (confusion[a, a] + confusion[b, b]) / 2))

    for seed in range(options.seeds):
        x, y = data.x, data.y.copy()
        rng, wrong = np.random.default_rng(2000 + seed), []
        for a, b in options.pairs:
            for label, other in ((a, b), (b, a)):
                rows = rng.permutation(np.flatnonzero(data.y == label))
                rows = rows[:len(rows) // 4]
                y[rows] = other
                wrong.append(rows)
        wrong = np.concatenate(wrong)
        fit = Fresh(x, y, seed, where, "confused", **options.shape)
        judge = Judge(data, fit.model)
        note("never mislabelled", judges[seed].before)
        note("before", judge.before)
        for name, how in tried.items():
            model, why, _ = fit.forget(ids=wrong.astype(np.uint64), **how)
            refused[name].append(why)
            note(name, judge.confusion(model))
        fit.remove()
    for name, units in found.items():
        table.add(name, evidence.mean([u[0] for u in units]),
                  evidence.paired([u[0] for u in units], [u[0] for u in found["never mislabelled"]]) if name in ("before", *tried) else "–",
                  evidence.mean([u[1] for u in units]), refusals(refused[name]) if name in tried else "–")
    yield table


def crafted(options, data, trained, judges, where):
    """Attack by crafted rows: 500 rows labelled as class A look like class B, and are later forgotten on request."""
    count = 100 if options.quick else 500
    table = evidence.Table("abuse-crafted", ["crafted rows", "request to forget the crafted rows", "requests refused",
                                             "accuracy that class B loses, without guard",
                                             "that class B loses at most, without guard",
                                             "that class B loses, with guard", "that class A loses"],
                           f"Figures of this table are means over {options.seeds} seed(s) × {len(options.pairs)} "
                           f"pairs of classes. {count} "
                           "rows are taught under the label of class A: honest rows, rows of class B, or rows of A "
                           "moved by the difference of the two class means. The loss of class B is the accuracy that "
                           f"a model taught the crafted rows loses on class B by the request to forget them; a "
                           f"request by `suppress` masks {BUDGET:,} pairs.")
    for craft in ("honest", "of B, labelled A", "A moved to B"):
        units = {name: [] for name in ways()}
        for seed in range(options.seeds):
            x, y = data.x.copy(), data.y.copy()
            rng, of = np.random.default_rng(3000 + seed), {}
            for a, b in options.pairs:
                rows = rng.permutation(np.flatnonzero(data.y == (b if craft == "of B, labelled A" else a)))[:count]
                of[a] = rows.astype(np.uint64)
                if craft == "of B, labelled A":
                    y[rows] = a
                elif craft == "A moved to B":
                    x[rows] += data.x[data.y == b].mean(axis=0) - data.x[data.y == a].mean(axis=0)
            fit = trained[seed] if craft == "honest" else Fresh(x, y, seed, where, "crafted", **options.shape)
            judge = judges[seed] if craft == "honest" else Judge(data, fit.model)
            for name, how in ways().items():
                for a, b in options.pairs:
                    loses, why = ask(fit, judge, of[a], **how)
                    units[name].append((loses[b], why, loses[a]))
            if craft != "honest":
                fit.remove()
        for name, found in units.items():
            lost = [u[0] for u in found]
            table.add(craft, name, refusals([u[1] for u in found]), evidence.mean(lost), float(max(lost)),
                      evidence.mean([0.0 if u[1] else u[0] for u in found]), evidence.mean([u[2] for u in found]))
    yield table


def in_turn(options, fit, judge, requests, budget, guarded):
    """Carries out requests for rows one after another. Returns the accuracy loss of every class, the number of refused
    requests, the number refused only for the sum of all masks, and the first refused request."""
    model, codeset = fit.load()
    refused, by_sum, first = 0, 0, None
    if not guarded:
        rows = codeset.rows("training")
    for number, ids in enumerate(requests, 1):
        if guarded:
            with model.plan_forget(ids=ids, codeset=codeset, **suppress("contrast", budget)) as plan:
                if plan.info.refused:
                    refused += 1
                    by_sum += "by all requests in force together" in plan.refusal
                    first = first or number
                else:
                    model.apply(plan)
            continue
        with model.codebooks as codebooks, dkvb.Mask(codebooks) as mask:
            dkvb.unlearn_choose(mask, model, "contrast", budget, codes=rows.codes, rows=np.isin(rows.ids, ids))
            model.forget(mask, method="contrast")
    return judge.losses(model), refused, by_sum, first


def many(options, trained, judges):
    """Attack by many small requests one after another, compared with honest small requests."""
    requests, size, budget = (6, 50, 300) if options.quick else (options.requests, 50, 10_000)
    table = evidence.Table("abuse-many", ["rows of each of many requests to forget", "guard of the plan",
                                          "requests refused",
                                          "refused for the sum of losses only",
                                          "number of the first refused request",
                                          "accuracy that all classes lose, mean", "largest loss of a class",
                                          "accuracy that class A loses", "accuracy that class B loses"],
                           f"The table of many requests is for {requests} requests to forget {size} rows each, one "
                           f"after another, by `suppress` with the method `contrast` and {budget:,} pairs each; "
                           f"`exact` forgets all rows of all requests. Figures of this table are means over "
                           f"{options.sequences} seed(s). In the attack of many requests A is class 0 and B is "
                           "class 1 of CIFAR-10.")
    a, b = PAIRS[0]
    for kind in (f"requests for {size} rows of A", "requests for 26 rows of A and 24 of B",
                 f"requests for {size} rows of any class"):
        units = {name: [] for name in ("no", "yes", "exact")}
        for seed in range(options.sequences):
            fit, judge, rows = trained[seed], judges[seed], judges[seed].rows
            parts = {f"requests for {size} rows of A": ((a, size),),
                     "requests for 26 rows of A and 24 of B": ((a, 26), (b, 24))}.get(kind)
            sets = [np.concatenate([rows.of(label, n, i * n) for label, n in parts]) if parts else rows.ids[i * size:(i + 1) * size]
                    for i in range(requests)]
            for name in ("no", "yes"):
                units[name].append(in_turn(options, fit, judge, sets, budget, name == "yes"))
            loses, why = ask(fit, judge, np.concatenate(sets), **EXACT)
            units["exact"].append((loses, int(why is not None), 0, None))
        for name, found in units.items():
            losses = [u[0] for u in found]
            first = [u[3] for u in found if u[3]]
            told = [evidence.mean([u[i] for u in found]).text(1) if name == "yes" else "–" for i in (1, 2)]
            table.add(kind, "all rows forgotten at once by exact" if name == "exact" else name, *told,
                      str(min(first)) if first else "–", evidence.mean([l.mean() for l in losses]),
                      evidence.mean([l.max() for l in losses]), evidence.mean([l[a] for l in losses]), evidence.mean([l[b] for l in losses]))
    yield table


def measure(options):
    data = evidence.load(options, "cifar10")
    options.shape, options.pairs = {}, PAIRS
    options.sequences = min(options.sequences, options.seeds)
    if options.quick:
        options.shape, options.pairs = {"codebooks": 64, "keys": 256, "whiten": "never"}, PAIRS[:1]
        data = evidence.Set(data.name, data.x[:6000], data.y[:6000], data.test_x[:2000], data.test_y[:2000], data.names)
        global BUDGET, SHARES
        BUDGET, SHARES = 900, (0.0, 0.10)
    with tempfile.TemporaryDirectory() as where:
        trained = [Fresh(data.x, data.y, seed, where, **options.shape) for seed in range(options.seeds)]
        judges = [Judge(data, fit.model) for fit in trained]
        for seed, judge in enumerate(judges):
            judge.rows = Rows(trained[seed], seed)
        parts = {"many": lambda: many(options, trained, judges), "poison": lambda: poisoned(options, trained, judges),
                 "crafted": lambda: crafted(options, data, trained, judges, where),
                 "confusion": lambda: confused(options, data, trained, judges, where)}
        for name, part in parts.items():
            if name in options.tables.split(","):
                yield from part()


if __name__ == "__main__":
    evidence.main(__doc__, measure, seeds=1, options=[
        ("--tables", {"default": "many,poison,crafted,confusion", "help": "which of them, with commas (all)"}),
        ("--requests", {"type": int, "default": 40, "help": "of the table of many (40)"}),
        ("--sequences", {"type": int, "default": 1, "help": "seeds of the table of many (1)"})])
