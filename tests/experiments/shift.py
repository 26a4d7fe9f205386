#!/usr/bin/env python3
"""Experiment: is a forgotten class predicted again if pictures are noisy, blurred, pale, turned or covered?

Models are trained on cifar10, and each of its 10 classes is forgotten in turn, by `suppress` (number of pairs found on
held-out rows) and by `exact`. On cifar10_corrupted (5 kinds of corruption in 3 strengths, 100 pictures of each class)
and on the same pictures without corruption are measured: the accuracy on classes that are not forgotten; the return of
the forgotten class, which is the fraction of its pictures that are still predicted as this class; and the calibration
error on all other classes (15 bins). For comparison, a model is fitted from nothing on the rows of all other classes,
with keys of its own (of seed 0).

The last table is about the out-of-scope rows of clinc150: how many are predicted as a forgotten intent, and with which
probability, before and after 20 intents are forgotten together.
"""
import tempfile

import numpy as np

import evidence
from fresh import Fresh

import dkvb

KINDS = ("noise", "blur", "contrast", "rotate", "occlude")
STRENGTHS = (1, 2, 3)
WAYS = ("before", "suppress", "exact", "fitted without")


class Pictures:
    """Rows of the same pictures without corruption and with each corruption; places["noise", 2] is the slice of the
    rows with noise of strength 2."""

    def __init__(self, options, data):
        folder = evidence.folder(options) / "cifar10_corrupted"
        self.y = evidence.array(folder / "test_y.npy")
        clean = data.test_x[evidence.array(folder / "clean_row.npy")]
        few = slice(0, 200) if options.quick else slice(None)
        self.y, parts, self.places = self.y[few], [clean[few]], {("clean", 0): slice(0, len(clean[few]))}
        for kind in KINDS:
            for strength in STRENGTHS:
                begin = sum(map(len, parts))
                parts.append(evidence.array(folder / f"{kind}_{strength}_x.npy")[few])
                self.places[kind, strength] = slice(begin, begin + len(parts[-1]))
        self.x = np.concatenate(parts)

    def measure(self, model, codes, label):
        """Returns for each corruption the accuracy on all classes but the forgotten one, the return of the forgotten
        class, and the probabilities from which calibration is computed."""
        logits, info, found = model.decode(codes), model.info, {}
        answers = np.where(logits.any(axis=1), dkvb.argmax(logits), -1)  # all logits are 0 if the model abstains
        sure = dkvb.softmax(logits, info.temperature, info.temperature_power).max(axis=1)
        sure[answers < 0] = 0.0
        own = self.y == label
        for place, rows in self.places.items():
            right = answers[rows] == self.y
            found[place] = {"others": float(right[~own].mean()), "return": float((answers[rows] == label)[own].mean()),
                            "sure": sure[rows][~own], "right": right[~own]}
        return found


def calibration_error(sure, right, bins=15):
    """Returns the expected calibration error: the mean gap between accuracy and largest probability, bin by bin (Guo et
    al. 2017, 1706.04599)."""
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(right[bin_of == b].mean() - sure[bin_of == b].mean()) * (bin_of == b).mean()
            for b in range(bins) if (bin_of == b).any()]
    return float(sum(gaps))


def of_classes(options):
    """Returns a dict from methods of forgetting to lists, with the result of Pictures.measure() for each seed and
    class."""
    data = evidence.load(options, "cifar10")
    pictures = Pictures(options, data)
    shape = {"codebooks": 64, "keys": 256, "whiten": "never"} if options.quick else {}
    rows = slice(0, 5000) if options.quick else slice(None)
    x, y = data.x[rows], data.y[rows]
    labels = [3, 8] if options.quick else evidence.spread(10, options.classes)
    units, refused = {way: [] for way in WAYS}, 0
    with tempfile.TemporaryDirectory() as where:
        for seed in range(options.seeds):
            trained = Fresh(x, y, seed, where, **shape)
            codes = trained.model.search(pictures.x)
            for label in labels:
                units["before"].append(pictures.measure(trained.model, codes, label))
                masked, why, _ = trained.forget("suppress", classes=[label])
                refused += why is not None
                units["suppress"].append(pictures.measure(masked, masked.refresh(pictures.x, codes), label))
                exact, _, _ = trained.forget("exact", classes=[label])
                units["exact"].append(pictures.measure(exact, codes, label))
                if seed < options.fitted:
                    # takes the choice of the first fit, as comparing again takes long
                    whiten = "always" if trained.report.whitened else "never"
                    fitted, _, _ = dkvb.fit(x[y != label], y[y != label], classes=data.classes, seed=seed,
                                            **{**shape, "whiten": whiten})
                    units["fitted without"].append(pictures.measure(fitted, fitted.search(pictures.x), label))
                for way in WAYS:
                    if units[way]:
                        worst = max(units[way][-1].items(), key=lambda item: item[1]["return"])
                        print(f"  seed {seed} class {label} {way}: returns most at {worst[0]}: {worst[1]['return']:.3f}", flush=True)
            trained.remove()
    return pictures, units, refused, len(labels)


def tables_of_classes(options):
    pictures, units, refused, n = of_classes(options)
    told = (f"Figures of this table are means over {options.seeds} seeds × {n} classes; for *fitted without* over "
            f"{options.fitted} seed(s) "
            f"× {n} classes. {refused} of {len(units['suppress'])} requests to suppress a class were refused; the "
            f"refused requests were forced.")
    table = evidence.Table("shift", ["corruption of the test pictures", "accuracy on other classes, before",
                                     "other classes, suppress", "other classes, exact", "other classes, fitted without",
                                     "other classes, suppress less before", "return, before", "return, suppress",
                                     "return, suppress, at most", "return, exact", "return, fitted without"], told)
    worst = {"exact": -1.0, "suppress": -1.0}
    for place in pictures.places:
        pick = lambda way, what: [unit[place][what] for unit in units[way]]
        table.add(f"{place[0]} {place[1]}" if place[1] else "none", *(evidence.mean(pick(way, "others")) for way in WAYS),
                  evidence.paired(pick("suppress", "others"), pick("before", "others")),
                  *(evidence.mean(pick(way, "return")) for way in ("before", "suppress")),
                  float(max(pick("suppress", "return"))),
                  *(evidence.mean(pick(way, "return")) for way in ("exact", "fitted without")))
        fitted = np.mean(pick("fitted without", "return"))
        for way in worst:
            worst[way] = max(worst[way], float(np.mean(pick(way, "return")) - fitted))
    table.bar("answers with the class forgotten by exact, less those of a model fitted without the class, most of "
              "all corruptions", worst["exact"], "<=", .01)
    table.bar("answers with the class forgotten by suppress, less those of a model fitted without the class, "
              "a figure that is only reported",
              worst["suppress"], "<=", .01)
    yield table

    table = evidence.Table("shift-calibration", ["strength of corruption",
                                                 *(f"calibration error, {way}" for way in WAYS),
                                                 "error after suppress less before",
                                                 "error after exact less before"],
                           "The table of calibration has the expected calibration error (15 bins) on rows of the "
                           "other classes, all kinds of corruption of a strength together. " + told)
    for strength in (0, *STRENGTHS):
        found = {way: [calibration_error(*(np.concatenate([unit[place][what] for place in pictures.places if place[1] == strength])
                                           for what in ("sure", "right"))) for unit in units[way]] for way in WAYS}
        table.add(str(strength) if strength else "none", *(evidence.mean(found[way]) for way in WAYS),
                  evidence.paired(found["suppress"], found["before"]), evidence.paired(found["exact"], found["before"]))
    yield table


def table_of_sentences(options):
    data = evidence.load(options, "clinc150")
    oos = evidence.array(evidence.folder(options) / "clinc150" / "oos_x.npy")
    shape, x, y, gone = {}, data.x, data.y, evidence.spread(data.classes, 20)
    if options.quick:
        shape, gone = {"codebooks": 64, "whiten": "never"}, [5, 17]
        x, y = x[y < 24], y[y < 24]
    units = {way: [] for way in WAYS[:3]}
    with tempfile.TemporaryDirectory() as where:
        for seed in range(options.seeds):
            trained = Fresh(x, y, seed, where, **shape)
            codes = trained.model.search(oos)
            for way in units:
                model = trained.model if way == "before" else trained.forget(way, classes=gone)[0]
                here = model.refresh(oos, codes) if way == "suppress" else codes
                answers, info = model.classify(here), model.info
                odds = dkvb.softmax(model.decode(here), info.temperature, info.temperature_power)
                with_it = np.isin(answers, gone)
                units[way].append({"answered": float(with_it.mean()), "given": float(odds[:, gone].sum(axis=1).mean()),
                                   "most": float(odds[:, gone].max()), "abstained": float((answers < 0).mean()),
                                   "sure": float(odds[with_it].max(axis=1).mean()) if with_it.any() else np.nan,
                                   "any": float(odds.max(axis=1).mean())})
            trained.remove()
    table = evidence.Table("shift-out-of-scope", ["model asked with out-of-scope sentences",
                                                  "fraction answered with a forgotten intent",
                                                  "probability of those answers",
                                                  "probability of all forgotten intents, mean",
                                                  "probability of one forgotten intent, at most", "abstained",
                                                  "largest probability, mean"],
                           f"Figures of this table are means over {options.seeds} seeds, with {len(oos)} "
                           f"out-of-scope rows each and "
                           f"{len(gone)} intents forgotten together.")
    for way, found in units.items():
        table.add(way, *(evidence.mean([unit[what] for unit in found]) for what in ("answered", "sure", "given")),
                  max(unit["most"] for unit in found), *(evidence.mean([unit[what] for unit in found]) for what in ("abstained", "any")))
    yield table


def measure(options):
    yield from tables_of_classes(options)
    yield from table_of_sentences(options)


if __name__ == "__main__":
    evidence.main(__doc__, measure, seeds=2, options=[
        ("--classes", {"type": int, "default": 10, "help": "so many classes are forgotten, one at a time (10)"}),
        ("--fitted", {"type": int, "default": 1, "help": "seeds of which a model is fitted without each class (1)"})])
