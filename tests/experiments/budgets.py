"""Experiment: how much accuracy do the forgotten class and all other classes keep as more and more pairs are masked?

A sweep forgets each class alone, with budgets (numbers of masked pairs) that double up to all pairs of the model, by
the method `values`, which plans use, and by `activations`, the method of the paper. The means are computed from the
cells of the tables that sweeps write.
"""
import csv
import tempfile
from pathlib import Path

import evidence
from evidence import Table, mean

import dkvb

SETS = {"cifar10": "CIFAR-10", "tiny100": "Tiny-ImageNet"}
MOST = 20  # Largest number of classes of a data set that are forgotten.
STEPS = 13  # Number of budgets, each twice the one before, from a 4,096th of all pairs to all pairs.
METHODS = ("values", "activations")


def cells_of(options, data, work, seed):
    """Runs the sweep of one seed, and returns the cells of its table."""
    model, codeset, _ = dkvb.fit(data.x, data.y, codeset=True, seed=seed)
    path = Path(work) / f"{data.name}-{seed}.csv"
    model.sweep(codeset, classes=evidence.spread(data.classes, 2 if options.quick else MOST), methods=METHODS,
                steps=3 if options.quick else STEPS, test_x=data.test_x, test_labels=data.test_y, path=path)
    with open(path, newline="", encoding="utf-8") as file:
        return [line for line in csv.DictReader(file) if line["line"] == "cell"]


def one_set(options, name, table):
    data = evidence.load_few(options, name)
    with tempfile.TemporaryDirectory() as work:
        cells = [cell for seed in range(options.seeds) for cell in cells_of(options, data, work, seed)]
    total = int(cells[0]["codebooks"]) * int(cells[0]["keys"])

    def of(method, budget, column):
        return mean([float(c[column]) for c in cells if (c["method"], c["budget"]) == (method, budget)])

    first = cells[0]
    table.add(SETS[name], "0", *(of(method, first["budget"], column) if column else "0" for method in METHODS
                                 for column in ("forget_before", None, None)))
    for budget in dict.fromkeys(cell["budget"] for cell in cells):
        table.add(SETS[name], f"{int(budget):,} ({100 * int(budget) / total:.3g} %)",
                  *(of(method, budget, column) for method in METHODS
                    for column in ("forget_after", "retain_change", "worst_loss")))


def measure(options):
    columns = [f"{method}: {what}" for method in METHODS
               for what in ("accuracy on the forgotten class", "change of accuracy on other classes",
                            "loss of the worst other class")]
    table = Table("budgets", ["data", "pairs masked", *columns], digits=3,
                  note="Figures of this table are means over classes and seeds, on test rows. The sweeps of budgets "
                       "ignore every limit and guard of a plan to forget. A method takes no pair without a score, so "
                       "the largest budgets of the method `values` have equal results. Codes list the 32 nearest keys: "
                       "if a mask takes all stored keys of a row in a codebook, the codebook adds "
                       "nothing to the logits of the row, although a search would find a farther key. With its "
                       "largest budgets the method `activations` masks all stored keys of the rows in most codebooks.")
    for name in SETS:
        if not options.quick or name == "cifar10":
            one_set(options, name, table)
    yield table


if __name__ == "__main__":
    evidence.main(__doc__, measure)
