#!/usr/bin/env python3
"""Experiment on continual learning: classes arrive two at a time, with forgetting in between.

cifar10 arrives in 5 splits of two classes, clinc150 in 75. With each split the model gets two more classes, and is
trained on the split alone, on the split and as many stored codes of earlier splits, or on all codes stored so far,
going on or from zero. For comparison, joint training sees all classes at once, with the same keys, epochs and rates.
The keys are placed on all rows without labels, on the first split, or on another data set; one variant has the shape of
the DKVB paper (arXiv 2207.11240), with 256 codebooks of 4,096 keys, of which one is selected. In a second part, a class
of each split of cifar10 is forgotten before the next split comes: exactly, by masking, by masking and purge, and by a
purge that replaces the purged keys by fresh ones.
"""
import numpy as np

import evidence

import dkvb

EVERY = {"cifar10": 1, "clinc150": 5}  # Number of splits after which all stored codes are trained on.
PAPER = {"codebooks": 256, "keys": 4096, "key_dim": 32}  # Of which one is selected.
DEPTH = 32  # Number of keys per codebook in codes of held-out rows.
HOLD_OUT = 0.1
AROUND = 16  # Average number of rows whose mean is a fresh key.
QUICK = 4000  # Number of rows of a data set with --quick.


class Rows:
    """A data set, its codes on some codebooks, and the settings that docs/method.md recommends for it."""

    def __init__(self, data, codebooks, seed, rows=None):
        self.x, self.y, self.test_x, self.test_y = data.x[:rows], data.y[:rows], data.test_x, data.test_y
        self.classes, self.codebooks, self.seed = data.classes, codebooks, seed
        keys = codebooks.info.keys
        self.k = 1 if keys == PAPER["keys"] else 8 if keys >= 64 else max(1, keys // 8)
        self.codes, self.test_codes = (codebooks.search(x, self.k) for x in (self.x, self.test_x))
        rate = min(max(0.95 * self.classes ** 0.5, 2.0), 8.0)
        self.recipe = {"epochs": 2, "learning_rate": rate, "rate_last": 0.3 * rate, "seed": seed,
                       "batch": next((b for b in (256, 128, 64) if b <= len(self.y) / 64), 32)}

    def model(self, classes):
        model = dkvb.Model(self.codebooks, classes, self.k)
        model.values_dtype = "float16"
        return model

    def train(self, model, rows):
        model.train(self.codes[rows], self.y[rows], ids=rows, **self.recipe)

    def accuracy(self, model):
        return float((model.classify(self.test_codes) == self.test_y).mean())

    def splits(self):
        """Returns for each split the row numbers of its two classes: 0 and 1, 2 and 3, and so on."""
        return [np.flatnonzero(self.y // 2 == split) for split in range(self.classes // 2)]


# Learning


def joint(rows, _every):
    model = rows.model(rows.classes)
    rows.train(model, np.arange(len(rows.y)))
    return model


def in_splits(rows, chosen):
    """Trains a model which, after each split, learns the rows that `chosen(splits so far)` returns."""
    splits = rows.splits()
    model = rows.model(2)
    for count in range(1, len(splits) + 1):
        if count > 1:
            model.add_classes(2)
        rows.train(model, chosen(splits[:count]))
    return model


def split_alone(rows, _every):
    return in_splits(rows, lambda splits: splits[-1])


def as_many_stored(rows, _every):
    draw = np.random.default_rng(rows.seed)

    def chosen(splits):
        old = np.concatenate(splits[:-1]) if len(splits) > 1 else np.empty(0, int)
        return np.concatenate([splits[-1], draw.permutation(old)[:len(splits[-1])]])

    return in_splits(rows, chosen)


def all_stored(rows, every):
    """Trains on all rows so far after every `every` splits and after the last one; after other splits on the split
    alone."""
    last = len(rows.splits())
    return in_splits(rows, lambda splits: np.concatenate(splits) if len(splits) % every == 0 or len(splits) == last
                     else splits[-1])


def from_zero(rows, _every):
    """Trains values from zero after the last split, on all stored codes in the order in which they came."""
    model = rows.model(2)
    for _ in rows.splits()[1:]:
        model.add_classes(2)
    rows.train(model, np.concatenate(rows.splits()))
    return model


WAYS = (("joint", joint), ("each split alone", split_alone),
        ("each split and as many stored codes of earlier splits", as_many_stored),
        ("all stored codes, from the present values", all_stored), ("all stored codes, from zero values", from_zero))


def placements(options, name, data, seed, rows):
    """Yields (name of the rows on which keys are placed, codebooks); the settings suit the rows, and rows are not
    whitened."""
    yield "all rows, no labels", dkvb.Codebooks.fit(data.x[:rows], seed=seed)
    yield "the first split", dkvb.Codebooks.fit(data.x[:rows][data.y[:rows] < 2], seed=seed)
    if name == "cifar10":
        if rows is None:
            yield "all rows, one selected key of 4,096", dkvb.Codebooks.fit(data.x, seed=seed, **PAPER)
        yield "tiny100", dkvb.Codebooks.fit(evidence.load(options, "tiny100").x[:rows], seed=seed)


def learning(options):
    table = evidence.Table("continual", ["data learned in splits", "rows that keys are placed on",
                                         "codes that values learn from", "accuracy", "accuracy below joint training"])
    seeds, limit, unlike = options.seeds, QUICK if options.quick else None, 0
    for name in ("cifar10",) if options.quick else ("cifar10", "clinc150"):
        data, found = evidence.load(options, name), {}
        for seed in range(seeds):
            for where, codebooks in placements(options, name, data, seed, limit):
                rows, models = Rows(data, codebooks, seed, limit), {}
                for way, learn in WAYS:
                    models[way] = learn(rows, EVERY[name])
                    found.setdefault((where, way), []).append(rows.accuracy(models[way]))
                    print(f"    {name}, {where}, {way}: {found[where, way][-1]:.4f}", flush=True)
                unlike += len(evidence.differing(models["joint"], models["all stored codes, from zero values"]))
        for (where, way), accuracies in found.items():
            lost = evidence.paired(found[where, "joint"], accuracies)
            if way == "joint":
                cells = f"accuracy on {name} learned at once", "joint training", "–"
            else:
                cells = (f"accuracy on {name} learned in splits", f"training on {way}",
                         f"{table.text(lost)} below joint training")
            table.add(cells[0], f"keys placed on {where}", cells[1], evidence.mean(accuracies), cells[2])
        if name == "cifar10":
            for where, way in found:
                if way != "joint":
                    lost = np.mean(found[where, "joint"]) - np.mean(found[where, way])
                    table.bar(f"cifar10, keys placed on {where}, values trained on {way}: accuracy below joint "
                              f"training", float(lost), "<=", 0.01)
    table.bar("values trained on all stored codes, from zero values: sections of model files unlike those of joint "
              "training", unlike, "<=", 0)
    table.note = (f"Figures of this table are means over {seeds} seeds, on test rows of all classes after the last "
                  f"split of the classes. For clinc150, training that goes on from the present values is on all stored "
                  f"codes after every {EVERY['clinc150']} splits, and on the codes of the new split alone after the "
                  "other splits.")
    return table


# Forgetting between the splits


class Life:
    """A model that learns classes 0 and 1, forgets 0, learns 2 and 3, forgets 2, and so on."""

    def __init__(self, rows):
        self.rows, self.codebooks, self.model = rows, rows.codebooks, rows.model(2)
        self.held = dkvb.Codeset.holds_out(np.arange(len(rows.y)), HOLD_OUT)

    def run(self):
        for split in range(self.rows.classes // 2):
            if split:
                self.model.add_classes(2)
            self.learn(split)
            self.forget(2 * split)
        return self

    def seen(self, split):
        """Returns the rows that have arrived so far, without forgotten rows."""
        return self.rows.y // 2 <= split

    def kept(self, split):
        return np.flatnonzero(self.seen(split) & ~self.held & ((self.rows.y % 2 == 1) | (self.rows.y // 2 == split)))

    def learn(self, split):
        self.split, kept = split, self.kept(split)
        self.model.train(self.model.search(self.rows.x[kept]), self.rows.y[kept], ids=kept, **self.rows.recipe)

    def figures(self):
        """Returns the accuracy on classes that are not forgotten, the fraction of forgotten classes' test rows that are
        still classified correctly, and the fraction of pairs that can no longer be selected."""
        answers = self.model.predict(self.rows.test_x)
        right, stays, info = answers == self.rows.test_y, self.rows.test_y % 2 == 1, self.model.info
        dead = (info.masked_pairs + info.purged_pairs) / (info.codebooks * info.keys)
        return right[stays].mean(), right[~stays].mean(), dead


class Suppressed(Life):
    def forget(self, label):
        gone = np.flatnonzero((self.rows.y == label) & ~self.held)
        held = np.flatnonzero(self.seen(self.split) & self.held)
        with self.model.codebooks as codebooks:
            codeset = dkvb.Codeset(codebooks, self.rows.k)
            for part, rows, k in (("training", gone, self.rows.k), ("held_out", held, DEPTH)):
                codeset.add(part, rows, self.rows.y[rows], codebooks.search(self.rows.x[rows], k))
        self.model.apply(self.model.plan_forget(classes=[label], codeset=codeset, force=True), codeset)


class Purged(Suppressed):
    def forget(self, label):
        super().forget(label)
        self.model.purge()


class Renewed(Purged):
    """Replaces purged pairs by fresh keys, which are means of rows of the next split, with values of 0. As the
    codebooks are new, the model becomes another one, whose journal begins anew."""

    def learn(self, split):
        if split:
            self.renew(self.rows.x[(self.rows.y // 2 == split) & ~self.held])
        super().learn(split)

    def renew(self, x):
        draw = np.random.default_rng(self.rows.seed + self.split)
        with self.model.codebooks as old:
            info, scales = old.info, old.scales
            dead, keys = self.model.mask.to_array(), old.keys.astype(np.float32)
            most = dead.sum(axis=1).max()
            places = old.project(x[draw.permutation(len(x))[:AROUND * most]]).astype(np.float32)
            for c in range(info.codebooks):
                keys[c, dead[c]] = means(places[:, c], int(dead[c].sum()))
            codebooks = dkvb.Codebooks.from_arrays(keys / scales[:, None, None], info.input_dim, center=old.center,
                                                   whitening=old.whitening, scales=scales, normalize=info.normalize,
                                                   seed=self.rows.seed)
        model = dkvb.Model(codebooks, self.model.info.classes, self.rows.k)
        model.values = self.model.values
        model.values_dtype = self.model.values_dtype
        self.model = model


def means(places, count):
    """Returns `count` fresh keys, `[count][key_dim]`: means of the rows nearest to `count` drawn rows."""
    centers = places[:count]
    distance = (centers ** 2).sum(axis=1) - 2 * places @ centers.T
    nearest = distance.argmin(axis=1)
    sums = np.zeros_like(centers)
    np.add.at(sums, nearest, places)
    return sums / np.maximum(np.bincount(nearest, minlength=count), 1)[:, None]


class Exact(Life):
    """Forgetting by the library's strength exact: the codeset has all rows and trainings so far, which are repeated
    without the class."""

    def __init__(self, rows):
        super().__init__(rows)
        self.codeset = dkvb.Codeset(self.codebooks, rows.k)

    def learn(self, split):
        self.split = split
        for part, marks in (("training", ~self.held), ("held_out", self.held)):
            new = np.flatnonzero((self.rows.y // 2 == split) & marks)
            codes = self.rows.codes[new] if part == "training" else self.codebooks.search(self.rows.x[new], DEPTH)
            self.codeset.add(part, new, self.rows.y[new], codes)
        stored = self.codeset.rows("training")
        self.model.train(stored.codes, stored.labels, ids=stored.ids, **self.rows.recipe)
        self.codeset.add_session(self.model, **self.rows.recipe)

    def forget(self, label):
        plan = self.model.plan_forget(classes=[label], codeset=self.codeset, strength="exact", force=True)
        self.model.apply(plan, self.codeset)


class Joint(Life):
    """Joint training on all classes that are not forgotten, at once."""

    def run(self):
        self.model.add_classes(self.rows.classes - 2)
        kept = np.flatnonzero((self.rows.y % 2 == 1) & ~self.held)
        self.rows.train(self.model, kept)
        return self


LIVES = (("joint training on the classes that stay", Joint), ("exact", Exact), ("suppress", Suppressed),
         ("suppress and purge", Purged), ("suppress, purge, fresh keys", Renewed))


def forgetting(options):
    table = evidence.Table("continual-forgetting", ["way of forgetting between splits",
                                                    "accuracy on the classes that stay",
                                                    "accuracy below joint training",
                                                    "fraction of the forgotten classes' test rows answered correctly",
                                                    "fraction of pairs out of use"])
    data, found, limit = evidence.load(options, "cifar10"), {}, QUICK if options.quick else None
    for seed in range(options.seeds):
        rows = Rows(data, dkvb.Codebooks.fit(data.x[:limit], seed=seed), seed, limit)
        for name, life in LIVES:
            found.setdefault(name, []).append(life(rows).run().figures())
            print(f"    {name}: {np.round(found[name][-1], 4)}", flush=True)
    best = [unit[0] for unit in found[LIVES[0][0]]]
    for name, units in found.items():
        stays, gone, dead = zip(*units)
        table.add(name, evidence.mean(stays), "–" if name == LIVES[0][0] else evidence.paired(best, stays),
                  evidence.mean(gone), evidence.mean(dead))
    table.note = (f"Figures of this table are means over {options.seeds} seeds, on test rows, after the last of 5 "
                  f"splits of cifar10, each "
                  "of which lost its first class before the next split. In the experiment on forgetting "
                  "between splits, every split is learned together with all earlier rows of the classes that stay.")
    return table


def measure(options):
    yield learning(options)
    yield forgetting(options)


if __name__ == "__main__":
    evidence.main(__doc__, measure)
