#!/usr/bin/env python3
"""Train on Fashion-MNIST, forget a class, undo that, forget the class for good: all of a model's life in Python.

    PYTHONPATH=bindings/python DKVB_LIBRARY=build/release/lib/libdkvb.so python3 examples/quickstart.py
"""

import argparse
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

import dkvb

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # apt-get install dataset-fashion-mnist


@contextmanager
def timed(what):
    start = time.perf_counter()
    yield
    print(f"{what:<34} {time.perf_counter() - start:6.2f} s")


def fashion_mnist(directory):
    return [read(directory / f"{part}-{kind}-ubyte.gz") for part in ("train", "t10k")
            for read, kind in ((dkvb.read_features, "images-idx3"), (dkvb.read_labels, "labels-idx1"))]


def synthetic(classes=4, dim=16):
    """Returns a small synthetic data set for a quick run: each class is a cloud of rows around its own centre."""
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(classes, dim))

    def rows(n):
        labels = rng.integers(classes, size=n, dtype=np.int32)
        return (centers[labels] + 0.5 * rng.normal(size=(n, dim))).astype(np.float32), labels

    return [*rows(4000), *rows(1000)]


class Story:
    """A trained model, its test rows, and the class that the model is to forget."""

    def __init__(self, x, y, test_x, test_y, gone, shape):
        self.test_x, self.test_y, self.gone = test_x, test_y, gone
        with timed("place the keys"):
            self.codebooks = dkvb.Codebooks.fit(x, seed=1, **shape)
        with timed("search, once and for all"):
            codes = self.codebooks.search(x)
        self.forget_codes = codes[y == gone]
        self.model = dkvb.Model(self.codebooks, classes=int(y.max()) + 1)
        with timed("train the values"):
            self.model.train(codes, y, seed=1)

    def show(self, when):
        """Prints and returns the model's accuracy on the forgotten class, and on all other classes."""
        right, is_gone = self.model.predict(self.test_x) == self.test_y, self.test_y == self.gone
        forgotten, retained = right[is_gone].mean(), right[~is_gone].mean()
        print(f"{when:<34} class {self.gone}: {forgotten:.3f}   the others: {retained:.3f}")
        return forgotten, retained

    def forget(self, pairs, reason):
        """Masks the (codebook, key) pairs that rows of the forgotten class select most. Returns the number of the
        journal entry that records the masking."""
        with timed(f"forget class {self.gone}"):
            mask = dkvb.Mask(self.codebooks)
            dkvb.unlearn_choose(mask, self.model, "activations", pairs, codes=self.forget_codes)
            return self.model.forget(mask, method="activations", reason=reason)

    def save(self, path):
        with timed(f"save {path.name}"):
            self.model.save(path)
        with dkvb.Model.map(path) as mapped:
            same = np.array_equal(mapped.predict(self.test_x), self.model.predict(self.test_x))
        claim(same, "the file answers alike")


def claim(holds, what):
    if not holds:
        sys.exit(f"not so: {what}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=FASHION_MNIST, help="folder of the four IDX files")
    parser.add_argument("--synthetic", action="store_true", help="small made-up data instead")
    parser.add_argument("--forget-class", type=int, default=0, metavar="C")
    parser.add_argument("--output", type=Path, metavar="MODEL", help="keep the model in this file")
    return parser.parse_args()


def main():
    args = arguments()
    if args.synthetic:
        story = Story(*synthetic(), args.forget_class, {"codebooks": 32, "keys": 64, "key_dim": 8})
        pairs = 1000
    else:
        story = Story(*fashion_mnist(args.data), args.forget_class, {"key_dim": 16})
        pairs = 200_000

    before = story.show("before")
    entry = story.forget(pairs, "a mistake")
    after = story.show(f"{pairs} pairs masked")
    claim(after[0] <= 0.05, "the class is forgotten")
    story.model.undo(entry)
    claim(story.show("undone") == before, "undo brings every answer back")

    story.forget(pairs, "for good")
    with timed("purge"):
        story.model.purge()
    claim(story.show("forgotten and purged") == after, "a purge changes no answer")

    with tempfile.TemporaryDirectory() as directory:
        story.save(args.output or Path(directory, "quickstart.dkvb"))
    for line in story.model.journal:
        print(f"  {line.id} {line.kind:<6} {line.state:<6} {line.pairs:>7} pairs  {line.reason}")


if __name__ == "__main__":
    main()
