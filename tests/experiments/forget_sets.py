#!/usr/bin/env python3
"""Experiment on forget sets of the literature: `exact` and `suppress`, compared with training without the rows.

Forget sets of cifar10: a whole class; half of a class; random fractions and numbers of rows; rows at the ends of the
first principal components; the nearest neighbours of one row; a subclass of a superclass (the labels are animals and
vehicles); proxy rows (held-out rows of the class stand for its training rows). Forget sets of clinc150: one intent, and
all 15 intents of a domain. Forget set of faces_orl: one person. All models have the same keys, so that they differ only
by what the rows taught, and are compared byte by byte.
"""
import tempfile
from pathlib import Path

import numpy as np

import evidence

import dkvb

VEHICLES = (0, 1, 8, 9)  # labels of cifar10 in the superclass of vehicles: airplane, automobile, ship, truck
BANKING = ("transfer", "transactions", "balance", "freeze_account", "pay_bill", "bill_balance", "bill_due",
           "interest_rate", "routing", "min_payment", "order_checks", "pin_change", "report_fraud", "account_blocked",
           "spending_history")
SUBCLASS = "a subclass of a superclass"
ROWS = 500  # number of rows in a forget set at one end of a principal component
NEIGHBOURS = 100
CLASSES = 3  # Number of classes for which forget sets about a class are made.
DRAWS = 2  # Number of draws of each random forget set.
FEW = 20  # Least number of held-out rows like the forgotten ones; with fewer, held-out rows of their classes are taken.
LOOK = 3000  # Largest number of rows of each kind that are measured.
SHARES = (0.05, 0.2)  # Fractions of all pairs to mask for rows given by ids, for which no number of pairs is searched.
QUICK = 3000  # Number of rows of a data set with --quick.
KLOM_ROWS, KLOM_MODELS, KLOM_TESTS = 5000, 20, 1000  # For KLoM: rows of cifar10, models in each ensemble, test rows.
FIGURES = ("accuracy on forgotten rows", "accuracy on rows like them", "accuracy on kept rows", "accuracy on test rows",
           "membership AUC")


class Base:
    """A model before any forgetting, with the codes of all rows; each forgetting works on a copy. `y` are the labels
    trained on, and `fine` the labels of classes where `y` are superclasses."""

    def __init__(self, data, seed, limit=None, coarse=False):
        rows = min(len(data.y), limit or len(data.y))
        self.x, self.y, self.test_x, self.test_y = data.x[:rows], data.y[:rows], data.test_x, data.test_y
        self.fine, self.test_fine = self.y, self.test_y
        if coarse:
            self.y, self.test_y = (np.isin(y, VEHICLES).astype(np.int32) for y in (self.y, self.test_y))
        self.names, self.folder = data.names, tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "base"
        self.model, codeset, _ = dkvb.fit(self.x, self.y, codeset=True, keep="codes", seed=seed)
        self.info, self.session = self.model.info, codeset.sessions[0]
        self.codes = np.empty((rows, self.info.codebooks, self.info.top_k), np.uint16)
        self.held = codeset.rows("held_out")  # held-out rows, with codes of 32 keys per codebook
        self.codes[self.held.ids.astype(int)] = self.held.codes[:, :, :self.info.top_k]
        part = codeset.rows("training")
        self.codes[part.ids.astype(int)], self.trained = part.codes, part.ids.astype(int)
        self.codeset = codeset  # codeset for plans of `suppress`, which do not change a codeset
        self.model.save(self.path.with_suffix(".dkvb"))
        codeset.save(self.path.with_suffix(".codes"))
        with self.model.codebooks as codebooks:
            self.test_codes = codebooks.search(self.test_x, self.info.top_k)

    def model_copy(self):
        return dkvb.Model.load(self.path.with_suffix(".dkvb"))

    def codeset_copy(self):
        return dkvb.Codeset.load(self.path.with_suffix(".codes"))

    def never(self, gone):
        """Trains a model's values on all rows except `gone`, by plain training calls instead of forgetting."""
        with self.model.codebooks as codebooks:
            model = dkvb.Model(codebooks, self.session.classes, self.info.top_k)
        model.values_dtype = self.model.values_dtype
        left, held = (np.setdiff1d(ids, gone) for ids in (self.trained, self.held.ids.astype(int)))
        model.train(self.codes[left], self.y[left], ids=left, **self.session.training)
        if self.info.temperature != 1.0:  # the temperature was fitted, as there were enough held-out rows
            model.set_temperature(*dkvb.fit_temperature(model.decode(self.codes[held]), self.y[held]))
        return model

    def like(self, gone):
        """Returns (rows, codes, labels) of rows that are like the forgotten ones but were not trained on."""
        held = self.held.ids.astype(int)
        same = np.isin(self.fine[held], np.unique(self.fine[gone]))
        for marks in (np.isin(held, gone), same):
            if marks.sum() >= FEW:
                return self.x[held[marks]], self.codes[held[marks]], self.y[held[marks]]
        tests = np.isin(self.test_fine, np.unique(self.fine[gone]))
        return self.test_x[tests], self.test_codes[tests], self.test_y[tests]

    def measure(self, model, gone):
        """Measures the FIGURES of a model: accuracies, and the chance that a forgotten row's loss is below that of a
        similar row never trained on. If whole classes are forgotten, the test rows are those of all other classes."""
        forgotten, kept = np.intersect1d(self.trained, gone.rows), np.setdiff1d(self.trained, gone.rows)
        tests = thinned(np.flatnonzero(~np.isin(self.test_y, gone.classes)))
        groups = [(self.x[rows], self.codes[rows], self.y[rows]) for rows in map(thinned, (forgotten, kept))]
        groups.insert(1, tuple(map(thinned, self.like(gone.rows))))
        groups.append((self.test_x[tests], self.test_codes[tests], self.test_y[tests]))
        accuracies, margins = [], []
        for x, codes, labels in groups:
            if model.info.masked_pairs:
                codes = model.refresh(x, codes)
            logits = model.decode(codes)
            accuracies.append(float((dkvb.argmax(logits) == labels).mean()))
            margins.append(evidence.margins(logits, labels))
        return np.array([*accuracies, evidence.auroc(margins[0], margins[1])])


def thinned(rows):
    """Returns at most LOOK of the rows, evenly spread."""
    return rows[evidence.spread(len(rows), LOOK)]


# Forgotten rows


class Forgotten:
    """One forget set: its row numbers; the classes of which it has all rows; and a dict of the arguments of
    plan_forget() for `suppress`."""

    def __init__(self, name, rows, classes=(), requests=None):
        self.name, self.rows, self.classes, self.requests = name, np.sort(rows), list(classes), requests or {}

    @classmethod
    def by_ids(cls, name, rows, base):
        """Makes a forget set of rows given by their ids, for which the number of pairs to mask must be given."""
        pairs = base.info.codebooks * base.info.keys
        return cls(name, rows, (), {f"contrast, {share:.0%} of pairs": {"ids": np.sort(rows).astype(np.uint64),
                                                                        "budget": int(share * pairs)}
                                    for share in SHARES})


def of_classes(base, draw, count):
    """Makes forget sets of whole classes, of whole classes by proxy rows, and of halves of classes."""
    for label in evidence.spread(int(base.fine.max()) + 1, count):
        rows, request = np.flatnonzero(base.fine == label), {"classes": [label]}
        yield Forgotten("a whole class", rows, [label], {
            "values": request, "values, proxy rows": {**request, "method": "values", "codeset": proxies(base)},
            "contrast, proxy rows": {**request, "method": "contrast", "codeset": proxies(base)}})
        yield Forgotten.by_ids("half of a class", draw.permutation(rows)[:len(rows) // 2], base)


def proxies(base):
    """Makes a codeset of held-out rows only, half of them for choosing pairs, half for finding the number of pairs."""
    with base.model.codebooks as codebooks:
        codeset = dkvb.Codeset(codebooks, base.info.top_k)
    first = np.arange(len(base.held)) % 2 == 0
    codeset.add("training", base.held.ids[first], base.held.labels[first],
                np.ascontiguousarray(base.held.codes[first][:, :, :base.info.top_k]))
    codeset.add("held_out", base.held.ids[~first], base.held.labels[~first], base.held.codes[~first])
    return codeset


def at_random(base, draw, count):
    n = len(base.y)
    for name, size, units in (("10 rows", 10, count), ("100 rows", 100, count), ("500 rows", 500, count),
                              ("1 % of all rows", n // 100, count), ("10 % of all rows", n // 10, 1),
                              ("50 % of all rows", n // 2, 1)):
        for _ in range(units):
            rows = draw.permutation(n)[:size]
            yield Forgotten.by_ids(name, rows, base) if size == 100 else Forgotten(name, rows)


def at_ends(base, count):
    """Makes forget sets of the rows at both ends of the first principal components, at most two components."""
    x = base.x - base.x.mean(axis=0)
    axes = np.linalg.eigh(x.T @ x)[1][:, ::-1]
    for i in range(min(count, 2)):
        order = np.argsort(x @ axes[:, i], kind="stable")
        for rows in (order[:ROWS], order[-ROWS:]):
            yield Forgotten.by_ids(f"{ROWS} rows at the ends of components 1 and 2", rows, base)


def neighbours(base, count):
    """Makes a forget set of the rows nearest to one row, including this row."""
    for row in evidence.spread(len(base.y), count):
        distance = ((base.x - base.x[row]) ** 2).sum(axis=1)
        yield Forgotten.by_ids(f"{NEIGHBOURS} nearest neighbours of one row",
                               np.argsort(distance, kind="stable")[:NEIGHBOURS], base)


def subclasses(base, count):
    for label in evidence.spread(int(base.fine.max()) + 1, count):
        yield Forgotten.by_ids(SUBCLASS, np.flatnonzero(base.fine == label), base)


def intents(base, count):
    for label in evidence.spread(len(base.names), count):
        yield Forgotten("one intent of clinc150", np.flatnonzero(base.y == label), [label],
                        {"values": {"classes": [label]}})
    labels = [base.names.index(name) for name in BANKING]
    yield Forgotten("a domain of clinc150, 15 intents", np.flatnonzero(np.isin(base.y, labels)), labels,
                    {"values": {"classes": labels}})


def people(base, count):
    for person in evidence.spread(40, count):
        request = {"classes": [person], "method": "values", "budget": base.info.codebooks * base.info.keys}
        yield Forgotten("one person of faces_orl", np.flatnonzero(base.y == person), [person],
                        {"values, every pair": request})


def all_sets(options):
    """Yields (Base, list of forget sets) for each data set and seed."""
    count, draws = (1, 1) if options.quick else (CLASSES, DRAWS)
    cifar10, limit = evidence.load(options, "cifar10"), QUICK if options.quick else None
    for seed in range(options.seeds):
        draw = np.random.default_rng(seed)
        base = Base(cifar10, seed, limit)
        yield base, [*of_classes(base, draw, count), *at_random(base, draw, draws), *at_ends(base, count),
                     *neighbours(base, count)]
        base = Base(cifar10, seed, limit, coarse=True)
        yield base, subclasses(base, count)
        if not options.quick:
            base = Base(evidence.load(options, "clinc150"), seed)
            yield base, intents(base, count)
        base = Base(evidence.load(options, "faces_orl"), seed)
        yield base, people(base, 2 if options.quick else 40)


# Forgetting


def exact(base, rows):
    """Forgets a set by `exact`. Returns the new model, and whether its plan had to be forced."""
    model, codeset = base.model_copy(), base.codeset_copy()
    request = {"ids": rows.astype(np.uint64), "codeset": codeset, "strength": "exact", "keys": "keep"}
    plan = model.plan_forget(**request)
    forced = plan.info.refused is not None
    if forced:
        plan = model.plan_forget(**request, force=True)
    model.apply(plan, codeset)
    return model, forced


def suppress(base, request):
    """Forgets a set by `suppress`. Returns the new model or None, the masked fraction of all pairs, and why the plan
    was refused or had to be forced."""
    model = base.model_copy()
    request = {"codeset": base.codeset, **request}
    plan = model.plan_forget(**request)
    why = plan.info.refused
    if why and not plan.info.can_be_forced:
        return None, None, why
    if why:
        plan = model.plan_forget(**request, force=True)
    model.apply(plan, request["codeset"])
    return model, plan.info.pairs / plan.info.pairs_total, why and f"{why}, forced"


class Found:
    """The data of one row of a table: figures of each model, and whether plans were refused or forced."""

    def __init__(self):
        self.figures, self.rows, self.said, self.pairs = [], [], [], []

    def gaps(self):
        """Returns the average gap of each model to the last model, `[units][models]`: over the accuracies on forgotten,
        kept and test rows, and membership."""
        figures = np.array(self.figures)
        return np.abs(figures - figures[:, -1:])[:, :, [0, 2, 3, 4]].mean(axis=2)


def forget_all(options):
    """Runs all forgettings. Returns dicts with what the tables show: name -> Found of exact, (name, request) -> Found
    of suppress."""
    exacts, suppresses = {}, {}
    for base, sets in all_sets(options):
        for gone in sets:
            never = base.never(gone.rows)
            before, retrained = (base.measure(model, gone) for model in (base.model, never))
            model, forced = exact(base, gone.rows)
            found = exacts.setdefault(gone.name, Found())
            found.figures.append((base.measure(model, gone), retrained))
            found.said.append((forced, evidence.differing(model, never)))
            found.rows.append(len(gone.rows))
            for name, request in gone.requests.items():
                model, pairs, why = suppress(base, request)
                found = suppresses.setdefault((gone.name, name), Found())
                found.said.append(why)
                if model is not None:
                    found.figures.append((before, base.measure(model, gone), retrained))
                    found.pairs.append(pairs)
            print(f"    {gone.name}: done", flush=True)
    return exacts, suppresses


# Tables


def exact_table(exacts, options):
    table = evidence.Table("forget-sets-exact", ["forget set, forgotten by exact", "repeats", "number of rows",
                                                 *FIGURES, "average gap to never trained",
                                                 "sections that differ", "refused unless forced"])
    for name, found in exacts.items():
        differ = {section for _, sections in found.said for section in sections}
        table.add(name, str(len(found.rows)), f"{int(np.median(found.rows)):,}",
                  *(evidence.mean(column) for column in np.array(found.figures)[:, 0].T),
                  evidence.mean(found.gaps()[:, 0]), ", ".join(sorted(differ)) or "none",
                  f"{sum(forced for forced, _ in found.said)} of {len(found.said)}")
    table.bar("largest average gap of exact to a model never trained on the forgotten rows",
              max(float(found.gaps().max()) for found in exacts.values()), "<=",
              0)
    table.bar("forgettings by exact after which a section of the model file differs from that of a never trained model",
              sum(bool(sections) for found in exacts.values() for _, sections in found.said), "<=", 0)
    table.note = ("The figures of this table are measured after `exact`; a model *never trained* on the forget set has "
                  f"the same figures. Figures of this table are means over classes, draws of rows and {options.seeds} "
                  "seed(s).")
    return table


def suppress_table(suppresses, options):
    table = evidence.Table("forget-sets-suppress", ["forget set, forgotten by suppress", "method of choosing pairs",
                                                    "fraction of pairs masked", "model", *FIGURES,
                                                    "average gap to retrained", "refused"], digits=3)
    for (name, how), found in suppresses.items():
        refused = [why for why in found.said if why]
        refused = f"{len(refused)} of {len(found.said)}{': ' if refused else ''}{'; '.join(sorted(set(refused)))}"
        if not found.figures:
            table.add(name, how, "–", "none: the plan refused every request to forget", *("–" for _ in FIGURES), "–",
                      refused)
            continue
        figures, gaps = np.array(found.figures), found.gaps()
        for i, model in enumerate(("before", "suppress", "retrained")):
            table.add(name, how, evidence.mean(found.pairs), model,
                      *(evidence.mean(column) for column in figures[:, i].T), evidence.mean(gaps[:, i]), refused)
    table.note = (f"Figures of this table are means over classes, draws of rows and {options.seeds} seed(s), of "
                  "requests to forget that were done or forced.")
    return table


def one_of_each(base):
    """Returns the first forget set of each kind except subclasses, in a dict by name."""
    draw, found = np.random.default_rng(0), {}
    for gone in (*of_classes(base, draw, 1), *at_random(base, draw, 1), *at_ends(base, 1), *neighbours(base, 1)):
        found.setdefault(gone.name, gone)
    return found


def klom_table(options):
    """Makes the table of KLoM of `exact`, which is noise by construction, for one forget set of each kind of cifar10,
    on fewer rows."""
    table = evidence.Table("forget-sets-klom", ["forget set whose KLoM is measured",
                                                "KLoM of forgotten rows after exact",
                                                "noise floor on forgotten rows", "KLoM of kept rows after exact",
                                                "noise floor on kept rows", "KLoM of test rows after exact",
                                                "noise floor on test rows"], digits=3)
    cifar10, models = evidence.load(options, "cifar10"), 2 if options.quick else KLOM_MODELS
    limit = QUICK if options.quick else KLOM_ROWS
    gaps = {"klom_forgotten": [], "klom_retained": [], "klom_rest": []}
    names = [SUBCLASS, *one_of_each(Base(cifar10, 0, limit))]
    for number, name in enumerate(names[:1] if options.quick else names):
        # The audit's models have the seeds after that of the training, so other seeds make the units independent.
        base = Base(cifar10, 1000 * number, limit, coarse=name == SUBCLASS)
        gone = next(subclasses(base, 1)) if name == SUBCLASS else one_of_each(base)[name]
        # The audit needs the rows that the exact forgetting left out: training rows of the forget set, no held-out
        # rows.
        rows = np.intersect1d(base.trained, gone.rows)
        report = exact(base, rows)[0].audit(
            base.x, base.y, base.test_x[:KLOM_TESTS], base.test_y[:KLOM_TESTS], codeset=base.codeset_copy(),
            rows=rows.astype(np.uint64), shadows=0, rmia_models=0, models=models)
        cells = []
        for figure, found in gaps.items():
            ours, floor = (report[subject][figure] for subject in ("model", "retrained"))
            if ours is None:  # there are no test rows of other classes, as the forget set has rows of all classes
                ours, floor = (report[subject]["klom_class"] for subject in ("model", "retrained"))
            found.append(ours.value - floor.value)
            cells += [ours.value, floor.value]
        table.add(name, *cells)
    for figure, found in gaps.items():
        table.bar(f"{figure}, the KLoM of models that forgot by exact, less its noise floor: low end of the 95 % "
                  "interval over the forget sets",
                  evidence.mean(found).low, "<=", 0)
    table.note = (f"The KLoM figures are mean KL divergences between margins of {models} models that forgot and of "
                  f"{models} models that never saw the rows; both are trained by the same call, so `exact` is at its "
                  f"noise floor by construction. The noise floor of KLoM is the divergence of {models} further "
                  "models that "
                  f"never saw the rows. The models whose KLoM is measured learn the first {limit:,} rows of cifar10, "
                  "with other seeds for each forget set. KLoM of test rows is measured on the classes without a "
                  "forgotten row, or on all test rows if there are no such classes.")
    return table


def measure(options):
    exacts, suppresses = forget_all(options)
    yield exact_table(exacts, options)
    yield suppress_table(suppresses, options)
    yield klom_table(options)


if __name__ == "__main__":
    evidence.main(__doc__, measure, seeds=1)
