"""Code that all experiment scripts share: data, means with intervals, paired tests, and tables of docs/experiments.md.

Each script of this folder makes one section of docs/experiments.md: `SCRIPT --write` measures and writes the section's
table into the page, `--check` measures and compares with the table in the page, and without an option the script only
prints. A script consists of a function measure() and one call:

    def measure(options):            # a generator of tables
        ...
        yield table

    evidence.main(__doc__, measure, seeds=3)
"""
import argparse
import gzip
import importlib
import math
import os
import re
import shlex
import struct
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "experiments.md"
FASHION = Path("/usr/share/datasets/fashion-mnist")
SKIPPED = 77  # exit status if the data or a Python package is missing

os.environ.setdefault("DKVB_LIBRARY", str(ROOT / "build" / "release" / "lib" / "libdkvb.so"))
sys.path.insert(0, str(ROOT / "bindings" / "python"))

# Data


@dataclass
class Set:
    """A data set: rows as float32, labels as int32."""

    name: str
    x: np.ndarray  # Training rows, [n][columns].
    y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    names: list  # Names of the classes, by label.

    @property
    def classes(self):
        return int(self.y.max()) + 1


def folder(options):
    """Returns the folder of the data sets: `--data`, or else $DKVB_DATA, or else a folder beside the checkout."""
    return Path(options.data or os.environ.get("DKVB_DATA") or ROOT.parent / "shared" / "data")


def array(path):
    if not path.exists():
        skip(f"{path} is not there")
    found = np.load(path)
    return found.astype(np.float32 if found.dtype.kind == "f" else np.int32)


def load(options, name):
    """Loads the data set `name` from the folder of data sets; `fashion` are the pixels of Fashion-MNIST."""
    if name == "fashion":
        parts = [_idx(FASHION / f"{part}-{what}-ubyte.gz") for part in ("train", "t10k")
                 for what in ("images-idx3", "labels-idx1")]
        x, y, test_x, test_y = (p.reshape(len(p), -1).astype(np.float32) if p.ndim > 1 else p.astype(np.int32)
                                for p in parts)
        return Set(name, x, y, test_x, test_y, [str(label) for label in range(10)])
    where = folder(options) / name
    x, y, test_x, test_y = (array(where / f"{part}.npy") for part in ("train_x", "train_y", "test_x", "test_y"))
    names = where / "names.txt"
    found = names.read_text().split("\n") if names.exists() else []
    return Set(name, x, y, test_x, test_y, [n for n in found if n] or [str(label) for label in range(int(y.max()) + 1)])


def load_few(options, name):
    """Loads a data set as load() does; with --quick only 5,000 rows of its first 10 classes."""
    data = load(options, name)
    if not options.quick:
        return data
    few, some = np.flatnonzero(data.y < 10)[:5000], data.test_y < 10
    return Set(name, data.x[few], data.y[few], data.test_x[some], data.test_y[some], data.names[:10])


def _idx(path):
    if not path.exists():
        skip(f"{path} is not there: apt-get install dataset-fashion-mnist")
    data = gzip.open(path).read()
    shape = np.frombuffer(data, ">u4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def spread(n, count):
    """Returns `count` of `n` classes, evenly spread, or all, so that nobody can choose favourable classes."""
    count = min(count, n)
    return [i * n // count for i in range(count)]


# Means, intervals, tests


def package(name):
    """Imports a Python package that the experiment needs; exits with status 77 (skipped) if the package is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        skip(f"the Python package {name} is not there: apt-get install python3-{name.partition('.')[0]}")


def _stats():
    return package("scipy.stats")


@dataclass(frozen=True)
class Figure:
    """A mean over units (for example pairs of a seed and a class), with the half width of its 95 % interval by
    Student's t."""

    mean: float
    half: float
    n: int

    @property
    def low(self):
        return self.mean - self.half

    @property
    def high(self):
        return self.mean + self.half

    def text(self, digits, signed=False):
        value = _digits(self.mean, digits, signed)
        return f"{value} ± {_digits(self.half, digits)}" if self.n > 1 else value


def mean(values):
    """Returns the Figure of a list with one value for each unit; NaN marks a unit that could not be measured, and is
    left out."""
    values = np.asarray([v for v in values if not math.isnan(v)], float)
    if len(values) < 2:
        return Figure(float(values.mean()) if len(values) else math.nan, 0.0, len(values))
    half = _stats().t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return Figure(float(values.mean()), float(half), len(values))


@dataclass(frozen=True)
class Paired:
    """The mean difference of two methods on the same units, and the p value of a paired t test."""

    difference: Figure
    p: float  # p value of a two-sided paired t test; NaN for fewer than two units

    def text(self, digits):
        p = "" if math.isnan(self.p) else f" (p {'< .001' if self.p < 0.001 else '= ' + _digits(self.p, 3)})"
        return self.difference.text(digits, signed=True) + p


def paired(ours, theirs):
    """Returns the Paired comparison of two lists of values, which have one value for each unit."""
    gaps = np.asarray(ours, float) - np.asarray(theirs, float)
    gaps = gaps[~np.isnan(gaps)]
    if len(gaps) < 2:
        return Paired(mean(gaps), math.nan)
    if np.all(gaps == gaps[0]):
        return Paired(mean(gaps), 1.0 if gaps[0] == 0 else 0.0)
    return Paired(mean(gaps), float(_stats().ttest_1samp(gaps, 0.0).pvalue))


def auroc(positive, negative):
    """Returns the AUROC: the chance that a score of `positive` is above one of `negative`; ties count half (Mann and
    Whitney 1947)."""
    ranks = _stats().rankdata(np.concatenate([positive, negative]))
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


# Models


def margins(logits, labels):
    """Returns the margin of each row's label, log(p / (1 - p)), `float64[n]`: margins order rows as the losses do, and
    do not saturate."""
    logits = np.asarray(logits, np.float64)
    label = logits[np.arange(len(logits)), labels]
    others = logits.copy()
    others[np.arange(len(logits)), labels] = -np.inf
    top = others.max(axis=1)
    return label - top - np.log(np.exp(others - top[:, None]).sum(axis=1))


def sections(model):
    """Saves a model to a file, and returns a dict from the names of the file's sections (docs/format.md) to their
    bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.dkvb"
        model.save(path)
        data = path.read_bytes()
    found = {}
    for i in range(struct.unpack_from("<I", data, 24)[0]):
        name, _, _, offset, length, _ = struct.unpack_from("<16sIIQQQ", data, 64 + 64 * i)
        found[name.rstrip(b"\0").decode()] = data[offset:offset + length]
    return found


def differing(one, other):
    """Returns the names of the sections in which the files of two models differ, except the sections of the journal."""
    one, other = sections(one), sections(other)
    return sorted(name for name in (one.keys() | other.keys()) - {"journal", "terms", "evidence"}
                  if one.get(name) != other.get(name))


# Tables


def _digits(value, digits, signed=False):
    """Writes a number without the 0 before the decimal point, as the pages do."""
    if math.isnan(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    text = text[1:] if text.startswith("0.") else text
    negative = value < 0 and any(c in text for c in "123456789")
    return ("−" if negative else "+" if signed else "") + text


@dataclass
class Table:
    """One table of docs/experiments.md, whose cells are texts, Figures or Paireds; numbers are written with `digits`
    decimals."""

    name: str  # Name of the marks in the page between which the table goes.
    columns: list
    note: str = ""  # Text below the table: what the units are, and what is compared.
    digits: int = 4

    def __post_init__(self):
        self.rows, self.bars = [], []

    def add(self, *cells):
        self.rows.append([self.text(cell) for cell in cells])
        print(f"  {self.name}: " + " | ".join(self.rows[-1]), flush=True)

    def bar(self, what, found, sense, wanted):
        """Adds a limit that the table must meet: the figure `found` must be <= or >= `wanted`."""
        met = found <= wanted if sense == "<=" else found >= wanted
        self.bars.append(f"Requirement {'met' if met else '**missed**'}: {what}: measured {found:.4g}, required "
                         f"{sense} {wanted:g}")
        print(f"  {self.name}: {self.bars[-1]}", flush=True)

    def text(self, cell):
        if isinstance(cell, (Figure, Paired)):
            return cell.text(self.digits)
        return _digits(cell, self.digits) if isinstance(cell, float) else str(cell)

    def markdown(self, told):
        lines = ["| " + " | ".join(self.columns) + " |", "| " + " | ".join("---" for _ in self.columns) + " |"]
        lines += ["| " + " | ".join(row) + " |" for row in self.rows]
        if self.bars:
            lines += ["", *(f"- {bar}" for bar in self.bars)]
        return "\n".join([*lines, "", " ".join(filter(None, [self.note, told]))])


def cpu():
    """Returns the name, family and model number of the processor, which the pages name beside each figure that depends
    on it."""
    found = {}
    for line in Path("/proc/cpuinfo").read_text().split("\n"):
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return (f"{found.get('model name', 'unknown')}, family {found.get('cpu family', '?')} model "
            f"{found.get('model', '?')}, {len(os.sched_getaffinity(0))} cores")


def processor_time():
    """Returns the processor seconds of this process and its children: the cost of a run, whatever else the machine
    does."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _place(name):
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"


def write(table, told):
    """Writes a table into its place in docs/experiments.md, atomically."""
    begin, end = _place(table.name)
    page = PAGE.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        sys.exit(f"{PAGE}: the place of table {table.name} is not there once: add the lines {begin} and {end}")
    before, rest = page.split(begin)
    after = rest.split(end)[1]
    with tempfile.NamedTemporaryFile("w", dir=PAGE.parent, delete=False) as new:
        new.write(f"{before}{begin}\n{table.markdown(told)}\n{end}{after}")
    os.chmod(new.name, 0o644)
    os.replace(new.name, PAGE)


def check(table):
    """Compares the means of a table with those in docs/experiments.md. Returns how many means lie outside both
    intervals."""
    begin, end = _place(table.name)
    page = PAGE.read_text()
    old = [line for line in page.partition(begin)[2].partition(end)[0].split("\n") if line.startswith("|")][2:]
    old = [[cell.strip() for cell in line.strip("|").split("|")] for line in old]
    outside = 0
    if len(old) != len(table.rows):
        print(f"OUTSIDE {table.name}: {len(table.rows)} rows were measured, the page has {len(old)}")
        return 1
    for was, now in zip(old, table.rows):
        for column, a, b in zip(table.columns, was, now):
            a, b = _interval(a), _interval(b)
            if a and b and (a[0] + a[1] < b[0] - b[1] or b[0] + b[1] < a[0] - a[1]):
                print(f"OUTSIDE {table.name}, {was[0]}, {column}: the page has {a[0]:g} ± {a[1]:g}, now {b[0]:g} ± {b[1]:g}")
                outside += 1
    return outside


def _interval(cell):
    """Returns the mean and the half width of a table cell that has both; None for other cells, such as texts and
    times."""
    found = re.match(r"([−+]?[\d.]+) ± ([\d.]+)", cell)
    return found and (float(found[1].replace("−", "-")), float(found[2]))


# The main program of an experiment script


def main(words, measure, *, seeds=3, options=()):
    """Reads the script's options, measures its tables, and prints, writes or checks them. `options` are further options
    as (name, keywords of add_argument)."""
    parser = argparse.ArgumentParser(description=words.partition("\n")[0],
                                     epilog="DKVB_LIBRARY names the library; without it that of build/release is used.")
    parser.add_argument("--data", help="folder of the data sets; DKVB_DATA, or shared/data beside the checkout")
    parser.add_argument("--seeds", type=int, default=seeds, help=f"so many seeds, from 0 ({seeds})")
    parser.add_argument("--quick", action="store_true", help="the least that runs through, for a test of the script")
    parser.add_argument("--write", action="store_true", help=f"put the tables in {PAGE.relative_to(ROOT)}")
    parser.add_argument("--check", action="store_true", help="compare with the tables that are there")
    for name, keywords in options:
        parser.add_argument(name, **keywords)
    chosen = parser.parse_args()
    if chosen.quick and (chosen.write or chosen.check):
        parser.error("--quick measures too little for the page")
    if chosen.quick:
        chosen.seeds = 1
    given = [a for a in sys.argv[1:] if a not in ("--write", "--check")]
    command = shlex.join([str(Path(sys.argv[0]).resolve().relative_to(ROOT)), *given, "--write"])
    outside = 0
    for table in measure(chosen):
        told = f"The command `{command}` took {processor_time() / 60:.1f} minutes of processor time on {cpu()}."
        print("\n" + table.markdown(told) + "\n", flush=True)
        if chosen.write:
            write(table, told)
        if chosen.check:
            outside += check(table)
    sys.exit(1 if outside else 0)
