"""Helpers of forgetting_bars.py: data sets, trained models, forgetting by the tool, and predictions.

The tool dkvb makes every change of a model. Predictions on rows with known codes are made by the Python package, which
searches only codes that a mask changed: they equal those of `dkvb predict` in a fraction of the time
(forgetting_bars.py compares both once).
"""
import json
import os
import shutil
import struct
import subprocess
from ctypes import POINTER, byref

import dkvb
import numpy as np
from dkvb import _ffi, _struct
from dkvb._library import lib

FASHION = "/usr/share/datasets/fashion-mnist"

class Failed(Exception):
    """Raised if a command of the tool fails, with the tool's error line."""


class Set:
    """Training and test rows of one data set, with their labels."""

    def __init__(self, name, folder):
        names = (["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
                  "t10k-labels-idx1-ubyte.gz"] if name == "fashion" else
                 ["train_x.npy", "train_y.npy", "test_x.npy", "test_y.npy"])
        folder = FASHION if name == "fashion" else os.path.join(folder, name)
        self.name = name
        self.train_x, self.train_y, self.test_x, self.test_y = (os.path.join(folder, f) for f in names)
        self.there = os.path.exists(self.train_x)
        if self.there:
            self.y, self.tests = dkvb.read_labels(self.train_y), dkvb.read_labels(self.test_y)
            self.classes = int(self.y.max()) + 1


class Lab:
    """A model trained on one data set with one seed, its codes file, and a folder for results."""

    def __init__(self, tool, data, seed, folder):
        self.tool, self.data, self.seed, self.folder = tool, data, seed, folder
        self.model, self.codes, self.test_codes_file = (self.path(f"{data.name}-{seed}{end}") for end in
                                                        (".dkvb", ".codes", "-test.npy"))
        self._rows = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def scratch(self, name):
        return self.path(f"scratch-{name}")

    def sweep(self):
        for name in os.listdir(self.folder):
            if name.startswith("scratch-"):
                os.remove(self.path(name))

    def run(self, *args):
        done = subprocess.run([self.tool, *map(str, args), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        if done.returncode != 0:
            raise Failed(done.stderr.strip())
        return json.loads(done.stdout)

    # Models

    def train(self, model, codes, *options):
        """Trains a model and its codes file unless both files exist. Files are written under other names first, so that
        an existing file is complete."""
        if os.path.exists(model) and os.path.exists(codes):
            return
        self.run("train", "--features", self.data.train_x, "--labels", self.data.train_y, "-o", model + ".part",
                 "--codes-out", codes + ".part", "--keep", "codes", "--seed", self.seed, "--keep-counts", *options)
        os.replace(model + ".part", model)
        os.replace(codes + ".part", codes)

    def prepare(self):
        self.train(self.model, self.codes)
        if not os.path.exists(self.test_codes_file):
            self.run("search", self.model, "--features", self.data.test_x, "-o", self.test_codes_file)

    def prepare_others(self):
        """Trains a model on all training rows, with keys placed on the test rows, which stand for other data."""
        model, codes = (self.path(f"{self.data.name}-{self.seed}-others{end}") for end in (".dkvb", ".codes"))
        self.train(model, codes, "--key-features", self.data.test_x, "--hold-out", 0)
        return model, codes

    def copy(self, name):
        return shutil.copyfile(self.model, self.scratch(name))

    # Forgetting

    def forget(self, label, *options, model=None, output=None):
        """Forgets a class by the tool, with the codes file. Returns the path of the new model, and the tool's JSON
        output."""
        output = output or self.scratch("forgotten.dkvb")
        said = self.run("forget", model or self.model, "-o", output, "--class", label, "--codes", self.codes, *options)
        return output, said

    def retrain(self, label):
        """Trains a model without a class, or without several classes, on the same keys."""
        output = self.scratch("retrained.dkvb")
        self.forget(label, "--strength", "exact", "--keep-keys", "--codes-out", self.scratch("retrained.codes"),
                    output=output)
        return output

    # Answers

    @property
    def test_x(self):
        return self._once("test_x", lambda: dkvb.read_features(self.data.test_x))

    @property
    def test_codes(self):
        return self._once("test_codes", lambda: np.load(self.test_codes_file))

    @property
    def train_x(self):
        return self._once("train_x", lambda: dkvb.read_features(self.data.train_x))

    @property
    def training(self):
        """Returns (ids, labels, codes) of the training rows; an id is a row number."""
        return self._once("training", lambda: codeset_part(self.codes, _ffi.DKVB_PART_TRAINING))

    def _once(self, name, make):
        if name not in self._rows:
            self._rows[name] = make()
        return self._rows[name]

    def labels(self, model):
        """Returns a model's predictions on the test rows."""
        return answers(model, self.test_x, self.test_codes, dkvb.Model.classify)

    def logits(self, model):
        return answers(model, self.test_x, self.test_codes, dkvb.Model.decode)

    def right(self, labels):
        return labels == self.data.tests


def answers(path, x, codes, how):
    """Returns predictions of rows whose codes without a mask are known."""
    with dkvb.Model.map(path) as model:
        return how(model, model.refresh(x, codes))


# Codes files


def load_codeset(path):
    """Loads a codeset as a C handle, which the caller must free."""
    out = POINTER(_ffi.Codeset)()
    lib.dkvb_codeset_load(byref(out), os.fsencode(path), None, None)
    return out


def codeset_part(path, part):
    """Returns copies of (ids, labels, codes) of the training or held-out part of a codes file."""
    handle, rows = load_codeset(path), _struct.sized(_ffi.CodesetRows)
    lib.dkvb_codeset_get_rows(handle, part, byref(rows))
    shapes = (rows.n,), (rows.n,), (rows.n, rows.codebooks, rows.k)
    found = [np.ctypeslib.as_array(at, shape).copy() for at, shape in zip((rows.ids, rows.labels, rows.codes), shapes)]
    lib.dkvb_codeset_free(handle)
    return found


# Reading model files by docs/format.md


def sections(path):
    """Returns a dict from the names of a model file's sections to their bytes."""
    with open(path, "rb") as file:
        data = memoryview(file.read())
    count, found = struct.unpack_from("<I", data, 24)[0], {}
    for i in range(count):
        name, _, _, offset, length, _ = struct.unpack_from("<16sIIQQQ", data, 64 + 64 * i)
        found[name.rstrip(b"\0").decode()] = data[offset:offset + length]
    return found


def differing_sections(a, b, temperature=True):
    """Returns the names of sections in which two model files differ, except the sections of the journal; with
    temperature=False also except the two numbers of the temperature, which depend on held-out rows."""
    a, b = sections(a), sections(b)
    if not temperature:
        for found in (a, b):
            shape = bytearray(found["shape"])
            shape[64:72] = shape[88:96] = bytes(8)
            found["shape"] = shape
    record = {"journal", "terms", "evidence"}
    return sorted(name for name in (a.keys() | b.keys()) - record if a.get(name) != b.get(name))


# Membership


def auc(members, others):
    """Returns the AUC: the chance that a member's score is above a non-member's, ties counting half."""
    _, place, count = np.unique(np.concatenate([members, others]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    n = len(members)
    return (ranks[:n].sum() - n * (n + 1) / 2) / (n * len(others))


def margins(logits, label):
    """Returns the margin of the label, log(p / (1 - p)): margins order rows as the losses do, and do not saturate."""
    others = np.delete(logits, label, axis=1)
    top = others.max(axis=1)
    return logits[:, label] - top - np.log(np.exp(others - top[:, None]).sum(axis=1))


def attack_features(logits, label):
    """Returns the inputs of the fitted attack for each row: the logits in falling order, the label's logit, and its
    log-probability."""
    top = logits.max(axis=1)
    log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return np.column_stack([-np.sort(-logits, axis=1), logits[:, label], logits[:, label] - log_sum])


def fit_logistic(x, y, ridge=1.0, steps=25):
    """Fits a logistic regression by Newton's method (Hastie, Tibshirani, Friedman 2009, 4.4.1), with an L2 penalty on
    all weights but the last, the intercept."""
    x = np.column_stack([x, np.ones(len(x))])
    penalty = ridge * np.eye(x.shape[1])
    penalty[-1, -1] = 0.0
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ w, -30, 30)))
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + penalty, x.T @ (y - p) - penalty @ w)
        w += step
        if np.abs(step).max() < 1e-8:
            break
    return w


def fitted_auc(x, y, folds=5):
    """Returns the AUC of a fitted attack by cross-validation: each row is scored by a fit to the other folds, and the
    AUCs of the folds are averaged, as fits differ by a constant."""
    fold = np.random.default_rng(0).permutation(len(x)) % folds
    found = []
    for f in range(folds):
        inside = fold != f
        middle, spread = x[inside].mean(axis=0), x[inside].std(axis=0) + 1e-9
        w = fit_logistic((x[inside] - middle) / spread, y[inside])
        scores = (x[~inside] - middle) / spread @ w[:-1]
        found.append(auc(scores[y[~inside] == 1], scores[y[~inside] == 0]))
    return float(np.mean(found))


def membership(members, others, label):
    """Returns the AUCs of two membership attacks, by loss and by a fitted classifier, from the logits of members and
    non-members of one class."""
    members, others = members.astype(np.float64), others.astype(np.float64)
    x = np.concatenate([attack_features(members, label), attack_features(others, label)])
    y = np.concatenate([np.ones(len(members)), np.zeros(len(others))])
    return {"loss": float(auc(margins(members, label), margins(others, label))), "fitted": fitted_auc(x, y)}


def drop_column(logits, label):
    """Returns logits without the column of a class; the largest remaining logit takes the place of the label's."""
    left = np.delete(logits, label, axis=1)
    return np.column_stack([left.max(axis=1), -np.sort(-left, axis=1)[:, 1:]])
