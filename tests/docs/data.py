"""What the blocks of pages find in their folder: rows of three classes in every form that the pages name.

x.npy, y.npy       rows to train on, float32 [600][16], and their labels
test_x.npy, test_y.npy   150 more
names.txt          names of the classes, a line each
rows.csv           the rows of x.npy and a column `label` with the names
new.csv            150 rows without labels
"""
import csv
import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
names = ["cat", "dog", "bird"]
random = np.random.default_rng(7)
centres = random.normal(size=(3, 16)) * 2


def rows(n):
    y = np.arange(n, dtype=np.int32) % 3
    return (centres[y] + random.normal(size=(n, 16))).astype(np.float32), y


def table(name, x, y=None):
    with open(folder / name, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([f"c{j}" for j in range(x.shape[1])] + (["label"] if y is not None else []))
        for i, row in enumerate(x):
            out.writerow([f"{v:.6g}" for v in row] + ([names[y[i]]] if y is not None else []))


x, y = rows(600)
test_x, test_y = rows(150)
for name, array in (("x", x), ("y", y), ("test_x", test_x), ("test_y", test_y)):
    np.save(folder / f"{name}.npy", array)
(folder / "names.txt").write_text("\n".join(names) + "\n")
table("rows.csv", x, y)
table("new.csv", test_x)
